"""Loads in memory: a :class:`optimizer.ports.LoadSource` for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.model.load import DayLoad
from optimizer.risk.history import RiskHistory, count_blocks
from optimizer.risk.snapshots import SnapshotGrid

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


def make_history(shares: np.ndarray, num_days: int = 28) -> RiskHistory:
    """Days on each of which a VM has the same share at risk; shares of shape (V, 48), NaN unknown."""
    known = ~np.isnan(shares)
    num_blocks = count_blocks(num_days)
    days = np.bincount(np.arange(num_days) * num_blocks // num_days).astype(np.uint8)
    return RiskHistory(
        vm_ids=tuple(f"vm-{row}" for row in range(len(shares))),
        dates=tuple(FIRST_DAY + timedelta(days=n) for n in range(num_days)),
        grid=SnapshotGrid(),
        risk_sum=(days[:, None, None] * np.nan_to_num(shares)).astype(np.float32),
        day_count=days[:, None, None] * known.astype(np.uint8),
        usable_days=days[:, None] * (known.mean(axis=1) >= 0.5).astype(np.uint8),
        varies=np.ones(len(shares), dtype=np.bool_),
    )
