"""Builds the inventory from the raw ARM resources of an estate.

One bad resource never stops the rest. A policy of another workload or of an unknown sub-type counts toward the limit
of its vault. The items of a policy that cannot be planned are idle, and state the reason. A resource that cannot be
placed at all, for example because it has no id, is left out and listed with the reason. Items of policies that Azure
runs but no longer accepts (:mod:`optimizer.arm.policy_bodies`) are counted but never written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer.arm.protected_items import REFUSED, Draft, read_items
from optimizer.arm.resources import ArmResources
from optimizer.arm.services import assign_services
from optimizer.arm.vm_policy import is_vm_policy, read_schedule, twin_key, why_foreign
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Policy, Vault, Vm
from optimizer.model.raw import MALFORMED, id_of, mapping, properties_of, text, too_deep
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
    there = frozenset(map(ArmId, present))
    draft = Draft(
        resources.as_of,
        has_arm_ids=resources.source != "import",
        missing={vm_id: why for vm_id, why in resources.missing_vms.items() if vm_id not in there},
        present=there,
    )
    for resource in _usable(resources.vaults, "vault", draft):
        vault = _read_vault(resource)
        draft.vaults[vault.id] = vault
    for resource in _usable(resources.policies, "policy", draft):
        _read_policy(resource, draft)
    for resource in _usable(resources.vms, "VM", draft):
        vm = _read_vm(resource)
        draft.vms[vm.id] = vm
    # A resource with only an id and a name just records the spelling of a VM that the directory did not list.
    draft.listed = frozenset(id_of(vm) for vm in resources.vms if vm.keys() - {"id", "name"})
    draft.listed_subscriptions = frozenset(vm_id.subscription for vm_id in draft.listed) - {Caseless()}
    items = read_items(_usable(resources.protected_items, "protected item", draft), draft)
    draft.vms |= {vm_id: _read_vm({"id": vm_id, "name": name}) for vm_id, name in draft.unlisted.values()}
    _name_vaults(draft)
    used = {item.policy_id for item in items}
    for key, why in draft.faults.items():
        if key not in used:  # otherwise its items state the reason
            draft.leave_out(f"policy {key}", why)
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


def _usable(resources: Iterable[Resource], kind: str, draft: Draft) -> list[Resource]:
    """Resources with an id, without duplicates; resources that are left out are recorded."""
    found: dict[ArmId, Resource] = {}
    for number, resource in enumerate(resources, start=1):
        arm_id = id_of(resource)
        name = text(mapping(resource).get("name"))
        what = f"{kind} {arm_id or name!r}" if arm_id or name else f"{kind} {number} of the estate"
        if not arm_id:
            draft.leave_out(what, "it has no id")
        elif too_deep(resource):
            draft.leave_out(what, "it is nested too deeply to be a resource of Azure")
        else:
            found[arm_id] = resource
    return list(found.values())


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
    policy_id, properties = id_of(resource), properties_of(resource)
    vault_id = draft.vault_of(policy_id, "backupPolicies")
    if not vault_id:
        draft.leave_out(f"policy {policy_id}", "its id is not that of a backup policy of a vault")
        return
    name = text(resource.get("name")) or policy_id.name
    try:
        if not is_vm_policy(resource):
            draft.foreign[policy_id] = why_foreign(resource)
            return
        schedule, twins = read_schedule(properties, draft.as_of), twin_key(properties)
    except MALFORMED as exc:
        why = str(exc) if isinstance(exc, ValueError) else "a field of its schedule has a value of the wrong type"
        draft.faults[policy_id] = why
        return
    if schedule.refused:
        draft.refused[policy_id] = f"{REFUSED}: {schedule.refused}"
        twins = f"{twins} only {policy_id.key}"  # so that no VM may be moved to it
    draft.policies[policy_id] = Policy(
        id=policy_id,
        name=name,
        vault_id=vault_id,
        sub_type=schedule.sub_type,
        recurrence=schedule.recurrence,
        start=schedule.start,
        timezone=schedule.timezone,
        twin_key=twins,
        properties=properties,
        items_reported=_count(properties.get("protectedItemsCount")),
        refused=schedule.refused,
        one_way=schedule.one_way,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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
