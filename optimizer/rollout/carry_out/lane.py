"""A lane during a run: its next write, the writes that have to wait, and when to look again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.timed_writes import TimedWrite
from optimizer.rollout.carry_out.outcome import Attempt
from optimizer.rollout.carry_out.pace import Pace


@dataclass
class Lane:
    """Writes of one lane: vaults that depend on each other, and are therefore written one after the other.

    Parameters
    ----------
    number
        Number of the lane.
    vaults
        Ids of its vaults, in lower case.
    pace
        Waiting times after trouble.
    ready_at
        Time at which the lane may be looked at next.
    """

    number: int
    vaults: tuple[ArmId, ...]
    pace: Pace
    ready_at: datetime
    busy: bool = False
    """Whether a worker is working on the lane."""
    over: bool = False
    """Whether this run makes no more writes of the lane."""
    changed: bool = False
    """Whether a write was made or given up since the calendar was built."""
    reason: str = ""
    """Why the whole lane has to wait, or has ended."""
    awaits: str = ""
    """What the lane waits for until ``ready_at``, in words that follow "waiting until ..."."""
    waited: timedelta = timedelta()
    """How long the lane has waited in this run."""
    resume_at: datetime | None = None
    """When the next write may be made, for a lane that has ended in this run."""
    _queue: Sequence[TimedWrite] = ()
    _place: int = 0
    _rests: dict[int, datetime] = field(default_factory=dict)
    _given_up: set[int] = field(default_factory=set)
    _tries: Counter[int] = field(default_factory=Counter)
    _looks: Counter[int] = field(default_factory=Counter)
    _troubles: int = 0

    def lay_out(self, writes: Sequence[TimedWrite]) -> None:
        """Start again with a new calendar."""
        self._queue, self._place, self.changed = writes, 0, False

    def rewind(self) -> None:
        """Return to the beginning of the calendar."""
        self._place = 0

    def upcoming(self) -> Iterator[TimedWrite]:
        """Writes from the present position of the calendar on; the position moves past each write that is returned."""
        while self._place < len(self._queue):
            self._place += 1
            yield self._queue[self._place - 1]

    @property
    def queue(self) -> Sequence[TimedWrite]:
        """The whole calendar."""
        return self._queue

    def rests(self, number: int, now: datetime) -> bool:
        """Whether a write has to wait after trouble, for a while or for the rest of this run."""
        return number in self._given_up or self._rests.get(number, now) > now

    def is_outdated(self, now: datetime, ended: Collection[int]) -> bool:
        """Whether the window of a write has closed since the calendar was built; a new one gives its next time."""
        return any(timed.closes <= now and timed.write.number not in ended for timed in self._queue)

    def next_opening(self, now: datetime, ended: Collection[int]) -> datetime | None:
        """Time at which the window of the next write opens; None if no write can be made in this run."""
        soon = now + timedelta(seconds=self.pace.busy_seconds)
        openings = []
        for timed in self._queue:
            number = timed.write.number
            if number not in ended and not self.rests(number, now):
                # Open already: something else kept it from being made, so look again soon instead of at once.
                opens = max(timed.at, timed.opens)
                openings.append(opens if opens > now else soon)
        return min(openings, default=None)

    def next_retry(self, now: datetime, ended: Collection[int]) -> datetime | None:
        """Time at which the next write that met trouble may be looked at again in this run; None if no write waits."""
        times = [
            at
            for number, at in self._rests.items()
            if number not in ended and at > now and number not in self._given_up
        ]
        return min(times, default=None)

    def resting_until(self, at: datetime) -> list[int]:
        """Numbers of the writes that rest until exactly this time."""
        return [number for number, until in self._rests.items() if until == at]

    def later_retry(self, now: datetime, ended: Collection[int]) -> datetime | None:
        """Time at which a later run may look at the next write that this run gave up on; None if no write waits."""
        soon = now + timedelta(seconds=self.pace.busy_seconds)
        return min((max(self._rests[number], soon) for number in self._given_up - set(ended)), default=None)

    def succeeded(self, number: int) -> None:
        """Reset the count of the lane's troubles, because a write has ended."""
        self._troubles = 0
        self._rests.pop(number, None)
        self.changed, self.reason = True, ""

    def write_met_trouble(self, number: int, attempt: Attempt, now: datetime) -> None:
        """Let a write rest: for a while or, after too many troubles, for the whole run.

        A write whose operation is in progress is never given up, because looking at it does no harm.
        """
        counts = self._looks if attempt.holds == "operation" else self._tries
        counts[number] += 1
        self._rests[number] = now + self._pause(attempt, counts[number])
        if self._tries[number] >= self.pace.tries:
            self._given_up.add(number)

    def met_trouble(self, attempt: Attempt, now: datetime) -> None:
        """Let the lane rest: for a while or, after too many troubles in a row, for the whole run."""
        self._troubles += 1
        self.reason = attempt.reason
        self.rewind()  # the write that met the trouble comes first again
        self.ready_at = max(self.ready_at, now + self._pause(attempt, self._troubles))
        if attempt.holds == "rights" or self._troubles >= self.pace.tries:
            self.end(None if attempt.holds == "rights" else self.ready_at)

    def end(self, resume_at: datetime | None) -> None:
        """End the lane for this run."""
        self.over, self.resume_at = True, resume_at

    def _pause(self, attempt: Attempt, troubles: int) -> timedelta:
        if attempt.wait_seconds is not None:
            return timedelta(seconds=max(attempt.wait_seconds, 1.0))
        return timedelta(seconds=self.pace.after_trouble(troubles))
