"""What the journal of earlier runs means for the next run: whether it may continue, and with which options."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.errors import ApplyError, JournalError
from optimizer.journal import Commands, Record, RunRecord, read_journal, rollback_journal_path, state_of
from optimizer.model.arm_id import ArmId
from optimizer.rollout.prepare.scope import Approval, RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter


def records_of(plan: PlanDocument, path: Path, *, resume: bool, command: str) -> tuple[Record, ...]:
    """Records of the journal of a run; empty for the first run.

    Raises
    ------
    ApplyError
        There is a journal without ``resume``, or no journal with it.
    JournalError
        The journal cannot be read, or belongs to another plan.
    """
    if not path.exists():
        if resume:
            raise ApplyError(f"{path}: there is no journal to resume; run '{command}' without --resume")
        return ()
    records = read_journal(path)
    if records and not resume:
        raise ApplyError(
            f"{path}: this plan has a journal; continue with --resume, or make a new plan if it was rolled back"
        )
    require_same_plan(records, plan, path)
    require_command(records, (command,), path)
    return records


def refuse_taken_back(journal: Path, commands: Commands) -> None:
    """Refuse to continue with a plan whose rollback has begun.

    Raises
    ------
    ApplyError
        A rollback of this journal has begun.
    """
    back = rollback_journal_path(journal)
    if back.exists() and state_of(read_journal(back)).intents:
        raise ApplyError(
            f"{journal}: this run was rolled back, at least in part ({back.name}); run 'pull' and 'plan' to make a "
            f"new plan. If some of it is still to be rolled back, first run:\n    {commands.rollback(resume=True)}"
        )


def require_same_plan(records: Sequence[Record], plan: PlanDocument, path: Path) -> None:
    """Refuse the journal of another plan.

    Raises
    ------
    JournalError
        The journal belongs to another plan; the message names both plans by their fingerprints.
    """
    for record in records:
        if isinstance(record, RunRecord) and record.plan_fingerprint != plan.fingerprint:
            raise JournalError(
                f"{path}: belongs to the plan with fingerprint {record.plan_fingerprint}, not to this one "
                f"({plan.fingerprint}); give the plan that was applied"
            )


def carried_on(records: Sequence[Record], scope: RunScope, approval: Approval) -> tuple[RunScope, Approval]:
    """RunScope and approval of a run; options that are not given again are as in the run before."""
    runs = [record for record in records if isinstance(record, RunRecord)]
    if not runs:
        return scope, approval
    before = runs[-1]
    earlier = _scope_of(before)
    merged = RunScope(
        scope.only or earlier.only,
        scope.max_moves if scope.max_moves is not None else earlier.max_moves,
        scope.wave_percent if scope.wave_percent is not None else earlier.wave_percent,
    )
    approved = Approval(approval.approved_by or before.approved_by, approval.ticket or before.ticket)
    return merged, approved


def _scope_of(run: RunRecord) -> RunScope:
    """RunScope that a run recorded.

    Raises
    ------
    JournalError
        An option is not one that a run can record.
    """
    only, most, wave = (run.options.get(name) for name in ("only", "max_moves", "wave"))
    fits = (
        (only is None or (isinstance(only, list) and all(isinstance(text, str) for text in only)))
        and (most is None or (isinstance(most, int) and not isinstance(most, bool) and most > 0))
        and (wave is None or (isinstance(wave, int | float) and not isinstance(wave, bool) and 0 < wave < 100))
    )
    if not fits:
        raise JournalError(
            f"the journal's run {run.run} has options that no run records: {run.options}; give the journal as 'apply' "
            "or 'rollback' wrote it"
        )
    return RunScope(tuple(parse_filter(text) for text in only or ()), most, wave)


def require_command(records: Sequence[Record], commands: Collection[str], path: Path) -> None:
    """Refuse the journal of another command.

    Raises
    ------
    JournalError
        A run in the journal belongs to another command.
    """
    for record in records:
        if isinstance(record, RunRecord) and record.command not in commands:
            raise JournalError(
                f"{path}: is the journal of {record.command!r}, not of {' or '.join(map(repr, commands))}; give the "
                "journal that 'apply' wrote"
            )


def moved_vms(plan: PlanDocument, journal: Path) -> dict[ArmId, datetime]:
    """When each VM got its new start, without the VMs that a rollback returned to their old start.

    Parameters
    ----------
    plan
        The plan that was applied.
    journal
        Journal of the plan's ``apply``.

    Returns
    -------
    dict
        Time of the write by VM id.

    Raises
    ------
    JournalError
        The journal cannot be read, or belongs to another plan.
    """
    records = read_journal(journal)
    require_same_plan(records, plan, journal)
    if any(isinstance(record, RunRecord) and record.command == "rollback" for record in records):
        raise JournalError(f"{journal}: is the journal of a rollback; give that of 'apply'")
    moved = state_of(records).moved_at()
    back = rollback_journal_path(journal)
    returned = state_of(read_journal(back)).moved_at() if back.exists() else {}
    return {vm: at for vm, at in moved.items() if vm not in returned}
