"""Converts rows of ``vms.csv`` to resources in the form of ARM, with made-up ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizer.intake.arm_ids import NO_SUBSCRIPTION, is_vm_id, segment
from optimizer.intake.listing import Listing
from optimizer.intake.vm_list.vm_columns import SERVICE_TAG
from optimizer.intake.vm_list.vm_line import VmRow
from optimizer.intake.vm_list.vm_rows import has_byte_order_mark, keep_spelling, read_vms
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.rules import DEFAULT_SERVICE_FROM
from optimizer.model.timegrid import WEEKDAYS, Frequency, format_start
from optimizer.ports import Resource

_GROUP = f"/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/imported"
"""Resource group in made-up ids."""

_TIME_DATE = "2000-01-01"
"""Date of the made-up run times: Azure requires one in the past and uses only the time of day."""


def list_vms(path: Path, known: list[Resource]) -> Listing:
    """Read the inventory from ``vms.csv``.

    Parameters
    ----------
    path
        Path of the list.
    known
        VMs of the estate that is appended to, whose spelling is kept.

    Raises
    ------
    DataError
        The file cannot be used.
    """
    rows, columns = read_vms(path)
    rows = keep_spelling(rows, known)
    notes = list(columns.notes())
    if has_byte_order_mark(path):
        notes.append("The list of VMs begins with a byte-order mark; it was ignored.")
    if alone := sum(not _has_service(row) for row in rows):
        notes.append(f"{alone} {'VM names' if alone == 1 else 'VMs name'} no service; each is a service of its own.")
    return to_resources(rows, tuple(notes))


_SERVICE_TAGS = {Caseless(source.removeprefix("tag:")) for source in DEFAULT_SERVICE_FROM if source.startswith("tag:")}


def _has_service(row: VmRow) -> bool:
    tags = {Caseless(tag) for tag in row.tags}
    return bool(row.service or row.availability_set or tags & _SERVICE_TAGS or is_vm_id(row.vm))


def to_resources(rows: list[VmRow], notes: tuple[str, ...] = ()) -> Listing:
    """Convert rows to resources with Standard policies and made-up ids; the VM's id is its name, its service a tag."""
    vaults: dict[ArmId, Resource] = {}
    policies: dict[ArmId, Resource] = {}
    items, vms = [], []
    for row in rows:
        vault_id = ArmId(f"{_GROUP}/providers/Microsoft.RecoveryServices/vaults/{segment(row.vault)}")
        policy_id = ArmId(f"{vault_id}/backupPolicies/{segment(row.policy)}")
        vault = vaults.setdefault(
            vault_id, {"id": str(vault_id), "name": row.vault, "type": "Microsoft.RecoveryServices/vaults"}
        )
        policy = policies.setdefault(policy_id, _policy(row, f"{vault['id']}/backupPolicies/", policy_id))
        policy["properties"]["protectedItemsCount"] += 1
        items.append(_item(row, vault, policy))
        vms.append(_vm(row))
    return Listing(
        source="import",
        vaults=tuple(vaults.values()),
        policies=tuple(policies.values()),
        protected_items=tuple(items),
        vms=tuple(vms),
        vm_ids=tuple(map(ArmId, sorted(row.vm for row in rows))),
        notes=notes,
    )


def _vm(row: VmRow) -> Resource:
    properties: dict[str, Any] = {}
    if row.os:
        properties["storageProfile"] = {"osDisk": {"osType": row.os}}
    if row.availability_set:
        properties["availabilitySet"] = {"id": row.availability_set}
    tags = {**row.tags, **({SERVICE_TAG: row.service} if row.service else {})}
    location = {"location": row.location} if row.location else {}
    return {"id": row.vm, "name": row.name, **location, "tags": tags, "properties": properties}


def _policy(row: VmRow, folder: str, policy_id: ArmId) -> Resource:
    return {
        "id": folder + policy_id.name,
        "name": row.policy,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V2" if row.frequency is Frequency.HOURLY else "V1",
            "schedulePolicy": _schedule(row),
            "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", **_retention(row)},
            "timeZone": row.timezone,
            "protectedItemsCount": 0,
        },
    }


def _schedule(row: VmRow) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "schedulePolicyType": "SimpleSchedulePolicy",
        "scheduleRunFrequency": str(row.frequency),
        "scheduleRunTimes": [_time_of(row)],
    }
    match row.frequency:
        case Frequency.DAILY:
            return schedule
        case Frequency.WEEKLY:
            return schedule | {"scheduleRunDays": _days_of(row)}
        case Frequency.HOURLY:  # only Enhanced policies can be hourly
            return {
                "schedulePolicyType": "SimpleSchedulePolicyV2",
                "scheduleRunFrequency": str(row.frequency),
                "hourlySchedule": {
                    "interval": row.interval_hours,
                    "scheduleWindowStartTime": _time_of(row),
                    "scheduleWindowDuration": row.duration_hours,
                },
            }


def _retention(row: VmRow) -> dict[str, Any]:
    duration = {"count": row.retention_days, "durationType": "Days"}
    kept = {"retentionTimes": [_time_of(row)], "retentionDuration": duration}
    if row.frequency is Frequency.WEEKLY:
        return {"weeklySchedule": {"daysOfTheWeek": _days_of(row), **kept}}
    return {"dailySchedule": kept}


def _time_of(row: VmRow) -> str:
    return f"{_TIME_DATE}T{format_start(row.time)}:00Z"


def _days_of(row: VmRow) -> list[str]:
    return [WEEKDAYS[day] for day in row.days]


def _item(row: VmRow, vault: Resource, policy: Resource) -> Resource:
    name = f"iaasvmcontainerv2;imported;{segment(row.vm)}"
    folder = f"{vault['id']}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}"
    return {
        "id": f"{folder}/protectedItems/VM;{name}",
        "name": f"VM;{name}",
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "friendlyName": row.name,
            "sourceResourceId": row.vm,
            "policyId": policy["id"],
            "policyName": policy["name"],
            "protectionState": "Protected",
        },
    }
