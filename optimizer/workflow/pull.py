"""Use case: make an estate from a cloud, or append new data to one."""

from __future__ import annotations

from pathlib import Path

from optimizer.intake import PullOptions, PullReport, PullScope, pull_to_folder
from optimizer.ports import Progress, no_progress
from optimizer.workflow.cloud import Cloud


def pull_estate(
    scope: PullScope,
    out: str | Path,
    cloud: Cloud,
    options: PullOptions = PullOptions(),  # noqa: B008  # frozen
    *,
    progress: Progress = no_progress,
) -> PullReport:
    """Pull vaults, policies, protected VMs, jobs and load into an estate folder; this only reads from the cloud.

    Parameters
    ----------
    scope
        Subscriptions, management groups and vaults to pull.
    out
        Folder of the estate.
    cloud
        Cloud to read from; see :func:`optimizer.connect`.
    options
        Periods and other options.
    progress
        Called after each vault and each request for load.

    Raises
    ------
    CloudError
        Nothing could be pulled at all.
    EstateError
        The folder is not free, contains another kind of estate or cannot be written, or an unfinished pull blocks it.
    """
    with cloud.open_source(options) as source:
        return pull_to_folder(scope, Path(out), source, options, clock=cloud.clock, progress=progress)
