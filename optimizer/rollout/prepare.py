"""What is checked before the first write of an ``apply`` or a ``rollback``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from optimizer.estate.arm import build_inventory
from optimizer.estate.document import EstateDocument
from optimizer.model.inventory import Inventory
from optimizer.plan.document import PlanDocument
from optimizer.plan.fingerprint import check_changes
from optimizer.ports import BackupReader, Clock
from optimizer.rollout.calendar import build_rollout
from optimizer.rollout.clock_check import require_clock
from optimizer.rollout.earlier_runs import carried_on, records_of, refuse_taken_back, require_same_plan
from optimizer.rollout.errors import ApplyError
from optimizer.rollout.execute import vaults_of
from optimizer.rollout.freshness import Freshness, compare_with_service, require_fresh
from optimizer.rollout.journal import DoneRecord, Record, read_journal
from optimizer.rollout.ledger import BUDGET_PERIOD, Ledger
from optimizer.rollout.prepared import Approval, Command, Prepared, Scope
from optimizer.rollout.progress import JournalState, state_of, with_what_they_need
from optimizer.rollout.protections import Protection, read_protection
from optimizer.rollout.rollback import estate_after, rollback_writes
from optimizer.rollout.selection import choose_pilot, select_writes
from optimizer.rollout.stages import Rollout, Write
from optimizer.rollout.writes import is_made, writes_of


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
    scope: Scope = Scope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    command: Command = "apply",
) -> Prepared:
    """Check a plan against Azure and lay its writes out in time; nothing is written.

    Parameters
    ----------
    plan, plan_path, document
        A plan, where it lies, and the estate that it was made for.
    reader, clock, ledger
        The service, the time, and the policy writes of the last day.
    journal_path
        Of the journal, which is there only where ``resume`` is said.
    resume
        Go on with the journal that is there.
    scope
        Which part of the plan.
    approval
        Who stands behind it.
    command
        What the journal calls the run.

    Raises
    ------
    PlanFormatError
        The changes are not what the plan's fingerprint and its estate say.
    StalePlanError
        Azure has changed since in what the plan relies on.
    ApplyError
        There is a journal without ``resume``, or none with it; nothing is selected.
    ClockError
        This machine's clock and the service's differ.
    CloudError
        The service cannot be read.
    """
    check_changes(plan, document)
    records = records_of(plan, journal_path, resume=resume, command=command)
    refuse_taken_back(journal_path)
    scope, approval = carried_on(records, scope, approval)
    inventory = build_inventory(document, plan.rules.service_from)
    every = writes_of(plan, document, inventory)
    selection = select_writes(every, plan, inventory, only=scope.only, max_moves=scope.max_moves)
    state = state_of(records)
    expected = estate_after(plan, document, with_what_they_need(state.done, every))
    freshness = _compare(expected, selection.writes, reader, state)
    require_fresh(freshness, str(plan_path))
    pilot = choose_pilot(selection.writes, inventory, scope.wave_percent) if scope.wave_percent else frozenset()
    protections = {vault_id: read_protection(reader.vault_settings(vault_id)) for vault_id in vaults_of(every)}
    require_clock(reader, clock, command)
    return Prepared(
        command=command,
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=selection.writes,
        rollout=_lay_out(selection.writes, plan, inventory, clock, ledger, _made(state), pilot),
        journal_path=journal_path,
        records=records,
        pilot=pilot,
        scope=scope,
        approval=approval,
        protections=protections,
        remarks=(
            *selection.left_out,
            *_outside(every, selection.writes, scope),
            *_remarks(selection.writes, protections, freshness),
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
    approval: Approval = Approval(),  # noqa: B008  # frozen
) -> Prepared:
    """Lay out the writes that undo what a journal says was done; nothing is written.

    Parameters
    ----------
    plan, plan_path, document, reader, clock, ledger, resume, approval
        As of :func:`prepare_apply`.
    applied
        The journal that is undone.
    journal_path
        The rollback's own.
    delete_created
        Whether to delete the policies that the plan created.

    Raises
    ------
    PlanFormatError, StalePlanError, ClockError, CloudError
        As of :func:`prepare_apply`.
    ApplyError
        The journal is of another plan, or nothing in it was done; as of :func:`prepare_apply` for the rollback's own.
    """
    check_changes(plan, document)
    done_records = read_journal(applied)
    require_same_plan(done_records, plan, applied)
    records = records_of(plan, journal_path, resume=resume, command="rollback")
    _, approval = carried_on(records, Scope(), approval)
    before = build_inventory(document, plan.rules.service_from)
    every = writes_of(plan, document, before)
    done_records = _with_open_ends(done_records, records, every, reader, clock)
    writes = rollback_writes(done_records, every, delete_created=delete_created)
    if not writes:
        raise ApplyError(f"{applied}: nothing was done in it that could be taken back")
    done = with_what_they_need(state_of(done_records).done, every)
    inventory = build_inventory(estate_after(plan, document, done), plan.rules.service_from)
    state = state_of(records)
    left = estate_after(plan, document, with_what_they_need(done - state.done.keys(), every))
    freshness = _compare(left, writes, reader, state)
    require_fresh(freshness, str(applied), command="rollback")
    protections = {vault_id: read_protection(reader.vault_settings(vault_id)) for vault_id in vaults_of(writes)}
    require_clock(reader, clock, "rollback")
    return Prepared(
        command="rollback",
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=writes,
        rollout=_lay_out(writes, plan, inventory, clock, ledger, _made(state), frozenset(), tolerated=before),
        journal_path=journal_path,
        records=records,
        approval=approval,
        protections=protections,
        remarks=tuple(_remarks(writes, protections, freshness)),
        tolerated=before,
    )


def _compare(
    expected: EstateDocument, writes: Sequence[Write], reader: BackupReader, state: JournalState
) -> Freshness:
    """What differs in Azure from what the run left there; a write of unknown end may have taken place or not."""
    made = frozenset(state.done)
    pending = frozenset(write.number for write in writes) - made
    return compare_with_service(expected, writes, reader, pending=pending, begun=frozenset(state.intents) - made)


def _with_open_ends(
    applied: Sequence[Record],
    taken_back: Sequence[Record],
    writes: Sequence[Write],
    reader: BackupReader,
    clock: Clock,
) -> tuple[Record, ...]:
    """A journal with the ends of the writes that were begun and of which it does not say what became of them.

    A process may have been killed between a request and its record: whether the write took place is seen in Azure.
    """
    state, back = state_of(applied), state_of(taken_back)
    found: list[Record] = []
    for write in writes:
        if write.number not in state.intents or write.number in state.done:
            continue
        is_item = write.kind == "reassign_item"
        current = reader.get_item(write.object_id) if is_item else reader.get_policy(write.object_id)
        if write.number in back.intents:  # it was seen to have taken place when its way back began
            current = back.intents[write.number].before
        if is_made(write, current):
            found.append(DoneRecord(number=write.number, at=clock.now(), how="found", after=current))
    return (*applied, *found)


def _made(state: JournalState) -> dict[int, datetime]:
    return {number: record.at for number, record in state.done.items()}


def _lay_out(
    writes: Sequence[Write],
    plan: PlanDocument,
    inventory: Inventory,
    clock: Clock,
    ledger: Ledger,
    made: Mapping[int, datetime],
    pilot: frozenset[str],
    *,
    tolerated: Inventory | None = None,
) -> Rollout:
    now = clock.now().replace(microsecond=0)  # calendars count whole seconds
    recent = [(write.at, write.vault_id) for write in ledger.since(now - BUDGET_PERIOD)]
    return build_rollout(
        writes, inventory, plan.rules, now=now, made=made, policy_writes=recent, pilot=pilot, tolerated=tolerated
    )


def _outside(every: Sequence[Write], chosen: Sequence[Write], scope: Scope) -> list[str]:
    """That a part of the plan is left for another run, and how to go on with it."""
    moved = {vm for write in chosen for vm in write.vms}
    others = len({vm for write in every for vm in write.vms} - moved)
    if not others or not (scope.only or scope.max_moves is not None):
        return []
    remark = (
        f"{others} more VMs of the plan are outside this run's scope; afterwards go on with "
        "'apply --resume --only vm=*' or a scope of its own, and with a larger --max-moves where that was given"
    )
    return [remark]


def _remarks(writes: Sequence[Write], protections: Mapping[str, Protection], freshness: Freshness) -> list[str]:
    found = []
    for vault_id in vaults_of(writes):
        name = vault_id.rpartition("/")[2]
        found += protections[vault_id].remarks(name)
        if freshness.remarks.get(vault_id):
            changes = freshness.remarks[vault_id]
            more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
            found.append(f"vault {name} has changed where the plan does not touch it: {'; '.join(changes[:3])}{more}")
    return found
