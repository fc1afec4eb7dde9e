"""Clashes under ``separate`` and ``order`` between sets of VMs while the VMs move one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import starts_today
from optimizer.model.rules import Rules
from optimizer.model.set_constraints import gates_between
from optimizer.model.timegrid import format_start

Stand = tuple[int, int]
"""A gate, and a start option of VMs behind it."""

_Starts = tuple[int, ...]
"""Start option of a VM now, and in each schedule in which a clash is tolerated."""


class ClashCounts:
    """Starts of the VMs of each set, and a check whether a move would make two of them clash.

    A move is refused if a VM clashes with another one at its new start, unless these two also clash at the beginning.
    What today's schedule breaks may stay broken until both VMs have moved; nothing else may break.

    Parameters
    ----------
    inventory
        State at the beginning.
    rules
        Rules with sets that are kept apart or in order.
    tolerated
        Another state, whose clashes are tolerated as well: for a rollback, the state that it leads back to.
    """

    def __init__(self, inventory: Inventory, rules: Rules, tolerated: Inventory | None = None) -> None:
        written = np.zeros(len(inventory.items), dtype=np.bool_)
        self._gates = gates_between(inventory, rules, written, while_applying=True)
        begin, gate = self._gates.vm_begin, self._gates.vm_gate
        self.gates_of: tuple[tuple[int, ...], ...] = tuple(
            tuple(gate[begin[row] : begin[row + 1]].tolist()) for row in range(len(inventory.items))
        )
        self._now = starts_today(inventory).tolist()
        self._vms = [item.vm_id.name for item in inventory.items]
        accepted = [self._now.copy()]
        if tolerated is not None:
            tolerated_starts = {item.vm_id: tolerated.policy(item).start for item in tolerated.items}
            accepted.append(
                [tolerated_starts.get(item.vm_id, self._now[row]) for row, item in enumerate(inventory.items)]
            )
        self._accepted: list[_Starts] = list(zip(*accepted, strict=True))
        self._behind: list[Counter[_Starts]] = [Counter() for _ in range(len(self._gates))]
        for row in range(len(inventory.items)):
            self._count(row, 1)

    def coupled(self, gate: int) -> list[int]:
        """Gates that depend on the VMs behind this gate."""
        gates = self._gates
        found: list[int] = gates.opponent[gates.gate_begin[gate] : gates.gate_begin[gate + 1]].tolist()
        return found

    def in_the_way(self, rows: Iterable[int], after: int) -> Stand | None:
        """First gate and start with whose VMs a move would clash; None if there is no clash.

        Parameters
        ----------
        rows
            Row numbers of items that move together.
        after
            New start option of the items.
        """
        moving = [row for row in rows if self.gates_of[row] and self._now[row] != after]
        before = [self._now[row] for row in moving]
        for row in moving:
            self._put(row, after)
        stands = (self._clashing(row, gate, after) for row in moving for gate in self.gates_of[row])
        found = next((stand for stand in stands if stand is not None), None)
        for row, start in zip(moving, before, strict=True):
            self._put(row, start)
        return found

    def move(self, rows: Iterable[int], after: int) -> list[Stand]:
        """Move items; returns the gates and starts that they leave."""
        left: list[Stand] = []
        for row in rows:
            if self.gates_of[row] and self._now[row] != after:
                left += [(gate, self._now[row]) for gate in self.gates_of[row]]
                self._put(row, after)
        return left

    def describe(self, stand: Stand) -> str:
        """Description of a clash: the rule, and a VM with its start."""
        gate, start = stand
        vms_at_start = [
            vm for row, vm in enumerate(self._vms) if self._now[row] == start and gate in self.gates_of[row]
        ]
        others = f" and {len(vms_at_start) - 1} more" if len(vms_at_start) > 1 else ""
        who = vms_at_start[0] + others if vms_at_start else "what moves with it"
        return f"rule {self._gates.name[gate]!r} would be broken: {who} at {format_start(start)}"

    def _put(self, row: int, start: int) -> None:
        self._count(row, -1)
        self._now[row] = start
        self._count(row, 1)

    def _count(self, row: int, change: int) -> None:
        for gate in self.gates_of[row]:
            stand = (self._now[row], *self._accepted[row])
            self._behind[gate][stand] += change
            if not self._behind[gate][stand]:
                del self._behind[gate][stand]

    def _clashing(self, row: int, gate: int, start: int) -> Stand | None:
        gates = self._gates
        for entry in range(gates.gate_begin[gate], gates.gate_begin[gate + 1]):
            clash, opponent = gates.clashes[gates.clash[entry]], int(gates.opponent[entry])
            for other, *accepted in self._behind[opponent]:
                is_tolerated = any(
                    clash[mine, theirs] for mine, theirs in zip(self._accepted[row], accepted, strict=True)
                )
                if clash[start, other] and not is_tolerated:
                    return opponent, other
        return None
