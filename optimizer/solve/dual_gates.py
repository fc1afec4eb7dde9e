"""Rules between sets of VMs in the dual function: copies of choices, and the cheapest place of each cut.

What a cut is: :mod:`optimizer.solve.cuts`; why its value belongs into a lower bound: :mod:`optimizer.solve.bound`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.arrays import FORBIDDEN
from optimizer.solve.compiled import compiled, inner
from optimizer.solve.cuts import find_cuts
from optimizer.solve.instance import FloatArray, Instance, IntArray


class CutArrays(NamedTuple):
    """Cuts as flat arrays; a *copy* is a VM in a cut.

    Parameters
    ----------
    begin, middle
        Copies of cut ``c`` are ``begin[c]`` to ``begin[c + 1]``, those before the cut to ``middle[c]``; shapes
        (num_cuts + 1,) and (num_cuts,).
    positions
        Shape (num_cuts,): how many positions each has.
    vm
        Shape (num_copies,): whose copy it is.
    level
        Shape (num_copies, 48): see :class:`optimizer.solve.cuts.Cut`.
    of_vm_begin, of_vm
        Copies of each VM; shapes (V + 1,) and (num_copies,).
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
    """Cost of each option less the prices of its copies; shape (V, 48), ``base`` itself where there are none."""
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
    """Cheapest position of each cut.

    Parameters
    ----------
    cuts, kappa
        The cuts, and prices of copies, shape (num_copies, 48).
    picked
        Shape (num_copies, 48): 1 is added where a copy is at its cheapest.
    values
        Shape (num_cuts,): where the value of each cut goes.

    Returns
    -------
    float
        Their sum.
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
    """Return the cheapest position, the first among equals."""
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
    """By how much the cuts cost more at least where a VM is at an option.

    Parameters
    ----------
    cuts, kappa
        The cuts, and prices of copies, shape (num_copies, 48).
    increase
        Shape (V, 48): what is found is added here, for options that are allowed and fit somewhere.
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
            # others[l]: the other copies at the cheapest position that lets in level l; positions from l on do
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
