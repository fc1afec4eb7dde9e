"""Keeps the spelling of VM ids, under which the load of a VM is stored."""

from __future__ import annotations

from optimizer.arm import source_vm as vm_of_item
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource


def source_vm(item: Resource) -> ArmId:
    """Id of the VM that an item protects; empty if the item states none."""
    return vm_of_item(properties_of(item))


def old_spelling(old: EstateDocument) -> dict[ArmId, str]:
    """Spelling of VM ids in an estate; its load is stored under exactly this spelling."""
    spelt: dict[ArmId, str] = {}
    for vm in old.vms:
        spelt.setdefault(id_of(vm), str(id_of(vm)))
    for item in old.protected_items:
        vm_id = source_vm(item)
        if vm_id:
            spelt.setdefault(vm_id, str(vm_id))
    return spelt
