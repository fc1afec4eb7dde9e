"""Calendar of a roll-out: when each write can be made, given write windows, limits, budgets, and a pilot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from heapq import heappop, heappush, heapreplace
from types import MappingProxyType

from optimizer.rollout.calendar.budget import DAY_SECONDS, LedgerCounts, WriteBudget
from optimizer.rollout.calendar.lane_queue import LaneQueue
from optimizer.rollout.calendar.lanes import lanes_of_vaults
from optimizer.rollout.calendar.reserve import Reservations
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.spans import Span, span_at, to_datetime, to_seconds
from optimizer.rollout.calendar.timed_writes import Blocked, Rollout, TimedWrite
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.needs import with_what_they_need
from optimizer.rollout.writes.transition import Key
from optimizer.rollout.writes.write import Write

NOTHING_MADE: Mapping[int, datetime] = MappingProxyType({})
"""No write is made yet."""


def build_rollout(
    writes: Sequence[Write],
    baseline: Baseline,
    *,
    now: datetime,
    made: Mapping[int, datetime] = NOTHING_MADE,
    counts: LedgerCounts = LedgerCounts(),  # noqa: B008  # frozen
    limits: RolloutLimits = RolloutLimits(),  # noqa: B008  # frozen
) -> Rollout:
    """Schedule each write at the earliest time at which it is possible.

    At each point in time, the calendar makes the first write, in the order of the plan, that its window, the state of
    the estate, and the budgets admit. Vaults in different lanes do not wait for each other, as long as there are
    enough workers.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback, in order, including those already made.
    baseline
        State before the first write, and what every later state must keep.
    now
        Aware time at which the calendar begins.
    made
        Time of each write that is already made, by number.
    counts
        Writes of the last 24 hours, by this plan and others, and closed vaults.
    limits
        Limits of the roll-out. With a pilot, the writes for any of its VMs go first. The other writes follow once
        each VM of the pilot has been backed up at its new start: 2 h for the start window, the snapshot, and the
        minutes that its backup is given to end.
    """
    # A write that a made write needs is made too, even if the journal has no line about it.
    times = {**dict.fromkeys(with_what_they_need(made, writes), now), **made}
    task = _Task(writes, baseline, now, times, counts, limits)
    # Reservations delay writes, so they are used only if the calendar gets stuck at full policies or caps without
    # them.
    layout = _Layout(task, reserve=False)
    notes = _lay_out_waves(task, layout)
    if layout.is_deadlocked():
        other = _Layout(task, reserve=True)
        other_notes = _lay_out_waves(task, other)
        if len(other.pending) < len(layout.pending):
            layout, notes = other, other_notes
    timed = sorted(layout.timed, key=lambda item: (item.at, item.lane, item.write.number))
    return Rollout(began=now, writes=tuple(timed), blocked=tuple(layout.blocked()), notes=tuple(notes))


@dataclass(frozen=True)
class _Task:
    """Writes to lay out, with the state before them and their limits.

    Parameters
    ----------
    writes, baseline, now, counts, limits
        See :func:`build_rollout`.
    times
        Time of each write that is made, by number.
    """

    writes: Sequence[Write]
    baseline: Baseline
    now: datetime
    times: Mapping[int, datetime]
    counts: LedgerCounts
    limits: RolloutLimits

    @cached_property
    def windows(self) -> WriteWindows:
        """Windows of the writes."""
        return WriteWindows(self.baseline.inventory, self.baseline.rules)

    @cached_property
    def left(self) -> list[Write]:
        """Writes that are not made."""
        return [write for write in self.writes if write.number not in self.times]

    @cached_property
    def made(self) -> list[Write]:
        """Writes that are made."""
        return [write for write in self.writes if write.number in self.times]

    @cached_property
    def begin(self) -> int:
        """Begin of the calendar, in seconds since 1970."""
        return to_seconds(self.now)

    @cached_property
    def end(self) -> int:
        """End of the calendar, in seconds since 1970."""
        return self.limits.end(self.begin)


def _lay_out_waves(task: _Task, layout: _Layout) -> list[str]:
    """Schedule the pilot, then the other writes after the pilot's first backups; returns notes for people."""
    first = task.limits.first_wave(task.writes)
    if not first:
        layout.run(range(len(layout.writes)), task.begin, wave=1)
        layout.run_without_reservations(wave=1)
        return []
    layout.run([n for n, write in enumerate(layout.writes) if write.number in first], task.begin, wave=1)
    follows = max([layout.after_all(), *_soaked(task, layout, first)])
    # Writes of the pilot that wait for a write of the others, such as a VM that must leave a full policy first.
    late = [n for n in layout.pending if layout.writes[n].number in first]
    layout.run(sorted(layout.pending), follows, wave=2)
    layout.run_without_reservations(wave=2)
    notes = [f"the second wave follows the first backups of the pilot, from {to_datetime(follows):%Y-%m-%d %H:%M} UTC"]
    if late:
        writes = "1 write of the pilot has" if len(late) == 1 else f"{len(late)} writes of the pilot have"
        notes.append(f"{writes} to wait for others, so the second wave makes {'it' if len(late) == 1 else 'them'}")
    return notes


def _soaked(task: _Task, layout: _Layout, first: Collection[int]) -> Iterable[int]:
    """Seconds at which each VM of the pilot has been backed up at its new start and its backup has ended.

    Worst case: the new run begins at the end of its start window.
    """
    made_at = {number: to_seconds(at) for number, at in task.times.items()}
    made_at |= {timed.write.number: to_seconds(timed.at) for timed in layout.timed}
    for write in task.writes:
        if write.number in first and write.number in made_at:
            at = made_at[write.number]
            for shift in task.windows.shifts(write):
                over = shift.window_minutes + task.limits.soak_minutes
                yield at + shift.seconds_until(shift.new_runs, at) + 60 * over


@dataclass
class _Turns:
    """Whose turn is next: the lane that may be looked at first; at equal times, the one that has waited longest.

    Parameters
    ----------
    workers
        Heap of the seconds at which each worker has made its write.
    heap
        Heap of ``(next turn, waiting since, number of the lane)``.
    """

    workers: list[int]
    heap: list[tuple[int, int, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.heap)

    def next(self) -> tuple[int, int] | None:
        """Second and lane of the next turn; None if the lane has to wait for a worker."""
        second, since, lane = heappop(self.heap)
        if self.workers[0] > second:  # the turn comes with the first free worker, in the same place
            heappush(self.heap, (self.workers[0], since, lane))
            return None
        return second, lane

    def again(self, second: int, lane: int) -> None:
        """Give a lane another turn."""
        heappush(self.heap, (second, second, lane))

    def occupy_worker(self, until: int) -> None:
        """Let the worker that is free first make a write."""
        heapreplace(self.workers, until)


class _Layout:
    """Calendar that is being built; a write is identified by its position in ``writes``."""

    def __init__(self, task: _Task, *, reserve: bool) -> None:
        self.writes = task.left
        self.timed: list[TimedWrite] = []
        self.pending = set(range(len(self.writes)))
        self._task, self._step = task, task.limits.seconds_per_write
        self._transition = task.baseline.transition(task.made)
        self._budgets = task.counts.budgets(task.baseline.rules.policies)
        vaults = dict.fromkeys(write.vault_id for write in task.writes)
        self._lane_of = lanes_of_vaults(
            task.baseline.inventory, self._transition.caps, self._transition.clashes, vaults
        )
        self._reservations = Reservations(self.writes, self._transition) if reserve else None
        self._opens: dict[int, int] = {}
        """For each lane with a closed vault: the second at which the lane opens again."""
        for vault, lane in self._lane_of.items():
            if (second := task.counts.reopens(vault)) is not None:
                self._opens[lane] = max(second, self._opens.get(lane, task.begin))
        self._spans = [task.windows.spans(write, task.begin, task.end) for write in self.writes]
        number: dict[object, int] = {}
        self._window = [number.setdefault(task.windows.key(write), len(number)) for write in self.writes]
        self._freed_at: dict[int, int] = {}

    def run(self, chosen: Collection[int], begin: int, wave: int) -> None:
        """Schedule as many of the chosen writes as possible, from ``begin`` (seconds since 1970) on."""
        lanes: dict[int, LaneQueue] = {}
        for n in chosen:
            lanes.setdefault(self._lane(n), LaneQueue()).add(n, self._window[n])
        turns = _Turns([begin] * self._task.limits.workers)
        for number, lane in lanes.items():
            first = max(begin, self._opens.get(number, begin))
            lane.start(first, self._spans.__getitem__)
            turns.again(first, number)
        while turns:
            turn = turns.next()
            if turn is None:
                continue
            second, number = turn
            made, not_before = len(self.timed), max(begin, self._task.begin, self._opens.get(number, begin))
            following = self._take_turn(lanes[number], second, not_before, wave)
            if len(self.timed) > made:
                turns.occupy_worker(second + self._step)
            if following is not None and following < self._task.end:
                turns.again(following, number)

    def run_without_reservations(self, wave: int) -> None:
        """Schedule what is possible without the room kept for earlier writes, which could not be scheduled."""
        if self._reservations is not None and self.pending:
            kept, self._reservations = self._reservations, None
            self.run(sorted(self.pending), self.after_all(), wave)
            self._reservations = kept

    def after_all(self) -> int:
        """First second after everything that is scheduled so far."""
        return max((to_seconds(timed.at) + self._step for timed in self.timed), default=self._task.begin)

    def is_deadlocked(self) -> bool:
        """Whether full policies or caps rule out any of the remaining writes."""
        obstacles = (self._transition.obstacles(self.writes[n]) for n in self.pending if self._spans[n])
        return any(obstacle.key[0] in {"policy", "cap"} for each in obstacles for obstacle in each)

    def blocked(self) -> list[Blocked]:
        """Writes without a time, each with the reason."""
        return [Blocked(self.writes[n], self._why(n)) for n in sorted(self.pending)]

    def _lane(self, n: int) -> int:
        return self._lane_of[self.writes[n].vault_id]

    def _take_turn(self, lane: LaneQueue, second: int, not_before: int, wave: int) -> int | None:
        """Schedule the first write that can be made now; returns the second of the lane's next turn, or None."""
        for n in lane.opened(second, self.pending, self._spans.__getitem__):
            self._queue(lane, n, second)
        while popped := lane.pop(second):
            n, budget = popped
            span = span_at(self._spans[n], second)
            if span is None or second + self._step > span[1]:
                continue  # closed since it was queued, or too little time left: it returns when its window opens again
            if key := self._held_up_by(n):
                lane.get_stuck(n, key)
                continue
            # The write is possible from the moment when the last of these is over: window, closed vault, state in its
            # way.
            opens = max(span[0], not_before, self._freed_at.get(n, 0))
            budget.add(second)
            self._make(lane, n, second, (opens, span[1]), wave)
            return second + self._step
        return lane.next_turn(second)

    def _held_up_by(self, n: int) -> Key | None:
        """Obstacle to a write that has to change first; None if the write can be made now."""
        obstacles = self._transition.obstacles(self.writes[n])
        if obstacles:
            return obstacles[0].key
        return self._reservations.against(n) if self._reservations is not None else None

    def _queue(self, lane: LaneQueue, n: int, second: int) -> None:
        """Queue a write whose window is open, unless it is already in a queue or stuck."""
        if lane.has(n) or span_at(self._spans[n], second) is None:
            return
        write = self.writes[n]
        kind = "policy" if write.counts_as_policy_write else write.kind
        lane.put(n, (write.vault_id, kind), lambda: self._budget(write))

    def _budget(self, write: Write) -> WriteBudget:
        if write.counts_as_policy_write:
            return self._budgets.of_policies(write.vault_id)
        return self._budgets.of_items(write.vault_id) if write.kind == "reassign_item" else WriteBudget()

    def _make(self, lane: LaneQueue, n: int, second: int, span: Span, wave: int) -> None:
        self.pending.discard(n)
        self.timed.append(
            TimedWrite(
                write=self.writes[n],
                at=to_datetime(second),
                opens=to_datetime(span[0]),
                closes=to_datetime(span[1]),
                day=(second - self._task.begin) // DAY_SECONDS + 1,
                wave=wave,
                lane=self._lane(n),
            )
        )
        if self._reservations is not None:
            self._reservations.made(n)
        for freed in lane.freed(self._transition.make(self.writes[n])):
            self._freed_at[freed] = second
            self._queue(lane, freed, second)

    def _why(self, n: int) -> str:
        if not self._spans[n]:
            return self._task.windows.why_never(self.writes[n], self._task.end)
        if obstacles := self._transition.obstacles(self.writes[n]):
            return "; ".join(obstacle.text for obstacle in obstacles)
        return f"there are not enough hours or writes per day for it until {to_datetime(self._task.end):%Y-%m-%d}"
