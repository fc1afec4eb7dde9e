"""Finds the sets of VMs that one cut keeps in order; it bundles opposed gates, so that few copies are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.instance import Instance


@dataclass(frozen=True, slots=True)
class Cut:
    """VMs before and after a cut whose clashes are nested.

    Of any two options before the cut, one clashes with everything that the other clashes with. So the options can be
    lined up: at *position* ``p`` of ``positions``, the VMs before the cut may be at options of level ``<= p``, and
    those after it at options of level ``<= positions - 1 - p``. Two options do not clash if some position has both.

    Parameters
    ----------
    vms
        Shape (members,): VMs, those before the cut first.
    before
        Number of VMs before the cut.
    level
        Shape (members, 48): level of each option; ``positions`` if it fits no position or is not allowed.
    positions
        Number of positions.
    """

    vms: IntArray
    before: int
    level: IntArray
    positions: int


class _Opposed:
    """Opposed gates of an instance, and their clashes among options that are allowed for some VM behind them.

    Parameters
    ----------
    instance
        The problem.
    """

    def __init__(self, instance: Instance) -> None:
        gates = instance.gates
        of_vm = np.repeat(np.arange(instance.num_vms), np.diff(gates.vm_begin))
        order = np.argsort(gates.vm_gate, kind="stable")
        self.vms = np.split(of_vm[order], np.searchsorted(gates.vm_gate[order], np.arange(1, len(gates))))
        self._used = [np.flatnonzero(instance.allowed[vms].any(axis=0)) for vms in self.vms]
        self._clashes = gates.clashes
        self._number: dict[tuple[int, int], int] = {}
        self.opponents: list[list[int]] = [[] for _ in self.vms]
        for gate in range(len(gates)):
            for entry in range(gates.gate_begin[gate], gates.gate_begin[gate + 1]):
                other, number = int(gates.opponent[entry]), int(gates.clash[entry])
                if self._clashes[number][np.ix_(self._used[gate], self._used[other])].any():
                    self._number[gate, other] = number
                    self.opponents[gate].append(other)

    def size(self, gate: int) -> int:
        """Number of VMs behind a gate."""
        return len(self.vms[gate])

    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of opposed gates, each pair once, those with the most VMs first."""
        once = [(a, b) for a, b in self._number if a < b]
        return sorted(once, key=lambda pair: -self.size(pair[0]) - self.size(pair[1]))

    def joint(self, before: Sequence[int], after: Sequence[int]) -> BoolArray:
        """Clash matrix of the options of some gates (rows) and of others (columns), gate by gate."""
        blocks = [
            [self._clashes[self._number[a, b]][np.ix_(self._used[a], self._used[b])] for b in after] for a in before
        ]
        return np.block(blocks)

    def places(self, gates: Sequence[int]) -> Iterator[tuple[int, IntArray]]:
        """Yield gates with their options, in the order of :meth:`joint`."""
        for gate in gates:
            yield gate, self._used[gate]


def find_cuts(instance: Instance) -> list[Cut]:
    """Cuts that together cover every pair of opposed gates whose clashes are nested, as those of ``order`` are.

    Each cut begins with the pair that has the most VMs, and takes in pairs that are not covered yet as long as its
    clashes stay nested: other patterns of the same sets, and more distant sets, because ``A`` before ``B`` before
    ``C`` is ``A`` and ``B`` before ``C``, and ``A`` before ``B``.
    """
    if not len(instance.gates):
        return []
    opposed = _Opposed(instance)
    left = dict.fromkeys(opposed.pairs())
    cuts = []
    while left:
        first, second = next(iter(left))
        before, after = [first], [second]
        if is_nested(opposed.joint(before, after)):
            _take_in(opposed, left, before, after)
            cuts.append(_cut(instance, opposed, before, after))
        for a in before:
            for b in after:
                left.pop((min(a, b), max(a, b)), None)
    return cuts


def rules_without_cut(instance: Instance) -> list[str]:
    """Names of rules between sets that no cut covers, such as ``separate``: the lower bound ignores their cost."""
    if not len(instance.gates):
        return []
    opposed, held = _Opposed(instance), dict[str, bool]()
    for a, b in opposed.pairs():
        name = instance.gates.name[a]
        held[name] = held.get(name, False) or is_nested(opposed.joint([a], [b]))
    return sorted(name for name, any_pair in held.items() if not any_pair)


def _take_in(opposed: _Opposed, left: dict[tuple[int, int], None], before: list[int], after: list[int]) -> None:
    """Add gates to the two sides of a cut, in place, as long as its clashes stay nested."""
    near = dict.fromkeys(opposed.opponents[before[0]] + opposed.opponents[after[0]])
    for gate in sorted(near, key=lambda gate: -opposed.size(gate)):
        known = set(opposed.opponents[gate])
        for side, other in ((before, after), (after, before)):
            if gate in before or gate in after or not known.issuperset(other):
                continue
            if not any((min(gate, opposed_gate), max(gate, opposed_gate)) in left for opposed_gate in other):
                continue
            side.append(gate)
            if not is_nested(opposed.joint(before, after)):
                side.pop()


def is_nested(clashes: BoolArray) -> bool:
    """Whether, of any two rows of a matrix, one contains the other."""
    order = np.argsort(clashes.sum(axis=1), kind="stable")
    return not (clashes[order[:-1]] & ~clashes[order[1:]]).any()


def _cut(instance: Instance, opposed: _Opposed, before: Sequence[int], after: Sequence[int]) -> Cut:
    """Line up the options of both sides.

    The distinct rows of nested clashes, in ascending order, are the positions. Position ``p`` admits, before the cut,
    the options whose row is no larger than the ``p``-th row, and, after the cut, the options that do not clash with
    it.
    """
    joint = opposed.joint(before, after)
    rows, row_of_option = np.unique(joint, axis=0, return_inverse=True)
    order = np.argsort(rows.sum(axis=1), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    # Columns are lined up by the number of rows that have them: nested rows clash with a column from some position on.
    sides = ((before, rank[row_of_option.ravel()]), (after, rows.sum(axis=0)))
    vms, levels = [], []
    for gates, of_option in sides:
        begin = 0
        for gate, options in opposed.places(gates):
            level = np.full(NUM_OPTIONS, len(rows), dtype=np.int64)
            level[options] = of_option[begin : begin + len(options)]
            begin += len(options)
            behind = opposed.vms[gate]
            vms.append(behind)
            levels.append(np.where(instance.allowed[behind], level, len(rows)))
    return Cut(
        np.concatenate(vms), sum(opposed.size(gate) for gate in before), np.concatenate(levels), positions=len(rows)
    )
