"""Resources of the emulated service, and what Resource Graph knows of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from optimizer.emulator.contents import Contents, View, Views
from tests.emulator.cloud import NOW, OTHER_VAULT, VAULT, estate, item_id
from tests.plan.estates import item, policy_id, standard_policy


def test_a_vault_may_exist_in_ids_only() -> None:
    """Objects of a vault that is not listed have a vault all the same; what is listed wins."""
    document = estate(policies=[standard_policy("p", "20:00", vault=OTHER_VAULT)], items=[])
    contents = Contents(document.model_copy(update={"vaults": document.vaults[:1]}))
    assert list(contents.vaults) == [OTHER_VAULT.lower(), VAULT.lower()]
    assert contents.vaults[OTHER_VAULT.lower()]["name"] == "rsv-two"
    assert contents.vaults[VAULT.lower()] == document.vaults[0]


def test_resources_without_an_id_are_dropped() -> None:
    """Nothing could ask for them."""
    assert Contents(estate(policies=[{"name": "x"}], items=[])).policies == {}


def test_items_are_counted_by_the_service_or_by_their_ids() -> None:
    """The larger number counts, because the service's own count may include items that are not listed."""
    policies = [
        standard_policy("more", "20:00", items=9),
        standard_policy("fewer", "20:00", items=0),
        standard_policy("odd", "20:00"),
    ]
    policies[2]["properties"]["protectedItemsCount"] = "many"
    contents = Contents(estate(policies=policies, items=[item("vm-1", "fewer"), item("vm-2", "odd")]))
    assert [contents.item_count(policy_id(name)) for name in ("more", "fewer", "odd", "missing")] == [9, 1, 1, 0]
    assert contents.largest_policy() == 9
    assert Contents(estate(policies=[], items=[])).largest_policy() == 0


def test_changes_replace_resources() -> None:
    """A resource that was read before keeps its old properties; the others are kept."""
    contents = Contents(estate())
    before = contents.items[item_id("vm-1").lower()]
    contents.change_item(item_id("VM-1"), policyName="x")
    after = contents.items[item_id("vm-1").lower()]
    assert before["properties"]["policyName"] == "daily-2000"
    assert after == {**before, "properties": {**before["properties"], "policyName": "x"}}
    contents.change_policy(policy_id("DAILY-2000"), timeZone="UTC+1")
    contents.change_policy(policy_id("missing"), timeZone="UTC+1")
    assert contents.policies[policy_id("daily-2000").lower()]["properties"]["timeZone"] == "UTC+1"
    assert policy_id("missing").lower() not in contents.policies
    with pytest.raises(KeyError):
        contents.change_item(item_id("missing"))


def test_the_contents_are_an_estate_again() -> None:
    """Unchanged contents give the document back; a change is in the next one."""
    document = estate()
    contents = Contents(document)
    assert contents.document() == document
    contents.attached.append({"id": "lock"})
    assert contents.document().vault_settings == ({"id": "lock"},)


def test_a_vault_has_its_own_policies_and_items() -> None:
    """Objects of another vault, and an item's missing policy, are not mixed in."""
    contents = Contents(estate())
    assert [policy["name"] for policy in contents.policies_in(OTHER_VAULT.upper())] == ["elsewhere"]
    assert len(list(contents.items_in(VAULT))) == 3 and list(contents.items_in(OTHER_VAULT)) == []
    assert contents.policy_of(item("vm-1", "missing")) is None
    assert (contents.policy_of(item("vm-1", "daily-2200")) or {})["name"] == "daily-2200"


def test_resource_graph_knows_the_past() -> None:
    """With a lag of 60 s, a change shows 60 s later; without any lag, at once."""
    contents = Contents(estate())
    late, at_once = Views(contents, 60, NOW), Views(contents, 0, NOW)
    before = View.of(contents)
    contents.change_item(item_id("vm-1"), policyName="x")
    for views in (late, at_once):
        views.remember(NOW + timedelta(seconds=10))
    after = View.of(contents)
    seconds = [0, 30, 69, 70, 1000]
    assert [late.at(NOW + timedelta(seconds=s)) == after for s in seconds] == [False, False, False, True, True]
    assert Views(contents, 60, NOW).at(NOW) == after != before
    assert at_once.at(NOW + timedelta(seconds=10)) == after
