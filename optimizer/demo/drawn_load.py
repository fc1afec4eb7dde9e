"""Generates realistic load: daily and weekly cycles, peaks, nightly batches, month ends, VMs that are off, gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from optimizer.demo.fleet import REGIONS, Fleet
from optimizer.model.load import RUNNING, STOPPED
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY, MINUTES_PER_DAY

Floats = npt.NDArray[np.float64]

_KNOTS = 25
"""Number of points per day between which the slow part of the noise is linear."""


class LoadDay(NamedTuple):
    """Load of every VM on one UTC day; arrays of shape (V, 288), NaN where monitoring has no value."""

    cpu_percent: npt.NDArray[np.float32]
    mem_percent: npt.NDArray[np.float32]
    running: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Behavior:
    """Parameters of each VM's load; arrays of shape (V,), times in minutes of the local day, loads in percent.

    Parameters
    ----------
    service, offset
        Service of the VM, and UTC offset in minutes of its users.
    base, work, evening
        Load at rest, and load that working hours and the evening peak add.
    noise
        Standard deviation of the noise, in percent.
    batch_start, batch_minutes, batch_load
        Start, length and load of the nightly batch; a length of 0 means no batch.
    batch_nights
        Whether the batch runs in a night, shape (services, nights); drawn per service, so that its VMs are busy
        together.
    month_end
        Growth of the batch's length on the last two days and the first day of a month: 1 doubles it, 0 means none.
    sleeps
        Whether the VM is off at night and on weekends.
    memory, memory_follows
        Memory at rest, and the share of the CPU's rise that memory follows.
    first_day
        Day of the history on which monitoring starts.
    """

    service: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    base: Floats
    work: Floats
    evening: Floats
    noise: Floats
    batch_start: Floats
    batch_minutes: Floats
    batch_load: Floats
    batch_nights: npt.NDArray[np.bool_]
    month_end: Floats
    sleeps: npt.NDArray[np.bool_]
    memory: Floats
    memory_follows: Floats
    first_day: npt.NDArray[np.int64]


def draw_behavior(rng: np.random.Generator, fleet: Fleet, num_days: int, as_of: datetime) -> Behavior:
    """Draw the behavior of a fleet; parameters of a service (such as the hour of its batch) are drawn once for it."""
    size, services = len(fleet.vms), fleet.num_services
    service = np.array([vm.service for vm in fleet.vms], dtype=np.int64)
    tier = np.array([vm.tier for vm in fleet.vms])
    env = np.array([vm.env for vm in fleet.vms])
    offsets = np.array([_offset_minutes(zone, as_of) for _, _, zone, _ in REGIONS])
    quiet = rng.random(size) < 0.3
    rest, hogs = rng.lognormal(2.2, 0.5, size), rng.random(size) < 0.01  # a hog is busy all the time
    has_batch = (rng.random(services) < 0.75)[service] & (
        rng.random(size) < _BATCH_SHARE[np.searchsorted(_TIER, tier)]
    )
    start = (rng.normal(23.5, 2.0, services) * 60 % MINUTES_PER_DAY)[service] + rng.normal(0, 10, size)
    chance = rng.beta(1.5, 1.7, services)
    nights = rng.random((services, num_days + 3)) < chance[:, None]
    hot_evening = (rng.random(services) < 0.12)[service] & (tier == "web")
    return Behavior(
        service=service,
        offset=offsets[[vm.region for vm in fleet.vms]],
        base=np.where(quiet, rng.uniform(0.5, 3, size), np.where(hogs, rng.uniform(82, 91, size), rest)),
        work=np.where(quiet, 1.0, rng.gamma(2.0, 8.0, size)),
        evening=np.where(tier == "web", np.where(hot_evening, rng.uniform(45, 80, size), rng.gamma(2, 8, size)), 0.0),
        noise=np.where(rng.random(size) < 0.06, 9.0, rng.uniform(0.5, 3.0, size)),
        batch_start=start,
        batch_minutes=np.where(has_batch, rng.lognormal(4.9, 0.4, services)[service], 0.0),
        batch_load=rng.uniform(85, 100, size),
        batch_nights=nights,
        month_end=np.where((rng.random(services) < 0.2)[service], 1.0, 0.0),
        sleeps=(env != "prod") & (rng.random(size) < 0.3),
        memory=rng.uniform(25, 78, size),
        memory_follows=rng.uniform(0.0, 0.25, size),
        first_day=np.where(rng.random(size) < 0.02, rng.integers(0, num_days, size), 0),
    )


def _offset_minutes(zone: str, instant: datetime) -> int:
    offset = instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


_TIER = np.array(["app", "batch", "db", "web"])
_BATCH_SHARE = np.array([0.55, 0.95, 0.8, 0.25])
"""Probability, by tier as in ``_TIER``, that a VM takes part in its service's nightly batch."""


def draw_day(rng: np.random.Generator, behavior: Behavior, first: date, day: date) -> LoadDay:
    """Draw the load of one day.

    Parameters
    ----------
    rng
        Random numbers for this day.
    behavior
        Parameters of the fleet.
    first
        First day of the history.
    day
        UTC day to draw.
    """
    size = behavior.service.size
    number = (day - first).days
    local = np.arange(0, MINUTES_PER_DAY, BIN_MINUTES)[None, :] + behavior.offset[:, None]
    hour = local % MINUTES_PER_DAY / 60.0
    weekday = (day.weekday() + local // MINUTES_PER_DAY) % 7
    weekend = weekday >= 5
    slow = rng.normal(size=(size, _KNOTS)) @ _between_knots()
    noise = behavior.noise[:, None] * (0.8 * slow + 0.6 * rng.normal(size=(size, BINS_PER_DAY)))
    cpu = behavior.base[:, None] + behavior.work[:, None] * _bump(hour, 13.0, 3.5) * np.where(weekend, 0.25, 1.0)
    mood = np.exp(rng.normal(0, 0.15, size))[:, None]  # some evenings are busier than others
    cpu += behavior.evening[:, None] * mood * _bump(hour, 21.0, 1.5) * np.where(weekend, 1.15, 1.0)
    cpu = np.where(_in_batch(behavior, day, number, local), np.maximum(cpu, behavior.batch_load[:, None]), cpu)
    memory = behavior.memory[:, None] + behavior.memory_follows[:, None] * (cpu - behavior.base[:, None])
    running = np.full((size, BINS_PER_DAY), RUNNING, dtype=np.int8)
    running[behavior.sleeps[:, None] & ((hour >= 20) | (hour < 6.5) | weekend)] = STOPPED
    blind = _gaps(rng, size) | (running == STOPPED)
    blind[behavior.first_day > number] = True
    running[behavior.first_day > number] = -1
    return LoadDay(_clipped(cpu + noise, blind), _clipped(memory + 0.3 * noise, blind), running)


def _bump(hour: Floats, middle: float, width: float) -> Floats:
    """Bell curve over the day with maximum 1 at ``middle``; ``width`` in hours."""
    distance = np.abs(hour - middle)
    bell: Floats = np.exp(-0.5 * (np.minimum(distance, 24 - distance) / width) ** 2)
    return bell


def _between_knots() -> Floats:
    """Weights of a linear interpolation between knots, shape (knots, 288)."""
    position = np.linspace(0, _KNOTS - 1, BINS_PER_DAY)
    weights: Floats = np.clip(1 - np.abs(position[None, :] - np.arange(_KNOTS)[:, None]), 0, None)
    return weights


def _in_batch(behavior: Behavior, day: date, number: int, local: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Bins in which the nightly batch of each VM runs, on nights when its service has one."""
    since = local - behavior.batch_start[:, None]
    night = np.floor_divide(since, MINUTES_PER_DAY).astype(np.int64)
    today = np.array([_is_month_end(day + timedelta(days=n)) for n in (-2, -1, 0, 1)])
    closing = today[night + 2] & (behavior.month_end[:, None] > 0)
    minutes = behavior.batch_minutes[:, None] * np.where(closing, 2.0, 1.0)
    works = behavior.batch_nights[behavior.service[:, None], number + night + 2] | closing
    return works & (since - night * MINUTES_PER_DAY < minutes)


def _is_month_end(day: date) -> bool:
    return (day + timedelta(days=2)).day <= 2 or day.day == 1


def _gaps(rng: np.random.Generator, size: int) -> npt.NDArray[np.bool_]:
    """Bins that monitoring lost: single bins at random, and now and then several hours of one VM."""
    lost = rng.random((size, BINS_PER_DAY)) < 0.001
    for vm in np.flatnonzero(rng.random(size) < 0.01):
        begin = int(rng.integers(BINS_PER_DAY))
        lost[vm, begin : begin + int(rng.integers(3, 72))] = True
    return lost


def _clipped(values: Floats, blind: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.where(blind, np.nan, np.clip(values, 0.1, 100.0)).astype(np.float32)
