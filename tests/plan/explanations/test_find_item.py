"""A VM is found by name or id, and a message helps where none is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.errors import DataError
from optimizer.plan.explanations.find_item import find_item
from tests.plan.three_vms import WEB_1, the_case
from tests.whatif.small import A, B, estate_of, item, standard_policy, vm_id

INVENTORY = the_case().inventory


@pytest.mark.parametrize("vm", ["web-1", "WEB-1", vm_id("web-1"), vm_id("web-1").upper()])
def test_a_vm_is_found_by_name_and_id_in_any_case(vm: str) -> None:
    """Azure compares names and ids without case."""
    assert find_item(INVENTORY, vm) == WEB_1


def test_near_names_are_suggested() -> None:
    """A typing error leads to the names that are close to it."""
    with pytest.raises(DataError, match=r"no VM has the name or ARM id 'wbe-1'; did you mean 'web-1'"):
        find_item(INVENTORY, "wbe-1")


def test_a_name_of_several_vms_asks_for_the_id() -> None:
    """Both ids are listed."""
    items = [item("same", "nightly", vault=A), item("other", "nightly", vault=B)]
    found = estate_of([standard_policy("nightly", "23:00", vault=v) for v in (A, B)], items).inventory()
    twice = replace(found, vms={vm: replace(known, name="same") for vm, known in found.vms.items()})
    with pytest.raises(DataError, match=r"'same' is the name of 2 VMs; give the id of one: .*same.*other|other.*same"):
        find_item(twice, "same")


def test_a_vm_outside_the_plan_is_told_why() -> None:
    """An item without scheduled backups, and a VM without a policy, are not spelling mistakes."""
    (web_1, *others) = (INVENTORY.items[row] for row in (WEB_1, 0, 2))
    stopped = replace(INVENTORY, items=tuple(others), idle_items=(replace(web_1, unwritable="soft-deleted"),))
    with pytest.raises(
        DataError, match=r"'web-1' is protected \(policy 'nightly'\) but not part of the plan: soft-del"
    ):
        find_item(stopped, "web-1")
    with pytest.raises(DataError, match="in the estate but not part of the plan: no policy backs it up"):
        find_item(replace(INVENTORY, items=tuple(others)), "web-1")
