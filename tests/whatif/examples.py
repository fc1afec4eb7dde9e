"""Tiny estates whose best plan can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.plan import Planner
from optimizer.solve import Search
from tests.plan.estates import load_of, write_rows

Row = tuple[str, str, str, str, str]
"""VM, service, vault, policy, time; all daily, in UTC, kept for 30 days unless the policy's name ends in ``-long``."""

DAYS = 21


def tiny_estate(folder: Path, rows: Sequence[Row], nights: Mapping[str, float] | None = None) -> Estate:
    """Import VMs that are idle but for the CPU load that some have every night from 21:00 to 03:00."""
    written = [
        {
            "vm": vm,
            "service": service,
            "vault": vault,
            "policy": policy,
            "frequency": "Daily",
            "days": "",
            "time": time,
            "timezone": "UTC",
            "retention_days": "365" if policy.endswith("-long") else "30",
        }
        for vm, service, vault, policy, time in rows
    ]
    folder.mkdir(parents=True, exist_ok=True)
    frame = load_of([row[0] for row in rows], 0, DAYS)
    hour = pl.col("ts").dt.hour()
    idle = 10.0 + pl.col("ts").dt.minute() / 60
    frame = frame.with_columns(cpu_percent=idle)
    for vm, cpu in (nights or {}).items():
        busy = (pl.col("vm") == vm) & ((hour >= 21) | (hour < 3))
        frame = frame.with_columns(cpu_percent=pl.when(busy).then(cpu).otherwise(pl.col("cpu_percent")))
    frame.write_parquet(folder / "load.parquet")
    import_estate(write_rows(folder / "vms.csv", written), folder / "load.parquet", folder / "estate")
    return open_estate(folder / "estate")


def planner_of(effort: int, seed: int = 0) -> Planner:
    """Return a planner with little effort, which stops at a proof only."""
    return Planner(Search(seed, effort, gap=0.0))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, to see that nothing was written."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def is_night(start: str) -> bool:
    """Whether a window that begins then meets 20:00 to 06:00."""
    hour = int(start[:2]) + int(start[3:]) / 60
    return bool(np.logical_or(hour > 17.5, hour < 6))
