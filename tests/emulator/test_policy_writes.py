"""Creation, change and deletion of policies."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.emulator.policy_writes import TYPE, PolicyWrites
from optimizer.emulator.refusal import Refusal
from tests.emulator.cloud import NOW, VAULT, estate, properties_of, serving, state_of
from tests.plan.estates import hourly_policy, item, policy_id, standard_policy
from tests.rollout.small_rollouts import weekly_policy


def refused(properties: dict[str, Any], name: str = "new-policy", **settings: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        state_of(**settings).put_policy(policy_id(name), {"properties": properties})
    return raised.value


DAILY = properties_of("p", "21:00")
HOURLY = hourly_policy("p", "08:00", 0)["properties"]


def test_the_sub_type_stays() -> None:
    """A Standard policy cannot become an Enhanced one."""
    refusal = refused(HOURLY, "daily-2200")
    assert (refusal.status, refusal.code) == (400, "BMSUserErrorPolicySubTypeChangeNotSupported")


def test_a_change_of_frequency_is_taken_and_flagged() -> None:
    """Azure lets a policy go from daily to weekly; the state remembers that somebody did it."""
    state = state_of()
    properties = weekly_policy("p", "21:00", ["Sunday"])["properties"]
    state.put_policy(policy_id("daily-2200"), {"properties": properties})
    assert state.flags == [f"{policy_id('daily-2200')}: from daily to weekly"]


def test_the_vault_is_full_with_its_last_policy() -> None:
    """No policy beyond the limit is created, while those that are there can be edited."""
    state = state_of(max_policies_per_vault=6)
    state.put_policy(policy_id("sixth"), {"properties": DAILY})
    with pytest.raises(Refusal, match="BMSUserErrorMaxPolicyLimitReached"):
        state.put_policy(policy_id("seventh"), {"properties": DAILY})
    assert state.put_policy(policy_id("sixth"), {"properties": DAILY}).status == 200


@pytest.mark.parametrize(("scope", "elsewhere"), [("vault", 200), ("subscription", 429)])
def test_policy_writes_are_counted_over_24_hours(scope: str, elsewhere: int) -> None:
    """The 51st write in 24 hours is turned away, in the vault or in the subscription, and taken a day later."""
    state = state_of(policy_writes_scope=scope)
    for number in range(50):
        state.put_policy(policy_id(f"new-{number}"), {"properties": DAILY})
        state.clock.sleep(60)
    with pytest.raises(Refusal) as raised:
        state.put_policy(policy_id("new-50"), {"properties": DAILY})
    assert raised.value.status == 429
    other = {"properties": properties_of("p", "21:00")}
    try:
        status = state.put_policy(policy_id("there", VAULT.replace("one", "two")), other).status
    except Refusal as refusal:
        status = refusal.status
    assert status == elsewhere
    state.clock.sleep(24 * 3600 - 50 * 60 + 1)
    assert state.put_policy(policy_id("new-50"), {"properties": DAILY}).status == 200


def test_what_is_refused_costs_nothing_of_the_budget() -> None:
    """Only writes that were accepted are counted."""
    state = state_of(policy_writes_per_day=1)
    with pytest.raises(Refusal):
        state.put_policy(policy_id("bad name"), {"properties": DAILY})
    assert state.put_policy(policy_id("good-name"), {"properties": DAILY}).status == 200


def test_a_policy_of_items_cannot_be_deleted() -> None:
    """A policy goes only when it protects nothing; deleting it again is no error."""
    state = state_of()
    with pytest.raises(Refusal, match="400 BMSUserErrorPolicyInUse"):
        state.delete_policy(policy_id("daily-2000"))
    assert state.delete_policy(policy_id("daily-2200")).status == 200
    assert state.delete_policy(policy_id("daily-2200")).status == 204
    assert [write.method for write in state.writes] == ["DELETE"]


def test_the_service_keeps_count_etag_and_unknown_fields() -> None:
    """A written policy shows its own count of items, a new eTag, and the unknown fields that were sent."""
    state = state_of(estate(policies=[standard_policy("p-1", "20:00", items=9)], items=[item("vm-1", "p-1")]))
    for time in ("21:00", "21:30"):
        body = {"properties": {**properties_of("p-1", time, items=400), "newField": {"a": None}}}
        operation = state.put_policy(policy_id("p-1"), body).operation
        assert operation is not None
        state.operation(operation.id)
        state.operation(operation.id)
    policy = state.policy(policy_id("P-1"))
    assert policy is not None and policy["eTag"]
    assert policy["properties"]["protectedItemsCount"] == 9
    assert policy["properties"]["newField"] == {"a": None}
    assert policy["properties"]["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T21:30:00Z"]


def test_a_new_policy_is_there_at_once() -> None:
    """Over the wire: a policy without items is written with 200, and read back by the real client."""
    with serving() as cloud:
        status, _ = cloud.put_policy("new-policy", DAILY)
        read = cloud.backup.protection_policies.get(
            "rsv-one", cloud.emulator.state.contents.vaults[VAULT.lower()]["id"].split("/")[4], "NEW-policy"
        )
    assert status == 200
    assert read.as_dict()["properties"] == {**DAILY, "protectedItemsCount": 0}
    assert read.id == policy_id("new-policy")


def test_an_unknown_vault_holds_no_policy() -> None:
    """Writing into a vault that is not there is a 404."""
    with pytest.raises(Refusal) as raised:
        state_of().put_policy(policy_id("p-1", VAULT + "x"), {"properties": DAILY})
    assert raised.value.status == 404


def test_a_new_policy_gets_the_id_of_its_vault() -> None:
    """Id, name and type are the service's own; its request to the guard and its count are not stored as sent."""
    state = state_of()
    writes = PolicyWrites(state.contents, state.operations, state.settings)
    sent = {**DAILY, "resourceGuardOperationRequests": ["/x"], "protectedItemsCount": 7}
    writes.check(policy_id("New-policy").upper(), sent, NOW)
    writes.store(policy_id("New-policy", VAULT.upper()), sent, "etag")
    stored = state.contents.policies[policy_id("new-policy").lower()]
    assert stored == {
        "id": f"{VAULT}/backupPolicies/New-policy",
        "name": "New-policy",
        "type": TYPE,
        "eTag": "etag",
        "properties": {**DAILY, "protectedItemsCount": 0},
    }


def test_a_refused_change_of_frequency_is_not_flagged() -> None:
    """Only writes that are accepted can be held against their sender."""
    state = state_of(policy_writes_per_day=0)
    with pytest.raises(Refusal, match="429"):
        state.put_policy(policy_id("daily-2200"), weekly_policy("p", "21:00", ["Sunday"]))
    assert state.flags == []


@pytest.mark.parametrize(("items", "words"), [(1, "with 1 protected item."), (2, "with 2 protected items.")])
def test_a_policy_in_use_states_how_many_items_it_has(items: int, words: str) -> None:
    """The number has its right plural."""
    state = state_of(estate(policies=[standard_policy("p-1", "20:00", items=items)], items=[]))
    with pytest.raises(Refusal, match=words):
        state.delete_policy(policy_id("p-1"))
