"""The way back: writes that restore what a journal changed, the last first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.estate.document import EstateDocument
from optimizer.plan.applied import apply_in_memory
from optimizer.plan.document import CreatePolicy, PlanDocument
from optimizer.rollout.journal import IntentRecord, Record
from optimizer.rollout.progress import state_of
from optimizer.rollout.stages import Write
from optimizer.rollout.writes import item_body, policy_body


def estate_after(plan: PlanDocument, document: EstateDocument, done: Iterable[int]) -> EstateDocument:
    """The estate after some of a plan's writes.

    Parameters
    ----------
    plan, document
        A plan and its estate.
    done
        Numbers of the writes that were made.
    """
    numbers = set(done)
    changes = [change for number, change in enumerate(plan.changes, start=1) if number in numbers]
    return apply_in_memory(document, changes)


def rollback_writes(records: Sequence[Record], writes: Sequence[Write], *, delete_created: bool) -> tuple[Write, ...]:
    """Writes that undo what a journal says was done.

    Every object gets back what was read of it right before it was written.  Policies that were created stay, empty;
    only on demand they are deleted, last.  A write has the number of the one that it undoes, whatever else was done.

    Parameters
    ----------
    records
        Of the journal.
    writes
        Of the plan that was applied.
    delete_created
        Whether to delete the policies that the plan created.
    """
    state = state_of(records)
    made = [write for write in writes if write.number in state.done and write.number in state.intents]
    needed_by = {write.number: tuple(other.number for other in made if write.number in other.needs) for write in made}
    undone = [
        _undo(write, state.intents[write.number], state.done[write.number].after, needed_by[write.number])
        for write in reversed(made)
        if write.kind != "create_policy"
    ]
    if delete_created:
        created = [write for write in reversed(made) if write.kind == "create_policy"]
        undone += [_deletion(write, needed_by[write.number]) for write in created]
    return tuple(undone)


def _undo(write: Write, intent: IntentRecord, after: object, needs: tuple[int, ...]) -> Write:
    assert intent.before is not None and isinstance(after, dict)
    is_item = write.kind == "reassign_item"
    policy = str(intent.before["properties"].get("policyId") or "") if is_item else ""
    return Write(
        number=write.number,
        kind=write.kind,
        vault_id=write.vault_id,
        object_id=write.object_id,
        name=write.name,
        body=item_body(intent.before, policy) if is_item else policy_body(intent.before),
        before=after,
        vms=write.vms,
        start_before=write.start_after,
        start_after=write.start_before,
        policy_before=write.policy_after,
        policy_after=write.policy_before,
        needs=needs,
    )


def _deletion(write: Write, needs: tuple[int, ...]) -> Write:
    return Write(
        number=write.number,
        kind="delete_policy",
        vault_id=write.vault_id,
        object_id=write.object_id,
        name=write.name,
        body={},
        before={"id": write.object_id, "name": write.name, "properties": dict(write.body)},
        needs=needs,
    )


def created_policies(plan: PlanDocument, done: Iterable[int]) -> list[CreatePolicy]:
    """Policies that the writes made so far created: a rollback leaves them, empty."""
    numbers = set(done)
    return [
        change
        for number, change in enumerate(plan.changes, start=1)
        if isinstance(change, CreatePolicy) and number in numbers
    ]
