"""Execution of a roll-out: the calendar decides which write may be made when, and the journal records what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from optimizer.journal import state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.ports import Progress, no_progress, silent
from optimizer.rollout.calendar.budget import BATCH_SECONDS, MOST_ITEMS_AT_ONCE, MOST_ITEMS_PER_DAY
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS, Rollout
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.board import Board
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.outcome import Attempt, End, RunOutcome
from optimizer.rollout.carry_out.running_jobs import running_job
from optimizer.rollout.carry_out.surroundings import Surroundings
from optimizer.rollout.session.clock_check import clock_fault
from optimizer.rollout.session.ledger import BUDGET_PERIOD
from optimizer.rollout.writes.states import policy_state
from optimizer.rollout.writes.transition import Transition
from optimizer.rollout.writes.write import Write, vaults_of


@dataclass
class Executor:
    """Executor of a plan or rollback: makes the writes of a lane in order, and several lanes side by side.

    Parameters
    ----------
    carrier
        Carrier that makes single writes.
    inventory, rules
        State and rules that the writes were made for.
    writes
        All writes, in order.
    begun
        Writes outside the selection that may still take effect.  This run looks at them, but never sends them.
    pilot
        Ids of the VMs that go first.  The other VMs follow after the pilot's first backups.
    tolerated
        State whose own breaches of limits and rules are tolerated: for a rollback, the state that it leads back to.
    workers
        Number of lanes that are written side by side.
    progress
        Called after each write.
    tell
        Prints what a run waits for after Ctrl-C.
    remark
        Prints until when a run waits, and why.
    """

    carrier: Carrier
    inventory: Inventory
    rules: Rules
    writes: Sequence[Write]
    begun: Sequence[Write] = ()
    pilot: frozenset[ArmId] = frozenset()
    tolerated: Inventory | None = None
    workers: int = DEFAULT_WORKERS
    progress: Progress = no_progress
    tell: Callable[[str], None] = silent
    remark: Callable[[str], None] = silent

    def run(self, *, until: datetime | None = None) -> RunOutcome:
        """Make every write that can be made now, and those whose gates open before a given time.

        Parameters
        ----------
        until
            Wait for writes that open before this time.  None: wait only after trouble, 15 minutes in all.
        """
        gates = WriteWindows(self.inventory, self.rules)
        start = self.transition()
        carrier = replace(
            self.carrier,
            gate=partial(self._gate, gates),
            busy=partial(running_job, self.carrier.service, self.inventory),
            room=self._over_budget,
            surroundings=Surroundings(self._targets(), start.most_vms, start.most_policies),
        )
        board = Board(self, carrier, gates, until)
        num_workers = max(1, min(self.workers, len(board.lanes)))
        carrier.clock.side_by_side([board.work] * num_workers, board.interrupted)
        return board.outcome()

    def lay_out(self, ended: Mapping[int, Attempt]) -> Rollout:
        """Build the calendar of the remaining writes.

        Parameters
        ----------
        ended
            Results of the writes that have ended in this run.
        """
        now = self.carrier.clock.now().replace(microsecond=0)  # calendars count whole seconds
        ledger, made = self.carrier.ledger, state_of(self.carrier.journal.records).done
        in_place = {number for number, attempt in ended.items() if attempt.end is End.DONE}
        # Writes that failed or were skipped in this run are left out, so writes that need them become blocked.
        lost = ended.keys() - in_place
        # Writes outside the selection that turned out to be made are part of the state.
        found = [write for write in self.begun if write.number in made]
        return build_rollout(
            [write for write in (*self.writes, *found) if write.number not in lost],
            self.inventory,
            self.rules,
            now=now,
            made=dict.fromkeys(in_place, now) | {n: record.at for n, record in made.items()},
            **ledger.counted(vaults_of(self.writes), now),
            pilot=self.pilot,
            tolerated=self.tolerated,
            workers=self.workers,
        )

    def transition(self) -> Transition:
        """State of the estate before the first write."""
        return Transition(self.inventory, self.rules, tolerated=self.tolerated)

    def _targets(self) -> dict[ArmId, bytes]:
        """State that each policy must be in when an item is assigned to it: as it is, or as a write leaves it."""
        states = {key: policy_state(policy.properties) for key, policy in self.inventory.policies.items()}
        written = [write for write in self.writes if write.counts_as_policy_write]
        return states | {write.object_id: policy_state(write.body) for write in written}

    def _gate(self, gates: WriteWindows, write: Write, points: Mapping[ArmId, datetime]) -> str:
        """Reason why the time is not right, given the last recovery points that the service states; reads nothing."""
        if fault := clock_fault(self.carrier.service, self.carrier.clock):
            return fault
        now = self.carrier.clock.now()
        if closure := self.carrier.ledger.closed(write.vault_id, now):  # another lane or run may have closed it since
            return f"closed until {closure.closed_until:%Y-%m-%d %H:%M} UTC, as the service asked: {closure.reason}"
        return gates.closed(write, now, points)

    def _over_budget(self, write: Write) -> str:
        """Limit on writes that leaves no room now; empty if there is room."""
        ledger, limits, now = self.carrier.ledger, self.rules.policies, self.carrier.clock.now()
        if write.counts_as_policy_write:
            place = _budget_place(write.vault_id, limits.scope)
            recent = ledger.since(now - BUDGET_PERIOD)
            used = sum(_budget_place(other.vault_id, limits.scope) == place for other in recent)
            return "the budget of policy writes for 24 hours is used up" if used >= limits.max_writes_per_day else ""
        day = [other.at for other in ledger.since(now - BUDGET_PERIOD, "item") if other.vault_id == write.vault_id]
        if len(day) >= MOST_ITEMS_PER_DAY:
            return f"{MOST_ITEMS_PER_DAY:,} VMs of the vault were assigned in 24 hours, which is Azure's limit"
        if sum(at > now - timedelta(seconds=BATCH_SECONDS) for at in day) >= MOST_ITEMS_AT_ONCE:
            return f"{MOST_ITEMS_AT_ONCE} VMs of the vault were assigned within an hour; more at once delay backups"
        return ""


def _budget_place(vault_id: ArmId, scope: str) -> Caseless:
    return vault_id if scope == "vault" else vault_id.subscription or vault_id
