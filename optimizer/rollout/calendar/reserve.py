"""Reserves room for writes that come earlier in the plan, so that later writes do not block them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import parse_start
from optimizer.rollout.writes.transition import Key, Transition
from optimizer.rollout.writes.write import Write


@dataclass(slots=True)
class _Arrivals:
    """Writes that fill the half hours of a capped group, in the order of the plan.

    Parameters
    ----------
    writes
        Positions of the writes in the plan, ascending.
    gains
        Shape (number of writes, 336): windows that each write adds; zero once it is made.
    """

    writes: list[int]
    gains: IntArray


class Reservations:
    """Room in policies and under caps that pending writes will need.

    Writes are made when their windows open, not in the order of the plan. A write that overtakes others must leave
    room for them. The plan's own order keeps every limit. So the first pending write of the plan can always be
    made when its window opens, and the roll-out comes to an end.

    Parameters
    ----------
    writes
        Pending writes in the order of the plan.
    transition
        State of the estate, which knows the room in policies and under caps.
    """

    def __init__(self, writes: Sequence[Write], transition: Transition) -> None:
        self._writes, self._transition = writes, transition
        self._to_policy: dict[ArmId, list[int]] = {}
        self._changes = [_changes(write, transition) for write in writes]
        members: dict[int, list[int]] = {}
        for n, write in enumerate(writes):
            if write.kind == "reassign_item":
                self._to_policy.setdefault(write.policy_after, []).append(n)
            for group, _ in self._changes[n]:
                members.setdefault(group, []).append(n)
        self._arrivals = {
            group: _Arrivals(numbers, np.stack([np.maximum(dict(self._changes[n])[group], 0) for n in numbers]))
            for group, numbers in members.items()
        }

    def against(self, n: int) -> Key | None:
        """Key of the policy or cap whose room is reserved for earlier writes; None if the write may be made now."""
        write = self._writes[n]
        if write.kind == "reassign_item":
            key = write.policy_after
            earlier = bisect_left(self._to_policy[key], n)
            if earlier and self._transition.room(key) <= earlier:
                return ("policy", key)
        for group, change in self._changes[n]:
            arrivals = self._arrivals[group]
            earlier = bisect_left(arrivals.writes, n)
            slots = np.flatnonzero(change > 0)
            kept = arrivals.gains[:earlier, slots].sum(axis=0)
            short = slots[(kept > 0) & (self._transition.caps.room(group)[slots] < kept + change[slots])]
            if short.size:
                return ("cap", group, int(short[0]))
        return None

    def made(self, n: int) -> None:
        """Release the room that was kept for a write, because it is made."""
        write = self._writes[n]
        if write.kind == "reassign_item":
            self._to_policy[write.policy_after].remove(n)
        for group, _ in self._changes[n]:
            arrivals = self._arrivals[group]
            arrivals.gains[bisect_left(arrivals.writes, n)] = 0


def _changes(write: Write, transition: Transition) -> list[tuple[int, IntArray]]:
    """Changes by a write to the windows of each capped group that it touches."""
    if not (write.vms and write.start_before and write.start_after):
        return []
    rows = transition.rows_of(write.vms)
    return list(transition.caps.changes(rows, parse_start(write.start_before), parse_start(write.start_after)))
