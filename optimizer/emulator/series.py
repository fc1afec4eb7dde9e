"""Load of the estate as metric points, on the time grid of a request."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.emulator.ids import key

if TYPE_CHECKING:
    from optimizer.model.load import DayLoad
    from optimizer.ports import LoadSource

Values = npt.NDArray[np.float64]

CPU, MEMORY_PERCENT, MEMORY_BYTES = "Percentage CPU", "Available Memory Percentage", "Available Memory Bytes"
UNITS = {CPU: "Percent", MEMORY_PERCENT: "Percent", MEMORY_BYTES: "Bytes"}
AGGREGATIONS = ("average", "minimum", "maximum")

_BIN = timedelta(minutes=5)
_BINS_PER_DAY = 288
_UNKNOWN_DAY = np.full(_BINS_PER_DAY, np.nan)
_DAYS_KEPT = 4
"""Number of days in the cache; a pull reads one day after the other."""


@dataclass(frozen=True)
class Grid:
    """Points in time of an answer.

    Parameters
    ----------
    start, end
        First point, and upper bound (exclusive) of all points.
    bins
        Number of 5-minute bins that a point covers.
    """

    start: datetime
    end: datetime
    bins: int

    @functools.cached_property
    def stamps(self) -> tuple[str, ...]:
        """Points in the service's time format."""
        number = max(0, -(-(self.end - self.start) // (_BIN * self.bins)))
        return tuple(f"{self.start + _BIN * self.bins * i:%Y-%m-%dT%H:%M:%SZ}" for i in range(number))

    @property
    def days(self) -> list[date]:
        """UTC days that the grid covers, at least partly."""
        if not self.stamps:
            return []
        last = (self.start + _BIN * self.bins * len(self.stamps) - _BIN).date()
        return [self.start.date() + timedelta(days=n) for n in range((last - self.start.date()).days + 1)]


class Loads:
    """Load by day, with a cache of the last days.

    Parameters
    ----------
    store
        Load of an estate; None means no load.
    """

    def __init__(self, store: LoadSource | None) -> None:
        self._store = store
        self._days: OrderedDict[date, tuple[DayLoad, Mapping[str, int]]] = OrderedDict()

    def day(self, day: date) -> tuple[DayLoad, Mapping[str, int]] | None:
        """Load of a day, and the row of each VM by id in lower case; None without a store."""
        if self._store is None:
            return None
        if day not in self._days:
            load = self._store.read_day(day)
            self._days[day] = (load, {key(vm_id): row for row, vm_id in enumerate(load.vm_ids)})
            if len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        return self._days[day]

    def values(self, vm_id: str, metric: str, aggregation: str, grid: Grid, memory_bytes: float) -> Values | None:
        """Values of a metric at the points of a grid, NaN where unknown; None if no day contains the VM.

        Parameters
        ----------
        vm_id
            VM id in lower case.
        metric, aggregation
            Names of the metric and aggregation, from ``UNITS`` and ``AGGREGATIONS``.
        grid
            Points of the answer.
        memory_bytes
            Memory of the VM, in bytes.
        """
        days = [self._of_day(vm_id, day, metric, aggregation) for day in grid.days]
        if all(values is None for values in days):
            return None
        parts = [_UNKNOWN_DAY if values is None else values for values in days]
        first = int((grid.start - datetime.combine(grid.start.date(), time(), UTC)) / _BIN)
        number = len(grid.stamps)
        whole = np.concatenate([*parts, np.full(grid.bins, np.nan)])[first : first + number * grid.bins]
        values = _aggregated(whole.reshape(number, grid.bins), aggregation)
        return values * memory_bytes / 100 if metric == MEMORY_BYTES else values

    def _of_day(self, vm_id: str, day: date, metric: str, aggregation: str) -> Values | None:
        """288 values of a VM; None if the day does not contain the VM."""
        known = self.day(day)
        row = known[1].get(vm_id) if known else None
        return None if known is None or row is None else _row(known[0], row, metric, aggregation)


def _row(load: DayLoad, row: int, metric: str, aggregation: str) -> Values:
    """Row of 288 values for a VM; if the store has no extremes, averages are used instead."""
    if metric == CPU:
        used = load.cpu_max if aggregation == "maximum" and load.cpu_max is not None else load.cpu_percent
        return np.asarray(used[row], dtype=np.float64)
    # The least memory is available when the most is used.
    used = load.mem_max if aggregation == "minimum" and load.mem_max is not None else load.mem_percent
    return 100 - np.asarray(used[row], dtype=np.float64)


def _aggregated(values: Values, aggregation: str) -> Values:
    if values.shape[1] == 1:
        return values[:, 0]
    known = ~np.isnan(values)
    if aggregation == "average":
        with np.errstate(invalid="ignore"):
            mean: Values = np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)
        return mean
    fill = np.inf if aggregation == "minimum" else -np.inf
    filled = np.where(known, values, fill)
    extreme = filled.min(axis=1) if aggregation == "minimum" else filled.max(axis=1)
    return np.where(known.any(axis=1), extreme, np.nan)


def points_json(grid: Grid, values: Mapping[str, Values]) -> str:
    """JSON of the points; a point without a value contains only its time.

    Parameters
    ----------
    values
        Values by aggregation, each with the length of the grid.
    """
    columns: Sequence[list[str]] = [
        [f',"{name}":{value}' if value == value else "" for value in np.round(column, 2).tolist()]  # noqa: PLR0124  # NaN
        for name, column in values.items()
    ]
    if len(columns) == 1:
        return ",".join(
            [f'{{"timeStamp":"{stamp}"{text}}}' for stamp, text in zip(grid.stamps, columns[0], strict=True)]
        )
    return ",".join(
        [f'{{"timeStamp":"{stamp}"{"".join(texts)}}}' for stamp, *texts in zip(grid.stamps, *columns, strict=True)]
    )
