"""What preparing an ``apply`` and a ``rollback`` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from optimizer.documents import PlanDocument, check_changes
from optimizer.errors import CloudError
from optimizer.estate import EstateDocument
from optimizer.journal import JournalState
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.ports import BackupReader, Clock
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.prepare.evidence import check_plan
from optimizer.rollout.prepare.freshness import Freshness, compare_with_service
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.session.closures import Closures
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.write import Write, vaults_of


def believed(
    plan: PlanDocument, plan_path: Path, document: EstateDocument, present: Sequence[str] = ()
) -> tuple[Inventory, tuple[Write, ...]]:
    """State before a plan, and its writes, after checking that plan, estate and rollback file agree."""
    check_changes(plan, document)
    inventory = document.inventory(plan.rules.service_from, present=present)
    writes = writes_of(plan, document, inventory)
    check_plan(plan, plan_path, document, inventory, writes)
    return inventory, writes


def to_do_of(writes: Sequence[Write], state: JournalState) -> list[Write]:
    """Writes that the journal does not record as done."""
    return [write for write in writes if write.number not in state.done]


def compared(
    expected: EstateDocument,
    selection: Selection,
    reader: BackupReader,
    state: JournalState,
    closures: Closures,
    unreadable: Mapping[ArmId, CloudError] | None = None,
) -> Freshness:
    """Differences between Azure and the state that the run left; writes of unknown outcome may have taken effect."""
    pending = frozenset(write.number for write in to_do_of(selection.writes, state))
    writes = (*selection.writes, *selection.begun)
    begun = frozenset(state.intents) - frozenset(state.done)
    return compare_with_service(
        expected, writes, reader, pending=pending, begun=begun, unreadable=unreadable, closures=closures
    )


def any_open(writes: Iterable[Write], closures: Closures) -> bool:
    """Whether any of the writes is for a vault that is open now."""
    return any(not closures.of(vault_id) for vault_id in vaults_of(writes))


def made_at(state: JournalState) -> dict[int, datetime]:
    """Time of each write that the journal records as done, by number."""
    return {number: record.at for number, record in state.done.items()}


def laid_out(
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
    """Calendar of the writes that are not made yet."""
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
