"""Writes laid out in time: gates, limits on the way, budgets, a pilot that goes first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heappop, heappush, heapreplace
from types import MappingProxyType

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, ROLLOUT_DAYS, START_WINDOW_MINUTES
from optimizer.rollout.budget import DAY_SECONDS, Budget, Budgets
from optimizer.rollout.gates import Gates
from optimizer.rollout.lanes import lanes_of_vaults
from optimizer.rollout.progress import with_what_they_need
from optimizer.rollout.reserve import Reservations
from optimizer.rollout.spans import Span, next_begin, span_at, to_datetime, to_seconds
from optimizer.rollout.stages import Blocked, Rollout, TimedWrite, Write
from optimizer.rollout.transition import Key, Transition

NOTHING_CLOSED: Mapping[str, datetime] = MappingProxyType({})
"""No vault is closed."""

DEFAULT_WORKERS = 4
"""Lanes that are written side by side by default: more gain little, as each vault is written one by one."""

JOB_MINUTES = 60
"""How long after its snapshot a backup of the pilot is given to end."""


def build_rollout(
    writes: Sequence[Write],
    inventory: Inventory,
    rules: Rules,
    *,
    now: datetime,
    made: Mapping[int, datetime] | Collection[int] = frozenset(),
    policy_writes: Sequence[tuple[datetime, str]] = (),
    item_writes: Sequence[tuple[datetime, str]] = (),
    closed_until: Mapping[str, datetime] = NOTHING_CLOSED,
    workers: int = DEFAULT_WORKERS,
    pilot: Collection[str] = frozenset(),
    seconds_per_write: int = 60,
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES,
    horizon_days: int = ROLLOUT_DAYS,
    tolerated: Inventory | None = None,
) -> Rollout:
    """Lay writes out in time, each as early as it may be made.

    At any time the first write in the order of the plan is made that its gates, the state of the estate and the
    budgets admit; the vaults of different lanes do not wait for each other, as far as there are workers for them.

    Parameters
    ----------
    writes
        All writes of a plan or of a rollback, in order, those that are made included.
    inventory
        The state before the first of them.
    rules
        What has to hold after each write.
    now
        Aware time from which on they are laid out.
    made
        Numbers of the writes that are made, with when.  Where that is not said it counts as now: the second wave then
        waits for the next backups of the pilot.
    policy_writes
        When and in which vault policies were written in the last 24 h, by this plan and others.
    item_writes
        When and in which vault VMs were assigned in the last 24 h.
    closed_until
        Vaults (lower-case id) from which the service asked to stay away, with until when.
    workers
        Lanes that are written side by side.
    pilot
        VM ids.  Writes for any of them go first; the others follow when each VM of the pilot has been backed up at its
        new start: 2 h, the snapshot and an hour after it.
    seconds_per_write
        Distance of two writes of a lane.
    snapshot_minutes
        Length of the snapshot.
    horizon_days
        Days that are laid out at most.
    tolerated
        For a rollback the state that it leads back to; see :class:`~optimizer.rollout.transition.Transition`.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    times = dict.fromkeys(with_what_they_need(made, writes), now)
    times |= made if isinstance(made, Mapping) else {}
    gates = Gates(inventory, rules, snapshot_minutes)
    begin = to_seconds(now)

    def attempt(*, reserve: bool) -> tuple[_Layout, list[str]]:
        transition = Transition(inventory, rules, snapshot_minutes, tolerated=tolerated)
        for write in writes:
            if write.number in times:
                transition.make(write)
        left = [write for write in writes if write.number not in times]
        layout = _Layout(
            writes=left,
            gates=gates,
            transition=transition,
            budgets=Budgets(rules.policies.max_writes_per_day, rules.policies.scope, policy_writes, item_writes),
            closed_until={vault.lower(): to_seconds(at) + 1 for vault, at in closed_until.items()},
            workers=workers,
            lanes=lanes_of_vaults(
                inventory, transition.caps, transition.clashes, [write.vault_id for write in writes]
            ),
            begin=begin,
            end=begin + horizon_days * DAY_SECONDS,
            step=max(1, seconds_per_write),
            reservations=Reservations(left, transition) if reserve else None,
        )
        return layout, _lay_out_waves(layout, writes, times, {vm.lower() for vm in pilot}, snapshot_minutes)

    layout, notes = attempt(reserve=False)
    if layout.deadlocked():
        other, other_notes = attempt(reserve=True)
        if len(other.pending) < len(layout.pending):
            layout, notes = other, other_notes
    timed = sorted(layout.timed, key=lambda one: (one.at, one.lane, one.write.number))
    return Rollout(began=now, writes=tuple(timed), blocked=tuple(layout.blocked()), notes=tuple(notes))


def _lay_out_waves(
    layout: _Layout, writes: Sequence[Write], made: Mapping[int, datetime], pilot: set[str], snapshot_minutes: int
) -> list[str]:
    """Lay the pilot out, then the others after its first backups; notes."""
    first = _first_wave(writes, pilot)
    if not first:
        layout.run(range(len(layout.writes)), layout.begin, wave=1)
        layout.run_without_reservations(wave=1)
        return []
    layout.run([n for n, write in enumerate(layout.writes) if write.number in first], layout.begin, wave=1)
    made_at = {number: to_seconds(at) for number, at in made.items()}
    made_at |= {one.write.number: to_seconds(one.at) for one in layout.timed}
    follows = layout.after_all()
    for write in writes:
        if write.number in first and write.number in made_at:
            for row in layout.gates.rows_of(write.vms):
                shift, at = layout.gates.shift(write, row), made_at[write.number]
                over = 60 * (START_WINDOW_MINUTES + snapshot_minutes + JOB_MINUTES)
                follows = max(follows, at + shift.seconds_until(shift.new_runs, at) + over)
    late = [n for n in layout.pending if layout.writes[n].number in first]
    layout.run(sorted(layout.pending), follows, wave=2)
    layout.run_without_reservations(wave=2)
    notes = [f"the second wave follows the first backups of the pilot, from {to_datetime(follows):%Y-%m-%d %H:%M} UTC"]
    if late:
        notes.append(f"{len(late)} writes of the pilot have to wait for others and are made in the second wave")
    return notes


def _first_wave(writes: Sequence[Write], pilot: set[str]) -> set[int]:
    """Numbers of the writes for any VM of the pilot, and of those that they need."""
    by_number = {write.number: write for write in writes}
    waiting = [write.number for write in writes if any(vm.lower() in pilot for vm in write.vms)]
    found: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in found and number in by_number:
            found.add(number)
            waiting += by_number[number].needs
    return found


@dataclass(slots=True)
class _Queue:
    """Writes of one vault that share a budget and whose gates are open, the first of the plan in front."""

    budget: Budget
    waiting: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    """What one lane has before it.

    Parameters
    ----------
    queues
        Writes with open gates, by vault and kind of budget.
    openings
        When which gates open next.
    by_gate
        Writes by the key of their gates.
    stuck
        Writes that the state stands in the way of, by what has to change first.
    queued
        Writes that are in a queue or stuck.
    """

    queues: dict[tuple[str, str], _Queue] = field(default_factory=dict)
    openings: list[tuple[int, int]] = field(default_factory=list)
    by_gate: dict[int, list[int]] = field(default_factory=dict)
    stuck: dict[Key, list[int]] = field(default_factory=dict)
    queued: set[int] = field(default_factory=set)


class _Layout:
    """A roll-out in the making; writes are named by their place in ``writes``."""

    def __init__(
        self,
        *,
        writes: list[Write],
        gates: Gates,
        transition: Transition,
        budgets: Budgets,
        lanes: Mapping[str, int],
        begin: int,
        end: int,
        step: int,
        reservations: Reservations | None,
        closed_until: Mapping[str, int],
        workers: int,
    ) -> None:
        self.writes, self.gates, self.begin = writes, gates, begin
        self.timed: list[TimedWrite] = []
        self.pending = set(range(len(writes)))
        self._transition, self._budgets, self._lane_of = transition, budgets, lanes
        self._end, self._step, self._reservations = end, step, reservations
        self._workers = workers
        self._opens: dict[int, int] = {}
        """When each lane that is closed opens again."""
        for vault, second in closed_until.items():
            if vault in lanes:
                self._opens[lanes[vault]] = max(second, self._opens.get(lanes[vault], begin))
        self._spans: list[tuple[Span, ...]] = [gates.spans(write, begin, end) for write in writes]
        number: dict[object, int] = {}
        self._freed_at: dict[int, int] = {}
        self._gate = [number.setdefault(gates.key(write), len(number)) for write in writes]

    def run(self, chosen: Collection[int], begin: int, wave: int) -> None:
        """Make as many of the chosen writes as possible from a time on."""
        lanes: dict[int, _Lane] = {}
        for n in chosen:
            lane = lanes.setdefault(self._lane(n), _Lane())
            lane.by_gate.setdefault(self._gate[n], []).append(n)
        turns: list[tuple[int, int, int]] = []
        """When each lane gets a turn, since when it has waited for one, and its number."""
        for number, lane in lanes.items():
            first = max(begin, self._opens.get(number, begin))
            for gate, members in lane.by_gate.items():
                self._expect_opening(lane, gate, self._spans[members[0]], first - 1)
                if span_at(self._spans[members[0]], first):
                    heappush(lane.openings, (first, gate))
            turns.append((first, first, number))
        heapify(turns)
        free = [begin] * self._workers
        """When each worker has made its write."""
        while turns:
            second, since, number = heappop(turns)
            if free[0] > second:
                heappush(turns, (free[0], since, number))
                continue
            made, not_before = len(self.timed), max(begin, self.begin, self._opens.get(number, begin))
            following = self._take_turn(lanes[number], second, not_before, wave)
            if len(self.timed) > made:
                heapreplace(free, second + self._step)
            if following is not None and following < self._end:
                heappush(turns, (following, following, number))

    def run_without_reservations(self, wave: int) -> None:
        """Make what can be made although places are kept for others, which turned out not to come."""
        if self._reservations is not None and self.pending:
            kept, self._reservations = self._reservations, None
            self.run(sorted(self.pending), self.after_all(), wave)
            self._reservations = kept

    def after_all(self) -> int:
        """The first time after everything that is laid out so far."""
        return max((to_seconds(one.at) + self._step for one in self.timed), default=self.begin)

    def deadlocked(self) -> bool:
        """Whether writes are left that only full policies or caps stand in the way of."""
        return any(
            obstacle.key[0] in {"policy", "cap"}
            for n in self.pending
            if self._spans[n]
            for obstacle in self._transition.obstacles(self.writes[n])
        )

    def blocked(self) -> list[Blocked]:
        """Writes that have found no time, with the reason."""
        return [Blocked(self.writes[n], self._why(n)) for n in sorted(self.pending)]

    def _lane(self, n: int) -> int:
        return self._lane_of[self.writes[n].vault_id.lower()]

    def _expect_opening(self, lane: _Lane, gate: int, spans: Sequence[Span], after: int) -> None:
        opens = next_begin(spans, after)
        if opens is not None:
            heappush(lane.openings, (opens, gate))

    def _take_turn(self, lane: _Lane, second: int, not_before: int, wave: int) -> int | None:
        """Make the first write that can be made now; when to look again."""
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
                continue  # closed since: it comes back when its gates open again
            obstacles = self._transition.obstacles(self.writes[n])
            key = obstacles[0].key if obstacles else self._reservations and self._reservations.against(n)
            if key:
                lane.queued.add(n)
                lane.stuck.setdefault(key, []).append(n)
                continue
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
        """Queue a write whose gates are open, unless it is queued or stuck."""
        if n in lane.queued or span_at(self._spans[n], second) is None:
            return
        write = self.writes[n]
        place = (write.vault_id.lower(), "policy" if write.counts_as_policy_write else write.kind)
        if place not in lane.queues:
            lane.queues[place] = _Queue(self._budget(write))
        heappush(lane.queues[place].waiting, n)
        lane.queued.add(n)

    def _budget(self, write: Write) -> Budget:
        if write.counts_as_policy_write:
            return self._budgets.of_policies(write.vault_id)
        return self._budgets.of_items(write.vault_id) if write.kind == "reassign_item" else Budget()

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
    """The queue with the first write whose budget is free; where there is none, when the first budget is."""
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
