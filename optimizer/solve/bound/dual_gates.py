"""Rules between sets of VMs in the dual function: copies of choices, and the cheapest position of each cut.

:mod:`optimizer.solve.bound.cuts` explains what a cut is; :mod:`optimizer.solve.bound.ascent` explains why its value
belongs in a lower bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound.cuts import find_cuts
from optimizer.solve.compiled import compiled, inner
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.instance import Instance


class CutArrays(NamedTuple):
    """Cuts as flat arrays; a *copy* is a VM in a cut.

    Parameters
    ----------
    begin, middle
        Shapes (num_cuts + 1,) and (num_cuts,). The copies of cut ``c`` are ``begin[c]`` to ``begin[c + 1]``; those
        before the cut end at ``middle[c]``.
    positions
        Shape (num_cuts,): number of positions of each cut.
    vm
        Shape (num_copies,): VM of each copy.
    level
        Shape (num_copies, 48): level of each option; see :class:`optimizer.solve.bound.cuts.Cut`.
    of_vm_begin, of_vm
        Shapes (V + 1,) and (num_copies,): copies of each VM.
    """

    begin: IntArray
    middle: IntArray
    positions: IntArray
    vm: IntArray
    level: IntArray
    of_vm_begin: IntArray
    of_vm: IntArray


def cut_arrays(instance: Instance) -> CutArrays:
    """Flatten the cuts of an instance."""
    cuts = find_cuts(instance)
    none = np.zeros(0, dtype=np.int64)
    begin = np.cumsum([0] + [len(cut.vms) for cut in cuts], dtype=np.int64)
    vm = np.concatenate([none, *(cut.vms for cut in cuts)])
    order = np.argsort(vm, kind="stable")
    return CutArrays(
        begin=begin,
        middle=begin[:-1] + np.array([cut.before for cut in cuts], dtype=np.int64),
        positions=np.array([cut.positions for cut in cuts], dtype=np.int64),
        vm=vm,
        level=np.concatenate([np.zeros((0, NUM_OPTIONS), dtype=np.int64), *(cut.level for cut in cuts)]),
        of_vm_begin=np.searchsorted(vm[order], np.arange(instance.num_vms + 1)),
        of_vm=order,
    )


def less_copies(base: FloatArray, cuts: CutArrays, kappa: FloatArray) -> FloatArray:
    """Cost of each option minus the prices of its copies, shape (V, 48); ``base`` itself if there are no copies."""
    if not len(kappa):
        return base
    cost = base.copy()
    _take_off(cost, cuts.vm, kappa)
    return cost


@compiled
def _take_off(cost: FloatArray, vm: IntArray, kappa: FloatArray) -> None:
    for copy in range(len(kappa)):
        for t in range(NUM_OPTIONS):
            cost[vm[copy], t] -= kappa[copy, t]


@compiled
def evaluate_cuts(cuts: CutArrays, kappa: FloatArray, picked: FloatArray, values: FloatArray) -> float:
    """Find the cheapest position of each cut.

    Parameters
    ----------
    cuts, kappa
        The cuts, and the prices of copies, shape (num_copies, 48).
    picked
        Shape (num_copies, 48): 1 is added at the cheapest option of each copy.
    values
        Shape (num_cuts,): is set to the value of each cut.

    Returns
    -------
    float
        Sum of the values.
    """
    total = 0.0
    for cut in range(len(values)):
        worth = _cut_positions(cuts, cut, kappa)
        at = _cheapest(worth)
        values[cut] = worth[at]
        total += worth[at]
        for copy in range(cuts.begin[cut], cuts.begin[cut + 1]):
            reach = at if copy < cuts.middle[cut] else cuts.positions[cut] - 1 - at
            best, least = -1, FORBIDDEN
            for t in range(NUM_OPTIONS):
                if cuts.level[copy, t] <= reach and kappa[copy, t] < least:
                    best, least = t, kappa[copy, t]
            if best >= 0:
                picked[copy, best] += 1.0
    return total


@inner
def _cheapest(worth: FloatArray) -> int:
    """Return the cheapest position, the first one among equals."""
    cheapest = 0
    for position in range(len(worth)):
        if worth[position] < worth[cheapest]:
            cheapest = position
    return cheapest


@inner
def _cut_positions(cuts: CutArrays, cut: int, kappa: FloatArray) -> FloatArray:
    """Sum of the cheapest options of all copies at each position of a cut; shape (positions,)."""
    positions = cuts.positions[cut]
    worth, cheapest = np.zeros(positions), np.empty(positions)
    for copy in range(cuts.begin[cut], cuts.begin[cut + 1]):
        cheapest[:] = FORBIDDEN
        for t in range(NUM_OPTIONS):
            level = cuts.level[copy, t]
            if level < positions and kappa[copy, t] < cheapest[level]:
                cheapest[level] = kappa[copy, t]
        least = FORBIDDEN
        for level in range(positions):
            least = min(least, cheapest[level])
            worth[level if copy < cuts.middle[cut] else positions - 1 - level] += least
    return worth


@compiled
def forced_increases(cuts: CutArrays, kappa: FloatArray, increase: FloatArray) -> None:
    """Add the least amount by which the cuts cost more if a VM is at an option.

    Parameters
    ----------
    cuts, kappa
        The cuts, and the prices of copies, shape (num_copies, 48).
    increase
        Shape (V, 48): the amounts are added here, for options that are allowed and fit some position.
    """
    for cut in range(len(cuts.positions)):
        positions = cuts.positions[cut]
        worth = _cut_positions(cuts, cut, kappa)
        value, others = worth[_cheapest(worth)], np.empty(positions)
        for copy in range(cuts.begin[cut], cuts.begin[cut + 1]):
            cheapest = np.empty(positions)
            cheapest[:] = FORBIDDEN
            for t in range(NUM_OPTIONS):
                level = cuts.level[copy, t]
                if level < positions:
                    cheapest[level] = min(cheapest[level], kappa[copy, t])
            # others[l]: cost of the other copies at the cheapest position that admits level l; all from l on do.
            least = FORBIDDEN
            for level in range(positions):
                least = min(least, cheapest[level])
                others[level] = worth[level if copy < cuts.middle[cut] else positions - 1 - level] - least
            for level in range(positions - 2, -1, -1):
                others[level] = min(others[level], others[level + 1])
            for t in range(NUM_OPTIONS):
                level = cuts.level[copy, t]
                if level < positions:
                    increase[cuts.vm[copy], t] += max(0.0, others[level] + kappa[copy, t] - value)
