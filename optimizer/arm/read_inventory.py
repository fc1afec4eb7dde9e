"""Builds the inventory from the raw ARM resources of an estate.

One bad resource never stops the rest. A policy of another workload or of an unknown sub-type counts toward the limit
of its vault. The items of a policy that cannot be planned are idle, and state the reason. A resource that cannot be
placed at all, for example because it has no id, is left out and listed with the reason. Items of policies that Azure
runs but no longer accepts (:mod:`optimizer.arm.policy_bodies`) are counted but never written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from optimizer.arm.protected_items import Draft, read_items
from optimizer.arm.resources import ArmResources
from optimizer.arm.services import assign_services
from optimizer.arm.vm_policy import is_vm_policy, read_schedule, twin_key, why_foreign
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, Policy, ProtectedItem, Vault, Vm
from optimizer.model.raw import MALFORMED, id_of, is_whole_number, mapping, properties_of, text, too_deep
from optimizer.ports import Resource


def build_inventory(resources: ArmResources, service_from: Sequence[str], *, present: Iterable[str] = ()) -> Inventory:
    """Build the inventory of an estate.

    Parameters
    ----------
    resources
        Raw ARM resources of the estate.
    service_from
        Sources of a VM's service, in order; the first that the VM has decides.
    present
        Ids of VMs that count as existing even if the estate does not list them, so that moved VMs can be moved back.
    """
    draft = _begin(resources, frozenset(map(ArmId, present)))
    draft.vaults |= _by_id(_read_vault, _usable(resources.vaults, "vault", draft))
    for resource in _usable(resources.policies, "policy", draft):
        _read_policy(resource, draft)
    draft.vms |= _by_id(_read_vm, _usable(resources.vms, "VM", draft))
    items = read_items(_usable(resources.protected_items, "protected item", draft), draft)
    draft.vms |= _by_id(_read_vm, draft.stubs())
    _name_vaults(draft)
    _report_unused_faults(items, draft)
    services = assign_services(draft.vms.values(), service_from, resources.services)
    return Inventory(
        as_of=resources.as_of,
        vaults=draft.vaults,
        policies=draft.policies,
        vms={key: replace(vm, service=services[key]) for key, vm in draft.vms.items()},
        items=tuple(item for item in items if item.runs),
        idle_items=tuple(item for item in items if not item.runs),
        left_out=tuple(draft.left_out),
    )


def _begin(resources: ArmResources, present: frozenset[ArmId]) -> Draft:
    # A resource with only an id and a name just records the spelling of a VM that the directory did not list.
    listed = frozenset(id_of(vm) for vm in resources.vms if vm.keys() - {"id", "name"})
    return Draft(
        resources.as_of,
        has_arm_ids=resources.source != "import",
        missing={vm_id: absence for vm_id, absence in resources.missing_vms.items() if vm_id not in present},
        present=present,
        listed=listed,
    )


_Read = TypeVar("_Read", Vault, Vm)


def _by_id(read: Callable[[Resource], _Read], resources: Iterable[Resource]) -> dict[ArmId, _Read]:
    return {made.id: made for made in map(read, resources)}


def _report_unused_faults(items: Iterable[ProtectedItem], draft: Draft) -> None:
    """List policies that cannot be planned and have no item; otherwise the items state the reason."""
    used = {item.policy_id for item in items}
    for policy_id, reason in draft.faults.items():
        if policy_id not in used:
            draft.leave_out(f"policy {policy_id}", reason)


def _usable(resources: Iterable[Resource], kind: str, draft: Draft) -> list[Resource]:
    """Resources with an id, without duplicates; resources that are left out are recorded."""
    usable: dict[ArmId, Resource] = {}
    for number, resource in enumerate(resources, start=1):
        if fault := _why_unusable(resource):
            draft.leave_out(_describe(resource, kind, number), fault)
        else:
            usable[id_of(resource)] = resource
    return list(usable.values())


def _why_unusable(resource: Resource) -> str:
    if not id_of(resource):
        return "it has no id"
    return "it is nested too deeply to be a resource of Azure" if too_deep(resource) else ""


def _describe(resource: Resource, kind: str, number: int) -> str:
    """Description of a resource for a message: its id, or else its name, or else its position."""
    called = id_of(resource) or text(mapping(resource).get("name"))
    return f"{kind} {called!r}" if called else f"{kind} {number} of the estate"


def _read_vault(resource: Resource) -> Vault:
    vault_id = id_of(resource)
    return Vault(
        id=vault_id,
        name=text(resource.get("name")) or vault_id.name,
        subscription=vault_id.subscription,
        resource_group=str(vault_id.resource_group),
        location=text(resource.get("location")),
    )


def _read_policy(resource: Resource, draft: Draft) -> None:
    policy_id = id_of(resource)
    vault_id = draft.vault_of(policy_id, "backupPolicies")
    if not vault_id:
        draft.leave_out(f"policy {policy_id}", "its id is not that of a backup policy of a vault")
        return
    try:
        if is_vm_policy(resource):
            draft.add_policy(_vm_policy(resource, vault_id, draft.as_of))
        else:
            draft.foreign[policy_id] = why_foreign(resource)
    except MALFORMED as exc:
        wrong_type = "a field of its schedule has a value of the wrong type"
        draft.faults[policy_id] = str(exc) if isinstance(exc, ValueError) else wrong_type


def _vm_policy(resource: Resource, vault_id: ArmId, as_of: datetime) -> Policy:
    policy_id, properties = id_of(resource), properties_of(resource)
    schedule, twins = read_schedule(properties, as_of), twin_key(properties)
    return Policy(
        id=policy_id,
        name=text(resource.get("name")) or policy_id.name,
        vault_id=vault_id,
        sub_type=schedule.sub_type,
        recurrence=schedule.recurrence,
        start=schedule.start,
        timezone=schedule.timezone,
        # No VM may be moved to a policy that Azure refuses, so such a policy is no other's twin.
        twin_key=f"{twins} only {policy_id.key}" if schedule.refused else twins,
        properties=properties,
        items_reported=_count(properties.get("protectedItemsCount")),
        refused=schedule.refused,
        one_way=schedule.one_way,
    )


def _count(value: object) -> int | None:
    return value if is_whole_number(value) and value >= 0 else None


def _read_vm(resource: Resource) -> Vm:
    vm_id, properties = id_of(resource), properties_of(resource)
    disk = mapping(mapping(properties.get("storageProfile")).get("osDisk"))
    return Vm(
        id=vm_id,
        name=text(resource.get("name")) or vm_id.name,
        subscription=vm_id.subscription,
        resource_group=str(vm_id.resource_group),
        location=text(resource.get("location")),
        os=text(disk.get("osType")),
        tags={
            str(key): str(value)
            for key, value in mapping(resource.get("tags")).items()
            if isinstance(value, (str, int, float))
        },
        availability_set=_reference(properties, "availabilitySet"),
        scale_set=_reference(properties, "virtualMachineScaleSet"),
    )


def _reference(properties: Mapping[str, Any], name: str) -> str:
    return text(mapping(properties.get(name)).get("id"))


def _name_vaults(draft: Draft) -> None:
    """Add vaults that were not listed, and count the policies of each vault that are not planned."""
    for vault_id in draft.unlisted_vaults.values():
        draft.vaults.setdefault(vault_id, _read_vault({"id": vault_id}))
    others = Counter(policy_id.above("backupPolicies") for policy_id in (*draft.foreign, *draft.faults))
    for vault_id, vault in draft.vaults.items():
        draft.vaults[vault_id] = replace(vault, other_policies=others[vault_id])
