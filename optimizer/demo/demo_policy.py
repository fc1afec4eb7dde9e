"""Backup policies of the demo, as ARM resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optimizer.model.timegrid import WEEKDAYS, format_start
from optimizer.ports import Resource


@dataclass(frozen=True)
class PolicyShape:
    """Settings that people choose when they create a policy.

    Parameters
    ----------
    frequency
        ``Daily``, ``Weekly`` or ``Hourly``.
    option
        Start option in ``timezone``.
    timezone
        Windows name of the time zone.
    retention
        Number of days (for a weekly policy: weeks) for which recovery points are kept.
    days
        Weekdays of a weekly policy, Monday is 0.
    enhanced
        Whether the policy has the Enhanced sub-type, as an hourly one must.
    """

    frequency: str
    option: int
    timezone: str
    retention: int
    days: tuple[int, ...] = ()
    enhanced: bool = False

    @cached_property
    def _time(self) -> str:
        return f"2024-01-01T{format_start(self.option)}:00Z"

    @cached_property
    def _weekdays(self) -> list[str]:
        return [WEEKDAYS[day] for day in self.days]

    @property
    def _unit(self) -> str:
        return "Weeks" if self.frequency == "Weekly" else "Days"

    @property
    def name(self) -> str:
        """Name that states frequency, time and retention, such as ``pol-daily-2300-30d``."""
        when = "".join(self._weekdays)[:3].lower() + format_start(self.option).replace(":", "")
        suffix = "-enh" if self.enhanced else ""
        return f"pol-{self.frequency.lower()}-{when}-{self.retention}{self._unit[0].lower()}{suffix}"

    def resource_in(self, vault_id: str) -> Resource:
        """ARM resource of such a policy, without VMs, in a vault."""
        return {
            "id": f"{vault_id}/backupPolicies/{self.name}",
            "name": self.name,
            "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
            "properties": {
                "backupManagementType": "AzureIaasVM",
                "policyType": "V2" if self.enhanced else "V1",
                "instantRPDetails": {},
                "instantRpRetentionRangeInDays": self._snapshot_days(),
                "schedulePolicy": {
                    "schedulePolicyType": "SimpleSchedulePolicyV2" if self.enhanced else "SimpleSchedulePolicy",
                    "scheduleRunFrequency": self.frequency,
                    **self._schedule(),
                },
                "retentionPolicy": {
                    "retentionPolicyType": "LongTermRetentionPolicy",
                    ("weeklySchedule" if self.days else "dailySchedule"): self._kept(),
                },
                "timeZone": self.timezone,
                "protectedItemsCount": 0,
            },
        }

    def _snapshot_days(self) -> int:
        """Days for which snapshots are kept: the defaults of the portal."""
        if self.enhanced:
            return 7
        return 5 if self.days else 2

    def _schedule(self) -> dict[str, Any]:
        """Schedule in the form of the sub-type: Enhanced nests it below its frequency."""
        if self.frequency == "Hourly":
            schedule: dict[str, Any] = {
                "interval": 4,
                "scheduleWindowDuration": 12,
                "scheduleWindowStartTime": self._time,
            }
        else:
            schedule = {"scheduleRunTimes": [self._time]} | self._of_weekdays("scheduleRunDays")
        return {f"{self.frequency.lower()}Schedule": schedule} if self.enhanced else schedule

    def _kept(self) -> dict[str, Any]:
        return {
            "retentionTimes": [self._time],
            "retentionDuration": {"count": self.retention, "durationType": self._unit},
        } | self._of_weekdays("daysOfTheWeek")

    def _of_weekdays(self, key: str) -> dict[str, Any]:
        return {key: self._weekdays} if self.days else {}


@dataclass
class DemoPolicy:
    """A policy of the demo, with the number of its VMs.

    Parameters
    ----------
    shape
        Schedule and retention.
    vault
        Position of the vault.
    weight
        Share of the vault's VMs of this frequency that get the policy.
    resource
        ARM resource; its id and name may have a suffix.
    vms
        Number of VMs that the policy has so far.
    """

    shape: PolicyShape
    vault: int
    weight: float
    resource: Resource
    vms: int = 0

    @property
    def id(self) -> str:
        """ARM id of the policy."""
        return str(self.resource["id"])

    def add_vms(self, number: int) -> None:
        """Count more VMs, or fewer if ``number`` is negative."""
        self.vms += number
        self.resource["properties"]["protectedItemsCount"] += number

    def rename(self, suffix: str) -> None:
        """Append a suffix to id and name."""
        self.resource["id"] += suffix
        self.resource["name"] += suffix

    def copy(self, suffix: str) -> DemoPolicy:
        """Copy without VMs under another name, which no VM is drawn for directly."""
        properties = {**self.resource["properties"], "protectedItemsCount": 0}
        copied = DemoPolicy(self.shape, self.vault, 0.0, {**self.resource, "properties": properties})
        copied.rename(suffix)
        return copied


def make_names_unique(policies: Sequence[DemoPolicy]) -> None:
    """Number policies of one vault that would have the same name."""
    seen: Counter[str] = Counter()
    for policy in policies:
        original = policy.id
        seen[original] += 1
        if seen[original] > 1:
            policy.rename(f"-{seen[original]}")
