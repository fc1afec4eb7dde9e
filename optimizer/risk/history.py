"""Counts past at-risk starts per VM, block of days and UTC start time of day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.engine import SERIAL, Engine
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY
from optimizer.ports import LoadSource, PartialLoadSource, Progress, no_progress
from optimizer.risk.snapshots import SnapshotGrid, check_statistic
from optimizer.risk.windows import CHUNK_VMS, BlockSums, RowFinder, Windows

MAX_BLOCKS = 8
"""Maximum number of blocks that a history is cut into, unless ``MAX_BLOCK_DAYS`` requires more.

More blocks would cost memory. They would also be shorter than events that last for days, such as a long job, so that a
held-out block would not be independent of its neighbors. With fewer blocks, an estimate without one of them would rest
on a much shorter history.
"""

MIN_BLOCK_DAYS = 2
"""Minimum length of a block, in days."""

MAX_BLOCK_DAYS = 255
"""Maximum length of a block, in days, because days are counted in one byte."""

MIN_VM_DAYS, MIN_PROCESSES = 1_000_000, 3
"""Minimum history (number of VMs times days) and minimum number of processes for which starting processes pays off.

This process alone keeps two cores busy, because it reads ahead in a thread: it takes 1.3 s for 10,000 VMs x 30 days.
Two processes take 1.5 s, after half a second to start.
"""

MAX_READINGS = 4
"""Maximum number of spans of VMs that a block is cut into; each span reads and checks all files of the block whole."""

MIN_SPAN_VMS = 8 * CHUNK_VMS
"""Number of VMs below which cutting a block further costs more than it saves."""


@dataclass(frozen=True)
class RiskHistory:
    """Shares of start delays that were at risk, summed by block of days.

    A block is a run of consecutive days, and blocks differ in length by at most one day. Histories of 16 days or more
    have eight blocks; shorter ones have fewer, of two or three days each. The forecast and its cross-validation need
    only the sums of these blocks, whatever the number of days.

    Parameters
    ----------
    vm_ids
        Ids of the V VMs, as the caller gave them.
    dates
        UTC days of the history, ascending.
    grid
        Timing of the snapshots of the VMs, and spacing of the start times.
    risk_sum
        Shape (num_blocks, V, num_starts): sum, over the known days, of the share of delays at risk.
    day_count
        Shape (num_blocks, V, num_starts): number of days for which this start time is known.
    usable_days
        Shape (num_blocks, V): number of days on which at least half of the start times are known.
    varies
        Shape (V,): whether the load ever changes or the VM is ever off. A counter that never changes is stuck.
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
        """Number of blocks of days."""
        return len(self.risk_sum)

    @property
    def block_days(self) -> npt.NDArray[np.int64]:
        """Number of days in each block; shape (num_blocks,)."""
        return np.bincount(np.arange(len(self.dates)) * self.num_blocks // max(len(self.dates), 1))

    @property
    def total_risk(self) -> npt.NDArray[np.float64]:
        """Sum of ``risk_sum`` over all blocks; shape (V, num_starts)."""
        return np.asarray(self.risk_sum.sum(axis=0, dtype=np.float64))

    @property
    def total_days(self) -> npt.NDArray[np.int64]:
        """Sum of ``day_count`` over all blocks; shape (V, num_starts)."""
        return np.asarray(self.day_count.sum(axis=0, dtype=np.int64))

    def of_vms(self, rows: npt.NDArray[np.intp]) -> RiskHistory:
        """The same history, restricted to the VMs in ``rows``."""
        return replace(
            self,
            vm_ids=tuple(self.vm_ids[row] for row in rows.tolist()),
            grid=self.grid.of_vms(rows),
            risk_sum=self.risk_sum[:, rows],
            day_count=self.day_count[:, rows],
            usable_days=self.usable_days[:, rows],
            varies=self.varies[rows],
        )


def count_blocks(num_days: int) -> int:
    """Number of blocks that a history of ``num_days`` days is cut into; 0 if the history is empty."""
    if num_days <= 0:
        return 0
    return max(1, min(MAX_BLOCKS, num_days // MIN_BLOCK_DAYS), -(-num_days // MAX_BLOCK_DAYS))


@dataclass(frozen=True, slots=True)
class _Order:
    """Inputs that all spans of a history share."""

    source: LoadSource
    vm_ids: tuple[str, ...]
    dates: tuple[date, ...]
    history_end: datetime
    threshold: Threshold
    grid: SnapshotGrid

    @property
    def num_blocks(self) -> int:
        """Number of blocks of days."""
        return count_blocks(len(self.dates))

    def block_of(self, day: date) -> int:
        """Index of the block of a day; days without any load are not counted, so they do not shorten a block."""
        return bisect_left(self.dates, day) * self.num_blocks // len(self.dates)

    def dates_of(self, span: _Span) -> tuple[tuple[date, ...], bool]:
        """Days to read for a span, and whether they end with the history.

        Otherwise, they are one day more than the span has, whose first hours complete the windows of the last day.
        That day itself is counted in its own span.
        """
        blocks = range(span.first_block, span.end_block)
        inside = [index for index, day in enumerate(self.dates) if self.block_of(day) in blocks]
        dates = self.dates[inside[0] : inside[-1] + 2] if inside else ()
        return dates, len(dates) == len(inside)

    def of_span(self, span: _Span) -> _Order:
        """The same inputs for the VMs of a span."""
        if span.rows is None:
            return self
        vm_ids = tuple(self.vm_ids[row] for row in span.rows.tolist())
        return replace(self, vm_ids=vm_ids, grid=self.grid.of_vms(span.rows))


@dataclass(frozen=True, slots=True)
class _Span:
    """Some blocks of some VMs: a half-open range of blocks, and the rows of the VMs (None means all VMs)."""

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
        Source of the load. It must be picklable, because an engine with other processes reads the load there.
    vm_ids
        Ids of the VMs to include, one row each, in this order. They match the ids of the load without regard to case.
    history_end
        Aware time; samples that end after it count as unknown.
    threshold
        Load above which a snapshot is at risk.
    grid
        Timing of the snapshots of the VMs, and spacing of the start times.
    progress
        Called after every day, or after every span.
    engine
        Engine that sums up the blocks, and spans of VMs if it has more workers than there are blocks. The sums are
        identical to the last bit with every engine.

    Raises
    ------
    DataError
        The threshold is on maxima, and the load has no maxima.
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
    """Cut a history into the spans that cost least.

    A task for one block also reads the first day of the next block, whose first hours complete the block's last
    windows. For 30 days in 8 blocks, 37 days are read in total. A span of some VMs decodes only their rows, but it
    reads and checks the files whole, so every further span reads them again.
    """
    blocks = order.num_blocks
    if blocks == 0 or not _pays_off(order, engine):
        return [_Span(0, blocks)]
    ranges = _vm_ranges(order, _num_ranges(order, engine))
    return [_Span(block, block + 1, rows) for block in range(blocks) for rows in ranges]


def _pays_off(order: _Order, engine: Engine) -> bool:
    """Whether several workers are faster than this process alone; processes that run already cost nothing to start."""
    if engine.num_workers == 1 or engine.is_running:
        return engine.num_workers > 1
    return engine.num_workers >= MIN_PROCESSES and len(order.vm_ids) * len(order.dates) >= MIN_VM_DAYS


def _num_ranges(order: _Order, engine: Engine) -> int:
    """Number of ranges of VMs that each block is cut into; 1 if the source cannot read some VMs alone."""
    if not isinstance(order.source, PartialLoadSource):
        return 1
    wanted = -(-2 * engine.num_workers // order.num_blocks)  # two spans per worker: none waits long for another one
    return max(1, min(wanted, MAX_READINGS, len(order.vm_ids) // MIN_SPAN_VMS))


def _vm_ranges(order: _Order, num_ranges: int) -> list[npt.NDArray[np.intp] | None]:
    """Rows of the VMs of each range; files are sorted by VM, so a range of neighboring VMs lies in few row groups."""
    if num_ranges == 1:
        return [None]
    num_vms = len(order.vm_ids)
    by_id = np.array(sorted(range(num_vms), key=lambda row: ArmId(order.vm_ids[row])), dtype=np.intp)
    size = -(-num_vms // (num_ranges * CHUNK_VMS)) * CHUNK_VMS
    return [by_id[first : first + size] for first in range(0, num_vms, size)]


def _sum_span(order: _Order, span: _Span) -> BlockSums:
    """Sum up one span as a task of an engine."""
    return _sum_days(order, span, no_progress)


def _sum_days(order: _Order, span: _Span, progress: Progress) -> BlockSums:
    """Sum up the days of a span in order."""
    order = order.of_span(span)
    sums = BlockSums.zeros(span.end_block - span.first_block, len(order.vm_ids), order.grid.num_starts)
    dates, is_last = order.dates_of(span)
    if not dates:
        progress("risk", 0, 0)
        return sums
    windows, rows = Windows(sums, order.grid, order.threshold), RowFinder(order.vm_ids)
    for done, load in enumerate(_read_ahead(order.source, dates, None if span.rows is None else order.vm_ids)):
        progress("risk", done, len(dates), str(load.date))
        check_statistic(load, order.threshold)
        block = order.block_of(load.date) - span.first_block
        windows.add_day(load, rows.find(load.vm_ids), _bins_before(order.history_end, load.date), block)
    if is_last:
        windows.close()
    progress("risk", len(dates), len(dates))
    return sums


def _join(order: _Order, spans: Sequence[_Span], parts: Sequence[BlockSums]) -> BlockSums:
    """Join the sums of all spans."""
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
    """Number of bins of the day that have ended by ``end``."""
    return min(BINS_PER_DAY, (end - _midnight(day)) // timedelta(minutes=BIN_MINUTES))


def _read_ahead(source: LoadSource, dates: Sequence[date], vm_ids: Sequence[str] | None) -> Iterator[DayLoad]:
    """Yield days of load, and read the next day while the caller works on this one; ``vm_ids`` None reads every VM."""

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
