"""Compares new load with that of the estate that is appended to."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt

from optimizer.intake.problems import Problems
from optimizer.model.load import DayLoad, Metric, is_unknown, to_day
from optimizer.model.timegrid import BIN_MINUTES, format_minute
from optimizer.ports import LoadSource


class KnownLoad:
    """Load that an estate has already.

    Parameters
    ----------
    store
        Load of the estate.
    problems
        Faults of the new load; samples that contradict the estate are added.
    """

    def __init__(self, store: LoadSource, problems: Problems) -> None:
        self._store, self._problems = store, problems
        self.repeated = 0
        """Number of VM-days so far that the estate knows completely."""

    def without(self, day: DayLoad) -> DayLoad:
        """VMs of a day with load that is new to the estate.

        Raises
        ------
        EstateError
            A file of the estate is missing or damaged.
        """
        old = self._store.read_day(day.date)
        rows = {vm: row for row, vm in enumerate(old.vm_ids)}
        theirs = np.array([rows.get(vm, -1) for vm in day.vm_ids], dtype=np.int64)
        both = np.flatnonzero(theirs >= 0)
        is_new = theirs < 0
        for metric in day.stated():
            is_new[both] |= self._compare(day, old, metric, both, theirs[both])
        self.repeated += int((~is_new).sum())
        kept = {metric: values[is_new] for metric, values in day.stated().items()}
        return to_day(day.date, tuple(day.vm_ids[row] for row in np.flatnonzero(is_new)), kept)

    def _compare(
        self, day: DayLoad, old: DayLoad, metric: Metric, mine: npt.NDArray[np.intp], theirs: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Whether each of some VMs has a value that the estate lacks; other values are reported if they differ."""
        values, known = getattr(day, metric)[mine], getattr(old, metric)
        is_known = ~is_unknown(metric, values)
        if known is None:
            return np.asarray(is_known.any(axis=1))
        before = known[theirs]
        overlap = is_known & ~is_unknown(metric, before)
        differs = overlap & (values != before)
        for row in np.flatnonzero(differs.any(axis=1)):
            self._report(day.date, day.vm_ids[mine[row]], metric, differs[row], (before[row], values[row]))
        return np.asarray((is_known & ~overlap).any(axis=1))

    def _report(
        self,
        day: date,
        vm_id: str,
        metric: Metric,
        differs: npt.NDArray[np.bool_],
        values: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    ) -> None:
        """Report the first bin in which a VM's value differs; ``values`` has those of the estate and of the file."""
        first = int(differs.argmax())
        known, given = values[0][first], values[1][first]
        self._problems.add(
            "samples that contradict the estate",
            f"VM {vm_id}, 5 minutes from {day.isoformat()}T{format_minute(first * BIN_MINUTES)}Z: {metric} is "
            f"{known:g} in the estate and {given:g} in the file; leave out of the file what the estate already has",
            int(differs.sum()),
            about=vm_id,
        )
