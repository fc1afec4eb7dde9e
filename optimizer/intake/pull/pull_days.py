"""Selects the load that a pull requests for each VM, and collects a day's answers in one block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.estate import Estate, EstateDocument
from optimizer.intake.pull.pull_source import LoadChunk, LoadTarget
from optimizer.intake.spelling import spelling_of
from optimizer.model.arm_id import ArmId
from optimizer.model.load import STOPPED, UNKNOWN, DayLoad, Metric, Values, is_unknown, to_day
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY

RETENTION = timedelta(days=93)
"""Time for which Azure Monitor keeps metrics (docs/azure.md, "What `pull` reads")."""

_MARGIN = timedelta(minutes=15)
"""Time for the pull itself, so that the oldest samples are not deleted before they are requested."""

_CONTINUES = timedelta(hours=1)
"""A VM whose last sample is at most this long before the end of the last pull continues from that sample."""

USABLE_BINS = BINS_PER_DAY // 2
"""Number of known bins that make a day of a VM usable."""

BIN = timedelta(minutes=BIN_MINUTES)


def floor_bin(instant: datetime) -> datetime:
    """Start of the 5-minute bin that contains an instant; all earlier bins are complete."""
    whole = instant.astimezone(UTC).replace(second=0, microsecond=0)
    return whole - timedelta(minutes=whole.minute % BIN_MINUTES)


def window(as_of: datetime, days: int) -> tuple[datetime, datetime]:
    """Start and end of the history: a number of whole UTC days, and the past part of today.

    The start is never earlier than the oldest metrics that Azure keeps.
    """
    end = floor_bin(as_of)
    start = datetime.combine(end.date() - timedelta(days=days), time.min, UTC)
    return max(start, oldest(as_of)), end


def oldest(as_of: datetime) -> datetime:
    """First instant for which Azure still has metrics when a pull that starts now requests them."""
    return floor_bin(as_of - RETENTION + _MARGIN)


def days_between(start: datetime, end: datetime) -> list[date]:
    """UTC days in ``[start, end)``, the newest first.

    The newest come first because the last load of a VM that is off shows since when it is off, and because recent days
    are worth more if the user stops the pull early.
    """
    if end <= start:
        return []
    last = (end - timedelta(microseconds=1)).date()
    return [last - timedelta(days=back) for back in range((last - start.date()).days + 1)]


def find_starts(estate: Estate, vm_ids: Iterable[ArmId], start: datetime, earliest: datetime) -> dict[ArmId, datetime]:
    """Time from which to request the load of each VM, given an estate that is appended to.

    A VM that the estate does not contain, or whose request failed, is requested from ``start``. Other VMs are
    requested from their last known bin if that is at most an hour before the end of the last pull, and otherwise from
    that end, because there was no load in between.

    Parameters
    ----------
    estate
        Estate that is appended to.
    vm_ids
        VM ids in the estate's spelling.
    start
        Start of the window.
    earliest
        First instant that may have load. Load since the last pull is requested from here on, even if this is before
        ``start``.
    """
    document = estate.document
    until = floor_bin(document.as_of)
    known = known_vms(document)
    failed = {vm for vm, why in document.load_gaps.items() if why.startswith("request failed")}
    last = _last_bins(estate, until)
    starts = {}
    for vm_id in vm_ids:
        if vm_id not in known - failed:
            starts[vm_id] = start
            continue
        seen = last.get(vm_id)
        starts[vm_id] = max(earliest, seen if seen is not None and seen >= until - _CONTINUES else until)
    return starts


def known_vms(document: EstateDocument) -> set[ArmId]:
    """VMs whose load was requested for an estate."""
    return set(spelling_of(document.vms, document.protected_items))


def _last_bins(estate: Estate, until: datetime) -> dict[ArmId, datetime]:
    """End of the last known bin of each VM, in the two days before the end of the last pull."""
    found: dict[ArmId, datetime] = {}
    for day in reversed(estate.load.dates()):
        if day < (until - timedelta(days=1)).date():
            break
        load = estate.load.read_day(day)
        midnight = datetime.combine(day, time.min, UTC)
        known = ~np.isnan(load.cpu_percent)
        last = BINS_PER_DAY - np.argmax(known[:, ::-1], axis=1)
        for row in np.flatnonzero(known.any(axis=1)):
            found.setdefault(load.vm_ids[row], midnight + int(last[row]) * BIN)
    return found


@dataclass
class DayBlock:
    """Load of all VMs of a pull on one day, filled as answers arrive.

    Parameters
    ----------
    day
        UTC day.
    targets
        VMs to request on this day, in order of id.
    end
        End of the history.
    """

    day: date
    targets: Sequence[LoadTarget]
    end: datetime

    def __post_init__(self) -> None:
        self.rows = {target.vm_id: row for row, target in enumerate(self.targets)}
        self.values: dict[str, npt.NDArray[np.float32]] = {}
        self.points = 0
        midnight = datetime.combine(self.day, time.min, UTC)
        bins = np.arange(BINS_PER_DAY)
        first = np.array([(target.start - midnight) // BIN for target in self.targets], dtype=np.int64)
        self.wanted = (bins >= first[:, None]) & (bins < (self.end - midnight) // BIN)[None]

    def fill(self, chunk: LoadChunk) -> None:
        """Fill in values that are still unknown; bins that are not wanted are skipped."""
        self.points += chunk.points
        if not chunk.values:
            return
        rows = np.array([self.rows[vm_id] for vm_id in chunk.vm_ids], dtype=np.int64)
        for metric, values in chunk.values.items():
            if metric not in self.values:
                self.values[metric] = np.full((len(self.targets), BINS_PER_DAY), np.nan, dtype=np.float32)
            held = self.values[metric][rows]
            take = self.wanted[rows] & np.isnan(held)
            self.values[metric][rows] = np.where(take, values, held)

    def incomplete(self) -> list[LoadTarget]:
        """VMs without any CPU value, or without any memory value."""
        lacks = ~(self.has("cpu_percent") & self.has("mem_percent"))
        return [target for target, lack in zip(self.targets, lacks, strict=True) if lack]

    def with_load(self) -> set[ArmId]:
        """VMs with a CPU value."""
        has_load = self.has("cpu_percent")
        return {target.vm_id for target, has in zip(self.targets, has_load, strict=True) if has}

    def has(self, metric: str) -> npt.NDArray[np.bool_]:
        """Whether each VM has any value of a metric; shape (V,)."""
        if metric not in self.values:
            return np.zeros(len(self.targets), dtype=np.bool_)
        return np.asarray(~np.isnan(self.values[metric]).all(axis=1))

    def mark_off(self, silent: Iterable[ArmId]) -> npt.NDArray[np.int8] | None:
        """Power states of VMs that are off now: off from their last sample to the end, otherwise unknown.

        Parameters
        ----------
        silent
            Ids of VMs that are off now and had no load after this day.
        """
        rows = [self.rows[vm_id] for vm_id in silent if vm_id in self.rows]
        if not rows:
            return None
        running = np.full((len(self.targets), BINS_PER_DAY), UNKNOWN, dtype=np.int8)
        cpu = self.values.get("cpu_percent")
        for row in rows:
            seen = np.flatnonzero(~np.isnan(cpu[row])) if cpu is not None else np.array([], dtype=np.int64)
            # One bin later, because the sample that shows the stop may not have arrived yet.
            first = int(seen[-1]) + 2 if seen.size else 0
            running[row, first:] = np.where(self.wanted[row, first:], STOPPED, UNKNOWN)
        return running

    def to_load(self, silent: Iterable[ArmId], old: DayLoad | None) -> DayLoad:
        """The day as it is written: sorted by VM id, without VMs that have no (new) data.

        Parameters
        ----------
        silent
            Ids of VMs that are off now and had no load after this day.
        old
            Load of this day in the estate, which takes precedence.
        """
        arrays: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int8]] = dict(self.values)
        running = self.mark_off(silent)
        if running is not None:
            arrays["running"] = running
        vm_ids = tuple(target.vm_id for target in self.targets)
        load = to_day(self.day, vm_ids, arrays)
        return keep_new(load, old)


def keep_new(load: DayLoad, old: DayLoad | None) -> DayLoad:
    """Part of a day's load that is new to an estate, without VMs that have nothing new."""
    mine, theirs = _common_rows(load, old)
    is_new = np.zeros(len(load.vm_ids), dtype=np.bool_)
    arrays: dict[Metric, Values] = {}
    for metric, values in load.stated().items():
        known = old.stated().get(metric) if old is not None else None
        arrays[metric] = values if known is None else _without_known(metric, values, mine, known[theirs])
        is_new |= (~is_unknown(metric, arrays[metric])).any(axis=1)
    kept = np.flatnonzero(is_new)
    vm_ids = tuple(load.vm_ids[row] for row in kept)
    return to_day(load.date, vm_ids, {metric: values[kept] for metric, values in arrays.items()})


def _common_rows(load: DayLoad, old: DayLoad | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the VMs that both loads have, in each of them."""
    before = {vm_id: row for row, vm_id in enumerate(old.vm_ids)} if old is not None else {}
    pairs = [(row, before[vm_id]) for row, vm_id in enumerate(load.vm_ids) if vm_id in before]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _without_known(
    metric: Metric, values: npt.NDArray[Any], rows: npt.NDArray[np.int64], known: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Copy of values without those that are known for some rows."""
    kept = values.copy()
    unknown = UNKNOWN if metric == "running" else np.nan
    kept[rows] = np.where(is_unknown(metric, known), values[rows], unknown)
    return kept


def usable_rows(load: DayLoad) -> Iterable[ArmId]:
    """VMs for which a day has enough data: half of its bins, including those in which the VM is known to be off."""
    known = ~np.isnan(load.cpu_percent)
    if load.running is not None:
        known |= load.running == STOPPED
    return [load.vm_ids[row] for row in np.flatnonzero(known.sum(axis=1) >= USABLE_BINS)]
