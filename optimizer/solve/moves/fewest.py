"""Schedules of few moves where today's breaks a rule: nothing leads there move by move, so they are searched.

Taking moves of a plan back one by one ends where a rule would break, and that may be far above the fewest moves with
which every rule can be kept: the plan has put its VMs where they save most, not where the fewest have to go.
"""

from __future__ import annotations

import math
from dataclasses import replace

from optimizer.solve.clock import SolveClock
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.solver import solve
from optimizer.solve.toward import counting_moves

PART_OF_EFFORT = 4
"""The effort of each search here is that of the plan divided by this: a curve may need several of them."""

SHARE_OF_TIME = 0.3
"""Share of the time left that each search may take, so that some is left for the other points and their bounds."""


def with_fewest_moves(instance: Instance, known: IntArray, *, effort: int, seed: int, clock: SolveClock) -> IntArray:
    """A schedule that keeps every rule with the fewest moves that the search finds, whatever it costs.

    Parameters
    ----------
    instance
        The problem.
    known
        Shape (V,): a schedule that keeps every rule; what is found has no more moves.
    effort, seed
        Those of the plan.
    clock
        Says how much time is left.
    """
    return _search(counting_moves(instance), known, effort, seed, clock)[0]


def cheapest_within(
    instance: Instance, max_moves: int, known: IntArray, *, effort: int, seed: int, clock: SolveClock
) -> tuple[IntArray, float]:
    """Search the whole problem with at most so many moves, as ``plan --max-moves`` does.

    Parameters
    ----------
    instance, effort, seed, clock
        As of :func:`with_fewest_moves`.
    max_moves
        Maximum number of VMs that move.
    known
        Shape (V,): a schedule within this limit; what is found costs no more.

    Returns
    -------
    tuple
        The schedule, shape (V,), and a proven lower bound on the cost of every schedule within the limit.
    """
    return _search(replace(instance, max_moves=max_moves), known, effort, seed, clock)


def _search(instance: Instance, known: IntArray, effort: int, seed: int, clock: SolveClock) -> tuple[IntArray, float]:
    """What the solver finds when it begins at a schedule; that schedule if no time is left."""
    if clock.over():
        return known, -math.inf
    left = clock.left()
    found = solve(
        instance,
        seed=seed,
        effort=max(1, effort // PART_OF_EFFORT),
        time_limit_seconds=None if left is None else SHARE_OF_TIME * left,
        start=known,
        fallback=lambda: known,
    )
    return (known if found.options is None else found.options), found.bound
