"""``apply`` and ``rollback``: what is checked before the first write, and the run itself."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from optimizer.estate.arm import build_inventory
from optimizer.estate.document import EstateDocument
from optimizer.model.inventory import Inventory
from optimizer.plan.document import PlanDocument
from optimizer.plan.fingerprint import check_changes
from optimizer.ports import BackupReader, BackupService, Clock, Progress, no_progress
from optimizer.rollout.calendar import build_rollout
from optimizer.rollout.carry_out import Carrier, Pace
from optimizer.rollout.errors import ApplyError, JournalError
from optimizer.rollout.execute import Executor, Outcome, vaults_of
from optimizer.rollout.freshness import Freshness, compare_with_service, require_fresh
from optimizer.rollout.journal import DoneRecord, Journal, Record, RunRecord, read_journal, rollback_journal_path
from optimizer.rollout.ledger import BUDGET_PERIOD, Ledger, hold_locks
from optimizer.rollout.progress import JournalState, state_of
from optimizer.rollout.protections import Protection, read_protection
from optimizer.rollout.rollback import estate_after, rollback_writes
from optimizer.rollout.selection import Selector, choose_pilot, parse_selector, select_writes
from optimizer.rollout.stages import Rollout, Write
from optimizer.rollout.writes import is_made, writes_of

Command = Literal["apply", "rollback", "rehearse"]


@dataclass(frozen=True)
class Approval:
    """Who stands behind a run.

    Parameters
    ----------
    approved_by, ticket
        As they are put into the journal; empty where not given.
    """

    approved_by: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class Scope:
    """Which part of a plan a run is about.

    Parameters
    ----------
    only
        Selectors of VMs; none means all.
    max_moves
        VMs that may move at most; None: any number.
    wave_percent
        Share of the VMs that goes first as a pilot; None: no pilot.
    """

    only: tuple[Selector, ...] = ()
    max_moves: int | None = None
    wave_percent: float | None = None

    def options(self) -> dict[str, Any]:
        """As the journal keeps it."""
        only = [f"{selector.kind}={selector.pattern}" for selector in self.only]
        pairs = {"only": only, "max_moves": self.max_moves, "wave": self.wave_percent}
        return {key: value for key, value in pairs.items() if value not in (None, [])}


@dataclass(frozen=True)
class Prepared:
    """A run before its first write: what is to be done, laid out in time, with everything checked that can be.

    Parameters
    ----------
    command
        What is run.
    plan, plan_path
        The plan.
    inventory
        What the writes start from.
    writes
        What the run is about, made or not.
    rollout
        Calendar of what is left.
    journal_path
        Where the journal is, or will be.
    records
        What it holds so far.
    pilot
        VM ids that go first.
    scope, approval
        As given.
    protections
        Of each vault, by id.
    remarks
        What a planner should know before he agrees.
    tolerated
        The state that a rollback leads back to, whatever it broke.
    """

    command: Command
    plan: PlanDocument
    plan_path: Path
    inventory: Inventory
    writes: tuple[Write, ...]
    rollout: Rollout
    journal_path: Path
    records: tuple[Record, ...] = ()
    pilot: frozenset[str] = frozenset()
    scope: Scope = Scope()
    approval: Approval = Approval()
    protections: Mapping[str, Protection] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    tolerated: Inventory | None = None


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
    scope: Scope = Scope(),  # frozen
    approval: Approval = Approval(),  # frozen
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
    CloudError
        The service cannot be read.
    """
    check_changes(plan, document)
    records = _records(plan, journal_path, resume=resume, command=command)
    _refuse_taken_back(journal_path)
    scope, approval = _carried_on(records, scope, approval)
    inventory = build_inventory(document, plan.rules.service_from)
    every = writes_of(plan, document, inventory)
    selection = select_writes(every, plan, inventory, only=scope.only, max_moves=scope.max_moves)
    state = state_of(records)
    unsure = frozenset(state.intents) - frozenset(state.done)
    pending = frozenset(write.number for write in selection.writes) - frozenset(state.done)
    expected = estate_after(plan, document, state.done)
    freshness = compare_with_service(expected, selection.writes, reader, pending=pending, begun=unsure)
    require_fresh(freshness, str(plan_path))
    pilot = choose_pilot(selection.writes, inventory, scope.wave_percent) if scope.wave_percent else frozenset()
    protections = {vault_id: read_protection(reader.vault_settings(vault_id)) for vault_id in vaults_of(every)}
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
    approval: Approval = Approval(),  # frozen
) -> Prepared:
    """Lay out the writes that undo what a journal says was done; nothing is written.

    Parameters
    ----------
    applied
        The journal that is undone.
    journal_path
        The rollback's own.
    delete_created
        Whether to delete the policies that the plan created.

    Raises
    ------
    ApplyError
        The journal is of another plan, or nothing in it was done.
    """
    check_changes(plan, document)
    done_records = read_journal(applied)
    _require_same_plan(done_records, plan, applied)
    records = _records(plan, journal_path, resume=resume, command="rollback")
    _, approval = _carried_on(records, Scope(), approval)
    before = build_inventory(document, plan.rules.service_from)
    every = writes_of(plan, document, before)
    done_records = _with_open_ends(done_records, records, every, reader, clock)
    writes = rollback_writes(done_records, every, delete_created=delete_created)
    if not writes:
        raise ApplyError(f"{applied}: nothing was done in it that could be taken back")
    after = estate_after(plan, document, state_of(done_records).done)
    inventory = build_inventory(after, plan.rules.service_from)
    state = state_of(records)
    left = estate_after(plan, document, state_of(done_records).done.keys() - state.done.keys())
    freshness = compare_with_service(
        left,
        writes,
        reader,
        pending=frozenset(write.number for write in writes) - frozenset(state.done),
        begun=frozenset(state.intents) - frozenset(state.done),
    )
    require_fresh(freshness, str(applied), command="rollback")
    protections = {vault_id: read_protection(reader.vault_settings(vault_id)) for vault_id in vaults_of(writes)}
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


def carry_out(
    prepared: Prepared,
    service: BackupService,
    clock: Clock,
    ledger: Ledger,
    state_folder: Path,
    *,
    until: datetime | None = None,
    pace: Pace = Pace(),  # noqa: B008  # frozen
    guard_request: bool = False,
    journal_of: Callable[[Path], Journal] = Journal,
    progress: Progress = no_progress,
) -> Outcome:
    """Make the writes of a prepared run that can be made now.

    Parameters
    ----------
    prepared
        The run.
    service, clock, ledger
        The service, the time, and where policy writes are counted.
    state_folder
        Where the locks are.
    until
        Wait for writes that open before; None: do not wait.
    pace
        How long to wait for the service.
    guard_request
        Send the requests along that a Resource Guard asks for.
    journal_of
        Opens the journal.
    progress
        Told after each write.

    Raises
    ------
    BusyError
        Another run is at work.
    """
    with (
        hold_locks(state_folder, prepared.journal_path, vaults_of(prepared.writes)),
        _open(prepared, journal_of) as journal,
    ):
        if list(journal.records) != list(prepared.records):
            raise ApplyError(f"{prepared.journal_path}: another run wrote to it meanwhile; run 'apply --resume'")
        journal.append(_run_record(prepared, clock.now(), journal.records))
        guards = {
            (vault_id.lower(), kind): requests
            for vault_id, protection in prepared.protections.items()
            for kind, requests in protection.guard_requests.items()
            if guard_request
        }
        label = f"{prepared.plan.fingerprint} {prepared.command}"
        executor = Executor(
            carrier=Carrier(service, clock, journal, ledger, pace, label, guards),
            inventory=prepared.inventory,
            rules=prepared.plan.rules,
            writes=prepared.writes,
            pilot=prepared.pilot,
            tolerated=prepared.tolerated,
            progress=progress,
        )
        return executor.run(until=until)


@contextmanager
def _open(prepared: Prepared, journal_of: Callable[[Path], Journal]) -> Iterator[Journal]:
    journal = journal_of(prepared.journal_path)
    try:
        yield journal
    finally:
        journal.close()


def _records(plan: PlanDocument, path: Path, *, resume: bool, command: str) -> tuple[Record, ...]:
    """What the journal of a run holds; empty where the run is the first."""
    if not path.exists():
        if resume:
            raise ApplyError(f"{path}: there is no journal to resume; run '{command}' without --resume")
        return ()
    records = read_journal(path)
    if records and not resume:
        raise ApplyError(
            f"{path}: this plan has a journal already; go on with --resume, or make a new plan if it was rolled back"
        )
    _require_same_plan(records, plan, path)
    return records


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


def _refuse_taken_back(journal: Path) -> None:
    """A plan that is being taken back is not carried on."""
    back = rollback_journal_path(journal)
    if back.exists() and state_of(read_journal(back)).intents:
        raise ApplyError(
            f"{journal}: what it did was taken back ({back.name}); finish that with 'rollback {journal.name} "
            "--resume', then pull the estate and make a new plan"
        )


def _require_same_plan(records: Sequence[Record], plan: PlanDocument, path: Path) -> None:
    for record in records:
        if isinstance(record, RunRecord) and record.plan_fingerprint != plan.fingerprint:
            raise JournalError(
                f"{path}: belongs to the plan with fingerprint {record.plan_fingerprint}, not to this one "
                f"({plan.fingerprint}); give the plan that was applied"
            )


def _carried_on(records: Sequence[Record], scope: Scope, approval: Approval) -> tuple[Scope, Approval]:
    """Scope and approval of a run: what is not said anew is as in the run before."""
    runs = [record for record in records if isinstance(record, RunRecord)]
    if not runs:
        return scope, approval
    before, options = runs[-1], runs[-1].options
    merged = Scope(
        scope.only or tuple(parse_selector(str(text)) for text in options.get("only", ())),
        scope.max_moves if scope.max_moves is not None else options.get("max_moves"),
        scope.wave_percent if scope.wave_percent is not None else options.get("wave"),
    )
    approved = Approval(approval.approved_by or before.approved_by, approval.ticket or before.ticket)
    return merged, approved


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


def _run_record(prepared: Prepared, now: datetime, records: Sequence[Record]) -> RunRecord:
    return RunRecord(
        run=1 + sum(isinstance(record, RunRecord) for record in records),
        command=prepared.command,
        at=now,
        plan_fingerprint=prepared.plan.fingerprint,
        plan=prepared.plan_path.name,
        who=f"{_user()}@{platform.node()}",
        program=f"backup-schedule-optimizer {version('backup-schedule-optimizer')}",
        approved_by=prepared.approval.approved_by,
        ticket=prepared.approval.ticket,
        options=prepared.scope.options(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:
        return "unknown"


def latest_end(rollout: Rollout, now: datetime) -> datetime:
    """A time by which every write of a calendar can be made, with two days to spare."""
    return max((timed.at for timed in rollout.writes), default=now) + timedelta(days=2)


def plan_of_journal(journal: Path) -> Path:
    """Where the plan of a journal lies: beside it.

    Raises
    ------
    ApplyError
        It is not there.
    """
    runs = [record for record in read_journal(journal) if isinstance(record, RunRecord)]
    if not runs:
        raise ApplyError(f"{journal}: the journal is empty: nothing was done")
    place = journal.parent / Path(runs[0].plan).name
    if not place.exists():
        raise ApplyError(f"{journal}: its plan {place} is not there; say where it is with --plan")
    return place


def moved_vms(plan: PlanDocument, journal: Path) -> dict[str, datetime]:
    """When each VM got its new start, but for those that were taken back.

    Parameters
    ----------
    plan
        The plan that was applied.
    journal
        Of its ``apply``.

    Returns
    -------
    dict
        Time of the write by ``vm_id.lower()``.

    Raises
    ------
    JournalError
        The journal cannot be read, or belongs to another plan.
    """
    records = read_journal(journal)
    _require_same_plan(records, plan, journal)
    if any(isinstance(record, RunRecord) and record.command == "rollback" for record in records):
        raise JournalError(f"{journal}: is the journal of a rollback; give that of 'apply'")
    moved = state_of(records).moved_at()
    back = rollback_journal_path(journal)
    returned = state_of(read_journal(back)).moved_at() if back.exists() else {}
    return {vm: at for vm, at in moved.items() if vm not in returned}
