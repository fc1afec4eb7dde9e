"""Brings together the VMs in resource files and the items that protect VMs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from optimizer.arm import Absence, is_of_a_vm
from optimizer.intake.spelling import source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource


@dataclass(frozen=True)
class ProtectedVms:
    """VMs that items protect, with the information from the files.

    Parameters
    ----------
    listed
        VM resources of the files, by id; none if no file lists VMs.
    items
        Protected items.
    known
        Spelling of VM ids in the estate that is appended to.
    """

    listed: Mapping[ArmId, Resource]
    items: Iterable[Resource]
    known: Mapping[ArmId, str] = field(default_factory=dict)

    @cached_property
    def ids(self) -> dict[ArmId, str]:
        """Ids of the protected VMs, each in the spelling of the estate, or else of its first item."""
        ids: dict[ArmId, str] = {}
        for vm_id in filter(None, map(source_vm, self.items)):
            ids.setdefault(vm_id, self._spelled(vm_id))
        return ids

    def _spelled(self, vm_id: ArmId) -> str:
        return self.known.get(vm_id, str(vm_id))

    def resources(self) -> list[Resource]:
        """Resources of the protected VMs; if no file lists VMs, resources with only an id and a name."""
        if not self.listed:
            return [{"id": vm_id, "name": ArmId(vm_id).name} for vm_id in self.ids.values()]
        protected = (vm for vm_id, vm in self.listed.items() if vm_id in self.ids)
        return [{**vm, "id": self.known.get(id_of(vm), vm["id"])} for vm in protected]

    def spellings(self) -> tuple[ArmId, ...]:
        """Ids of the protected VMs, sorted, in the spelling of their resources."""
        listed = {id_of(vm): str(vm["id"]) for vm in self.resources()}
        return tuple(map(ArmId, sorted((self.ids | listed).values())))

    def unprotected(self) -> tuple[str, ...]:
        """Ids of the listed VMs that no item states."""
        return tuple(str(vm["id"]) for vm_id, vm in self.listed.items() if vm_id not in self.ids)

    def count_unprotected(self) -> int:
        """Number of listed VMs that no item protects, as far as the names of items show."""
        named = set(map(_place_in_name, self.silent_items))
        return sum(_place_of(ArmId(vm_id)) not in named for vm_id in self.unprotected())

    @cached_property
    def silent_items(self) -> list[ArmId]:
        """Ids of items that protect VMs but do not state which."""
        return [id_of(item) for item in self.items if is_of_a_vm(properties_of(item)) and not source_vm(item)]

    def missing(self) -> dict[ArmId, Absence]:
        """Protected VMs that no file lists, and how they are missing; empty if no file lists any VM."""
        if not self.listed:
            return {}
        looked_in = {vm_id.subscription for vm_id in self.listed}
        unlisted = ((vm_id, spelling) for vm_id, spelling in self.ids.items() if vm_id not in self.listed)
        return {
            ArmId(spelling): "gone" if vm_id.subscription in looked_in else "hidden" for vm_id, spelling in unlisted
        }


def _place_in_name(item_id: ArmId) -> tuple[Caseless, Caseless]:
    """Resource group and name of the VM in an item's id, ``.../VM;iaasvmcontainerv2;group;name``."""
    parts = item_id.name.split(";")
    return (Caseless(parts[-2]), Caseless(parts[-1])) if len(parts) > 1 else (Caseless(), Caseless())


def _place_of(vm_id: ArmId) -> tuple[Caseless, Caseless]:
    """Resource group and name of a VM."""
    return vm_id.resource_group, Caseless(vm_id.name)
