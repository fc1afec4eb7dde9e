"""Converts samples at any regular interval to 5-minute bins of UTC days, with numpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad, to_day
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY

LEAD_BINS = 60 // BIN_MINUTES
"""Number of bins before the first day that are read as well, because an hourly sample may last past midnight."""

_MINUTE = 60_000_000
"""Microseconds per minute, the unit of offsets."""

_BIN = BIN_MINUTES * _MINUTE
_LEAD = LEAD_BINS * _BIN
_LONG = 61
"""Minutes that represent every distance over an hour while distances are counted."""

_ENOUGH = 3
"""Number of distances that a VM needs for its own interval; with fewer, it gets the common interval of all VMs."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """Samples of several VMs and days, one array element each; N is the number of samples.

    Parameters
    ----------
    begin
        Instant of offset 0, an hour before the first day.
    rows
        Number of the VM, shape (N,); -1 for a VM that is not read.
    offsets
        Microseconds since ``begin``, shape (N,).
    values
        Values by metric, shape (N,), NaN where missing; ``running`` is 1 or 0.
    """

    begin: datetime
    rows: Ints
    offsets: Ints
    values: dict[str, Floats]

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Whether each sample is in the days themselves, not in the hour before them; shape (N,)."""
        return self.offsets >= _LEAD

    def take(self, which: npt.NDArray[np.bool_] | Ints) -> Samples:
        """Select samples, or all samples in another order."""
        values = {metric: array[which] for metric, array in self.values.items()}
        return Samples(self.begin, self.rows[which], self.offsets[which], values)

    def time(self, sample: int) -> str:
        """Time of a sample as text, for messages."""
        return f"{self.begin + timedelta(microseconds=int(self.offsets[sample])):%Y-%m-%dT%H:%M:%SZ}"


class Intervals(NamedTuple):
    """Distances between the samples of a VM, in whole minutes.

    Parameters
    ----------
    minutes
        Interval of each VM, shape (V,).
    distances
        Number of occurrences of each distance.
    """

    minutes: Ints
    distances: Counter[int]


def in_key_order(samples: Samples) -> tuple[Samples, bool]:
    """Samples sorted by VM and time, and whether the samples of every VM were already in order of time."""
    rows, offsets = samples.rows, samples.offsets
    if _is_ordered(rows, offsets):
        return samples, True
    small = rows.astype(np.uint16) if rows.max() < 2**16 else rows  # numpy uses the fast radix sort for 16 bits
    order = np.argsort(small, kind="stable")
    if _is_ordered(rows[order], offsets[order]):
        return samples.take(order), True
    return samples.take(np.lexsort((offsets, rows))), False


def _is_ordered(rows: Ints, offsets: Ints) -> bool:
    later = (rows[1:] > rows[:-1]) | ((rows[1:] == rows[:-1]) & (offsets[1:] >= offsets[:-1]))
    return bool(later.all())


def merge_repeated(samples: Samples, report: Callable[[int, int, str, list[float]], None]) -> tuple[Samples, int]:
    """Merge repeated samples to one per VM and time, and count the dropped ones.

    Parameters
    ----------
    samples
        Samples sorted by VM and time.
    report
        Called with VM, offset, metric, and the smallest and largest value if repeated samples contradict each other. A
        missing value contradicts no other value.
    """
    new = np.ones(samples.rows.size, dtype=np.bool_)
    new[1:] = (samples.rows[1:] != samples.rows[:-1]) | (samples.offsets[1:] != samples.offsets[:-1])
    if new.all():
        return samples, 0
    starts = np.flatnonzero(new)
    values: dict[str, Floats] = {}
    for metric, array in samples.values.items():
        least, greatest = np.fmin.reduceat(array, starts), np.fmax.reduceat(array, starts)
        for group in np.flatnonzero((least < greatest) & samples.counted[starts]):
            pair = [float(least[group]), float(greatest[group])]
            report(int(samples.rows[starts[group]]), int(samples.offsets[starts[group]]), metric, pair)
        values[metric] = greatest
    dropped = int((~new & samples.counted).sum())
    return Samples(samples.begin, samples.rows[starts], samples.offsets[starts], values), dropped


def find_intervals(samples: Samples, num_vms: int) -> Intervals:
    """Most common distance of each VM's samples; gaps are rarer than the interval and therefore do not matter.

    Parameters
    ----------
    samples
        Samples sorted by VM and time, without repetition.
    num_vms
        Number of VMs, V.

    Returns
    -------
    Intervals
        Intervals of the VMs. A VM with too few samples, or with mostly gaps, gets the most common interval of all VMs.
        If that exceeds an hour as well, each sample counts for one bin only.
    """
    same = samples.rows[1:] == samples.rows[:-1]
    distance = (samples.offsets[1:] - samples.offsets[:-1])[same]
    minutes = np.clip((distance + _MINUTE // 2) // _MINUTE, 1, _LONG)
    slots = num_vms * (_LONG + 1)
    counts = np.bincount(samples.rows[1:][same] * (_LONG + 1) + minutes, minlength=slots).reshape(num_vms, _LONG + 1)
    overall = counts.sum(axis=0)
    common = int(overall.argmax())
    if common in {0, _LONG}:
        common = BIN_MINUTES
    own = counts.argmax(axis=1)
    unclear = (counts.sum(axis=1) < _ENOUGH) | (own == _LONG)
    lengths, times = np.unique(distance[minutes == _LONG] // _MINUTE, return_counts=True)
    distances = Counter(dict(enumerate(overall[:_LONG].tolist())))
    distances.update(dict(zip(lengths.tolist(), times.tolist(), strict=True)))
    return Intervals(np.where(unclear, common, own).astype(np.int64), distances)


def to_days(samples: Samples, days: Sequence[date], vm_ids: Sequence[ArmId], minutes: Ints) -> Iterator[DayLoad]:
    """Convert samples to 5-minute bins, day by day, without days and VMs that have no known bin.

    Parameters
    ----------
    samples
        Samples of ``days`` and the hour before, sorted by VM and time, without repetition.
    days
        UTC days, ascending.
    vm_ids
        VM ids, length V, sorted.
    minutes
        Interval of each VM in minutes, shape (V,).
    """
    num_bins = LEAD_BINS + ((days[-1] - days[0]).days + 1) * BINS_PER_DAY
    first_bins = samples.offsets // _BIN
    held = -(-minutes // BIN_MINUTES)[samples.rows]
    grids = {
        metric: _to_grid(metric, samples.rows, first_bins, held, values, (len(vm_ids), num_bins))
        for metric, values in samples.values.items()
    }
    names = np.array(vm_ids, dtype=object)
    for day in days:
        first = LEAD_BINS + (day - days[0]).days * BINS_PER_DAY
        bins_of_day = slice(first, first + BINS_PER_DAY)
        yield from _one_day(day, names, {metric: grid[:, bins_of_day] for metric, grid in grids.items()})


def _one_day(day: date, names: npt.NDArray[np.object_], grids: Mapping[str, Floats]) -> Iterator[DayLoad]:
    known = np.zeros(names.size, dtype=np.bool_)
    for grid in grids.values():
        known |= ~np.isnan(grid).all(axis=1)
    if known.any():
        arrays = {
            metric: np.nan_to_num(grid[known], nan=-1).astype(np.int8) if metric == "running" else grid[known]
            for metric, grid in grids.items()
        }
        yield to_day(day, tuple(names[known].tolist()), arrays)


def _to_grid(metric: str, rows: Ints, bins: Ints, held: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    """Values of one metric in bins, rounded to 0.01: the mean of means, the maximum of maxima; NaN where unknown.

    Parameters
    ----------
    rows, bins, held, values
        VM, first bin, number of bins and value of each sample, shape (N,).
    shape
        Number of VMs and of bins.
    """
    known = ~np.isnan(values)
    if not known.all():
        rows, bins, held, values = rows[known], bins[known], held[known], values[known]
    cells = rows * shape[1] + bins
    longest = int(held.max(initial=1))
    if longest == 1 and bool((cells[1:] > cells[:-1]).all()):  # the common case: one sample per bin
        grid = np.full(shape[0] * shape[1], np.nan, dtype=np.float32)
        grid[cells] = values
        return np.round(grid, 2, out=grid).reshape(shape)
    spread = _spread(cells, bins, held, values, longest, shape[1])
    combine = _mean if metric in {"cpu_percent", "mem_percent"} else _greatest
    return np.round(combine(spread, shape[0] * shape[1]), 2).astype(np.float32).reshape(shape)


_Spread = Iterator[tuple[Ints, Floats]]


def _spread(cells: Ints, bins: Ints, held: Ints, values: Floats, longest: int, num_bins: int) -> _Spread:
    """Cells and values for the first bin of every sample, then for the second, and so on."""
    for step in range(longest):
        covers = (held > step) & (bins + step < num_bins)
        yield cells[covers] + step, values[covers]


def _mean(spread: _Spread, size: int) -> npt.NDArray[np.float64]:
    total, number = np.zeros(size), np.zeros(size, dtype=np.int64)
    for cells, values in spread:
        total += np.bincount(cells, weights=values, minlength=size)
        number += np.bincount(cells, minlength=size)
    mean = np.full(size, np.nan)
    np.divide(total, number, out=mean, where=number > 0)
    return mean


def _greatest(spread: _Spread, size: int) -> Floats:
    grid = np.full(size, -np.inf, dtype=np.float32)
    for cells, values in spread:
        np.maximum.at(grid, cells, values)
    grid[np.isinf(grid)] = np.nan
    return grid
