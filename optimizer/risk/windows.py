"""Sums the share of at-risk starts over days, for one chunk of VMs at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from optimizer.model.arm_id import ArmId
from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BINS_PER_DAY
from optimizer.risk.snapshots import ByteArray, SnapshotGrid, classify_samples, share_at_risk

CHUNK_VMS = 256
"""Number of VMs worked on at a time, so that their temporary arrays stay in a core's cache."""


@dataclass(frozen=True)
class BlockSums:
    """Shares of start delays at risk, summed by block, for some VMs and some blocks of a history.

    Parameters
    ----------
    risk_sum, day_count
        Shape (num_blocks, V, num_starts); see :class:`optimizer.risk.history.RiskHistory`.
    usable_days
        Shape (num_blocks, V): number of days on which at least half of the start times are known.
    varies
        Shape (V,): whether the load changes within these blocks, or the VM is ever off.
    first_load
        Shape (2, V): the first known CPU and the first known memory value, NaN if none is known. Meaningless for a VM
        that varies.
    """

    risk_sum: npt.NDArray[np.float32]
    day_count: npt.NDArray[np.uint8]
    usable_days: npt.NDArray[np.uint8]
    varies: npt.NDArray[np.bool_]
    first_load: npt.NDArray[np.float32]

    @classmethod
    def zeros(cls, num_blocks: int, num_vms: int, num_starts: int) -> BlockSums:
        """Sums before any day is added."""
        shape = (num_blocks, num_vms, num_starts)
        return cls(
            risk_sum=np.zeros(shape, dtype=np.float32),
            day_count=np.zeros(shape, dtype=np.uint8),
            usable_days=np.zeros(shape[:2], dtype=np.uint8),
            varies=np.zeros(num_vms, dtype=np.bool_),
            first_load=np.full((2, num_vms), np.nan, dtype=np.float32),
        )


class RowFinder:
    """Finds the rows of the wanted VMs in a day of load; it reuses them while consecutive days list the same VMs."""

    def __init__(self, vm_ids: Sequence[str]) -> None:
        self._wanted = [ArmId(vm_id) for vm_id in vm_ids]
        self._seen: tuple[str, ...] | None = None
        self._rows = np.empty(0, dtype=np.intp)

    def find(self, day_ids: tuple[str, ...]) -> npt.NDArray[np.intp]:
        """Row of each wanted VM in the day, -1 if the day does not have the VM; shape (V,)."""
        if day_ids != self._seen:
            row_of = {ArmId(vm_id): row for row, vm_id in enumerate(day_ids)}
            self._rows = np.array([row_of.get(vm_id, -1) for vm_id in self._wanted], dtype=np.intp)
            self._seen = day_ids
        return self._rows


class Windows:
    """Keeps the samples of the latest day until the next day completes the windows that cross midnight.

    Parameters
    ----------
    sums
        Sums that the shares are added to.
    grid
        Timing of the snapshots of the VMs, and spacing of the start times.
    threshold
        Load above which a snapshot is at risk.
    """

    def __init__(self, sums: BlockSums, grid: SnapshotGrid, threshold: Threshold) -> None:
        self._sums = sums
        self._grid = grid
        self._threshold = threshold
        num_vms = len(sums.varies)
        self._hot = np.zeros((num_vms, BINS_PER_DAY + grid.bins_after_midnight), dtype=np.uint8)
        self._known = np.zeros_like(self._hot)
        self._grids = {chunk.start: grid.of_vms(chunk) for chunk in self._chunks()}
        self._day: date | None = None
        self._block = 0

    def add_day(self, load: DayLoad, rows: npt.NDArray[np.intp], num_bins: int, block: int) -> None:
        """Complete the windows of the day before; keep the first ``num_bins`` samples of this day for ``block``."""
        follows = self._day is not None and (load.date - self._day).days == 1
        for chunk in self._chunks():
            self._watch_for_change(load, rows[chunk], chunk, num_bins)
            hot, known = classify_samples(load, rows[chunk], self._threshold)
            hot[:, num_bins:] = 0
            known[:, num_bins:] = 0
            self._finish(chunk, (hot, known) if follows else None)
            self._hot[chunk, :BINS_PER_DAY] = hot
            self._known[chunk, :BINS_PER_DAY] = known
        self._day, self._block = load.date, block

    def _watch_for_change(self, load: DayLoad, rows: npt.NDArray[np.intp], chunk: slice, num_bins: int) -> None:
        """Mark the VMs whose load differs from the first value seen; after a day or two, few VMs are left to watch."""
        varies = self._sums.varies[chunk]
        still = np.flatnonzero(~varies & (rows >= 0))
        if len(still) == 0:
            return
        for first_load, values in zip(
            self._sums.first_load[:, chunk], (load.cpu_percent, load.mem_percent), strict=True
        ):
            samples = values[rows[still], :num_bins]
            first = first_load[still]
            first = np.where(np.isnan(first), np.fmin.reduce(samples, axis=1, initial=np.nan), first)
            first_load[still] = first
            varies[still] |= ((samples != first[:, None]) & ~np.isnan(samples)).any(axis=1)
        if load.running is not None:
            varies[still] |= (load.running[rows[still], :num_bins] == STOPPED).any(axis=1)

    def close(self) -> None:
        """Complete the windows of the last day; samples after it count as unknown."""
        for chunk in self._chunks():
            self._finish(chunk, None)

    def _chunks(self) -> Iterator[slice]:
        num_vms = len(self._hot)
        return (slice(first, min(first + CHUNK_VMS, num_vms)) for first in range(0, num_vms, CHUNK_VMS))

    def _finish(self, chunk: slice, following: tuple[ByteArray, ByteArray] | None) -> None:
        if self._day is None:
            return
        hot, known, sums, block = self._hot[chunk], self._known[chunk], self._sums, self._block
        beyond = self._grid.bins_after_midnight
        hot[:, BINS_PER_DAY:] = following[0][:, :beyond] if following else 0
        known[:, BINS_PER_DAY:] = following[1][:, :beyond] if following else 0
        share = share_at_risk(hot, known, self._grids[chunk.start])
        is_known = ~np.isnan(share)
        np.add(sums.risk_sum[block, chunk], share, out=sums.risk_sum[block, chunk], where=is_known)
        sums.day_count[block, chunk] += is_known
        sums.usable_days[block, chunk] += 2 * is_known.sum(axis=1) >= self._grid.num_starts
