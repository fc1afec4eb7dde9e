"""Finds a schedule for a problem with named limits, from a given beginning and close to a given schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress, no_progress
from optimizer.solve.effort.cycles import DEFAULT_EFFORT
from optimizer.solve.effort.search_settings import DEFAULT_SEARCH, Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.moves.curve import best_moves
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.statement import Statement
from optimizer.solve.search.baselines import todays
from optimizer.solve.search.closest import ANYWHERE, stay_close, usable_start
from optimizer.solve.search.solved import NotFound, Solved, Unsolvable
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.feasibility import any_schedule

SHARE_OF_START = 0.2
"""Share of the time limit for the best moves from today, if moves are limited."""

EFFORT_OF_START = DEFAULT_EFFORT
"""Effort for the start of a search under a limit of moves; it is fixed, so that all searches begin alike."""


@dataclass(frozen=True, slots=True)
class Near:
    """A schedule to stay close to.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM, feasible or not; ``Near.ANYWHERE`` for VMs that are not part of the
        schedule.
    keep
        Whether to search as if there were no such schedule, and then keep it if it is within the gap of the search.
        Otherwise, the search begins at the schedule, and VMs keep its starts only if that costs nothing.
    like
        Answer that the schedule comes from, to a problem of the same shape. The bound begins at its multipliers.
    """

    ANYWHERE: ClassVar[int] = ANYWHERE

    options: IntArray
    keep: bool
    like: Solved | None = None


def find_schedule(
    problem: Statement,
    search: Search = DEFAULT_SEARCH,
    *,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    near: Near | None = None,
    begin: IntArray | None = None,
    prove: bool = True,
) -> Solved | Unsolvable | NotFound:
    """Find a good schedule that keeps every limit, and prove how good it is.

    Parameters
    ----------
    problem
        The problem.
    search
        Seed, effort, gap and time limit.
    engine, progress
        See :func:`optimizer.solve.search.solver.solve`.
    near
        A schedule to stay close to; see :func:`optimizer.solve.search.closest.stay_close`.
    begin
        Shape (V,): schedule at which the search begins, which must be feasible to be of use.
    prove
        Whether to try to prove that no schedule exists, or to find any, if that is not easy.
    """
    instance = problem.instance
    start = begin if near is None or near.keep else _feasible_near(instance, near)
    rest = search
    if instance.max_moves is not None and not _is_usable(instance, start):
        start, rest = _best_moves_from_today(instance, search.share(SHARE_OF_START)), search.share(1 - SHARE_OF_START)

    def known() -> IntArray | SolveStatus | None:
        proven = any_schedule(problem.limits, search) if prove else None
        if near is None or isinstance(proven, np.ndarray) or proven is SolveStatus.INFEASIBLE:
            return proven
        return _feasible_near(instance, near)

    like = None if near is None else near.like
    answer = solve(instance, rest, engine=engine, progress=progress, start=start, like=like, fallback=known)
    return _kept_near(instance, answer, near, search)


def _kept_near(
    instance: Instance, answer: Solved | Unsolvable | NotFound, near: Near | None, search: Search
) -> Solved | Unsolvable | NotFound:
    """The same answer, with a schedule that stays close to another one."""
    if near is None or not isinstance(answer, Solved):
        return answer
    return stay_close(instance, answer, near.options, search.gap if near.keep else 0.0)


def _is_usable(instance: Instance, start: IntArray | None) -> bool:
    return start is not None and is_feasible(instance, start)


def _feasible_near(instance: Instance, near: Near) -> IntArray | None:
    """Feasible schedule near the other one, with unknown VMs at today's starts, or None."""
    return usable_start(instance, np.where(near.options == ANYWHERE, instance.today, near.options))


def _best_moves_from_today(instance: Instance, search: Search) -> IntArray | None:
    """Best moves from today under a limit of moves, as in the moves curve, so that the search is never worse."""
    if not is_feasible(instance, todays(instance)):
        return None
    return best_moves(instance, todays(instance), replace(search, effort=EFFORT_OF_START))
