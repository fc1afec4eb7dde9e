"""Report of a pull."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from optimizer.intake.pull.load_holes import LoadHole
from optimizer.intake.pull.pull_inventory import PullFailure
from optimizer.model.arm_id import ArmId

ENOUGH_DAYS = 7
"""Minimum number of usable days for a VM to get a forecast of its own."""

NO_DATA = "no data"
"""Reason for a VM without load if no request failed."""


@dataclass(frozen=True)
class PullReport:
    """Result of a pull.

    Parameters
    ----------
    vaults, vms, policies, items
        Number of each in the resulting estate.
    jobs
        Number of new jobs.
    unassigned_jobs
        Number of jobs that were left out because their VM is not certain, by reason.
    not_found, hidden
        Protected VMs that do not exist, and those that this account may not read.
    unprotected
        Number of VMs in the subscriptions that no vault of the scope protects; they are not in the estate.
    points
        Number of load values that this run received.
    days
        Number of days with new load.
    history_from, history_to, history_days
        First day, last day and number of days with load in the resulting estate.
    as_of
        Time at which the pull started.
    resumed
        Whether the pull was started by an earlier run.
    requests
        Number of requests of this run by kind, including retries.
    seconds
        Duration of this run in seconds.
    no_data, too_little, failed
        VMs without any load in the estate; VMs with fewer than 7 usable days; VMs whose requests failed, with reasons.
    failures
        Failed parts of the pull.
    holes
        Whole days without load of VMs whose requests did not fail, with the probable reason.
    """

    vaults: int
    vms: int
    policies: int
    items: int
    jobs: int
    unassigned_jobs: Mapping[str, int]
    unprotected: int
    points: int
    days: int
    history_from: date | None
    history_to: date | None
    history_days: int
    as_of: datetime
    resumed: bool
    requests: Mapping[str, int]
    seconds: float
    no_data: tuple[ArmId, ...]
    too_little: tuple[ArmId, ...]
    failed: Mapping[ArmId, str]
    failures: tuple[PullFailure, ...]
    not_found: tuple[ArmId, ...] = ()
    hidden: tuple[ArmId, ...] = ()
    holes: tuple[LoadHole, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing failed; a VM without data is not a failure."""
        return not self.failures and not self.failed
