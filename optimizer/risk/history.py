"""How often a backup would have been at risk in the past, per VM, block of days and UTC start time of day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.engine import SERIAL, Engine
from optimizer.model.load import DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY
from optimizer.ports import LoadSource, PartialLoadSource, Progress, no_progress
from optimizer.risk.snapshots import SnapshotGrid, check_statistic
from optimizer.risk.windows import CHUNK_VMS, BlockSums, RowFinder, Windows

MAX_BLOCKS = 8
"""Blocks that a history is cut into.

More would cost memory, and would make blocks shorter than what lasts for days, such as a long job: a block held out
would then not be independent of its neighbors.  With fewer, an estimate without one of them would rest on a much
shorter history.
"""

MIN_BLOCK_DAYS = 2
"""Shortest block, in days."""

MAX_BLOCK_DAYS = 255
"""Longest block, in days: days are counted in one byte."""

MIN_VM_DAYS, MIN_PROCESSES = 1_000_000, 3
"""History, in VMs times days, and processes from which on it pays to start them for it.

This process alone keeps two cores busy, one with reading ahead: 10,000 VMs x 30 days take it 1.3 s, and two processes
1.5 s after half a second to start.
"""

MAX_READINGS = 4
"""Most spans of VMs that a block is cut into: each reads all files of the block whole, to see that they are sound."""

MIN_SPAN_VMS = 8 * CHUNK_VMS
"""VMs below which cutting a block further costs more than it gains."""


@dataclass(frozen=True)
class RiskHistory:
    """Shares of start delays that were at risk, summed by block of days.

    The blocks are runs of days as equal in length as whole days allow: eight of them from 16 days on, fewer and two
    days long below that.  Their sums are all that the forecast and its cross-validation need, whatever the number of
    days.

    Parameters
    ----------
    vm_ids
        Length V, as the caller gave them.
    dates
        UTC days looked at, ascending.
    grid
        Snapshot length and spacing of the start times.
    risk_sum
        Shape (num_blocks, V, num_starts): sum over the known days of the share of delays at risk.
    day_count
        Same shape: days known at this start time.
    usable_days
        Shape (num_blocks, V): days on which at least half of the start times are known.
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
    def num_blocks(self) -> int:
        """Number of blocks."""
        return len(self.risk_sum)

    @property
    def block_days(self) -> npt.NDArray[np.int64]:
        """Shape (num_blocks,): number of days in each block."""
        return np.bincount(np.arange(len(self.dates)) * self.num_blocks // max(len(self.dates), 1))

    @property
    def total_risk(self) -> npt.NDArray[np.float64]:
        """Shape (V, num_starts): ``risk_sum`` over all blocks."""
        return np.asarray(self.risk_sum.sum(axis=0, dtype=np.float64))

    @property
    def total_days(self) -> npt.NDArray[np.int64]:
        """Shape (V, num_starts): ``day_count`` over all blocks."""
        return np.asarray(self.day_count.sum(axis=0, dtype=np.int64))

    def of_vms(self, rows: npt.NDArray[np.intp]) -> RiskHistory:
        """The history of some of the VMs."""
        return replace(
            self,
            vm_ids=tuple(self.vm_ids[row] for row in rows.tolist()),
            risk_sum=self.risk_sum[:, rows],
            day_count=self.day_count[:, rows],
            usable_days=self.usable_days[:, rows],
            varies=self.varies[rows],
        )


def count_blocks(num_days: int) -> int:
    """Number of blocks that a history of ``num_days`` days is cut into; 0 where there is no day."""
    if num_days <= 0:
        return 0
    return max(1, min(MAX_BLOCKS, num_days // MIN_BLOCK_DAYS), -(-num_days // MAX_BLOCK_DAYS))


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
    def num_blocks(self) -> int:
        """Number of blocks."""
        return count_blocks(len(self.dates))

    def block_of(self, day: date) -> int:
        """Number of a day's block; days without any load make no block shorter."""
        return bisect_left(self.dates, day) * self.num_blocks // len(self.dates)


@dataclass(frozen=True, slots=True)
class _Span:
    """Some blocks of some VMs: a half-open range of blocks, and the rows of the VMs; None: all VMs."""

    first_block: int
    end_block: int
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
        Where blocks (and spans of VMs, if there are more workers than blocks) are summed up; the sums are the same
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

    A task for one block also reads the first day of the next block, whose first hours complete its last windows: 37
    days instead of 30 are read.  A span of VMs decodes only these, but reads and checks the files whole, once more
    for every span.
    """
    blocks, num_vms = order.num_blocks, len(order.vm_ids)
    num_workers = engine.num_workers
    pays = engine.is_running or (num_workers >= MIN_PROCESSES and num_vms * len(order.dates) >= MIN_VM_DAYS)
    if num_workers == 1 or blocks == 0 or not pays:
        return [_Span(0, blocks)]
    num_ranges = 1
    if isinstance(order.source, PartialLoadSource):
        wanted = -(-2 * num_workers // blocks)  # two spans for each worker, so that none waits long for another
        num_ranges = max(1, min(wanted, MAX_READINGS, num_vms // MIN_SPAN_VMS))
    if num_ranges == 1:
        return [_Span(block, block + 1) for block in range(blocks)]
    # Files are sorted by VM: a span of neighbours lies in few row groups.
    by_id = np.array(sorted(range(num_vms), key=lambda row: order.vm_ids[row].lower()), dtype=np.intp)
    size = -(-num_vms // (num_ranges * CHUNK_VMS)) * CHUNK_VMS
    ranges = [by_id[first : first + size] for first in range(0, num_vms, size)]
    return [_Span(block, block + 1, rows) for block in range(blocks) for rows in ranges]


def _sum_span(order: _Order, span: _Span) -> BlockSums:
    """A task of an engine."""
    return _sum_days(order, span, no_progress)


def _sum_days(order: _Order, span: _Span, progress: Progress) -> BlockSums:
    """Sum up the days of a span, one after the other."""
    of_day = [order.block_of(day) for day in order.dates]
    inside = [place for place, block in enumerate(of_day) if span.first_block <= block < span.end_block]
    vm_ids = order.vm_ids if span.rows is None else [order.vm_ids[row] for row in span.rows.tolist()]
    sums = BlockSums.zeros(span.end_block - span.first_block, len(vm_ids), order.grid.num_starts)
    if not inside:
        progress("risk", 0, 0)
        return sums
    windows, rows = Windows(sums, order.grid, order.threshold), RowFinder(vm_ids)
    # The day after the last one completes its windows, and is counted where it belongs.
    dates = order.dates[inside[0] : inside[-1] + 2]
    for done, load in enumerate(_read_ahead(order.source, dates, None if span.rows is None else vm_ids)):
        progress("risk", done, len(dates), str(load.date))
        check_statistic(load, order.threshold)
        block = order.block_of(load.date) - span.first_block
        windows.add_day(load, rows.find(load.vm_ids), _bins_before(order.history_end, load.date), block)
    if len(dates) == len(inside):
        windows.close()
    progress("risk", len(dates), len(dates))
    return sums


def _join(order: _Order, spans: Sequence[_Span], parts: Sequence[BlockSums]) -> BlockSums:
    """The sums of all spans as one."""
    if len(spans) == 1:
        return parts[0]
    whole = BlockSums.zeros(order.num_blocks, len(order.vm_ids), order.grid.num_starts)
    for span, part in zip(spans, parts, strict=True):
        rows = slice(None) if span.rows is None else span.rows
        blocks = slice(span.first_block, span.end_block)
        whole.risk_sum[blocks, rows] = part.risk_sum
        whole.day_count[blocks, rows] = part.day_count
        whole.usable_days[blocks, rows] = part.usable_days
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
