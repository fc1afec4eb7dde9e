"""Where an estate stands while the outcome of some writes is unknown: whatever it is, the next write must fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, combinations

from optimizer.rollout.stages import Write
from optimizer.rollout.transition import Transition

MOST_OPEN = 2
"""Most requests of a lane that may be open while others are sent."""

MOST_UNSETTLED = 5
"""Most writes of a lane that may still take effect while others are sent; every one doubles the states to keep."""


class Standing:
    """Every state in which an estate may be, by lane.

    Writes of one lane do not touch those of another, so each lane keeps the alternatives of its own unsettled writes.

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
        """Why a write must not be made now; empty where no state that is possible speaks against it.

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
        """Writes of a lane that are not known to be made, and may have taken effect or may still do so."""
        return self._unsettled.get(lane, ())

    def begun(self, write: Write, lane: int) -> None:
        """A write was begun and may take effect; one that is known already changes nothing."""
        if all(other.number != write.number for other in self.unsettled_of(lane)):
            self._unsettled.setdefault(lane, []).append(write)
            self._imagine(lane)

    def ended(self, write: Write, lane: int, *, made: bool) -> None:
        """A write was carried out, or it is certain that it was not."""
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
        """Build the states in which some of the unsettled writes of a lane have taken effect.

        A lane with more unsettled writes begins no other write until some of them are settled, and needs no states.
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
