"""How often a backup would have been at risk in the past, per VM, week and UTC start time of day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.engine import SERIAL, Engine
from optimizer.model.load import DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY
from optimizer.ports import LoadSource, PartialLoadSource, Progress, no_progress
from optimizer.risk.snapshots import SnapshotGrid, check_statistic
from optimizer.risk.windows import CHUNK_VMS, RowFinder, WeekSums, Windows

DAYS_PER_WEEK = 7

MIN_VM_DAYS, MIN_PROCESSES = 1_000_000, 3
"""History, in VMs times days, and processes from which on it pays to start them for it.

This process alone keeps two cores busy, one with reading ahead: 10,000 VMs x 30 days take it 1.3 s, and two processes
1.5 s after half a second to start.
"""

MAX_READINGS = 4
"""How many spans of VMs a week is cut into at most: each reads the week's files whole, to see that they are sound."""

MIN_SPAN_VMS = 8 * CHUNK_VMS
"""VMs below which cutting a week further costs more than it gains."""


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


@dataclass(frozen=True, slots=True)
class _Order:
    """What the spans of a history have in common."""

    source: LoadSource
    vm_ids: tuple[str, ...]
    dates: tuple[date, ...]
    history_end: datetime
    threshold: Threshold
    grid: SnapshotGrid

    @property
    def num_weeks(self) -> int:
        """Weeks, counted back from the last day."""
        return self.week_of(self.dates[-1]) + 1 if self.dates else 0

    def week_of(self, day: date) -> int:
        """Number of a day's week."""
        first = (self.dates[-1] - self.dates[0]).days // DAYS_PER_WEEK
        return first - (self.dates[-1] - day).days // DAYS_PER_WEEK


@dataclass(frozen=True, slots=True)
class _Span:
    """Some weeks of some VMs: the half-open ranges of both; None: all VMs."""

    first_week: int
    end_week: int
    rows: npt.NDArray[np.intp] | None = None


def build_history(
    source: LoadSource,
    vm_ids: Sequence[str],
    history_end: datetime,
    threshold: Threshold,
    grid: SnapshotGrid,
    progress: Progress = no_progress,
    *,
    engine: Engine = SERIAL,
) -> RiskHistory:
    """Read the load day by day and sum up when backups would have been at risk.

    Parameters
    ----------
    source
        The load; an engine of other processes reads it there, so it can be pickled.
    vm_ids
        The VMs wanted, one row each, in this order; compared with those of the load without regard to case.
    history_end
        Aware time; samples that end after it are unknown.
    threshold
        Above which load a snapshot is at risk.
    engine
        Where weeks (and spans of VMs, where there are more workers than weeks) are summed up; the sums are the same
        to the last bit wherever that is.

    Raises
    ------
    DataError
        The threshold is on maxima and the load has none.
    """
    dates = tuple(day for day in source.dates() if _midnight(day) < history_end)
    order = _Order(source, tuple(vm_ids), dates, history_end, threshold, grid)
    spans = _split(order, engine)
    if len(spans) == 1:
        parts = [_sum_days(order, spans[0], progress)]
    else:
        parts = engine.map(_sum_span, spans, shared=order, label="risk", progress=progress)
    sums = _join(order, spans, parts)
    return RiskHistory(
        vm_ids=order.vm_ids,
        dates=dates,
        grid=grid,
        risk_sum=sums.risk_sum,
        day_count=sums.day_count,
        usable_days=sums.usable_days,
        varies=sums.varies,
    )


def _split(order: _Order, engine: Engine) -> list[_Span]:
    """Cut a history where it costs least.

    A week of its own reads one day more than it has, the first of the next week, whose first hours complete its last
    windows: 34 days instead of 30.  A span of VMs decodes only these, but reads and checks the files whole, once more
    for every span.
    """
    weeks, num_vms = order.num_weeks, len(order.vm_ids)
    num_workers = engine.num_workers
    pays = engine.is_running or (num_workers >= MIN_PROCESSES and num_vms * len(order.dates) >= MIN_VM_DAYS)
    if num_workers == 1 or weeks == 0 or not pays:
        return [_Span(0, weeks)]
    num_ranges = 1
    if isinstance(order.source, PartialLoadSource):
        wanted = -(-2 * num_workers // weeks)  # two spans for each worker, so that none waits long for another
        num_ranges = max(1, min(wanted, MAX_READINGS, num_vms // MIN_SPAN_VMS))
    if num_ranges == 1:
        return [_Span(week, week + 1) for week in range(weeks)]
    # Files are sorted by VM: a span of neighbours lies in few row groups.
    by_id = np.array(sorted(range(num_vms), key=lambda row: order.vm_ids[row].lower()), dtype=np.intp)
    size = -(-num_vms // (num_ranges * CHUNK_VMS)) * CHUNK_VMS
    ranges = [by_id[first : first + size] for first in range(0, num_vms, size)]
    return [_Span(week, week + 1, rows) for week in range(weeks) for rows in ranges]


def _sum_span(order: _Order, span: _Span) -> WeekSums:
    """A task of an engine."""
    return _sum_days(order, span, no_progress)


def _sum_days(order: _Order, span: _Span, progress: Progress) -> WeekSums:
    """Sum up the days of a span, one after the other."""
    weeks = [order.week_of(day) for day in order.dates]
    inside = [place for place, week in enumerate(weeks) if span.first_week <= week < span.end_week]
    vm_ids = order.vm_ids if span.rows is None else [order.vm_ids[row] for row in span.rows.tolist()]
    sums = WeekSums.zeros(span.end_week - span.first_week, len(vm_ids), order.grid.num_starts)
    if not inside:
        progress("risk", 0, 0)
        return sums
    windows, rows = Windows(sums, order.grid, order.threshold), RowFinder(vm_ids)
    # The day after the last one completes its windows, and is counted where it belongs.
    dates = order.dates[inside[0] : inside[-1] + 2]
    for done, load in enumerate(_read_ahead(order.source, dates, None if span.rows is None else vm_ids)):
        progress("risk", done, len(dates), str(load.date))
        check_statistic(load, order.threshold)
        week = order.week_of(load.date) - span.first_week
        windows.add_day(load, rows.find(load.vm_ids), _bins_before(order.history_end, load.date), week)
    if len(dates) == len(inside):
        windows.close()
    progress("risk", len(dates), len(dates))
    return sums


def _join(order: _Order, spans: Sequence[_Span], parts: Sequence[WeekSums]) -> WeekSums:
    """The sums of all spans as one."""
    if len(spans) == 1:
        return parts[0]
    whole = WeekSums.zeros(order.num_weeks, len(order.vm_ids), order.grid.num_starts)
    for span, part in zip(spans, parts, strict=True):
        rows = slice(None) if span.rows is None else span.rows
        weeks = slice(span.first_week, span.end_week)
        whole.risk_sum[weeks, rows] = part.risk_sum
        whole.day_count[weeks, rows] = part.day_count
        whole.usable_days[weeks, rows] = part.usable_days
        first = whole.first_load[:, rows]
        differs = (first != part.first_load) & ~np.isnan(first) & ~np.isnan(part.first_load)
        whole.varies[rows] |= part.varies | differs.any(axis=0)
        whole.first_load[:, rows] = np.where(np.isnan(first), part.first_load, first)
    return whole


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _bins_before(end: datetime, day: date) -> int:
    """Bins of the day that have ended by ``end``."""
    return min(BINS_PER_DAY, (end - _midnight(day)) // timedelta(minutes=BIN_MINUTES))


def _read_ahead(source: LoadSource, dates: Sequence[date], vm_ids: Sequence[str] | None) -> Iterator[DayLoad]:
    """Days of load, the next one read while the caller works on this one; None: every VM."""

    def read(day: date) -> DayLoad:
        if vm_ids is None:
            return source.read_day(day)
        assert isinstance(source, PartialLoadSource)
        return source.read_vms(day, vm_ids)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-load") as reader:
        pending = [reader.submit(read, day) for day in dates[:1]]
        for next_day in dates[1:]:
            load = pending.pop().result()
            pending.append(reader.submit(read, next_day))
            yield load
        yield from (last.result() for last in pending)
