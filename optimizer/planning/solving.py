"""Search for the schedule of a prepared case."""

from __future__ import annotations

from optimizer.engine import SERIAL, Engine
from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.together import keep_promise
from optimizer.planning.why_not import Tell, no_schedule_error
from optimizer.ports import Progress, no_progress
from optimizer.solve.dual import Multipliers
from optimizer.solve.find import Near, find_schedule
from optimizer.solve.search_settings import DEFAULT_SEARCH, Search
from optimizer.solve.solved import Solved
from optimizer.solve.why_not.reason import not_found_error, search_for_reason
from optimizer.solve.why_not.relaxation import nobody


def solve_case(
    case: Case,
    search: Search = DEFAULT_SEARCH,
    *,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    near: Near | None = None,
    begin: IntArray | None = None,
    multipliers: Multipliers | None = None,
    why_not: bool = True,
    tell: Tell = nobody,
) -> Solved:
    """Solve a prepared case, and spread services where that pays; see :func:`optimizer.solve.find.find_schedule`.

    Parameters
    ----------
    case
        Case to solve.
    search, engine, progress, near, begin, multipliers
        See :func:`optimizer.solve.find.find_schedule`.
    why_not
        Whether to look for the reason if there is no schedule.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.

    Raises
    ------
    NoScheduleError
        No schedule keeps the rules; the error contains the rules in conflict, and what would make a schedule possible.
    NotFoundWithinEffortError
        No schedule was found, and it was not proven that none exists; or ``why_not`` is False.
    """
    clock = search.clock()
    answer = find_schedule(
        case.limits,
        search,
        engine=engine,
        progress=progress,
        near=near,
        begin=begin,
        multipliers=multipliers,
        prove=why_not,
    )
    if isinstance(answer, Solved):
        return keep_promise(case, answer, search.seed)
    if why_not:
        raise no_schedule_error(case, search_for_reason(search, clock), tell)
    raise not_found_error(case.rules, search)
