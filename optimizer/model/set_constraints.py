"""Set constraints: starts of VMs that exclude starts of others, as ``separate`` and ``order`` demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.clashes import Clashes
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.set_demands import Demanded, demands
from optimizer.model.timegrid import NUM_OPTIONS


@dataclass(frozen=True, slots=True)
class SetConstraints:
    """Options of one VM that exclude options of another, as ``separate`` and ``order`` demand.

    A *gate* is one side of one rule, restricted to VMs of one pattern; these VMs are *behind* the gate. An option of a
    VM behind a gate is shut while some VM behind an opposing gate is at an option that clashes with it. Opposing gates
    list each other.

    Parameters
    ----------
    vm_begin, vm_gate
        Shapes (V + 1,) and (num_vm_gates,). The gates of VM ``v`` are ``vm_gate[vm_begin[v]:vm_begin[v + 1]]``.
    gate_begin, opponent, clash
        Shapes (H + 1,), (num_pairs,) and (num_pairs,). The opponents of gate ``h`` are
        ``opponent[gate_begin[h]:gate_begin[h + 1]]``; ``clash`` has the index of each pair's matrix at the same
        places.
    clashes
        Shape (num_matrices, 48, 48), bool: whether option ``t`` of a VM behind the gate (first axis) clashes with
        option ``u`` of a VM behind the opponent (second axis).
    name
        Length H: name of the rule of each gate.
    hours
        Shape (num_matrices, 48, 48): smallest ``within``, in hours, at which the two options do not clash; NaN in
        matrices of other demands. None if no rule has ``within``.
    """

    vm_begin: IntArray
    vm_gate: IntArray
    gate_begin: IntArray
    opponent: IntArray
    clash: IntArray
    clashes: BoolArray
    name: tuple[str, ...]
    hours: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.name)


def no_gates(num_vms: int = 0) -> SetConstraints:
    """Gates of an instance whose rules demand none; ``num_vms`` may be omitted for an instance without VMs."""
    none = np.zeros(0, dtype=np.int64)
    return SetConstraints(
        np.zeros(num_vms + 1, dtype=np.int64),
        none,
        np.zeros(1, dtype=np.int64),
        none,
        none,
        np.zeros((0, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_),
        (),
    )


def gates_between(
    inventory: Inventory, rules: Rules, stays: BoolArray, *, while_applying: bool = False
) -> SetConstraints:
    """Build the gates of the rules that keep sets of VMs apart or in order.

    Every earlier set of ``order`` comes before every later one, also on days on which no set between them runs. A VM
    belongs to the first set that it matches. Immovable VMs (pinned, excluded, or unwritable because of their state in
    Azure) constrain all movable VMs, but not each other: no plan can change what they break among themselves.

    Parameters
    ----------
    inventory
        What is protected.
    rules
        Rules with ``separate`` and ``order``. ``separate = true`` is a cap of one and makes no gate.
    stays
        Shape (V,): whether each VM is immovable.
    while_applying
        Leave ``within`` out. VMs move one by one, so two sets that must follow each other closely cannot do so between
        the first move and the last.
    """
    builder = _GateBuilder(len(inventory.items))
    for demanded in demands(inventory, rules, stays):
        if demanded.within is None or not while_applying:
            builder.add(demanded)
    return builder.gates()


class _GateBuilder:
    """Collects the gates of all rules, numbered in the order in which a clash of each side appears."""

    def __init__(self, num_vms: int) -> None:
        self._clashes = Clashes()
        self._gates_of_vm: list[list[int]] = [[] for _ in range(num_vms)]
        self._names: list[str] = []
        self._opponents: list[list[tuple[int, int]]] = []

    def add(self, demanded: Demanded) -> None:
        """Add a gate for each side that clashes with another one at some start."""
        gate_of: dict[int, int] = {}
        for a, b in demanded.opposed():
            clash = demanded.clash(self._clashes, demanded.sides[a], demanded.sides[b])
            if self._clashes.matrix(clash).any():
                gate, opponent = (self._gate(demanded, side, gate_of) for side in (a, b))
                self._opponents[gate].append((opponent, clash))

    def _gate(self, demanded: Demanded, side: int, gate_of: dict[int, int]) -> int:
        """Number of the gate of a side, which is made if the side has none yet."""
        if side not in gate_of:
            gate_of[side] = len(self._names)
            self._names.append(demanded.rule.name)
            self._opponents.append([])
            for row in demanded.sides[side].rows:
                self._gates_of_vm[row].append(gate_of[side])
        return gate_of[side]

    def gates(self) -> SetConstraints:
        """All gates, as flat arrays."""
        pairs = np.array(list(chain.from_iterable(self._opponents)), dtype=np.int64).reshape(-1, 2)
        return SetConstraints(
            vm_begin=_begins(self._gates_of_vm),
            vm_gate=np.array(list(chain.from_iterable(self._gates_of_vm)), dtype=np.int64),
            gate_begin=_begins(self._opponents),
            opponent=pairs[:, 0].copy(),
            clash=pairs[:, 1].copy(),
            clashes=self._clashes.stacked(),
            name=tuple(self._names),
            hours=self._clashes.stacked_hours(),
        )


def _begins(lists: Sequence[Sequence[object]]) -> IntArray:
    """Position at which each list begins in the concatenation of all lists, and the end of the last one."""
    return np.concatenate([[0], np.cumsum(list(map(len, lists)), dtype=np.int64)]).astype(np.int64)
