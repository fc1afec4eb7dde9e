"""Use case: write the new start times of a plan to a cloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from optimizer.journal import Commands
from optimizer.ports import BackupCloud, Progress, no_progress, silent
from optimizer.rollout import Approval, PlanFiles, Prepared, RunOutcome, RunScope, make_writes, read_only
from optimizer.rollout import prepare_apply as prepare

CommandsOf = Callable[[Path, Path], Commands]
"""Returns the commands that messages offer, for the paths of a plan and of its journal."""


def prepare_apply(
    plan: str | Path | PlanFiles,
    cloud: BackupCloud,
    *,
    resume: bool = False,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    commands: CommandsOf = Commands,
    remark: Callable[[str], None] = silent,
) -> Prepared:
    """Check a plan against a cloud and build the calendar of its writes; this only reads from the cloud.

    If the plan has no rollback file yet, it is written beside the plan.

    Parameters
    ----------
    plan
        Path of the plan, or the files of the plan if its journal or its estate is not where it is looked for, such as
        ``PlanFiles("plan.json", estate="/backup/estate")``.
    cloud
        Cloud to compare with; see :func:`optimizer.connect`.
    resume
        Whether to continue with the existing journal.
    scope
        How much of the plan to carry out, and how much of it at a time.
    approval
        Approver and ticket, for the journal.
    commands
        Returns the commands that messages offer.
    remark
        Called with a message if a file takes the place of another one, or is missing.

    Raises
    ------
    PlanFormatError, StalePlanError, ApplyError, ClockError, CloudError
        See :func:`optimizer.rollout.prepare_apply`.
    EstateError
        The estate cannot be read.
    """
    files = PlanFiles.of(plan)
    # The estate may have changed since the first run, by 'pull --append'.
    case = files.known_case(remark=remark) if resume else files.case()
    prepared = prepare(
        case,
        read_only(cloud),
        files.apply_journal(resume=resume),
        scope=scope,
        approval=approval,
        commands=commands(files.plan_path, files.journal_path),
    )
    files.keep_rollback_file(case, remark)
    return prepared


def apply_plan(
    prepared: Prepared,
    cloud: BackupCloud,
    *,
    wait: timedelta = timedelta(),  # immutable
    guard_request: bool = False,
    progress: Progress = no_progress,
    tell: Callable[[str], None] = silent,
    remark: Callable[[str], None] = silent,
) -> RunOutcome:
    """Make the writes of a prepared ``apply`` that can be made now; the journal records each before it is sent.

    Parameters
    ----------
    prepared
        Result of :func:`prepare_apply`.
    cloud
        Cloud to write to.
    wait
        How long to wait for writes that become possible later.
    guard_request
        Whether to send the approved requests that a Resource Guard asks for.
    progress
        Called after each write.
    tell
        Called with what the run waits for after Ctrl-C.
    remark
        Called with the time until which the run waits, and the reason.

    Raises
    ------
    ApplyError
        The preparation is not that of an ``apply``, or another run wrote to the journal since.
    BusyError
        Another run is active.
    """
    prepared.require("apply")
    return make_writes(
        prepared, cloud, wait=wait, guard_request=guard_request, progress=progress, tell=tell, remark=remark
    )
