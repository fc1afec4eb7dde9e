"""Load of the demo: cycles, batches, sleep, gaps and limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from optimizer.demo.drawn_load import Behavior, _bump, _is_month_end, _offset_minutes, draw_behavior, draw_day
from optimizer.demo.fleet import build_fleet

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = date(2026, 2, 16)
"""A Monday."""


def still(size: int = 4, **changes: object) -> Behavior:
    """VMs in UTC with a constant load of 10 % CPU and 40 % memory, without noise."""
    zeros, ints = np.zeros(size), np.zeros(size, dtype=np.int64)
    calm = Behavior(
        service=ints, offset=ints, base=zeros + 10, work=zeros, evening=zeros, noise=zeros,
        batch_start=zeros + 23 * 60, batch_minutes=zeros, batch_load=zeros + 95,
        batch_nights=np.ones((1, 20), dtype=np.bool_), month_end=zeros,
        sleeps=zeros.astype(np.bool_), memory=zeros + 40, memory_follows=zeros, first_day=ints,
    )  # fmt: skip
    return replace(calm, **changes)  # type: ignore[arg-type]


def drawn(behavior: Behavior, day: date = FIRST, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    load = draw_day(np.random.default_rng(seed), behavior, FIRST, day)
    return load.cpu_percent, load.mem_percent, load.running


def hours(values: np.ndarray) -> np.ndarray:
    """Mean of each hour over all VMs."""
    return np.nanmean(values.reshape(len(values), 24, 12), axis=(0, 2))


def test_a_still_vm_is_still() -> None:
    """Without cycles and noise, load is constant, and almost every bin is known."""
    cpu, mem, running = drawn(still())
    assert np.nanmin(cpu) == np.nanmax(cpu) == 10 and np.nanmin(mem) == np.nanmax(mem) == 40
    assert (running == 1).all() and np.isnan(cpu).mean() < 0.05


def test_work_peaks_at_one_in_the_afternoon() -> None:
    """Working hours add load around 13:00 local time, and a quarter of it on weekends."""
    cpu, _, _ = drawn(still(work=np.full(4, 40.0)))
    assert hours(cpu).argmax() in {12, 13} and 48 < np.nanmax(cpu) <= 50
    weekend, _, _ = drawn(still(work=np.full(4, 40.0)), date(2026, 2, 21))
    assert 19 < np.nanmax(weekend) <= 20
    east, _, _ = drawn(still(work=np.full(4, 40.0), offset=np.full(4, 330)))
    assert hours(east).argmax() in {7, 8}


def test_the_batch_runs_at_its_time() -> None:
    """A nightly batch of an hour takes the VM to its load; a night without batch is quiet."""
    behavior = still(batch_minutes=np.full(4, 60.0))
    cpu, _, _ = drawn(behavior)
    assert set(np.unique(cpu[:, 276:][~np.isnan(cpu[:, 276:])])) == {95.0}
    assert np.nanmax(cpu[:, :276]) == 10
    quiet = replace(behavior, batch_nights=np.zeros((1, 20), dtype=np.bool_))
    assert np.nanmax(drawn(quiet)[0]) == 10


def test_the_batch_takes_twice_as_long_at_the_end_of_a_month() -> None:
    """Where a service closes its month, the batch runs on these nights in any case, and longer."""
    nights = np.zeros((1, 20), dtype=np.bool_)
    behavior = still(batch_minutes=np.full(4, 60.0), batch_nights=nights, month_end=np.ones(4),
                      batch_start=np.full(4, 20 * 60.0))  # fmt: skip
    cpu, _, _ = drawn(behavior, date(2026, 2, 27))
    assert np.nanmin(cpu[:, 240:264]) == 95 and np.nanmax(cpu[:, 264:]) == 10
    assert np.nanmax(drawn(behavior, date(2026, 2, 25))[0]) == 10


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-02-26", False), ("2026-02-27", True), ("2026-02-28", True), ("2026-03-01", True), ("2026-03-02", False)],
)
def test_ends_of_months(day: str, expected: bool) -> None:
    """The last two days and the first day of a month count."""
    assert _is_month_end(date.fromisoformat(day)) is expected


def test_sleeping_vms_are_off_at_night() -> None:
    """A VM that sleeps is off from 20:00 to 06:30 and on weekends, and has no load then."""
    sleeps = np.array([True, False, False, False])
    cpu, _, running = drawn(still(sleeps=sleeps))
    assert (running[0, :78] == 0).all() and (running[0, 78:240] == 1).all() and (running[0, 240:] == 0).all()
    assert np.isnan(cpu[0, running[0] == 0]).all() and (running[1:] == 1).all()
    assert (drawn(still(sleeps=sleeps), date(2026, 2, 22))[2][0] == 0).all()


def test_monitoring_may_start_later() -> None:
    """Before its first day, nothing is known of a VM."""
    cpu, mem, running = drawn(still(first_day=np.array([1, 0, 0, 0])))
    assert np.isnan(cpu[0]).all() and np.isnan(mem[0]).all() and (running[0] == -1).all()
    assert (drawn(still(first_day=np.array([1, 0, 0, 0])), date(2026, 2, 17))[2] == 1).all()


def test_memory_follows_the_cpu() -> None:
    """Memory rises by its share of the CPU's rise."""
    behavior = still(work=np.full(4, 40.0), memory_follows=np.full(4, 0.25))
    cpu, mem, _ = drawn(behavior)
    np.testing.assert_allclose(mem - 40, (cpu - 10) * 0.25, atol=1e-4)


def test_load_stays_within_its_limits() -> None:
    """With much noise and high load, values stay between 0.1 and 100 percent."""
    cpu, mem, _ = drawn(still(noise=np.full(4, 80.0), base=np.full(4, 50.0)))
    assert np.nanmin(cpu) >= 0.1 and np.nanmax(cpu) <= 100 and np.nanmax(mem) <= 100
    assert cpu.dtype == np.float32


def test_equal_generators_draw_equal_days() -> None:
    """A day depends on the state of the generator and on nothing else."""
    noisy = still(noise=np.full(4, 5.0))
    np.testing.assert_array_equal(drawn(noisy)[0], drawn(noisy)[0])
    assert not np.array_equal(drawn(noisy)[0], drawn(noisy, seed=2)[0], equal_nan=True)


def test_the_behavior_of_a_fleet() -> None:
    """Services share the hour of their batch; only VMs outside production sleep."""
    fleet = build_fleet(np.random.default_rng(1), 300)
    behavior = draw_behavior(np.random.default_rng(2), fleet, 14, AS_OF)
    assert behavior.service.tolist() == [vm.service for vm in fleet.vms]
    prod = np.array([vm.env == "prod" for vm in fleet.vms])
    assert not behavior.sleeps[prod].any() and behavior.sleeps[~prod].any()
    web = np.array([vm.tier == "web" for vm in fleet.vms])
    assert (behavior.evening[~web] == 0).all() and (behavior.evening[web] > 0).all()
    largest = np.bincount(behavior.service).argmax()
    starts = behavior.batch_start[behavior.service == largest]
    assert np.ptp(starts) < 80, "minutes around the hour of the service"
    assert behavior.batch_nights.shape == (fleet.num_services, 17)


@pytest.mark.parametrize(
    ("zone", "minutes"), [("Europe/Amsterdam", 60), ("America/New_York", -300), ("Asia/Kolkata", 330)]
)
def test_offsets_of_the_regions(zone: str, minutes: int) -> None:
    """Offsets are those of the end of the history, in winter."""
    assert _offset_minutes(zone, AS_OF) == minutes


def test_a_bell_wraps_at_midnight() -> None:
    """The bell curve is 1 in its middle, symmetric, and continues over midnight."""
    bell = _bump(np.array([23.0, 1.0, 0.0, 12.0]), 0.0, 1.0)
    assert bell[2] == 1 and bell[0] == bell[1] and bell[3] < 1e-6
