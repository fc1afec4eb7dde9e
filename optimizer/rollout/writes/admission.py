"""Choice of the writes that can be made next when only a part of all writes is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.transition import Key, Obstacle
from optimizer.rollout.writes.write import Write


class Admission:
    """State after some writes, and the writes that it admits next; a policy that a write needs is created with it.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback.
    baseline
        State before the first write, and what every later state must keep.
    made
        Numbers of the writes that are already made.
    """

    def __init__(self, writes: Sequence[Write], baseline: Baseline, made: Collection[int] = frozenset()) -> None:
        self.picked: list[Write] = []
        self._by_number = {write.number: write for write in writes}
        self._taken = {write.number for write in writes if write.number in made}
        self._transition = baseline.transition(write for write in writes if write.number in made)

    def obstacle(self, write: Write) -> Obstacle | None:
        """First obstacle that keeps a write from being made now; None without an obstacle."""
        missing = self._missing(write)
        for other in missing:
            if other.kind != "create_policy":
                return Obstacle(("write", other.number), _must_come_first(other))
        created: list[Write] = []
        obstacles: Sequence[Obstacle] = ()
        for creation in missing:
            obstacles = self._transition.obstacles(creation)
            if obstacles:
                break
            self._transition.make(creation)
            created.append(creation)
        obstacles = obstacles or self._transition.obstacles(write)
        for creation in reversed(created):
            self._transition.make(replace(creation, kind="delete_policy"))
        return obstacles[0] if obstacles else None

    def take(self, write: Write) -> Iterable[Key]:
        """Make a write that has no obstacle; returns the keys of the constraints that it makes looser."""
        loosened: list[Key] = []
        for needed in (*self._missing(write), write):
            self._taken.add(needed.number)
            loosened += self._transition.make(needed)
            self.picked.append(needed)
        return loosened

    def has_taken(self, numbers: Iterable[int]) -> bool:
        """Whether all of the writes with these numbers are made."""
        return self._taken.issuperset(numbers)

    def _missing(self, write: Write) -> list[Write]:
        """Writes that must be made before this one, and are not."""
        return [self._by_number[n] for n in write.needs if n in self._by_number and n not in self._taken]


def _must_come_first(write: Write) -> str:
    what = f"policy {write.name!r} must be edited" if write.kind == "edit_policy" else f"{write.name} must move"
    return f"{what} first"


def is_in_order(
    chosen: Sequence[Write], writes: Sequence[Write], baseline: Baseline, made: Collection[int] = frozenset()
) -> bool:
    """Whether the chosen writes can be made in their order; see :class:`Admission` for the parameters."""
    transition = baseline.transition(write for write in writes if write.number in made)
    for write in chosen:
        if transition.obstacles(write):
            return False
        transition.make(write)
    return True
