"""Conditions for sending a write now: the time, running jobs, Azure's limits, and objects that it relies on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.budget import BATCH_SECONDS, MOST_ITEMS_AT_ONCE, MOST_ITEMS_PER_DAY, shared_place
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.running_jobs import running_job
from optimizer.rollout.carry_out.surroundings import Surroundings
from optimizer.rollout.session.clock_check import clock_fault
from optimizer.rollout.session.ledger import BUDGET_PERIOD
from optimizer.rollout.session.session import WriteSession
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.states import policy_state
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class Conditions:
    """Conditions of a run; see :class:`~optimizer.rollout.carry_out.carrier.Carrier`, which asks them.

    Parameters
    ----------
    session
        The service, the clock, and the ledger.
    baseline
        State and rules that the writes were made for.
    windows
        Windows of the writes.
    """

    session: WriteSession
    baseline: Baseline
    windows: WriteWindows

    def window(self, write: Write, points: Mapping[ArmId, datetime]) -> str:
        """Reason why the time is not right; empty if it is. Reads nothing.

        Parameters
        ----------
        write
            Write that is about to be sent.
        points
            Last recovery points that the service states, by VM id.
        """
        if fault := clock_fault(self.session.service, self.session.clock):
            return fault
        if closure := self.session.closure(write.vault_id):  # another lane or run may have closed it since
            return f"closed until {closure.closed_until:%Y-%m-%d %H:%M} UTC, as the service asked: {closure.reason}"
        return self.windows.closed(write, self.session.clock.now(), points)

    def busy(self, write: Write) -> str:
        """Job of the write's VMs that the write must wait for; empty without such a job."""
        return running_job(self.session.service, self.baseline.inventory, write)

    def room(self, write: Write) -> str:
        """Limit on writes that leaves no room now; empty if there is room."""
        if write.counts_as_policy_write:
            return self._room_for_policies(write.vault_id)
        return self._room_for_items(write.vault_id)

    def surroundings(self, writes: Sequence[Write]) -> Surroundings:
        """Objects that the writes of the run rely on besides their own."""
        start = self.baseline.transition()
        policies = self.baseline.inventory.policies
        # A policy must be as it is when an item is assigned to it, or as a write of the run leaves it.
        targets = {key: policy_state(policy.properties) for key, policy in policies.items()}
        targets |= {write.object_id: policy_state(write.body) for write in writes if write.counts_as_policy_write}
        return Surroundings(targets, start.most_vms, start.most_policies)

    def _room_for_policies(self, vault_id: ArmId) -> str:
        limits = self.baseline.rules.policies
        shared = shared_place(vault_id, limits.scope)
        recent = self.session.ledger.since(self.session.clock.now() - BUDGET_PERIOD)
        used = sum(shared_place(other.vault_id, limits.scope) == shared for other in recent)
        return "the budget of policy writes for 24 hours is used up" if used >= limits.max_writes_per_day else ""

    def _room_for_items(self, vault_id: ArmId) -> str:
        now = self.session.clock.now()
        recent = self.session.ledger.since(now - BUDGET_PERIOD, "item")
        day = [other.at for other in recent if other.vault_id == vault_id]
        if len(day) >= MOST_ITEMS_PER_DAY:
            return f"{MOST_ITEMS_PER_DAY:,} VMs of the vault were assigned in 24 hours, which is Azure's limit"
        if sum(at > now - timedelta(seconds=BATCH_SECONDS) for at in day) >= MOST_ITEMS_AT_ONCE:
            return f"{MOST_ITEMS_AT_ONCE} VMs of the vault were assigned within an hour; more at once delay backups"
        return ""
