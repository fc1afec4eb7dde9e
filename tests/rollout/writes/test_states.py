"""States of policies and items: what is sent, and what counts as a difference."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.rollout.writes.states import (
    expected_after,
    is_as,
    is_made,
    item_body,
    item_state,
    policy_body,
    policy_state,
)
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, item, policy_id, standard_policy

POLICY = standard_policy("nightly", "23:00", items=3)
ITEM = item("a", "nightly", extendedProperties={"diskExclusionProperties": {"diskLunList": [1]}})
MOVE = Write(1, "reassign_item", VAULT, ITEM["id"], "a", item_body(ITEM, policy_id("late")), ITEM)
EDIT = Write(
    2,
    "edit_policy",
    VAULT,
    POLICY["id"],
    "nightly",
    {**policy_body(POLICY), "timeZone": "Tokyo Standard Time"},
    POLICY,
)
DELETION = Write(3, "delete_policy", VAULT, POLICY["id"], "nightly", {}, POLICY)


def with_properties(resource: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**resource, "properties": {**resource["properties"], **changes}}


def test_an_item_is_sent_with_its_disk_exclusion_and_never_without_a_policy() -> None:
    """Four fields at most; an empty policy would stop the protection, so it is refused."""
    assert set(MOVE.body) == {"protectedItemType", "sourceResourceId", "policyId", "extendedProperties"}
    assert MOVE.body["extendedProperties"] == ITEM["properties"]["extendedProperties"]
    assert "extendedProperties" not in item_body(item("b", "nightly"), "p")
    with pytest.raises(ValueError, match="no longer protected"):
        item_body(ITEM, "")


def test_counts_are_not_sent_and_are_no_difference() -> None:
    """What the service counts by itself changes all the time."""
    other = with_properties(POLICY, protectedItemsCount=99)
    assert "protectedItemsCount" not in policy_body(POLICY)
    assert policy_state(POLICY["properties"]) == policy_state(other["properties"])
    assert policy_state(POLICY["properties"]) != policy_state(with_properties(POLICY, timeZone="Tokyo")["properties"])


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"policyId": policy_id("nightly").upper()}, True),
        ({"protectionState": "ProtectionError"}, True),
        ({"lastBackupTime": "2026-02-18T00:00:00Z"}, True),
        ({"policyId": policy_id("late")}, False),
        ({"protectionState": "ProtectionStopped"}, False),
        ({"extendedProperties": None}, False),
        ({"isScheduledForDeferredDelete": True}, False),
    ],
)
def test_an_item_differs_in_policy_protection_and_disks_only(changes: dict[str, Any], same: bool) -> None:
    """The spelling of ids, the time of the last backup and passing errors are no difference."""
    assert (item_state(ITEM["properties"]) == item_state(with_properties(ITEM, **changes)["properties"])) is same


def test_a_write_is_made_if_its_object_is_as_it_leaves_it() -> None:
    """An item that was moved, an edited policy, and a policy that is gone."""
    for write in (MOVE, EDIT, DELETION):
        assert is_made(write, expected_after(write))
        assert not is_made(write, write.before)
    assert not is_made(MOVE, None)


def test_a_write_leaves_the_other_properties_of_an_item() -> None:
    """A policy is replaced as a whole; of an item, only what is sent changes."""
    assert expected_after(MOVE) == {**ITEM, "properties": {**ITEM["properties"], **MOVE.body}}
    assert expected_after(EDIT) == {"id": POLICY["id"], "name": "nightly", "properties": dict(EDIT.body)}
    assert expected_after(DELETION) is None


def test_two_objects_are_alike_or_both_do_not_exist() -> None:
    """An object that is gone is not as it was, and one that appeared is not absent."""
    assert is_as(MOVE, with_properties(ITEM, healthStatus="Passed"), ITEM)
    assert not is_as(MOVE, None, ITEM)
    assert not is_as(EDIT, POLICY, None)
    assert is_as(EDIT, None, None)
