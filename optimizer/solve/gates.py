"""Builds :class:`~optimizer.solve.instance.Gates` from ``separate`` and ``order`` between sets of VMs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.clashes import Clashes
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.set_demands import demands
from optimizer.solve.instance import Gates
from optimizer.solve.restrict import Restrictions


def build_gates(inventory: Inventory, rules: Rules, restrictions: Restrictions, snapshot_minutes: int) -> Gates:
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
    restrictions
        Tells which VMs are immovable.
    snapshot_minutes
        Length of the snapshot at the end of a start window, in minutes.
    """
    return gates_between(inventory, rules, ~restrictions.movable, snapshot_minutes)


def gates_between(
    inventory: Inventory, rules: Rules, stays: BoolArray, snapshot_minutes: int, *, while_applying: bool = False
) -> Gates:
    """Build the same gates from a flag per VM.

    Parameters
    ----------
    inventory, rules, snapshot_minutes
        See :func:`build_gates`.
    stays
        Shape (V,): whether each VM is immovable.
    while_applying
        Leave ``within`` out. VMs move one by one, so two sets that must follow each other closely cannot do so between
        the first move and the last.
    """
    clashes = Clashes(snapshot_minutes)
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
