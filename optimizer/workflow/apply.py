"""Use case: write the new start times of a plan to a cloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from optimizer.documents import known_estate, open_estate_of, read_plan, rollback_path, write_rollback
from optimizer.errors import EstateError
from optimizer.journal import Commands, journal_path
from optimizer.ports import BackupCloud, Progress, no_progress, silent
from optimizer.rollout import Approval, Prepared, RunOutcome, RunScope, ledger_of, make_writes
from optimizer.rollout import prepare_apply as prepare

CommandsOf = Callable[[Path, Path], Commands]
"""Returns the commands that messages offer, for the paths of a plan and of its journal."""


def prepare_apply(
    plan_file: str | Path,
    cloud: BackupCloud,
    *,
    estate: str | Path | None = None,
    journal: str | Path | None = None,
    resume: bool = False,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    workers: int | None = None,
    commands: CommandsOf = Commands,
    remark: Callable[[str], None] = silent,
) -> Prepared:
    """Check a plan against a cloud and build the calendar of its writes; this only reads from the cloud.

    If the plan has no rollback file yet, it is written beside the plan.

    Parameters
    ----------
    plan_file
        Path of the plan.
    cloud
        Cloud to compare with; see :func:`optimizer.connect`.
    estate
        Folder or URL of the estate.  None: the one named in the plan.
    journal
        Path of the journal.  None: beside the plan.
    resume
        Whether to continue with the existing journal.
    scope, approval
        Part of the plan to carry out, and its approval.
    workers
        Number of vaults that are written side by side.  None: the default, 4.
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
    path = Path(plan_file)
    plan, journal = read_plan(path), journal_path(path) if journal is None else Path(journal)
    if resume:  # the estate may have changed since the first run, by 'pull --append'
        document = known_estate(plan, path, estate, remark=remark)
    else:
        document = open_estate_of(plan, path, estate).document
    prepared = prepare(
        plan,
        path,
        document,
        cloud.reader(),
        cloud.clock,
        ledger_of(cloud),
        journal,
        resume=resume,
        scope=scope,
        approval=approval,
        workers=workers,
        commands=commands(path, journal),
    )
    if not rollback_path(path).exists():
        try:
            write_rollback(plan, document, rollback_path(path), written_by="apply")
        except EstateError as exc:
            remark(f"no rollback file, so 'rollback' will need the estate of the plan: {exc}")
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
    return make_writes(
        prepared,
        cloud,
        "apply",
        wait=wait,
        guard_request=guard_request,
        progress=progress,
        tell=tell,
        remark=remark,
    )
