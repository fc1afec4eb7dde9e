"""Policies for VMs that a scenario brings to a vault."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Policy
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.whatif.policy_room import PolicyRoom, assign
from tests.plan.estates import sql_policy
from tests.whatif.small import A, B, estate_of, item, policy_id, standard_policy, vault

VAULT_A, VAULT_B = ArmId(A), ArmId(B)


def room_of(most: int = 2, name: str | None = None) -> PolicyRoom:
    """Return three policies of vault A, the first two twins of two VMs and one, and none of vault B."""
    estate = estate_of(
        [
            standard_policy("nightly", "23:00", items=2, vault=A),
            standard_policy("nightly-2", "23:00", items=1, vault=A),
            standard_policy("nightly-long", "23:00", count=365, vault=A),
        ],
        [
            item("web-1", "nightly", vault=A),
            item("web-2", "nightly", vault=A),
            item("web-3", "nightly-2", vault=A),
            item("erp-1", "nightly-long", vault=A),
        ],
    )
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=most, name=name))
    return PolicyRoom(estate.document, estate.inventory(), rules)


def policy(room: PolicyRoom, name: str) -> Policy:
    """Return a policy of vault A."""
    return room.inventory.policies[ArmId(policy_id(name, A))]


def test_the_policy_itself_comes_first() -> None:
    """A VM joins the policy of its original if there is room, although a twin is fuller."""
    room = room_of(most=3)
    assert room.join(policy(room, "nightly-2"), VAULT_A)["name"] == "nightly-2"
    assert room.created.total() == 0


def test_a_full_policy_sends_vms_to_its_fullest_twin() -> None:
    """Both twins have the same schedule and retention; the policy with another retention is none."""
    room = room_of()
    joined = room.join(policy(room, "nightly"), VAULT_A)
    assert joined["name"] == "nightly-2"
    assert joined["properties"]["protectedItemsCount"] == 2


def test_a_twin_is_created_when_all_are_full() -> None:
    """It has the same properties and a free name, no VM but the new one, and takes further VMs."""
    room = room_of()
    nightly = policy(room, "nightly")
    room.join(nightly, VAULT_A)
    created = room.join(nightly, VAULT_A)
    assert room.join(nightly, VAULT_A) is created
    assert created["name"] not in {"nightly", "nightly-2", "nightly-long"}
    assert created["id"] == policy_id(created["name"], A)
    assert created["properties"]["protectedItemsCount"] == 2
    assert created["properties"]["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T23:00:00Z"]
    assert room.created == {VAULT_A: 1}
    assert room.join(nightly, VAULT_A)["name"] != created["name"]
    assert room.created == {VAULT_A: 2}


def test_a_policy_of_another_vault_keeps_its_name_where_it_is_free() -> None:
    """The twin in vault B is called like the policy in vault A, and its retention is the same."""
    room = room_of()
    created = room.join(policy(room, "nightly-long"), VAULT_B)
    assert created["id"] == policy_id("nightly-long", B)
    assert created["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] == 365
    assert room.created == {VAULT_B: 1}


def test_the_estate_keeps_its_own_resources() -> None:
    """The estate's resources are copied before counts change; new policies come after those of the estate."""
    estate = estate_of([standard_policy("nightly", "23:00", items=1, vault=A)], [item("web-1", "nightly", vault=A)])
    room = PolicyRoom(estate.document, estate.inventory(), Rules(policies=PolicyLimits(max_vms_per_policy=2)))
    nightly = room.inventory.policies[ArmId(policy_id("nightly", A))]
    room.join(nightly, VAULT_A)
    room.join(nightly, VAULT_A)
    assert estate.document.policies[0]["properties"]["protectedItemsCount"] == 1
    first, second = room.resources().values()
    assert (first["name"], second["name"] != "nightly") == ("nightly", True)


def test_a_count_that_azure_did_not_give_is_not_made_up() -> None:
    """A policy without ``protectedItemsCount`` stays without it, and its twin too."""
    estate = estate_of([standard_policy("nightly", "23:00", vault=A)], [item("web-1", "nightly", vault=A)])
    room = PolicyRoom(estate.document, estate.inventory(), Rules(policies=PolicyLimits(max_vms_per_policy=1)))
    created = room.join(room.inventory.policies[ArmId(policy_id("nightly", A))], VAULT_A)
    assert "protectedItemsCount" not in created["properties"]


def test_names_of_other_workloads_are_taken() -> None:
    """A policy for SQL has a name, although no VM can join it."""
    estate = estate_of(
        [standard_policy("nightly", "23:00", items=1, vault=A), {**sql_policy("x"), "id": policy_id("nightly", B)}],
        [item("web-1", "nightly", vault=A)],
        vaults=[vault(A), vault(B)],
    )
    room = PolicyRoom(estate.document, estate.inventory(), Rules())
    created = room.join(room.inventory.policies[ArmId(policy_id("nightly", A))], VAULT_B)
    assert created["name"] != "nightly"


def test_the_template_of_the_rules_names_new_policies() -> None:
    """``policies.name`` applies where the name is taken, as in a plan."""
    room = room_of(most=1, name="bkp-{time}")
    assert room.join(policy(room, "nightly"), VAULT_A)["name"] == "bkp-2300"


@given(st.integers(1, 4), st.integers(1, 30))
def test_no_policy_gets_too_many_vms(most: int, arriving: int) -> None:
    """However many VMs arrive, each policy that takes one stays within the limit, and few policies are created."""
    room = room_of(most)
    joined = [room.join(policy(room, "nightly"), VAULT_A)["name"] for _ in range(arriving)]
    before = {"nightly": 2, "nightly-2": 1}
    assert all(joined.count(name) + before.get(name, 0) <= most for name in set(joined))
    left = max(0, most - 2) + max(0, most - 1)
    assert room.created.total() == max(0, -(-(arriving - left) // most))


def test_an_item_gets_its_policy() -> None:
    """The name of the policy is only set where the item has one."""
    properties: dict[str, object] = {"policyId": "old", "policyName": "old"}
    assign(properties, standard_policy("nightly", "23:00", vault=A))
    assert properties == {"policyId": policy_id("nightly", A), "policyName": "nightly"}
    bare: dict[str, object] = {}
    assign(bare, standard_policy("nightly", "23:00", vault=A))
    assert bare == {"policyId": policy_id("nightly", A)}
