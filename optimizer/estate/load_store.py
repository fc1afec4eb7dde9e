"""Reads the load of an estate by day or by VM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.estate.document import LoadPart
from optimizer.estate.parts import find_rows, names_in_parts, read_part, to_arrays
from optimizer.estate.vm_names import find_vm, names_of, no_such_vm
from optimizer.files import Location
from optimizer.model.arm_id import ArmId
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

    vm_id: ArmId
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
        self._last_ids: tuple[pl.Series, tuple[ArmId, ...]] | None = None
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
            days.append(to_day(day, self._ids_of(frame["vm"]), to_arrays(frame)))
        return merge_days(days) if days else to_day(day, (), {})

    def _ids_of(self, names: pl.Series) -> tuple[ArmId, ...]:
        """Ids of a part; most parts list the same VMs as the part before, whose ids are used again."""
        if self._last_ids is None or not names.equals(self._last_ids[0]):
            self._last_ids = names, tuple(map(ArmId, names.to_list()))
        return self._last_ids[1]

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

    def _days_of(self, vm_id: ArmId) -> list[DayLoad]:
        """Days with load of one VM, ascending."""
        parts = self._all_parts()
        by_date: dict[date, list[DayLoad]] = {}
        for part, frame in zip(parts, find_rows(self._folder, parts, vm_id), strict=True):
            if frame.height:
                by_date.setdefault(part.date, []).append(to_day(part.date, (vm_id,), to_arrays(frame)))
        return [merge_days(same_day) for same_day in by_date.values()]

    @cached_property
    def _names(self) -> dict[ArmId, str]:
        return names_of(self._vms_of_estate())

    def _find(self, vm: str) -> ArmId:
        """Id of a VM of the estate, or of one whose load was kept after the VM was gone.

        Raises
        ------
        DataError
            There is no such VM, or several VMs have the name.
        """
        if (known := find_vm(vm, self._names)) is not None:
            return known
        with_load = names_of(names_in_parts(self._folder, self._all_parts()))
        if (kept := find_vm(vm, with_load)) is not None:
            return kept
        raise no_such_vm(vm, (*self._names.values(), *with_load.values()))


def _stacked(days: Sequence[DayLoad], metric: Metric) -> npt.NDArray[np.float32] | npt.NDArray[np.int8] | None:
    """A metric of one VM on some days, shape (D, 288); None if no day has it."""
    rows = [getattr(day, metric) for day in days]
    if all(row is None for row in rows):
        return None
    return np.concatenate([blank(metric, 1) if row is None else row for row in rows])
