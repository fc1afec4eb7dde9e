"""Checks and preparation before the first write of an ``apply`` or a ``rollback``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path

from optimizer.errors import ApplyError, CloudError
from optimizer.estate.arm import build_inventory
from optimizer.estate.document import EstateDocument
from optimizer.journal import Commands, DoneRecord, JournalState, OpenWrite, Record, read_journal, state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.plan.document import PlanDocument, ReassignItem
from optimizer.plan.fingerprint import check_changes
from optimizer.ports import BackupReader, Clock, Resource
from optimizer.rollout.calendar import DEFAULT_WORKERS, build_rollout
from optimizer.rollout.clock_check import require_clock
from optimizer.rollout.closures import Closures
from optimizer.rollout.earlier_runs import (
    carried_on,
    records_of,
    refuse_taken_back,
    require_command,
    require_same_plan,
)
from optimizer.rollout.evidence import check_journal, check_plan
from optimizer.rollout.execute import vaults_of
from optimizer.rollout.freshness import Freshness, compare_with_service, require_fresh
from optimizer.rollout.ledger import Ledger
from optimizer.rollout.offers import offers_of_vaults, offers_of_vms
from optimizer.rollout.pilot import choose_pilot
from optimizer.rollout.prepared import Approval, Command, Prepared, RunScope
from optimizer.rollout.progress import surely_made, with_what_they_need
from optimizer.rollout.remarks import (
    changes_elsewhere,
    closed_vaults,
    left_for_later,
    looked_at,
    not_taken_back,
    outside_of_scope,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.rollback import estate_after, nothing_to_take_back, rollback_writes
from optimizer.rollout.selection import Selection, Selector, is_meant, select_writes
from optimizer.rollout.stages import Rollout, Write
from optimizer.rollout.writes import expected_after, is_as, is_made, writes_of


def prepare_apply(
    plan: PlanDocument,
    plan_path: Path,
    document: EstateDocument,
    reader: BackupReader,
    clock: Clock,
    ledger: Ledger,
    journal_path: Path,
    *,
    resume: bool = False,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    workers: int | None = None,
    command: Command = "apply",
    commands: Commands | None = None,
) -> Prepared:
    """Check a plan against Azure and build the calendar of its writes; writes nothing.

    Parameters
    ----------
    plan, plan_path, document
        The plan, its path, and its estate.
    reader, clock, ledger
        The service, the clock, and the writes of the last day.
    journal_path
        Path of the journal, which may exist only with ``resume``.
    resume
        Whether to continue with the existing journal.
    scope
        Part of the plan to carry out.
    approval
        Approver and ticket.
    workers
        Number of lanes that are written side by side.  None: the default, 4.
    command
        Name of the command in the journal.
    commands
        Commands that messages offer.  By default, they have none of the options that the program was called with.

    Raises
    ------
    PlanFormatError
        The changes contradict the plan's fingerprint or its estate.
    StalePlanError
        Something that the plan relies on has changed in Azure.
    ApplyError
        There is a journal without ``resume``, or no journal with it; or no write is selected.
    ClockError
        The clocks of this machine and the service differ.
    CloudError
        The service cannot be read.
    """
    commands = commands or Commands(plan_path, journal_path)
    workers = DEFAULT_WORKERS if workers is None else workers
    inventory, every = _believed(plan, plan_path, document)
    records = records_of(plan, journal_path, resume=resume, command=command)
    check_journal(records, every, journal_path)
    refuse_taken_back(journal_path, commands)
    scope, approval = carried_on(records, scope, approval)
    state = state_of(records)
    done = surely_made(state, every)
    choose = partial(
        select_writes, every, plan, inventory, max_moves=scope.max_moves, made=done, begun=state.unsettled
    )
    selection = choose(only=scope.only)
    expected = estate_after(plan, document, done)
    closures = Closures(ledger, clock)
    freshness = _compare(expected, selection, reader, state, closures)

    def chosen(only: Sequence[Selector]) -> Sequence[Write]:
        try:
            return _to_do(choose(only=only).writes, state)
        except ApplyError:
            return ()

    again = partial(commands.apply, *commands.first)
    offers = chain(
        offers_of_vaults(freshness, scope, again, resume=bool(records)),
        offers_of_vms(
            freshness, _to_do(selection.writes, state), expected, scope, again, chosen, resume=bool(records)
        ),
    )
    require_fresh(freshness, str(plan_path), offers=offers)
    pilot: frozenset[ArmId] = frozenset()
    if scope.wave_percent is not None:
        pilot = choose_pilot(selection.writes, inventory, plan.rules, scope.wave_percent, earlier=selection.earlier)
    to_do = _to_do(selection.writes, state)
    protections, protected = read_protections(to_do, reader, closures)
    if _any_open(to_do, closures):  # otherwise, no read has shown the service's clock
        require_clock(reader, clock, command)
    return Prepared(
        command=command,
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=selection.writes,
        rollout=_lay_out(selection.writes, plan, inventory, clock, ledger, _made(state), pilot, workers),
        journal_path=journal_path,
        commands=commands,
        records=records,
        begun=selection.begun,
        pilot=pilot,
        scope=scope,
        approval=approval,
        protections=protections,
        workers=workers,
        remarks=(
            *(unproven_rules(plan, plan_path) if command != "rehearse" else ()),
            *selection.left_out,
            *looked_at(selection.begun, state),
            *outside_of_scope(every, selection.writes, scope, commands),
            *protected,
            *closed_vaults(to_do, closures),
            *changes_elsewhere(freshness),
        ),
    )


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
    only: Sequence[Selector] = (),
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
    before, every = _believed(plan, plan_path, document, moved)
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
    inventory = build_inventory(estate_after(plan, document, done), plan.rules.service_from, present=moved)
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
    freshness = _compare(left, selection, reader, state, closures, unreadable)
    to_do = _to_do(selection.writes, state)
    if freshness.unreadable or all(freshness.hinders(write) for write in to_do):
        again = partial(commands.rollback, *commands.first)
        whole = _with_parts(freshness, to_do)
        offers = offers_of_vaults(whole, scope, again, resume=bool(records))
        require_fresh(freshness, str(applied), command="rollback", offers=offers)
    protections, protected = read_protections(to_do, reader, closures)
    writes = selection.writes
    if not to_do or _any_open(to_do, closures):
        require_clock(reader, clock, "rollback")
    return Prepared(
        command="rollback",
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=writes,
        rollout=_lay_out(writes, plan, inventory, clock, ledger, _made(state), frozenset(), workers, tolerated=before),
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


def _believed(
    plan: PlanDocument, plan_path: Path, document: EstateDocument, present: Sequence[str] = ()
) -> tuple[Inventory, tuple[Write, ...]]:
    """State before a plan, and its writes, after checking that plan, estate and rollback file agree."""
    check_changes(plan, document)
    inventory = build_inventory(document, plan.rules.service_from, present=present)
    writes = writes_of(plan, document, inventory)
    check_plan(plan, plan_path, document, inventory, writes)
    return inventory, writes


def _with_parts(freshness: Freshness, to_do: Sequence[Write]) -> Freshness:
    """Also accept vaults that a rollback can restore in part: it skips objects that somebody else changed."""
    free = {write.vault_id for write in to_do if not freshness.hinders(write)}
    partly = [vault_id for vault_id in freshness.broken if vault_id in free]
    broken = {vault_id: changes for vault_id, changes in freshness.broken.items() if vault_id not in free}
    return replace(freshness, holds=(*freshness.holds, *partly), broken=broken)


def _to_do(writes: Sequence[Write], state: JournalState) -> list[Write]:
    return [write for write in writes if write.number not in state.done]


def _compare(
    expected: EstateDocument,
    selection: Selection,
    reader: BackupReader,
    state: JournalState,
    closures: Closures,
    unreadable: Mapping[ArmId, CloudError] | None = None,
) -> Freshness:
    """Differences between Azure and the state that the run left; writes of unknown outcome may have taken effect."""
    pending = frozenset(write.number for write in _to_do(selection.writes, state))
    writes = (*selection.writes, *selection.begun)
    begun = frozenset(state.intents) - frozenset(state.done)
    return compare_with_service(
        expected, writes, reader, pending=pending, begun=begun, unreadable=unreadable, closures=closures
    )


def _any_open(writes: Iterable[Write], closures: Closures) -> bool:
    """Whether any of the writes is for a vault that is open now."""
    return any(not closures.of(vault_id) for vault_id in vaults_of(writes))


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


def _made(state: JournalState) -> dict[int, datetime]:
    return {number: record.at for number, record in state.done.items()}


def _lay_out(
    writes: Sequence[Write],
    plan: PlanDocument,
    inventory: Inventory,
    clock: Clock,
    ledger: Ledger,
    made: Mapping[int, datetime],
    pilot: frozenset[ArmId],
    workers: int,
    *,
    tolerated: Inventory | None = None,
) -> Rollout:
    now = clock.now().replace(microsecond=0)  # calendars count whole seconds
    return build_rollout(
        writes,
        inventory,
        plan.rules,
        now=now,
        made=made,
        **ledger.counted(vaults_of(writes), now),
        pilot=pilot,
        tolerated=tolerated,
        workers=workers,
    )
