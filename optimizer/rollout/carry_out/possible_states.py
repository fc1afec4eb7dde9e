"""Possible states of an estate while the outcome of some writes is unknown: the next write must fit all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, combinations

from optimizer.rollout.writes.transition import Transition
from optimizer.rollout.writes.write import Write

MOST_OPEN = 2
"""Number of open requests with which a lane begins no other write."""

MOST_UNSETTLED = 5
"""Number of unsettled writes with which a lane begins no other write: each one doubles the states to keep."""


class PossibleStates:
    """Every state in which an estate may be, by lane.

    Writes of different lanes do not affect each other, so each lane keeps the alternatives of its own unsettled
    writes.

    Parameters
    ----------
    begin
        Builds the state before the first write.
    made
        Writes that are made, in order.
    """

    def __init__(self, begin: Callable[[], Transition], made: Sequence[Write]) -> None:
        self._begin = begin
        self._made = list(made)
        self._certain = self._after(())
        self._unsettled: dict[int, list[Write]] = {}
        self._alternatives: dict[int, list[Transition]] = {}

    def blocker(self, write: Write, lane: int) -> str:
        """Explain why a write must not be made now; empty if it fits every possible state.

        A write that may have taken effect already leads to no state that was not possible before.
        """
        unsettled = self.unsettled_of(lane)
        if any(other.number == write.number for other in unsettled):
            return ""
        if len(unsettled) >= MOST_UNSETTLED:
            return f"the outcome of {len(unsettled)} other writes of this vault is not known yet"
        for state in (self._certain, *self._alternatives.get(lane, ())):
            for blocker in state.blockers(write):
                return str(blocker)
        return ""

    def unsettled_of(self, lane: int) -> Sequence[Write]:
        """Writes of a lane that are not known to be made, but may have taken effect or may still take effect."""
        return self._unsettled.get(lane, ())

    def begun(self, write: Write, lane: int) -> None:
        """Record that a write was begun and may take effect; does nothing if that is already known."""
        if all(other.number != write.number for other in self.unsettled_of(lane)):
            self._unsettled.setdefault(lane, []).append(write)
            self._imagine(lane)

    def ended(self, write: Write, lane: int, *, made: bool) -> None:
        """Record that a write was carried out, or that it certainly was not."""
        if made:
            self._made.append(write)
            self._certain.make(write)
        others = [other for other in self.unsettled_of(lane) if other.number != write.number]
        if len(others) < len(self.unsettled_of(lane)):
            self._unsettled[lane] = others
            self._imagine(lane)
        elif made:
            for state in self._alternatives.get(lane, ()):
                state.make(write)

    def _imagine(self, lane: int) -> None:
        """Build the states in which some of a lane's unsettled writes have taken effect.

        A lane with ``MOST_UNSETTLED`` or more unsettled writes begins no other write, so it needs no states.
        """
        unsettled = self._unsettled[lane]
        writes = unsettled if len(unsettled) < MOST_UNSETTLED else []
        some = chain.from_iterable(combinations(writes, number) for number in range(1, len(writes) + 1))
        self._alternatives[lane] = [self._after(chosen) for chosen in some]

    def _after(self, more: Sequence[Write]) -> Transition:
        state = self._begin()
        for write in (*self._made, *more):
            state.make(write)
        return state
