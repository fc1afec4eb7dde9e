"""Use case: undo what a journal records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from optimizer.journal import Commands
from optimizer.ports import BackupCloud, Progress, no_progress, silent
from optimizer.rollout import Approval, PlanFiles, Prepared, RollbackScope, RunOutcome, make_writes, read_only
from optimizer.rollout import prepare_rollback as prepare
from optimizer.workflow.apply import CommandsOf


def prepare_rollback(
    journal: str | Path | PlanFiles,
    cloud: BackupCloud,
    *,
    resume: bool = False,
    scope: RollbackScope = RollbackScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    commands: CommandsOf = Commands,
    remark: Callable[[str], None] = silent,
) -> Prepared:
    """Build the calendar of the writes that undo a journal; this only reads from the cloud.

    Parameters
    ----------
    journal
        Path of the journal of an ``apply``, or the files of its plan if the plan or its estate is not where it is
        looked for, such as ``PlanFiles("plan.json", journal="plan.journal.jsonl")``. If the estate is gone or has
        changed, the rollback file beside the plan takes its place.
    cloud
        Cloud to compare with; see :func:`optimizer.connect`.
    resume
        Whether to continue with the existing journal of the rollback.
    scope
        How much of the journal to undo.
    approval, commands, remark
        See :func:`optimizer.workflow.prepare_apply`.

    Raises
    ------
    PlanFormatError, StalePlanError, ApplyError, ClockError, CloudError
        See :func:`optimizer.rollout.prepare_rollback`.
    EstateError
        Neither the estate nor a rollback file can be read.
    """
    files = PlanFiles.of_journal(journal)
    session = read_only(cloud)
    return prepare(
        files.known_case(session.service, remark),
        session,
        files.journal_path,
        files.rollback_journal(resume=resume),
        scope=scope,
        approval=approval,
        commands=commands(files.plan_path, files.journal_path),
    )


def roll_back(
    prepared: Prepared,
    cloud: BackupCloud,
    *,
    wait: timedelta = timedelta(),  # immutable
    guard_request: bool = False,
    progress: Progress = no_progress,
    tell: Callable[[str], None] = silent,
    remark: Callable[[str], None] = silent,
) -> RunOutcome:
    """Make the writes of a prepared rollback that can be made now; see :func:`optimizer.workflow.apply_plan`.

    Raises
    ------
    ApplyError
        The preparation is not that of a rollback, or another run wrote to the journal since.
    BusyError
        Another run is active.
    """
    prepared.require("rollback")
    return make_writes(
        prepared, cloud, wait=wait, guard_request=guard_request, progress=progress, tell=tell, remark=remark
    )
