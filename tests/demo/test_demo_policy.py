"""Policies of the demo are valid ARM policies with the names that people give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.arm.policy_bodies import violations
from optimizer.arm.vm_policy import read_schedule, twin_key
from optimizer.demo.demo_policy import DemoPolicy, PolicyShape, make_names_unique

VAULT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/one"
DAILY = PolicyShape("Daily", 46, "UTC", 30)
WEEKLY = PolicyShape("Weekly", 3, "W. Europe Standard Time", 12, (6,))
HOURLY = PolicyShape("Hourly", 16, "UTC", 30, enhanced=True)
ENHANCED = PolicyShape("Daily", 0, "UTC", 7, enhanced=True)


def policy(shape: PolicyShape) -> DemoPolicy:
    return DemoPolicy(shape, 0, 1.0, shape.resource_in(VAULT))


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (DAILY, "pol-daily-2300-30d"),
        (WEEKLY, "pol-weekly-sun0130-12w"),
        (HOURLY, "pol-hourly-0800-30d-enh"),
        (ENHANCED, "pol-daily-0000-7d-enh"),
    ],
)
def test_the_name_states_what_the_policy_does(shape: PolicyShape, name: str) -> None:
    """Frequency, weekday, time, retention and sub-type are in the name, and the name ends the id."""
    assert shape.name == name
    resource = shape.resource_in(VAULT)
    assert (resource["name"], resource["id"]) == (name, f"{VAULT}/backupPolicies/{name}")


@pytest.mark.parametrize("shape", [DAILY, WEEKLY, HOURLY, ENHANCED], ids=lambda shape: shape.name)
def test_the_body_is_read_back_as_the_shape(shape: PolicyShape) -> None:
    """The schedule in the body is that of the shape, and Azure accepts the body."""
    properties = shape.resource_in(VAULT)["properties"]
    schedule = read_schedule(properties)
    assert (schedule.start, schedule.timezone) == (shape.option, shape.timezone)
    assert schedule.recurrence.frequency == shape.frequency
    assert schedule.recurrence.days == shape.days
    assert violations(properties) == []


@given(
    option=st.integers(0, 47),
    retention=st.sampled_from([7, 10, 30]),
    days=st.sampled_from([(), (5,), (6,)]),
    enhanced=st.booleans(),
)
def test_every_shape_makes_a_policy_that_azure_accepts(
    option: int, retention: int, days: tuple[int, ...], enhanced: bool
) -> None:
    """At any time of day, daily and weekly, Standard and Enhanced."""
    shape = PolicyShape("Weekly" if days else "Daily", option, "UTC", retention, days, enhanced=enhanced)
    properties = shape.resource_in(VAULT)["properties"]
    assert violations(properties) == []
    assert read_schedule(properties).start == option


def test_a_copy_is_a_twin_without_vms() -> None:
    """A copy differs in name and number of VMs only, and leaves its original alone."""
    original = policy(DAILY)
    original.add_vms(100)
    copied = original.copy("-full2")
    assert (copied.vms, copied.weight, copied.id) == (0, 0.0, original.id + "-full2")
    assert copied.resource["properties"]["protectedItemsCount"] == 0
    assert original.resource["properties"]["protectedItemsCount"] == original.vms == 100
    assert twin_key(copied.resource["properties"]) == twin_key(original.resource["properties"])
    copied.add_vms(1)
    assert original.vms == 100


def test_names_are_made_unique() -> None:
    """Policies that would have one name are numbered; others keep theirs."""
    policies = [policy(DAILY), policy(WEEKLY), policy(DAILY), policy(DAILY)]
    make_names_unique(policies)
    names: list[Any] = [made.resource["name"] for made in policies]
    assert names == [DAILY.name, WEEKLY.name, f"{DAILY.name}-2", f"{DAILY.name}-3"]
    assert [made.id.rpartition("/")[2] for made in policies] == names
