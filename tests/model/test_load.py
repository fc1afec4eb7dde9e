"""Load of a day: what is unknown, and how several loads of one day become one."""

from __future__ import annotations

from datetime import date

import numpy as np

from optimizer.model.load import METRICS, DayLoad, blank, is_unknown, merge_days, to_day

DAY = date(2026, 3, 2)


def load(vm_ids: tuple[str, ...], **first_bins: list[list[float]]) -> DayLoad:
    """Load whose first bins have these values, one row per VM; all other bins are unknown."""
    arrays = {}
    for metric, rows in first_bins.items():
        arrays[metric] = blank(metric, len(vm_ids))
        for row, values in enumerate(rows):
            arrays[metric][row, : len(values)] = values
    return to_day(DAY, vm_ids, arrays)


def test_blank_bins_are_unknown() -> None:
    """For every metric, with 288 bins a VM."""
    for metric in METRICS:
        assert blank(metric, 2).shape == (2, 288)
        assert is_unknown(metric, blank(metric, 2)).all()


def test_a_power_state_is_unknown_below_zero_and_load_where_it_is_nan() -> None:
    """Off is a known state, and 0 % is known load."""
    assert is_unknown("running", np.array([-1, 0, 1], dtype=np.int8)).tolist() == [True, False, False]
    assert is_unknown("cpu_max", np.array([np.nan, 0], dtype=np.float32)).tolist() == [True, False]


def test_required_metrics_that_no_part_has_are_unknown() -> None:
    """CPU and memory are always there; maxima and power states are only if a part has them."""
    day = to_day(DAY, ("a",), {})
    assert np.isnan(day.cpu_percent).all()
    assert np.isnan(day.mem_percent).all()
    assert (day.cpu_max, day.mem_max, day.running) == (None, None, None)


def test_one_load_stays_as_it_is() -> None:
    """Nothing is copied where there is nothing to merge."""
    only = load(("a",), cpu_percent=[[5]])
    assert merge_days([only]) is only


def test_vms_of_all_parts_are_sorted() -> None:
    """Each VM keeps its own values, and VMs of one part are unknown in the metrics of the other."""
    merged = merge_days([load(("b", "d"), cpu_percent=[[1], [2]]), load(("a", "c"), mem_percent=[[3], [4]])])
    assert merged.vm_ids == ("a", "b", "c", "d")
    assert np.nan_to_num(merged.cpu_percent[:, 0], nan=-1).tolist() == [-1, 1, -1, 2]
    assert np.nan_to_num(merged.mem_percent[:, 0], nan=-1).tolist() == [3, -1, 4, -1]


def test_the_earlier_part_wins_and_the_later_one_fills_in() -> None:
    """Bins that are known already keep their value; off is a known state."""
    first = load(("a",), cpu_percent=[[10, np.nan]], running=[[0, -1]])
    second = load(("a",), cpu_percent=[[99, 20]], running=[[1, 1]], cpu_max=[[50, 60]])
    merged = merge_days([first, second])
    assert merged.cpu_percent[0, :2].tolist() == [10, 20]
    assert merged.running is not None
    assert merged.running[0, :3].tolist() == [0, 1, -1]
    assert merged.running.dtype == np.int8
    assert merged.cpu_max is not None
    assert merged.cpu_max[0, :2].tolist() == [50, 60]
    assert first.cpu_percent[0, 1] != 20, "the parts stay as they are"


def test_three_parts_are_merged_in_order() -> None:
    """The first part that knows a bin decides."""
    parts = [load(("a",), cpu_percent=[values]) for values in ([np.nan, np.nan, 1], [np.nan, 2, 2], [3, 3, 3])]
    assert merge_days(parts).cpu_percent[0, :3].tolist() == [3, 2, 1]
