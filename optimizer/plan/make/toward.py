"""Plans with few moves toward rules that need more moves than are allowed at once (``plan --toward``)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from optimizer.documents import LaterMove, RuleToward, Toward, apply_in_memory
from optimizer.errors import ConfigError
from optimizer.estate import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import format_start
from optimizer.plan.case import Case
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.planner import Planner
from optimizer.plan.make.why_not import no_schedule_error
from optimizer.solve import Problem, Solved, TowardRules, plan_toward


@dataclass(frozen=True)
class StepWrites(CaseWrites):
    """The writes of a case, and the problem that is left after them.

    See :class:`optimizer.solve.moves.first_step.Writes`.

    Parameters
    ----------
    estate
        Estate of the case.
    """

    estate: Estate = field(kw_only=True)

    def problem_after(self, options: IntArray) -> Problem:
        """The problem of the estate as it will be after the changes that lead to a schedule."""
        document = apply_in_memory(self.estate.document, self.changes_to(options).changes)
        inventory = Estate(self.estate.path, document).inventory(self.case.rules.service_from)
        return self.case.changed(inventory=inventory).problem


def first_step(planner: Planner, estate: Estate, case: Case, target: IntArray | None) -> TowardRules | None:
    """First step toward the rules; None if today's schedule keeps them.

    Parameters
    ----------
    planner
        Settings of the search.
    estate, case
        The estate, and its case.
    target
        Shape (V,): schedule that earlier steps led to, at which the search begins. None: no such schedule.

    Raises
    ------
    NoScheduleError
        No number of moves is enough; the message names the rules in conflict.
    NotFoundWithinEffortError
        No schedule that keeps the rules was found, and it was not proven that none exists; or none can be reached.
    """
    search = planner.search
    clock = search.clock()
    if case.problem.is_kept_by(case.problem.instance.today):
        return None
    writes = StepWrites(case, CaseWrites.of(estate, case).known, estate=estate)
    step = plan_toward(case.problem, writes, search, engine=planner.engine, progress=planner.progress, start=target)
    if step is not None:
        return step
    free = case.changed(rules=case.rules.model_copy(update={"max_moves": None}))
    unreachable = (
        f"no schedule that keeps every rule was found that can be reached with {case.rules.max_moves} moves at a "
        "time: policies that protect more VMs would have to be edited at once; raise max_moves, or search longer "
        "with --effort"
    )
    raise no_schedule_error(free, search, clock.left(), planner.tell, unreachable)


def require_move_limit(max_moves: int | None) -> None:
    """Refuse ``--toward`` without a limit on moves.

    Raises
    ------
    ConfigError
        ``max_moves`` is not set; the message says what to write.
    """
    if not max_moves:
        found = "the rules set none" if max_moves is None else "it is 0"
        raise ConfigError(
            f"--toward makes a plan of at most max_moves moves, and {found}; give --max-moves N, 1 or more, or write "
            "max_moves in the rules"
        )


def figures_of(case: Case, step: TowardRules, result: Solved) -> Toward:
    """Breaches today and in the plan that a result describes."""
    schedules = (case.problem.instance.today, result.options)
    today, left = (Counter(name for name, _ in case.problem.broken_at(options)) for options in schedules)
    waiting = np.flatnonzero(step.target != step.options) if left else ()
    rules = sorted(today, key=lambda name: (-today[name], name))
    return Toward(
        violations_today=today.total(),
        violations_left=left.total(),
        moves_needed=step.moves_needed,
        months=step.months,
        rules=tuple(RuleToward(rule=name, today=today[name], left=left[name]) for name in rules),
        later=tuple(
            LaterMove(vm=case.inventory.items[v].vm_id, start=format_start(int(step.target[v]))) for v in waiting
        ),
    )
