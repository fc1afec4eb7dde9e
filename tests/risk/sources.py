"""Loads in memory: a :class:`optimizer.ports.LoadSource` for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.model.load import DayLoad

FIRST_DAY = date(2026, 3, 2)


class MemorySource:
    """Days of load held in a dictionary."""

    def __init__(self, days: Iterable[DayLoad]) -> None:
        self._days = {load.date: load for load in days}

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        return sorted(self._days)

    def read_day(self, day: date) -> DayLoad:
        """Load of one day."""
        return self._days[day]


def make_days(cpu_percent: npt.ArrayLike, vm_ids: Sequence[str] = ()) -> MemorySource:
    """A source out of CPU of shape (V, days, 288); memory is unknown."""
    cpu = np.array(cpu_percent, dtype=np.float32)
    ids = tuple(vm_ids) or tuple(f"vm-{row}" for row in range(len(cpu)))
    days = []
    for number in range(cpu.shape[1]):
        unknown = np.full_like(cpu[:, number], np.nan)
        days.append(DayLoad(FIRST_DAY + timedelta(days=number), ids, cpu[:, number], unknown))
    return MemorySource(days)
