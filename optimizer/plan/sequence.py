"""In which order edits and reassignments are made, so that limits, caps and sets hold after each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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
        Keys of their policy before and after: the same where it is edited.  An item may end in another twin than
        ``change`` says.
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
    twins
        Key of a policy -> keys of the twins that have the same start in the end, its own among them.
    edited
        Keys of policies that are to be edited: nobody arrives before that is done.
    """

    def __init__(
        self,
        inventory: Inventory,
        caps: CapCounts,
        clashes: ClashCounts,
        limit: VmLimit,
        twins: Mapping[str, Sequence[str]],
        edited: Iterable[str],
    ) -> None:
        self.taken: list[Step] = []
        self.stuck: list[Step] = []
        self._caps = caps
        self._clashes = clashes
        self._limit = limit
        self._twins = twins
        self._not_edited_yet = set(edited)
        self._existing = inventory.policies.keys()
        self._items = Counter(inventory.policy_sizes)
        self._over = {key for key, size in self._items.items() if size > limit.existing}

    def admit(self, steps: Iterable[Step]) -> list[Step]:
        """Take the steps that can be taken, as often as that opens the way for others; those that are left.

        An item goes to the policy that was meant for it if that has room, else to a twin at the same start.
        """
        waiting = list(steps)
        for any_twin in (False, True):
            admitted = True
            while admitted and waiting:
                blocked = []
                for step in waiting:
                    fitting = self._fitting(step, any_twin=any_twin)
                    if fitting is None:
                        blocked.append(step)
                    else:
                        self._take(fitting)
                admitted, waiting = len(blocked) < len(waiting), blocked
        return waiting

    def finish(self, steps: Iterable[Step]) -> None:
        """Take steps that fit nowhere as they are: what stands in their way is reported."""
        self.stuck = list(steps)
        for step in self.stuck:
            self._take(step)

    def _take(self, step: Step) -> None:
        self.taken.append(step)
        self._caps.move(step.rows, step.before, step.after)
        self._clashes.move(step.rows, step.after)
        self._not_edited_yet.discard(step.source)
        self._items[step.source] -= len(step.rows)
        self._items[step.target] += len(step.rows)

    def _has_room(self, key: str) -> bool:
        """Whether one more item may be assigned to a policy now."""
        limit = self._limit.existing if key in self._existing else self._limit.new
        return key not in self._not_edited_yet and key not in self._over and self._items[key] < limit

    def _fitting(self, step: Step, *, any_twin: bool) -> Step | None:
        """The step as it can be taken now; None where it cannot."""
        target = step.target
        if step.source != target and not self._has_room(target):
            open_twins = [key for key in self._twins[target] if self._has_room(key)] if any_twin else []
            if not open_twins:
                return None
            target = max(open_twins, key=lambda key: (self._items[key], key))
        if self._clashes.in_the_way(step.rows, step.after) is not None:
            return None
        if self._caps.overfull(step.rows, step.before, step.after) is not None:
            return None
        return step if target == step.target else replace(step, target=target)
