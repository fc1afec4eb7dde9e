"""Choice of the writes that can be made next when only a part of all writes is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.rollout.writes.transition import Key, Obstacle, Transition
from optimizer.rollout.writes.write import Write


class Admission:
    """State after some writes, and the writes that it admits next; a policy that a write needs is created with it.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback.
    inventory, rules
        State before the first write, and the constraints that must hold after each write.
    made
        Numbers of the writes that are already made.
    tolerated
        For a rollback, the state that it leads back to; see :class:`~optimizer.rollout.writes.transition.Transition`.
    """

    def __init__(
        self,
        writes: Sequence[Write],
        inventory: Inventory,
        rules: Rules,
        *,
        made: Collection[int] = frozenset(),
        tolerated: Inventory | None = None,
    ) -> None:
        self.picked: list[Write] = []
        self._by_number = {write.number: write for write in writes}
        self._taken: set[int] = set()
        self._transition = Transition(inventory, rules, tolerated=tolerated)
        for write in writes:
            if write.number in made:
                self._make(write)

    def obstacle(self, write: Write) -> Obstacle | None:
        """First obstacle that keeps a write from being made now; None without an obstacle."""
        missing = [self._by_number[n] for n in write.needs if n in self._by_number and n not in self._taken]
        for other in missing:
            if other.kind != "create_policy":
                what = (
                    f"policy {other.name!r} must be edited"
                    if other.kind == "edit_policy"
                    else f"{other.name} must move"
                )
                return Obstacle(("write", other.number), f"{what} first")
        created: list[Write] = []
        found: Sequence[Obstacle] = ()
        for creation in missing:
            if found := self._transition.obstacles(creation):
                break
            self._transition.make(creation)
            created.append(creation)
        found = found or self._transition.obstacles(write)
        for creation in reversed(created):
            self._transition.make(replace(creation, kind="delete_policy"))
        return found[0] if found else None

    def take(self, write: Write) -> Iterable[Key]:
        """Make a write that has no obstacle; returns the keys of the constraints that it makes looser."""
        loosened: list[Key] = []
        needed = [self._by_number[n] for n in write.needs if n in self._by_number and n not in self._taken]
        for one in (*needed, write):
            loosened += self._make(one)
            self.picked.append(one)
        return loosened

    def has_taken(self, numbers: Iterable[int]) -> bool:
        """Whether all of the writes with these numbers are made."""
        return self._taken.issuperset(numbers)

    def _make(self, write: Write) -> list[Key]:
        self._taken.add(write.number)
        return self._transition.make(write)


def is_in_order(
    chosen: Sequence[Write],
    writes: Sequence[Write],
    inventory: Inventory,
    rules: Rules,
    *,
    made: Collection[int] = frozenset(),
    tolerated: Inventory | None = None,
) -> bool:
    """Whether the chosen writes can be made in their order; see :class:`Admission` for the parameters."""
    transition = Transition(inventory, rules, tolerated=tolerated)
    for write in writes:
        if write.number in made:
            transition.make(write)
    for write in chosen:
        if transition.obstacles(write):
            return False
        transition.make(write)
    return True
