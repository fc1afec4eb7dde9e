"""Writes of one lane while the calendar is built: the ones that may be made now, and when to check again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.budget import WriteBudget
from optimizer.rollout.calendar.spans import Span, next_begin, span_at
from optimizer.rollout.writes.transition import Key


@dataclass(slots=True)
class _BudgetQueue:
    """Writes of one vault that share a budget and whose windows are open; the first one in the plan is in front."""

    budget: WriteBudget
    waiting: list[int] = field(default_factory=list)


@dataclass(slots=True)
class LaneQueue:
    """Writes of one lane; a write is a number, and a smaller number comes earlier in the plan.

    A write comes into a queue when its window opens. It leaves the queue when it is made, when its window turns out
    to be closed again, or when it gets stuck: the state of the estate rules it out until something changes.
    """

    _queues: dict[tuple[ArmId, str], _BudgetQueue] = field(default_factory=dict)
    _openings: list[tuple[int, int]] = field(default_factory=list)
    """Heap of ``(second, window)``: when each window opens next."""
    _members: dict[int, list[int]] = field(default_factory=dict)
    """Writes by their window: writes of one window are open at the same times."""
    _stuck: dict[Key, list[int]] = field(default_factory=dict)
    """Writes that the state of the estate rules out for now, by what has to change first."""
    _queued: set[int] = field(default_factory=set)
    """Writes that are in a queue or are stuck."""

    def add(self, n: int, window: int) -> None:
        """Add a write of a window."""
        self._members.setdefault(window, []).append(n)

    def start(self, first: int, spans_of: Callable[[int], Sequence[Span]]) -> None:
        """Note when each window opens, from the second ``first`` on.

        Parameters
        ----------
        first
            Seconds since 1970.
        spans_of
            Returns the open spans of a write.
        """
        for window, members in self._members.items():
            spans = spans_of(members[0])
            self._expect(window, spans, first - 1)  # `first - 1`: a span that begins exactly at `first` counts
            if span_at(spans, first):  # the window is open already
                heappush(self._openings, (first, window))

    def opened(self, second: int, pending: Collection[int], spans_of: Callable[[int], Sequence[Span]]) -> list[int]:
        """Pending writes whose windows have opened by now."""
        opened: list[int] = []
        while self._openings and self._openings[0][0] <= second:
            _, window = heappop(self._openings)
            members = [n for n in self._members[window] if n in pending]
            self._members[window] = members
            opened += members
            if members:
                self._expect(window, spans_of(members[0]), second)
        return opened

    def has(self, n: int) -> bool:
        """Whether a write is in a queue or stuck."""
        return n in self._queued

    def put(self, n: int, place: tuple[ArmId, str], budget: Callable[[], WriteBudget]) -> None:
        """Queue a write.

        Parameters
        ----------
        place
            Vault and kind of budget; writes of one place share a queue.
        budget
            Returns the budget of a new queue.
        """
        if place not in self._queues:
            self._queues[place] = _BudgetQueue(budget())
        heappush(self._queues[place].waiting, n)
        self._queued.add(n)

    def pop(self, second: int) -> tuple[int, WriteBudget] | None:
        """Take the first write of the plan whose budget has room; None if there is no such write."""
        ready = [queue for queue in self._waiting() if queue.budget.free_at(second) <= second]
        if not ready:
            return None
        queue = min(ready, key=lambda queue: queue.waiting[0])
        n = heappop(queue.waiting)
        self._queued.discard(n)
        return n, queue.budget

    def next_turn(self, second: int) -> int | None:
        """Second at which a budget has room again or a window opens; None if neither happens."""
        times = [queue.budget.free_at(second) for queue in self._waiting()]
        return min([*times, *(opens for opens, _ in self._openings[:1])], default=None)

    def get_stuck(self, n: int, key: Key) -> None:
        """Put a write aside until something changes."""
        self._queued.add(n)
        self._stuck.setdefault(key, []).append(n)

    def freed(self, keys: Iterable[Key]) -> list[int]:
        """Writes that were stuck because of something that has changed now; they are no longer queued."""
        free = [n for key in keys for n in self._stuck.pop(key, ())]
        self._queued.difference_update(free)
        return free

    def _waiting(self) -> list[_BudgetQueue]:
        return [queue for queue in self._queues.values() if queue.waiting]

    def _expect(self, window: int, spans: Sequence[Span], after: int) -> None:
        opens = next_begin(spans, after)
        if opens is not None:
            heappush(self._openings, (opens, window))
