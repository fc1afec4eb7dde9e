"""Simulated annealing by ruin and recreate, in chunks that can be watched and stopped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.solve.arrays import Arrays, Counts, count, pack
from optimizer.solve.cost import evaluate
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.kernels import IMPROVEMENT, ruin_and_recreate

FIRST_TEMPERATURE = 0.05
LAST_TEMPERATURE = 0.001
"""A change for the worse by this much is accepted with probability 1/e, at the beginning and at the end."""

CHUNK_ROUNDS = 2000
"""Rounds between two looks at the clock: a fifth of a second."""

OnRound = Callable[[int, float], bool]


def keep_going(_rounds: int, _cost: float) -> bool:
    """An :data:`OnRound` that never stops."""
    return True


def anneal(
    instance: Instance,
    options: IntArray,
    num_rounds: int,
    seed: int,
    on_round: OnRound = keep_going,
    arrays: Arrays | None = None,
) -> IntArray:
    """Improve an assignment by ruining and recreating it.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible assignment.
    num_rounds
        Work.
    seed
        Of everything random; equal seeds, equal results.
    on_round
        Called now and then with (rounds, best cost); the search ends early where it returns False.
    arrays
        The instance, packed, where that was done before.

    Returns
    -------
    numpy.ndarray
        Shape (V,): the best assignment that was met; feasible, and never dearer than the first.
    """
    a = arrays if arrays is not None else pack(instance)
    before = evaluate(instance, options).total
    best, _ = anneal_counts(
        a,
        count(instance, options),
        np.flatnonzero(instance.movable),
        num_rounds,
        seed,
        lambda rounds, change: on_round(rounds, before + change),
    )
    return best


def anneal_counts(
    a: Arrays, c: Counts, movable: IntArray, num_rounds: int, seed: int, on_round: OnRound = keep_going
) -> tuple[IntArray, float]:
    """The same on counts, which are changed; the best assignment and what it costs more than the first (below 0)."""
    random = np.random.default_rng(seed)
    best, best_change, change = c.options.copy(), 0.0, 0.0
    candidate = best.copy()
    ratio = LAST_TEMPERATURE / FIRST_TEMPERATURE
    for begin in range(0, num_rounds if len(movable) else 0, CHUNK_ROUNDS):
        end = min(begin + CHUNK_ROUNDS, num_rounds)
        hot, cold = (FIRST_TEMPERATURE * ratio ** (at / num_rounds) for at in (begin, end))
        reached, at_end = ruin_and_recreate(a, c, movable, random, hot, cold, end - begin, candidate)
        if change + reached < best_change - IMPROVEMENT:
            best_change = change + reached
            best[:] = candidate
        change += at_end
        if not on_round(end, best_change):
            break
    return best, best_change
