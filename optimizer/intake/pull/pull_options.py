"""Options of a pull apart from its scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optimizer.errors import UsageError

MAX_DAYS = 93
"""Number of days for which Azure keeps metrics."""


@dataclass(frozen=True)
class PullOptions:
    """Options of a pull apart from its scope.

    Parameters
    ----------
    append
        Add to the existing estate.
    days
        Number of whole UTC days of load before today, 1 to 93.
    job_days
        Number of days of jobs, 1 to 93.
    statistic
        Statistic to pull: ``average``, or ``maximum`` for maxima in addition to averages.
    workspaces
        Ids of Log Analytics workspaces, only for the record; the source contains the connections to them.
    workers
        Number of vaults to read in parallel.

    Raises
    ------
    UsageError
        A number of days is out of range.
    """

    append: bool = False
    days: int = 30
    job_days: int = 35
    statistic: Literal["average", "maximum"] = "average"
    workspaces: tuple[str, ...] = ()
    workers: int = 8

    def __post_init__(self) -> None:
        for name, value in (("--days", self.days), ("--job-days", self.job_days)):
            if not 1 <= value <= MAX_DAYS:
                raise UsageError(f"{name} is {value}; allowed: 1 to {MAX_DAYS}, which is what Azure keeps")
