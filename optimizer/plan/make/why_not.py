"""Reasons why a case has no schedule, and changes that would make one possible."""

from __future__ import annotations

from collections.abc import Callable

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan.case import Case
from optimizer.ports import ignore
from optimizer.solve import (
    Diagnosis,
    NamedConflict,
    NamedRelaxation,
    NoScheduleError,
    NotFoundWithinEffortError,
    Problem,
    Search,
    Unsolved,
)

Tell = Callable[[NamedConflict | NamedRelaxation], None]
"""Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven."""


def no_schedule_error(
    case: Case, search: Search, left: float | None, tell: Tell, if_possible: str = ""
) -> NoScheduleError | NotFoundWithinEffortError:
    """Error for a case that was not solved; see :meth:`optimizer.solve.why_not.reason.Unsolved.error`."""
    return _unsolved(case).error(search, left, tell, if_possible)


def not_found_error(case: Case, search: Search) -> NotFoundWithinEffortError:
    """Error for a case that was not solved, if the reason is not wanted."""
    return _unsolved(case).not_found(search)


def diagnose_case(
    case: Case,
    *,
    seed: int = 0,
    effort: int = Search.effort,
    time_limit_seconds: float | None = None,
    tell: Tell = ignore,
) -> Diagnosis:
    """Find out why a case has no schedule, and what would make one possible.

    Parameters
    ----------
    case
        Case without a schedule.
    seed, effort, time_limit_seconds
        Settings of the solver. Each plan that a relaxation makes possible gets a twentieth of the effort. Half of
        the time limit is for the conflicts, the other half for all of these plans together.
    tell
        Called with every conflict and every way out as soon as it is proven.
    """
    return _unsolved(case).diagnose(Search(seed, effort, time_limit_seconds=time_limit_seconds), tell)


def _unsolved(case: Case) -> Unsolved:
    def problem_of(inventory: Inventory, rules: Rules) -> Problem:
        return case.changed(inventory=None if inventory is case.inventory else inventory, rules=rules).problem

    return Unsolved(case.inventory, case.problem, problem_of)
