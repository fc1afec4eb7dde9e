"""Reads the load of an estate by day or by VM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from optimizer.estate.document import LoadPart
from optimizer.estate.parts import find_rows, names_in_parts, read_part, to_arrays
from optimizer.estate.vm_names import find_vm, no_such_vm
from optimizer.files import Location
from optimizer.model.load import METRICS, DayLoad, FloatArray, Metric, blank, merge_days, to_day


@dataclass(frozen=True, slots=True)
class VmLoad:
    """Load of one VM on all days with any.

    Parameters
    ----------
    vm_id
        Id of the VM.
    dates
        UTC days with load, length D, ascending.
    cpu_percent, mem_percent
        Mean of each 5-minute bin in percent, shape (D, 288); NaN where unknown.
    cpu_max, mem_max
        Maximum of each 5-minute bin, as above; None if the source has no maxima.
    running
        Power state of each bin, shape (D, 288), int8: 1 running, 0 known to be off, -1 unknown. None if the source has
        no power states.
    """

    vm_id: str
    dates: tuple[date, ...]
    cpu_percent: FloatArray
    mem_percent: FloatArray
    cpu_max: FloatArray | None = None
    mem_max: FloatArray | None = None
    running: npt.NDArray[np.int8] | None = None


class LoadStore:
    """Load parts of an estate folder; a :class:`optimizer.ports.PartialLoadSource`.

    Parameters
    ----------
    folder
        Location of the estate folder.
    parts
        Load parts that belong to the estate.
    vms_of_estate
        Returns the ids of the VMs that the estate contains, with or without load; only :meth:`read_vm` calls it.
    """

    def __init__(
        self, folder: Location, parts: Sequence[LoadPart], vms_of_estate: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._folder = folder
        self._vms_of_estate = vms_of_estate
        self._parts: dict[date, list[LoadPart]] = {}
        for part in sorted(parts, key=lambda part: (part.date, part.path)):
            self._parts.setdefault(part.date, []).append(part)

    def __reduce__(self) -> tuple[type[LoadStore], tuple[Location, tuple[LoadPart, ...]]]:
        """Pickle for another process, which may have another working folder and reads whole days only."""
        folder = self._folder.absolute() if isinstance(self._folder, Path) else self._folder
        return LoadStore, (folder, self._all_parts())

    def _all_parts(self) -> tuple[LoadPart, ...]:
        return tuple(part for day in self._parts.values() for part in day)

    def dates(self) -> Sequence[date]:
        """Days with load of at least one VM, ascending."""
        return tuple(self._parts)

    def read_day(self, day: date) -> DayLoad:
        """Load on this day of every VM that has any; VMs sorted by id, and empty for a day without load.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        return self._read(day, None)

    def read_vms(self, day: date, vm_ids: Sequence[str]) -> DayLoad:
        """Load on this day of those of the given VMs that have any, and of VMs between them.

        Files are read whole, to verify their digests, but only the row groups of these VMs are decoded.

        Parameters
        ----------
        vm_ids
            VM ids, compared without regard to case. If they are neighbors in the order of ids, less is decoded.

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

    def read_vm(self, vm: str) -> VmLoad:
        """Load of one VM over the whole history; without days if the estate has no load of the VM.

        Parameters
        ----------
        vm
            ARM id of the VM, or its name if only one VM has it; case does not matter.

        Raises
        ------
        DataError
            The estate contains no such VM, or several VMs have the name.
        EstateError
            A file is missing or damaged.
        """
        vm_id = self._find(vm)
        days = self._days_of(vm_id)
        arrays = {metric: rows for metric in METRICS if (rows := _stacked(days, metric)) is not None}
        missing = {metric: blank(metric, 0) for metric in ("cpu_percent", "mem_percent") if metric not in arrays}
        dates = tuple(day.date for day in days)
        return VmLoad(vm_id, dates, **arrays, **missing)  # type: ignore[arg-type]  # as in to_day

    def _days_of(self, vm_id: str) -> list[DayLoad]:
        """Days with load of one VM, ascending."""
        parts = self._all_parts()
        by_date: dict[date, list[DayLoad]] = {}
        for part, frame in zip(parts, find_rows(self._folder, parts, vm_id), strict=True):
            if frame.height:
                by_date.setdefault(part.date, []).append(to_day(part.date, (vm_id,), to_arrays(frame)))
        return [merge_days(same_day) for same_day in by_date.values()]

    @cached_property
    def _vm_ids(self) -> tuple[str, ...]:
        return tuple(self._vms_of_estate())

    def _find(self, vm: str) -> str:
        """Id of a VM of the estate, or of one whose load was kept after the VM was gone.

        Raises
        ------
        DataError
            There is no such VM, or several VMs have the name.
        """
        if (known := find_vm(vm, self._vm_ids)) is not None:
            return known
        with_load = names_in_parts(self._folder, self._all_parts())
        if (kept := find_vm(vm, with_load)) is not None:
            return kept
        raise no_such_vm(vm, (*self._vm_ids, *with_load))


def _stacked(days: Sequence[DayLoad], metric: Metric) -> npt.NDArray[np.float32] | npt.NDArray[np.int8] | None:
    """A metric of one VM on some days, shape (D, 288); None if no day has it."""
    rows = [getattr(day, metric) for day in days]
    if all(row is None for row in rows):
        return None
    return np.concatenate([blank(metric, 1) if row is None else row for row in rows])
