"""Local search by exact single moves: to a fixpoint, the steepest first, or to repair what is broken."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from optimizer.solve.arrays import Arrays, Counts, count, pack
from optimizer.solve.cost import violations
from optimizer.solve.instance import BoolArray, Instance, IntArray
from optimizer.solve.kernels import (
    IMPROVEMENT,
    gains,
    place,
    sweep_single_moves,
    take_out,
)

REPAIR_ROUNDS = 30

TIE = 2 * IMPROVEMENT
"""Costs of one VM that differ by less than half of this are equal, and then the start with the lower rank is taken."""

ShouldStop = Callable[[], bool]


def never() -> bool:
    """A :data:`ShouldStop` that never stops."""
    return False


def improve_single_moves(
    instance: Instance, options: IntArray, should_stop: ShouldStop = never, arrays: Arrays | None = None
) -> IntArray:
    """Move one VM at a time to its cheapest option until none gains.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible assignment.
    should_stop
        Asked between sweeps over all VMs.
    arrays
        The instance, packed, where that was done before.

    Returns
    -------
    numpy.ndarray
        Shape (V,): feasible, and never dearer.
    """
    a = arrays if arrays is not None else pack(instance)
    c, movable = count(instance, options), np.flatnonzero(instance.movable)
    settle(a, c, movable, should_stop)
    return c.options


def settle_ties(
    instance: Instance, options: IntArray, should_stop: ShouldStop = never, arrays: Arrays | None = None
) -> IntArray:
    """Put every VM where it costs the same with a lower rank: back at its start of today, else far into the night.

    Single moves as in :func:`improve_single_moves`, with starts of a higher rank costlier by so little that it only
    decides between equal costs.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible assignment.
    should_stop
        Asked between sweeps over all VMs.
    arrays
        The instance, packed, where that was done before.

    Returns
    -------
    numpy.ndarray
        Shape (V,): feasible; it costs no more, but for rounding.
    """
    a, c = arrays if arrays is not None else pack(instance), count(instance, options)
    settle(a._replace(base=a.base + TIE * instance.tie_rank), c, np.flatnonzero(instance.movable), should_stop)
    return options if violations(instance, c.options) else c.options


def settle(a: Arrays, c: Counts, vms: IntArray, should_stop: ShouldStop = never) -> float:
    """The same on counts, in place; what it costs, never above 0."""
    change = 0.0
    while not should_stop():
        gained = sweep_single_moves(a, c, vms)
        change += gained
        if gained > -IMPROVEMENT:
            break
    return change


def steepest(instance: Instance, start: IntArray, should_stop: ShouldStop = never) -> IntArray:
    """Make the single move that gains most, again and again, as long as moves are left.

    Under a limit of moves the order decides what is gained; a gain mostly falls when others move, so the largest gain
    of before is tried first and only the VM on top is priced anew (lazy greedy; Minoux, 1978).

    Parameters
    ----------
    instance
        The problem.
    start
        Shape (V,): a feasible assignment.
    should_stop
        Asked before each move.
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
    """Put VMs that meet above a cap, clash with a rule, or whose move is one too many, elsewhere; no promise.

    Minimum conflicts: the VMs concerned go, one after the other in random order, where fewest caps are broken, and
    cheapest among those (Minton, Johnston, Philips, Laird, Artificial Intelligence 58, 1992).
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
    """VMs that stand above a cap, at a shut option, or have moved where too many have; shape (V,)."""
    over = np.append(c.met > instance.rows.cap, False)
    crowded = np.asarray(over[instance.touched[instance.vm_class, c.options]].any(axis=1))
    if instance.max_moves is not None and int(c.moves[0]) > instance.max_moves:
        crowded |= c.options != instance.today
    of_gate = np.repeat(np.arange(instance.num_vms), np.diff(a.vm_gate_begin))
    crowded[of_gate[c.shut[a.vm_gate, c.options[of_gate]] > 0]] = True
    if (c.group_writes > a.group_limit).any() or violations(instance, c.options):
        crowded |= c.options != instance.today
    return crowded
