"""Assignments of protected items to policies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from optimizer.emulator.item_writes import ItemWrites
from optimizer.emulator.settings import EmulatorSettings
from tests.emulator.cloud import (
    OTHER_VAULT,
    assign,
    assignment,
    estate,
    item_id,
    refused_assignment,
    serving,
    state_of,
)
from tests.plan.estates import item, policy_id, standard_policy, vm_id

EXCLUSION = {"diskExclusionProperties": {"diskLunList": [0, 1], "isInclusionList": True}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"policyId": policy_id("missing")},
        {"policyId": policy_id("elsewhere", OTHER_VAULT)},
        {"policyId": policy_id("hourly")},
        {"policyId": policy_id("sql")},
        {"policyId": None},
        {"sourceResourceId": vm_id("vm-2")},
        {"protectedItemType": "AzureIaaSVMProtectedItem"},
    ],
)
def test_wrong_assignments_are_refused(wrong: dict[str, object]) -> None:
    """An unknown policy, one of another vault, sub-type or workload, another VM and a wrong type: 400."""
    state = state_of()
    assert refused_assignment(state, "vm-1", "daily-2200", **wrong).status == 400
    assert state.writes == []


def test_the_policy_is_full_with_its_hundredth_item() -> None:
    """The 101st item is refused, also while others are only on their way; where it is already, it may stay."""
    names = [f"vm-{number}" for number in range(102)]
    items = [item(name, "full" if number < 99 else "other") for number, name in enumerate(names)]
    policies = [standard_policy("full", "20:00", items=99), standard_policy("other", "21:00", items=3)]
    state = state_of(estate(policies=policies, items=items))
    state.put_item(item_id("vm-99"), {"properties": assignment("vm-99", "full")})
    assert refused_assignment(state, "vm-100", "full").code == "BMSUserErrorMaxItemsPerPolicyLimitReached"
    assign(state, "vm-0", "full")
    assign(state, "vm-0", "other")
    state.advance(state.clock.now() + timedelta(hours=1))
    assign(state, "vm-100", "full")
    counts = [
        state.contents.policies[policy_id(name).lower()]["properties"]["protectedItemsCount"]
        for name in ("full", "other")
    ]
    assert counts == [100, 2]


@pytest.mark.parametrize(("size", "limit"), [(130, 130), (99, 100), (1003, 1000)])
def test_policies_of_the_estate_hold_as_many_as_the_largest(size: int, limit: int) -> None:
    """A policy of 130 items shows that the estate may; a created one still takes 100, and none more than 1,000."""
    items = [item(f"vm-{number}", "large") for number in range(size)]
    items += [item(f"to-{number}", "other") for number in range(2)]
    policies = [
        standard_policy("large", "20:00", items=size),
        standard_policy("full", "21:00", items=limit),
        standard_policy("fits", "21:00", items=limit - 1),
        standard_policy("other", "22:00", items=2),
    ]
    state = state_of(estate(policies=policies, items=items))
    assert refused_assignment(state, "to-0", "full").code == "BMSUserErrorMaxItemsPerPolicyLimitReached"
    assign(state, "to-1", "fits")
    body = {key: value for key, value in policies[0]["properties"].items() if key != "protectedItemsCount"}
    state.put_policy(policy_id("created"), {"properties": body})
    created = state.contents.policies[policy_id("created").lower()]
    state.contents.policies[policy_id("created").lower()] = {
        **created,
        "properties": {**created["properties"], "protectedItemsCount": 100},
    }
    assert refused_assignment(state, "to-0", "created").code == "BMSUserErrorMaxItemsPerPolicyLimitReached"


def test_an_empty_policy_stops_the_protection() -> None:
    """The service does what the request says: backups stop, whoever did not mean it."""
    state = state_of()
    assign(state, "vm-1", "daily-2000", policyId="")
    properties = state.contents.items[item_id("vm-1").lower()]["properties"]
    assert (properties["protectionState"], properties["policyId"]) == ("ProtectionStopped", "")
    state.clock.sleep(86400)
    assert {
        job["properties"]["entityFriendlyName"] for job in state.jobs if job["properties"]["operation"] == "Backup"
    } == {
        "vm-2",
        "vm-3",
    }


def test_a_disk_exclusion_that_is_not_sent_is_lost() -> None:
    """The worst reading of an uncertain fact: what keeps ``extendedProperties`` is to send them."""
    state = state_of(estate(items=[item("vm-1", "daily-2000", extendedProperties=EXCLUSION)]))
    assign(state, "vm-1", "daily-2200", extendedProperties=EXCLUSION)
    assert state.contents.items[item_id("vm-1").lower()]["properties"]["extendedProperties"] == EXCLUSION
    assign(state, "vm-1", "daily-2000")
    assert "extendedProperties" not in state.contents.items[item_id("vm-1").lower()]["properties"]


def test_an_item_moves_with_name_and_counts() -> None:
    """Policy id, policy name and both counts follow; the VM and what else the service knows stay."""
    state = state_of()
    assign(state, "vm-1", "daily-2200")
    found = state.item(item_id("VM-1"), extended=True)
    assert found is not None
    assert found["properties"]["policyName"] == "daily-2200"
    assert found["properties"]["extendedInfo"] == {"recoveryPointCount": 0, "policyInconsistent": False}
    counts = [
        state.contents.policies[policy_id(name).lower()]["properties"]["protectedItemsCount"]
        for name in ("daily-2000", "daily-2200")
    ]
    assert counts == [2, 1]
    assert [(write.method, write.object_id) for write in state.writes] == [("PUT", item_id("vm-1"))]


def test_configuring_is_limited_per_day() -> None:
    """More changes of protection in a vault than a day allows are turned away with 429."""
    state = state_of(protection_changes_per_day=2)
    assign(state, "vm-1", "daily-2200")
    assign(state, "vm-2", "daily-2200")
    assert refused_assignment(state, "vm-3", "daily-2200").status == 429


def test_the_client_sees_code_and_message() -> None:
    """Over the wire: the real client raises with the service's code, and the item is as it was."""
    with serving(settings=EmulatorSettings(operation_reads=0)) as cloud:
        with pytest.raises(HttpResponseError) as raised:
            cloud.put_item("vm-1", "missing")
        assert (raised.value.status_code, raised.value.error and raised.value.error.code) == (
            400,
            "BMSUserErrorPolicyNotFound",
        )
        assert cloud.get_item("vm-1")["policyId"] == policy_id("daily-2000")


def test_an_enhanced_policy_changes_the_type_of_its_items() -> None:
    """``policyType`` follows the new policy if the item states one; a stopped item is protected again."""
    items = [item("vm-1", "", policyType="V1", protectionState="ProtectionStopped"), item("vm-2", "")]
    state = state_of(estate(items=items))
    writes = ItemWrites(state.contents, state.operations, state.settings)
    for vm in ("vm-1", "vm-2"):
        writes.store(item_id(vm), assignment(vm, "hourly"))
    first, second = (state.contents.items[item_id(vm).lower()]["properties"] for vm in ("vm-1", "vm-2"))
    assert (first["policyType"], first["protectionState"], first["policyName"]) == ("V2", "Protected", "hourly")
    assert "policyType" not in second
    assert state.contents.item_count(policy_id("hourly")) == 2


def test_a_soft_deleted_item_is_not_assigned() -> None:
    """The item must be undeleted first."""
    state = state_of(estate(items=[item("vm-1", "daily-2000", isScheduledForDeferredDelete=True)]))
    assert refused_assignment(state, "vm-1", "daily-2200").code == "BMSUserErrorItemSoftDeleted"
