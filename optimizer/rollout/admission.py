"""Which writes can be made next when only a part of the writes is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.rollout.stages import Write
from optimizer.rollout.transition import Key, Obstacle, Transition


class Admission:
    """The state after some writes, and what it admits next; a policy that a write needs is created along with it.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback.
    inventory, rules
        The state before the first of them, and what must hold after each.
    made
        Numbers of the writes that are made already.
    tolerated
        For a rollback, the state that it leads back to; see :class:`~optimizer.rollout.transition.Transition`.
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
        """The first thing that keeps a write from being made now; None where nothing does."""
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
        """Make a write that nothing stands in the way of; what has become looser by it."""
        loosened: list[Key] = []
        needed = [self._by_number[n] for n in write.needs if n in self._by_number and n not in self._taken]
        for one in (*needed, write):
            loosened += self._make(one)
            self.picked.append(one)
        return loosened

    def has_taken(self, numbers: Iterable[int]) -> bool:
        """Whether all of these writes are made."""
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
    """Whether writes can be made one after the other; parameters as of :class:`Admission`."""
    transition = Transition(inventory, rules, tolerated=tolerated)
    for write in writes:
        if write.number in made:
            transition.make(write)
    for write in chosen:
        if transition.obstacles(write):
            return False
        transition.make(write)
    return True
