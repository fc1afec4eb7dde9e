"""What the workers of a run share: which lanes are busy, how each write ended, and the calendar of what is left."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from optimizer.errors import ApplyError, EstateError
from optimizer.journal import EndRecord, state_of
from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.lanes import lanes_of_vaults
from optimizer.rollout.calendar.timed_writes import TimedWrite
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.lane import Lane
from optimizer.rollout.carry_out.outcome import Attempt, End, RunOutcome
from optimizer.rollout.carry_out.possible_states import MOST_OPEN, PossibleStates
from optimizer.rollout.writes.needs import surely_made
from optimizer.rollout.writes.write import Write

if TYPE_CHECKING:
    from optimizer.rollout.carry_out.executor import Executor

SHORT_WAIT = timedelta(minutes=5)
"""How long a run without ``--wait`` may wait after one trouble."""

LONGEST_WAIT = timedelta(minutes=15)
"""How long each lane of a run without ``--wait`` may wait after trouble in all."""

WORTH_REPORTING = timedelta(seconds=10)
"""Waits that are shorter than this are not reported."""


class _Step(NamedTuple):
    """Next step of a worker."""

    lane: Lane
    write: Write
    how: str
    """Name of the carrier's method: ``carry_out``, ``resolve``, ``look_again`` or ``confirm``."""


def _stopping(names: Sequence[str]) -> str:
    """Message after Ctrl-C."""
    if not names:
        return "stopping: no other write is begun"
    requests = "1 request" if len(names) == 1 else f"{len(names)} requests"
    return (
        f"stopping: no other write is begun; waiting for the outcome of {requests} ({', '.join(sorted(names))}). "
        "Press Ctrl-C again to stop at once; --resume then looks in Azure how they ended"
    )


class Board:
    """State that the workers share: which lanes are busy, how each write ended, and the calendar of what is left."""

    def __init__(self, executor: Executor, carrier: Carrier, gates: WriteWindows, until: datetime | None) -> None:
        self._executor, self._carrier, self._gates, self._until = executor, carrier, gates, until
        self._lock = threading.RLock()
        self._failed = self._is_interrupted = False
        state, writes = state_of(carrier.journal.records), (*executor.writes, *executor.begun)
        self._writes = writes
        self._only_looked_at = frozenset(write.number for write in executor.begun)
        done = surely_made(state, writes)
        start = executor.transition()
        self._lane_of = lanes_of_vaults(
            executor.inventory, start.caps, start.clashes, [write.vault_id for write in writes]
        )
        self._standing = PossibleStates(executor.transition, [write for write in writes if write.number in done])
        # In place by inference only: writes that need them are made, but the journal has no line about them.
        self._unconfirmed = [write for write in writes if write.number in done - state.done.keys()]
        for write in writes:
            if self._may_take_effect(write) and write.number not in done:
                self._standing.begun(write, self._lane(write))
        self._ended: dict[int, Attempt] = {}
        self._to_do: dict[int, list[int]] = {}
        for write in writes:
            if write.number not in state.done and self._concerns_this_run(write):
                self._to_do.setdefault(self._lane(write), []).append(write.number)
        self._waiting: dict[int, str] = {}
        self._reported = ""
        self._broken: list[str] = []
        self._num_done = len(state.done)
        self._pilot_moved = False
        now = carrier.clock.now()
        self.lanes = {
            number: Lane(number, tuple(v for v, n in self._lane_of.items() if n == number), carrier.pace, now)
            for number in dict.fromkeys(self._lane_of.values())
        }
        self._lay_out()

    def work(self) -> None:
        """Make writes until there is nothing left to do in this run; each worker runs this method."""
        clock = self._carrier.clock
        try:
            while True:
                clock.sleep(0.0)  # a worker stops here if the program is interrupted
                with self._lock:
                    step, wakes = self._next_step()
                if step is not None:
                    self._do(step)
                elif wakes is None:
                    return
                else:
                    idle = (wakes - clock.now()).total_seconds()
                    # Wake up in between: another worker may have freed a lane.
                    clock.sleep(min(max(idle, 1.0), self._carrier.pace.busy_seconds))
        except BaseException:
            self._failed = True
            self._carrier.journal.begin_no_more()
            raise

    def interrupted(self) -> bool:
        """Begin no other write after Ctrl-C; returns whether the outcome of a request is still awaited.

        Reads in progress are not awaited: they change nothing, and may take minutes.
        """
        names = list(self._carrier.under_way.copy().values())
        if not self._is_interrupted:
            self._is_interrupted = self._failed = True
            self._carrier.journal.begin_no_more()
            # Again: until now, a worker could still begin a request.
            names = list(self._carrier.under_way.copy().values())
            self._executor.tell("")  # move below the ^C of the terminal
            self._executor.tell(_stopping(names))
        return bool(names)

    def _do(self, step: _Step) -> None:
        try:
            match step.how:
                case "carry_out":
                    attempt = self._carrier.carry_out(step.write)
                case "resolve":
                    attempt = self._carrier.resolve(step.write)
                case "look_again":
                    attempt = self._carrier.look_again(step.write)
                case _:
                    attempt = self._carrier.confirm(step.write)
        except (EstateError, ApplyError):  # journal or ledger cannot be written, so no lane may go on
            raise
        except Exception as exc:  # noqa: BLE001  # an unexpected answer ends the lane that met it, never the others
            with self._lock:
                self._break(step, exc)
            return
        with self._lock:
            step.lane.busy = False
            self._put_down(step, attempt)

    def _break(self, step: _Step, exc: Exception) -> None:
        """End a lane for this run after an unexpected error; a write that was begun stays open."""
        lane, write = step.lane, step.write
        cause = traceback.extract_tb(exc.__traceback__)[-1]
        error = f"{type(exc).__name__}: {exc} ({Path(cause.filename).name}, line {cause.lineno})"
        vaults = ", ".join(vault.name for vault in lane.vaults)
        self._broken.append(f"vault {vaults}: unexpected error at {write.name}: {error}")
        self._waiting[write.number] = f"unexpected error: {error}"
        lane.reason = f"an unexpected error at {write.name} ended the writes of this vault"
        if self._may_take_effect(write):
            self._standing.begun(write, lane.number)
        lane.busy = False
        lane.end(None)

    def _next_step(self) -> tuple[_Step | None, datetime | None]:
        """Next step, or the time to look again; both are None if a worker is no longer needed."""
        while not self._failed:
            now = self._carrier.clock.now()
            free = [lane for lane in self.lanes.values() if not lane.busy and not lane.over]
            ready = [lane for lane in free if lane.ready_at <= now]
            if not ready:
                next_lane = min(free, key=lambda one: one.ready_at, default=None)
                if next_lane is not None and not any(lane.busy for lane in self.lanes.values()):
                    self._report_wait(next_lane, now)
                return None, next_lane.ready_at if next_lane is not None else None
            lane = min(ready, key=lambda one: (one.ready_at, one.number))  # the lane that has waited longest
            if step := self._advance(lane, now):
                lane.busy = True
                return step, None
        return None, None

    def _report_wait(self, lane: Lane, now: datetime) -> None:
        """Report, once, until when no lane makes a write, and why."""
        # Rounded up to the minute, so that the wait is over at the time shown.
        until = f"{lane.ready_at + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
        line = f"waiting until {until} {lane.awaits}; Ctrl-C stops, --resume continues"
        if lane.ready_at - now >= WORTH_REPORTING and line != self._reported:
            self._reported = line
            self._executor.remark(line)

    def _advance(self, lane: Lane, now: datetime) -> _Step | None:
        """Next step in a lane; without one, sets when to look at the lane again."""
        if closed := self._closed(lane, now):
            lane.ready_at, lane.reason = closed
            self._rest(lane, now)
            return None
        if step := self._unfinished(lane, now):
            return step
        if len(self._open_numbers(lane)) < MOST_OPEN:
            for timed in lane.upcoming():
                # The pilot's writes determine when the second wave may begin, so its times are worked out again.
                if timed.wave > 1 and self._pilot_moved:
                    self._lay_out()
                    return self._advance(lane, now)
                if self._may_be_made(lane, timed, now):
                    return _Step(lane, timed.write, "carry_out")
        # A made write may have made way for others, and closed gates open again: only a new calendar shows that.
        if not self._is_through(lane) and (lane.changed or lane.is_outdated(now, self._ended)):
            self._lay_out()
            return self._advance(lane, now)
        lane.rewind()
        self._rest(lane, now)
        return None

    def _is_through(self, lane: Lane) -> bool:
        """Whether every write of a lane has ended, so that it needs no calendar."""
        return all(number in self._ended for number in self._to_do.get(lane.number, ()))

    def _unfinished(self, lane: Lane, now: datetime) -> _Step | None:
        """Step for a write that was begun and has to be looked at first."""
        for write in self._unconfirmed:
            if self._lane(write) == lane.number and self._is_due(lane, write, now):
                return _Step(lane, write, "confirm")
        unsettled = self._carrier.journal.unsettled
        for write in self._standing.unsettled_of(lane.number):
            if write.number not in unsettled or not self._is_due(lane, write, now):
                continue
            if write.number in self._carrier.journal.open_writes:
                return _Step(lane, write, "resolve")
            if write.number in self._only_looked_at:
                return _Step(lane, write, "look_again")
        return None

    def _may_take_effect(self, write: Write) -> bool:
        """Whether a write that is not made may take effect without being sent again.

        In a rollback, an object may already look restored because the original write has not taken effect.
        """
        return write.number in self._carrier.journal.unsettled or write.number in self._carrier.unsettled

    def _concerns_this_run(self, write: Write) -> bool:
        """Whether a write is selected, or was begun by this journal and must therefore be looked at."""
        return write.number not in self._only_looked_at or write.number in self._carrier.journal.unsettled

    def _is_due(self, lane: Lane, write: Write, now: datetime) -> bool:
        return write.number not in self._ended and not lane.rests(write.number, now)

    def _may_be_made(self, lane: Lane, timed: TimedWrite, now: datetime) -> bool:
        write = timed.write
        if not self._is_due(lane, write, now) or write.number in self._open_numbers(lane):
            return False
        if self._lost_its_ground(lane, write):
            return False
        if reason := self._not_now(timed, now):
            self._waiting[write.number] = reason
        return not reason

    def _open_numbers(self, lane: Lane) -> set[int]:
        opened = self._carrier.journal.open_writes
        return {write.number for write in self._standing.unsettled_of(lane.number) if write.number in opened}

    def _lost_its_ground(self, lane: Lane, write: Write) -> bool:
        """Whether a write that this one needs was not made; if so, this one is skipped for good."""
        for number in write.needs:
            attempt = self._ended.get(number)
            if attempt is not None and attempt.end is not End.DONE:
                reason = f"needs write {number}, which was not made"
                self._ended[write.number] = self._carrier.skip(write, reason)
                self._waiting.pop(write.number, None)
                lane.changed = True
                return True
        return False

    def _not_now(self, timed: TimedWrite, now: datetime) -> str:
        """Reason why a write must wait; empty if it may be made now."""
        if not timed.opens <= now < timed.closes:
            why = self._gates.why_from(timed.write, timed.opens)
            return f"opens at {timed.opens:%Y-%m-%d %H:%M} UTC{f', {why}' if why else ''}"
        if timed.wave > 1 and now < self._second_wave:
            return f"follows the pilot at {self._second_wave:%Y-%m-%d %H:%M} UTC"
        return self._standing.blocker(timed.write, timed.lane) or self._carrier.room(timed.write)

    def _closed(self, lane: Lane, now: datetime) -> tuple[datetime, str] | None:
        """Until when the service asked to stay away from a lane, and its reason; None if the lane is open."""
        closures = [one for vault in lane.vaults if (one := self._carrier.ledger.closed(vault, now))]
        if not closures:
            return None
        last = max(closures, key=lambda one: one.closed_until)
        until = last.closed_until.replace(microsecond=0) + timedelta(seconds=1)
        return until, f"closed until {until:%Y-%m-%d %H:%M} UTC, as the service asked: {last.reason}"

    def _put_down(self, step: _Step, attempt: Attempt) -> None:
        """Record the result of an attempt."""
        lane, write, now = step.lane, step.write, self._carrier.clock.now()
        self._waiting.pop(write.number, None)
        if step.how != "confirm":  # a write to confirm has counted as made from the start
            if attempt.end is not End.DONE and self._may_take_effect(write):
                self._standing.begun(write, lane.number)
            else:
                self._standing.ended(write, lane.number, made=attempt.end is End.DONE)
        lane.ready_at = now
        if attempt.end is not End.LATER:
            self._ended[write.number] = attempt
            lane.succeeded(write.number)
            self._pilot_moved |= bool(self._executor.pilot)
        else:
            self._waiting[write.number] = attempt.reason
        if attempt.end is End.DONE:
            self._num_done += 1
            self._executor.progress("write", self._num_done, len(self._executor.writes), write.name)
        self._hold(step, attempt, now)

    def _hold(self, step: _Step, attempt: Attempt, now: datetime) -> None:
        """Let a write, its lane, or all lanes of its subscription rest."""
        lane = step.lane
        # Through the ledger, later runs stay away from the vault or subscription as well.
        if attempt.holds in {"lane", "subscription"} and attempt.wait_seconds:
            whole = ArmId("/".join(step.write.vault_id.split("/")[:3]))  # "/subscriptions/ID"
            place = whole if attempt.holds == "subscription" else step.write.vault_id
            self._carrier.ledger.close(place, now + timedelta(seconds=attempt.wait_seconds), attempt.reason)
        match attempt.holds:
            case "write" | "operation":
                lane.write_met_trouble(step.write.number, attempt, now)
            case "lane" | "subscription" | "rights":
                lane.met_trouble(attempt, now)
                lane.awaits = f"to try {step.write.name} again ({attempt.reason})"
                if not lane.over:
                    self._let_wait(lane, now)
            case _:
                pass

    def _patience(self, lane: Lane, now: datetime, *, trouble: bool) -> timedelta:
        """Maximum time that a lane may wait in this run from now on."""
        if self._until is not None:
            return max(self._until - now, timedelta())
        return min(SHORT_WAIT, LONGEST_WAIT - lane.waited) if trouble else timedelta()

    def _let_wait(self, lane: Lane, now: datetime) -> None:
        """Let a lane wait until it is ready, or end it if this run does not wait that long."""
        wait = max(lane.ready_at - now, timedelta())
        if wait > self._patience(lane, now, trouble=True):
            lane.end(lane.ready_at)
        else:
            lane.waited += wait

    def _rest(self, lane: Lane, now: datetime) -> None:
        """Let a lane wait for its next opening or retry, or end it if this run does not wait that long."""
        if lane.ready_at > now:
            lane.awaits = f"({lane.reason})"
            self._let_wait(lane, now)
            return
        opens, retry = lane.next_opening(now, self._ended), lane.next_retry(now, self._ended)
        reachable = [
            at
            for at, trouble in ((opens, False), (retry, True))
            if at is not None and at <= now + self._patience(lane, now, trouble=trouble)
        ]
        if reachable:
            lane.ready_at = min(reachable)
            lane.awaits = self._awaited(lane)
            lane.waited += lane.ready_at - now
        else:
            later = (opens, retry, lane.later_retry(now, self._ended))
            lane.end(min((at for at in later if at is not None), default=None))

    def _awaited(self, lane: Lane) -> str:
        """What a lane waits for until it is ready."""
        unsettled = self._carrier.journal.unsettled
        names = {write.number: write.name for write in self._writes}
        for number in lane.resting_until(lane.ready_at):
            return f"for the outcome of {names[number]}" if number in unsettled else f"to try {names[number]} again"
        return "for the next write"

    def _lane(self, write: Write) -> int:
        return self._lane_of[write.vault_id]

    def _lay_out(self) -> None:
        """Build the calendar of the remaining writes, for every lane."""
        self._pilot_moved = False
        rollout = self._executor.lay_out(self._ended)
        second = [timed.at for timed in rollout.writes if timed.wave > 1]
        self._second_wave = min(second, default=rollout.began)
        queues: dict[int, list[TimedWrite]] = {number: [] for number in self.lanes}
        for timed in rollout.writes:
            number = self._lane(timed.write)
            queues[number].append(replace(timed, lane=number))
        for number, lane in self.lanes.items():
            lane.lay_out(queues[number])
        self._rollout = rollout

    def outcome(self) -> RunOutcome:
        """Result of the run; also writes the end of the run to the journal."""
        self._lay_out()
        journal, ended = self._carrier.journal, self._ended
        state = state_of(journal.records)
        writes = [write for write in self._writes if write.number in state.done or self._concerns_this_run(write)]
        numbers = {write.number for write in writes}
        done = (set(state.done) | {n for n, attempt in ended.items() if attempt.end is End.DONE}) & numbers
        failed = sorted(n for n in state.failed if n in numbers and n in ended)
        skipped = sorted(n for n in state.skipped if n in numbers and n not in done)
        blocked = tuple(item for item in self._rollout.blocked if item.write.number not in ended)
        settled = done | set(failed) | set(skipped) | {item.write.number for item in blocked}
        pending = {
            write.number: self._lanes_reason(write) or self._waiting.get(write.number) or "not tried"
            for write in writes
            if write.number not in settled
        }
        outcome = RunOutcome(
            done=tuple(sorted(done)),
            failed=tuple(failed),
            skipped=tuple(skipped),
            pending=pending,
            blocked=blocked,
            reasons={n: ended[n].reason for n in (*failed, *skipped) if n in ended},
            resume_at=self._resume_at(pending) if pending else None,
            found=tuple(sorted(state.found & numbers)),
            broken=tuple(self._broken),
        )
        journal.append(
            EndRecord(
                at=self._carrier.clock.now(),
                done=len(outcome.done),
                failed=len(failed),
                skipped=len(skipped),
                pending=len(pending) + len(blocked),
            )
        )
        return outcome

    def _lanes_reason(self, write: Write) -> str:
        """Reason why a whole lane waits.  The reason of a single write comes first, unless the lane is closed."""
        lane = self.lanes[self._lane(write)]
        closed = self._closed(lane, self._carrier.clock.now())
        return closed[1] if closed else "" if write.number in self._waiting else lane.reason

    def _resume_at(self, pending: Mapping[int, str]) -> datetime | None:
        """Time at which the first of the pending writes may be made."""
        now, times = self._carrier.clock.now(), []
        for lane in self.lanes.values():
            numbers = {write.number for write in self._writes if self._lane(write) == lane.number}
            if not numbers & pending.keys():
                continue
            closed = self._closed(lane, now)
            opens = lane.next_opening(now, self._ended)
            times += [max(closed[0], opens or closed[0])] if closed else [at for at in (lane.resume_at,) if at]
        return min(times, default=None)
