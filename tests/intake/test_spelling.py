"""One VM may be spelled in several ways; its first spelling counts."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.intake.spelling import source_vm, spelling_of
from optimizer.model.arm_id import ArmId

VM = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"


def item(vm_id: object, field: str = "sourceResourceId") -> dict[str, Any]:
    return {"id": "/item", "properties": {field: vm_id}}


def test_the_spelling_of_the_vm_resource_counts_first() -> None:
    """A VM resource decides, even if an item spells the VM in another way; other VMs are spelled as in items."""
    spelled = spelling_of([{"id": VM}], [item(VM.upper()), item("/other/VM")])
    assert {str(key): str(value) for key, value in spelled.items()} == {VM: VM, "/other/VM": "/other/VM"}


def test_the_first_of_two_items_counts() -> None:
    """Of two items of one VM, the first one decides."""
    spelled = spelling_of([], [item(VM.upper()), item(VM)])
    assert [str(vm_id) for vm_id in spelled.values()] == [VM.upper()]
    assert spelled[ArmId(VM)] == VM.lower(), "the VM is found in any spelling"


@pytest.mark.parametrize("bad", [None, "", 5, {}, []])
def test_an_item_without_a_vm_has_no_spelling(bad: object) -> None:
    """Nothing, and values of another type than text, name no VM."""
    assert source_vm(item(bad)) == ""
    assert spelling_of([], [item(bad), {"id": "/item"}, {"properties": None}]) == {}


def test_the_older_field_is_read_as_well() -> None:
    """An item may state its VM in virtualMachineId only."""
    assert source_vm(item(VM, "virtualMachineId")) == VM
