"""``demo``: generates a realistic estate from nothing but a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from optimizer.demo.drawn_jobs import draw_runs, draw_trouble, judge_day, to_jobs
from optimizer.demo.drawn_load import draw_behaviour, draw_day
from optimizer.demo.fleet import build_fleet
from optimizer.estate import EstateWriter
from optimizer.files import require_local
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.load import DayLoad
from optimizer.ports import Clock

DEMO_AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
"""Time of every demo estate; the six weeks before it contain the ends of two months."""

_FLEET, _BEHAVIOUR, _RUNS, _LOAD, _JOBS = range(30, 35)
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
    num_days = 7 * weeks
    begin = DEMO_AS_OF - timedelta(days=num_days)
    first = begin.date()
    fleet = build_fleet(np.random.default_rng([seed, _FLEET]), vms)
    behaviour = draw_behaviour(np.random.default_rng([seed, _BEHAVIOUR]), fleet, num_days, DEMO_AS_OF)
    rng = np.random.default_rng([seed, _RUNS])
    runs, trouble = draw_runs(rng, fleet, first, DEMO_AS_OF), draw_trouble(rng, fleet, num_days)
    order = sorted(range(vms), key=lambda vm: fleet.vms[vm].id)
    vm_ids = tuple(fleet.vms[vm].id for vm in order)
    outcomes = []
    with EstateWriter(out) as writer:
        for number in range(num_days):
            day = first + timedelta(days=number)
            load = draw_day(np.random.default_rng([seed, _LOAD, number]), behaviour, first, day)
            jobs_rng = np.random.default_rng([seed, _JOBS, number])
            outcomes.append(judge_day(jobs_rng, runs, trouble, behaviour.service, load, number))
            writer.add_load(
                DayLoad(day, vm_ids, load.cpu_percent[order], load.mem_percent[order], running=load.running[order])
            )
        writer.add_jobs(to_jobs(outcomes, fleet, begin))
        writer.commit(
            created_at=clock.now(),
            as_of=DEMO_AS_OF,
            source="demo",
            vaults=fleet.vaults,
            policies=[policy.resource for policy in fleet.policies] + fleet.other_policies,
            protected_items=fleet.protected_items,
            vms=fleet.vm_resources,
        )
