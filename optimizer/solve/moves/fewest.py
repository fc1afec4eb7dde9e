"""Searches schedules of few moves if today's schedule breaks a rule, because no path of single moves leads to them.

Taking back moves of a plan one by one ends where a rule would break. That may be far above the minimum number of moves
that keeps every rule: the plan has put its VMs where they save most, not where the fewest VMs have to go.
"""

from __future__ import annotations

import math
from dataclasses import replace

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.toward import counting_moves
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve

PART_OF_EFFORT = 4
"""The effort of each search here is the plan's effort divided by this, because a curve may need several searches."""

SHARE_OF_TIME = 0.3
"""Share of the remaining time that each search may take; the rest is for the other points and their bounds."""


def with_fewest_moves(instance: Instance, known: IntArray, search: Search, clock: SolveClock) -> IntArray:
    """Find a schedule that keeps every rule with as few moves as the search finds, at any cost.

    Parameters
    ----------
    instance
        The problem.
    known
        Shape (V,): a schedule that keeps every rule; the result has at most as many moves.
    search
        Effort and random seed of the plan.
    clock
        Clock with the time that is left.
    """
    return _search(counting_moves(instance), known, search, clock)[0]


def cheapest_within(
    instance: Instance, max_moves: int, known: IntArray, search: Search, clock: SolveClock
) -> tuple[IntArray, float]:
    """Search the whole problem with at most ``max_moves`` moves, as ``plan --max-moves`` does.

    Parameters
    ----------
    instance, search, clock
        See :func:`with_fewest_moves`.
    max_moves
        Maximum number of VMs that move.
    known
        Shape (V,): a schedule within this limit; the result costs no more.

    Returns
    -------
    tuple
        The schedule, shape (V,), and a proven lower bound on the cost of every schedule within the limit.
    """
    return _search(replace(instance, max_moves=max_moves), known, search, clock)


def _search(instance: Instance, known: IntArray, search: Search, clock: SolveClock) -> tuple[IntArray, float]:
    """Schedule and bound that the solver finds from a schedule on; that schedule itself if no time is left."""
    if clock.over():
        return known, -math.inf
    answer = solve(
        instance,
        search.with_less_effort(PART_OF_EFFORT).within(clock.left()).share(SHARE_OF_TIME),
        start=known,
        fallback=lambda: known,
    )
    return (answer.options, answer.bound) if isinstance(answer, Solved) else (known, -math.inf)
