"""Search for the schedule of a prepared case."""

from __future__ import annotations

from optimizer.engine import SERIAL, Engine
from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.make.why_not import Tell, no_schedule_error, not_found_error
from optimizer.plan.together import keep_promise
from optimizer.ports import Progress, ignore, no_progress
from optimizer.solve import Near, Search, Solved, find_schedule


def solve_case(
    case: Case,
    search: Search,
    *,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    near: Near | None = None,
    begin: IntArray | None = None,
    why_not: bool = True,
    tell: Tell = ignore,
) -> Solved:
    """Solve a prepared case, and spread services where that pays; see :func:`optimizer.solve.find.find_schedule`.

    Parameters
    ----------
    case
        Case to solve.
    search, engine, progress, near, begin
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
        case.problem,
        search,
        engine=engine,
        progress=progress,
        near=near,
        begin=begin,
        prove=why_not,
    )
    if isinstance(answer, Solved):
        return keep_promise(case, answer, search.seed)
    if why_not:
        raise no_schedule_error(case, search, clock.left(), tell)
    raise not_found_error(case, search)
