"""Calendar of a roll-out: when each write can be made, given gates, limits, write budgets, and a pilot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heappop, heappush, heapreplace
from types import MappingProxyType

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import ROLLOUT_DAYS
from optimizer.rollout.calendar.budget import DAY_SECONDS, WriteBudget, WriteBudgets
from optimizer.rollout.calendar.lanes import lanes_of_vaults
from optimizer.rollout.calendar.reserve import Reservations
from optimizer.rollout.calendar.spans import Span, next_begin, span_at, to_datetime, to_seconds
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS, Blocked, Rollout, TimedWrite
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.writes.needs import with_what_they_need
from optimizer.rollout.writes.transition import Key, Transition
from optimizer.rollout.writes.write import Write

NOTHING_CLOSED: Mapping[ArmId, datetime] = MappingProxyType({})
"""No vault is closed."""


JOB_MINUTES = 60
"""Minutes after its snapshot that a backup of the pilot is given to end, before the second wave begins."""


def build_rollout(
    writes: Sequence[Write],
    inventory: Inventory,
    rules: Rules,
    *,
    now: datetime,
    made: Mapping[int, datetime] | Collection[int] = frozenset(),
    policy_writes: Sequence[tuple[datetime, str]] = (),
    item_writes: Sequence[tuple[datetime, str]] = (),
    closed_until: Mapping[ArmId, datetime] = NOTHING_CLOSED,
    workers: int = DEFAULT_WORKERS,
    pilot: Collection[ArmId] = frozenset(),
    seconds_per_write: int = 60,
    horizon_days: int = ROLLOUT_DAYS,
    tolerated: Inventory | None = None,
) -> Rollout:
    """Schedule each write at the earliest time at which it is possible.

    At each point in time, the calendar makes the first write, in the order of the plan, that its gates, the state of
    the estate, and the budgets admit.  Vaults in different lanes do not wait for each other, as long as there are
    enough workers.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback, in order, including those already made.
    inventory
        State before the first write.
    rules
        Constraints that must hold after each write.
    now
        Aware time at which the calendar begins.
    made
        Numbers of the writes already made, each with its time.  A write without a time counts as made now, so the
        second wave then waits for the next backups of the pilot.
    policy_writes
        Time and vault of each policy write in the last 24 h, by this plan and others.
    item_writes
        Time and vault of each assignment of a VM in the last 24 h.
    closed_until
        For each vault (lower-case id) from which the service asked to stay away: until when.
    workers
        Number of lanes that are written side by side.
    pilot
        VM ids.  Writes for any of them go first.  The other writes follow once each VM of the pilot has been backed up
        at its new start: 2 h for the start window, the snapshot, and one more hour.
    seconds_per_write
        Seconds between two writes of a lane.
    horizon_days
        Maximum number of days that the calendar covers.
    tolerated
        For a rollback, the state that it leads back to; see :class:`~optimizer.rollout.writes.transition.Transition`.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    # A write that a made write needs is made too, even if the journal has no line about it.
    times = dict.fromkeys(with_what_they_need(made, writes), now)
    times |= made if isinstance(made, Mapping) else {}
    gates = WriteWindows(inventory, rules)
    begin = to_seconds(now)

    def attempt(*, reserve: bool) -> tuple[_Layout, list[str]]:
        transition = Transition(inventory, rules, tolerated=tolerated)
        for write in writes:
            if write.number in times:
                transition.make(write)
        left = [write for write in writes if write.number not in times]
        layout = _Layout(
            writes=left,
            gates=gates,
            transition=transition,
            budgets=WriteBudgets(rules.policies.max_writes_per_day, rules.policies.scope, policy_writes, item_writes),
            # One second more: the calendar never opens a lane before the board does (Board._closed).
            closed_until={ArmId(vault): to_seconds(at) + 1 for vault, at in closed_until.items()},
            workers=workers,
            lanes=lanes_of_vaults(
                inventory, transition.caps, transition.clashes, [write.vault_id for write in writes]
            ),
            begin=begin,
            end=begin + horizon_days * DAY_SECONDS,
            step=max(1, seconds_per_write),
            reservations=Reservations(left, transition) if reserve else None,
        )
        return layout, _lay_out_waves(layout, writes, times, frozenset(map(ArmId, pilot)))

    # Reservations delay writes, so they are used only if the calendar gets stuck at full policies or caps without
    # them.
    layout, notes = attempt(reserve=False)
    if layout.deadlocked():
        other, other_notes = attempt(reserve=True)
        if len(other.pending) < len(layout.pending):
            layout, notes = other, other_notes
    timed = sorted(layout.timed, key=lambda one: (one.at, one.lane, one.write.number))
    return Rollout(began=now, writes=tuple(timed), blocked=tuple(layout.blocked()), notes=tuple(notes))


def _lay_out_waves(
    layout: _Layout,
    writes: Sequence[Write],
    made: Mapping[int, datetime],
    pilot: frozenset[ArmId],
) -> list[str]:
    """Schedule the pilot, then the other writes after the pilot's first backups; returns notes for people."""
    first = _first_wave(writes, pilot)
    if not first:
        layout.run(range(len(layout.writes)), layout.begin, wave=1)
        layout.run_without_reservations(wave=1)
        return []
    layout.run([n for n, write in enumerate(layout.writes) if write.number in first], layout.begin, wave=1)
    made_at = {number: to_seconds(at) for number, at in made.items()}
    made_at |= {one.write.number: to_seconds(one.at) for one in layout.timed}
    follows = layout.after_all()  # the second wave begins after the first one, even if the pilot is backed up earlier
    for write in writes:
        if write.number in first and write.number in made_at:
            for row in layout.gates.rows_of(write.vms):
                shift, at = layout.gates.shift(write, row), made_at[write.number]
                # Worst case: the new run begins at the end of its start window.
                over = 60 * (shift.window_minutes + JOB_MINUTES)
                follows = max(follows, at + shift.seconds_until(shift.new_runs, at) + over)
    # Writes of the pilot that wait for a write of the others, such as a VM that must leave a full policy first.
    late = [n for n in layout.pending if layout.writes[n].number in first]
    layout.run(sorted(layout.pending), follows, wave=2)
    layout.run_without_reservations(wave=2)
    notes = [f"the second wave follows the first backups of the pilot, from {to_datetime(follows):%Y-%m-%d %H:%M} UTC"]
    if late:
        notes.append(f"{len(late)} writes of the pilot have to wait for others and are made in the second wave")
    return notes


def _first_wave(writes: Sequence[Write], pilot: frozenset[ArmId]) -> set[int]:
    """Numbers of the writes for any VM of the pilot, and of the writes that those need."""
    by_number = {write.number: write for write in writes}
    waiting = [write.number for write in writes if any(vm in pilot for vm in write.vms)]
    found: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in found and number in by_number:
            found.add(number)
            waiting += by_number[number].needs
    return found


@dataclass(slots=True)
class _Queue:
    """Writes of one vault that share a budget and whose gates are open; the first one in the plan is in front."""

    budget: WriteBudget
    waiting: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    """State of one lane while the calendar is built.

    Parameters
    ----------
    queues
        Writes with open gates, by vault and kind of budget.
    openings
        Heap of ``(second, gate)``: when each gate opens next.
    by_gate
        Writes by the key of their gates: writes with equal keys are open at the same times.
    stuck
        Writes that the state of the estate rules out for now, by what has to change first.
    queued
        Writes that are in a queue or are stuck.
    """

    queues: dict[tuple[str, str], _Queue] = field(default_factory=dict)
    openings: list[tuple[int, int]] = field(default_factory=list)
    by_gate: dict[int, list[int]] = field(default_factory=dict)
    stuck: dict[Key, list[int]] = field(default_factory=dict)
    queued: set[int] = field(default_factory=set)


class _Layout:
    """Calendar that is being built; a write is identified by its position in ``writes``."""

    def __init__(
        self,
        *,
        writes: list[Write],
        gates: WriteWindows,
        transition: Transition,
        budgets: WriteBudgets,
        lanes: Mapping[ArmId, int],
        begin: int,
        end: int,
        step: int,
        reservations: Reservations | None,
        closed_until: Mapping[ArmId, int],
        workers: int,
    ) -> None:
        self.writes, self.gates, self.begin = writes, gates, begin
        self.timed: list[TimedWrite] = []
        self.pending = set(range(len(writes)))
        self._transition, self._budgets, self._lane_of = transition, budgets, lanes
        self._end, self._step, self._reservations = end, step, reservations
        self._workers = workers
        self._opens: dict[int, int] = {}
        """For each lane with a closed vault: the second at which the lane opens again."""
        for vault, second in closed_until.items():
            if vault in lanes:
                self._opens[lanes[vault]] = max(second, self._opens.get(lanes[vault], begin))
        self._spans: list[tuple[Span, ...]] = [gates.spans(write, begin, end) for write in writes]
        number: dict[object, int] = {}
        self._freed_at: dict[int, int] = {}
        self._gate = [number.setdefault(gates.key(write), len(number)) for write in writes]

    def run(self, chosen: Collection[int], begin: int, wave: int) -> None:
        """Schedule as many of the chosen writes as possible, from ``begin`` (seconds since 1970) on."""
        lanes: dict[int, _Lane] = {}
        for n in chosen:
            lane = lanes.setdefault(self._lane(n), _Lane())
            lane.by_gate.setdefault(self._gate[n], []).append(n)
        turns: list[tuple[int, int, int]] = []
        """Heap of ``(next turn, waiting since, number of the lane)``: at equal turns, the longest wait wins."""
        for number, lane in lanes.items():
            first = max(begin, self._opens.get(number, begin))
            for gate, members in lane.by_gate.items():
                # `first - 1`: a span that begins exactly at `first` counts.
                self._expect_opening(lane, gate, self._spans[members[0]], first - 1)
                if span_at(self._spans[members[0]], first):  # the gate is open already
                    heappush(lane.openings, (first, gate))
            turns.append((first, first, number))
        heapify(turns)
        free = [begin] * self._workers
        """Heap of the seconds at which each worker has made its write."""
        while turns:
            second, since, number = heappop(turns)
            if free[0] > second:  # no worker is free: the lane's turn comes with the first that is, in the same place
                heappush(turns, (free[0], since, number))
                continue
            made, not_before = len(self.timed), max(begin, self.begin, self._opens.get(number, begin))
            following = self._take_turn(lanes[number], second, not_before, wave)
            if len(self.timed) > made:
                heapreplace(free, second + self._step)
            if following is not None and following < self._end:
                heappush(turns, (following, following, number))

    def run_without_reservations(self, wave: int) -> None:
        """Schedule what is possible without the room kept for earlier writes, which could not be scheduled."""
        if self._reservations is not None and self.pending:
            kept, self._reservations = self._reservations, None
            self.run(sorted(self.pending), self.after_all(), wave)
            self._reservations = kept

    def after_all(self) -> int:
        """First second after everything that is scheduled so far."""
        return max((to_seconds(one.at) + self._step for one in self.timed), default=self.begin)

    def deadlocked(self) -> bool:
        """Whether full policies or caps rule out any of the remaining writes."""
        return any(
            obstacle.key[0] in {"policy", "cap"}
            for n in self.pending
            if self._spans[n]
            for obstacle in self._transition.obstacles(self.writes[n])
        )

    def blocked(self) -> list[Blocked]:
        """Writes without a time, each with the reason."""
        return [Blocked(self.writes[n], self._why(n)) for n in sorted(self.pending)]

    def _lane(self, n: int) -> int:
        return self._lane_of[self.writes[n].vault_id]

    def _expect_opening(self, lane: _Lane, gate: int, spans: Sequence[Span], after: int) -> None:
        opens = next_begin(spans, after)
        if opens is not None:
            heappush(lane.openings, (opens, gate))

    def _take_turn(self, lane: _Lane, second: int, not_before: int, wave: int) -> int | None:
        """Schedule the first write that can be made now; returns the second of the lane's next turn, or None."""
        self._open_gates(lane, second)
        while True:
            queue, free_at = _first_queue(lane, second)
            if queue is None:
                times = [time for time in (free_at, lane.openings[0][0] if lane.openings else None) if time]
                return min(times, default=None)
            n = heappop(queue.waiting)
            lane.queued.discard(n)
            span = span_at(self._spans[n], second)
            if span is None or second + self._step > span[1]:
                continue  # closed since it was queued, or too little time left: it returns when its gates open again
            obstacles = self._transition.obstacles(self.writes[n])
            key = obstacles[0].key if obstacles else self._reservations and self._reservations.against(n)
            if key:
                lane.queued.add(n)
                lane.stuck.setdefault(key, []).append(n)
                continue
            # The write is possible from the moment when the last of these is over: gate, closed vault, state in its
            # way.
            opens = max(span[0], not_before, self._freed_at.get(n, 0))
            self._make(lane, n, second, (opens, span[1]), wave)
            queue.budget.add(second)
            return second + self._step

    def _open_gates(self, lane: _Lane, second: int) -> None:
        while lane.openings and lane.openings[0][0] <= second:
            _, gate = heappop(lane.openings)
            members = [n for n in lane.by_gate[gate] if n in self.pending]
            lane.by_gate[gate] = members
            for n in members:
                self._queue(lane, n, second)
            if members:
                self._expect_opening(lane, gate, self._spans[members[0]], second)

    def _queue(self, lane: _Lane, n: int, second: int) -> None:
        """Queue a write whose gates are open, unless it is already in a queue or stuck."""
        if n in lane.queued or span_at(self._spans[n], second) is None:
            return
        write = self.writes[n]
        place = (write.vault_id, "policy" if write.counts_as_policy_write else write.kind)
        if place not in lane.queues:
            lane.queues[place] = _Queue(self._budget(write))
        heappush(lane.queues[place].waiting, n)
        lane.queued.add(n)

    def _budget(self, write: Write) -> WriteBudget:
        if write.counts_as_policy_write:
            return self._budgets.of_policies(write.vault_id)
        return self._budgets.of_items(write.vault_id) if write.kind == "reassign_item" else WriteBudget()

    def _make(self, lane: _Lane, n: int, second: int, span: Span, wave: int) -> None:
        write = self.writes[n]
        self.pending.discard(n)
        self.timed.append(
            TimedWrite(
                write=write,
                at=to_datetime(second),
                opens=to_datetime(span[0]),
                closes=to_datetime(span[1]),
                day=(second - self.begin) // DAY_SECONDS + 1,
                wave=wave,
                lane=self._lane(n),
            )
        )
        if self._reservations is not None:
            self._reservations.made(n)
        # Writes that waited for this change go back to their queues.
        for key in self._transition.make(write):
            for freed in lane.stuck.pop(key, ()):
                lane.queued.discard(freed)
                self._freed_at[freed] = second
                self._queue(lane, freed, second)

    def _why(self, n: int) -> str:
        write = self.writes[n]
        if not self._spans[n]:
            return self.gates.why_never(write, self._end)
        obstacles = self._transition.obstacles(write)
        if obstacles:
            return "; ".join(obstacle.text for obstacle in obstacles)
        return f"there are not enough hours or writes per day for it until {to_datetime(self._end):%Y-%m-%d}"


def _first_queue(lane: _Lane, second: int) -> tuple[_Queue | None, int | None]:
    """Queue with the first write whose budget has room; without one, the second at which a budget has room."""
    found: _Queue | None = None
    free_at: int | None = None
    for queue in lane.queues.values():
        if not queue.waiting:
            continue
        free = queue.budget.free_at(second)
        if free > second:
            free_at = free if free_at is None else min(free_at, free)
        elif found is None or queue.waiting[0] < found.waiting[0]:
            found = queue
    return found, free_at
