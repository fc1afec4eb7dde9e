"""NumPy kernels that turn samples of load into the share of start delays whose snapshot is at risk.

A backup begins at any time in the two hours after its start time: after 0, 5, ..., 120 minutes, which are equally
likely as long as the delays of a vault are not known. The kernels work on single bytes, on chunks of VMs small enough
to stay in the cache; known delays take one more pass per delay, in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError
from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.snapshot_timing import NUM_DELAYS, USUAL_TIMING, SnapshotTiming
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY, SLOT_MINUTES

ByteArray = npt.NDArray[np.uint8]
Scalar = TypeVar("Scalar", bound=np.generic)

MIN_KNOWN_DELAYS = -(-NUM_DELAYS // 2)
"""Number of delays whose snapshot must be known for a day to count at a start time: at least half."""

MIN_KNOWN_SHARE = 0.5
"""The same for delays that are not equally likely: their probability must add up to this."""


@dataclass(frozen=True)
class SnapshotGrid:
    """Position, in 5-minute bins, of the snapshots of each VM and start time.

    Parameters
    ----------
    timings
        Start delay and snapshot length: one for all VMs, or one for each VM.
    step_minutes
        Spacing of the UTC start times in minutes, 30, 15 or 5; see
        :func:`optimizer.model.timegrid.common_start_step`.

    Raises
    ------
    ValueError
        The spacing is not allowed.
    """

    timings: tuple[SnapshotTiming, ...] = (USUAL_TIMING,)
    step_minutes: int = SLOT_MINUTES

    def __post_init__(self) -> None:
        if self.step_minutes not in (5, 15, 30):
            raise ValueError(f"step_minutes is {self.step_minutes}; allowed: 5, 15 or 30")

    @property
    def step_bins(self) -> int:
        """Number of bins from one start time to the next."""
        return self.step_minutes // BIN_MINUTES

    @property
    def num_starts(self) -> int:
        """Number of start times in a UTC day."""
        return BINS_PER_DAY // self.step_bins

    @property
    def bins_after_midnight(self) -> int:
        """Number of bins of the following day that the windows of a day reach into, at most."""
        return max((self.reach(timing) for timing in set(self.timings)), default=0)

    def reach(self, timing: SnapshotTiming) -> int:
        """Number of bins of the following day that the windows of one timing reach into."""
        return NUM_DELAYS - 1 + _snapshot_bins(timing) - self.step_bins

    def of_vms(self, rows: npt.NDArray[np.intp] | slice) -> SnapshotGrid:
        """The grid of some VMs, by their rows."""
        if len(self.timings) == 1:
            return self
        kept = self.timings[rows] if isinstance(rows, slice) else tuple(self.timings[row] for row in rows.tolist())
        return replace(self, timings=kept)

    @cached_property
    def rows_by_timing(self) -> dict[SnapshotTiming, npt.NDArray[np.intp] | slice]:
        """Rows of the VMs of each timing; a slice if all VMs have the same timing."""
        distinct = tuple(dict.fromkeys(self.timings))
        if len(distinct) == 1:
            return {distinct[0]: slice(None)}
        number = {timing: n for n, timing in enumerate(distinct)}
        of_row = np.array([number[timing] for timing in self.timings], dtype=np.intp)
        return {timing: np.flatnonzero(of_row == n) for timing, n in number.items()}


USUAL_GRID = SnapshotGrid()
"""Snapshots of the usual timing, with starts every half hour."""


def _snapshot_bins(timing: SnapshotTiming) -> int:
    """Number of samples in a snapshot, whose length is rounded up to whole bins."""
    return -(-timing.snapshot_minutes // BIN_MINUTES)


def check_statistic(load: DayLoad, threshold: Threshold) -> None:
    """Refuse a threshold on maxima if the load has no maxima.

    Raises
    ------
    DataError
        ``statistic = "maximum"``, and the day has no CPU maximum, or has memory without its maximum.
    """
    if threshold.statistic == "average":
        return
    memory_known = load.mem_max is None and not np.isnan(load.mem_percent).all()
    missing = "cpu_max" if load.cpu_max is None else "mem_max" if memory_known else ""
    if missing:
        raise DataError(
            f"load of {load.date}: the rules ask for threshold.statistic = 'maximum', but the history has no "
            f"{missing!r} on this day; import load with the columns cpu_max and mem_max, or set "
            "threshold.statistic = 'average'"
        )


def classify_samples(load: DayLoad, rows: npt.NDArray[np.intp], threshold: Threshold) -> tuple[ByteArray, ByteArray]:
    """Determine which samples of some VMs are hot, and which are known.

    A sample is known if CPU is known, if memory alone is above its threshold, or if the VM is known to be off. A VM
    that is off has no load.

    Parameters
    ----------
    load
        One day of load.
    rows
        Shape (V,): row of each VM in the day; -1 if the day does not have the VM.
    threshold
        Load above which a sample is hot.

    Returns
    -------
    hot, known : numpy.ndarray
        Shape (V, 288), 0 or 1; a hot sample is always known.
    """
    averages = threshold.statistic == "average"
    cpu_values = load.cpu_percent if averages else load.cpu_max
    mem_values = load.mem_percent if averages else load.mem_max
    assert cpu_values is not None, "check_statistic comes first"
    cpu = _take(cpu_values, rows)
    hot = cpu > np.float32(threshold.cpu_percent)
    known = ~np.isnan(cpu)
    if mem_values is not None:
        hot |= _take(mem_values, rows) > np.float32(threshold.memory_percent)
        known |= hot
    if load.running is not None:
        off = _take(load.running, rows) == STOPPED
        hot &= ~off
        known |= off
    absent = rows < 0
    if absent.any():
        hot[absent] = False
        known[absent] = False
    return hot.view(np.uint8), known.view(np.uint8)


def _take(values: npt.NDArray[Scalar], rows: npt.NDArray[np.intp]) -> npt.NDArray[Scalar]:
    """Rows of an array, without a copy if they are consecutive."""
    first = int(rows[0])
    if first >= 0 and int(rows[-1]) == first + len(rows) - 1 and bool((np.diff(rows) == 1).all()):
        return values[first : first + len(rows)]
    return values[rows]


def share_at_risk(hot: ByteArray, known: ByteArray, grid: SnapshotGrid) -> npt.NDArray[np.float32]:
    """Probability that the snapshot of a backup contains a hot sample, over its start delays.

    Parameters
    ----------
    hot, known
        Shape (V, 288 + bins_after_midnight), 0 or 1: the samples of a day and of the first hours of the next day.
    grid
        Timing of the snapshots of these VMs, and spacing of the start times.

    Returns
    -------
    numpy.ndarray
        Shape (V, num_starts), from 0 to 1; NaN if fewer than half of the delays have a known snapshot.
    """
    by_timing = grid.rows_by_timing
    if len(by_timing) == 1:
        (timing,) = by_timing
        return _share_of_timing(hot, known, timing, grid.step_bins)
    share = np.empty((len(hot), grid.num_starts), dtype=np.float32)
    for timing, rows in by_timing.items():
        bins = BINS_PER_DAY + grid.reach(timing)
        share[rows] = _share_of_timing(hot[rows, :bins], known[rows, :bins], timing, grid.step_bins)
    return share


def _share_of_timing(
    hot: ByteArray, known: ByteArray, timing: SnapshotTiming, step_bins: int
) -> npt.NDArray[np.float32]:
    """The result of :func:`share_at_risk` for VMs of one timing."""
    snapshot_bins = _snapshot_bins(timing)
    snapshot_hot = _combine_windows(np.bitwise_or, hot, snapshot_bins)
    num_known = _combine_windows(np.add, known, snapshot_bins)
    min_known = -(-2 * snapshot_bins // 3)  # a snapshot counts if two thirds of its samples are known
    snapshot_known = (num_known >= min_known).view(np.uint8)
    snapshot_hot &= snapshot_known
    if timing.delays:
        return _weighted_share(snapshot_hot, snapshot_known, timing.delays, step_bins)
    delays_hot = _combine_windows(np.add, snapshot_hot, NUM_DELAYS)[:, ::step_bins]
    delays_known = _combine_windows(np.add, snapshot_known, NUM_DELAYS)[:, ::step_bins]
    share = np.full(delays_hot.shape, np.nan, dtype=np.float32)
    np.divide(delays_hot, delays_known, out=share, where=delays_known >= MIN_KNOWN_DELAYS, dtype=np.float32)
    return share


def _weighted_share(
    snapshot_hot: ByteArray, snapshot_known: ByteArray, delays: Sequence[float], step_bins: int
) -> npt.NDArray[np.float32]:
    """Probability of a hot snapshot over delays that are not equally likely."""
    num_starts = BINS_PER_DAY // step_bins
    hot = np.zeros((len(snapshot_hot), num_starts))
    known = np.zeros_like(hot)
    for delay, probability in enumerate(delays):
        if probability:
            starts = slice(delay, delay + BINS_PER_DAY - step_bins + 1, step_bins)
            hot += probability * snapshot_hot[:, starts]
            known += probability * snapshot_known[:, starts]
    share = np.full(hot.shape, np.nan, dtype=np.float32)
    np.divide(hot, known, out=share, where=known >= MIN_KNOWN_SHARE - 1e-9, casting="same_kind")
    return share


def _combine_windows(combine: np.ufunc, values: ByteArray, width: int) -> ByteArray:
    """Combine every ``width`` neighbors in about ``2 log2(width)`` passes, from blocks of 1, 2, 4 ... neighbors."""
    num_windows = values.shape[1] - width + 1
    block, size, taken = values, 1, 0
    result: ByteArray | None = None
    while True:
        if width & size:
            part = block[:, taken : taken + num_windows]
            result = part.copy() if result is None else combine(result, part, out=result)
            taken += size
        if taken == width:
            assert result is not None
            return result
        block = combine(block[:, :-size], block[:, size:])
        size *= 2
