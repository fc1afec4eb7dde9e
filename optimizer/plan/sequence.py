"""In which order edits and reassignments are made, so that limits, caps and sets hold after each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.model.inventory import Inventory
from optimizer.model.policy_limits import VmLimit
from optimizer.plan.caps import CapCounts
from optimizer.plan.clashes import ClashCounts
from optimizer.plan.document import EditPolicy, ReassignItem


@dataclass(frozen=True, slots=True)
class Step:
    """A change that gives items another start.

    Parameters
    ----------
    change
        The change.
    rows
        The items.
    before, after
        Their start options.
    source, target
        Keys of their policy before and after: the same where it is edited.
    """

    change: EditPolicy | ReassignItem
    rows: tuple[int, ...]
    before: int
    after: int
    source: str
    target: str


class Progress:
    """How far the steps are: items of each policy and windows of each capped group, after those that were taken.

    Parameters
    ----------
    inventory
        What is there today.
    caps
        Windows of capped groups, today's.
    clashes
        Starts of VMs in sets that are kept apart or in order, today's.
    limit
        Items that one policy may hold, a new one or one of today.
    edited
        Keys of policies that are to be edited: nobody arrives before that is done.
    """

    def __init__(
        self, inventory: Inventory, caps: CapCounts, clashes: ClashCounts, limit: VmLimit, edited: Iterable[str]
    ) -> None:
        self.taken: list[Step] = []
        self._caps = caps
        self._clashes = clashes
        self._limit = limit
        self._not_edited_yet = set(edited)
        self._existing = inventory.policies.keys()
        self._items = Counter(inventory.policy_sizes)

    def admit(self, steps: Iterable[Step]) -> list[Step]:
        """Take the steps that can be taken, as often as that opens the way for others; those that are left."""
        waiting = list(steps)
        while True:
            blocked = []
            for step in waiting:
                if self._fits(step):
                    self.take(step)
                else:
                    blocked.append(step)
            if len(blocked) == len(waiting):
                return blocked
            waiting = blocked

    def take(self, step: Step) -> None:
        """Take a step, whether it fits or not."""
        self.taken.append(step)
        self._caps.move(step.rows, step.before, step.after)
        self._clashes.move(step.rows, step.after)
        self._not_edited_yet.discard(step.source)
        self._items[step.source] -= len(step.rows)
        self._items[step.target] += len(step.rows)

    def has_room(self, policy_id: str) -> bool:
        """Whether one more item may be assigned to a policy now."""
        key = policy_id.lower()
        limit = self._limit.existing if key in self._existing else self._limit.new
        return key not in self._not_edited_yet and self._items[key] < limit

    def only_lacks_room(self, step: Step) -> bool:
        """Whether a step would fit if its policy were not full."""
        full = step.source != step.target and step.target not in self._not_edited_yet
        return full and not self.has_room(step.target) and self._keeps_rules(step)

    def _fits(self, step: Step) -> bool:
        return (step.source == step.target or self.has_room(step.target)) and self._keeps_rules(step)

    def _keeps_rules(self, step: Step) -> bool:
        if self._clashes.in_the_way(step.rows, step.after) is not None:
            return False
        return self._caps.overfull(step.rows, step.before, step.after) is None
