"""How often a backup would have been at risk in the past, per VM, week and UTC start time of day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY
from optimizer.ports import LoadSource, Progress, no_progress
from optimizer.risk.snapshots import ByteArray, SnapshotGrid, check_statistic, classify_samples, share_at_risk

CHUNK_VMS = 256
"""VMs worked on at a time: their temporaries stay in a core's cache."""

DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class RiskHistory:
    """Shares of start delays that were at risk, summed by week.

    Weeks are runs of seven days counted back from the last day, so that only the first may be shorter.  Week sums are
    all that the forecast and its cross-validation need, at a seventh of the size of days.

    Parameters
    ----------
    vm_ids
        Length V, as the caller gave them.
    dates
        UTC days looked at, ascending.
    grid
        Snapshot length and spacing of the start times.
    risk_sum
        Shape (num_weeks, V, num_starts): sum over the known days of the share of delays at risk.
    day_count
        Same shape: days known at this start time.
    usable_days
        Shape (num_weeks, V): days on which at least half of the start times are known.
    varies
        Shape (V,): whether the load ever changes or the VM is ever off; a counter that never changes is stuck.
    """

    vm_ids: tuple[str, ...]
    dates: tuple[date, ...]
    grid: SnapshotGrid
    risk_sum: npt.NDArray[np.float32]
    day_count: npt.NDArray[np.uint8]
    usable_days: npt.NDArray[np.uint8]
    varies: npt.NDArray[np.bool_]

    @property
    def num_weeks(self) -> int:
        """Weeks, the first of which may be shorter."""
        return len(self.risk_sum)


def build_history(
    source: LoadSource,
    vm_ids: Sequence[str],
    history_end: datetime,
    threshold: Threshold,
    grid: SnapshotGrid,
    progress: Progress = no_progress,
) -> RiskHistory:
    """Read the load day by day and sum up when backups would have been at risk.

    Parameters
    ----------
    source
        The load.
    vm_ids
        The VMs wanted, one row each, in this order; compared with those of the load without regard to case.
    history_end
        Aware time; samples that end after it are unknown.
    threshold
        Above which load a snapshot is at risk.

    Raises
    ------
    DataError
        The threshold is on maxima and the load has none.
    """
    dates = tuple(day for day in source.dates() if _midnight(day) < history_end)
    num_weeks = (dates[-1] - dates[0]).days // DAYS_PER_WEEK + 1 if dates else 0
    shape = (num_weeks, len(vm_ids), grid.num_starts)
    history = RiskHistory(
        vm_ids=tuple(vm_ids),
        dates=dates,
        grid=grid,
        risk_sum=np.zeros(shape, dtype=np.float32),
        day_count=np.zeros(shape, dtype=np.uint8),
        usable_days=np.zeros(shape[:2], dtype=np.uint8),
        varies=np.zeros(len(vm_ids), dtype=np.bool_),
    )
    windows = _Windows(history, threshold)
    rows = _RowFinder(history.vm_ids)
    for done, load in enumerate(_read_ahead(source, dates)):
        progress("risk", done, len(dates), str(load.date))
        check_statistic(load, threshold)
        windows.add_day(load, rows.find(load.vm_ids), _bins_before(history_end, load.date))
    windows.close()
    progress("risk", len(dates), len(dates))
    return history


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _bins_before(end: datetime, day: date) -> int:
    """Bins of the day that have ended by ``end``."""
    return min(BINS_PER_DAY, (end - _midnight(day)) // timedelta(minutes=BIN_MINUTES))


def _read_ahead(source: LoadSource, dates: Sequence[date]) -> Iterator[DayLoad]:
    """Days of load, the next one read while the caller works on this one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-load") as reader:
        pending = [reader.submit(source.read_day, day) for day in dates[:1]]
        for next_day in dates[1:]:
            load = pending.pop().result()
            pending.append(reader.submit(source.read_day, next_day))
            yield load
        yield from (last.result() for last in pending)


class _RowFinder:
    """Finds the rows of the wanted VMs in a day; days mostly have the same VMs as the one before."""

    def __init__(self, vm_ids: Sequence[str]) -> None:
        self._wanted = [vm_id.lower() for vm_id in vm_ids]
        self._seen: tuple[str, ...] | None = None
        self._rows = np.empty(0, dtype=np.intp)

    def find(self, day_ids: tuple[str, ...]) -> npt.NDArray[np.intp]:
        """Row in the day of each wanted VM, -1 where it has none; shape (V,)."""
        if day_ids != self._seen:
            row_of = {vm_id.lower(): row for row, vm_id in enumerate(day_ids)}
            self._rows = np.array([row_of.get(vm_id, -1) for vm_id in self._wanted], dtype=np.intp)
            self._seen = day_ids
        return self._rows


class _Windows:
    """The samples of the latest day, kept until the next one completes the windows that cross midnight."""

    def __init__(self, history: RiskHistory, threshold: Threshold) -> None:
        self._history = history
        self._threshold = threshold
        width = BINS_PER_DAY + history.grid.bins_after_midnight
        self._hot = np.zeros((len(history.vm_ids), width), dtype=np.uint8)
        self._known = np.zeros_like(self._hot)
        self._first_load = np.full((2, len(history.vm_ids)), np.nan, dtype=np.float32)
        self._day: date | None = None

    def add_day(self, load: DayLoad, rows: npt.NDArray[np.intp], num_bins: int) -> None:
        """Complete the windows of the day before and keep the first ``num_bins`` samples of this one."""
        follows = self._day is not None and (load.date - self._day).days == 1
        for chunk in self._chunks():
            self._watch_for_change(load, rows[chunk], chunk, num_bins)
            hot, known = classify_samples(load, rows[chunk], self._threshold)
            hot[:, num_bins:] = 0
            known[:, num_bins:] = 0
            self._finish(chunk, (hot, known) if follows else None)
            self._hot[chunk, :BINS_PER_DAY] = hot
            self._known[chunk, :BINS_PER_DAY] = known
        self._day = load.date

    def _watch_for_change(self, load: DayLoad, rows: npt.NDArray[np.intp], chunk: slice, num_bins: int) -> None:
        """Mark the VMs whose load differs from the first that was seen; done with after a day or two."""
        varies = self._history.varies[chunk]
        still = np.flatnonzero(~varies & (rows >= 0))
        if len(still) == 0:
            return
        for first_load, values in zip(self._first_load[:, chunk], (load.cpu_percent, load.mem_percent), strict=True):
            samples = values[rows[still], :num_bins]
            first = first_load[still]
            first = np.where(np.isnan(first), np.fmin.reduce(samples, axis=1, initial=np.nan), first)
            first_load[still] = first
            varies[still] |= ((samples != first[:, None]) & ~np.isnan(samples)).any(axis=1)
        if load.running is not None:
            varies[still] |= (load.running[rows[still], :num_bins] == STOPPED).any(axis=1)

    def close(self) -> None:
        """Complete the windows of the last day; what would follow is unknown."""
        for chunk in self._chunks():
            self._finish(chunk, None)

    def _chunks(self) -> Iterator[slice]:
        num_vms = len(self._hot)
        return (slice(first, min(first + CHUNK_VMS, num_vms)) for first in range(0, num_vms, CHUNK_VMS))

    def _finish(self, chunk: slice, following: tuple[ByteArray, ByteArray] | None) -> None:
        if self._day is None:
            return
        hot, known, history = self._hot[chunk], self._known[chunk], self._history
        beyond = history.grid.bins_after_midnight
        hot[:, BINS_PER_DAY:] = following[0][:, :beyond] if following else 0
        known[:, BINS_PER_DAY:] = following[1][:, :beyond] if following else 0
        share = share_at_risk(hot, known, history.grid)
        is_known = ~np.isnan(share)
        week = history.num_weeks - 1 - (history.dates[-1] - self._day).days // DAYS_PER_WEEK
        np.add(history.risk_sum[week, chunk], share, out=history.risk_sum[week, chunk], where=is_known)
        history.day_count[week, chunk] += is_known
        history.usable_days[week, chunk] += 2 * is_known.sum(axis=1) >= history.grid.num_starts
