"""The load half of a pull: which VM lacks what, and a day's answers as one block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.estate.parts import METRICS, is_unknown, to_day
from optimizer.estate.pull_source import LoadChunk, LoadTarget
from optimizer.model.load import STOPPED, UNKNOWN, DayLoad
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY

RETENTION = timedelta(days=93)
"""Azure Monitor keeps metrics so long (azure-facts 5.2)."""

_MARGIN = timedelta(minutes=15)
"""Time that a pull may take before the oldest samples it wants are gone."""

_CONTINUES = timedelta(hours=1)
"""A VM whose last sample is so close to the end of the last pull goes on from that sample."""

USABLE_BINS = BINS_PER_DAY // 2
"""Known bins that make a day of a VM usable."""

BIN = timedelta(minutes=BIN_MINUTES)


def floor_bin(instant: datetime) -> datetime:
    """Begin of the 5-minute bin that an instant lies in: bins before it are complete."""
    whole = instant.astimezone(UTC).replace(second=0, microsecond=0)
    return whole - timedelta(minutes=whole.minute % BIN_MINUTES)


def window(as_of: datetime, days: int) -> tuple[datetime, datetime]:
    """First and last instant of the history: so many whole UTC days and the part of today that is over.

    Never further back than Azure keeps its metrics.
    """
    end = floor_bin(as_of)
    start = datetime.combine(end.date() - timedelta(days=days), time.min, UTC)
    return max(start, oldest(as_of)), end


def oldest(as_of: datetime) -> datetime:
    """The first instant of which Azure still has metrics when a pull that begins now gets there."""
    return floor_bin(as_of - RETENTION + _MARGIN)


def days_between(start: datetime, end: datetime) -> list[date]:
    """UTC days that ``[start, end)`` meets, the newest first.

    The newest first, because what a VM that is off did last tells since when it is off, and because an old day is
    worth less to somebody who gives up.
    """
    if end <= start:
        return []
    last = (end - timedelta(microseconds=1)).date()
    return [last - timedelta(days=back) for back in range((last - start.date()).days + 1)]


def find_starts(estate: Estate, vm_ids: Iterable[str], start: datetime, earliest: datetime) -> dict[str, datetime]:
    """Since when the load of each VM is to be asked for, given an estate that is appended to.

    A VM that the estate does not know, or whose request failed, is asked for from ``start``; any other from its last
    known bin, or, where that lies further back than an hour, from the end of the last pull: there was nothing to be
    had in between.

    Parameters
    ----------
    estate
        What is appended to.
    vm_ids
        As the estate spells them.
    start
        Begin of the window.
    earliest
        Before which there is nothing to be had; what the estate lacks since the last pull is asked for from then on,
        even where that lies before ``start``.
    """
    document = estate.document
    until = floor_bin(document.as_of)
    known = known_vms(document)
    failed = {vm.lower() for vm, why in document.load_gaps.items() if why.startswith("request failed")}
    last = _last_bins(estate, until)
    starts = {}
    for vm_id in vm_ids:
        if vm_id.lower() not in known or vm_id.lower() in failed:
            starts[vm_id] = start
            continue
        seen = last.get(vm_id)
        starts[vm_id] = max(earliest, seen if seen is not None and seen >= until - _CONTINUES else until)
    return starts


def known_vms(document: EstateDocument) -> set[str]:
    """VMs whose load an estate's pull asked for, by id in lower case."""
    from optimizer.estate.pull_inventory import old_spelling

    return set(old_spelling(document))


def _last_bins(estate: Estate, until: datetime) -> dict[str, datetime]:
    """End of the last known bin of each VM in the two days before the end of the last pull."""
    found: dict[str, datetime] = {}
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
    """Load of all VMs of a pull on one day, filled as the answers come.

    Parameters
    ----------
    day
        UTC day.
    targets
        VMs that are asked for on this day, in order of id.
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
        """Put in what is known and not yet there; bins outside of what is wanted are left out."""
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

    def has(self, metric: str) -> npt.NDArray[np.bool_]:
        """Which VMs have any value of a metric; shape (V,)."""
        if metric not in self.values:
            return np.zeros(len(self.targets), dtype=np.bool_)
        return np.asarray(~np.isnan(self.values[metric]).all(axis=1))

    def mark_off(self, silent: Iterable[str]) -> npt.NDArray[np.int8] | None:
        """Known times at which VMs are off: from the last sample of one that is off now to the end.

        Parameters
        ----------
        silent
            VMs that are off now and had no load after this day.
        """
        rows = [self.rows[vm_id] for vm_id in silent if vm_id in self.rows]
        if not rows:
            return None
        running = np.full((len(self.targets), BINS_PER_DAY), UNKNOWN, dtype=np.int8)
        cpu = self.values.get("cpu_percent")
        for row in rows:
            seen = np.flatnonzero(~np.isnan(cpu[row])) if cpu is not None else np.array([], dtype=np.int64)
            # One bin more: the sample that would show the stop may still be on its way.
            first = int(seen[-1]) + 2 if seen.size else 0
            running[row, first:] = np.where(self.wanted[row, first:], STOPPED, UNKNOWN)
        return running

    def to_load(self, silent: Iterable[str], old: DayLoad | None) -> DayLoad:
        """The day as it is written: VMs by id, without those of which nothing (new) is known.

        Parameters
        ----------
        silent
            VMs that are off now and had no load after this day.
        old
            What the estate has of this day; it wins.
        """
        arrays: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int8]] = dict(self.values)
        running = self.mark_off(silent)
        if running is not None:
            arrays["running"] = running
        vm_ids = tuple(target.vm_id for target in self.targets)
        load = to_day(self.day, vm_ids, arrays)
        return keep_new(load, old)


def keep_new(load: DayLoad, old: DayLoad | None) -> DayLoad:
    """The part of a day's load that an estate does not have yet; VMs without any are left out."""
    before = {vm_id: row for row, vm_id in enumerate(old.vm_ids)} if old is not None else {}
    pairs = [(row, before[vm_id]) for row, vm_id in enumerate(load.vm_ids) if vm_id in before]
    mine, theirs = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True)) if pairs else ((), ())
    news = np.zeros(len(load.vm_ids), dtype=np.bool_)
    arrays: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int8]] = {}
    for metric in METRICS:
        values = getattr(load, metric)
        if values is None:
            continue
        known = getattr(old, metric) if old is not None else None
        if known is not None and len(mine):
            values = values.copy()
            unknown = -1 if metric == "running" else np.nan
            values[mine] = np.where(is_unknown(metric, known[theirs]), values[mine], unknown)
        news |= (~is_unknown(metric, values)).any(axis=1)
        arrays[metric] = values
    kept = np.flatnonzero(news)
    vm_ids = tuple(load.vm_ids[row] for row in kept)
    return to_day(load.date, vm_ids, {metric: values[kept] for metric, values in arrays.items()})


def usable_rows(load: DayLoad) -> Iterable[str]:
    """VMs for which a day says enough: half of its bins, counting those in which they are known to be off."""
    known = ~np.isnan(load.cpu_percent)
    if load.running is not None:
        known |= load.running == STOPPED
    return [load.vm_ids[row] for row in np.flatnonzero(known.sum(axis=1) >= USABLE_BINS)]
