"""Cases of faulty or unusual estates, with the load that their description prescribes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

CASES_END = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = 21


def vm_ids_of(case: dict[str, Any]) -> list[str]:
    """VMs that a case lists, sorted by id; a deleted VM that an item still protects has no load."""
    return sorted(str(vm["id"]) for vm in case["vms"])


def case_load(vm_ids: list[str], *, days: int = DAYS, seed: int = 1) -> pl.DataFrame:
    """Load of some days that end at ``CASES_END``, every 5 minutes.

    The first, third, ... VM has 97 % CPU from 22:00 to 01:30 UTC and about 20 % at other times, the others 25 %; all
    have 50 % memory.
    """
    rng = np.random.default_rng(seed)
    times = [CASES_END - timedelta(minutes=5 * number) for number in reversed(range(days * 288))]
    busy = np.array([(time.hour * 60 + time.minute - 22 * 60) % 1440 < 210 for time in times])
    frames = [
        pl.DataFrame(
            {
                "vm": [vm_id] * len(times),
                "ts": times,
                "cpu_percent": np.where(busy, 97.0, 20 + rng.uniform(-2, 2, len(times))).round(2)
                if number % 2 == 0
                else np.full(len(times), 25.0),
                "mem_percent": np.full(len(times), 50.0),
            },
            schema_overrides={"ts": pl.Datetime("us", "UTC")},
        )
        for number, vm_id in enumerate(vm_ids)
    ]
    return pl.concat(frames)


def write_case_load(case_file: Path, folder: Path) -> Path:
    """``load.parquet`` of a case."""
    path = folder / "load.parquet"
    case_load(vm_ids_of(json.loads(case_file.read_text(encoding="utf-8")))).write_parquet(path)
    return path
