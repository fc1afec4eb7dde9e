"""Load of an estate, read back by day or by VM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from optimizer.estate.document import LoadPart
from optimizer.estate.parts import METRICS, blank, find_rows, merge_days, read_part, to_arrays, to_day
from optimizer.estate.remote import Location
from optimizer.model.load import DayLoad, FloatArray


@dataclass(frozen=True, slots=True)
class VmLoad:
    """Load of one VM over the days that have any.

    Parameters
    ----------
    vm_id
        The VM.
    dates
        Length D, ascending UTC days.
    cpu_percent, mem_percent
        Shape (D, 288), mean of each 5-minute bin in percent, NaN where unknown.
    cpu_max, mem_max
        The same for the maximum; None where the source has none.
    running
        Shape (D, 288), int8: 1 running, 0 known to be off, -1 unsaid; None where the source does not tell.
    """

    vm_id: str
    dates: tuple[date, ...]
    cpu_percent: FloatArray
    mem_percent: FloatArray
    cpu_max: FloatArray | None = None
    mem_max: FloatArray | None = None
    running: npt.NDArray[np.int8] | None = None


class LoadStore:
    """The load parts of an estate folder; a :class:`optimizer.ports.PartialLoadSource`.

    Parameters
    ----------
    folder
        The estate folder.
    parts
        The parts that belong to the estate.
    """

    def __init__(self, folder: Location, parts: Sequence[LoadPart]) -> None:
        self._folder = folder
        self._parts: dict[date, list[LoadPart]] = {}
        for part in sorted(parts, key=lambda part: (part.date, part.path)):
            self._parts.setdefault(part.date, []).append(part)

    def __reduce__(self) -> tuple[type[LoadStore], tuple[Location, tuple[LoadPart, ...]]]:
        """For another process, which may work in another folder."""
        folder = self._folder.absolute() if isinstance(self._folder, Path) else self._folder
        return LoadStore, (folder, tuple(part for day in self._parts.values() for part in day))

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        return tuple(self._parts)

    def read_day(self, day: date) -> DayLoad:
        """Load of every VM that has any on this day; VMs sorted by id, none where the day has no load.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        return self._read(day, None)

    def read_vms(self, day: date, vm_ids: Sequence[str]) -> DayLoad:
        """Load on this day of those of the VMs that have any, and of others between them.

        Files are read whole, to see that they are sound; decoded are only the row groups of these VMs.

        Parameters
        ----------
        vm_ids
            Neighbours in the order of ids, for the less to be decoded; compared without regard to case.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        return self._read(day, vm_ids)

    def _read(self, day: date, vm_ids: Sequence[str] | None) -> DayLoad:
        days = []
        for part in self._parts.get(day, ()):
            frame = read_part(self._folder, part, vm_ids)
            days.append(to_day(day, tuple(frame["vm"].to_list()), to_arrays(frame)))
        return merge_days(days) if days else to_day(day, (), {})

    def read_vm(self, vm_id: str) -> VmLoad:
        """Load of one VM over the whole history; no days where it has none.

        Parameters
        ----------
        vm_id
            As :meth:`read_day` spells it.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        parts = tuple(part for day in self._parts.values() for part in day)
        by_date: dict[date, list[DayLoad]] = {}
        for part, frame in zip(parts, find_rows(self._folder, parts, vm_id), strict=True):
            if frame.height:
                by_date.setdefault(part.date, []).append(to_day(part.date, (vm_id,), to_arrays(frame)))
        days = [merge_days(same_day) for same_day in by_date.values()]
        arrays = {}
        for metric in METRICS:
            rows = [getattr(day, metric) for day in days]
            if any(row is not None for row in rows):
                arrays[metric] = np.concatenate([blank(metric, 1) if row is None else row for row in rows])
        missing = {metric: blank(metric, 0) for metric in ("cpu_percent", "mem_percent") if metric not in arrays}
        return VmLoad(vm_id, tuple(by_date), **arrays, **missing)  # type: ignore[arg-type]  # as in to_day
