"""Consequences of earlier runs in the journal: whether the next run may continue, and with which options."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from optimizer.documents import PlanDocument
from optimizer.errors import ApplyError, JournalError
from optimizer.journal import Commands, Record, RunRecord, read_journal, rollback_journal_path, state_of
from optimizer.model.arm_id import ArmId
from optimizer.rollout.prepare.evidence import check_journal
from optimizer.rollout.prepare.scope import Approval, Command, RollbackScope, RunScope
from optimizer.rollout.writes.write import Write

ScopeT = TypeVar("ScopeT", RunScope, RollbackScope)


@dataclass(frozen=True)
class RunJournal:
    """The journal that a run writes, and whether the run continues it.

    Parameters
    ----------
    path
        Path of the journal, which may exist only with ``resume``.
    command
        Name of the command in the journal.
    resume
        Whether the run continues with the existing journal.
    """

    path: Path
    command: Command = "apply"
    resume: bool = False

    def records(self, plan: PlanDocument) -> tuple[Record, ...]:
        """Records of earlier runs; empty before the first run.

        Raises
        ------
        ApplyError
            There is a journal without ``resume``, or no journal with it.
        JournalError
            The journal cannot be read, or belongs to another plan.
        """
        if not self.path.exists():
            if self.resume:
                raise ApplyError(f"{self.path}: there is no journal to resume; run '{self.command}' without --resume")
            return ()
        records = read_journal(self.path)
        if records and not self.resume:
            raise ApplyError(
                f"{self.path}: this plan has a journal; continue with --resume, or make a new plan if it was rolled "
                "back"
            )
        require_same_plan(records, plan, self.path)
        _require_command(records, (self.command,), self.path)
        return records

    def check(self, records: Sequence[Record], writes: Sequence[Write]) -> None:
        """Refuse records that do not match the writes of their numbers; see :func:`check_journal`."""
        check_journal(records, writes, self.path)


def records_to_undo(applied: Path, plan: PlanDocument, writes: Sequence[Write]) -> tuple[Record, ...]:
    """Records of the journal that a rollback undoes.

    Raises
    ------
    JournalError
        The journal cannot be read, belongs to another plan or is not that of ``apply``, or contradicts the plan.
    """
    records = read_journal(applied)
    require_same_plan(records, plan, applied)
    _require_command(records, ("apply", "rehearse"), applied)
    check_journal(records, writes, applied)
    return records


def refuse_rolled_back(journal: Path, commands: Commands) -> None:
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


def carried_on(records: Sequence[Record], scope: ScopeT, approval: Approval) -> tuple[ScopeT, Approval]:
    """Scope and approval of a run; options that are not given again are as in the run before.

    Raises
    ------
    JournalError
        The journal has options that no run records.
    """
    runs = [record for record in records if isinstance(record, RunRecord)]
    if not runs:
        return scope, approval
    return scope.carried_on(runs[-1]), approval.carried_on(runs[-1])


def _require_command(records: Sequence[Record], commands: Collection[str], path: Path) -> None:
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
