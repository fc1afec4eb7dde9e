"""Cross-checks of plans, rollback files and journals: none of them is trusted unless it agrees with the others.

What is written comes from the bodies of the policies and items in the estate, which are compared with Azure before
anything is sent. A field that contradicts these bodies was edited, so the run is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optimizer.documents import (
    AGAIN,
    EditPolicy,
    PlanDocument,
    ScheduleEntry,
    check_rollback,
    read_rollback,
    rollback_path,
)
from optimizer.errors import JournalError, PlanFormatError
from optimizer.estate import EstateDocument
from optimizer.journal import AcceptedRecord, DoneRecord, FailedRecord, IntentRecord, Record, SkippedRecord
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory
from optimizer.model.raw import properties_of
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.rollout.writes.states import is_as, is_made, item_state, policy_state
from optimizer.rollout.writes.write import Write

_UNCHANGED = "give the journal as 'apply' or 'rollback' wrote it"


def check_plan(
    plan: PlanDocument, plan_path: Path, document: EstateDocument, inventory: Inventory, writes: Sequence[Write]
) -> None:
    """Refuse a plan that does not agree with its own schedule or with its rollback file.

    The changes were compared with the estate before; see :func:`optimizer.documents.fingerprint.check_changes`.

    Parameters
    ----------
    plan, plan_path
        The plan and its path. A rollback file next to it must belong to it.
    document, inventory
        Estate of the plan.
    writes
        Writes of the plan.

    Raises
    ------
    PlanFormatError
        The plan and the other files do not agree; the message states where.
    """
    _check_schedule(plan, writes, inventory)
    for write, change in zip(writes, plan.changes, strict=True):
        if isinstance(change, EditPolicy) and change.start_today != write.start_before:
            raise PlanFormatError(
                f"change {write.number} of the plan (edit_policy): start_today = {change.start_today!r}, but policy "
                f"{write.name!r} starts at {write.start_before!r}; {AGAIN}"
            )
        if write.kind == "edit_policy" and inventory.unknown_items[write.object_id]:
            raise PlanFormatError(
                f"change {write.number} of the plan (edit_policy): policy {write.name!r} also protects VMs that the "
                f"plan does not move; {AGAIN}"
            )
    path = rollback_path(plan_path)
    if path.exists():
        check_rollback(read_rollback(path), plan, document, path)


def _check_schedule(plan: PlanDocument, writes: Sequence[Write], inventory: Inventory) -> None:
    """Compare the starts in the schedule with those of the policies: people read and trust only the schedule."""
    moved = {vm: write for write in writes for vm in write.vms}
    present = {item.vm_id: format_start(inventory.policy(item).start) for item in inventory.items}
    for entry in plan.schedule:
        fault = _fault_of_entry(entry, moved.pop(entry.vm, None), present.get(entry.vm, entry.start_today))
        if fault:
            raise PlanFormatError(f"the plan's schedule says {fault}; {AGAIN}")
    if moved:
        raise PlanFormatError(f"the plan moves {next(iter(moved.values())).name}, which its schedule lacks; {AGAIN}")


def _fault_of_entry(entry: ScheduleEntry, write: Write | None, present: str) -> str:
    """Contradiction between an entry of the schedule and the policies or the changes, or an empty text.

    Parameters
    ----------
    write
        Write that moves the VM; None if it stays.
    present
        Start of the VM's policy.
    """
    today, later = (present, present) if write is None else (write.start_before, write.start_after)
    if entry.start_today != today:
        return f"start_today = {entry.start_today!r} for {entry.vm}, but its policy starts at {today!r}"
    if entry.start != later:
        whose = "its policy starts" if write is None else "the changes of the plan start it"
        return f"start = {entry.start!r} for {entry.vm}, but {whose} at {later!r}"
    return ""


def check_journal(records: Iterable[Record], writes: Sequence[Write], path: Path) -> None:
    """Refuse a journal with records that do not match the writes of their numbers.

    Parameters
    ----------
    records, path
        Records and path of the journal.
    writes
        Writes of the journal's plan, or of its rollback.

    Raises
    ------
    JournalError
        A record is about another object, or contains a state before or after that does not match the plan.
    """
    by_number = {write.number: write for write in writes}
    for line, record in enumerate(records, start=1):
        if not isinstance(record, IntentRecord | AcceptedRecord | DoneRecord | FailedRecord | SkippedRecord):
            continue
        write = by_number.get(record.number)
        if write is None:
            raise JournalError(f"{path}, line {line}: the plan has no write {record.number}; {_UNCHANGED}")
        if fault := _fault_of_record(record, write):
            raise JournalError(f"{path}, line {line} (write {record.number}, {write.name}): {fault}; {_UNCHANGED}")


def _fault_of_record(record: Record, write: Write) -> str:
    """Difference between a record and its write, or an empty text."""
    match record:
        case IntentRecord():
            return _fault_of_intent(record, write)
        case DoneRecord() if record.after is not None:
            return _fault_of_state_after(record.after, write)
        case _:
            return ""


def _fault_of_state_after(after: Resource, write: Write) -> str:
    if write.kind == "delete_policy":
        return "'after' shows a policy that was deleted"
    return "" if is_made(write, after) else "'after' is not what the plan writes"


def _fault_of_intent(intent: IntentRecord, write: Write) -> str:
    """Difference between an intent and the planned write, or an empty text."""
    for field in ("kind", "vault_id", "object_id", "name"):
        recorded, planned = str(getattr(intent, field)), str(getattr(write, field))
        if Caseless(recorded) != planned:
            return f"{field!r} is {recorded!r}, but the plan says {planned!r}"
    if write.kind == "reassign_item" and set(intent.vms) != set(write.vms):
        return f"'vms' is {', '.join(intent.vms) or 'empty'}, but the plan moves {', '.join(write.vms)}"
    if not is_as(write, intent.before, write.before) and not is_made(write, intent.before):
        return "'before' is not the object that the plan was made for"
    return _fault_of_body(intent.body, write)


def _fault_of_body(body: Mapping[str, Any] | None, write: Write) -> str:
    if (body is None) != (write.kind == "delete_policy"):
        return "'body' does not fit the kind of write"
    if body is not None and _sent(write, body) != _sent(write, write.body):
        return "'body' is not what the plan writes"
    return ""


def _sent(write: Write, body: Mapping[str, Any]) -> bytes:
    """The part of a body that is compared, in canonical form."""
    if write.kind != "reassign_item":
        return policy_state(body)
    assert write.before is not None
    return item_state({**properties_of(write.before), **body})
