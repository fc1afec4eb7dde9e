"""Estates for an emulated cloud: several subscriptions, with load and jobs that are made up on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from optimizer.estate.document import EstateDocument
from optimizer.model.load import DayLoad
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
VAULT_TYPE = "Microsoft.RecoveryServices/vaults"
REGIONS = ("westeurope", "eastus", "centralindia", "uksouth")


def subscription_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def cloud_document(
    num_vms: int, *, subscriptions: int = 3, vaults: int = 4, as_of: datetime = AS_OF
) -> EstateDocument:
    """VMs spread evenly over the vaults of some subscriptions, five daily policies in each vault."""
    parts: dict[str, list[Resource]] = {"vaults": [], "policies": [], "protected_items": [], "vms": []}
    number_of_vaults = subscriptions * vaults
    for number in range(number_of_vaults):
        names = [f"vm-{vm:05d}" for vm in range(number, num_vms, number_of_vaults)]
        _add_vault(parts, subscription_id(number // vaults + 1), number, REGIONS[number % len(REGIONS)], names)
    return EstateDocument(created_at=as_of, as_of=as_of, source="azure", **parts)


def _add_vault(
    parts: dict[str, list[Resource]], subscription: str, number: int, location: str, names: Sequence[str]
) -> None:
    group = f"/subscriptions/{subscription}/resourceGroups"
    vault_id = f"{group}/rg-backup/providers/{VAULT_TYPE}/rsv-{number:03d}"
    properties = {
        "provisioningState": "Succeeded",
        "securitySettings": {"immutabilitySettings": {"state": "Disabled"}},
    }
    parts["vaults"].append(
        {
            "id": vault_id,
            "name": f"rsv-{number:03d}",
            "type": VAULT_TYPE,
            "location": location,
            "sku": {"name": "RS0", "tier": "Standard"},
            "properties": properties,
        }
    )
    policies = [_policy(vault_id, option, len(names[n::5])) for n, option in enumerate((44, 45, 46, 47, 0))]
    parts["policies"] += policies
    for n, name in enumerate(names):
        vm_id = f"{group}/RG-App-{number:03d}/providers/Microsoft.Compute/virtualMachines/{name}"
        parts["vms"].append(_vm(vm_id, location))
        parts["protected_items"].append(_item(vault_id, f"rg-app-{number:03d}", name, vm_id, policies[n % 5]))


def _policy(vault_id: str, option: int, count: int) -> Resource:
    time = f"2024-01-01T{format_start(option)}:00Z"
    return {
        "id": f"{vault_id}/backupPolicies/daily-{option:02d}",
        "name": f"daily-{option:02d}",
        "type": VAULT_TYPE + "/backupPolicies",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V1",
            "instantRPDetails": {},
            "instantRpRetentionRangeInDays": 2,
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": [time],
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [time],
                    "retentionDuration": {"count": 30, "durationType": "Days"},
                },
            },
            "timeZone": "UTC",
            "protectedItemsCount": count,
            "unheardOf": {"kept": True},
        },
    }


def _vm(vm_id: str, location: str) -> Resource:
    return {
        "id": vm_id,
        "name": vm_id.rpartition("/")[2],
        "type": "Microsoft.Compute/virtualMachines",
        "location": location,
        "tags": {"app": "shop"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"osDisk": {"osType": "Linux"}},
            "provisioningState": "Succeeded",
        },
    }


def _item(vault_id: str, group: str, name: str, vm_id: str, policy: Resource) -> Resource:
    full = f"iaasvmcontainerv2;{group};{name}"
    container = f"{vault_id}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{full}"
    return {
        "id": f"{container}/protectedItems/VM;{full}",
        "name": f"VM;{full}",
        "type": VAULT_TYPE + "/backupFabrics/protectionContainers/protectedItems",
        "properties": {
            "friendlyName": name,
            "virtualMachineId": vm_id,
            "protectionStatus": "Healthy",
            "protectionState": "Protected",
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "containerName": full,
            "sourceResourceId": vm_id,
            "policyId": policy["id"],
            "policyName": policy["name"],
        },
    }


@dataclass(frozen=True)
class MadeUpLoad:
    """Load of VMs, the same whenever it is asked for; a :class:`optimizer.ports.LoadSource`."""

    vm_ids: tuple[str, ...]
    first: date
    days: int
    known: dict[date, DayLoad] = field(default_factory=dict)

    @classmethod
    def of(cls, document: EstateDocument, days: int) -> MadeUpLoad:
        """Load of every VM of a document on the days before it was taken."""
        vm_ids = tuple(sorted(str(vm["id"]) for vm in document.vms))
        return cls(vm_ids, (document.as_of - timedelta(days=days)).date(), days)

    def dates(self) -> Sequence[date]:
        """Days that have load."""
        return [self.first + timedelta(days=n) for n in range(self.days)]

    def read_day(self, day: date) -> DayLoad:
        """Load of a day; none on others."""
        if day not in self.known:
            self.known.clear()
            self.known[day] = self._make(day)
        return self.known[day]

    def _make(self, day: date) -> DayLoad:
        if day not in self.dates():
            return DayLoad(day, (), *(np.empty((0, 288), dtype=np.float32),) * 2)
        rng = np.random.default_rng(day.toordinal())
        cpu, mem = (np.round(rng.uniform(1, 99, (len(self.vm_ids), 288)), 2).astype(np.float32) for _ in range(2))
        return DayLoad(day, self.vm_ids, cpu, mem)


def subscriptions_of(document: EstateDocument) -> tuple[str, ...]:
    """Subscriptions of the vaults of a document."""
    return tuple(sorted({str(vault["id"]).split("/")[2] for vault in document.vaults}))


def resources_by_id(resources: Sequence[Resource]) -> dict[str, Any]:
    """Resources by id in lower case."""
    return {str(resource["id"]).lower(): resource for resource in resources}
