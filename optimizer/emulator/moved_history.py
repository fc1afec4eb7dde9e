"""Shifts a history in time, so that an emulator can present it as the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from optimizer.model.load import DayLoad
from optimizer.ports import LoadSource


@dataclass(frozen=True, slots=True)
class MovedLoad:
    """Load of another source, shifted by some days; an :class:`optimizer.ports.LoadSource`.

    Parameters
    ----------
    source
        Source of the load.
    by
        Time to shift by, in whole weeks, so that weekdays stay the same.
    """

    source: LoadSource
    by: timedelta

    def dates(self) -> Sequence[date]:
        """Days with load of at least one VM, ascending."""
        return tuple(day + self.by for day in self.source.dates())

    def read_day(self, day: date) -> DayLoad:
        """Load on this day of every VM that has any."""
        return replace(self.source.read_day(day - self.by), date=day)


def move_jobs(jobs: pl.DataFrame, by: timedelta) -> pl.DataFrame:
    """Shift jobs to a later time.

    Parameters
    ----------
    jobs
        Jobs with the columns of ``JOB_SCHEMA``.
    by
        Time to shift by.
    """
    return jobs.with_columns(pl.col("start", "end", "scheduled") + by)
