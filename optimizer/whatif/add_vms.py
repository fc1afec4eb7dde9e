"""More VMs like existing ones, added to the raw resources of an estate in memory.

The result is an estate like any other, so its plan is made and verified like any other. Policies that the new VMs
need for their protection, before any plan, are assumed to be created.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from optimizer.errors import ConfigError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.raw import id_of
from optimizer.ports import Resource
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.changes import AddVms
from optimizer.whatif.names import no_such_name
from optimizer.whatif.policy_room import PolicyRoom, assign
from optimizer.whatif.vault_limits import created_note, limit_notes


def add_vms(before: ChangedEstate, change: AddVms) -> ChangedEstate:
    """Copy the selected VMs in turn: same tags, groups and policy, but new names.

    A copy joins its original's policy, another one with the same start, or a new twin if all of these are full. VMs
    that must not be written, for example because they wait for their first backup, are not copied.

    Parameters
    ----------
    before
        Estate before the change.
    change
        Which VMs to copy, and the number of copies.

    Raises
    ------
    ConfigError
        No VM is selected.
    """
    inventory, document = before.inventory(), before.estate.document
    originals = _selected(inventory, change)
    room = PolicyRoom(document, inventory, before.rules)
    copies = _Copies(before, inventory, room)
    for n in range(change.count):
        copies.add(originals[n % len(originals)], n // len(originals) + 1)
    vaults = [inventory.vaults[key] for key in sorted({item.vault_id for item in originals})]
    notes = (
        _added_note(change.count, min(change.count, len(originals))),
        *created_note(room.created.total()),
        *limit_notes(room, vaults, before.rules, change.count),
    )
    return before.with_copies(copies.originals).with_resources(
        room.created.total(),
        notes,
        policies=tuple(room.resources().values()),
        protected_items=(*document.protected_items, *copies.items),
        vms=(*document.vms, *copies.vms),
        services=copies.services,
    )


def _added_note(copies: int, originals: int) -> str:
    added = "1 VM is added, a copy" if copies == 1 else f"{copies:,} VMs are added, copies"
    source = "1 VM" if originals == 1 else f"{originals:,} VMs"
    return f"{added} of {source} of the estate; each has the load history, the service and the policy of its original"


def _selected(inventory: Inventory, change: AddVms) -> Sequence[ProtectedItem]:
    """Items of the VMs to copy, in the order of the inventory."""
    selected = [item for item in inventory.items if not item.unwritable and _matches(inventory, item, change)]
    if not selected:
        raise ConfigError(f"what if '{change}': it selects no VM with a schedule; {_selectable(inventory, change)}")
    return selected


def _matches(inventory: Inventory, item: ProtectedItem, change: AddVms) -> bool:
    frequency = inventory.policy(item).recurrence.frequency
    return change.where.matches(inventory.vm(item), inventory.vault(item), frequency)


def _selectable(inventory: Inventory, change: AddVms) -> str:
    """Services and vaults that may have been meant: those with similar names, otherwise those that exist."""
    services = sorted({inventory.vm(item).service for item in inventory.items} - {""})
    vaults = sorted(vault.name for vault in inventory.vaults.values())
    for kind, wanted, known in (("service", change.where.service, services), ("vault", change.where.vault, vaults)):
        if wanted is not None and Caseless(wanted) not in known:
            return no_such_name(kind, wanted, known)
    return "loosen a criterion; names may contain * and ?"


class _Copies:
    """Resources of copied VMs, made one after the other.

    Parameters
    ----------
    before, inventory
        Estate to add them to, and its inventory.
    room
        Policies that the copies join.
    """

    def __init__(self, before: ChangedEstate, inventory: Inventory, room: PolicyRoom) -> None:
        document = before.estate.document
        self._inventory = inventory
        self._room = room
        self._machines = {id_of(resource): resource for resource in document.vms}
        self._items = {id_of(resource): resource for resource in document.protected_items}
        self._number = 0
        self.vms: list[Resource] = []
        self.items: list[Resource] = []
        self.originals: dict[ArmId, ArmId] = {}
        self.services = dict(document.services)

    def add(self, item: ProtectedItem, number: int) -> None:
        """Copy one VM.

        Parameters
        ----------
        item
            Protected item of the original.
        number
            Number at the end of the copy's name; a higher one if the name is taken.
        """
        suffix = self._free_suffix(item, number)
        vm = self._inventory.vm(item)
        machine = copy.deepcopy(self._machines.get(vm.id, {"id": str(vm.id), "name": vm.name, "properties": {}}))
        machine.update(id=vm.id + suffix, name=vm.name + suffix)
        self._machines[id_of(machine)] = machine
        policy = self._room.join(self._inventory.policy(item), item.vault_id)
        self.vms.append(machine)
        self.items.append(_copied_item(self._items[item.id], suffix, machine, policy))
        self.originals[id_of(machine)] = vm.id
        if vm.id in self.services:
            self.services[id_of(machine)] = self.services[vm.id]

    def _free_suffix(self, item: ProtectedItem, number: int) -> str:
        self._number = max(self._number, number)
        while ArmId(f"{item.vm_id}-copy-{self._number}") in self._machines:
            self._number += 1
        return f"-copy-{self._number}"


def _copied_item(original: Resource, suffix: str, machine: Resource, policy: Resource) -> Resource:
    """Protected item for another VM, under a container of its own."""
    item = copy.deepcopy(original)
    parts = id_of(item).split("/")
    parts[-1] += suffix
    if len(parts) > 3:
        parts[-3] += suffix
    item["id"] = "/".join(parts)
    item["name"] = f"{item.get('name', '')}{suffix}"
    properties = item["properties"]
    for key in ("sourceResourceId", "virtualMachineId"):
        if properties.get(key):
            properties[key] = machine["id"]
    if "friendlyName" in properties:
        properties["friendlyName"] = machine["name"]
    assign(properties, policy)
    return item
