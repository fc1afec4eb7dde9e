"""What was in place before its write: two machines with one plan, people in between, missing lines of a journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.errors import CloudError, ConflictError, NotSentError, StalePlanError, ThrottledError, UncertainError
from optimizer.journal import IntentRecord, read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.watch.found_in_place import found_vms
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.carry_out.test_rollback import take_back
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService, Faults, Killed
from tests.rollout.small_rollouts import NOW, world

OLD_REASON = "it was as planned before anything was written"
"""As versions before this one put down what they found."""


@pytest.fixture(scope="module")
def crowd() -> Ready:
    """Build a plan that moves eight VMs to one new policy and three to one that is there."""
    names = [f"vm-{number}" for number in range(12)]
    policies = [standard_policy("nightly", "23:00", items=12), standard_policy("early", "20:00")]
    targets = dict.fromkeys(names[:8], "02:00") | dict.fromkeys(names[8:11], "20:00")
    return ready_of(world(policies, dict.fromkeys(names, "nightly"), targets, Rules()))


def creation(ready: Ready) -> Any:
    (write,) = (write for write in ready.writes if write.kind == "create_policy")
    return write


def moves(ready: Ready) -> set[int]:
    return {write.number for write in ready.writes if write.kind == "reassign_item"}


def edit_lines(journal: Path, keep: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Rewrite a journal record by record; None leaves one out."""
    records = [keep(json.loads(line)) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(record) + "\n" for record in records if record is not None))


def assert_taken_back(ready: Ready, service: FakeService, folder: Path, clock: VirtualClock) -> None:
    """Everything is where it was; policies that the plan created may stay."""
    assert take_back(ready, service, folder, clock).complete
    assert compare_estates(ready.document, service.snapshot(), besides={creation(ready).object_id.lower()}) == ()


def test_a_policy_that_somebody_made_meanwhile_does_not_bar_the_way_back(crowd: Ready, tmp_path: Path) -> None:
    """The very policy of the plan appears before its write: it counts as done, and our VMs can be moved back."""
    service, clock = FakeService(crowd.document), VirtualClock(NOW)
    service.put_policy(creation(crowd).object_id, creation(crowd).body)
    service.accepted.clear()
    assert run(crowd, service, tmp_path, clock=clock).complete
    state = state_of(read_journal(tmp_path / "plan.journal.jsonl"))
    assert state.found == {creation(crowd).number}
    assert not state.skipped
    assert sum(service.accepted.values()) == 11
    assert run(crowd, service, tmp_path, clock=clock, resume=True).complete
    assert_taken_back(crowd, service, tmp_path, clock)


def test_a_policy_that_was_found_is_not_ours_to_delete(crowd: Ready, tmp_path: Path) -> None:
    """With --delete-created a policy that somebody else made stays."""
    service, clock = FakeService(crowd.document), VirtualClock(NOW)
    service.put_policy(creation(crowd).object_id, creation(crowd).body)
    assert run(crowd, service, tmp_path, clock=clock).complete
    assert take_back(crowd, service, tmp_path, clock, delete=True).complete
    assert creation(crowd).object_id.lower() in service.policies


@pytest.mark.parametrize("made_by_the_other", [1, 7, 11, 12])
def test_two_machines_apply_one_plan(crowd: Ready, tmp_path: Path, made_by_the_other: int) -> None:
    """What the other machine made is found; each can resume and take back its own share, in either order."""
    service, clock = FakeService(crowd.document), VirtualClock(NOW)
    other, ours = tmp_path / "other", tmp_path / "ours"

    def stop(_: str) -> None:
        if sum(service.accepted.values()) >= made_by_the_other:
            raise Killed

    service.before_write = stop
    if made_by_the_other < len(crowd.writes):
        with pytest.raises(Killed):
            run(crowd, service, other, clock=clock)
    else:
        run(crowd, service, other, clock=clock)
    service.before_write = lambda _: None
    assert run(crowd, service, ours, clock=clock).complete
    assert set(service.accepted.values()) == {1}
    assert compare_estates(apply_in_memory(crowd.document, crowd.plan.changes), service.snapshot()) == ()
    state = state_of(read_journal(ours / "plan.journal.jsonl"))
    assert len(state.found) == made_by_the_other
    assert run(crowd, service, other, clock=clock, resume=True).complete
    assert run(crowd, service, ours, clock=clock, resume=True).complete
    if made_by_the_other < len(crowd.writes):
        assert take_back(crowd, service, ours, clock).complete
    assert_taken_back(crowd, service, other, clock)


def test_a_journal_of_an_older_version_can_be_resumed_and_taken_back(crowd: Ready, tmp_path: Path) -> None:
    """Older journals call what they found skipped; resumed or not, our VMs go back."""
    for resumed in (False, True):
        folder = tmp_path / f"resumed-{resumed}"
        service, clock = FakeService(crowd.document), VirtualClock(NOW)
        moved = next(write for write in crowd.writes if write.kind == "reassign_item")
        service.put_policy(creation(crowd).object_id, creation(crowd).body)
        service.put_item(moved.object_id, moved.body)
        run(crowd, service, folder, clock=clock)
        _as_older_versions_wrote(folder / "plan.journal.jsonl")
        if resumed:
            assert run(crowd, service, folder, clock=clock, resume=True).complete
        assert take_back(crowd, service, folder, clock).complete
        left = {key for key, one in service.items.items() if one["properties"]["policyId"] == moved.policy_after}
        assert left == {moved.object_id.lower()}  # the one that somebody else had moved


def _as_older_versions_wrote(journal: Path) -> None:
    begun = {record.number for record in read_journal(journal) if isinstance(record, IntentRecord)}

    def older(record: dict[str, Any]) -> dict[str, Any]:
        if record["record"] == "done" and record["number"] not in begun:
            return {"record": "skipped", "number": record["number"], "at": record["at"], "reason": OLD_REASON}
        return record

    edit_lines(journal, older)


@pytest.mark.parametrize("lost", [("done",), ("intent", "done")], ids=["its end", "both lines"])
@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("kind", ["create_policy", "reassign_item"])
def test_missing_lines_do_not_bar_the_way_back(
    crowd: Ready, tmp_path: Path, lost: tuple[str, ...], resumed: bool, kind: str
) -> None:
    """Without the lines of a write, apply --resume completes and everything with an intent is taken back."""
    service, clock = FakeService(crowd.document), VirtualClock(NOW)
    run(crowd, service, tmp_path, clock=clock)
    victim = next(write for write in crowd.writes if write.kind == kind)
    journal = tmp_path / "plan.journal.jsonl"
    edit_lines(journal, lambda r: None if r["record"] in lost and r.get("number") == victim.number else r)
    if resumed:
        outcome = run(crowd, service, tmp_path, clock=clock, resume=True)
        assert outcome.complete, outcome
        assert state_of(read_journal(journal)).done[victim.number].how == "found"
    if kind == "reassign_item" and "intent" in lost:
        assert take_back(crowd, service, tmp_path, clock).complete
        assert service.items[victim.object_id.lower()]["properties"]["policyId"] == victim.policy_after
    else:
        assert_taken_back(crowd, service, tmp_path, clock)


def test_a_policy_that_is_gone_is_named(crowd: Ready, tmp_path: Path) -> None:
    """Where the policy of the done moves is not there any more, resuming names it, and the VMs can still go back."""
    service, clock = FakeService(crowd.document), VirtualClock(NOW)
    run(crowd, service, tmp_path, clock=clock)
    number = creation(crowd).number
    journal = tmp_path / "plan.journal.jsonl"
    last = max(moves(crowd))
    edit_lines(journal, lambda r: None if r.get("number") in {number, last} else r)
    del service.policies[creation(crowd).object_id.lower()]
    with pytest.raises(StalePlanError, match="is gone"):
        run(crowd, service, tmp_path, clock=clock, resume=True)
    edit_lines(journal, lambda r: r)
    assert take_back(crowd, service, tmp_path, clock).complete


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 4))])
def test_two_machines_among_faults(planned: Ready, tmp_path: Path, seed: int) -> None:
    """Two machines take turns with one plan among faults: in the end both are through, and both can go back."""
    service, clock = FakeService(planned.document, Faults(rate=0.3, seed=seed)), VirtualClock(planned.noon)
    folders = (tmp_path / "one", tmp_path / "two")
    through = set()
    for turn in range(60):
        folder = folders[turn % 2]
        resume = (folder / "plan.journal.jsonl").exists()
        if run(planned, service, folder, clock=clock, resume=resume, wait=turn > 6).complete:
            through.add(folder)
    assert through == set(folders)
    service.faults = Faults()
    for folder in folders:
        state = state_of(read_journal(folder / "plan.journal.jsonl"))
        if state.ours & moves(planned):
            take_back(planned, service, folder, clock)
    created = {write.object_id.lower() for write in planned.writes if write.kind == "create_policy"}
    assert compare_estates(planned.document, service.snapshot(), besides=created) == ()


def first_move(ready: Ready) -> Any:
    return next(write for write in ready.writes if write.number in moves(ready))


@pytest.mark.parametrize(
    "refusal",
    [
        ConflictError("another operation is in progress"),
        ThrottledError("too many requests", retry_after_seconds=1.0),
        NotSentError("no connection"),
    ],
    ids=["409", "429", "not sent"],
)
def test_a_change_of_somebody_else_after_a_refusal_is_not_ours(
    crowd: Ready, tmp_path: Path, refusal: CloudError
) -> None:
    """Our request is turned away and somebody else makes the same move: a rollback leaves that VM where it is."""
    service, clock, victim = FakeService(crowd.document), VirtualClock(NOW), first_move(crowd)
    key, refused = victim.object_id.lower(), []

    def refuse(object_id: str) -> None:
        if object_id.lower() == key and not refused:
            refused.append(object_id)
            service.items[key]["properties"].update(victim.body)
            raise refusal

    service.before_write = refuse
    outcome = run(crowd, service, tmp_path, clock=clock)
    assert outcome.complete
    assert outcome.found == (victim.number,)
    state = state_of(read_journal(tmp_path / "plan.journal.jsonl"))
    assert victim.number in state.intents
    assert victim.number not in state.ours
    assert victim.vms[0].lower() not in state.moved_at()
    assert list(found_vms(crowd.writes, tmp_path / "plan.journal.jsonl")) == [victim.vms[0].lower()]
    assert take_back(crowd, service, tmp_path, clock).complete
    assert service.items[key]["properties"]["policyId"] == victim.policy_after
    wanted = {str(write.policy_before) for write in crowd.writes if write.number in moves(crowd) - {victim.number}}
    others = [write.object_id.lower() for write in crowd.writes if write.number in moves(crowd) - {victim.number}]
    assert {service.items[other]["properties"]["policyId"] for other in others} == wanted


def test_a_request_whose_answer_was_lost_stays_ours(crowd: Ready, tmp_path: Path) -> None:
    """A lost request shows no effect for so long that it counts as not received, then has one: it is taken back."""
    service, clock, victim = FakeService(crowd.document), VirtualClock(NOW), first_move(crowd)
    key, lost = victim.object_id.lower(), []

    def lose(object_id: str) -> None:
        if object_id.lower() == key and not lost:
            lost.append(object_id)
            raise UncertainError("the connection was lost")
        if lost and clock.now() > NOW:
            journal = read_journal(tmp_path / "plan.journal.jsonl")
            if victim.number in state_of(journal).failed:
                service.items[key]["properties"].update(victim.body)

    service.before_write = lose
    run(crowd, service, tmp_path, clock=clock)
    run(crowd, service, tmp_path, clock=clock, resume=True)
    state = state_of(read_journal(tmp_path / "plan.journal.jsonl"))
    assert victim.number in state.ours
    service.before_write = lambda _: None
    assert_taken_back(crowd, service, tmp_path, clock)
