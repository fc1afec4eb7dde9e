"""Kernels of the history: hot and known samples, and the share of delays at risk."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.load import DayLoad, blank, to_day
from optimizer.model.rules import Threshold
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.risk.snapshots import SnapshotGrid, check_statistic, classify_samples, share_at_risk
from tests.model.timings import delays

LATE = SnapshotTiming(20, delays(m0=0.2, m45=0.5, m120=0.3))


@pytest.mark.parametrize(("snapshot_minutes", "step_minutes"), [(0, 30), (721, 30), (15, 20)])
def test_grid_refuses_what_it_cannot_compute(snapshot_minutes: int, step_minutes: int) -> None:
    """A snapshot of no length or half a day, and starts every 20 minutes, are mistakes of the caller."""
    with pytest.raises(ValueError, match="allowed"):
        SnapshotGrid((SnapshotTiming(snapshot_minutes),), step_minutes)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_delays_that_are_not_equally_likely_are_weighted(seed: int) -> None:
    """The share at risk is that of the known delays, each with its probability; unknown below half of it."""
    random = np.random.default_rng(seed)
    grid = SnapshotGrid((LATE,))
    samples = 288 + grid.bins_after_midnight
    known = np.repeat(random.random((1, samples // 8)) < 0.7, 8, axis=1).astype(np.uint8)
    hot = ((random.random(known.shape) < 0.1) & (known == 1)).astype(np.uint8)
    hot, known = (np.pad(values, ((0, 0), (0, samples - values.shape[1]))) for values in (hot, known))
    found = share_at_risk(hot, known, grid)
    for start in range(48):
        at_risk = weight = 0.0
        for delay, share in enumerate(LATE.delays):
            bins = slice(6 * start + delay, 6 * start + delay + 4)
            if known[0, bins].sum() >= 3:
                weight += share
                at_risk += share * hot[0, bins].any()
        expected = at_risk / weight if weight >= 0.5 - 1e-9 else math.nan
        assert found[0, start] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("minutes", "step", "beyond"), [(15, 30, 24 + 3 - 6), (15, 5, 24 + 3 - 1), (16, 30, 24 + 4 - 6)]
)
def test_a_grid_reaches_as_far_as_the_last_snapshot_of_the_last_start(minutes: int, step: int, beyond: int) -> None:
    """From the last start of the day: 24 bins of delay and the snapshot, whose length is rounded up to whole bins."""
    grid = SnapshotGrid((SnapshotTiming(minutes),), step)
    assert grid.bins_after_midnight == beyond
    assert grid.num_starts == 1440 // step


def test_a_grid_of_vms_follows_their_rows() -> None:
    """Rows are grouped by timing; a single timing serves all rows, whichever are chosen."""
    usual, late = SnapshotTiming(), LATE
    grid = SnapshotGrid((usual, late, usual))
    assert {timing: rows.tolist() for timing, rows in grid.rows_by_timing.items()} == {usual: [0, 2], late: [1]}
    assert grid.of_vms(slice(1, 3)).timings == (late, usual)
    assert grid.of_vms(np.array([2, 0])).timings == (usual, usual)
    alone = SnapshotGrid((late,))
    assert alone.of_vms(np.array([5, 7])) is alone
    assert alone.rows_by_timing == {late: slice(None)}


def one_day(**metrics: list[float]) -> DayLoad:
    """One VM whose first bins have these values; other bins are unknown."""
    arrays = {name: blank(name, 1) for name in ("cpu_percent", "mem_percent", *metrics)}
    for name, values in metrics.items():
        arrays[name][0, : len(values)] = values
    return to_day(date(2026, 3, 2), ("vm",), arrays)


def test_samples_are_hot_above_a_threshold_and_known_by_cpu_memory_or_power() -> None:
    """Memory alone makes a sample hot and known, low memory alone does not; a VM that is off is known and quiet."""
    load = one_day(
        cpu_percent=[95, 90, math.nan, math.nan, 95, math.nan],
        mem_percent=[10, 10, 95, 10, 10, math.nan],
        running=[1, 1, 1, 1, 0, 0],
    )
    hot, known = classify_samples(load, np.array([0]), Threshold())
    assert hot[0, :7].tolist() == [1, 0, 1, 0, 0, 0, 0]
    assert known[0, :7].tolist() == [1, 1, 1, 0, 1, 1, 0]


def test_vms_that_a_day_lacks_are_unknown() -> None:
    """A row of -1 has neither hot nor known samples, although NumPy would take the last VM for it."""
    load = one_day(cpu_percent=[95] * 288)
    hot, known = classify_samples(load, np.array([-1, 0]), Threshold())
    assert hot.sum(axis=1).tolist() == known.sum(axis=1).tolist() == [0, 288]


def test_a_threshold_on_maxima_looks_at_maxima() -> None:
    """The mean of a bin no longer counts, and memory without a maximum does not make a sample hot."""
    load = one_day(cpu_percent=[95, 10], cpu_max=[50, 95])
    threshold = Threshold(statistic="maximum")
    check_statistic(load, threshold)
    hot, _ = classify_samples(load, np.array([0]), threshold)
    assert hot[0, :2].tolist() == [0, 1]
