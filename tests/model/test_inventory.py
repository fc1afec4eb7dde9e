"""The inventory: what is found by which id, and who holds a place where."""

from __future__ import annotations

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


def test_policies_of_other_workloads_count_towards_the_limit() -> None:
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
