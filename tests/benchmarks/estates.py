"""Bootstrapped estates in memory: a VM is a VM of a load trace whose days are rotated by whole weeks.

The VMs, policies and copies of the trace are those that pipeline.py writes to files; in memory 100,000 VMs fit,
because the forecast of a copy is that of its source at its rotation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.intake.vm_list.vm_resources import list_vms
from optimizer.model.arrays import IntArray
from optimizer.model.load import DayLoad
from optimizer.model.rules import DEFAULT_SERVICE_FROM, Rules
from optimizer.plan import Case
from optimizer.ports import Resource
from optimizer.risk.forecast import forecast_load
from optimizer.risk.table import snapshot_grid
from tests.benchmarks.people import HOURLY_SHARE, write_vms_csv

VMS_PER_VAULT = 250
BINS_PER_DAY = 288
BINS_PER_WEEK = 7 * BINS_PER_DAY


@dataclass(frozen=True)
class Trace:
    """A load trace on 5-minute bins: shape (VMs, bins) for each metric, NaN where unknown."""

    first_day: date
    cpu: npt.NDArray[np.float32]
    mem: npt.NDArray[np.float32]

    @property
    def num_weeks(self) -> int:
        """Whole weeks."""
        return int(self.cpu.shape[1] // BINS_PER_WEEK)


def read_trace(path: Path) -> Trace:
    """Whole weeks of a Parquet trace with columns ``vm, ts, cpu_percent, mem_percent``."""
    frame = pl.read_parquet(path).with_columns(pl.col("ts").dt.epoch("s") // 300)
    names = frame["vm"].unique().sort().to_list()
    begin = -(-int(frame["ts"].to_numpy().min()) // BINS_PER_DAY) * BINS_PER_DAY
    num_weeks = (int(frame["ts"].to_numpy().max()) - begin) // BINS_PER_WEEK
    grid = np.full((2, len(names), num_weeks * BINS_PER_WEEK), np.nan, dtype=np.float32)
    rows = frame["vm"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    bins = frame["ts"].to_numpy() - begin
    inside = (bins >= 0) & (bins < grid.shape[2])
    grid[0, rows[inside], bins[inside]] = frame["cpu_percent"].to_numpy()[inside]
    grid[1, rows[inside], bins[inside]] = frame["mem_percent"].fill_null(float("nan")).to_numpy()[inside]
    return Trace(datetime.fromtimestamp(begin * 300, UTC).date(), grid[0], grid[1])


@dataclass(frozen=True)
class Rotations:
    """Every VM of a trace at every rotation by whole weeks; an :class:`optimizer.ports.LoadSource`."""

    trace: Trace
    num_days: int

    @property
    def vm_ids(self) -> tuple[str, ...]:
        """Names ``source-rotation``, in the order of :meth:`read_day`."""
        return tuple(f"{v:04d}-{w:02d}" for v in range(len(self.trace.cpu)) for w in range(self.trace.num_weeks))

    def dates(self) -> Sequence[date]:
        """Days that have load, ascending."""
        return [self.trace.first_day + timedelta(days=n) for n in range(self.num_days)]

    def read_day(self, day: date) -> DayLoad:
        """Load of one day."""
        first = (day - self.trace.first_day).days * BINS_PER_DAY
        length = self.trace.cpu.shape[1]
        begins = (first - np.arange(self.trace.num_weeks) * BINS_PER_WEEK) % length

        def rotated(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            days = np.stack([values[:, begin : begin + BINS_PER_DAY] for begin in begins.tolist()], axis=1)
            return days.reshape(-1, BINS_PER_DAY)

        return DayLoad(day, self.vm_ids, rotated(self.trace.cpu), rotated(self.trace.mem))


def vm_names(num_vms: int) -> list[str]:
    """Names of the VMs of a bootstrapped estate."""
    return [f"vm-{number:06d}" for number in range(num_vms)]


def num_vaults(num_vms: int) -> int:
    """Vaults of an estate: at least two, so that services can span them."""
    return max(2, -(-num_vms // VMS_PER_VAULT))


def draw_copies(trace: Trace, num_vms: int, seed: int) -> tuple[IntArray, IntArray]:
    """Row of the trace and rotation in weeks of every VM of an estate; each of shape (num_vms,)."""
    random = np.random.default_rng(seed)
    return random.integers(len(trace.cpu), size=num_vms), random.integers(trace.num_weeks, size=num_vms)


def bootstrap_document(num_vms: int, seed: int, as_of: datetime) -> EstateDocument:
    """Vaults, policies and services as people choose them: 13 % weekly, 3 % hourly, 5 % spanning vaults; no load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vms.csv"
        write_vms_csv(path, vm_names(num_vms), seed, num_vaults(num_vms))
        resources = list_vms(path, [])
    make_some_hourly(resources.policies, seed)
    return EstateDocument(
        created_at=as_of,
        as_of=as_of,
        source="import",
        vaults=tuple(resources.vaults),
        policies=tuple(resources.policies),
        protected_items=tuple(resources.protected_items),
        vms=tuple(resources.vms),
    )


def make_some_hourly(policies: Iterable[Resource], seed: int) -> int:
    """Turn a share of the daily policies into Enhanced hourly ones.

    Parameters
    ----------
    policies
        Policies of an estate as ARM resources, changed in place.
    seed
        Of the choice.

    Returns
    -------
    int
        How many were turned.
    """
    random = np.random.default_rng(seed)
    daily = [p for p in policies if p["properties"]["schedulePolicy"]["scheduleRunFrequency"] == "Daily"]
    chosen = [p["properties"] for p in daily[1:] if random.random() < HOURLY_SHARE]
    for properties in chosen:
        properties["policyType"] = "V2"
        properties["schedulePolicy"] = {
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {
                "interval": 4,
                "scheduleWindowDuration": 12,
                "scheduleWindowStartTime": "2021-12-17T08:00:00Z",
            },
        }
        for schedule in properties["retentionPolicy"].values():
            if isinstance(schedule, dict):
                schedule["retentionTimes"] = ["2021-12-17T08:00:00Z"]
    return len(chosen)


def bootstrap(
    trace: Trace, num_vms: int, seed: int, num_days: int = 35, rules: Rules | None = None
) -> tuple[Estate, Case]:
    """An estate of ``num_vms`` VMs that exists in memory only, and the prepared case.

    Parameters
    ----------
    trace
        Where the load comes from.
    num_vms
        VMs of the estate.
    seed
        Of everything drawn.
    num_days
        Days of history.
    rules
        What is demanded; None: the defaults.
    """
    source = Rotations(trace, num_days)
    as_of = datetime.combine(trace.first_day + timedelta(days=num_days), datetime.min.time(), UTC)
    document = bootstrap_document(num_vms, seed, as_of)
    inventory = document.inventory(DEFAULT_SERVICE_FROM)
    rules = rules if rules is not None else Rules()
    forecast = forecast_load(source, source.vm_ids, inventory.horizon, rules.threshold, grid=snapshot_grid(inventory))
    row, week = draw_copies(trace, num_vms, seed)
    of = row * trace.num_weeks + week
    copies = forecast.of_rows(sorted({item.vm_id for item in inventory.items}), of)
    return Estate(Path("estate"), document), Case.of(inventory, rules, copies)


def bootstrap_case(trace: Trace, num_vms: int, seed: int, num_days: int = 35, rules: Rules | None = None) -> Case:
    """The prepared case of :func:`bootstrap` alone."""
    return bootstrap(trace, num_vms, seed, num_days, rules)[1]
