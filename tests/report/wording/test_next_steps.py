"""What to do after a run, the most important step first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.documents import CreatePolicy
from optimizer.report.wording.next_steps import next_steps
from optimizer.rollout import Prepared, RunOutcome
from optimizer.rollout.prepare.earlier_runs import RunJournal
from tests.report.rollouts import BLOCKED, COMPLETE, INVENTORY, PLAN, make_outcome, make_prepared

PREPARED = make_prepared()
NOTHING = RunOutcome(done=(), failed=(), skipped=(), pending={})


def steps(outcome: RunOutcome, prepared: Prepared = PREPARED) -> list[tuple[str, str]]:
    """Return each step with its command."""
    return [(step.what, step.command) for step in next_steps(outcome, prepared)]


def test_a_complete_run_is_watched_or_undone() -> None:
    """Both have a command."""
    (watch, watch_command), (undo, undo_command) = steps(COMPLETE)
    assert watch == "to check the first backups at the new times:"
    assert watch_command.startswith("backup-optimizer watch ")
    assert undo == "to undo these changes:"
    assert undo_command.startswith("backup-optimizer rollback ")


def test_a_run_that_did_nothing_has_nothing_to_follow() -> None:
    """Nothing to watch, nothing to undo."""
    assert steps(NOTHING) == []


def test_pending_writes_come_first_with_their_time() -> None:
    """The step says when, and how to wait; one and several have their own words."""
    (first, command), *_ = steps(make_outcome())
    assert first.startswith("1 write is pending; the next one can be made at 2026-02-18 13:30 UTC. Then run")
    assert command.startswith("backup-optimizer apply ")
    (many, _) = steps(replace(NOTHING, pending={1: "later", 2: "later"}))[0]
    assert many.startswith("2 writes are pending; they can be made later. Then run this command")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"failed": (1,)}, "fix what the failed writes report; to plan again what can still be moved"),
        ({"skipped": (1,)}, "the skipped writes no longer fit what is in Azure"),
        ({"blocked": (BLOCKED,)}, "there is no time at which the blocked writes can be made"),
    ],
)
def test_each_trouble_has_its_step(changes: dict[str, object], what: str) -> None:
    """A sentence without a command, because a person has to decide."""
    ((text, command),) = steps(replace(NOTHING, **changes))  # type: ignore[arg-type]  # fields of the outcome
    assert text.startswith(what)
    assert command == ""


def test_the_order_of_steps() -> None:
    """What continues the run comes before what was given up, and that before what is done."""
    beginnings = [text.split()[0] for text, _ in steps(make_outcome())]
    assert beginnings == ["1", "fix", "the", "there", "to", "to"]


def rolled_back(created: int) -> Prepared:
    """Return a rollback after which some created policies are still there."""
    policies = {
        f"/p/{number}": CreatePolicy(
            vault_id="/v", policy=f"p-{number}", policy_id=f"/p/{number}", twin_of="x", start="01:00", properties={}
        )
        for number in range(created)
    }
    inventory = replace(INVENTORY, policies=dict.fromkeys(policies, next(iter(INVENTORY.policies.values()))))
    plan = PLAN.model_copy(update={"changes": tuple(policies.values())})
    whole = make_prepared(writes=())
    return replace(
        whole,
        case=replace(whole.case, plan=plan),
        journal=RunJournal(Path("plan.rollback.jsonl"), "rollback"),
        baseline=replace(whole.baseline, inventory=inventory),
    )


def test_policies_that_a_rollback_leaves_are_named() -> None:
    """Without VMs they cost nothing, and a command deletes them; at most ten names."""
    ((one, command),) = steps(COMPLETE, rolled_back(1))
    assert one == "1 policy that the plan created stays, without VMs: p-0. To delete it:"
    assert "--delete-created" in command
    ((many, _),) = steps(COMPLETE, rolled_back(12))
    assert many.startswith("12 policies that the plan created stay, without VMs: p-0, p-1,")
    assert many.endswith("p-9 and 2 more. To delete them:")


def test_a_rollback_that_left_nothing_has_no_step() -> None:
    """Nothing was created, or nothing was done."""
    assert steps(COMPLETE, rolled_back(0)) == []
    assert steps(NOTHING, rolled_back(3)) == []
