"""Checks and preparation before the first write of a ``rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from optimizer.documents import PlanDocument, ReassignItem
from optimizer.errors import ApplyError, CloudError
from optimizer.estate import EstateDocument
from optimizer.journal import Commands, DoneRecord, JournalState, OpenWrite, Record, read_journal, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import BackupReader, Clock, Resource
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS
from optimizer.rollout.prepare.basis import any_open, believed, compared, laid_out, made_at, to_do_of
from optimizer.rollout.prepare.earlier_runs import (
    carried_on,
    records_of,
    require_command,
    require_same_plan,
)
from optimizer.rollout.prepare.evidence import check_journal
from optimizer.rollout.prepare.freshness import Freshness, require_fresh
from optimizer.rollout.prepare.offers import offers_of_vaults
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.remarks import (
    changes_elsewhere,
    closed_vaults,
    left_for_later,
    looked_at,
    not_taken_back,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.prepare.scope import Approval, RunScope
from optimizer.rollout.prepare.selection import select_writes
from optimizer.rollout.prepare.vm_filter import VmFilter, is_meant
from optimizer.rollout.session.clock_check import require_clock
from optimizer.rollout.session.closures import Closures
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.writes.needs import surely_made, with_what_they_need
from optimizer.rollout.writes.states import expected_after, is_as, is_made
from optimizer.rollout.writes.undo import estate_after, nothing_to_take_back, rollback_writes
from optimizer.rollout.writes.write import Write


def prepare_rollback(
    plan: PlanDocument,
    plan_path: Path,
    document: EstateDocument,
    reader: BackupReader,
    clock: Clock,
    ledger: Ledger,
    applied: Path,
    journal_path: Path,
    *,
    delete_created: bool = False,
    resume: bool = False,
    only: Sequence[VmFilter] = (),
    approval: Approval = Approval(),  # noqa: B008  # frozen
    workers: int | None = None,
    commands: Commands | None = None,
) -> Prepared:
    """Prepare the writes that undo what a journal records as done; writes nothing.

    Parameters
    ----------
    plan, plan_path, document, reader, clock, ledger, resume, approval, workers, commands
        See :func:`prepare_apply`.
    only
        Selectors of the VMs to roll back.  By default, all VMs.
    applied
        Journal that is undone.
    journal_path
        Path of the rollback's own journal.
    delete_created
        Whether to delete the policies that the plan created.

    Raises
    ------
    PlanFormatError, StalePlanError, ClockError, CloudError
        See :func:`prepare_apply`.
    ApplyError
        The journal belongs to another plan, or records no write as done.  For the rollback's own journal, see
        :func:`prepare_apply`.
    """
    commands = commands or Commands(plan_path, applied)
    workers = DEFAULT_WORKERS if workers is None else workers
    # A VM that was moved can be moved back even if the estate no longer lists it.
    moved = [change.vm for change in plan.changes if isinstance(change, ReassignItem)]
    before, every = believed(plan, plan_path, document, moved)
    done_records = read_journal(applied)
    require_same_plan(done_records, plan, applied)
    require_command(done_records, ("apply", "rehearse"), applied)
    check_journal(done_records, every, applied)
    records = records_of(plan, journal_path, resume=resume, command="rollback")
    scope, approval = carried_on(records, RunScope(only=tuple(only)), approval)
    state = state_of(records)
    wanted = [write for write in every if is_meant(write, before, scope.only)]
    closures = Closures(ledger, clock)
    done_records, unsettled, unreadable = _with_open_ends(done_records, state, every, wanted, reader, closures)
    done = with_what_they_need(state_of(done_records).done, every)
    check_journal(records, rollback_writes(done_records, every, delete_created=True), journal_path)
    undone = rollback_writes(done_records, every, delete_created=delete_created)
    if not undone and not unreadable:
        raise ApplyError(f"{applied}: {nothing_to_take_back(done_records, every, commands)}")
    inventory = estate_after(plan, document, done).inventory(plan.rules.service_from, present=moved)
    selection = select_writes(
        undone,
        plan,
        inventory,
        only=scope.only,
        made=surely_made(state, undone),
        begun=state.unsettled.keys() | unsettled.keys(),
        tolerated=before,
    )
    left = estate_after(plan, document, with_what_they_need(done - state.done.keys(), every))
    freshness = compared(left, selection, reader, state, closures, unreadable)
    to_do = to_do_of(selection.writes, state)
    if freshness.unreadable or all(freshness.hinders(write) for write in to_do):
        again = partial(commands.rollback, *commands.first)
        whole = _with_parts(freshness, to_do)
        offers = offers_of_vaults(whole, scope, again, resume=bool(records))
        require_fresh(freshness, str(applied), command="rollback", offers=offers)
    protections, protected = read_protections(to_do, reader, closures)
    writes = selection.writes
    if not to_do or any_open(to_do, closures):
        require_clock(reader, clock, "rollback")
    return Prepared(
        command="rollback",
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=writes,
        rollout=laid_out(
            writes, plan, inventory, clock, ledger, made_at(state), frozenset(), workers, tolerated=before
        ),
        journal_path=journal_path,
        commands=commands,
        records=records,
        begun=selection.begun,
        scope=scope,
        approval=approval,
        protections=protections,
        workers=workers,
        unsettled=unsettled,
        remarks=(
            *unproven_rules(plan, plan_path),
            *selection.left_out,
            *looked_at(selection.begun, state),
            *left_for_later(undone, writes, scope.only, commands),
            *protected,
            *not_taken_back(freshness, to_do),
            *closed_vaults(to_do, closures),
            *changes_elsewhere(freshness),
        ),
        tolerated=before,
    )


def _with_parts(freshness: Freshness, to_do: Sequence[Write]) -> Freshness:
    """Also accept vaults that a rollback can restore in part: it skips objects that somebody else changed."""
    free = {write.vault_id for write in to_do if not freshness.hinders(write)}
    partly = [vault_id for vault_id in freshness.broken if vault_id in free]
    broken = {vault_id: changes for vault_id, changes in freshness.broken.items() if vault_id not in free}
    return replace(freshness, holds=(*freshness.holds, *partly), broken=broken)


def _with_open_ends(
    applied: Sequence[Record],
    back: JournalState,
    writes: Sequence[Write],
    wanted: Sequence[Write],
    reader: BackupReader,
    closures: Closures,
) -> tuple[tuple[Record, ...], dict[int, OpenWrite], dict[ArmId, CloudError]]:
    """Complete a journal with the ends of the writes that were begun and whose outcome it does not know.

    A process may have been killed between a request and its record, or an answer was lost.  Azure shows whether the
    write took effect.

    Parameters
    ----------
    applied
        Records of the journal.
    back
        State of the rollback's own journal: if undoing a write has begun, the write had taken effect.
    writes, wanted
        All writes of the plan, and those that are to be undone.
    reader, closures
        The service, and the closed vaults, which are not read.

    Returns
    -------
    tuple
        The records, the writes that show no effect but may still take effect, and the errors of the wanted writes'
        vaults that cannot be read.
    """
    state, sought, now = state_of(applied), {write.number for write in wanted}, closures.clock.now()
    found: list[Record] = []
    unsettled: dict[int, OpenWrite] = {}
    unreadable: dict[ArmId, CloudError] = {}
    for write in writes:
        if write.number not in state.intents or write.number in state.done:
            continue
        if write.number in back.intents:
            found.append(DoneRecord(number=write.number, at=now, how="written", after=expected_after(write)))
            continue
        current = _current(write, reader, closures)
        if isinstance(current, CloudError):
            if write.number in sought:
                unreadable.setdefault(write.vault_id, current)
            continue
        if is_made(write, current):
            found.append(DoneRecord(number=write.number, at=now, how="found", after=current))
        elif write.number in state.unsettled and write.before is not None and is_as(write, current, write.before):
            # It may still take effect, so undoing it waits until that is settled.
            unsettled[write.number] = state.unsettled[write.number]
            found.append(DoneRecord(number=write.number, at=now, how="found", after=expected_after(write)))
    return (*applied, *found), unsettled, unreadable


def _current(write: Write, reader: BackupReader, closures: Closures) -> Resource | CloudError | None:
    """Object of a write as it is now, or why it cannot be read; in a closed vault, the object before the write."""
    if closures.of(write.vault_id):
        return write.before
    try:
        if write.kind == "reassign_item":
            return reader.get_item(write.object_id)
        return reader.get_policy(write.object_id)
    except CloudError as exc:
        return write.before if closures.heed(write.vault_id, exc) else exc
