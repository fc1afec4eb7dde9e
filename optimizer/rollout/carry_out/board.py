"""State that the workers of a run share: busy lanes, results of writes, and the calendar of the remaining ones."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from optimizer.errors import ApplyError, EstateError
from optimizer.journal import state_of
from optimizer.rollout.calendar.lanes import lanes_of_vaults
from optimizer.rollout.calendar.timed_writes import Rollout, TimedWrite
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.agenda import Agenda
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.lane import Lane
from optimizer.rollout.carry_out.outcome import Attempt, End, RunOutcome
from optimizer.rollout.carry_out.possible_states import MOST_OPEN, PossibleStates
from optimizer.rollout.carry_out.reporter import Reporter
from optimizer.rollout.carry_out.results import Results
from optimizer.rollout.session.session import subscription_of
from optimizer.rollout.writes.needs import surely_made
from optimizer.rollout.writes.write import Write, vaults_of

SHORT_WAIT = timedelta(minutes=5)
"""How long a run without ``--wait`` may wait after one trouble."""

LONGEST_WAIT = timedelta(minutes=15)
"""How long each lane of a run without ``--wait`` may wait after trouble in all."""


class _Step(NamedTuple):
    """Next step of a worker."""

    lane: Lane
    write: Write
    attempt: Callable[[Write], Attempt]
    """Method of the carrier."""


class Board:
    """State that the workers share: busy lanes, results of writes, and the calendar of the remaining writes.

    Parameters
    ----------
    agenda
        Writes of the run.
    carrier
        Makes single writes.
    windows
        Windows of the writes.
    reporter
        Reports what happens.
    until
        Wait for writes that open before this time. None: wait only after trouble, 15 minutes in all.
    """

    def __init__(
        self, agenda: Agenda, carrier: Carrier, windows: WriteWindows, reporter: Reporter, until: datetime | None
    ) -> None:
        self._agenda, self._carrier, self._windows = agenda, carrier, windows
        self._reporter, self._until = reporter, until
        self._lock = threading.RLock()
        self._failed = self._is_interrupted = False
        self._results = Results()
        state, writes = state_of(carrier.journal.records), agenda.all_writes
        self._num_done = len(state.done)
        self._writes = {write.number: write for write in writes}
        self._only_looked_at = frozenset(write.number for write in agenda.begun)
        start = agenda.baseline.transition()
        self._lane_of = lanes_of_vaults(
            agenda.baseline.inventory, start.caps, start.clashes, [write.vault_id for write in writes]
        )
        done = surely_made(state, writes)
        self._states = PossibleStates(agenda.baseline.transition, [w for w in writes if w.number in done])
        # In place by inference only: writes that need them are made, but the journal has no line about them.
        self._unconfirmed = [self._writes[number] for number in self._writes if number in done - state.done.keys()]
        self._begin_unsettled(done)
        self._to_do = self._numbers_by_lane(state.done.keys())
        now = carrier.session.clock.now()
        self.lanes = {
            number: Lane(number, tuple(v for v, n in self._lane_of.items() if n == number), carrier.pace, now)
            for number in dict.fromkeys(self._lane_of.values())
        }
        self._lay_out()

    def _begin_unsettled(self, done: Collection[int]) -> None:
        """Take into account that writes of earlier runs may still take effect."""
        for number, write in self._writes.items():
            if self._may_take_effect(write) and number not in done:
                self._states.begun(write, self._lane(write))

    def _numbers_by_lane(self, done: Collection[int]) -> dict[int, list[int]]:
        """Numbers of the writes that this run has to settle, by lane."""
        numbers: dict[int, list[int]] = {}
        for number, write in self._writes.items():
            if number not in done and self._concerns_this_run(write):
                numbers.setdefault(self._lane(write), []).append(number)
        return numbers

    def work(self) -> None:
        """Make writes until there is nothing left to do in this run; each worker runs this method."""
        clock = self._carrier.session.clock
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
        if not self._is_interrupted:
            self._is_interrupted = self._failed = True
            # Only then: until now, a worker could still begin a request.
            self._carrier.journal.begin_no_more()
            self._reporter.stopping(list(self._carrier.under_way.copy().values()))
        return bool(self._carrier.under_way.copy())

    def _do(self, step: _Step) -> None:
        try:
            attempt = step.attempt(step.write)
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
        self._results.broken.append(f"vault {vaults}: unexpected error at {write.name}: {error}")
        self._results.waiting[write.number] = f"unexpected error: {error}"
        lane.reason = f"an unexpected error at {write.name} ended the writes of this vault"
        if self._may_take_effect(write):
            self._states.begun(write, lane.number)
        lane.busy = False
        lane.end(None)

    def _next_step(self) -> tuple[_Step | None, datetime | None]:
        """Next step, or the time to look again; both are None if a worker is no longer needed."""
        while not self._failed:
            now = self._now()
            free = [lane for lane in self.lanes.values() if not lane.busy and not lane.over]
            if not free:
                return None, None
            lane = min(free, key=lambda lane: (lane.ready_at, lane.number))  # the lane that has waited longest
            if lane.ready_at > now:
                if not any(lane.busy for lane in self.lanes.values()):
                    self._reporter.waiting(now, lane.ready_at, lane.awaits)
                return None, lane.ready_at
            if step := self._advance(lane, now):
                lane.busy = True
                return step, None
        return None, None

    def _now(self) -> datetime:
        return self._carrier.session.clock.now()

    def _advance(self, lane: Lane, now: datetime) -> _Step | None:
        """Next step in a lane, or None after setting when to look at the lane again."""
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
                    return self._advance_anew(lane, now)
                if self._may_be_made(lane, timed, now):
                    return _Step(lane, timed.write, self._carrier.carry_out)
        if self._is_calendar_outdated(lane, now):
            return self._advance_anew(lane, now)
        lane.rewind()
        self._rest(lane, now)
        return None

    def _advance_anew(self, lane: Lane, now: datetime) -> _Step | None:
        """Next step in a lane, after a new calendar is built."""
        self._lay_out()
        return self._advance(lane, now)

    def _is_calendar_outdated(self, lane: Lane, now: datetime) -> bool:
        """Whether only a new calendar shows what can be made in a lane.

        A made write may have made way for others, and closed windows open again.
        """
        if all(number in self._results.ended for number in self._to_do.get(lane.number, ())):
            return False
        return lane.changed or lane.is_outdated(now, self._results.ended)

    def _unfinished(self, lane: Lane, now: datetime) -> _Step | None:
        """Step for a write that was begun and has to be looked at first."""
        for write in self._unconfirmed:
            if self._lane(write) == lane.number and self._is_due(lane, write, now):
                return _Step(lane, write, self._carrier.confirm)
        for write, look in self._looks(lane):
            if self._is_due(lane, write, now):
                return _Step(lane, write, look)
        return None

    def _looks(self, lane: Lane) -> Iterator[tuple[Write, Callable[[Write], Attempt]]]:
        """Unsettled writes of a lane that can be looked at, each with the carrier's method for that."""
        journal = self._carrier.journal
        unsettled, opened = journal.unsettled, journal.open_writes
        for write in self._states.unsettled_of(lane.number):
            if write.number in unsettled and write.number in opened:
                yield write, self._carrier.resolve
            elif write.number in unsettled and write.number in self._only_looked_at:
                yield write, self._carrier.look_again

    def _may_take_effect(self, write: Write) -> bool:
        """Whether a write that is not made may take effect without being sent again.

        In a rollback, an object may already look restored because the original write has not taken effect.
        """
        return write.number in self._carrier.journal.unsettled or write.number in self._carrier.unsettled

    def _concerns_this_run(self, write: Write) -> bool:
        """Whether a write is selected, or was begun by this journal and must therefore be looked at."""
        return write.number not in self._only_looked_at or write.number in self._carrier.journal.unsettled

    def _is_due(self, lane: Lane, write: Write, now: datetime) -> bool:
        return write.number not in self._results.ended and not lane.rests(write.number, now)

    def _may_be_made(self, lane: Lane, timed: TimedWrite, now: datetime) -> bool:
        write = timed.write
        if not self._is_due(lane, write, now) or write.number in self._open_numbers(lane):
            return False
        lost = self._results.lost_among(write.needs)
        if lost is not None:  # skipped for good
            self._results.add(write.number, self._carrier.skip(write, f"needs write {lost}, which was not made"))
            lane.changed = True
            return False
        if reason := self._not_now(timed, now):
            self._results.waiting[write.number] = reason
        return not reason

    def _open_numbers(self, lane: Lane) -> set[int]:
        opened = self._carrier.journal.open_writes
        return {write.number for write in self._states.unsettled_of(lane.number) if write.number in opened}

    def _not_now(self, timed: TimedWrite, now: datetime) -> str:
        """Reason why a write must wait; empty if it may be made now."""
        if not timed.opens <= now < timed.closes:
            why = self._windows.why_from(timed.write, timed.opens)
            return f"opens at {timed.opens:%Y-%m-%d %H:%M} UTC{f', {why}' if why else ''}"
        if timed.wave > 1 and now < self._second_wave:
            return f"follows the pilot at {self._second_wave:%Y-%m-%d %H:%M} UTC"
        return self._states.blocker(timed.write, timed.lane) or self._carrier.room(timed.write)

    def _closed(self, lane: Lane, now: datetime) -> tuple[datetime, str] | None:
        """Until when the service asked to stay away from a lane, and its reason; None if the lane is open."""
        ledger = self._carrier.session.ledger
        closures = [closure for vault in lane.vaults if (closure := ledger.closed(vault, now))]
        if not closures:
            return None
        last = max(closures, key=lambda closure: closure.closed_until)
        until = last.closed_until.replace(microsecond=0) + timedelta(seconds=1)
        return until, f"closed until {until:%Y-%m-%d %H:%M} UTC, as the service asked: {last.reason}"

    def _put_down(self, step: _Step, attempt: Attempt) -> None:
        """Record the result of an attempt."""
        lane, write, now = step.lane, step.write, self._now()
        if step.attempt != self._carrier.confirm:  # a write to confirm has counted as made from the start
            self._update_states(write, lane, attempt)
        lane.ready_at = now
        self._results.add(write.number, attempt)
        if attempt.end is not End.LATER:
            lane.succeeded(write.number)
            self._pilot_moved |= bool(self._agenda.limits.pilot)
        if attempt.end is End.DONE:
            self._num_done += 1
            self._reporter.written(self._num_done, len(self._agenda.writes), write.name)
        self._hold(step, attempt, now)

    def _update_states(self, write: Write, lane: Lane, attempt: Attempt) -> None:
        """Update the states in which the estate may be now."""
        if attempt.end is not End.DONE and self._may_take_effect(write):
            self._states.begun(write, lane.number)
        else:
            self._states.ended(write, lane.number, made=attempt.end is End.DONE)

    def _hold(self, step: _Step, attempt: Attempt, now: datetime) -> None:
        """Let a write, its lane, or all lanes of its subscription rest."""
        lane = step.lane
        # Through the ledger, later runs stay away from the vault or subscription as well.
        if attempt.holds in {"lane", "subscription"} and attempt.wait_seconds:
            vault_id = step.write.vault_id
            closed_id = subscription_of(vault_id) if attempt.holds == "subscription" else vault_id
            self._carrier.session.stay_away(closed_id, attempt.wait_seconds, attempt.reason)
        if attempt.holds in {"write", "operation"}:
            lane.write_met_trouble(step.write.number, attempt, now)
        elif attempt.holds:
            lane.met_trouble(attempt, now)
            lane.awaits = f"to try {step.write.name} again ({attempt.reason})"
            if not lane.over:
                self._let_wait(lane, now)

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
        ended = self._results.ended
        opens, retry = lane.next_opening(now, ended), lane.next_retry(now, ended)
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
            lane.end(_earliest(opens, retry, lane.later_retry(now, ended)))

    def _awaited(self, lane: Lane) -> str:
        """Reason for which a lane waits until it is ready."""
        for number in lane.resting_until(lane.ready_at):
            name = self._writes[number].name
            is_unsettled = number in self._carrier.journal.unsettled
            return f"for the outcome of {name}" if is_unsettled else f"to try {name} again"
        return "for the next write"

    def _lane(self, write: Write) -> int:
        return self._lane_of[write.vault_id]

    def _lay_out(self) -> None:
        """Build the calendar of the remaining writes, for every lane."""
        self._pilot_moved = False
        self._rollout = self._laid_out()
        second = [timed.at for timed in self._rollout.writes if timed.wave > 1]
        self._second_wave = min(second, default=self._rollout.began)
        queues: dict[int, list[TimedWrite]] = {number: [] for number in self.lanes}
        for timed in self._rollout.writes:
            number = self._lane(timed.write)
            queues[number].append(replace(timed, lane=number))
        for number, lane in self.lanes.items():
            lane.lay_out(queues[number])

    def _laid_out(self) -> Rollout:
        session = self._carrier.session
        now = session.now()
        recorded = state_of(self._carrier.journal.records).done
        made = dict.fromkeys(self._results.made, now) | {number: record.at for number, record in recorded.items()}
        counts = session.ledger.counted(vaults_of(self._agenda.writes), now)
        return self._agenda.lay_out(now, made, self._results.lost, counts)

    def outcome(self) -> RunOutcome:
        """Result of the run; also writes the end of the run to the journal."""
        self._lay_out()
        journal = self._carrier.journal
        state = state_of(journal.records)
        writes = [write for n, write in self._writes.items() if n in state.done or self._concerns_this_run(write)]
        outcome = self._results.outcome(state, writes, self._rollout.blocked, self._why_pending)
        outcome = replace(outcome, resume_at=self._resume_at(outcome.pending.keys()))
        journal.append(outcome.end_record(self._now()))
        return outcome

    def _why_pending(self, write: Write) -> str:
        """Why a write was not made: its own reason comes before that of its lane, unless the lane is closed."""
        lane = self.lanes[self._lane(write)]
        if closed := self._closed(lane, self._now()):
            return closed[1]
        return self._results.waiting.get(write.number) or lane.reason or "not tried"

    def _resume_at(self, pending: Collection[int]) -> datetime | None:
        """Time at which the first of the pending writes may be made; None if no write is pending."""
        lanes = dict.fromkeys(self._lane(write) for number, write in self._writes.items() if number in pending)
        return _earliest(*(self._lane_resumes_at(self.lanes[number]) for number in lanes))

    def _lane_resumes_at(self, lane: Lane) -> datetime | None:
        """Time at which the next write of a lane may be made; None if that is not known."""
        now = self._now()
        closed = self._closed(lane, now)
        if closed is None:
            return lane.resume_at
        return max(closed[0], lane.next_opening(now, self._results.ended) or closed[0])


def _earliest(*times: datetime | None) -> datetime | None:
    """Earliest of the known times; None if no time is known."""
    return min((time for time in times if time is not None), default=None)
