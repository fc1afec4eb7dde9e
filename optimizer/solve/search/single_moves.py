"""Local search by exact single moves, the steepest first, to lower the cost or to repair broken limits."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.solve.problem.arrays import Arrays, Counts, count, pack
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.kernels import (
    IMPROVEMENT,
    gains,
    place,
    sweep_single_moves,
    take_out,
)

REPAIR_ROUNDS = 30

TIE = 2 * IMPROVEMENT
"""Price of one rank of a start; costs that differ by less than half of it tie, and the lower rank is chosen."""

ShouldStop = Callable[[], bool]


def never() -> bool:
    """Never stop; a :data:`ShouldStop`."""
    return False


def improve_single_moves(
    instance: Instance, options: IntArray, should_stop: ShouldStop = never, arrays: Arrays | None = None
) -> IntArray:
    """Move one VM at a time to its cheapest option until no move gains.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible schedule.
    should_stop
        Called between sweeps over all VMs; True ends the search.
    arrays
        The packed instance, if available.

    Returns
    -------
    numpy.ndarray
        Shape (V,): a feasible schedule that never costs more.
    """
    a = arrays if arrays is not None else pack(instance)
    c, movable = count(instance, options), np.flatnonzero(instance.movable)
    settle(a, c, movable, should_stop)
    return c.options


def settle_ties(
    instance: Instance, options: IntArray, should_stop: ShouldStop = never, arrays: Arrays | None = None
) -> IntArray:
    """Put every VM at the lowest rank among starts of equal cost: back at today's start, or else far into the night.

    These are single moves as in :func:`improve_single_moves`. Starts of a higher rank cost more by so little that it
    only decides between equal costs.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible schedule.
    should_stop
        Called between sweeps over all VMs; True ends the search.
    arrays
        The packed instance, if available.

    Returns
    -------
    numpy.ndarray
        Shape (V,): a feasible schedule that costs no more, except for rounding.
    """
    a, c = arrays if arrays is not None else pack(instance), count(instance, options)
    settle(a._replace(base=a.base + TIE * instance.tie_rank), c, np.flatnonzero(instance.movable), should_stop)
    return c.options if is_feasible(instance, c.options) else options


def settle(a: Arrays, c: Counts, vms: IntArray, should_stop: ShouldStop = never) -> float:
    """Do the single moves of :func:`improve_single_moves` on counts, in place; return the cost, never above 0."""
    change = 0.0
    while not should_stop():
        gained = sweep_single_moves(a, c, vms)
        change += gained
        if gained > -IMPROVEMENT:
            break
    return change


def steepest(instance: Instance, start: IntArray, should_stop: ShouldStop = never) -> IntArray:
    """Make the single move that gains most, again and again, as long as moves are left.

    Under a limit on moves, their order decides what is gained. A gain usually falls when other VMs move, so the VM
    with the largest previous gain is tried first, and only the VM at the top is priced again (lazy greedy; Minoux,
    1978).

    Parameters
    ----------
    instance
        The problem.
    start
        Shape (V,): a feasible schedule.
    should_stop
        Called before each move; True ends the search.
    """
    a, c = pack(instance), count(instance, start)
    movable = np.flatnonzero(instance.movable)
    queue = list(zip((-gains(a, c, movable)).tolist(), movable.tolist(), strict=True))
    heapq.heapify(queue)
    while queue and not should_stop():
        _, v = heapq.heappop(queue)
        gain = float(gains(a, c, np.array([v]))[0])
        if gain <= IMPROVEMENT:
            continue
        if queue and -queue[0][0] > gain + IMPROVEMENT:
            heapq.heappush(queue, (-gain, v))
        else:
            sweep_single_moves(a, c, np.array([v]))
    return c.options


def repair(instance: Instance, options: IntArray) -> IntArray:
    """Move VMs that exceed a cap, clash under a rule, or use one move too many; the result may still be infeasible.

    Minimum conflicts: in random order, each of these VMs goes where the fewest caps are broken, and to the cheapest of
    those options (Minton, Johnston, Philips, Laird, Artificial Intelligence 58, 1992).
    """
    a, c, random = pack(instance), count(instance, options), np.random.default_rng(0)
    for _ in range(REPAIR_ROUNDS):
        crowded = _in_the_way(instance, a, c)
        if not crowded.any():
            break
        for v in random.permutation(np.flatnonzero(crowded & instance.movable)):
            take_out(a, c, np.array([v]))
            place(a, c, np.array([v]))
    return c.options


def _in_the_way(instance: Instance, a: Arrays, c: Counts) -> BoolArray:
    """VMs in overfull capped rows, at shut options, or moved if too many have moved; shape (V,)."""
    over = np.append(c.met > instance.rows.cap, False)
    crowded = np.asarray(over[instance.touched[instance.vm_class, c.options]].any(axis=1))
    if instance.max_moves is not None and int(c.moves[0]) > instance.max_moves:
        crowded |= c.options != instance.today
    of_gate = np.repeat(np.arange(instance.num_vms), np.diff(a.vm_gate_begin))
    crowded[of_gate[c.shut[a.vm_gate, c.options[of_gate]] > 0]] = True
    if (c.group_writes > a.group_limit).any() or not is_feasible(instance, c.options):
        crowded |= c.options != instance.today
    return crowded
