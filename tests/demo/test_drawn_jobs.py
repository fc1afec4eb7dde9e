"""Jobs of the demo: when backups run, how they end, and what they say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from optimizer.demo.demo_policy import PolicyShape
from optimizer.demo.drawn_jobs import (
    JOB_DAYS,
    Runs,
    Trouble,
    _run_minutes,
    _started_beside,
    draw_runs,
    draw_trouble,
    judge_day,
    to_jobs,
)
from optimizer.demo.drawn_load import LoadDay
from optimizer.demo.fleet import Fleet, build_fleet

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN = AS_OF - timedelta(days=14)
DAY = 24 * 60


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet of 60 VMs."""
    return build_fleet(np.random.default_rng(1), 60)


@pytest.mark.parametrize(
    ("shape", "first", "number"),
    [
        (PolicyShape("Daily", 46, "UTC", 30), 23 * 60, 13),
        (PolicyShape("Daily", 4, "UTC", 30), 2 * 60, 14),
        (PolicyShape("Daily", 4, "India Standard Time", 30), 20 * 60 + 30, 13),
        (PolicyShape("Weekly", 4, "UTC", 12, (6,)), 2 * 60, 2),
        (PolicyShape("Hourly", 0, "UTC", 30, enhanced=True), 0, 56),
    ],
)
def test_a_policy_runs_at_its_times(shape: PolicyShape, first: int, number: int) -> None:
    """Runs are at the policy's time in its zone, and none so late that its job would not have ended."""
    minutes = _run_minutes(shape, BEGIN, AS_OF)
    assert len(minutes) == number
    assert minutes[0] == first and minutes == sorted(minutes)
    assert minutes[-1] < 14 * DAY - 8 * 60


def test_runs_start_within_two_hours(fleet: Fleet) -> None:
    """Azure starts each backup within two hours; only protected VMs have runs."""
    runs = draw_runs(np.random.default_rng(2), fleet, BEGIN.date(), AS_OF)
    delay = runs.start - runs.scheduled
    assert delay.min() >= 0 and delay.max() < 120
    assert 20 < np.median(delay) < 60
    states = [item["properties"]["protectionState"] for item in fleet.protected_items]
    assert {states[vm] for vm in runs.vm.tolist()} == {"Protected"}
    assert runs.scheduled.max() < JOB_DAYS * DAY


def test_few_vms_have_chronic_trouble() -> None:
    """A few percent of the VMs have a fault that no schedule mends."""
    large = build_fleet(np.random.default_rng(4), 900)
    trouble = draw_trouble(np.random.default_rng(4), large, 42)
    dead = trouble.dead_agent_from < 42
    assert 0 < dead.sum() < 40 and trouble.dead_agent_from[dead].min() >= 21
    sql = np.array([vm.os == "Windows" and vm.tier == "db" for vm in large.vms])
    assert (trouble.vss[~sql] == 0.001).all() and (trouble.vss[sql] == 0.2).any()
    assert 0 < trouble.full_collection.sum() < 20


def calm(size: int) -> Trouble:
    zeros = np.zeros(size)
    return Trouble(np.full(size, 10**6), zeros, zeros, zeros.astype(np.bool_))


def load(size: int, cpu: float) -> LoadDay:
    percent = np.full((size, 288), cpu, dtype=np.float32)
    return LoadDay(percent, percent / 2, np.ones((size, 288), dtype=np.int8))


def judged(cpu: float, trouble: Trouble, number: int = 0, size: int = 400) -> pl.DataFrame:
    """Outcomes of one backup of each VM at noon; every VM is a service of its own."""
    noon = np.full(size, 12.0 * 60)
    runs = Runs(np.arange(size), noon.astype(np.int64), noon)
    return judge_day(np.random.default_rng(6), runs, trouble, np.arange(size), load(size, cpu), number)


def test_backups_of_idle_vms_succeed() -> None:
    """Without load and trouble no backup fails, and few end with warnings."""
    outcomes = judged(10, calm(400))
    assert set(outcomes["error_code"]) == {""}
    assert 0 < (outcomes["status"] == "CompletedWithWarnings").sum() < 20
    minutes = (outcomes["end"] - outcomes["start"]).to_numpy()
    assert minutes.min() >= 8 and minutes.max() <= 300


def test_backups_of_busy_vms_often_time_out() -> None:
    """About a third of the snapshots under load fail, with the codes of timeouts."""
    outcomes = judged(99, calm(400))
    failed = outcomes.filter(pl.col("status") == "Failed")
    assert 100 < failed.height < 180
    assert set(failed["error_code"]) == {
        "GuestAgentSnapshotTaskStatusError", "ExtensionFailedTimeoutVMNetworkUnresponsive",
    }  # fmt: skip


def test_a_dead_agent_fails_every_backup() -> None:
    """From its day on, a VM with a dead agent has no successful backup, whatever else happens."""
    trouble = calm(400)
    trouble.dead_agent_from[:] = 0
    trouble.full_collection[:] = True
    assert set(judged(10, trouble)["error_code"]) == {"UserErrorGuestAgentStatusUnavailable"}
    trouble.dead_agent_from[:] = 1
    assert set(judged(10, trouble)["error_code"]) == {"UserErrorRpCollectionLimitReached"}


def test_only_runs_of_the_day_are_judged() -> None:
    """A run belongs to the day on which it starts."""
    assert judged(10, calm(400), number=1).height == 0


def test_jobs_that_start_together() -> None:
    """Other jobs of the same service within 15 minutes are counted, also at the limit."""
    service, start = np.array([0, 0, 0, 1, 0]), np.array([0.0, 15.0, 30.5, 1.0, 100.0])
    assert _started_beside(service, start).tolist() == [1, 1, 0, 0, 0]
    assert _started_beside(service[:0], start[:0]).size == 0


def test_outcomes_become_jobs_of_the_estate(fleet: Fleet) -> None:
    """Numbers become ids and instants; an empty code is none."""
    size = len(fleet.vms)
    outcomes = [judged(99, calm(size), size=size)]
    jobs = to_jobs(outcomes, fleet, BEGIN)
    assert set(jobs["vm"]) == {vm.id for vm in fleet.vms}
    assert set(jobs["start"].dt.date()) == {date(2026, 2, 15)}
    assert set(jobs["operation"]) == {"Backup"}
    assert (jobs["error_code"].is_null() == (jobs["status"] != "Failed")).all()
    vaults = {vm.id: fleet.vaults[vm.vault]["id"] for vm in fleet.vms}
    assert [vaults[vm] for vm in jobs["vm"]] == jobs["vault"].to_list()
