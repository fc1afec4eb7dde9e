"""Carrying out a roll-out: the calendar decides what may be made when, the journal what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from optimizer.errors import CloudError
from optimizer.estate.raw_jobs import parse_time
from optimizer.model.inventory import Inventory
from optimizer.model.raw import properties_of
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES
from optimizer.ports import Progress, Resource, no_progress
from optimizer.rollout.budget import BATCH_SECONDS, MOST_ITEMS_AT_ONCE, MOST_ITEMS_PER_DAY
from optimizer.rollout.calendar import build_rollout
from optimizer.rollout.carry_out import Attempt, Carrier, End
from optimizer.rollout.clock_check import clock_fault
from optimizer.rollout.gates import Gates
from optimizer.rollout.journal import EndRecord
from optimizer.rollout.ledger import BUDGET_PERIOD
from optimizer.rollout.progress import JournalState, state_of, with_what_they_need
from optimizer.rollout.running_jobs import running_job
from optimizer.rollout.stages import Blocked, Rollout, TimedWrite, Write
from optimizer.rollout.transition import Transition
from optimizer.rollout.writes import policy_state


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    done, failed, skipped
        Numbers of the writes of the whole journal that are made, were refused, or no longer fit.
    pending
        Numbers of the writes that can still be made, with why not now.
    blocked
        Writes for which there is no time at all.
    reasons
        Why each failed or skipped write was not made, by number.
    resume_at
        When the next of the pending writes may be made; None where none is pending.
    """

    done: tuple[int, ...]
    failed: tuple[int, ...]
    skipped: tuple[int, ...]
    pending: Mapping[int, str]
    blocked: tuple[Blocked, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)
    resume_at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether every write of the plan is made."""
        return not (self.failed or self.skipped or self.pending or self.blocked)


@dataclass
class _Left:
    """What this run still has before it."""

    waiting: dict[int, str] = field(default_factory=dict)
    ended: dict[int, Attempt] = field(default_factory=dict)
    stopped: dict[int, str] = field(default_factory=dict)
    """Lanes in which the service does not answer, and why."""
    denied: dict[int, str] = field(default_factory=dict)
    """Lanes in which a right is missing."""
    idle_rounds: int = 0
    num_done: int = 0


@dataclass
class Executor:
    """Carries out the writes of a plan or of a rollback, one after the other.

    Parameters
    ----------
    carrier
        Makes single writes.
    inventory, rules
        What the writes were made for.
    writes
        All of them, in order.
    pilot
        VM ids that go first; the others follow when the pilot's first backups are over.
    tolerated
        A state whose own breaches of limits and rules are tolerated: the one that a rollback leads back to.
    snapshot_minutes
        Length of the snapshot.
    progress
        Told after each write.
    """

    carrier: Carrier
    inventory: Inventory
    rules: Rules
    writes: Sequence[Write]
    pilot: frozenset[str] = frozenset()
    tolerated: Inventory | None = None
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES
    progress: Progress = no_progress

    def run(self, *, until: datetime | None = None) -> Outcome:
        """Make every write that can be made now, and those that open until a given time.

        Parameters
        ----------
        until
            Wait for writes that open before; None: do not wait.
        """
        left = _Left()
        gates = Gates(self.inventory, self.rules, self.snapshot_minutes)
        self.carrier = replace(self.carrier, gate=partial(self._gate, gates), targets=self._targets())
        state = state_of(self.carrier.journal.records)
        left.num_done = len(state.done)
        transition = self._transition(state)
        self._confirm(state, left)
        while True:
            rollout = self._lay_out(state_of(self.carrier.journal.records), left)
            if self._make_what_is_open(rollout, transition, left):
                left.idle_rounds = 0
                continue
            opens = self._next_opening(rollout, left)
            if opens is None or until is None or opens > until:
                return self._end(rollout, left, opens)
            left.idle_rounds += bool(left.stopped)
            left.stopped.clear()
            pause = (opens - self.carrier.clock.now()).total_seconds()
            self.carrier.clock.sleep(max(pause, 1.0))

    def _targets(self) -> dict[str, bytes]:
        """State of each policy when items are assigned to it: as it is, or as a write leaves it."""
        states = {key: policy_state(policy.properties) for key, policy in self.inventory.policies.items()}
        written = [write for write in self.writes if write.counts_as_policy_write]
        return states | {write.object_id.lower(): policy_state(write.body) for write in written}

    def _gate(self, gates: Gates, write: Write, current: Resource | None) -> str:
        """Why the time is not right, seeing the last recovery point that the service states."""
        points = {}
        if write.kind == "reassign_item" and current is not None:
            point = parse_time(properties_of(current).get("lastRecoveryPoint"))
            points = {vm.lower(): point for vm in write.vms if point is not None}
        shut = gates.closed(write, self.carrier.clock.now(), points)
        if fault := clock_fault(self.carrier.service, self.carrier.clock):
            return fault
        try:
            return shut or running_job(self.carrier.service, self.inventory, write)
        except CloudError as exc:
            return str(exc)

    def _lay_out(self, state: JournalState, left: _Left) -> Rollout:
        now = self.carrier.clock.now().replace(microsecond=0)  # calendars count whole seconds
        in_place = {number for number, attempt in left.ended.items() if attempt.end is End.DONE}
        lost = left.ended.keys() - in_place
        recent = [(write.at, write.vault_id) for write in self.carrier.ledger.since(now - BUDGET_PERIOD)]
        return build_rollout(
            [write for write in self.writes if write.number not in lost],
            self.inventory,
            self.rules,
            now=now,
            made=dict.fromkeys(in_place, now) | {n: record.at for n, record in state.done.items()},
            policy_writes=recent,
            pilot=self.pilot,
            snapshot_minutes=self.snapshot_minutes,
            tolerated=self.tolerated,
        )

    def _transition(self, state: JournalState) -> Transition:
        """The state of the estate after what the journal says is done."""
        transition = Transition(self.inventory, self.rules, self.snapshot_minutes, tolerated=self.tolerated)
        done = with_what_they_need(state.done, self.writes)
        for write in self.writes:
            if write.number in done:
                transition.make(write)
        return transition

    def _confirm(self, state: JournalState, left: _Left) -> None:
        """Record the writes that must be in place, although the journal does not say how they ended."""
        implied = with_what_they_need(state.done, self.writes) - state.done.keys()
        for write in self.writes:
            if write.number in implied:
                attempt = self.carrier.confirm(write)
                if attempt.end is End.LATER:
                    left.waiting[write.number] = attempt.reason
                else:
                    left.ended[write.number] = attempt

    def _make_what_is_open(self, rollout: Rollout, transition: Transition, left: _Left) -> int:
        """Go through the calendar once; how many writes were made."""
        made = 0
        second_wave = min((timed.at for timed in rollout.writes if timed.wave > 1), default=None)
        for timed in rollout.writes:
            write = timed.write
            if write.number in left.ended or timed.lane in left.stopped or timed.lane in left.denied:
                continue
            if self._is_open(write):  # begun and not seen through, by an earlier run or this one: look first
                made += self._put_down(timed, self.carrier.resolve(write), transition, left)
                continue
            if self._lost_its_ground(write, left):
                continue
            waits_for = second_wave if timed.wave > 1 else None
            if reason := self._not_now(timed, transition, waits_for):
                left.waiting[write.number] = reason
                continue
            made += self._put_down(timed, self.carrier.carry_out(write), transition, left)
        return made

    def _is_open(self, write: Write) -> bool:
        return write.number in self.carrier.journal.open_numbers

    def _put_down(self, timed: TimedWrite, attempt: Attempt, transition: Transition, left: _Left) -> bool:
        """Remember what became of an attempt; whether anything is different now."""
        write = timed.write
        left.waiting.pop(write.number, None)
        if attempt.end is End.LATER:
            left.waiting[write.number] = attempt.reason
        else:
            left.ended[write.number] = attempt
        if attempt.end is End.DONE:
            transition.make(write)
            left.num_done += 1
            self.progress("write", left.num_done, len(self.writes), write.name)
        if attempt.fatal:
            (left.denied if attempt.end is End.FAILED else left.stopped)[timed.lane] = attempt.reason
        return attempt.end is End.DONE

    def _lost_its_ground(self, write: Write, left: _Left) -> bool:
        """Whether a write that this one needs was not made; it is skipped then, for good."""
        for number in write.needs:
            attempt = left.ended.get(number)
            if attempt is not None and attempt.end is not End.DONE:
                left.ended[write.number] = self.carrier.skip(write, f"needs write {number}, which was not made")
                left.waiting.pop(write.number, None)
                return True
        return False

    def _not_now(self, timed: TimedWrite, transition: Transition, waits_for: datetime | None) -> str:
        """Why a write must wait; empty where it may be made now."""
        write, now = timed.write, self.carrier.clock.now()
        if not timed.opens <= now < timed.closes:
            return f"opens at {timed.opens:%Y-%m-%d %H:%M} UTC"
        if waits_for is not None and now < waits_for:
            return f"follows the pilot at {waits_for:%Y-%m-%d %H:%M} UTC"
        if blockers := transition.blockers(write):
            return blockers[0]
        return self._over_budget(write, now)

    def _over_budget(self, write: Write, now: datetime) -> str:
        """Which of Azure's limits on writes leaves no room now; empty where none."""
        ledger, limits = self.carrier.ledger, self.rules.policies
        if write.counts_as_policy_write:
            place = _budget_place(write.vault_id, limits.scope)
            recent = ledger.since(now - BUDGET_PERIOD)
            used = sum(_budget_place(other.vault_id, limits.scope) == place for other in recent)
            return "the budget of policy writes for 24 hours is used up" if used >= limits.max_writes_per_day else ""
        vault = write.vault_id.lower()
        day = [other.at for other in ledger.since(now - BUDGET_PERIOD, "item") if other.vault_id == vault]
        if len(day) >= MOST_ITEMS_PER_DAY:
            return f"{MOST_ITEMS_PER_DAY:,} VMs of the vault were assigned in 24 hours, which is Azure's limit"
        if sum(at > now - timedelta(seconds=BATCH_SECONDS) for at in day) >= MOST_ITEMS_AT_ONCE:
            return f"{MOST_ITEMS_AT_ONCE} VMs of the vault were assigned within an hour; more at once delay backups"
        return ""

    def _next_opening(self, rollout: Rollout, left: _Left) -> datetime | None:
        """When the next write may be made; a lane that does not answer is tried again some times."""
        soon = self.carrier.clock.now() + timedelta(seconds=self.carrier.pace.busy_seconds)
        openings = []
        for timed in rollout.writes:
            if timed.write.number in left.ended or timed.lane in left.denied:
                continue
            if timed.lane in left.stopped:
                openings += [soon] if left.idle_rounds < _IDLE_ROUNDS else []
            else:
                opens = max(timed.at, timed.opens)
                openings.append(opens if opens > self.carrier.clock.now() else soon)
        return min(openings, default=None)

    def _end(self, rollout: Rollout, left: _Left, resume_at: datetime | None) -> Outcome:
        journal = self.carrier.journal
        state = state_of(journal.records)
        numbers = {write.number for write in self.writes}
        fulfilled = set(state.done) | {n for n, attempt in left.ended.items() if attempt.end is End.DONE}
        failed = sorted(n for n in state.failed if n in numbers and n in left.ended)
        skipped = sorted(n for n in state.skipped if n in numbers and n not in fulfilled)
        blocked = tuple(item for item in rollout.blocked if item.write.number not in left.ended)
        stops = {**left.stopped, **left.denied}
        stopped = {timed.write.number: stops.get(timed.lane, "") for timed in rollout.writes}
        pending = {
            n: left.waiting.get(n) or stopped.get(n) or "not tried"
            for n in sorted(numbers - fulfilled - set(failed) - set(skipped) - {b.write.number for b in blocked})
        }
        outcome = Outcome(
            done=tuple(sorted(fulfilled & numbers)),
            failed=tuple(failed),
            skipped=tuple(skipped),
            pending=pending,
            blocked=blocked,
            reasons={n: left.ended[n].reason for n in (*failed, *skipped) if n in left.ended},
            resume_at=resume_at if pending else None,
        )
        journal.append(
            EndRecord(
                at=self.carrier.clock.now(),
                done=len(outcome.done),
                failed=len(failed),
                skipped=len(skipped),
                pending=len(pending) + len(blocked),
            )
        )
        return outcome


_IDLE_ROUNDS = 5
"""Times that a lane whose service does not answer is tried again without a single write in between."""


def _budget_place(vault_id: str, scope: str) -> str:
    key = vault_id.lower()
    return key if scope == "vault" else key.partition("/resourcegroups/")[0]


def vaults_of(writes: Iterable[Write]) -> list[str]:
    """Vaults that writes touch, each once."""
    return list(dict.fromkeys(write.vault_id for write in writes))
