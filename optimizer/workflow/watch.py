"""Use case: check the first backups at the new start times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optimizer.documents import known_estate, read_plan
from optimizer.journal import journal_path
from optimizer.ports import BackupCloud, silent
from optimizer.rollout import WatchReport, watch_journal


def watch_plan(
    plan_file: str | Path,
    cloud: BackupCloud,
    *,
    estate: str | Path | None = None,
    journal: str | Path | None = None,
    deep: bool = False,
    remark: Callable[[str], None] = silent,
) -> WatchReport:
    """Check that the VMs moved by a plan are backed up at their new times; this only reads from the cloud.

    Parameters
    ----------
    plan_file
        Path of the plan.
    cloud
        Cloud to read from; see :func:`optimizer.connect`.
    estate
        Folder or URL of the estate.  None: the one named in the plan.  If it is gone or has changed, the rollback file
        beside the plan takes its place.
    journal
        Path of the journal.  None: beside the plan.
    deep
        Whether to read the protected item of every moved VM, one request for each VM, instead of only those with a
        finding.
    remark
        Called with a message if the rollback file takes the place of ``estate``.

    Raises
    ------
    JournalError
        The journal cannot be read, or belongs to another plan.
    ClockError
        The clocks of this machine and the service differ.
    CloudError
        The service cannot be read.
    """
    path = Path(plan_file)
    plan = read_plan(path)
    document = known_estate(plan, path, estate, remark=remark)
    file = journal_path(path) if journal is None else Path(journal)
    return watch_journal(plan, document, file, cloud.reader(), cloud.clock, deep=deep)
