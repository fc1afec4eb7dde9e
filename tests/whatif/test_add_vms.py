"""More VMs like existing ones: their resources, names, policies, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import ConfigError
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.model.selectors import Selector
from optimizer.whatif.add_vms import add_vms
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.changes import AddVms
from tests.whatif.small import (
    A,
    B,
    estate_of,
    item,
    machine,
    policy_id,
    policy_of,
    standard_policy,
    three_vms,
    vm_id,
)

ESTATE = three_vms()


def added(count: int, estate: Estate = ESTATE, rules: Rules | None = None, **where: object) -> ChangedEstate:
    """Return an estate with copies of the selected VMs."""
    change = AddVms(Selector.model_validate(where), count)
    return add_vms(ChangedEstate(estate, rules or Rules()), change)


def names(ids: Sequence[str]) -> list[str]:
    """Return the last parts of ids."""
    return [vm.rpartition("/")[2] for vm in ids]


def test_copies_are_made_in_turn() -> None:
    """Three copies of two VMs: one of each, then the second of the first."""
    changed = added(3, service="shop")
    assert names(list(changed.copies)) == ["web-1-copy-1", "web-2-copy-1", "web-1-copy-2"]
    assert names(list(changed.copies.values())) == ["web-1", "web-2", "web-1"]


def test_a_copy_is_a_vm_like_its_original() -> None:
    """It has the same service, vault, policy and start, an item of its own, and its original stays as it is."""
    changed = added(1, name="web-1")
    inventory = changed.inventory()
    original, copy = (inventory.item_of_vm(vm_id(name)) for name in ("web-1", "web-1-copy-1"))
    assert original is not None
    assert copy is not None
    assert (inventory.vm(copy).service, inventory.vm(copy).name) == ("shop", "web-1-copy-1")
    assert (copy.vault_id, copy.policy_id) == (original.vault_id, original.policy_id)
    assert copy.id != original.id
    assert len(inventory.items) == 4
    assert inventory.policy_sizes[ArmId(policy_id("nightly", A))] == 3


def test_everything_that_names_the_vm_names_the_copy() -> None:
    """Id, name, source, friendly name and container of the item are the copy's."""
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)], [item("web-1", "nightly", vault=A, friendlyName="web-1")]
    )
    resource = added(1, estate).estate.document.protected_items[1]
    container = "iaasvmcontainerv2;rg-app;web-1-copy-1"
    assert resource["name"] == f"VM;{container}"
    assert resource["id"].split("/")[-3:] == [f"IaasVMContainer;{container}", "protectedItems", f"VM;{container}"]
    properties = resource["properties"]
    assert properties["sourceResourceId"] == properties["virtualMachineId"] == vm_id("web-1-copy-1")
    assert properties["friendlyName"] == "web-1-copy-1"


def test_the_estate_itself_does_not_change() -> None:
    """The change is made to copies of the resources."""
    before = ESTATE.document.model_dump()
    assert added(2).estate.document != ESTATE.document
    assert ESTATE.document.model_dump() == before


def test_names_that_are_taken_are_left_out() -> None:
    """A VM that is called like the first copy gives the copy the next number."""
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)],
        [item("web-1", "nightly", vault=A)],
        vms=[machine("web-1"), machine("WEB-1-COPY-1")],
    )
    assert names(list(added(2, estate).copies)) == ["web-1-copy-2", "web-1-copy-3"]


def test_a_copy_of_a_copy_has_the_load_of_the_original() -> None:
    """Copies can be copied by a later change; each leads back to a VM that has a history."""
    once = added(1, name="web-1")
    twice = add_vms(once, AddVms(Selector(name="web-1-copy-1"), 1))
    assert names(list(twice.copies.values())) == ["web-1", "web-1"]
    assert len(twice.inventory().items) == 5
    assert len(twice.notes) == 2


def test_vms_without_a_resource_get_one() -> None:
    """An item whose VM the estate does not contain can be copied, too."""
    estate = estate_of([standard_policy("nightly", "23:00", vault=A)], [item("web-1", "nightly", vault=A)])
    (resource,) = added(1, estate).estate.document.vms
    assert (resource["id"], resource["name"]) == (vm_id("web-1-copy-1"), "web-1-copy-1")


def test_a_stated_service_is_copied() -> None:
    """A service that the source states outright goes with the copy."""
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)],
        [item("web-1", "nightly", vault=A)],
        vms=[machine("web-1", app="shop")],
        services={vm_id("web-1"): "front"},
    )
    inventory = added(1, estate).inventory()
    assert [inventory.vm(protected).service for protected in inventory.items] == ["front", "front"]


def test_full_policies_get_a_twin() -> None:
    """Two VMs are in a policy that takes two: three copies need two more policies, which no plan pays for."""
    changed = added(3, rules=Rules(policies=PolicyLimits(max_vms_per_policy=2)), service="shop")
    assert changed.policies_made == 2
    inventory = changed.inventory()
    assert sorted(size for key, size in inventory.policy_sizes.items() if key.vault == A) == [1, 2, 2]
    assert policy_of(inventory, "web-1") == policy_id("nightly", A)
    assert policy_of(inventory, "web-1-copy-1") != policy_id("nightly", A)
    assert any(note.startswith("2 policies must be created before any plan") for note in changed.notes)


def test_notes_have_the_numbers() -> None:
    """The number of copies and of originals, each with its noun."""
    one, three, many = added(1, name="web-1"), added(3, service="shop"), added(1200)
    assert one.notes[0].startswith("1 VM is added, a copy of 1 VM of the estate; each has the load history")
    assert three.notes[0].startswith("3 VMs are added, copies of 2 VMs of the estate")
    assert many.notes[0].startswith("1,200 VMs are added, copies of 3 VMs")
    assert added(2, vault="vault-*").notes[0].startswith("2 VMs are added, copies of 2 VMs")


def test_a_vault_with_too_many_vms_is_reported() -> None:
    """1,000 more VMs are more than one vault protects."""
    notes = added(1000, service="shop").notes
    assert any(note.startswith("Warning: vault-a would protect up to 1,002 VMs") for note in notes)
    assert not any("vault-b" in note for note in notes)


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ({"service": "shp"}, "there is no service 'shp'; did you mean 'shop'?"),
        ({"service": "billing"}, "there is no service 'billing'; allowed: 'db', 'shop'"),
        ({"vault": "vault-c"}, "there is no vault 'vault-c'; did you mean 'vault-"),
        ({"service": "shop", "vault": "vault-b"}, "loosen a criterion; names may contain * and ?"),
        ({"name": "none"}, "loosen a criterion"),
    ],
)
def test_a_selector_that_selects_nothing_is_a_mistake(where: dict[str, str], hint: str) -> None:
    """The message repeats the change and says which service or vault may be meant."""
    with pytest.raises(ConfigError) as caught:
        added(2, **where)
    assert str(caught.value).startswith("what if 'add-vms=")
    assert f"it selects no VM with a schedule; {hint}" in str(caught.value)


def test_vms_that_must_not_be_written_are_not_copied() -> None:
    """A VM that waits for its first backup has nothing to copy; alone, it cannot be selected."""
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)],
        [item("web-1", "nightly", vault=A), item("web-2", "nightly", vault=A, protectionState="IRPending")],
    )
    assert names(list(added(2, estate).copies)) == ["web-1-copy-1", "web-1-copy-2"]
    with pytest.raises(ConfigError, match="it selects no VM with a schedule"):
        added(1, estate, name="web-2")


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 3))
def test_every_copy_is_protected_once(count: int, most: int) -> None:
    """Whatever the number and the room, each copy is one VM with one item, and policies keep their limit."""
    changed = added(count, rules=Rules(policies=PolicyLimits(max_vms_per_policy=most)), service="shop")
    inventory = changed.inventory()
    assert len(changed.copies) == count
    assert len(inventory.items) == 3 + count
    assert {inventory.vm(protected).id for protected in inventory.items} >= set(changed.copies)
    sizes = {key: size for key, size in inventory.policy_sizes.items() if key != policy_id("nightly", A)}
    assert all(size <= most for size in sizes.values())
    assert len(inventory.policies) == 2 + changed.policies_made
    assert all(key.vault == A for key in inventory.policies if key != policy_id("nightly", B))
