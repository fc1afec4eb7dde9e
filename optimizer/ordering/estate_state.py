"""State of an estate while its edits and reassignments are put in order.

An order is good if limits, caps and set constraints hold after each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from optimizer.documents import EditPolicy, ReassignItem
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.policy_limits import VmLimit
from optimizer.ordering.cap_counts import CapCounts
from optimizer.ordering.clash_counts import ClashCounts


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """A change that gives items another start, and the policies that they leave and join.

    Parameters
    ----------
    change
        Change of the plan.
    rows
        Rows of the items.
    before, after
        Start options of the items before and after.
    source, target
        Keys of their policy before and after; the same if the policy is edited. The item may end in another twin than
        ``change`` states.
    """

    change: EditPolicy | ReassignItem
    rows: tuple[int, ...]
    before: int
    after: int
    source: ArmId
    target: ArmId


class EstateState:
    """State of the estate after the moves taken so far: items of each policy, and windows of each capped group.

    Parameters
    ----------
    inventory
        State of today.
    caps
        Counts of the windows of capped groups, as of today.
    clashes
        Starts of the VMs in sets that are kept apart or in order, as of today.
    limit
        Maximum number of items in a new policy and in an existing one.
    twins
        For each key of a policy: the keys of the twins that have the same start in the end, including its own.
    edited
        Keys of the policies to be edited. No item may join such a policy before its edit.
    """

    def __init__(
        self,
        inventory: Inventory,
        caps: CapCounts,
        clashes: ClashCounts,
        limit: VmLimit,
        twins: Mapping[ArmId, Sequence[ArmId]],
        edited: Iterable[ArmId],
    ) -> None:
        self.taken: list[PlannedMove] = []
        self.stuck: list[PlannedMove] = []
        self._caps = caps
        self._clashes = clashes
        self._limit = limit
        self._twins = twins
        self._not_edited_yet = set(edited)
        self._existing = inventory.policies.keys()
        self._items = Counter(inventory.policy_sizes)
        self._over = {key for key, size in self._items.items() if size > limit.existing}

    def admit(self, moves: Iterable[PlannedMove]) -> list[PlannedMove]:
        """Take all possible moves, and repeat as long as that makes others possible; returns the moves that are left.

        An item goes to its intended policy if that has room, otherwise to a twin with the same start.
        """
        waiting = list(moves)
        for any_twin in (False, True):
            admitted = True
            while admitted and waiting:
                blocked = []
                for move in waiting:
                    fitting = self._fitting(move, any_twin=any_twin)
                    if fitting is None:
                        blocked.append(move)
                    else:
                        self._take(fitting)
                admitted, waiting = len(blocked) < len(waiting), blocked
        return waiting

    def finish(self, moves: Iterable[PlannedMove]) -> None:
        """Take the remaining moves although they break a limit or rule; they are reported as stuck."""
        self.stuck = list(moves)
        for move in self.stuck:
            self._take(move)

    def _take(self, move: PlannedMove) -> None:
        self.taken.append(move)
        self._caps.move(move.rows, move.before, move.after)
        self._clashes.move(move.rows, move.after)
        self._not_edited_yet.discard(move.source)
        self._items[move.source] -= len(move.rows)
        self._items[move.target] += len(move.rows)

    def _has_room(self, key: ArmId) -> bool:
        """Whether one more item may be assigned to a policy now."""
        limit = self._limit.existing if key in self._existing else self._limit.new
        return key not in self._not_edited_yet and key not in self._over and self._items[key] < limit

    def _fitting(self, move: PlannedMove, *, any_twin: bool) -> PlannedMove | None:
        """The move in a form that is possible now; None if no form is."""
        target = move.target
        if move.source != target and not self._has_room(target):
            open_twins = [key for key in self._twins[target] if self._has_room(key)] if any_twin else []
            if not open_twins:
                return None
            target = max(open_twins, key=lambda key: (self._items[key], key))
        if self._clashes.in_the_way(move.rows, move.after) is not None:
            return None
        if self._caps.overfull(move.rows, move.before, move.after) is not None:
            return None
        return move if target == move.target else replace(move, target=target)
