"""The reason why a problem has no schedule: conflicts, ways out and circumstances, with names, as an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import Limits
from optimizer.solve.problem.statement import Statement
from optimizer.solve.why_not.changes import Change, loosened, relaxed_rules
from optimizer.solve.why_not.circumstances import circumstances
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.effects import Effect, effect_of_plan
from optimizer.solve.why_not.feasibility import Budget
from optimizer.solve.why_not.no_schedule import (
    NamedConflict,
    NamedRelaxation,
    Names,
    NoScheduleError,
    NotFoundWithinEffortError,
)
from optimizer.solve.why_not.relaxation import Diagnosis, Relaxation, diagnose

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

ProblemOf = Callable[[Inventory, Rules], Statement]
"""Returns the problem of an estate, as it is or changed, under some rules."""


def _search_for_reason(search: Search, left: float | None) -> Search:
    """Search for conflicts and ways out, in the time that a search has left, or a small share of its time limit."""
    least = search.share(SHARE_OF_REASON).time_limit_seconds
    return search if left is None or least is None else search.within(max(left, least))


class Unsolved:
    """A problem without a known schedule.

    Parameters
    ----------
    inventory, problem
        The estate, and the problem whose limits cannot all hold.
    problem_of
        Returns the problem of the same estate under other rules, or of a changed estate.
    """

    def __init__(self, inventory: Inventory, problem: Statement, problem_of: ProblemOf) -> None:
        self._inventory, self._limits, self._problem_of = inventory, problem.limits, problem_of
        self._names = Names(inventory, problem.rules)

    def error(
        self, search: Search, left: float | None, tell: Tell, if_possible: str = ""
    ) -> NoScheduleError | NotFoundWithinEffortError:
        """The reason and the ways out, as an error.

        Parameters
        ----------
        search, left
            The search that found no schedule, and the seconds that it has left for the reason; None without a limit.
        tell
            See :meth:`diagnose`.
        if_possible
            Message for the case that some schedule keeps the limits after all.
        """
        search = _search_for_reason(search, left)
        diagnosis = self.diagnose(search, tell)
        if diagnosis.outcome is SolveStatus.INFEASIBLE:
            answer = self._names.answer(diagnosis, self._circumstances(diagnosis, search))
            return NoScheduleError(answer, diagnosis.conflicts, diagnosis.relaxations)
        if diagnosis.outcome is SolveStatus.FEASIBLE and if_possible:
            return NotFoundWithinEffortError(if_possible)
        return self.not_found(search, diagnosis)

    def not_found(self, search: Search, diagnosis: Diagnosis | None = None) -> NotFoundWithinEffortError:
        """Error for a search that found no schedule and no proof, with the ways out of a diagnosis if there is one."""
        message = (
            f"found no schedule that keeps the rules with effort {search.effort}, and could not prove that none "
            "exists; increase --effort, or loosen a rule"
            + ("" if self._limits.rules.max_moves is None else ", or take a first step toward the rules with --toward")
        )
        return NotFoundWithinEffortError(message, None if diagnosis is None else self._names.answer(diagnosis, ()))

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
            relaxed = loosened(self._problem_of(self._inventory, rules).limits, changes).instance
            return effect_of_plan(relaxed, lighter.within(clock.left()).share(1 / RELAXATIONS_TO_TIME), near)

        def report(reason: Conflict | Relaxation) -> None:
            tell(self._names.conflict(reason) if isinstance(reason, Conflict) else self._names.relaxation(reason))

        halfway = search.share(1 / 2).deadline()
        return diagnose(self._limits, judge, Budget(CONFLICT_WORK * search.effort, halfway), report)

    def _circumstances(self, diagnosis: Diagnosis, search: Search) -> list[tuple[str, ...]]:
        """Properties of the VMs' backups that contribute to each conflict."""

        def limits_of(inventory: Inventory) -> Limits:
            return self._problem_of(inventory, self._limits.rules).limits

        budget = Budget(CONFLICT_WORK * search.effort, search.share(SHARE_OF_CIRCUMSTANCES).deadline())
        return circumstances(self._inventory, diagnosis.conflicts, limits_of, budget)
