"""A VM under watch: its intended state, and the commands that a finding suggests."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from optimizer.documents import ScheduleEntry
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import ProtectedItem, Vault
from optimizer.model.job_owners import container_of
from optimizer.model.timegrid import Recurrence, parse_start

ON_DEMAND_KEPT_DAYS = 30
"""Days for which an on-demand backup is kept in the commands that a finding offers."""


@dataclass(frozen=True)
class Watched:
    """A VM with its intended state.

    Parameters
    ----------
    entry
        Its entry in the schedule of the plan.
    item, vault
        Its protected item and vault.
    policy_id
        Planned policy.
    written_at
        When that change was written.
    recurrence
        Recurrence of the schedule, which does not change.
    rpo
        Longest allowed time between two recovery points.
    """

    entry: ScheduleEntry
    item: ProtectedItem
    vault: Vault
    policy_id: ArmId
    written_at: datetime
    recurrence: Recurrence
    rpo: timedelta

    @property
    def policy(self) -> str:
        """Name of the planned policy."""
        return self.entry.policy

    @property
    def option(self) -> int:
        """Planned start option."""
        return parse_start(self.entry.start)

    @property
    def option_today(self) -> int:
        """Start option before the plan."""
        return parse_start(self.entry.start_today)

    def command(self, *words: str) -> str:
        """Command line of the Azure CLI, quoted for a shell."""
        vault = ("--resource-group", self.vault.resource_group, "--vault-name", self.vault.name)
        where = ("--subscription", self.vault.subscription) if self.vault.subscription else ()
        return shlex.join(("az", "backup", *words, *vault, *where))

    def backup_now(self, now: datetime) -> str:
        """Command for an on-demand backup."""
        until = now.astimezone(UTC).date() + timedelta(days=ON_DEMAND_KEPT_DAYS)
        names = ("--container-name", container_of(self.item.id), "--item-name", self.item.id.name)
        kind = ("--backup-management-type", "AzureIaasVM", "--workload-type", "VM")
        return self.command("protection", "backup-now", *names, *kind, "--retain-until", f"{until:%d-%m-%Y}")

    def show_policy(self) -> str:
        """Command that shows the policy."""
        return self.command("policy", "show", "--name", self.policy)


def hours(span: timedelta) -> str:
    """A span in hours and minutes, such as ``36 h`` or ``2 h 35 min``."""
    total = round(span / timedelta(minutes=1))
    whole, minutes = divmod(total, 60)
    return f"{whole} h {minutes} min" if whole and minutes else f"{whole} h" if whole else f"{minutes} min"


def utc_text(moment: datetime) -> str:
    """A time in UTC, such as ``2026-02-18 09:00 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
