"""The risk table against a walk through the runs of a week with datetimes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest

from optimizer.model.inventory import Inventory, Policy, ProtectedItem, SubType, Vault, Vm
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import Frequency, Recurrence, resolve_zone
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.table import (
    LEAST_COUNTED,
    RiskTable,
    busy_items,
    forecast_rows,
    risk_table,
    snapshot_grid,
    start_step,
)

DAILY = Recurrence(Frequency.DAILY)
WEEKLY = Recurrence(Frequency.WEEKLY, days=(0, 6))
HOURLY = Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=12)
AS_OF = datetime(2026, 10, 10, 12, tzinfo=UTC)


def make_inventory(policies: list[tuple[Recurrence, str]], as_of: datetime = AS_OF) -> Inventory:
    """One vault, one policy at 23:00 for each recurrence and zone, one VM in each."""
    named = {
        f"policy-{n}": Policy(
            id=f"Policy-{n}",
            name=f"policy-{n}",
            vault_id="vault",
            sub_type=SubType.STANDARD,
            recurrence=recurrence,
            start=46,
            timezone=zone,
            twin_key=str(n),
            properties={},
        )
        for n, (recurrence, zone) in enumerate(policies)
    }
    items = tuple(ProtectedItem(f"item-{n}", f"VM-{n}", f"policy-{n}", "vault") for n in range(len(policies)))
    vms = {f"vm-{n}": Vm(f"VM-{n}", f"VM-{n}") for n in range(len(policies))}
    return Inventory(as_of, {"vault": Vault("vault", "vault")}, named, vms, items)


def make_forecast(num_vms: int, step_minutes: int, evidence: Evidence = Evidence.OWN_HISTORY) -> Forecast:
    """Random probabilities; rows in the reverse order of the inventory's."""
    shape = (num_vms, 1440 // step_minutes)
    return Forecast(
        vm_ids=tuple(f"vm-{n}" for n in reversed(range(num_vms))),
        step_minutes=step_minutes,
        probability=np.random.default_rng(num_vms).random(shape),
        num_days=np.full(num_vms, 30),
        evidence=(evidence,) * num_vms,
        prior_days=12,
    )


def slow_risk(inventory: Inventory, forecast: Forecast, row: int, option: int) -> float:
    """Sum over the runs of a week, each a local wall-clock time read at each offset of a year; the worst."""
    policy = inventory.policy(inventory.items[row])
    zone = resolve_zone(policy.timezone)
    probability = forecast.probability[forecast.vm_ids.index(inventory.items[row].vm_id.lower())]
    end = inventory.horizon.end
    days = [end - timedelta(days=n) for n in range(366)]
    risks = []
    for offset in {day.astimezone(zone).utcoffset() for day in days}:
        assert offset is not None
        total = 0.0
        for weekday in range(7):
            if policy.recurrence.frequency is Frequency.WEEKLY and weekday not in policy.recurrence.days:
                continue
            first = datetime.combine(datetime(2026, 6, 1, tzinfo=UTC).date() + timedelta(days=weekday), time.min)
            hours = range(0, 13, 4) if policy.recurrence.frequency is Frequency.HOURLY else (0,)
            for hour in hours:
                at = first + timedelta(minutes=30 * option, hours=hour) - offset
                total += probability[(at.hour * 60 + at.minute) // forecast.step_minutes]
        risks.append(total * 30 / 7)
    return max(risks)


@pytest.mark.parametrize(
    ("zone", "step_minutes"),
    [
        ("UTC", 30),
        ("Asia/Kolkata", 30),
        ("Nepal Standard Time", 15),
        ("Aus Central W. Standard Time", 15),
        ("Europe/Amsterdam", 30),
        ("W. Europe Standard Time", 5),
        ("Australia/Lord_Howe", 30),
        ("Pacific/Auckland", 15),
    ],
)
def test_risk_is_the_sum_over_the_runs_of_a_week(zone: str, step_minutes: int) -> None:
    """Every option of daily, weekly and hourly policies, in zones with odd offsets and changing clocks."""
    inventory = make_inventory([(recurrence, zone) for recurrence in (DAILY, WEEKLY, HOURLY)])
    forecast = make_forecast(3, step_minutes)
    table = risk_table(inventory, forecast)
    expected = [[slow_risk(inventory, forecast, row, option) for option in range(48)] for row in range(3)]
    np.testing.assert_allclose(table.risk, expected, atol=1e-6)
    np.testing.assert_array_equal(table.today, table.risk[:, 46])


def test_a_backup_that_is_always_at_risk_counts_thirty_times_a_month() -> None:
    """Daily: 30; on two days a week: 60/7; four times a day: 120."""
    inventory = make_inventory([(DAILY, "UTC"), (WEEKLY, "UTC"), (HOURLY, "UTC")])
    forecast = make_forecast(3, 30)
    forecast.probability[:] = 1
    np.testing.assert_allclose(risk_table(inventory, forecast).risk[:, 0], [30, 60 / 7, 120], atol=1e-6)


def test_risk_is_rounded() -> None:
    """Risks are multiples of 1e-6, so that plans do not hang on the last bits."""
    risk = risk_table(make_inventory([(DAILY, "UTC")]), make_forecast(1, 30)).risk
    np.testing.assert_array_equal(risk, risk.round(6))


@pytest.mark.parametrize("evidence", [Evidence.TOO_LITTLE_DATA, Evidence.NO_DATA])
def test_a_vm_without_own_history_gains_nothing(evidence: Evidence) -> None:
    """It may go where it looks no worse than today, at today's cost, and nowhere else."""
    table = risk_table(make_inventory([(DAILY, "UTC")]), make_forecast(1, 30, evidence))
    better = table.risk[0] <= table.today[0]
    assert 0 < better.sum() < 48
    assert not table.credited[0]
    np.testing.assert_array_equal(table.allowed[0], better)
    assert (table.cost[0, better] == table.today[0]).all()
    np.testing.assert_array_equal(table.cost[0, ~better], table.risk[0, ~better])


def test_agentless_snapshots_are_not_at_risk_unless_asked() -> None:
    """A policy that is only crash-consistent takes no part in the guest: risk 0, or as the others where it is set."""
    inventory = make_inventory([(DAILY, "UTC"), (DAILY, "UTC")])
    agentless = replace(inventory.policies["policy-1"], properties={"snapshotConsistencyType": "onlycrashconsistent"})
    inventory = replace(inventory, policies={**inventory.policies, "policy-1": agentless})
    forecast = make_forecast(2, 30)
    table, counted = risk_table(inventory, forecast), risk_table(inventory, forecast, agentless_at_risk=True)
    assert (table.risk[1] == 0).all()
    assert (table.cost[1] == 0).all()
    assert (table.today[1], table.allowed[1].all()) == (0.0, True)
    assert counted.today[1] > 0
    np.testing.assert_array_equal(table.risk[0], counted.risk[0])


def test_a_vm_with_own_history_is_credited() -> None:
    """Its cost is its risk and every option is open to it."""
    table = risk_table(make_inventory([(DAILY, "UTC")]), make_forecast(1, 30))
    assert table.credited.all()
    assert table.allowed.all()
    np.testing.assert_array_equal(table.cost, table.risk)


def test_start_step_follows_the_zones() -> None:
    """Nepal needs quarter hours; a zone with changing clocks of whole hours does not."""
    assert start_step(make_inventory([(DAILY, "UTC"), (WEEKLY, "Europe/Amsterdam")])) == 30
    assert start_step(make_inventory([(DAILY, "UTC"), (HOURLY, "Nepal Standard Time")])) == 15


def test_a_forecast_that_does_not_fit_is_refused() -> None:
    """A missing VM and a grid that the zone cannot use are mistakes of the caller, and said."""
    inventory = make_inventory([(DAILY, "Nepal Standard Time"), (DAILY, "UTC")])
    with pytest.raises(ValueError, match="lacks 1 VMs of the inventory, the first is 'VM-1'"):
        risk_table(inventory, make_forecast(1, 15))
    with pytest.raises(ValueError, match="too coarse"):
        risk_table(inventory, make_forecast(2, 30))


def test_an_inventory_without_items_has_an_empty_table() -> None:
    """Nothing protected, nothing at risk."""
    table = risk_table(make_inventory([]), make_forecast(0, 30))
    assert table.risk.shape == (0, 48)
    assert start_step(make_inventory([])) == 30


def two_vaults() -> Inventory:
    """Three VMs, of which the last is in a vault with longer snapshots."""
    found = make_inventory([(DAILY, "UTC"), (DAILY, "UTC"), (DAILY, "Nepal Standard Time")])
    slow = Vault("slow", "slow", timing=SnapshotTiming(40))
    items = (*found.items[:2], replace(found.items[2], vault_id=slow.id))
    return replace(found, vaults={**found.vaults, slow.id: slow}, items=items)


def test_the_grid_of_a_forecast_has_the_timing_of_each_item_and_the_step_of_the_zones() -> None:
    """One timing for all where the vaults agree, which is faster; one for each VM where they do not."""
    grid = snapshot_grid(two_vaults())
    assert grid.timings == (SnapshotTiming(), SnapshotTiming(), SnapshotTiming(40))
    assert grid.step_minutes == 15
    assert snapshot_grid(make_inventory([(DAILY, "UTC")] * 3)).timings == (SnapshotTiming(),)


def test_the_rows_of_a_forecast_are_found_without_case() -> None:
    """The forecast has the VMs in another order and in other capitals."""
    inventory, forecast = make_inventory([(DAILY, "UTC")] * 3), make_forecast(3, 30)
    assert forecast_rows(inventory, forecast).tolist() == [2, 1, 0]


def test_busy_items_are_those_with_a_row_in_the_folds() -> None:
    """Agentless VMs are left out unless load puts them at risk too."""
    inventory = make_inventory([(DAILY, "UTC")] * 3)
    agentless = {"snapshotConsistencyType": "OnlyCrashConsistent"}
    first = replace(inventory.policies["policy-0"], properties=agentless)
    inventory = replace(inventory, policies={**inventory.policies, first.id.key: first})
    forecast = replace(make_forecast(3, 30), fold_row=np.array([-1, 0, 1]))
    assert busy_items(inventory, forecast).tolist() == [1]
    assert busy_items(inventory, forecast, agentless_at_risk=True).tolist() == [0, 1]


def test_an_increase_counts_whole_and_a_gain_as_far_as_it_is_credited() -> None:
    """Today's risk is 4: a start with 6 costs 6, one with 2 costs 3 at half credit."""
    table = RiskTable(np.array([[4.0, 6.0, 2.0]]), np.array([4.0]), np.array([0.5]), np.array([True]), False)
    assert table.cost.tolist() == [[4, 6, 3]]
    nothing = replace(table, credit=np.array([0.0]))
    assert nothing.cost.tolist() == [[4, 6, 4]]


def test_a_gain_without_credit_breaks_ties_where_busy_hours_repeat() -> None:
    """A thousandth of it counts, if the VM has a history of its own and the estate repeats."""
    table = RiskTable(np.zeros((1, 3)), np.array([0.0]), np.array([0.0]), np.array([True]), repeats=True)
    assert table.counted.tolist() == [LEAST_COUNTED]
    assert replace(table, own=np.array([False])).counted.tolist() == [0]
    assert replace(table, repeats=False).counted.tolist() == [0]
    assert replace(table, credit=np.array([0.7])).counted.tolist() == [0.7]
