"""Reasons why a case has no schedule, and what would make one possible."""

from __future__ import annotations

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan.case import Case
from optimizer.planning.case import prepare_forecast
from optimizer.solve.limits import Limits
from optimizer.solve.search_settings import DEFAULT_EFFORT, Search
from optimizer.solve.why_not.no_schedule import NoScheduleError, NotFoundWithinEffortError
from optimizer.solve.why_not.reason import Tell, Unsolved
from optimizer.solve.why_not.relaxation import Diagnosis, nobody

__all__ = ["Tell", "diagnose_case", "no_schedule_error"]


def no_schedule_error(
    case: Case, search: Search, tell: Tell, if_possible: str = ""
) -> NoScheduleError | NotFoundWithinEffortError:
    """Error for a case that was not solved; see :meth:`optimizer.solve.why_not.reason.Unsolved.error`."""
    return _unsolved(case).error(search, tell, if_possible)


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
    return _unsolved(case).diagnose(Search(seed, effort, time_limit_seconds=time_limit_seconds), tell)


def _unsolved(case: Case) -> Unsolved:
    def limits_of(inventory: Inventory, rules: Rules) -> Limits:
        table = case.table if inventory is case.inventory else None
        return prepare_forecast(inventory, rules, case.forecast, case.recently_moved, table).limits

    return Unsolved(case.inventory, case.limits, limits_of)
