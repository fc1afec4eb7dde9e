"""Small inputs for an import: a list of VMs and a load file, whole or broken as a test wants them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

HEADER = "vm,service,vault,policy,frequency,days,time,timezone,retention_days"
DAILY = "web-1,shop,vault-a,nightly,Daily,,23:00,W. Europe Standard Time,30"
WEEKLY = "db-1,shop,vault-a,weekend,Weekly,Sunday;Wednesday,02:30,UTC,84"
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def write_vms(folder: Path, *lines: str, header: str = HEADER) -> Path:
    """``vms.csv`` with these lines; two good ones where none are given."""
    path = folder / "vms.csv"
    path.write_text("\n".join([header, *(lines or (DAILY, WEEKLY))]) + "\n", encoding="utf-8")
    return path


def load_frame(
    vms: tuple[str, ...] = ("db-1", "web-1"),
    *,
    begin: datetime = BEGIN,
    samples: int = 2 * 288,
    interval_minutes: float = 5,
    seed: int = 1,
    **columns: object,
) -> pl.DataFrame:
    """Regular load of some VMs, by VM and time, with every value a multiple of 0.01; ``columns`` are added."""
    rng = np.random.default_rng(seed)
    step = pl.duration(microseconds=int(interval_minutes * 60_000_000))
    size = samples * len(vms)
    frame = pl.DataFrame(
        {
            "vm": [vm for vm in vms for _ in range(samples)],
            "number": list(range(samples)) * len(vms),
            "cpu_percent": np.round(rng.uniform(0, 100, size), 2),
            "mem_percent": np.round(rng.uniform(0, 100, size), 2),
        }
    )
    ts = (pl.lit(begin).cast(pl.Datetime("us", "UTC")) + pl.col("number") * step).alias("ts")
    added = [pl.Series(name, values) for name, values in columns.items()]  # type: ignore[arg-type]
    return frame.select("vm", ts, "cpu_percent", "mem_percent", *added)


def write_load(folder: Path, frame: pl.DataFrame | None = None, name: str = "load.parquet") -> Path:
    """``load.parquet`` with this frame, or with two days of good load."""
    path = folder / name
    (load_frame() if frame is None else frame).write_parquet(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, to see that nothing was touched."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
