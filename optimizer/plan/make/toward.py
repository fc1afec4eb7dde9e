"""Plans with few moves toward rules that need more moves than are allowed at once (``plan --toward``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.documents import LaterMove, RuleToward, Toward
from optimizer.errors import ConfigError
from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import format_start
from optimizer.plan.case import Case
from optimizer.plan.make.compose import changes_to
from optimizer.solve import Problem, Solved, TowardRules


@dataclass(frozen=True, slots=True)
class WritesOfCase:
    """The writes of a case; see :class:`optimizer.solve.moves.first_step.Writes`.

    Parameters
    ----------
    case
        The case.
    known
        ARM ids of every policy of the estate.
    after
        Builds the case of the estate as it will be after the changes that lead to a schedule.
    """

    case: Case
    known: list[str]
    after: Callable[[IntArray], Case]

    def stuck(self, options: IntArray) -> tuple[int, ...]:
        """Indices of the VMs that no order of writes can bring to a schedule."""
        return changes_to(self.case, options, self.known).stuck

    def in_order(self, options: IntArray) -> Iterator[list[int]]:
        """Yield the indices of the VMs that each write moves."""
        inventory = self.case.inventory
        row = {item.id: number for number, item in enumerate(inventory.items)}
        for change in changes_to(self.case, options, self.known).changes:
            if change.kind == "reassign_item":
                yield [row[change.item_id]]
            elif change.kind == "edit_policy":
                yield list(inventory.items_by_policy[change.policy_id])

    def problem_after(self, options: IntArray) -> Problem:
        """The problem of the estate as it will be after the changes that lead to a schedule."""
        return self.after(options).problem


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


def figures_of(case: Case, found: TowardRules, result: Solved) -> Toward:
    """Breaches today and in the plan that a result describes."""
    schedules = (case.problem.instance.today, result.options)
    today, left = (Counter(name for name, _ in case.problem.broken_at(options)) for options in schedules)
    waiting = np.flatnonzero(found.target != found.options) if left else ()
    rules = sorted(today, key=lambda name: (-today[name], name))
    return Toward(
        violations_today=today.total(),
        violations_left=left.total(),
        moves_needed=found.moves_needed,
        months=found.months,
        rules=tuple(RuleToward(rule=name, today=today[name], left=left[name]) for name in rules),
        later=tuple(
            LaterMove(vm=case.inventory.items[v].vm_id, start=format_start(int(found.target[v]))) for v in waiting
        ),
    )
