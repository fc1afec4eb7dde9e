"""Generates realistic backup jobs, which start within two hours; only some failures depend on the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.demo.demo_policy import PolicyShape
from optimizer.demo.drawn_load import LoadDay
from optimizer.demo.fleet import Fleet
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY, SLOT_MINUTES, START_WINDOW_MINUTES, resolve_zone

JOB_DAYS = 35
"""Length in days of the job history."""

_HOT = 90.0
"""Load in percent above which a snapshot often fails."""

_TIMEOUTS = ("GuestAgentSnapshotTaskStatusError", "ExtensionFailedTimeoutVMNetworkUnresponsive")
"""Error codes of snapshots that fail because of load or overlap."""


@dataclass(frozen=True)
class Runs:
    """Scheduled backups in order of VM; arrays of shape (J,), where J is the number of backups.

    Parameters
    ----------
    vm
        Position of the VM in the fleet.
    scheduled, start
        Minutes since 00:00 UTC of the first day of the load history.
    """

    vm: npt.NDArray[np.int64]
    scheduled: npt.NDArray[np.int64]
    start: npt.NDArray[np.float64]


def draw_runs(rng: np.random.Generator, fleet: Fleet, first: date, as_of: datetime) -> Runs:
    """Draw the runs of the last weeks, with the delay at which Azure starts each.

    Six in ten delays are spread evenly over the two hours. The others are within the first hour, mostly near 20
    minutes.
    """
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    times = {policy.id: _run_minutes(policy.shape, begin, as_of) for policy in fleet.policies}
    active = [
        i for i, item in enumerate(fleet.protected_items) if item["properties"]["protectionState"] == "Protected"
    ]
    vm = np.concatenate([np.full(len(times[fleet.policy_of[i].id]), i) for i in active]).astype(np.int64)
    scheduled = np.concatenate([times[fleet.policy_of[i].id] for i in active]).astype(np.int64)
    early = rng.random(vm.size) < 0.4
    delay: npt.NDArray[np.float64] = np.where(
        early, rng.triangular(0, 20, 60, vm.size), rng.uniform(0, START_WINDOW_MINUTES - 1, vm.size)
    )
    return Runs(vm, scheduled, scheduled + delay)


def _run_minutes(shape: PolicyShape, begin: datetime, as_of: datetime) -> list[int]:
    """Scheduled times of a policy during the job history, in minutes after ``begin``.

    Only times count at which jobs end before ``as_of``.
    """
    latest = as_of - timedelta(hours=8)
    days = ((as_of - timedelta(days=back)).date() for back in range(JOB_DAYS, -1, -1))
    runs = (run.astimezone(UTC) for day in days for run in _runs_on(shape, day))
    return [int((run - begin).total_seconds() // 60) for run in runs if begin <= run < latest]


def _runs_on(shape: PolicyShape, day: date) -> list[datetime]:
    """Runs on a day of the policy's zone; none on other weekdays than those of the policy."""
    if shape.days and day.weekday() not in shape.days:
        return []
    start = datetime(day.year, day.month, day.day, tzinfo=resolve_zone(shape.timezone))
    minutes = shape.option * SLOT_MINUTES
    return [start + timedelta(minutes=minutes, hours=hours) for hours in _RUN_HOURS.get(shape.frequency, (0,))]


_RUN_HOURS = {"Hourly": (0, 4, 8, 12)}
"""Hours of the runs after the start, by frequency."""


@dataclass(frozen=True)
class Trouble:
    """Chronic faults of VMs that no schedule fixes; arrays of shape (V,).

    Parameters
    ----------
    dead_agent_from
        Day from which the VM agent no longer responds; after the end of the history for most VMs.
    vss
        Probability that a VSS writer is in a bad state.
    power
        Probability that the VM is in a wrong power state.
    full_collection
        Whether the VM keeps too many instant recovery points.
    """

    dead_agent_from: npt.NDArray[np.int64]
    vss: npt.NDArray[np.float64]
    power: npt.NDArray[np.float64]
    full_collection: npt.NDArray[np.bool_]


def draw_trouble(rng: np.random.Generator, fleet: Fleet, num_days: int) -> Trouble:
    """Draw the VMs with chronic faults: a few percent of them."""
    size = len(fleet.vms)
    sql = np.array([vm.os == "Windows" and vm.tier == "db" for vm in fleet.vms])
    return Trouble(
        dead_agent_from=np.where(rng.random(size) < 0.012, rng.integers(num_days // 2, num_days, size), 10**6),
        vss=np.where(sql & (rng.random(size) < 0.25), 0.2, 0.001),
        power=np.where(rng.random(size) < 0.02, 0.1, 0.0005),
        full_collection=rng.random(size) < 0.003,
    )


def judge_day(
    rng: np.random.Generator, runs: Runs, trouble: Trouble, services: npt.NDArray[np.int64], load: LoadDay, number: int
) -> pl.DataFrame:
    """Outcomes of the runs that start on one day: ``vm`` and times as numbers, status, error code.

    Parameters
    ----------
    rng
        Random numbers for this day.
    runs
        Runs of all days.
    trouble
        Chronic faults of every VM.
    services
        Service of each VM, shape (V,).
    load
        Load on this day.
    number
        Number of the day in the history.
    """
    today = np.flatnonzero(runs.start.astype(np.int64) // (24 * 60) == number)
    vm, start = runs.vm[today], runs.start[today]
    bins = (start.astype(np.int64) // BIN_MINUTES) % BINS_PER_DAY
    snapshot = np.minimum(bins[:, None] + np.arange(3)[None, :], BINS_PER_DAY - 1)
    load_then = np.fmax(load.cpu_percent[vm[:, None], snapshot], load.mem_percent[vm[:, None], snapshot])
    hot = (np.nan_to_num(load_then) > _HOT).any(axis=1)
    off = load.running[vm, bins] == 0
    beside = _started_beside(services[vm], start)
    chance = np.where(off, 0.0, np.where(hot, 0.35, 0.0) + 0.01 * np.minimum(beside, 12))
    draw, kind = rng.random(vm.size), rng.random(vm.size)
    code = np.full(vm.size, "", dtype=object)
    code[draw < chance] = np.where(kind[draw < chance] < 0.7, *_TIMEOUTS)
    code[rng.random(vm.size) < trouble.vss[vm]] = "ExtensionFailedVssWriterInBadState"
    code[rng.random(vm.size) < trouble.power[vm]] = "UserErrorVmNotInDesirableState"
    code[trouble.full_collection[vm]] = "UserErrorRpCollectionLimitReached"
    code[trouble.dead_agent_from[vm] <= number] = "UserErrorGuestAgentStatusUnavailable"
    failed = code != ""
    minutes = np.where(failed, rng.uniform(20, 65, vm.size), np.clip(rng.lognormal(3.7, 0.6, vm.size), 8, 300))
    warned = ~failed & (rng.random(vm.size) < 0.01)
    status = np.where(failed, "Failed", np.where(warned, "CompletedWithWarnings", "Completed"))
    columns = {"vm": vm, "scheduled": runs.scheduled[today], "start": start, "end": start + minutes}
    texts = {"status": status.tolist(), "error_code": code.tolist()}
    return pl.DataFrame({**columns, **texts}, schema_overrides=dict.fromkeys(texts, pl.String))


def _started_beside(service: npt.NDArray[np.int64], start: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number of other jobs of the same service that start within 15 minutes of each job; shape (J,)."""
    if not service.size:
        return np.zeros(0, dtype=np.int64)
    span = 10_000_000.0  # in minutes; long enough to keep services apart in one sorted array
    line = service * span + start
    ordered = np.sort(line)
    near = np.searchsorted(ordered, line + 15, side="right") - np.searchsorted(ordered, line - 15, side="left")
    return near - 1


def to_jobs(outcomes: Sequence[pl.DataFrame], fleet: Fleet, begin: datetime) -> pl.DataFrame:
    """Outcomes of all days as jobs of the estate, sorted by start."""
    frame = pl.concat(outcomes)
    vm_ids = [vm.id for vm in fleet.vms]
    vaults = [str(fleet.vaults[vm.vault]["id"]) for vm in fleet.vms]
    position = frame["vm"].to_numpy()
    instants = {
        name: pl.lit(begin) + pl.duration(seconds=(pl.col(name) * 60).cast(pl.Int64))
        for name in ("start", "end", "scheduled")
    }
    return frame.select(
        pl.Series("vm", [vm_ids[i] for i in position]),
        pl.Series("vault", [vaults[i] for i in position]),
        **instants,
        operation=pl.lit("Backup"),
        status="status",
        error_code=pl.col("error_code").replace("", None),
    ).sort("start", "vm")
