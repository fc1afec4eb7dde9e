"""Writes that restore what a journal changed."""

from __future__ import annotations

from pathlib import Path

from optimizer.journal import Commands, DoneRecord, Record, SkippedRecord
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rules
from optimizer.rollout.writes.undo import created_policies, estate_after, nothing_to_undo, rollback_writes
from tests.plan.estates import policy_id, standard_policy
from tests.rollout.small_rollouts import NOW, inventory_of, world

GIVEN = world(
    [standard_policy("nightly", "23:00")], {"a": "nightly", "b": "nightly", "c": "nightly"}, {"a": "02:00"}, Rules()
)
CREATION, MOVE = GIVEN.writes()
COMMANDS = Commands(Path("plan.json"), Path("plan.journal.jsonl"))


def done(*numbers: int, how: str = "written") -> list[Record]:
    return [DoneRecord.model_validate({"number": n, "at": NOW, "how": how, "after": None}) for n in numbers]


def test_the_last_write_is_undone_first_and_policies_are_deleted_on_request() -> None:
    """A deletion needs the write that empties its policy."""
    (back,) = rollback_writes(done(1, 2), GIVEN.writes(), delete_created=False)
    assert (back.kind, back.number) == ("reassign_item", MOVE.number)
    assert (back.start_before, back.start_after) == (MOVE.start_after, MOVE.start_before)
    assert (back.policy_before, back.policy_after) == (MOVE.policy_after, MOVE.policy_before)
    assert back.body["policyId"] == policy_id("nightly")
    _, deletion = rollback_writes(done(1, 2), GIVEN.writes(), delete_created=True)
    assert (deletion.kind, deletion.object_id, deletion.needs) == ("delete_policy", CREATION.object_id, (MOVE.number,))


def test_what_somebody_else_made_or_nobody_made_is_left_alone() -> None:
    """Objects that were found in place, and writes that were skipped, are not undone."""
    skipped = SkippedRecord(number=2, at=NOW, reason="changed")
    assert rollback_writes(done(2, how="found"), GIVEN.writes(), delete_created=True) == ()
    assert rollback_writes([*done(1), skipped], GIVEN.writes(), delete_created=False) == ()


def test_the_estate_after_some_writes_has_their_effect_only() -> None:
    """After the creation, the policy is there and the VM is still where it was."""
    after = inventory_of(estate_after(GIVEN.plan(), GIVEN.document, [1]))
    assert CREATION.object_id in after.policies
    assert {item.policy_id for item in after.items} == {ArmId(policy_id("nightly"))}
    assert [change.policy_id for change in created_policies(GIVEN.plan(), [1, 2])] == [CREATION.object_id]
    assert created_policies(GIVEN.plan(), [2]) == []


def test_a_journal_that_moved_nothing_says_what_it_did() -> None:
    """Where only policies were created, the message offers to delete them, and to go on."""
    assert "none of its writes was made" in nothing_to_undo([], GIVEN.writes(), COMMANDS)
    text = nothing_to_undo(done(1), GIVEN.writes(), COMMANDS)
    assert f"1 policy created by the plan has no VMs: {CREATION.name}" in text
    assert "to delete it:\n    backup-optimizer rollback plan.journal.jsonl --delete-created" in text
