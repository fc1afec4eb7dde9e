"""Raw ARM resources of an estate -> inventory.

What is foreign and can be lived with never stops the program: policies of other workloads or of sub-types that it
does not know count towards the vault's limit, and VMs that they protect are idle items with the reason; VMs of a
policy whose retention times differ from its schedule keep running, counted, and are never written.  A schedule that
Azure itself refuses (off the grid, several times, no such zone) means that the estate is damaged: a ``DataError``
lists every such policy, unless no VM uses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from optimizer.errors import DataError
from optimizer.estate.arm_policy import is_vm_policy, read_schedule, twin_key, with_start
from optimizer.estate.document import EstateDocument
from optimizer.estate.services import assign_services
from optimizer.model.inventory import Inventory, Policy, ProtectedItem, Vault, Vm
from optimizer.model.raw import text
from optimizer.ports import Resource

__all__ = ["build_inventory", "twin_key", "with_start"]

_SHOWN = 10
"""Faults of one kind that a message lists."""

_STOPPED = {
    "protectionstopped": "protection stopped",
    "protectionpaused": "protection paused",
    "backupssuspended": "backups suspended",
}
_PENDING = {
    "irpending": "initial backup pending",
    "protectionerror": "protection reports an error",
    "invalid": "protection state is invalid",
}


@dataclass
class _Draft:
    """Inventory in the making."""

    vaults: dict[str, Vault] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)


def build_inventory(document: EstateDocument, service_from: Sequence[str]) -> Inventory:
    """Inventory of an estate.

    Parameters
    ----------
    document
        The estate.
    service_from
        Where services come from, first hit wins.

    Raises
    ------
    DataError
        A policy in use has a schedule that Azure does not allow, or a VM is backed up twice.
    """
    draft = _Draft()
    for resource in document.vaults:
        draft.vaults[_id(resource).lower()] = _read_vault(resource)
    for resource in document.policies:
        _read_policy(resource, draft)
    for resource in document.vms:
        draft.vms[_id(resource).lower()] = _read_vm(resource)
    items = [_read_item(resource, draft) for resource in document.protected_items if _is_vm_item(resource)]
    _refuse_faults(draft, items)
    _count_other_policies(draft)
    services = assign_services(draft.vms.values(), service_from, document.services)
    order = sorted(items, key=lambda item: (item.vm_id.lower(), item.vault_id.lower()))
    scheduled = tuple(item for item in order if item.runs)
    _refuse_double_protection(scheduled)
    return Inventory(
        as_of=document.as_of,
        vaults=draft.vaults,
        policies=draft.policies,
        vms={key: replace(vm, service=services[key]) for key, vm in draft.vms.items()},
        items=scheduled,
        idle_items=tuple(item for item in order if not item.runs),
    )


def _id(resource: Resource) -> str:
    return str(resource["id"])


def _segment(arm_id: str, name: str) -> str:
    """Value that follows ``name`` in an ARM id; empty where there is none."""
    parts = arm_id.split("/")
    for key, value in pairwise(parts):
        if key.lower() == name.lower():
            return value
    return ""


def _read_vault(resource: Resource) -> Vault:
    vault_id = _id(resource)
    return Vault(
        id=vault_id,
        name=str(resource.get("name") or vault_id.rpartition("/")[2]),
        subscription=_segment(vault_id, "subscriptions"),
        resource_group=_segment(vault_id, "resourceGroups"),
        location=str(resource.get("location") or ""),
    )


def _vault_id(arm_id: str, collection: str, draft: _Draft) -> str:
    """Vault of an id below it; a vault that was not listed is taken from the id."""
    position = arm_id.lower().rfind(f"/{collection.lower()}/")
    vault_id = arm_id[:position] if position >= 0 else ""
    known = draft.vaults.setdefault(vault_id.lower(), _read_vault({"id": vault_id}))
    return known.id


def _read_policy(resource: Resource, draft: _Draft) -> None:
    policy_id, properties = _id(resource), resource.get("properties") or {}
    vault_id = _vault_id(policy_id, "backupPolicies", draft)
    key = policy_id.lower()
    name = str(resource.get("name") or policy_id.rpartition("/")[2])
    if not is_vm_policy(resource):
        draft.foreign.add(key)
        return
    try:
        schedule = read_schedule(properties)
    except ValueError as exc:
        draft.faults[key] = f"policy {name!r} of vault {draft.vaults[vault_id.lower()].name!r}: {exc}"
        return
    twins = twin_key(properties)
    if schedule.odd:
        draft.odd[key] = schedule.odd
        twins = f"{twins} only {key}"  # nobody may be moved onto it
    count = properties.get("protectedItemsCount")
    draft.policies[key] = Policy(
        id=policy_id,
        name=name,
        vault_id=vault_id,
        sub_type=schedule.sub_type,
        recurrence=schedule.recurrence,
        start=schedule.start,
        timezone=schedule.timezone,
        twin_key=twins,
        properties=properties,
        items_reported=count if isinstance(count, int) else None,
    )


def _read_vm(resource: Resource) -> Vm:
    vm_id, properties = _id(resource), resource.get("properties") or {}
    disk = (properties.get("storageProfile") or {}).get("osDisk") or {}
    return Vm(
        id=vm_id,
        name=str(resource.get("name") or vm_id.rpartition("/")[2]),
        subscription=_segment(vm_id, "subscriptions"),
        resource_group=_segment(vm_id, "resourceGroups"),
        location=str(resource.get("location") or ""),
        os=str(disk.get("osType") or ""),
        tags={str(key): str(value) for key, value in (resource.get("tags") or {}).items()},
        availability_set=_reference(properties, "availabilitySet"),
        scale_set=_reference(properties, "virtualMachineScaleSet"),
    )


def _reference(properties: Mapping[str, Any], name: str) -> str:
    return str((properties.get(name) or {}).get("id") or "")


def _is_vm_item(resource: Resource) -> bool:
    properties = resource.get("properties") or {}
    workload = str(properties.get("backupManagementType") or "AzureIaasVM").lower()
    return workload == "azureiaasvm" and bool(_source_vm(properties))


def _source_vm(properties: Mapping[str, Any]) -> str:
    return str(properties.get("sourceResourceId") or properties.get("virtualMachineId") or "")


def _read_item(resource: Resource, draft: _Draft) -> ProtectedItem:
    item_id, properties = _id(resource), resource["properties"]
    vm_id, policy_id = _source_vm(properties), str(properties.get("policyId") or "")
    vm = draft.vms.setdefault(vm_id.lower(), _unlisted_vm(vm_id, properties))
    item = ProtectedItem(
        id=item_id,
        vm_id=vm.id,
        policy_id=policy_id,
        vault_id=_vault_id(item_id, "backupFabrics", draft),
        container=text(properties.get("containerName")),
        friendly_name=text(properties.get("friendlyName")),
    )
    state = str(properties.get("protectionState") or "").lower()
    key = policy_id.lower()
    idle = _STOPPED.get(state, "")
    if properties.get("isScheduledForDeferredDelete"):
        idle = "soft-deleted"
    elif not idle and not policy_id:
        idle = "protection stopped"
    elif not idle and key in draft.foreign:
        idle = "its policy is of a kind that this program does not know: neither planned nor counted"
    elif not idle and key not in draft.policies and key not in draft.faults:
        idle = "its policy is not in the estate: neither planned nor counted"
    if idle:
        return replace(item, unwritable=idle, runs=False)
    return replace(item, unwritable=_PENDING.get(state, "") or draft.odd.get(key, ""))


def _unlisted_vm(vm_id: str, properties: Mapping[str, Any]) -> Vm:
    """A VM that only its protection tells of: deleted, or out of the reader's sight."""
    name = vm_id.rpartition("/")[2] or str(properties.get("friendlyName") or "")
    return _read_vm({"id": vm_id, "name": name})


def _refuse_faults(draft: _Draft, items: Sequence[ProtectedItem]) -> None:
    used = {item.policy_id.lower() for item in items if item.runs}
    faults = [text for key, text in draft.faults.items() if key in used]
    if faults:
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DataError(
            "policies with schedules that Azure does not allow; correct them at the source and read the estate "
            "again:\n  " + "\n  ".join(faults[:_SHOWN]) + more
        )


def _count_other_policies(draft: _Draft) -> None:
    """Count what takes a place in a vault without being planned: other workloads, unknown kinds, unused oddities."""
    others = Counter(key[: key.rfind("/backuppolicies/")] for key in (*draft.foreign, *draft.faults))
    for key, vault in draft.vaults.items():
        draft.vaults[key] = replace(vault, other_policies=others[key])


def _refuse_double_protection(items: Sequence[ProtectedItem]) -> None:
    for first, second in pairwise(items):
        if first.vm_id.lower() == second.vm_id.lower():
            raise DataError(
                f"VM {first.vm_id} is backed up twice, by {first.id} and by {second.id}; Azure allows one vault per "
                "VM: stop one of the two and read the estate again"
            )
