"""Keeps the spelling of VM ids, under which the load of a VM is stored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from optimizer.arm import source_vm as vm_of_item
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource


def source_vm(item: Resource) -> ArmId:
    """Id of the VM that an item protects; empty if the item states none."""
    return vm_of_item(properties_of(item))


def spelling_of(vms: Iterable[Resource], protected_items: Iterable[Resource]) -> dict[ArmId, ArmId]:
    """Spelling of the ids of VMs, those of VM resources before those that items state.

    Where a VM occurs several times, its first spelling counts. The keys are equal to the values; the values have the
    spelling.
    """
    spelled: dict[ArmId, ArmId] = {}
    for vm_id in chain(map(id_of, vms), filter(None, map(source_vm, protected_items))):
        spelled.setdefault(vm_id, vm_id)
    return spelled
