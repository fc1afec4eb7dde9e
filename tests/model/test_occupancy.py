"""Windows that meet, counted for people: against the obvious loop."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import (
    exact_overlaps,
    expected_overlaps,
    overlap_by_service,
    service_occupancy,
    service_starts,
    spread_over_starts,
    starts_per_slot,
    starts_today,
    typical_day,
    weighted_overlaps,
    windows_met,
    working_hours_starts,
)
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.working_hours import WorkingHours
from tests.model.timings import delays, with_timing
from tests.report.small_estate import make_inventory, make_plan, make_risk
from tests.solve.examples import inventory, policy

INVENTORY = make_inventory(14)
STARTS = st.lists(st.integers(0, 47), min_size=14, max_size=14)


@given(STARTS, st.integers(1, 200))
def test_occupancy_counts_each_window_once_per_half_hour(starts: list[int], snapshot_minutes: int) -> None:
    """The count of a service in a half hour is the number of its VMs whose window, minute by minute, touches it."""
    estate = with_timing(INVENTORY, SnapshotTiming(snapshot_minutes))
    names, occupancy = service_occupancy(estate, np.array(starts))
    expected = {name: np.zeros(336, dtype=int) for name in names}
    for item, start in zip(INVENTORY.items, starts, strict=True):
        policy = INVENTORY.policy(item)
        touched = set()
        for offset in INVENTORY.pattern(policy).offsets:
            for begin in policy.recurrence.run_minutes(start, offset).tolist():
                touched |= {minute // 30 % 336 for minute in range(begin, begin + 120 + snapshot_minutes)}
        expected[INVENTORY.vm(item).service_name][sorted(touched)] += 1
    assert {name: row.tolist() for name, row in zip(names, occupancy, strict=True)} == {
        name: row.tolist() for name, row in expected.items()
    }


@given(STARTS)
def test_working_hours_starts_are_what_every_delay_of_every_run_says(starts: list[int]) -> None:
    """The expected number of starts from 08:00 to 18:00 of Monday to Friday, at each of the 120 minutes of delay."""
    expected = 0.0
    for item, start in zip(INVENTORY.items, starts, strict=True):
        for run in INVENTORY.policy(item).recurrence.run_minutes(start, 0).tolist():
            days, minutes = np.divmod((run + np.arange(120)) % 10080, 1440)
            expected += ((days < 5) & (minutes >= 480) & (minutes < 1080)).mean() * 30 / 7
    assert working_hours_starts(INVENTORY, WorkingHours(), np.array(starts)) == pytest.approx(expected)


@given(st.lists(st.integers(0, 6), min_size=336, max_size=336))
def test_a_typical_day_shows_the_fullest_weekday(row: list[int]) -> None:
    """Each half hour of the typical day has the most windows of that half hour on any weekday."""
    occupancy = np.array([row])
    assert typical_day(occupancy)[0].tolist() == [max(row[slot + 48 * day] for day in range(7)) for slot in range(48)]


@given(STARTS)
def test_overlaps_are_those_of_every_pair_of_runs(starts: list[int]) -> None:
    """Runs of hourly, daily and weekly VMs are taken two by two, at the offsets of now and of after the change."""
    names = sorted({INVENTORY.vm(item).service_name for item in INVENTORY.items})
    expected = dict.fromkeys(names, 0.0)
    for changed in (0, -1):
        runs = [
            (INVENTORY.vm(item).service_name, minute // 30)
            for item, start in zip(INVENTORY.items, starts, strict=True)
            for minute in INVENTORY.policy(item)
            .recurrence.run_minutes(start, INVENTORY.pattern(INVENTORY.policy(item)).offsets[changed])
            .tolist()
        ]
        for (service, one), (other_service, other) in itertools.combinations(runs, 2):
            apart = min((one - other) % 336, (other - one) % 336)
            if service == other_service and apart < 4:
                expected[service] += 0.0575 * (4 - apart) / 2 * 30 / 7
    assert expected_overlaps(INVENTORY, np.array(starts)) == pytest.approx(list(expected.values()))


@pytest.mark.thorough
@given(STARTS, st.integers(0, 13))
def test_windows_met_are_those_of_the_whole_service(starts: list[int], row: int) -> None:
    """At each option, the most windows of the service in a half hour of the VM's own window."""
    found = windows_met(INVENTORY, np.array(starts), row)
    item = INVENTORY.items[row]
    pattern = INVENTORY.pattern(INVENTORY.policy(item))
    for option in (0, 17, 39):
        there = np.array([*starts[:row], option, *starts[row + 1 :]])
        names, occupancy = service_occupancy(INVENTORY, there)
        own = pattern.occupancy()[option]
        assert found[option] == occupancy[names.index(INVENTORY.vm(item).service_name)][own].max()


@given(STARTS)
def test_weights_are_spread_over_the_runs_and_none_is_lost(starts: list[int]) -> None:
    """Each VM's weight falls evenly on the half hours in which its backups start."""
    weights = np.arange(14, dtype=float)
    expected = np.zeros(336)
    for item, start, weight in zip(INVENTORY.items, starts, weights.tolist(), strict=True):
        policy = INVENTORY.policy(item)
        slots = INVENTORY.pattern(policy).start_slots(start).tolist()
        for slot in slots:
            expected[slot] += weight / len(slots)
    assert spread_over_starts(INVENTORY, np.array(starts), weights) == pytest.approx(expected)


def test_starts_per_slot_counts_every_backup_of_the_week() -> None:
    """Daily VMs start seven times a week, weekly ones once, hourly ones several times a day."""
    runs = sum(INVENTORY.policy(item).recurrence.runs_per_week for item in INVENTORY.items)
    assert starts_per_slot(INVENTORY, starts_today(INVENTORY)).sum() == pytest.approx(runs)


def test_starts_of_a_schedule_are_in_the_order_of_the_items() -> None:
    """The schedule of a plan may be in any order and its ids in any case."""
    plan = make_plan(INVENTORY, make_risk(INVENTORY))
    shuffled = tuple(entry.model_copy(update={"vm": ArmId(entry.vm.upper())}) for entry in reversed(plan.schedule))
    other = plan.model_copy(update={"schedule": shuffled})
    assert other.starts_in(INVENTORY).tolist() == plan.starts_in(INVENTORY).tolist()


def test_a_schedule_of_another_estate_is_refused() -> None:
    """A VM without an entry means that the plan was made for something else."""
    plan = make_plan(INVENTORY, make_risk(INVENTORY))
    other = plan.model_copy(update={"schedule": plan.schedule[1:]})
    with pytest.raises(ValueError, match=r"no entry for 1 VMs .*vm-000"):
        other.starts_in(INVENTORY)


@pytest.mark.parametrize(("apart", "counted", "exact"), [(0, 6.9, 7.03125), (4, 0.0, 0.234375), (5, 0.0, 0.0)])
def test_two_daily_vms_overlap_exactly_as_often_as_their_delays_say(apart: int, counted: float, exact: float) -> None:
    """Two hours apart, the priced count is 0 although one night in 128 the snapshots overlap."""
    daily = [policy("p0", "v", 0), policy("p1", "v", apart)]
    found, starts = inventory(daily, [("shop", "p0"), ("shop", "p1")]), np.array([0, apart])
    assert expected_overlaps(found, starts).sum() == pytest.approx(counted)
    assert exact_overlaps(found, starts) == pytest.approx(exact)


def two_services(*starts: int) -> Inventory:
    """Daily VMs in UTC, the first two of service a, the others of service b, which is in a vault of its own."""
    policies = [policy(f"p{row}", "v" if row < 2 else "w", start) for row, start in enumerate(starts)]
    return inventory(policies, [("a" if row < 2 else "b", one.name) for row, one in enumerate(policies)])


def test_services_of_different_timings_have_different_probabilities() -> None:
    """One row per service, filled up with zeros where another service overlaps further apart."""
    prompt = SnapshotTiming(15, delays(m0=1.0))
    probability = overlap_by_service(with_timing(two_services(40, 40, 40), prompt, "w"))
    assert probability.shape == (2, 4)
    assert probability[0] == pytest.approx([0.23, 0.1725, 0.115, 0.0575])
    assert probability[1] == pytest.approx([1, 0, 0, 0])


def test_starts_of_a_service_are_counted_by_half_hour() -> None:
    """Every day of the week, by the sorted names of the services."""
    counts = service_starts(two_services(40, 40, 41), np.array([40, 40, 41]))
    assert counts.shape == (2, 336)
    assert counts[0, [40, 41, 88]].tolist() == [2, 0, 2]
    assert counts[1, [40, 41, 88]].tolist() == [0, 1, 0]
    assert counts.sum() == 3 * 7


def test_an_overlap_counts_as_much_as_the_lighter_vm() -> None:
    """Weights 1 and 3 count once, 2 and 3 twice."""
    found, starts = two_services(40, 40, 40, 40), np.array([40, 40, 40, 40])
    weighted = weighted_overlaps(found, starts, np.array([1.0, 3.0, 2.0, 3.0]))
    assert weighted == pytest.approx([6.9, 2 * 6.9])


def test_an_estate_without_items_has_no_services() -> None:
    """Empty arrays of the right shapes, and no overlaps."""
    empty = replace(two_services(40, 40), items=())
    names, occupancy = service_occupancy(empty, np.zeros(0, dtype=np.int64))
    assert (names, occupancy.shape) == ((), (0, 336))
    assert expected_overlaps(empty, np.zeros(0, dtype=np.int64)).shape == (0,)
    assert exact_overlaps(empty, np.zeros(0, dtype=np.int64)) == 0
