"""Simulated annealing by ruin and recreate, in chunks that can be watched and stopped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.arrays import Arrays, Counts, count, pack
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.kernels import IMPROVEMENT, Cooling, ruin_and_recreate

FIRST_TEMPERATURE = 0.05
LAST_TEMPERATURE = 0.001
"""Temperatures at the beginning and at the end, in at-risk backups per 30 days.

A change for the worse by the temperature is accepted with probability 1/e.
"""

CHUNK_ROUNDS = 2000
"""Number of rounds between two checks of the clock; they take a fifth of a second, on 10,000 VMs half a second."""

LIMITED_CHUNK_ROUNDS = 250
"""The same under a time limit. A search without one keeps the longer chunks, on whose ends its result depends."""

OnRound = Callable[[int, float], bool]


def keep_going(_rounds: int, _cost: float) -> bool:
    """Never stop; an :data:`OnRound`."""
    return True


def anneal(
    instance: Instance,
    options: IntArray,
    num_rounds: int,
    seed: int,
    on_round: OnRound = keep_going,
    arrays: Arrays | None = None,
    chunk_rounds: int = CHUNK_ROUNDS,
) -> IntArray:
    """Improve a schedule by ruining and recreating parts of it.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible schedule.
    num_rounds
        Number of rounds.
    seed
        Random seed; equal seeds give equal results.
    on_round
        Called from time to time with (rounds, best cost); the search ends early if it returns False.
    arrays
        The packed instance, if available.
    chunk_rounds
        Number of rounds between two calls of ``on_round``.

    Returns
    -------
    numpy.ndarray
        Shape (V,): the best schedule found. It is feasible and never costs more than the first one.
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
        chunk_rounds,
    )
    return best


def anneal_counts(
    a: Arrays,
    c: Counts,
    movable: IntArray,
    num_rounds: int,
    seed: int,
    on_round: OnRound = keep_going,
    chunk_rounds: int = CHUNK_ROUNDS,
) -> tuple[IntArray, float]:
    """Anneal counts in place; return the best schedule and its cost relative to the first one, which is at most 0."""
    random = np.random.default_rng(seed)
    best, best_change, change = c.options.copy(), 0.0, 0.0
    candidate = best.copy()
    ratio = LAST_TEMPERATURE / FIRST_TEMPERATURE
    for begin in range(0, num_rounds if len(movable) else 0, chunk_rounds):
        end = min(begin + chunk_rounds, num_rounds)
        hot, cold = (FIRST_TEMPERATURE * ratio ** (at / num_rounds) for at in (begin, end))
        cooling = Cooling(hot, cold, end - begin)
        reached, at_end = ruin_and_recreate(a, c, movable, random, cooling, candidate)
        if change + reached < best_change - IMPROVEMENT:
            best_change = change + reached
            best[:] = candidate
        change += at_end
        if not on_round(end, best_change):
            break
    return best, best_change
