"""The inventory: what is found by which id, and who holds a place where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from optimizer.model.inventory import (
    Inventory,
    Policy,
    ProtectedItem,
    SubType,
    Vault,
    Vm,
    describe_recurrence,
)
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import Frequency, Recurrence

VAULT = Vault("/Vaults/RSV-1", "RSV-1", other_policies=2)


def policy(name: str, items_reported: int | None = None, zone: str = "UTC") -> Policy:
    recurrence = Recurrence(Frequency.DAILY)
    return Policy(
        f"{VAULT.id}/Policies/{name}",
        name,
        VAULT.id.upper(),
        SubType.STANDARD,
        recurrence,
        46,
        zone,
        "k",
        {},
        items_reported,
    )


def item(vm: str, policy_name: str, *, runs: bool = True) -> ProtectedItem:
    return ProtectedItem(f"{VAULT.id}/items/{vm}", vm, f"{VAULT.id}/POLICIES/{policy_name}", VAULT.id, runs=runs)


def inventory(policies: list[Policy], items: list[ProtectedItem], idle: list[ProtectedItem]) -> Inventory:
    return Inventory(
        as_of=datetime(2026, 1, 10, 12, tzinfo=UTC),
        vaults={VAULT.id.lower(): VAULT},
        policies={one.id.lower(): one for one in policies},
        vms={one.vm_id.lower(): Vm(one.vm_id, one.vm_id) for one in [*items, *idle]},
        items=tuple(items),
        idle_items=tuple(idle),
    )


def test_ids_are_found_in_any_case() -> None:
    """References resolve although Azure writes the same id in different cases."""
    estate = inventory([policy("Night")], [item("VM-a", "NIGHT")], [])
    only = estate.items[0]
    assert estate.vm(only).name == "VM-a"
    assert estate.policy(only).name == "Night"
    assert estate.vault(only) is estate.vault(estate.policy(only)) is VAULT


def test_empty_policies_are_listed_without_rows() -> None:
    """Each policy has its rows in the order of the items, and an empty policy has none."""
    estate = inventory([policy("a"), policy("b")], [item("1", "a"), item("2", "A")], [])
    assert list(estate.items_by_policy.values()) == [(0, 1), ()]


@pytest.mark.parametrize(
    ("reported", "unknown"), [(None, 1), (0, 1), (2, 1), (3, 2), (5, 4)], ids=lambda value: f"{value}"
)
def test_strangers_in_a_policy_are_idle_items_or_what_azure_reports(reported: int | None, unknown: int) -> None:
    """A policy with one scheduled and one idle item has as many strangers as the larger of both sources says."""
    estate = inventory([policy("a", reported)], [item("1", "a")], [item("2", "a", runs=False)])
    assert list(estate.unknown_items.values()) == [unknown]


def test_policies_of_other_workloads_count_toward_the_limit() -> None:
    """A vault's policies are its VM policies, empty ones included, and those of other workloads."""
    estate = inventory([policy("a"), policy("b")], [item("1", "a")], [])
    assert estate.policies_in_vault(VAULT.id.upper()) == 4


def test_a_policy_knows_its_zone() -> None:
    """The pattern of a policy counts a zone that changes its clocks at both offsets."""
    estate = inventory([policy("a", zone="W. Europe Standard Time")], [item("1", "a")], [])
    assert estate.pattern(estate.policy(estate.items[0])).offsets == (60, 120)


@pytest.mark.parametrize(
    ("recurrence", "words"),
    [
        (Recurrence(Frequency.DAILY), "daily"),
        (Recurrence(Frequency.WEEKLY, (2, 6)), "weekly on Wednesday, Sunday"),
        (Recurrence(Frequency.HOURLY, (), 4, 12), "every 4 h for 12 h"),
    ],
)
def test_recurrences_in_words(recurrence: Recurrence, words: str) -> None:
    """Each frequency is described as a planner would say it."""
    assert describe_recurrence(recurrence) == words


def test_the_row_of_a_vm_is_found_in_any_case() -> None:
    """VMs without scheduled backups have no row."""
    estate = inventory([policy("a")], [item("VM-1", "a"), item("vm-2", "a")], [item("vm-3", "a", runs=False)])
    assert estate.item_of_vm("vm-1") is estate.items[0]
    assert estate.row_of_vm[estate.items[1].vm_id] == 1
    assert estate.item_of_vm("vm-3") is None
    assert estate.item_of_vm("vm-9") is None


def test_idle_items_of_policies_that_are_not_listed_are_ignored() -> None:
    """They cannot count toward a policy that could not be read."""
    estate = inventory([policy("a")], [item("1", "a")], [item("2", "unreadable", runs=False)])
    assert dict(estate.unknown_items) == {estate.items[0].policy_id: 0}
    assert dict(estate.policy_sizes) == {estate.items[0].policy_id: 1}


@pytest.mark.parametrize(
    ("name", "one_way", "editable"),
    [
        ("daily", False, True),
        ("daily", True, False),
        ("DefaultPolicy", False, False),
        ("enhancedpolicy", False, False),
    ],
)
def test_default_policies_and_those_that_cannot_go_back_are_not_edited(
    name: str, one_way: bool, editable: bool
) -> None:
    """Azure manages the default policies itself, whatever capitals it writes them in."""
    assert replace(policy(name), one_way=one_way).may_be_edited is editable


@pytest.mark.parametrize(
    ("kind", "agentless"), [("OnlyCrashConsistent", True), ("onlycrashconsistent", True), (7, False)]
)
def test_agentless_policies_say_so(kind: object, agentless: bool) -> None:
    """In a property that may have any value; without it, the guest takes part."""
    assert replace(policy("a"), properties={"snapshotConsistencyType": kind}).is_agentless is agentless
    assert not policy("a").is_agentless


def test_a_vm_without_a_service_is_its_own() -> None:
    """Its id stands for the name of a service."""
    assert Vm("/vms/1", "one", service="shop").service_name == "shop"
    assert Vm("/vms/1", "one").service_name == "/vms/1"


def test_the_timing_of_a_vault_is_that_of_its_policies_items_and_patterns() -> None:
    """In any case of the ids; services of one vault have its timing."""
    timing = SnapshotTiming(40)
    estate = inventory([policy("a")], [item("1", "a"), item("2", "a")], [])
    estate = replace(estate, vaults={VAULT.id.lower(): replace(VAULT, timing=timing)})
    only = estate.policy(estate.items[0])
    assert estate.timing(only) is estate.timing(estate.items[0]) is timing
    assert estate.pattern(only).timing is timing
    assert dict(estate.service_timing) == {"1": timing, "2": timing}


def test_jobs_of_idle_items_have_owners() -> None:
    """A VM whose protection is stopped still has a history of jobs."""
    estate = inventory([policy("a")], [item("1", "a")], [item("2", "a", runs=False)])
    assert estate.job_owners.find(VAULT.id, {"entityFriendlyName": "2"}).vm == "2"


def test_ids_and_subscriptions_are_compared_without_case() -> None:
    """Plain text becomes an id or a name that ignores case when an object is made."""
    vault = Vault("/A", "a", subscription="SUB")
    assert (vault.id, vault.subscription) == ("/a", "sub")
    vm = Vm("/V", "v", subscription="SUB")
    assert (vm.id, vm.subscription) == ("/v", "sub")
    assert item("VM-a", "p").policy_id == f"{VAULT.id}/policies/P".lower()
