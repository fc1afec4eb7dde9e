"""Plan of a prepared case: find a schedule, derive the changes, and verify the whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from optimizer.documents import PlanDocument, Settings, apply_in_memory, with_fingerprint
from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.plan.case import Case
from optimizer.plan.make.carried_out import solve_in_order
from optimizer.plan.make.compose import changes_to, compose_plan, known_policies
from optimizer.plan.make.earlier import EarlierPlan
from optimizer.plan.make.moves_curve import trace_curve
from optimizer.plan.make.solving import solve_case
from optimizer.plan.make.toward import WritesOfCase, figures_of, require_move_limit
from optimizer.plan.make.why_not import Tell, no_schedule_error
from optimizer.plan.notes.policy_notes import notes_on_emptied
from optimizer.plan.preparation import prepare_forecast
from optimizer.ports import Clock, Progress, ignore, no_progress
from optimizer.rollout import notes_on_writes
from optimizer.solve import Near, Problem, Search, Solved, TowardRules, plan_toward

SHARE_OF_SOLVE = 0.7
"""Share of the time limit for the solver, if a moves curve is requested as well."""


def make_plan_of(
    estate: Estate,
    case: Case,
    *,
    seed: int = 0,
    effort: int = Search.effort,
    gap: float = Search.gap,
    time_limit_seconds: float | None = None,
    path: str | Path | None = None,
    earlier: EarlierPlan | None = None,
    moves_curve: bool = False,
    toward: bool = False,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = ignore,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Plan a case that is already prepared; see :func:`optimizer.workflow.make_plan`."""
    began = time.monotonic()
    search = Search(seed, effort, gap, time_limit_seconds)
    target = None if earlier is None else earlier.target_in(case.inventory)

    def first_step(problem: Problem, writes: WritesOfCase) -> TowardRules | None:
        return plan_toward(problem, writes, search, engine=engine, progress=progress, start=target)

    step = _toward(estate, case, search, first_step, tell) if toward else None

    def near_in(one: Case) -> Near | None:
        return None if earlier is None else Near(earlier.starts_in(one.inventory), keep=True)

    def solved(one: Case) -> Solved:
        return solve_case(
            one,
            search.share(SHARE_OF_SOLVE) if moves_curve else search,
            engine=engine,
            progress=progress,
            near=near_in(one),
            begin=None if step is None else step.options,
            why_not=one is case,
            tell=tell,
        )

    if step is not None and step.months > 1:
        result = step.as_solved(case.problem, time.monotonic() - began)
    else:
        result = solve_in_order(case, known_policies(estate), solved, search)
    curve = None
    if moves_curve:
        curve, result = trace_curve(estate, case, result, search.share(1 - SHARE_OF_SOLVE), progress)
    plan = compose_plan(
        estate,
        case,
        result,
        Settings(
            seed=seed,
            effort=effort,
            gap=gap,
            time_limit_seconds=time_limit_seconds,
            history=case.history,
            recently_moved=_by_vm_id(case),
            earlier=None if earlier is None else earlier.source,
        ),
        path=Path("plan.json" if path is None else path),
        began=began,
        moves_curve=curve,
        toward=None if step is None else figures_of(case, step, result),
        clock=clock,
    )
    added = [*notes_on_writes(plan, estate.document, case.inventory)]
    if earlier is not None:
        added.append(earlier.note(plan.schedule))
    added += notes_on_emptied(plan, estate.document)
    return with_fingerprint(plan.model_copy(update={"notes": (*added, *plan.notes)})) if added else plan


def _toward(
    estate: Estate,
    case: Case,
    search: Search,
    first_step: Callable[[Problem, WritesOfCase], TowardRules | None],
    tell: Tell,
) -> TowardRules | None:
    """First step toward the rules; None if today's schedule keeps them.

    Raises
    ------
    NoScheduleError
        No number of moves is enough; the message names the rules in conflict.
    NotFoundWithinEffortError
        No schedule that keeps the rules was found, and it was not proven that none exists; or none can be reached.
    """
    clock = search.clock()
    require_move_limit(case.rules.max_moves)
    if case.problem.is_kept_by(case.problem.instance.today):
        return None
    known = known_policies(estate)

    def after(options: IntArray) -> Case:
        document = apply_in_memory(estate.document, changes_to(case, options, known).changes)
        inventory = Estate(estate.path, document).inventory(case.rules.service_from)
        return prepare_forecast(inventory, case.rules, case.forecast, case.recently_moved)

    step = first_step(case.problem, WritesOfCase(case, known, after))
    if step is None:
        rules = case.rules.model_copy(update={"max_moves": None})
        free = prepare_forecast(case.inventory, rules, case.forecast, case.recently_moved, case.table)
        unreachable = (
            f"no schedule that keeps every rule was found that can be reached with {case.rules.max_moves} moves at a "
            "time: policies that protect more VMs would have to be edited at once; raise max_moves, or search longer "
            "with --effort"
        )
        raise no_schedule_error(free, search, clock.left(), tell, unreachable)
    return step


def _by_vm_id(case: Case) -> dict[ArmId, date]:
    """Days of recent moves, by the VM's id as the schedule spells it."""
    ids = {item.vm_id: item.vm_id for item in case.inventory.items}
    return {ids[vm]: day for vm, day in case.recently_moved.items()}
