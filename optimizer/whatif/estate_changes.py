"""Changes to the estate: more VMs like existing ones, or the loss of a vault.

The changes are made to the raw resources in memory.  The result is an estate like any other, so its plan is made and
verified like any other.  Policies that VMs need for their protection, before any plan, are assumed to be created.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from optimizer.errors import ConfigError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, ProtectedItem, Vault
from optimizer.model.raw import id_of
from optimizer.model.rules import Rules
from optimizer.ports import Resource
from optimizer.whatif.places import Places
from optimizer.whatif.scenario import AddVms, LoseVault, no_such_name, resolve_names

MAX_VMS_PER_VAULT = 1000
"""Maximum number of VMs that one vault protects (Azure Backup support matrix for VMs, 2025)."""


@dataclass(frozen=True)
class Changed:
    """Estate after a change.

    Parameters
    ----------
    document
        Estate as it would be.
    copies
        For each new VM, by id: the id of the VM that it is a copy of.
    rehomed
        Ids of the VMs that another vault protects after the change.
    made
        Policies that the VMs need before any plan.
    notes
        Notes for the planner.
    """

    document: EstateDocument
    copies: dict[ArmId, ArmId] = field(default_factory=dict)
    rehomed: tuple[str, ...] = ()
    made: int = 0
    notes: tuple[str, ...] = ()


def add_vms(document: EstateDocument, inventory: Inventory, rules: Rules, change: AddVms) -> Changed:
    """Copy the selected VMs in turn: same tags, groups and policy, but new names.

    A copy joins its model's policy, another one with the same start, or a new twin if all of these are full.  VMs
    that must not be written, for example because they wait for their first backup, are not copied.

    Raises
    ------
    ConfigError
        No VM is selected.
    """
    models = [
        item
        for item in inventory.items
        if not item.unwritable
        and change.where.matches(
            inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
        )
    ]
    if not models:
        raise ConfigError(f"what if '{change}': it selects no VM with a schedule; {_selectable(inventory, change)}")
    places = Places(document, inventory, rules)
    machines = {id_of(resource): resource for resource in document.vms}
    items = {id_of(resource): resource for resource in document.protected_items}
    new_vms, new_items, copies, stated = [], [], {}, dict(document.services)
    number = 0
    for n in range(change.count):
        item = models[n % len(models)]
        number = max(number, n // len(models) + 1)
        while ArmId(f"{item.vm_id}-copy-{number}") in machines:
            number += 1
        suffix = f"-copy-{number}"
        vm = inventory.vm(item)
        machine = copy.deepcopy(machines.get(vm.id, {"id": str(vm.id), "name": vm.name, "properties": {}}))
        machine.update(id=vm.id + suffix, name=vm.name + suffix)
        machines[id_of(machine)] = machine
        new_vms.append(machine)
        policy = places.join(inventory.policy(item), item.vault_id)
        new_items.append(_copied_item(items[item.id], suffix, machine, policy))
        copies[id_of(machine)] = vm.id
        if vm.id in document.services:
            stated[id_of(machine)] = document.services[vm.id]
    changed = document.model_copy(
        update={
            "policies": tuple(places.resources().values()),
            "protected_items": (*document.protected_items, *new_items),
            "vms": (*document.vms, *new_vms),
            "services": stated,
        }
    )
    told = (
        f"{len(copies)} more VMs like {min(len(models), change.count)} of the estate, each with the history, the "
        "service and the policy of its model"
    )
    vaults = [inventory.vaults[key] for key in sorted({item.vault_id for item in models})]
    limits = _limit_notes(places, vaults, inventory, rules, len(copies))
    made = places.made.total()
    return Changed(changed, copies=copies, made=made, notes=(told, *_made_note(made), *limits))


def _selectable(inventory: Inventory, change: AddVms) -> str:
    """Services and vaults that may have been meant: those with similar names, otherwise those that exist."""
    services = sorted({inventory.vm(item).service for item in inventory.items} - {""})
    vaults = sorted(vault.name for vault in inventory.vaults.values())
    for kind, wanted, known in (("service", change.where.service, services), ("vault", change.where.vault, vaults)):
        if wanted is not None and Caseless(wanted) not in known:
            return no_such_name(kind, wanted, known)
    return "loosen a criterion; names may hold * and ?"


def _copied_item(model: Resource, suffix: str, machine: Resource, policy: Resource) -> Resource:
    """Protected item for another VM, under a container of its own."""
    made = copy.deepcopy(model)
    parts = id_of(made).split("/")
    parts[-1] += suffix
    if len(parts) > 3:
        parts[-3] += suffix
    made["id"] = "/".join(parts)
    made["name"] = f"{made.get('name', '')}{suffix}"
    properties = made["properties"]
    for key in ("sourceResourceId", "virtualMachineId"):
        if properties.get(key):
            properties[key] = machine["id"]
    if "friendlyName" in properties:
        properties["friendlyName"] = machine["name"]
    _assign(properties, policy)
    return made


def _assign(properties: dict[str, object], policy: Resource) -> None:
    properties["policyId"] = policy["id"]
    if "policyName" in properties:
        properties["policyName"] = policy["name"]


def lose_vault(document: EstateDocument, inventory: Inventory, rules: Rules, change: LoseVault) -> Changed:
    """Protect the VMs of a lost vault in another vault of the same region and subscription, at today's starts.

    They join twins of their policies there.  If no twin has room, one is created, even if that exceeds the vault's
    limit of policies; a note then says so.  Items of the lost vault without a schedule are lost with it.

    Raises
    ------
    ConfigError
        There is no such vault, or no vault that could take the VMs.
    """
    lost = _find_vault(inventory, change.vault, str(change))
    target = _target(inventory, lost, change)
    places = Places(document, inventory, rules)
    moved = {item.id: item for item in inventory.items if item.vault_id == lost.id}
    kept: list[Resource] = []
    dropped = 0
    for resource in document.protected_items:
        item = moved.get(id_of(resource))
        if item is not None:
            kept.append(_rehomed_item(resource, lost, target, places.join(inventory.policy(item), target.id)))
        elif _below(resource, lost):
            dropped += 1
        else:
            kept.append(resource)
    changed = document.model_copy(
        update={
            "vaults": tuple(r for r in document.vaults if id_of(r) != lost.id),
            "policies": tuple(r for r in places.resources().values() if not _below(r, lost)),
            "protected_items": tuple(kept),
            "vault_settings": tuple(r for r in document.vault_settings if not _below(r, lost) and id_of(r) != lost.id),
        }
    )
    told = (
        f"{len(moved)} VMs of {lost.name} are protected by {target.name} at today's starts; their recovery points in "
        f"{lost.name} are lost, and their initial backups are taken as done"
    )
    notes = [told]
    if dropped:
        notes.append(f"{dropped} items of {lost.name} without a schedule of this program are lost with it")
    notes += [*_made_note(places.made.total()), *_limit_notes(places, [target], inventory, rules, len(moved))]
    rehomed = tuple(item.vm_id for item in moved.values())
    return Changed(changed, rehomed=rehomed, made=places.made.total(), notes=tuple(notes))


def _find_vault(inventory: Inventory, wanted: str, change: str) -> Vault:
    by_id = inventory.vaults.get(ArmId(wanted))
    if by_id is not None:
        return by_id
    try:
        name = resolve_names("vault", wanted, sorted(vault.name for vault in inventory.vaults.values()))
    except ConfigError as exc:
        raise ConfigError(f"what if '{change}': {exc}") from exc
    named = [vault for vault in inventory.vaults.values() if vault.name == name]
    if len(named) > 1:
        ids = " or ".join(vault.id for vault in named)
        raise ConfigError(f"what if '{change}': {len(named)} vaults are called {name!r}; give the id of one: {ids}")
    return named[0]


def _target(inventory: Inventory, lost: Vault, change: LoseVault) -> Vault:
    """Vault that takes over: the named one, otherwise the one with the fewest policies, then with the fewest VMs."""

    def fits(vault: Vault) -> bool:
        same_region = Caseless(vault.location) == lost.location
        return vault is not lost and same_region and vault.subscription == lost.subscription

    fitting = [vault for vault in inventory.vaults.values() if fits(vault)]
    if change.to is not None:
        named = _find_vault(inventory, change.to, str(change))
        if named not in fitting:
            why = "is the lost one" if named is lost else "is in another region or subscription"
            raise ConfigError(
                f"what if '{change}': vault {named.name!r} {why}; a VM is protected by a vault of its own region and "
                f"subscription: {', '.join(vault.name for vault in fitting) or 'there is no other here'}"
            )
        return named
    if not fitting:
        raise ConfigError(
            f"what if '{change}': there is no other vault in region {lost.location or 'unknown'} and subscription "
            f"{lost.subscription or 'unknown'} that could protect its VMs; this needs an estate with such a vault"
        )
    vms = {vault.id: sum(_is_in(item, vault) for item in inventory.items) for vault in fitting}
    return min(fitting, key=lambda vault: (inventory.policies_in_vault(vault.id), vms[vault.id], vault.name))


def _is_in(item: ProtectedItem, vault: Vault) -> bool:
    return item.vault_id == vault.id


def _below(resource: Resource, vault: Vault) -> bool:
    return id_of(resource).is_below(vault.id)


def _rehomed_item(model: Resource, lost: Vault, target: Vault, policy: Resource) -> Resource:
    made = copy.deepcopy(model)
    made["id"] = target.id + id_of(made)[len(lost.id) :]
    _assign(made["properties"], policy)
    return made


def _made_note(made: int) -> list[str]:
    if not made:
        return []
    return [f"{made} policies have to be made before any plan, to protect them at all; they are not counted as writes"]


def _limit_notes(
    places: Places, vaults: Iterable[Vault], inventory: Inventory, rules: Rules, arriving: int
) -> list[str]:
    """Notes on limits of vaults that the change exceeds; the plan assumes that this is possible."""
    notes = []
    limit = rules.policies.max_policies_per_vault
    for vault in vaults:
        policies = inventory.policies_in_vault(vault.id) + places.made[vault.id]
        if policies > limit and places.made[vault.id]:
            notes.append(
                f"TROUBLE: {vault.name} would hold {policies} policies, {policies - limit} more than its limit of "
                f"{limit}; reckoned with as if it could, no further policy is made there"
            )
        vms = sum(_is_in(item, vault) for item in (*inventory.items, *inventory.idle_items))
        if vms + arriving > MAX_VMS_PER_VAULT:
            notes.append(
                f"TROUBLE: {vault.name} would protect up to {vms + arriving:,} VMs, above Azure's limit of "
                f"{MAX_VMS_PER_VAULT:,}; some have to go to another vault"
            )
    return notes
