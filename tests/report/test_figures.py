"""The numbers behind the pictures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from optimizer.documents.plan_document import PlanDocument, TodayAndPlan
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import ProtectedItem, Vm
from optimizer.model.occupancy import service_occupancy, starts_today
from optimizer.model.rules import Threshold
from optimizer.report.figures import (
    OTHERS,
    compare_services,
    compare_vaults,
    count_half_hours,
    load_profile,
    most_helped,
)
from tests.report.small_estate import (
    SmallLoad,
    SmallLoadSource,
    make_inventory,
    make_plan,
    make_policy,
    make_risk,
    vm_id,
)

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
ITEMS = {item.vm_id: item for item in INVENTORY.items}


def entry_of(policy: str) -> int:
    """Row of the first VM of a policy."""
    return next(v for v, item in enumerate(INVENTORY.items) if INVENTORY.policy(item).name == policy)


def test_services_sum_to_the_summary() -> None:
    """Risk, overlaps, moves and peaks of the services are those of the plan."""
    services, summary = compare_services(INVENTORY, PLAN).services, PLAN.summary
    assert sum(service.risk.plan for service in services) == pytest.approx(summary.at_risk_per_month.plan)
    assert sum(service.overlaps.today for service in services) == pytest.approx(summary.overlaps_per_month.today)
    assert sum(service.overlaps.plan for service in services) == pytest.approx(summary.overlaps_per_month.plan)
    assert max(service.peak_windows.plan for service in services) == summary.peak_concurrency.plan
    assert sum(service.moved for service in services) == summary.moved


def test_pictures_have_the_most_crowded_services_and_the_rest_as_one_row() -> None:
    """The last row is the most of any service that has no row of its own."""
    hours = compare_services(INVENTORY, PLAN, max_rows=2)
    names, occupancy = service_occupancy(INVENTORY, PLAN.starts_in(INVENTORY))
    day = occupancy.reshape(len(names), 7, 48).max(axis=1)
    rest = [g for g, name in enumerate(names) if name not in hours.names]
    assert hours.names[2] == OTHERS
    assert hours.plan[0].tolist() == day[names.index(hours.names[0])].tolist()
    assert hours.plan[2].tolist() == day[rest].max(axis=0).tolist()
    assert hours.today.shape == hours.plan.shape == (3, 48)


def test_vaults_sum_to_the_summary() -> None:
    """Every VM is in one vault; the peak is the most starts in one half hour of the week."""
    vaults = compare_vaults(INVENTORY, PLAN)
    assert sum(vault.vms for vault in vaults) == PLAN.summary.vms
    assert sum(vault.risk.today for vault in vaults) == pytest.approx(PLAN.summary.at_risk_per_month.today)
    starts = np.zeros(336)
    for item, start in zip(INVENTORY.items, starts_today(INVENTORY).tolist(), strict=True):
        if INVENTORY.vault(item).name == "vault-1":
            starts[INVENTORY.pattern(INVENTORY.policy(item)).start_slots(start)] += 1
    assert {vault.name: vault.peak_starts.today for vault in vaults}["vault-1"] == starts.max()


def test_half_hours_hold_all_risk_and_all_starts() -> None:
    """Nothing is lost between the VMs and the hours."""
    hours = count_half_hours(INVENTORY, PLAN)
    assert hours.risk_today.sum() == pytest.approx(PLAN.summary.at_risk_per_month.today)
    assert hours.risk_plan.sum() == pytest.approx(PLAN.summary.at_risk_per_month.plan)
    assert hours.starts_plan.sum() == pytest.approx(hours.starts_today.sum())


def test_most_helped_are_helped_and_sorted() -> None:
    """The first gains most; where nobody gains, the VMs with the highest risk stand in."""
    gains = [one.risk_today - one.risk for one in most_helped(PLAN, 5)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0
    still = PLAN.model_copy(
        update={"schedule": tuple(one.model_copy(update={"risk": one.risk_today}) for one in PLAN.schedule)}
    )
    assert most_helped(still, 1)[0].risk_today == max(one.risk_today for one in PLAN.schedule)


@pytest.mark.parametrize("policy", ["daily-2300", "daily-berlin", "weekly-sunday"])
def test_profile_equals_the_obvious_loop(policy: str) -> None:
    """Each bin is averaged over all days, in local time, as the risk is; gaps count for nothing."""
    v = entry_of(policy)
    item, history = INVENTORY.items[v], SmallLoadSource(INVENTORY).read_vm(INVENTORY.items[v].vm_id)
    found = load_profile(INVENTORY, item, PLAN.schedule[v], history, Threshold())
    offset = INVENTORY.pattern(INVENTORY.policy(item)).offsets[0]
    by_bin: dict[int, list[float]] = {}
    for row in range(len(history.dates)):
        for utc_bin in range(288):
            minute = utc_bin * 5 + offset
            if not np.isnan(history.cpu_percent[row, utc_bin]):
                by_bin.setdefault(minute % 1440 // 5, []).append(float(history.cpu_percent[row, utc_bin]))
    for local_bin in range(0, 288, 7):
        samples = sorted(by_bin[local_bin])
        assert found.cpu_mean[local_bin] == pytest.approx(np.mean(samples), abs=0.051)
        rank = int(np.ceil(0.95 * len(samples))) - 1
        assert found.cpu_p95[local_bin] == pytest.approx(samples[rank], abs=0.051)
        assert found.busy_share[local_bin] == pytest.approx(np.mean([one > 90 for one in samples]), abs=0.001)


def test_windows_cross_midnight_in_two_pieces() -> None:
    """23:00 for two hours and a quarter is an hour before midnight and the rest after it."""
    v = entry_of("daily-2300")
    history = SmallLoadSource(INVENTORY).read_vm("x")
    entry = PLAN.schedule[v].model_copy(update={"start_today": "23:00", "start": "09:30"})
    found = load_profile(INVENTORY, INVENTORY.items[v], entry, history, Threshold())
    assert found.windows_today == ((1380, 1440), (0, 75))
    assert found.windows_plan == ((570, 705),)


def test_hourly_vms_have_a_window_per_run() -> None:
    """Every 4 h for 8 h from 08:00: three windows."""
    v = entry_of("hourly")
    entry = PLAN.schedule[v].model_copy(update={"start": "08:00"})
    found = load_profile(INVENTORY, INVENTORY.items[v], entry, SmallLoadSource(INVENTORY).read_vm("x"), Threshold())
    assert found.windows_plan == ((480, 615), (720, 855), (960, 1095))


def test_unknown_load_is_none_not_nought() -> None:
    """A VM without memory figures has no memory profile, and is judged by CPU alone."""
    v = entry_of("daily-2300")
    unknown = np.full((1, 288), np.nan, dtype=np.float32)
    load = SmallLoad((date(2025, 8, 10),), np.full((1, 288), 95, dtype=np.float32), unknown)
    found = load_profile(INVENTORY, INVENTORY.items[v], PLAN.schedule[v], load, Threshold())
    assert set(found.memory_mean) == {None}
    assert set(found.busy_share) == {1.0}


def test_the_statistic_of_the_rules_is_shown() -> None:
    """With ``maximum`` the maxima are profiled, where the source has them."""
    v = entry_of("daily-2300")
    quiet, hot = np.full((1, 288), 10, dtype=np.float32), np.full((1, 288), 99, dtype=np.float32)
    load = SmallLoad((date(2025, 8, 10),), quiet, quiet, cpu_max=hot)
    found = load_profile(INVENTORY, INVENTORY.items[v], PLAN.schedule[v], load, Threshold(statistic="maximum"))
    assert set(found.cpu_mean) == {99.0}
    assert set(found.memory_mean) == {10.0}


def with_exact(plan: PlanDocument, starts: str) -> PlanDocument:
    """Return a plan in which the VMs start at their times of today but for one, and which states exact overlaps."""
    entries = [entry.model_copy(update={"start": entry.start_today}) for entry in plan.schedule]
    entries[1] = entries[1].model_copy(update={"start": starts})
    known = TodayAndPlan(today=0.0, plan=0.0)
    summary = plan.summary.model_copy(update={"overlaps_exact": known})
    return plan.model_copy(update={"schedule": tuple(entries), "summary": summary})


def test_overlaps_of_services_add_up_to_what_the_summary_shows() -> None:
    """Two VMs of a service: together they overlap 6.9 times; two hours apart, the count is 0 and the exact 0.23."""
    policies = make_policy(1, "daily", 46)
    vms = {ArmId(vm_id(name)): Vm(id=vm_id(name), name=name, service="shop") for name in ("a", "b")}
    items = [ProtectedItem(f"{policies.vault_id}/items/{vm}", vm, policies.id, policies.vault_id) for vm in vms]
    inventory = replace(INVENTORY, vms=vms, items=tuple(items), idle_items=(), policies={ArmId(policies.id): policies})
    plan = make_plan(inventory, np.zeros((2, 48)))
    (together,) = compare_services(inventory, with_exact(plan, "23:00")).services
    assert (together.overlaps.today, together.overlaps.plan) == pytest.approx((6.9, 6.9))
    (apart,) = compare_services(inventory, with_exact(plan, "01:00")).services
    assert apart.overlaps.today == pytest.approx(6.9)
    assert apart.overlaps.plan == pytest.approx(0.23, abs=0.01)
    old = with_exact(plan, "01:00")
    old = old.model_copy(update={"summary": old.summary.model_copy(update={"overlaps_exact": None})})
    assert compare_services(inventory, old).services[0].overlaps.plan == 0.0
