"""The demo is believable, repeatable and worth planning."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.errors import EstateError
from optimizer.estate.folder import Estate, open_estate
from optimizer.model.caseless import key_of
from optimizer.model.inventory import SubType
from optimizer.model.policy_limits import NEW_POLICY_VMS
from optimizer.model.timegrid import Frequency, format_start
from tests.intake.inputs import contents


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """The demo as it is by default."""
    folder = tmp_path_factory.mktemp("demo") / "estate"
    generate_demo(folder)
    return open_estate(folder)


def test_same_seed_same_estate(tmp_path: Path) -> None:
    """Everything but the time of writing is repeated byte for byte; another seed is another estate."""
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate_demo(tmp_path / name, vms=25, seed=seed, weeks=1)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert open_estate(tmp_path / "a").fingerprint == open_estate(tmp_path / "b").fingerprint
    a.pop("estate.json"), b.pop("estate.json")
    assert a == b
    assert open_estate(tmp_path / "a").fingerprint != open_estate(tmp_path / "c").fingerprint
    assert c.keys() >= {"estate.json"}


def test_fleet_has_the_shape_that_people_choose(demo: Estate) -> None:
    """Vaults, policies, frequencies and times are as published estates have them."""
    inventory = demo.inventory()
    assert demo.as_of == DEMO_AS_OF
    assert len(inventory.vaults) == 3
    assert 290 <= len(inventory.items) <= 300
    per_vault = Counter(policy.vault_id for policy in inventory.policies.values())
    assert all(4 <= count <= 9 for count in per_vault.values())  # a full policy has a copy
    assert max(map(len, inventory.items_by_policy.values())) <= NEW_POLICY_VMS
    frequencies = Counter(inventory.policy(item).recurrence.frequency for item in inventory.items)
    assert frequencies[Frequency.DAILY] > 0.75 * len(inventory.items)
    assert frequencies[Frequency.WEEKLY] > frequencies[Frequency.HOURLY] > 0
    starts = Counter(format_start(inventory.policy(item).start) for item in inventory.items)
    assert starts.most_common(1)[0][0] == "23:00"
    assert 0.35 <= starts["23:00"] / len(inventory.items) <= 0.75
    assert {policy.sub_type for policy in inventory.policies.values()} == set(SubType)
    assert all(vault.other_policies for vault in inventory.vaults.values())


def test_services_are_of_every_size(demo: Estate) -> None:
    """Few services hold many VMs, many hold one or two, and some span vaults or have no tag."""
    inventory = demo.inventory()
    vaults: dict[str, set[str]] = {}
    for item in inventory.items:
        vaults.setdefault(inventory.vm(item).service, set()).add(item.vault_id)
    sizes = Counter(inventory.vm(item).service for item in inventory.items)
    assert max(sizes.values()) >= 15
    assert sum(size <= 2 for size in sizes.values()) >= 0.25 * len(sizes)
    assert any(len(places) > 1 for places in vaults.values())
    assert any("app" not in vm.tags for vm in inventory.vms.values())
    assert any(vm.availability_set for vm in inventory.vms.values())


def test_load_has_gaps_nights_off_and_busy_times(demo: Estate) -> None:
    """Six weeks of load in range; some VMs sleep, some samples are lost, a few per cent are busy."""
    days = [demo.load.read_day(day) for day in demo.load.dates()]
    assert len(days) == 42
    cpu = np.stack([day.cpu_percent for day in days])
    known = cpu[~np.isnan(cpu)]
    assert known.min() >= 0
    assert known.max() <= 100
    assert 0.005 < np.mean(known > 90) < 0.05
    off = np.stack([day.running == 0 for day in days if day.running is not None])
    assert 0.005 < off.mean() < 0.2
    assert np.isnan(cpu[off]).all()
    assert 0.0005 < np.isnan(cpu[~off]).mean() < 0.05


def test_schedule_of_today_is_at_risk_and_can_be_mended(demo: Estate) -> None:
    """At today's times some VMs are often busy, and hardly ever at their best time."""
    inventory = demo.inventory()
    rows = {item.vm_id.key: row for row, item in enumerate(inventory.items)}
    hot = np.zeros((len(rows), 42 * 288))
    for number, day in enumerate(demo.load.dates()):
        load = demo.load.read_day(day)
        known = [place for place, vm in enumerate(load.vm_ids) if key_of(vm) in rows]
        busy = (load.cpu_percent[known] > 90) | (load.mem_percent[known] > 90)
        hot[[rows[key_of(load.vm_ids[place])] for place in known], number * 288 : (number + 1) * 288] = busy
    by_half_hour = hot.reshape(len(rows), 42, 48, 6).mean(axis=(1, 3))
    window = sum(np.roll(by_half_hour, -step, axis=1) for step in range(4)) / 4
    daily = [inventory.policy(item).recurrence.frequency is Frequency.DAILY for item in inventory.items]
    start = np.array([inventory.policy(item).start for item in inventory.items])  # near enough to UTC for this
    today = 30 * window[np.arange(len(rows)), start][daily]
    best = 30 * window.min(axis=1)[daily]
    assert 0.4 <= today.mean() <= 1.5
    assert best.sum() < 0.25 * today.sum()
    assert np.sort(today)[::-1][: len(today) // 5].sum() > 0.9 * today.sum()


def test_jobs_start_within_two_hours_and_fail_for_several_reasons(demo: Estate) -> None:
    """A month of jobs of known VMs; delays fill the window; causes that a schedule helps and others."""
    jobs = demo.jobs()
    assert set(jobs["vm"]) <= {str(vm["id"]) for vm in demo.document.vms}
    assert (jobs["start"].max() - jobs["start"].min()).days >= 30  # type: ignore[operator]
    delay = (jobs["start"] - jobs["scheduled"]).dt.total_minutes()
    assert delay.min() >= 0  # type: ignore[operator]
    assert delay.max() < 120  # type: ignore[operator]
    assert (delay < 60).mean() > 0.6  # type: ignore[operator]
    assert (delay > 90).mean() > 0.1  # type: ignore[operator]
    assert (jobs["end"] > jobs["start"]).all()
    assert jobs["end"].max() < demo.as_of  # type: ignore[operator]
    assert set(jobs["status"]) == {"Completed", "CompletedWithWarnings", "Failed"}
    failed = jobs.filter(status="Failed")
    assert 0.01 < failed.height / jobs.height < 0.1
    assert failed["error_code"].null_count() == 0
    assert jobs.filter(pl.col("status") != "Failed")["error_code"].null_count() == jobs.height - failed.height
    assert failed["error_code"].n_unique() >= 4
    assert "GuestAgentSnapshotTaskStatusError" in set(failed["error_code"])


@pytest.mark.parametrize("vms", [1, 7, 450])
def test_any_size_is_an_estate(tmp_path: Path, vms: int) -> None:
    """From one VM on, every reference resolves and no policy is over its limit."""
    generate_demo(tmp_path / "estate", vms=vms, weeks=1)
    estate = open_estate(tmp_path / "estate")
    inventory = estate.inventory()
    assert len(inventory.vms) == len(inventory.items) + len(inventory.idle_items) == vms
    assert all(len(rows) <= NEW_POLICY_VMS for rows in inventory.items_by_policy.values())
    for item in inventory.items:
        assert inventory.vault(item) == inventory.vault(inventory.policy(item))


def test_demo_does_not_overwrite(tmp_path: Path) -> None:
    """A folder with something in it is left alone, and impossible sizes are the caller's fault."""
    (tmp_path / "x").write_text("mine")
    with pytest.raises(EstateError, match="is not empty"):
        generate_demo(tmp_path, vms=2)
    for arguments in ({"vms": 0}, {"weeks": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match="a demo needs"):
            generate_demo(tmp_path / "new", **arguments)


@pytest.mark.parametrize("wrong", [{"vms": 0}, {"weeks": 0}, {"seed": -1}])
def test_a_demo_needs_vms_and_weeks(tmp_path: Path, wrong: dict[str, int]) -> None:
    """Numbers that make no demo are a mistake of the caller, and nothing is written."""
    with pytest.raises(ValueError, match="a demo needs vms >= 1, weeks >= 1 and seed >= 0, not"):
        generate_demo(tmp_path / "demo", **wrong)
    assert list(tmp_path.iterdir()) == []
