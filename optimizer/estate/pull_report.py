"""What a pull brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from optimizer.estate.pull_inventory import Failure

ENOUGH_DAYS = 7
"""Usable days below which a VM has too little data for a forecast of its own."""

NO_DATA = "no data"
"""Why there is no load of a VM where nothing failed."""


@dataclass(frozen=True)
class PullReport:
    """What a pull brought.

    Parameters
    ----------
    vaults, vms, policies, items
        In the estate now.
    jobs
        New jobs.
    unassigned_jobs
        Number of jobs that were left out because it is not certain which VM they belong to, by reason.
    not_found, hidden
        Protected VMs that are not there, and those that this account may not read.
    unprotected
        VMs of the subscriptions that no vault of the scope protects; not in the estate.
    points
        Values of load received, by this run.
    days
        Days of load with something new.
    history_from, history_to, history_days
        Days with load in the estate now.
    as_of
        When the pull began.
    resumed
        Whether an earlier run had begun it.
    requests
        Requests of this run by kind, repeated ones included.
    seconds
        Of this run.
    no_data, too_little, failed
        VMs without any load in the estate; with fewer than 7 usable days; those that failed, with why.
    failures
        Parts of the pull that failed.
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
    no_data: tuple[str, ...]
    too_little: tuple[str, ...]
    failed: Mapping[str, str]
    failures: tuple[Failure, ...]
    not_found: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing failed; VMs without data are no failure."""
        return not self.failures and not self.failed
