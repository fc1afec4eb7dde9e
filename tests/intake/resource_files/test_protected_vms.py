"""VMs of resource files: which are protected, which are missing, and how they are spelled."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.intake.resource_files.protected_vms import ProtectedVms
from optimizer.model.arm_id import ArmId

VAULT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/one"


def vm_id(name: str, subscription: str = "s") -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}"


def vm(name: str, subscription: str = "s") -> dict[str, Any]:
    return {"id": vm_id(name, subscription), "name": name}


def item(name: str, source: object = None, **properties: object) -> dict[str, Any]:
    container = f"{VAULT}/backupFabrics/Azure/protectionContainers/c"
    full = {"backupManagementType": "AzureIaasVM", "sourceResourceId": source, **properties}
    return {"id": f"{container}/protectedItems/VM;iaasvmcontainerv2;rg;{name}", "properties": full}


def protected(vms: list[dict[str, Any]], items: list[dict[str, Any]], **known: str) -> ProtectedVms:
    spelled = {ArmId(vm_id(name)): spelling for name, spelling in known.items()}
    return ProtectedVms({ArmId(vm["id"]): vm for vm in vms}, items, spelled)


def test_listed_vms_with_an_item_are_protected() -> None:
    """Resources of protected VMs are kept; others are not in the estate, but share their names."""
    vms = protected([vm("a"), vm("b")], [item("a", vm_id("a").upper())])
    assert vms.resources() == [vm("a")]
    assert vms.spellings() == (vm_id("a"),)
    assert vms.unprotected() == (vm_id("b"),)
    assert vms.count_unprotected() == 1
    assert vms.missing() == {}


def test_without_a_list_of_vms_items_say_what_there_is() -> None:
    """If no file lists VMs, the VMs of the items are resources with only an id and a name."""
    vms = protected([], [item("a", vm_id("A")), item("a", vm_id("a"))])
    assert vms.resources() == [{"id": vm_id("A"), "name": "A"}]
    assert vms.spellings() == (vm_id("A"),)
    assert vms.missing() == {} and vms.count_unprotected() == 0


def test_the_spelling_of_the_estate_is_kept() -> None:
    """A VM that the estate knows keeps its spelling there, listed or not."""
    old = vm_id("a").upper()
    assert protected([vm("a")], [item("a", vm_id("a"))], a=old).resources() == [{"id": old, "name": "a"}]
    assert [str(one) for one in protected([], [item("a", vm_id("a"))], a=old).spellings()] == [old]


def test_vms_that_no_file_lists() -> None:
    """Where other VMs of the subscription are listed a VM is gone; otherwise nothing is known about it."""
    vms = protected([vm("a")], [item("a", vm_id("a")), item("b", vm_id("b")), item("c", vm_id("c", "other"))])
    assert vms.missing() == {ArmId(vm_id("b")): "gone", ArmId(vm_id("c", "other")): "hidden"}
    assert set(vms.spellings()) == {ArmId(vm_id("a")), ArmId(vm_id("b")), ArmId(vm_id("c", "other"))}


@pytest.mark.parametrize("source", [None, "", 5])
def test_an_item_that_names_no_vm(source: object) -> None:
    """An item without the id of a VM is silent; its name shows that the VM of that name is not unprotected."""
    vms = protected([vm("a"), vm("b")], [item("A", source)])
    assert [str(found) for found in vms.silent_items] == [item("A")["id"]]
    assert vms.ids == {} and vms.count_unprotected() == 1


def test_items_of_other_workloads_are_not_silent() -> None:
    """A database protects no VM, so that it need not name one."""
    assert protected([], [item("a", None, backupManagementType="AzureWorkload")]).silent_items == []


def test_an_item_with_another_kind_of_name() -> None:
    """A name without group and VM counts for no VM."""
    odd = {"id": f"{VAULT}/backupFabrics/Azure/protectionContainers/c/protectedItems/x", "properties": {}}
    assert protected([vm("a")], [odd]).count_unprotected() == 1
