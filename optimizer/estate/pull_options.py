"""What a pull is asked for besides its scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optimizer.errors import UsageError

MAX_DAYS = 93
"""Days for which Azure keeps metrics."""


@dataclass(frozen=True)
class PullOptions:
    """What is asked for besides the scope.

    Parameters
    ----------
    append
        Add to the estate that is there.
    days
        Whole UTC days of load before today, 1 to 93.
    job_days
        Days of jobs, 1 to 93.
    statistic
        ``maximum``: maxima are pulled as well.
    workspaces
        Log Analytics workspaces; only for the record, the source knows them.
    workers
        Vaults that are read at a time.

    Raises
    ------
    UsageError
        A number is out of range.
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
