"""Sums of single days: windows over midnight, stuck counters, and rows of VMs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.risk.history import RiskHistory, build_history
from optimizer.risk.snapshots import SnapshotGrid
from optimizer.risk.windows import BlockSums, RowFinder, Windows
from tests.risk.sources import FIRST_DAY, MemorySource, make_days

FAR = datetime(2030, 1, 1, tzinfo=UTC)


def history_of(cpu: np.ndarray) -> RiskHistory:
    """History of VMs given by CPU of shape (V, days, 288)."""
    source = make_days(cpu)
    return build_history(source, source.read_day(FIRST_DAY).vm_ids, FAR, Threshold(), SnapshotGrid())


def test_varies_tells_a_stuck_counter_from_a_working_one() -> None:
    """Load that is the same all month does not vary; one different sample, on any day, and it does."""
    cpu = np.full((3, 3, 288), 50.0)
    cpu[1, 2, 17] = 50.5
    cpu[2, :2] = np.nan
    assert history_of(cpu).varies.tolist() == [False, True, False]


def test_a_vm_that_is_off_varies() -> None:
    """Being known to be off is something known: the VM is not taken for one with a stuck counter."""
    source = make_days(np.full((1, 1, 288), np.nan))
    load = replace(source.read_day(FIRST_DAY), running=np.full((1, 288), STOPPED, dtype=np.int8))
    history = build_history(MemorySource([load]), ["vm-0"], FAR, Threshold(), SnapshotGrid())
    assert history.varies.tolist() == [True]
    assert history.usable_days.tolist() == [[1]]
    assert history.risk_sum.max() == 0


def test_rows_are_found_without_case_and_kept_while_days_list_the_same_vms() -> None:
    """Unknown VMs are -1; a day with other VMs is looked up again."""
    finder = RowFinder(["B", "nobody", "a"])
    first = finder.find(("a", "b"))
    assert first.tolist() == [1, -1, 0]
    assert finder.find(("a", "b")) is first
    assert finder.find(("b", "c")).tolist() == [0, -1, -1]


def sums_of(*days: DayLoad, num_bins: int = 288) -> BlockSums:
    """Sums of some days in one block, of one VM."""
    sums = BlockSums.zeros(1, 1, 48)
    windows = Windows(sums, SnapshotGrid(), Threshold())
    for load in days:
        windows.add_day(load, np.array([0]), num_bins, 0)
    windows.close()
    return sums


def busy_day(day: date, *bins: int) -> DayLoad:
    """A day on which one VM is busy in some bins and quiet in all others."""
    cpu = np.full((1, 288), 20.0, dtype=np.float32)
    cpu[0, list(bins)] = 99.0
    return DayLoad(day, ("vm-0",), cpu, np.full_like(cpu, np.nan))


def test_a_window_over_midnight_is_completed_by_the_next_day() -> None:
    """A start at 23:30 with a busy bin at 00:30 is hit by three delays of 25, and known only with that day."""
    night = FIRST_DAY + timedelta(days=1)
    both = sums_of(busy_day(FIRST_DAY), busy_day(night, 6))
    assert both.day_count[0, 0, 47] == 1
    assert both.risk_sum[0, 0, 47] == np.float32(3 / 25)
    alone = sums_of(busy_day(FIRST_DAY))
    assert alone.day_count[0, 0].tolist() == [1] * 46 + [0, 0]


def test_a_gap_of_days_completes_nothing() -> None:
    """The samples of the day after next do not belong to a window of today."""
    later = FIRST_DAY + timedelta(days=2)
    assert sums_of(busy_day(FIRST_DAY), busy_day(later, 0)).risk_sum[0, 0, 44:48].sum() == 0


def test_samples_after_the_end_of_the_history_are_unknown() -> None:
    """Only the first bins of the day count, so late starts are not known."""
    sums = sums_of(busy_day(FIRST_DAY), num_bins=144)
    assert sums.day_count[0, 0, :22].tolist() == [1] * 22
    assert sums.day_count[0, 0, 24:].sum() == 0
    assert sums.usable_days[0, 0] == 0
