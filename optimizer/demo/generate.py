"""``demo``: generates a realistic estate from nothing but a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from optimizer.demo.drawn_jobs import draw_runs, draw_trouble, judge_day, to_jobs
from optimizer.demo.drawn_load import draw_behavior, draw_day
from optimizer.demo.fleet import Fleet, build_fleet
from optimizer.estate import EstateWriter
from optimizer.files import require_local
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.load import DayLoad
from optimizer.ports import Clock

DEMO_AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
"""Time of every demo estate; the six weeks before it contain the ends of two months."""

_FLEET, _BEHAVIOR, _RUNS, _LOAD, _JOBS = range(30, 35)
"""Separate streams of random numbers, so that a change in one does not affect the others.

The first number is chosen so that the default seed shows a little of everything.
"""


def generate_demo(
    out: str | Path, *, vms: int = 300, seed: int = 1, weeks: int = 6, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Write a demo estate; equal arguments produce equal estates.

    Parameters
    ----------
    out
        Estate folder, which must be absent or empty.
    vms
        Number of VMs, at least 1.
    seed
        Random seed of the demo, not negative.
    weeks
        Weeks of 5-minute history before :data:`DEMO_AS_OF`, at least 1.
    clock
        Clock for the estate's ``created_at``.

    Raises
    ------
    EstateError
        The folder is not empty, or cannot be written.
    ValueError
        The number of VMs or weeks is less than 1, or the seed is negative.
    """
    if vms < 1 or weeks < 1 or seed < 0:
        raise ValueError(f"a demo needs vms >= 1, weeks >= 1 and seed >= 0, not {vms}, {weeks} and {seed}")
    out = require_local(out)
    fleet = build_fleet(np.random.default_rng([seed, _FLEET]), vms)
    history = _History(fleet, seed, num_days=7 * weeks)
    with EstateWriter(out) as writer:
        outcomes = [history.write_day(writer, number) for number in range(history.num_days)]
        writer.add_jobs(to_jobs(outcomes, fleet, history.begin))
        writer.commit(fleet.resources(DEMO_AS_OF), created_at=clock.now())


class _History:
    """Load and backups of a fleet, drawn day by day.

    Parameters
    ----------
    fleet
        The fleet.
    seed
        Random seed of the demo.
    num_days
        Length of the history in days; it ends at :data:`DEMO_AS_OF`.
    """

    def __init__(self, fleet: Fleet, seed: int, num_days: int) -> None:
        self.num_days, self._seed = num_days, seed
        self.begin = DEMO_AS_OF - timedelta(days=num_days)
        self._first = self.begin.date()
        self._behavior = draw_behavior(np.random.default_rng([seed, _BEHAVIOR]), fleet, num_days, DEMO_AS_OF)
        rng = np.random.default_rng([seed, _RUNS])
        self._runs = draw_runs(rng, fleet, self._first, DEMO_AS_OF)
        self._trouble = draw_trouble(rng, fleet, num_days)
        self._order = sorted(range(len(fleet.vms)), key=lambda vm: fleet.vms[vm].id)
        self._vm_ids = tuple(ArmId(fleet.vms[vm].id) for vm in self._order)

    def write_day(self, writer: EstateWriter, number: int) -> pl.DataFrame:
        """Add the load of a day to an estate, and return the outcomes of its backups."""
        day = self._first + timedelta(days=number)
        load = draw_day(np.random.default_rng([self._seed, _LOAD, number]), self._behavior, self._first, day)
        jobs_rng = np.random.default_rng([self._seed, _JOBS, number])
        outcomes = judge_day(jobs_rng, self._runs, self._trouble, self._behavior.service, load, number)
        cpu, mem, running = load.cpu_percent, load.mem_percent, load.running
        order = self._order
        writer.add_load(DayLoad(day, self._vm_ids, cpu[order], mem[order], running=running[order]))
        return outcomes
