"""Load of an estate on the time grid of a request."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from optimizer.emulator.series import CPU, MEMORY_BYTES, MEMORY_PERCENT, Grid, Loads, points_json
from optimizer.model.load import DayLoad

START = datetime(2026, 11, 1, 23, 50, tzinfo=UTC)
VM = "/vm"


class TwoDays:
    """CPU counts the bins of each day, memory is a quarter, and the second day has no maxima."""

    def __init__(self) -> None:
        self.read: list[date] = []

    def dates(self) -> list[date]:
        """Return the two days."""
        return [date(2026, 11, 1), date(2026, 11, 2)]

    def read_day(self, day: date) -> DayLoad:
        """Return the load of one VM; other days are empty."""
        self.read.append(day)
        if day not in self.dates():
            return DayLoad(day, (), np.empty((0, 288), np.float32), np.empty((0, 288), np.float32))
        cpu = np.arange(288, dtype=np.float32)[None] / 4
        memory = np.full((1, 288), 25, np.float32)
        most = cpu + 10 if day.day == 1 else None
        return DayLoad(day, ("/VM",), cpu, memory, cpu_max=most, mem_max=None)


def test_a_grid_has_points_up_to_its_end() -> None:
    """The end itself is not a point, a broken last interval is, and an empty period has no points."""
    grid = Grid(START, START + timedelta(minutes=11), 1)
    assert grid.stamps == ("2026-11-01T23:50:00Z", "2026-11-01T23:55:00Z", "2026-11-02T00:00:00Z")
    assert grid.days == [date(2026, 11, 1), date(2026, 11, 2)]
    assert Grid(START, START + timedelta(minutes=10), 1).days == [date(2026, 11, 1)]
    assert Grid(START, START, 1).stamps == () and Grid(START, START, 1).days == []


def test_values_continue_over_midnight() -> None:
    """The last bins of a day are followed by the first ones of the next day; a further day is unknown."""
    loads = Loads(TwoDays())
    values = loads.values(VM, CPU, "average", Grid(START, START + timedelta(minutes=15), 1), 0)
    assert values is not None and values.tolist() == [71.5, 71.75, 0.0]
    late = Grid(START + timedelta(days=1), START + timedelta(days=1, minutes=15), 1)
    values = loads.values(VM, CPU, "average", late, 0)
    assert values is not None and np.isnan(values).tolist() == [False, False, True]


def test_an_unknown_vm_has_no_values() -> None:
    """None differs from a VM whose values are unknown; so does an emulator without load."""
    grid = Grid(START, START + timedelta(minutes=15), 1)
    assert Loads(TwoDays()).values("/other", CPU, "average", grid, 0) is None
    assert Loads(None).values(VM, CPU, "average", grid, 0) is None


def test_memory_is_what_is_available() -> None:
    """A quarter is used, so three quarters are available, in percent and in bytes."""
    loads, grid = Loads(TwoDays()), Grid(START, START + timedelta(minutes=5), 1)
    for metric, expected in ((MEMORY_PERCENT, 75.0), (MEMORY_BYTES, 6e9)):
        values = loads.values(VM, metric, "average", grid, 8e9)
        assert values is not None and values.tolist() == [expected]


@pytest.mark.parametrize(("aggregation", "expected"), [("average", 1.375), ("minimum", 0.0), ("maximum", 2.75)])
def test_longer_points_aggregate_their_bins(aggregation: str, expected: float) -> None:
    """An hour has twelve bins; without maxima, the averages are used."""
    start = datetime(2026, 11, 2, tzinfo=UTC)
    values = Loads(TwoDays()).values(VM, CPU, aggregation, Grid(start, start + timedelta(hours=1), 12), 0)
    assert values is not None and values.tolist() == [expected]


def test_maxima_are_used_where_they_are_known() -> None:
    """The first day has maxima of its own."""
    values = Loads(TwoDays()).values(VM, CPU, "maximum", Grid(START, START + timedelta(minutes=5), 1), 0)
    assert values is not None and values.tolist() == [81.5]


def test_a_day_is_read_once() -> None:
    """The last days stay in the cache, whatever the metric."""
    source = TwoDays()
    loads, grid = Loads(source), Grid(START, START + timedelta(minutes=15), 1)
    for metric in (CPU, MEMORY_PERCENT):
        loads.values(VM, metric, "average", grid, 0)
    assert source.read == [date(2026, 11, 1), date(2026, 11, 2)]


def test_an_unknown_point_has_only_its_time() -> None:
    """Known values are rounded to two decimals, one field for each aggregation."""
    grid = Grid(START, START + timedelta(minutes=10), 1)
    one = points_json(grid, {"average": np.array([1.234, np.nan])})
    assert one == '{"timeStamp":"2026-11-01T23:50:00Z","average":1.23},{"timeStamp":"2026-11-01T23:55:00Z"}'
    two = points_json(grid, {"average": np.array([1.0, np.nan]), "maximum": np.array([2.0, 3.0])})
    assert two.endswith('{"timeStamp":"2026-11-01T23:55:00Z","maximum":3.0}')
