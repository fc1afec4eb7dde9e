"""The judge of intermediate states: silent on what is right, loud on each fault that is put into a state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.rehearse.state_judge import StateJudge, check_gaps, check_items
from tests.plan.estates import hourly_policy, item, policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import World, weekly_policy, world

POLICIES = [
    standard_policy("one", "01:00"),
    standard_policy("two", "05:00"),
    standard_policy("far", "12:00"),
    standard_policy("odd", "12:00", count=7),
]
PLACES = {"a": "one", "b": "one", "c": "two", "d": "two", "e": "two"}
RULES = Rules(
    policies=PolicyLimits(max_vms_per_policy=3, max_policies_per_vault=5),
    rule=(
        Rule(name="three at once", max_concurrent=3),
        Rule(name="four of a vault", max_concurrent=4, per="vault"),
        Rule(name="no noon", forbid=(Window(start=720, end=780, zone="UTC"),), where=Selector(name="a")),
        Rule(name="not at five", forbid=(Window(start=300, end=360, zone="UTC"),), where=Selector(name="c")),
        Rule(name="stays", pin=True, where=Selector(name="b")),
    ),
)


def given() -> World:
    return world(POLICIES, PLACES, {}, RULES, **dict.fromkeys(PLACES, "shop"))


def on(inventory: Inventory, vm: str, policy: str) -> Inventory:
    items = [replace(one, policy_id=policy_id(policy)) if one.vm_id == vm_id(vm) else one for one in inventory.items]
    return replace(inventory, items=tuple(items))


def with_policy(inventory: Inventory, policy: Policy) -> Inventory:
    return replace(inventory, policies={**inventory.policies, policy.id.lower(): policy})


def policy_of(inventory: Inventory, name: str) -> Policy:
    return inventory.policies[policy_id(name).lower()]


def edited(inventory: Inventory, name: str, **changes: Any) -> Inventory:
    return with_policy(inventory, replace(policy_of(inventory, name), **changes))


def more_policies(inventory: Inventory, count: int) -> Inventory:
    for number in range(count):
        name = f"new-{number}"
        inventory = with_policy(inventory, replace(policy_of(inventory, "far"), id=policy_id(name), name=name))
    return inventory


def test_today_and_single_steps_that_keep_everything_pass() -> None:
    """Today's state passes, though it breaks a rule; so do a move, an edit and a new policy."""
    before = given().inventory
    for now in (before, on(before, "d", "far"), edited(before, "far", start=26), more_policies(before, 1)):
        assert StateJudge(before, RULES).faults(now) == []


FAULTS: dict[str, tuple[Callable[[Inventory], Inventory], str]] = {
    "a full policy": (lambda now: on(on(now, "d", "one"), "e", "one"), "policy 'one' protects 4 VMs"),
    "too many policies": (lambda now: more_policies(now, 2), "vault 'rsv-one' holds 6 policies"),
    "no twin": (lambda now: on(now, "d", "odd"), "policy 'odd' is not a twin of 'two'"),
    "another retention": (lambda now: edited(now, "two", twin_key="other"), "more than its time has changed"),
    "a VM lost": (lambda now: replace(now, items=now.items[:-1]), "is no longer backed up"),
    "against a rule": (lambda now: on(now, "a", "far"), "12:00 breaks rule 'no noon'"),
    "onto a broken rule": (lambda now: edited(now, "two", start=11), "05:30 breaks rule 'not at five'"),
    "pinned": (lambda now: on(now, "b", "far"), "has moved although it must stay"),
    "over a cap": (lambda now: edited(now, "one", start=8), "rule 'three at once': 5 windows of 'shop' overlap"),
    "over a vault's cap": (lambda now: edited(now, "one", start=8), "rule 'four of a vault': 5 windows"),
    "another vault": (
        lambda now: replace(now, items=tuple(replace(one, id=one.id + "2") for one in now.items)),
        "is protected elsewhere",
    ),
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_found(fault: Callable[[Inventory], Inventory], said: str) -> None:
    """Each single fault in a state is named."""
    before = given().inventory
    faults = StateJudge(before, RULES).faults(fault(before))
    assert any(said in text for text in faults), faults


def test_the_limit_of_an_estate_with_a_large_policy_is_its_size() -> None:
    """By default a policy of today may grow to the largest one, and a created one to 100 VMs."""
    policies = [standard_policy("one", "01:00", items=104), standard_policy("two", "05:00")]
    before = world(policies, {f"vm{n}": "two" for n in range(103)}, {}, Rules()).inventory
    grown = replace(policy_of(before, "two"), items_reported=104)
    too_large = replace(grown, items_reported=105)
    created = replace(policy_of(before, "one"), id=policy_id("new"), name="new", items_reported=101)
    assert StateJudge(before, Rules()).faults(with_policy(before, grown)) == []
    assert StateJudge(before, Rules()).faults(with_policy(before, too_large)) == ["policy 'two' protects 105 VMs"]
    assert StateJudge(before, Rules()).faults(with_policy(before, created)) == ["policy 'new' protects 101 VMs"]


def test_an_edited_default_policy_is_a_fault() -> None:
    """The time of ``EnhancedPolicy``, in any case of letters, must not change."""
    before = world([standard_policy("ENHANCEDPolicy", "01:00")], {"a": "ENHANCEDPolicy"}, {}, Rules()).inventory
    (fault,) = StateJudge(before, Rules()).faults(edited(before, "ENHANCEDPolicy", start=8))
    assert "one of Azure's default policies" in fault


def test_what_is_over_a_limit_today_may_stay_but_not_grow() -> None:
    """Three VMs where two are allowed, in a policy and under a cap: they may stay, a fourth is a fault."""
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=2), rule=(Rule(name="two at once", max_concurrent=2),))
    before = given().inventory
    assert StateJudge(before, rules).faults(on(before, "c", "far")) == []
    faults = StateJudge(before, rules).faults(on(before, "a", "two"))
    assert faults[0] == "policy 'two' protects 4 VMs"
    assert any("two at once" in text for text in faults)


def test_an_unwritable_item_may_not_move() -> None:
    """An item whose first backup is pending is not moved."""
    before = given().inventory
    pending = replace(
        before,
        items=tuple(
            replace(one, unwritable="initial backup pending" * (one.vm_id == vm_id("d"))) for one in before.items
        ),
    )
    assert "must stay" in StateJudge(pending, RULES).faults(on(pending, "d", "far"))[0]


def test_items_keep_all_but_their_policy() -> None:
    """Disk exclusion, state and VM of an item stay; no item is left without a policy."""
    disks = {"diskExclusionProperties": {"diskLunList": [1], "isInclusionList": True}}
    before = [item("a", "one", extendedProperties=disks), item("b", "one")]
    moved = [item("a", "two", extendedProperties=disks), item("b", "two", extendedProperties=None)]
    assert check_items(before, moved) == []
    lost, stopped, gone = copy.deepcopy(moved), copy.deepcopy(moved), moved[:1]
    del lost[0]["properties"]["extendedProperties"]
    stopped[1]["properties"] |= {"policyId": "", "protectionState": "ProtectionStopped"}
    assert "extendedProperties has changed" in check_items(before, lost)[0]
    assert [text.rpartition(": ")[2][:12] for text in check_items(before, stopped)] == ["has no polic", "protectionSt"]
    assert "is gone" in check_items(before, gone)[0]


@pytest.mark.parametrize(
    ("old", "new", "is_fault"),
    [
        ("ProtectionError", "Protected", False),
        ("IRPending", "Protected", False),
        ("Invalid", "Protected", False),
        (None, "Protected", False),
        ("protected", "Protected", False),
        ("Protected", "ProtectionError", True),
        ("Protected", "ProtectionStopped", True),
        ("ProtectionStopped", "Protected", True),
        ("BackupsSuspended", "Protected", True),
    ],
)
def test_what_the_service_changes_by_itself_is_no_fault(old: str | None, new: str, *, is_fault: bool) -> None:
    """A backup that succeeds ends an error and a pending first backup; nothing else changes the state."""
    before, now = item("a", "one", protectionState=old), item("a", "one", protectionState=new)
    assert bool(check_items([before], [now])) is is_fault


START = datetime(2026, 2, 18, 23, 40, tzinfo=UTC)


def points(*hours: float) -> list[datetime]:
    return [START + timedelta(hours=h) for h in hours]


def test_gaps_between_recovery_points() -> None:
    """The longest gap of each VM is held against its RPO, by default the widest spacing and 12 h."""
    policies = [
        standard_policy("daily", "23:00"),
        weekly_policy("weekly", "23:00", ["Sunday"]),
        hourly_policy("h", "08:00", 1),
    ]
    short = Rule(name="short", rpo_hours=30, where=Selector(name="strict"))
    tiny = Rule(name="tiny", rpo_hours=2, where=Selector(name="tiny"))
    rules = Rules(rule=(short, tiny))
    places = {"a": "daily", "strict": "daily", "tiny": "daily", "w": "weekly", "h": "h"}
    inventory = world(policies, places, {}, rules).inventory
    kept = {
        vm_id("a").upper(): points(0, 24, 60),
        vm_id("strict"): points(54, 24, 0),
        vm_id("tiny"): points(0, 26),
        vm_id("w"): points(0, 180),
        vm_id("h"): points(0, 4, 28),
        vm_id("unknown"): points(0, 1000),
    }
    assert check_gaps(kept, rules, inventory) == []
    broken = {
        vm_id("a"): points(0, 36.5),
        vm_id("strict"): points(0, 24, 54.5),
        vm_id("tiny"): points(0, 26.5),
        vm_id("w"): points(0, 181),
        vm_id("h"): points(0, 25),
    }
    faults = check_gaps(broken, rules, inventory)
    assert [text.partition(": ")[2].split()[0] for text in faults] == ["36.5", "30.5", "26.5", "181", "25"]
    assert faults[1].endswith("30.5 h without a recovery point from 2026-02-19 23:40 UTC; the limit is 30 h")
