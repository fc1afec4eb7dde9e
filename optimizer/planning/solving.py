"""Search for the schedule of a prepared case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.together import keep_promise
from optimizer.planning.why_not import Tell, no_schedule_error, search_for_reason
from optimizer.ports import Progress, no_progress
from optimizer.solve.baselines import todays
from optimizer.solve.closest import ANYWHERE, stay_close, usable_start
from optimizer.solve.cost import is_feasible
from optimizer.solve.cpsat import Outcome
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import Instance
from optimizer.solve.search_settings import DEFAULT_EFFORT, DEFAULT_SEARCH, Search
from optimizer.solve.solved import Solved
from optimizer.solve.solver import solve
from optimizer.solve.why_not.feasibility import any_schedule
from optimizer.solve.why_not.relaxation import nobody

SHARE_OF_START = 0.2
"""Share of the time limit for the best moves from today, if moves are limited."""


EFFORT_OF_START = DEFAULT_EFFORT
"""Effort for the start of a search under a limit of moves; it is fixed, so that all searches begin alike."""


def solve_case(
    case: Case,
    search: Search = DEFAULT_SEARCH,
    *,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    near: IntArray | None = None,
    begin: IntArray | None = None,
    keep: bool = False,
    multipliers: Multipliers | None = None,
    why_not: bool = True,
    tell: Tell = nobody,
) -> Solved:
    """Solve a prepared case; see :func:`optimizer.solve.solver.solve`.

    Parameters
    ----------
    case
        Case to solve.
    search
        Seed, effort, gap and time limit.
    engine, progress, multipliers
        See :func:`optimizer.solve.solver.solve`.
    near
        Shape (V,): schedule to stay close to, feasible or not; see :func:`optimizer.solve.closest.stay_close`.
    begin
        Shape (V,): schedule at which the search begins, which must be feasible to be of use.
    keep
        Whether to search as if there were no ``near``, and then keep ``near`` if it is within ``gap``.  Otherwise,
        the search begins at ``near``, and VMs keep its starts only if that costs nothing.
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
    clock, rest = search.clock(), search
    start = begin if near is None or keep else usable_start(case.instance, near)
    if case.instance.max_moves is not None and (start is None or not is_feasible(case.instance, start)):
        start = _start_of(case.instance, search.share(SHARE_OF_START))
        rest = search.share(1 - SHARE_OF_START)
    limits = case.limits if why_not else None

    def known() -> IntArray | Outcome | None:
        any_found = None if limits is None else any_schedule(limits, search)
        if near is None or isinstance(any_found, np.ndarray) or any_found is Outcome.INFEASIBLE:
            return any_found
        return usable_start(case.instance, np.where(near == ANYWHERE, case.instance.today, near))

    result = solve(
        case.instance,
        rest,
        engine=engine,
        progress=progress,
        start=start,
        multipliers=multipliers,
        fallback=known,
    )
    if not isinstance(result, Solved):
        raise no_schedule_error(case, limits, search_for_reason(search, clock), tell)
    if near is not None:
        result = stay_close(case.instance, result, near, search.gap if keep else 0.0)
    return keep_promise(case, result, search.seed)


def _start_of(instance: Instance, search: Search) -> IntArray | None:
    """Best moves from today under a limit of moves, as in the moves curve, so that the search is never worse."""
    if not is_feasible(instance, todays(instance)):
        return None
    from optimizer.solve.moves.curve import best_moves

    return best_moves(instance, todays(instance), replace(search, effort=EFFORT_OF_START))
