"""Reasons why a case has no schedule, and what would make one possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.plan.case import Case
from optimizer.planning.case import prepare_forecast
from optimizer.solve.clock import SolveClock
from optimizer.solve.cpsat import Outcome
from optimizer.solve.instance import Instance
from optimizer.solve.limits import Limits
from optimizer.solve.search_settings import DEFAULT_EFFORT, Search
from optimizer.solve.why_not.changes import Change, loosened, relaxed_rules
from optimizer.solve.why_not.circumstances import circumstances
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.feasibility import Budget
from optimizer.solve.why_not.no_schedule import (
    NamedConflict,
    NamedRelaxation,
    Names,
    NoScheduleError,
    NotFoundWithinEffortError,
)
from optimizer.solve.why_not.relaxation import Diagnosis, Effect, Relaxation, diagnose, effect_of_plan, nobody

EFFORT_PARTS = 20
"""Divisor of the effort: each plan that a relaxation makes possible gets this fraction of it."""


RELAXATIONS_TO_TIME = 6
"""Divisor of the time left: each plan that a relaxation makes possible gets this fraction of it."""


CONFLICT_WORK = 0.1
"""Deterministic time (roughly seconds) for conflicts and ways out, per unit of effort."""


SHARE_OF_REASON = 0.15
"""Smallest share of the time limit for conflicts and ways out."""


SHARE_OF_CIRCUMSTANCES = 0.1
"""Share of the time limit, added to it, for finding which properties of VMs' backups contribute to a conflict."""


Tell = Callable[[NamedConflict | NamedRelaxation], None]
"""Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven."""


def search_for_reason(search: Search, clock: SolveClock) -> Search:
    """Search for conflicts and ways out, in the time that a search has left, or a small share of its time limit."""
    left = clock.left()
    least = search.share(SHARE_OF_REASON).time_limit_seconds
    return search if left is None or least is None else search.within(max(left, least))


def no_schedule_error(
    case: Case,
    limits: Limits | None,
    search: Search,
    tell: Tell,
    if_possible: str = "",
) -> NoScheduleError | NotFoundWithinEffortError:
    """Error for a case that was not solved, with the reason and the ways out.

    ``limits`` is None if the reason is not wanted.  ``if_possible`` is the message if some schedule keeps the rules.
    """
    not_found = (
        f"no schedule that satisfies the rules was found with effort {search.effort}, and it was not proven that "
        "there is none; search longer with --effort, or loosen a rule"
        + ("" if case.rules.max_moves is None else ", or take a first step toward the rules with --toward")
    )
    if limits is None:
        return NotFoundWithinEffortError(not_found)
    diagnosis = _diagnose(case, limits, search, tell)
    names = Names(case.inventory, case.rules)
    if diagnosis.outcome is Outcome.INFEASIBLE:
        answer = names.answer(diagnosis, _circumstances(case, diagnosis, search))
        return NoScheduleError(answer, diagnosis.conflicts, diagnosis.relaxations)
    if diagnosis.outcome is Outcome.FEASIBLE and if_possible:
        return NotFoundWithinEffortError(if_possible)
    return NotFoundWithinEffortError(not_found, names.answer(diagnosis, ()))


def diagnose_case(
    case: Case,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    tell: Tell = nobody,
) -> Diagnosis:
    """Find out why a case has no schedule, and what would make one possible.

    Parameters
    ----------
    case
        Case without a schedule.
    seed, effort, time_limit_seconds
        Settings of the solver.  Each plan that a relaxation makes possible gets a twentieth of the effort.  Half of
        the time limit is for the conflicts, the other half for all of these plans together.
    tell
        Called with every conflict and every way out as soon as it is proven.
    """
    return _diagnose(case, case.limits, Search(seed, effort, time_limit_seconds=time_limit_seconds), tell)


def _diagnose(case: Case, limits: Limits, search: Search, tell: Tell) -> Diagnosis:
    clock, names = search.clock(), Names(case.inventory, case.rules)
    lighter = search.with_less_effort(EFFORT_PARTS)

    def judge(changes: Sequence[Change], near: IntArray) -> Effect | None:
        one_of_several = lighter.within(clock.left()).share(1 / RELAXATIONS_TO_TIME)
        return effect_of_plan(relaxed_instance(case, changes), one_of_several, near)

    def told(one: Conflict | Relaxation) -> None:
        tell(names.conflict(one) if isinstance(one, Conflict) else names.relaxation(one))

    halfway = search.share(1 / 2).deadline()
    return diagnose(limits, judge, Budget(CONFLICT_WORK * search.effort, halfway), told)


def _circumstances(case: Case, diagnosis: Diagnosis, search: Search) -> list[tuple[str, ...]]:
    """Properties of the VMs' backups that contribute to each conflict."""

    def limits_of(inventory: Inventory) -> Limits:
        return prepare_forecast(inventory, case.rules, case.forecast, case.recently_moved).limits

    budget = Budget(CONFLICT_WORK * search.effort, search.share(SHARE_OF_CIRCUMSTANCES).deadline())
    return circumstances(case.inventory, diagnosis.conflicts, limits_of, budget)


def relaxed_instance(case: Case, changes: Sequence[Change]) -> Instance:
    """Instance for rules with the given changes."""
    rules = relaxed_rules(case.rules, changes, case.inventory)
    relaxed = prepare_forecast(case.inventory, rules, case.forecast, case.recently_moved, case.table)
    return loosened(relaxed.limits, changes).instance
