"""Set constraints: starts of VMs that exclude starts of others, as ``separate`` and ``order`` demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.clashes import Clashes
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.set_demands import demands
from optimizer.model.timegrid import NUM_OPTIONS


@dataclass(frozen=True, slots=True)
class Gates:
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


def no_gates(num_vms: int = 0) -> Gates:
    """Gates of an instance whose rules demand none; ``num_vms`` may be omitted for an instance without VMs."""
    none = np.zeros(0, dtype=np.int64)
    return Gates(
        np.zeros(num_vms + 1, dtype=np.int64),
        none,
        np.zeros(1, dtype=np.int64),
        none,
        none,
        np.zeros((0, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_),
        (),
    )


def gates_between(inventory: Inventory, rules: Rules, stays: BoolArray, *, while_applying: bool = False) -> Gates:
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
    clashes = Clashes()
    gates_of: list[list[int]] = [[] for _ in inventory.items]
    names: list[str] = []
    opponents: list[list[tuple[int, int]]] = []
    for demanded in demands(inventory, rules, stays):
        if while_applying and demanded.within is not None:
            continue
        number: dict[int, int] = {}
        for a, b in demanded.opposed():
            one, other = demanded.sides[a], demanded.sides[b]
            clash = clashes.number(demanded.demand(one, other), one.pattern, other.pattern, demanded.within)
            if not clashes.matrix(clash).any():
                continue
            for side in (a, b):
                if side not in number:
                    number[side] = len(names)
                    names.append(demanded.rule.name)
                    opponents.append([])
                    for row in demanded.sides[side].rows:
                        gates_of[row].append(number[side])
            opponents[number[a]].append((number[b], clash))
    return Gates(
        vm_begin=_begins(gates_of),
        vm_gate=np.array([gate for of in gates_of for gate in of], dtype=np.int64),
        gate_begin=_begins(opponents),
        opponent=np.array([gate for of in opponents for gate, _ in of], dtype=np.int64),
        clash=np.array([clash for of in opponents for _, clash in of], dtype=np.int64),
        clashes=clashes.stacked(),
        name=tuple(names),
        hours=clashes.stacked_hours(),
    )


def _begins(lists: Sequence[Sequence[object]]) -> IntArray:
    return np.concatenate([[0], np.cumsum([len(one) for one in lists], dtype=np.int64)]).astype(np.int64)
