"""Make up the office of 12 VMs in ``data/office``: four weeks of load, and policies as a small company has them.

python -m tests.benchmarks.office data/office

Everything is invented and drawn with a fixed seed: people work from 8 to 18 on weekdays, and some servers have jobs
at night that keep them above 90 % CPU, at much the same time each day.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.model.timegrid import BINS_PER_DAY

SEED = 12
FIRST_DAY = datetime(2026, 2, 2, tzinfo=UTC)
"""A Monday; clocks in Berlin are one hour ahead of UTC in all of the four weeks."""

NUM_DAYS = 28
ZONE, UTC_OFFSET_HOURS = "W. Europe Standard Time", 1
NIGHTLY = ("daily-2300", "Daily", "", "23:00", "30")
DATABASES = ("databases-2200", "Daily", "", "22:00", "90")
WEEKLY = ("weekly-sunday", "Weekly", "Sunday", "02:00", "180")


@dataclass(frozen=True)
class Job:
    """Something that runs at night.

    Parameters
    ----------
    hour, hours
        When it begins, on the office's clock, and how long it takes.
    chance
        Probability that it runs on a day.
    """

    hour: float
    hours: float
    chance: float = 1.0


@dataclass(frozen=True)
class Server:
    """A VM of the office.

    Parameters
    ----------
    idle, busy
        Mean CPU in percent outside and within office hours.
    memory
        Mean memory in percent.
    jobs
        What keeps it above 90 % CPU.
    """

    name: str
    service: str
    policy: tuple[str, ...]
    idle: int
    busy: int
    memory: int
    jobs: tuple[Job, ...] = ()


SERVERS = (
    Server("dc01", "directory", NIGHTLY, 4, 9, 45),
    Server("dc02", "directory", NIGHTLY, 4, 8, 44),
    Server("file01", "files", NIGHTLY, 8, 25, 60, (Job(23.0, 3.0, 0.95),)),
    Server("print01", "files", NIGHTLY, 3, 12, 35),
    Server("mail01", "mail", NIGHTLY, 12, 38, 72, (Job(1.0, 1.5, 0.9),)),
    Server("sql01", "erp", DATABASES, 15, 55, 80, (Job(21.5, 2.5, 0.95), Job(12.0, 0.5, 0.5))),
    Server("sql02", "erp", DATABASES, 12, 45, 78, (Job(22.0, 2.0, 0.9),)),
    Server("erpapp01", "erp", NIGHTLY, 10, 50, 65, (Job(22.5, 1.5, 0.8), Job(6.0, 0.75, 0.6))),
    Server("web01", "intranet", NIGHTLY, 6, 20, 50),
    Server("rds01", "desktops", NIGHTLY, 5, 70, 68, (Job(9.0, 1.0, 0.6),)),
    Server("rds02", "desktops", NIGHTLY, 5, 68, 66, (Job(9.0, 1.0, 0.6),)),
    Server("archive01", "archive", WEEKLY, 3, 5, 30, (Job(2.0, 4.0, 0.9),)),
)


def draw_cpu(random: np.random.Generator, server: Server) -> npt.NDArray[np.float64]:
    """CPU of a server in percent, on the office's clock; shape (NUM_DAYS, 288)."""
    hour = np.arange(BINS_PER_DAY) / 12
    weekday = np.arange(NUM_DAYS)[:, None] % 7 < 5
    at_work = weekday & (hour >= 8) & (hour < 18)
    cpu = np.where(at_work, server.busy, server.idle) * random.gamma(20, 1 / 20, (NUM_DAYS, BINS_PER_DAY))
    for job in server.jobs:
        for day in np.flatnonzero(random.random(NUM_DAYS) < job.chance).tolist():
            first = int((job.hour + random.normal(0, 0.15)) * 12)
            bins = slice(day * BINS_PER_DAY + first, day * BINS_PER_DAY + first + int(job.hours * 12))
            cpu.ravel()[bins] = random.uniform(92, 100, len(cpu.ravel()[bins]))
    return np.clip(cpu, 0, 100)


def make_office(folder: Path) -> None:
    """Write ``vms.csv`` and ``load.parquet``."""
    random = np.random.default_rng(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "vms.csv").open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file, lineterminator="\n")
        write.writerow(["vm", "service", "vault", "policy", "frequency", "days", "time", "timezone", "retention_days"])
        for server in SERVERS:
            name, frequency, days, time, retention = server.policy
            row = (server.name, server.service, "vault-office", name, frequency, days, time, ZONE, retention)
            write.writerow(row)
    stamps = [FIRST_DAY + timedelta(minutes=5 * number) for number in range(NUM_DAYS * BINS_PER_DAY)]
    frames = []
    for server in SERVERS:
        cpu = np.roll(draw_cpu(random, server).ravel(), -12 * UTC_OFFSET_HOURS)
        memory = np.clip(server.memory + random.normal(0, 2, len(cpu)) + cpu / 20, 0, 100)
        columns = {"vm": server.name, "ts": stamps, "cpu_percent": cpu.round(), "mem_percent": memory.round()}
        frames.append(pl.DataFrame(columns).with_columns(pl.col("cpu_percent", "mem_percent").cast(pl.Float32)))
    pl.concat(frames).write_parquet(folder / "load.parquet", compression="zstd", compression_level=19)


if __name__ == "__main__":
    make_office(Path(sys.argv[1]))
