"""NumPy kernels that turn samples of load into the share of start delays whose snapshot is at risk.

A backup begins at any time in the two hours after its start time. Here, the delay is uniform over 0, 5, ..., 120
minutes. The kernels work on single bytes, on chunks of VMs small enough to stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError
from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY, DEFAULT_SNAPSHOT_MINUTES, SLOT_MINUTES
from optimizer.model.timegrid import START_WINDOW_MINUTES as WINDOW_MINUTES

ByteArray = npt.NDArray[np.uint8]
Scalar = TypeVar("Scalar", bound=np.generic)

NUM_DELAYS = WINDOW_MINUTES // BIN_MINUTES + 1
"""Number of start delays: 0, 5, ..., 120 minutes, all equally likely."""

MIN_KNOWN_DELAYS = -(-NUM_DELAYS // 2)
"""Number of delays whose snapshot must be known for a day to count at a start time: at least half."""

MAX_SNAPSHOT_MINUTES = 720
"""Maximum snapshot length, in minutes.

A window must end on the day after its start, and its samples must be countable in one byte.
"""


@dataclass(frozen=True, slots=True)
class SnapshotGrid:
    """Position, in 5-minute bins, of the snapshots of each start time.

    Parameters
    ----------
    snapshot_minutes
        Length of the in-guest snapshot in minutes, rounded up to whole bins.
    step_minutes
        Spacing of the UTC start times in minutes: 30, 15 or 5.

    Raises
    ------
    ValueError
        The snapshot length or the spacing is not allowed.
    """

    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES
    step_minutes: int = SLOT_MINUTES

    def __post_init__(self) -> None:
        if not 1 <= self.snapshot_minutes <= MAX_SNAPSHOT_MINUTES:
            raise ValueError(f"snapshot_minutes is {self.snapshot_minutes}; allowed: 1 to {MAX_SNAPSHOT_MINUTES}")
        if self.step_minutes not in (5, 15, 30):
            raise ValueError(f"step_minutes is {self.step_minutes}; allowed: 5, 15 or 30")

    @property
    def snapshot_bins(self) -> int:
        """Number of samples in a snapshot."""
        return -(-self.snapshot_minutes // BIN_MINUTES)

    @property
    def min_known_samples(self) -> int:
        """Number of samples of a snapshot that must be known for the snapshot to count: two thirds."""
        return -(-2 * self.snapshot_bins // 3)

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
        """Number of bins of the following day that the windows of a day reach into."""
        return NUM_DELAYS - 1 + self.snapshot_bins - self.step_bins


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
    """Share of the start delays whose snapshot contains a hot sample.

    Parameters
    ----------
    hot, known
        Shape (V, 288 + bins_after_midnight), 0 or 1: the samples of a day and of the first hours of the next day.
    grid
        Snapshot length and spacing of the start times.

    Returns
    -------
    numpy.ndarray
        Shape (V, num_starts), from 0 to 1; NaN if fewer than half of the delays have a known snapshot.
    """
    snapshot_hot = _combine_windows(np.bitwise_or, hot, grid.snapshot_bins)
    num_known = _combine_windows(np.add, known, grid.snapshot_bins)
    snapshot_known = (num_known >= grid.min_known_samples).view(np.uint8)
    snapshot_hot &= snapshot_known
    delays_hot = _combine_windows(np.add, snapshot_hot, NUM_DELAYS)[:, :: grid.step_bins]
    delays_known = _combine_windows(np.add, snapshot_known, NUM_DELAYS)[:, :: grid.step_bins]
    share = np.full(delays_hot.shape, np.nan, dtype=np.float32)
    np.divide(delays_hot, delays_known, out=share, where=delays_known >= MIN_KNOWN_DELAYS, dtype=np.float32)
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
