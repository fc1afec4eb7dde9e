"""Raw resources of made-up vaults, as Azure prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.write_judge.record import Resource

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
OTHER_SUBSCRIPTION = "66666666-7777-4888-8999-aaaaaaaaaaaa"


def vault_id(name: str, subscription: str = SUBSCRIPTION) -> str:
    """ARM id of a vault."""
    group = f"/subscriptions/{subscription}/resourceGroups/rg-backup"
    return f"{group}/providers/Microsoft.RecoveryServices/vaults/{name}"


def vm_id(name: str, subscription: str = SUBSCRIPTION) -> str:
    """ARM id of a VM."""
    return f"/subscriptions/{subscription}/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/{name}"


def _policy(vault: str, name: str, properties: dict[str, Any], zone: str) -> Resource:
    kind = "Microsoft.RecoveryServices/vaults/backupPolicies"
    whole = {"backupManagementType": "AzureIaasVM", "instantRPDetails": {}, **properties, "timeZone": zone}
    return {"id": f"{vault}/backupPolicies/{name}", "name": name, "type": kind, "properties": whole}


def daily(vault: str, name: str, start: str, zone: str = "UTC", count: int = 30) -> Resource:
    """A Standard policy that runs every day."""
    times = [f"2019-05-01T{start}:00Z"]
    return _policy(
        vault,
        name,
        {
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": times,
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": times,
                    "retentionDuration": {"count": count, "durationType": "Days"},
                },
            },
            "instantRpRetentionRangeInDays": 2,
        },
        zone,
    )


def weekly(vault: str, name: str, start: str, days: Sequence[str], zone: str = "UTC") -> Resource:
    """A Standard policy that runs on some days of the week."""
    times = [f"2019-05-01T{start}:00Z"]
    return _policy(
        vault,
        name,
        {
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Weekly",
                "scheduleRunDays": list(days),
                "scheduleRunTimes": times,
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "weeklySchedule": {
                    "daysOfTheWeek": list(days),
                    "retentionTimes": times,
                    "retentionDuration": {"count": 12, "durationType": "Weeks"},
                },
            },
            "instantRpRetentionRangeInDays": 5,
        },
        zone,
    )


def hourly(vault: str, name: str, start: str, interval: int, duration: int, zone: str = "UTC") -> Resource:
    """An Enhanced policy that runs every few hours."""
    moment = f"2022-03-01T{start}:00Z"
    return _policy(
        vault,
        name,
        {
            "policyType": "V2",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicyV2",
                "scheduleRunFrequency": "Hourly",
                "hourlySchedule": {
                    "interval": interval,
                    "scheduleWindowStartTime": moment,
                    "scheduleWindowDuration": duration,
                },
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [moment],
                    "retentionDuration": {"count": 14, "durationType": "Days"},
                },
            },
            "instantRpRetentionRangeInDays": 7,
        },
        zone,
    )


def item(vault: str, vm: str, policy: str, subscription: str = SUBSCRIPTION, **properties: Any) -> Resource:
    """A protected item."""
    container = f"iaasvmcontainerv2;rg-app;{vm}"
    folder = f"{vault}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{container}"
    return {
        "id": f"{folder}/protectedItems/VM;{container}",
        "name": f"VM;{container}",
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "friendlyName": vm,
            "containerName": container,
            "sourceResourceId": vm_id(vm, subscription),
            "virtualMachineId": vm_id(vm, subscription),
            "policyId": f"{vault}/backupPolicies/{policy}",
            "policyName": policy,
            "protectionState": "Protected",
            **properties,
        },
    }


def machine(vm: str, tags: dict[str, str], subscription: str = SUBSCRIPTION) -> Resource:
    """A VM."""
    system = "Windows" if vm.startswith("win") else "Linux"
    disk = {"storageProfile": {"osDisk": {"osType": system}}}
    return {"id": vm_id(vm, subscription), "name": vm, "location": "westeurope", "tags": tags, "properties": disk}


def read_only_lock(vault: str) -> Resource:
    """A lock under which nothing can be written."""
    kind = "Microsoft.Authorization/locks"
    return {"id": f"{vault}/providers/{kind}/keep", "name": "keep", "type": kind, "properties": {"level": "ReadOnly"}}


def guard(vault: str) -> Resource:
    """A Resource Guard proxy that watches policies and items."""
    start = "Microsoft.RecoveryServices/vaults"
    operations = {
        f"{start}/backupPolicies/write": "/guards/g1/updateProtectionPolicyRequests/default",
        f"{start}/backupFabrics/protectionContainers/protectedItems/write": (
            "/guards/g1/updateProtectedItemRequests/default"
        ),
    }
    details = [{"vaultCriticalOperation": name, "defaultResourceRequest": to} for name, to in operations.items()]
    return {
        "id": f"{vault}/backupResourceGuardProxies/VaultProxy",
        "name": "VaultProxy",
        "type": f"{start}/backupResourceGuardProxies",
        "properties": {"resourceGuardOperationDetails": details},
    }
