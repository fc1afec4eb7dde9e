"""A history at another time: what an emulator shows as the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from optimizer.model.load import DayLoad
from optimizer.ports import LoadSource


@dataclass(frozen=True, slots=True)
class MovedLoad:
    """Load of another source, some days later; an :class:`optimizer.ports.LoadSource`.

    Parameters
    ----------
    source
        The load.
    by
        Whole weeks, so that weekdays stay.
    """

    source: LoadSource
    by: timedelta

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        return tuple(day + self.by for day in self.source.dates())

    def read_day(self, day: date) -> DayLoad:
        """Load of every VM that has any on this day."""
        return replace(self.source.read_day(day - self.by), date=day)


def move_jobs(jobs: pl.DataFrame, by: timedelta) -> pl.DataFrame:
    """Jobs some time later.

    Parameters
    ----------
    jobs
        With the columns of ``JOB_SCHEMA``.
    by
        How much later.
    """
    return jobs.with_columns(pl.col("start", "end", "scheduled") + by)
