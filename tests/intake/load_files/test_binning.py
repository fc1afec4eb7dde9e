"""Samples at any interval become bins of 5 minutes: order, repetition, intervals, means and maxima."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.load_files.binning import (
    LEAD_BINS,
    Samples,
    find_intervals,
    in_key_order,
    merge_repeated,
    to_days,
)
from optimizer.model.arm_id import ArmId

BEGIN = datetime(2026, 1, 4, 23, tzinfo=UTC)
DAY = date(2026, 1, 5)
MINUTE = 60_000_000
VMS = (ArmId("a"), ArmId("b"))


def samples(*rows: tuple[int, float, float]) -> Samples:
    """Samples from VM, minutes after midnight, and CPU."""
    vm, minutes, cpu = (np.array(column) for column in zip(*rows, strict=True))
    offsets = ((minutes + 60) * MINUTE).astype(np.int64)
    return Samples(BEGIN, vm.astype(np.int64), offsets, {"cpu_percent": cpu.astype(np.float32)})


def rows_of(found: Samples) -> list[tuple[int, float, float]]:
    minutes = (found.offsets / MINUTE - 60).tolist()
    return list(zip(found.rows.tolist(), minutes, found.values["cpu_percent"].tolist(), strict=True))


def cpu_of(found: Samples, minutes: list[int], vm: int = 0) -> np.ndarray:
    (day,) = to_days(found, [DAY], VMS, np.array(minutes))
    return day.cpu_percent[day.vm_ids.index(VMS[vm])]


def test_samples_in_order_stay_as_they_are() -> None:
    """Samples by VM and time are returned unchanged."""
    found = samples((0, 0, 1), (0, 5, 2), (1, 0, 3))
    assert in_key_order(found) == (found, True)


@pytest.mark.parametrize(
    ("rows", "was_sorted"),
    [
        ([(0, 0, 1), (1, 0, 3), (0, 5, 2), (1, 5, 4)], True),
        ([(0, 5, 2), (0, 0, 1), (1, 5, 4), (1, 0, 3)], False),
        ([(1, 0, 3), (1, 5, 4), (0, 0, 1), (0, 5, 2)], True),
    ],
)
def test_samples_are_sorted_by_vm_and_time(rows: list[tuple[int, float, float]], was_sorted: bool) -> None:
    """A file by time is in order for every VM; only VMs whose own samples are mixed up count as unsorted."""
    ordered, in_time = in_key_order(samples(*rows))
    assert rows_of(ordered) == [(0, 0, 1), (0, 5, 2), (1, 0, 3), (1, 5, 4)]
    assert in_time is was_sorted


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1439), st.integers(0, 100)), min_size=1, max_size=40))
def test_sorting_is_stable_and_complete(rows: list[tuple[int, int, int]]) -> None:
    """Sorting equals Python's own, which keeps the order of equal keys."""
    ordered, _ = in_key_order(samples(*rows))
    assert rows_of(ordered) == sorted(((vm, float(m), float(c)) for vm, m, c in rows), key=lambda row: row[:2])


def reported(found: Samples) -> tuple[Samples, int, list[tuple[Any, ...]]]:
    conflicts: list[tuple[Any, ...]] = []
    merged, dropped = merge_repeated(found, lambda *conflict: conflicts.append(conflict))
    return merged, dropped, conflicts


def test_exact_repetitions_are_dropped() -> None:
    """A sample that occurs twice counts once, and a missing value contradicts nothing."""
    merged, dropped, conflicts = reported(samples((0, 0, 1), (0, 0, 1), (0, 5, np.nan), (0, 5, 2), (1, 0, 3)))
    assert rows_of(merged) == [(0, 0, 1), (0, 5, 2), (1, 0, 3)]
    assert (dropped, conflicts) == (2, [])


def test_contradictions_are_reported() -> None:
    """Two values for one time are reported with VM, offset and both values."""
    merged, dropped, conflicts = reported(samples((0, 0, 1), (1, 5, 7), (1, 5, 3)))
    assert conflicts == [(1, 65 * MINUTE, "cpu_percent", [3.0, 7.0])]
    assert dropped == 1 and len(merged.rows) == 2


def test_the_hour_before_does_not_count() -> None:
    """Samples of the hour before the day were counted with the day before."""
    merged, dropped, conflicts = reported(samples((0, -5, 1), (0, -5, 9), (0, 5, 2)))
    assert (len(merged.rows), dropped, conflicts) == (2, 0, [])


def test_without_repetition_nothing_changes() -> None:
    """Different samples are returned as they are."""
    found = samples((0, 0, 1), (0, 5, 1))
    assert reported(found) == (found, 0, [])


def intervals(*rows: tuple[int, float, float]) -> list[int]:
    return find_intervals(samples(*rows), 2).minutes.tolist()


def every(minutes: float, number: int, vm: int = 0) -> list[tuple[int, float, float]]:
    return [(vm, minutes * step, 1.0) for step in range(number)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (every(5, 6) + every(15, 6, 1), [5, 15]),
        (every(1, 6) + every(60, 6, 1), [1, 60]),
        (every(15, 9) + every(5, 3, 1), [15, 15]),
        (every(15, 9) + every(5, 4, 1), [15, 5]),
        (every(90, 9), [5, 5]),
        (every(5, 1), [5, 5]),
        (every(5, 9) + every(90, 9, 1), [5, 5]),
        (every(5.01, 6) + every(4.99, 6, 1), [5, 5]),
        ([(0, 0, 1), (0, 5, 1), (0, 10, 1), (0, 15, 1), (0, 600, 1), (0, 605, 1)], [5, 5]),
    ],
)
def test_the_interval_is_the_most_common_distance(rows: list[tuple[int, float, float]], expected: list[int]) -> None:
    """Gaps are rarer than the interval; a VM with few samples, or mostly gaps, gets the interval of all."""
    assert intervals(*rows) == expected


def test_all_distances_are_counted() -> None:
    """Distances over an hour are counted with their true length, to report intervals that are too long."""
    found = find_intervals(samples(*every(90, 3), *every(5, 3, 1)), 2)
    assert {minutes: count for minutes, count in found.distances.items() if count} == {90: 2, 5: 2}


def test_finer_samples_are_averaged() -> None:
    """Samples within a bin count with their mean, and bins without a sample are unknown."""
    cpu = cpu_of(samples((0, 0, 10), (0, 1, 20), (0, 10, 5)), [1, 1])
    assert cpu[0] == 15 and cpu[2] == 5 and np.isnan(cpu[1]) and np.isnan(cpu[3:]).all()


def test_coarser_samples_are_held() -> None:
    """A sample every 15 minutes fills three bins, also over the beginning of the day."""
    cpu = cpu_of(samples((0, -5, 8), (0, 15, 10)), [15, 15])
    assert cpu[:6].tolist()[:2] == [8, 8] and np.isnan(cpu[2]) and cpu[3:6].tolist() == [10, 10, 10]
    assert np.isnan(cpu[6:]).all()


def test_maxima_keep_the_greatest_value() -> None:
    """Of several maxima in a bin, the greatest counts."""
    found = samples((0, 0, 10), (0, 1, 30), (0, 2, 20))
    found.values["cpu_max"] = found.values["cpu_percent"]
    (day,) = to_days(found, [DAY], VMS, np.array([1, 1]))
    assert day.cpu_max is not None and day.cpu_max[0, 0] == 30 and day.cpu_percent[0, 0] == 20


def test_running_is_true_if_any_sample_is() -> None:
    """A bin in which the VM ran at any time is a running bin; unknown is -1."""
    found = samples((0, 0, 10), (0, 1, 10), (0, 5, 10))
    found.values["running"] = np.array([0, 1, 0], dtype=np.float32)
    (day,) = to_days(found, [DAY], VMS, np.array([1, 1]))
    assert day.running is not None and day.running[0, :3].tolist() == [1, 0, -1]


def test_vms_and_days_without_values_are_left_out() -> None:
    """A VM without a known bin is not part of the day, and a day without VMs does not exist."""
    found = samples((0, 0, 1), (1, 0, np.nan))
    days = list(to_days(found, [DAY, date(2026, 1, 6)], VMS, np.array([5, 5])))
    assert [(day.date, day.vm_ids) for day in days] == [(DAY, (VMS[0],))]


def test_values_are_rounded() -> None:
    """Values are kept to two decimals."""
    assert cpu_of(samples((0, 0, 1.2345)), [5, 5])[0] == np.float32(1.23)


def test_times_and_selections_of_samples() -> None:
    """A sample states its time for messages, and may be selected by mask or by position."""
    found = samples((0, -5, 1), (1, 65, 2))
    assert found.time(1) == "2026-01-05T01:05:00Z"
    assert found.counted.tolist() == [False, True]
    assert rows_of(found.take(np.array([False, True]))) == [(1, 65, 2)]
    assert rows_of(found.take(np.array([1, 0]))) == [(1, 65, 2), (0, -5, 1)]
    assert LEAD_BINS == 12
