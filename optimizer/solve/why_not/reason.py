"""The reason why a problem has no schedule: conflicts, ways out and circumstances, with names, as an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.solve.clock import SolveClock
from optimizer.solve.cpsat import Outcome
from optimizer.solve.limits import Limits
from optimizer.solve.search_settings import Search
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
from optimizer.solve.why_not.relaxation import Diagnosis, Effect, Relaxation, diagnose, effect_of_plan

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

LimitsOf = Callable[[Inventory, Rules], Limits]
"""Returns the limits of an estate, as it is or changed, under some rules."""


def search_for_reason(search: Search, clock: SolveClock) -> Search:
    """Search for conflicts and ways out, in the time that a search has left, or a small share of its time limit."""
    left = clock.left()
    least = search.share(SHARE_OF_REASON).time_limit_seconds
    return search if left is None or least is None else search.within(max(left, least))


def not_found_error(
    rules: Rules, search: Search, diagnosis: Diagnosis | None = None, names: Names | None = None
) -> NotFoundWithinEffortError:
    """Error for a search that found no schedule and no proof that none exists, with the ways out if any are known."""
    message = (
        f"no schedule that satisfies the rules was found with effort {search.effort}, and it was not proven that "
        "there is none; search longer with --effort, or loosen a rule"
        + ("" if rules.max_moves is None else ", or take a first step toward the rules with --toward")
    )
    answer = None if diagnosis is None or names is None else names.answer(diagnosis, ())
    return NotFoundWithinEffortError(message, answer)


class Unsolved:
    """A problem without a known schedule.

    Parameters
    ----------
    inventory, limits
        The estate, and the limits that cannot all hold.
    limits_of
        Returns the limits of the same estate under other rules, or of a changed estate.
    """

    def __init__(self, inventory: Inventory, limits: Limits, limits_of: LimitsOf) -> None:
        self._inventory, self._limits, self._limits_of = inventory, limits, limits_of
        self._names = Names(inventory, limits.rules)

    def error(self, search: Search, tell: Tell, if_possible: str = "") -> NoScheduleError | NotFoundWithinEffortError:
        """The reason and the ways out, as an error.

        Parameters
        ----------
        search, tell
            See :meth:`diagnose`.
        if_possible
            Message for the case that some schedule keeps the limits after all.
        """
        diagnosis = self.diagnose(search, tell)
        if diagnosis.outcome is Outcome.INFEASIBLE:
            answer = self._names.answer(diagnosis, self._circumstances(diagnosis, search))
            return NoScheduleError(answer, diagnosis.conflicts, diagnosis.relaxations)
        if diagnosis.outcome is Outcome.FEASIBLE and if_possible:
            return NotFoundWithinEffortError(if_possible)
        return not_found_error(self._limits.rules, search, diagnosis, self._names)

    def diagnose(self, search: Search, tell: Tell) -> Diagnosis:
        """Find out why there is no schedule, and what would make one possible.

        Parameters
        ----------
        search
            Seed, effort and time limit. Each plan that a relaxation makes possible gets a twentieth of the effort.
            Half of the time limit is for the conflicts, the other half for all of these plans together.
        tell
            Called with every conflict and every way out as soon as it is proven.
        """
        clock, lighter = search.clock(), search.with_less_effort(EFFORT_PARTS)

        def judge(changes: Sequence[Change], near: IntArray) -> Effect | None:
            rules = relaxed_rules(self._limits.rules, changes, self._inventory)
            relaxed = loosened(self._limits_of(self._inventory, rules), changes).instance
            return effect_of_plan(relaxed, lighter.within(clock.left()).share(1 / RELAXATIONS_TO_TIME), near)

        def told(one: Conflict | Relaxation) -> None:
            tell(self._names.conflict(one) if isinstance(one, Conflict) else self._names.relaxation(one))

        halfway = search.share(1 / 2).deadline()
        return diagnose(self._limits, judge, Budget(CONFLICT_WORK * search.effort, halfway), told)

    def _circumstances(self, diagnosis: Diagnosis, search: Search) -> list[tuple[str, ...]]:
        """Properties of the VMs' backups that contribute to each conflict."""

        def limits_of(inventory: Inventory) -> Limits:
            return self._limits_of(inventory, self._limits.rules)

        budget = Budget(CONFLICT_WORK * search.effort, search.share(SHARE_OF_CIRCUMSTANCES).deadline())
        return circumstances(self._inventory, diagnosis.conflicts, limits_of, budget)
