"""Use case: check the first backups at the new start times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optimizer.documents import WatchReport
from optimizer.ports import BackupCloud, silent
from optimizer.rollout import PlanFiles, watch_journal


def watch_plan(
    plan: str | Path | PlanFiles,
    cloud: BackupCloud,
    *,
    deep: bool = False,
    remark: Callable[[str], None] = silent,
) -> WatchReport:
    """Check that the VMs moved by a plan are backed up at their new times; this only reads from the cloud.

    Parameters
    ----------
    plan
        Path of the plan, or the files of the plan if its journal or its estate is not where it is looked for; see
        :func:`optimizer.workflow.prepare_apply`. If the estate is gone or has changed, the rollback file beside the
        plan takes its place.
    cloud
        Cloud to read from; see :func:`optimizer.connect`.
    deep
        Whether to read the protected item of every moved VM, one request for each VM, instead of only those with a
        finding.
    remark
        Called with a message if the rollback file takes the place of an estate that was named.

    Raises
    ------
    JournalError
        The journal cannot be read, or belongs to another plan.
    ClockError
        The clocks of this machine and the service differ.
    CloudError
        The service cannot be read.
    """
    files = PlanFiles.of(plan)
    case = files.known_case(remark=remark)
    return watch_journal(case, files.journal_path, cloud.reader(), cloud.clock, deep=deep)
