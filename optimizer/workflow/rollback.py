"""Use case: undo what a journal records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from optimizer.documents import known_estate, read_plan
from optimizer.journal import Commands, plan_of_journal, rollback_journal_path
from optimizer.ports import BackupCloud, Progress, no_progress, silent
from optimizer.rollout import Approval, Prepared, RunOutcome, RunScope, ledger_of, make_writes
from optimizer.rollout import prepare_rollback as prepare
from optimizer.workflow.apply import CommandsOf


def prepare_rollback(
    journal_file: str | Path,
    cloud: BackupCloud,
    *,
    plan_file: str | Path | None = None,
    estate: str | Path | None = None,
    resume: bool = False,
    only: Iterable[str] = (),
    delete_created: bool = False,
    approval: Approval = Approval(),  # noqa: B008  # frozen
    workers: int | None = None,
    commands: CommandsOf = Commands,
    remark: Callable[[str], None] = silent,
) -> Prepared:
    """Build the calendar of the writes that undo a journal; this only reads from the cloud.

    Parameters
    ----------
    journal_file
        Path of the journal of an ``apply``.
    cloud
        Cloud to compare with; see :func:`optimizer.connect`.
    plan_file
        Path of the plan that was applied.  None: beside the journal.
    estate
        Folder or URL of the estate.  None: the one named in the plan.  If it is gone or has changed, the rollback file
        beside the plan takes its place.
    resume
        Whether to continue with the existing journal of the rollback.
    only
        VMs to roll back, as ``KIND=NAME`` with ``vault``, ``service`` or ``vm``.  Empty: all VMs.
    delete_created
        Whether to delete the policies that the plan created, if they protect nothing.
    approval, workers, commands, remark
        See :func:`optimizer.workflow.prepare_apply`.

    Raises
    ------
    PlanFormatError, StalePlanError, ApplyError, ClockError, CloudError
        See :func:`optimizer.rollout.prepare_rollback`.
    EstateError
        Neither the estate nor a rollback file can be read.
    """
    applied = Path(journal_file)
    path = Path(plan_file) if plan_file is not None else plan_of_journal(applied)
    plan, reader = read_plan(path), cloud.reader()
    return prepare(
        plan,
        path,
        known_estate(plan, path, estate, reader=reader, remark=remark),
        reader,
        cloud.clock,
        ledger_of(cloud),
        applied,
        rollback_journal_path(applied),
        delete_created=delete_created,
        only=RunScope.of(*only).only,
        resume=resume,
        approval=approval,
        workers=workers,
        commands=commands(path, applied),
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
    return make_writes(
        prepared,
        cloud,
        "rollback",
        wait=wait,
        guard_request=guard_request,
        progress=progress,
        tell=tell,
        remark=remark,
    )
