"""Rollback: writes that restore what a journal changed, in reverse order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.documents import CreatePolicy, PlanDocument, apply_in_memory
from optimizer.estate import EstateDocument
from optimizer.journal import Commands, Record, state_of
from optimizer.rollout.writes.listing import count_of, first_few
from optimizer.rollout.writes.states import expected_after, item_body, policy_body
from optimizer.rollout.writes.write import Write

CREATED_NAMED = 5
"""Maximum number of created policies that a message lists."""


def estate_after(plan: PlanDocument, document: EstateDocument, done: Iterable[int]) -> EstateDocument:
    """Estate after some of a plan's writes.

    Parameters
    ----------
    plan, document
        The plan and its estate.
    done
        Numbers of the writes that were made.
    """
    numbers = set(done)
    changes = [change for number, change in enumerate(plan.changes, start=1) if number in numbers]
    return apply_in_memory(document, changes)


def rollback_writes(records: Sequence[Record], writes: Sequence[Write], *, delete_created: bool) -> tuple[Write, ...]:
    """Writes that undo what a journal records as done, in reverse order.

    Every object returns to the state that the plan knew, which is the state in which it was found right before each
    write. The object's state in the journal is not used. Created policies stay, empty; they are deleted last, and
    only on request. Objects that were found as planned, and that no run of the journal wrote, are left alone. A
    write has the number of the write that it undoes.

    Parameters
    ----------
    records
        Records of the journal.
    writes
        Writes of the plan that was applied.
    delete_created
        Whether to delete the policies that the plan created.
    """
    state = state_of(records)
    position = {number: n for n, number in enumerate(state.done)}
    ours = [write for write in writes if write.number in position and write.number in state.ours]
    made = sorted(ours, key=lambda write: -position[write.number])
    needed_by = {write.number: tuple(other.number for other in made if write.number in other.needs) for write in made}
    undone = [_undo(write, needed_by[write.number]) for write in made if write.kind != "create_policy"]
    if delete_created:
        undone += [_deletion(write, needed_by[write.number]) for write in made if write.kind == "create_policy"]
    return tuple(undone)


def _undo(write: Write, needs: tuple[int, ...]) -> Write:
    assert write.before is not None
    is_item = write.kind == "reassign_item"
    policy = str(write.before["properties"].get("policyId") or "") if is_item else ""
    return Write(
        number=write.number,
        kind=write.kind,
        vault_id=write.vault_id,
        object_id=write.object_id,
        name=write.name,
        body=item_body(write.before, policy) if is_item else policy_body(write.before),
        before=expected_after(write),
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
        before=expected_after(write),
        needs=needs,
    )


def created_policies(plan: PlanDocument, done: Iterable[int]) -> list[CreatePolicy]:
    """Policies that the writes made so far created. A rollback leaves them in place, empty."""
    numbers = set(done)
    return [
        change
        for number, change in enumerate(plan.changes, start=1)
        if isinstance(change, CreatePolicy) and number in numbers
    ]


def nothing_to_undo(records: Sequence[Record], writes: Sequence[Write], commands: Commands) -> str:
    """Explain that a journal changed no backup time, so that there is nothing to undo."""
    state = state_of(records)
    created = [write.name for write in writes if write.kind == "create_policy" and write.number in state.done]
    if not created:
        return "according to the journal, none of its writes was made, so there is nothing to undo"
    policies, names = count_of(len(created), "policy", "policies"), first_few(created, CREATED_NAMED)
    it, has = ("it", "has") if len(created) == 1 else ("them", "have")
    return (
        f"according to the journal, no VM was moved and no policy was edited, so every backup still has its old time; "
        f"{policies} created by the plan {has} no VMs: {names}\n"
        f"to delete {it}:\n    {commands.rollback('--delete-created')}\n"
        f"to go on with the plan:\n    {commands.apply()}"
    )
