"""A plan carried out: every write exactly once, whatever is killed and whatever goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optimizer.arm.vm_policy import with_start
from optimizer.documents.applied import apply_in_memory
from optimizer.errors import ApplyError
from optimizer.journal import IntentRecord, Journal, Record, RunRecord, read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.outcome import Attempt, End
from optimizer.rollout.carry_out.run import make_writes
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.scope import Approval, RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import CountedWrite, Ledger
from optimizer.rollout.session.session import Session, read_only
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, item, policy_id, vm_id
from tests.rollout.conftest import PACE, Ready, run
from tests.rollout.fake_service import FakeCloud, FakeService, Faults, Killed


def assert_applied(ready: Ready, service: FakeService) -> None:
    """The end is what the plan says, and every write was made once."""
    assert compare_estates(apply_in_memory(ready.document, ready.plan.changes), service.snapshot()) == ()
    assert sum(service.accepted.values()) == len(ready.plan.changes)
    assert set(service.accepted.values()) <= {1}


def test_a_plan_is_carried_out_whole(planned: Ready, tmp_path: Path) -> None:
    """Every write is made once and the end is the estate of the plan."""
    service = FakeService(planned.document)
    outcome = run(planned, service, tmp_path)
    assert outcome.complete, outcome
    assert_applied(planned, service)


class _Dying(Journal):
    """A journal whose process dies at a line: before it is on disk, or right after."""

    line = 0
    after = False

    def append(self, record: Record) -> None:
        if len(self.records) + 1 == type(self).line and not type(self).after:
            raise Killed
        super().append(record)
        if len(self.records) == type(self).line and type(self).after:
            raise Killed


def _kill_at(line: int, *, after: bool) -> type[_Dying]:
    return type("Dying", (_Dying,), {"line": line, "after": after})


@pytest.mark.thorough
@pytest.mark.parametrize("after", [False, True], ids=["before the line", "after the line"])
def test_a_run_killed_at_any_line_of_the_journal_is_resumed(planned: Ready, tmp_path: Path, after: bool) -> None:
    """Killed before or after each line in turn and resumed, the end is the same and no write is made twice."""
    whole = tmp_path / "whole"
    run(planned, FakeService(planned.document), whole)
    num_lines = len(read_journal(whole / "plan.journal.jsonl"))
    assert num_lines > 2 * len(planned.plan.changes)
    for line in range(1, num_lines + 1):
        folder = tmp_path / f"killed-{line}"
        service = FakeService(planned.document)
        clock = VirtualClock(planned.noon)
        with pytest.raises(Killed):
            run(planned, service, folder, clock=clock, journal_of=_kill_at(line, after=after))
        resume = (folder / "plan.journal.jsonl").exists()
        outcome = run(planned, service, folder, clock=clock, resume=resume)
        assert outcome.complete, (line, outcome)
        assert_applied(planned, service)


@pytest.mark.parametrize(
    "effect",
    [
        pytest.param(False, id="before it took effect", marks=pytest.mark.thorough),
        pytest.param(True, id="after it took effect"),
    ],
)
def test_a_run_killed_within_any_write_is_resumed(planned: Ready, tmp_path: Path, effect: bool) -> None:
    """Killed while the request is out, whether it took effect or not, no write is lost or made twice."""
    for number in range(1, len(planned.plan.changes) + 1):
        service, clock = FakeService(planned.document), VirtualClock(planned.noon)
        _die_within(service, number, effect=effect)
        folder = tmp_path / f"write-{number}"
        with pytest.raises(Killed):
            run(planned, service, folder, clock=clock)
        service.before_write = lambda _: None
        assert state_of(read_journal(folder / "plan.journal.jsonl")).open
        assert run(planned, service, folder, clock=clock, resume=True).complete
        assert_applied(planned, service)


def _die_within(service: FakeService, number: int, *, effect: bool) -> None:
    """Let the process die within the n-th write."""
    count = 0
    original = service._write

    def write(kind: str, object_id: str, change: object) -> None:
        nonlocal count
        count += 1
        if count == number and not effect:
            raise Killed
        original(kind, object_id, change)  # type: ignore[arg-type]
        if count == number:
            raise Killed

    service._write = write  # type: ignore[method-assign]  # dies at the service, not in the code under test


@pytest.mark.parametrize(
    "seed", [*range(15), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(15, 50))]
)
def test_a_random_stream_of_faults_loses_nothing(planned: Ready, tmp_path: Path, seed: int) -> None:
    """Throttled, busy, unreadable, answers lost before and after: each write is made exactly once in the end."""
    service = FakeService(planned.document, Faults(rate=0.35, seed=seed))
    clock = VirtualClock(planned.noon)
    outcome = run(planned, service, tmp_path, clock=clock)
    for _ in range(60):
        if outcome.complete:
            break
        outcome = run(planned, service, tmp_path, clock=clock, resume=True)
    assert outcome.complete, outcome
    assert_applied(planned, service)


def test_intents_are_on_disk_before_the_request_is_sent(planned: Ready, tmp_path: Path) -> None:
    """When a request reaches the service, the journal on disk holds its intent with the object as it was."""
    service = FakeService(planned.document)
    seen = []

    def look(object_id: str) -> None:
        last = read_journal(tmp_path / "plan.journal.jsonl")[-1]
        assert isinstance(last, IntentRecord)
        assert last.object_id == object_id
        seen.append(object_id)

    service.before_write = look
    run(planned, service, tmp_path)
    assert len(seen) == len(planned.plan.changes)


def test_what_somebody_else_changed_meanwhile_is_left_alone(planned: Ready, tmp_path: Path) -> None:
    """An item that was moved by hand between the plan and its write is skipped, the others are made."""
    service = FakeService(planned.document)
    victim = next(write for write in reversed(planned.writes) if write.kind == "reassign_item")
    other = next(
        p["id"] for p in planned.document.policies if p["id"] not in (victim.policy_before, victim.policy_after)
    )

    def interfere(object_id: str) -> None:
        del object_id
        service.items[victim.object_id.lower()]["properties"]["policyId"] = other

    service.before_write = interfere
    outcome = run(planned, service, tmp_path)
    assert outcome.skipped == (victim.number,)
    assert "changed by somebody else" in outcome.reasons[victim.number]
    assert len(outcome.done) == len(planned.writes) - 1
    assert service.accepted["item", victim.object_id.lower()] == 0


def test_a_write_that_takes_effect_late_is_ours(planned: Ready, tmp_path: Path) -> None:
    """A write that was given up and took effect after all counts as done, so that it can be taken back."""
    service = FakeService(planned.document, Faults(rate=1.0, kinds=("throttled",)))
    clock = VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock, wait=False)
    first = next(write for write in planned.writes if write.kind == "create_policy")
    assert first.number in state_of(read_journal(tmp_path / "plan.journal.jsonl")).failed
    service.faults = Faults()
    service.put_policy(first.object_id, first.body)
    outcome = run(planned, service, tmp_path, clock=clock, resume=True)
    assert outcome.complete
    done = state_of(read_journal(tmp_path / "plan.journal.jsonl")).done
    assert done[first.number].how == "found"


def test_a_policy_that_was_changed_meanwhile_gets_no_vms(planned: Ready, tmp_path: Path) -> None:
    """Where the policy that a VM goes to was changed after the check, the VM stays: retention is retroactive."""
    service = FakeService(planned.document)
    last = [write for write in planned.writes if write.kind == "reassign_item"][-1]

    def shorten(object_id: str) -> None:
        policy = service.policies.get(last.policy_after.lower())
        if policy is not None and object_id != last.policy_after:
            policy["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 7

    service.before_write = shorten
    outcome = run(planned, service, tmp_path)
    assert last.number in outcome.skipped
    assert "was changed by somebody else" in outcome.reasons[last.number]
    assert service.accepted["item", last.object_id.lower()] == 0


def _edit(service: FakeService) -> Write:
    """An edit of the policy of the three databases."""
    policy = service.policies[policy_id("every-four").lower()]
    return Write(
        number=1,
        kind="edit_policy",
        vault_id=VAULT,
        object_id=policy["id"],
        name="every-four",
        body=with_start(policy["properties"], 18),
        before=policy,
        vms=tuple(vm_id(f"db-{number}") for number in range(3)),
    )


@pytest.mark.parametrize("joined", [False, True])
def test_a_newcomer_in_an_edited_policy_stops_the_edit(planned: Ready, tmp_path: Path, joined: bool) -> None:
    """A VM that joined a policy after the check would be moved with it: the edit is skipped."""
    service = FakeService(planned.document)
    edit = _edit(service)
    if joined:
        newcomer = item("newcomer", "every-four")
        service.items[newcomer["id"].lower()] = newcomer
    carrier = Carrier(Session(service, VirtualClock(planned.noon), Ledger(tmp_path)), Journal(tmp_path / "j"), PACE)
    attempt = carrier.carry_out(edit)
    assert attempt.end is (End.SKIPPED if joined else End.DONE), attempt
    assert service.accepted["policy", edit.object_id.lower()] == (0 if joined else 1)


def test_the_gate_of_an_edit_sees_the_recovery_points_of_its_vms(planned: Ready, tmp_path: Path) -> None:
    """A VM whose last backup failed keeps the edit of its policy waiting, as it does its own reassignment."""
    service = FakeService(planned.document)
    edit, noon = _edit(service), planned.noon
    late = service.items[item("db-1", "every-four")["id"].lower()]
    late["properties"]["lastRecoveryPoint"] = (noon - timedelta(hours=23)).isoformat()

    def gate(write: Write, points: Mapping[str, datetime]) -> str:
        assert write == edit
        return "a backup is missing" if points == {edit.vms[1].lower(): noon - timedelta(hours=23)} else ""

    carrier = Carrier(
        Session(service, VirtualClock(noon), Ledger(tmp_path)), Journal(tmp_path / "j"), PACE, window=gate
    )
    assert carrier.carry_out(edit) == Attempt(End.LATER, "a backup is missing")
    assert not service.accepted
    del late["properties"]["lastRecoveryPoint"]
    assert carrier.carry_out(edit).end is End.DONE


def test_a_long_wait_is_left_for_a_later_run(planned: Ready, tmp_path: Path) -> None:
    """A service that asks to wait for hours is not waited for with a write in hand."""
    service, clock = FakeService(planned.document, Faults(rate=1.0, kinds=("throttled",))), VirtualClock(planned.noon)
    service.retry_after_seconds = 4 * 3600.0
    outcome = run(planned, service, tmp_path, clock=clock, wait=False)
    assert not outcome.done
    assert clock.now() - planned.noon < timedelta(minutes=30)
    assert not state_of(read_journal(tmp_path / "plan.journal.jsonl")).open


def test_a_resumption_keeps_scope_and_approval(planned: Ready, tmp_path: Path) -> None:
    """What is not said anew when resuming is as it was: the selected VMs, the limit, who approved."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    move = next(write for write in planned.writes if write.kind == "reassign_item")
    scope = RunScope(only=(parse_filter(f"vm={move.name}"),))
    run(planned, service, tmp_path, clock=clock, scope=scope, approval=Approval("board", "CHG1"))
    run(planned, service, tmp_path, clock=clock, resume=True, scope=RunScope(max_moves=100))
    runs = [record for record in read_journal(tmp_path / "plan.journal.jsonl") if isinstance(record, RunRecord)]
    assert [(record.approved_by, record.ticket) for record in runs] == [("board", "CHG1")] * 2
    assert runs[1].options == {"only": [f"vm={move.name}"], "max_moves": 100}
    assert sum(count for (kind, _), count in service.accepted.items() if kind == "item") == 1


def prepared_on(cloud: FakeCloud, ready: Ready) -> Prepared:
    """Prepare a plan for a cloud."""
    journal = RunJournal(cloud.state_folder / "plan.journal.jsonl")
    return prepare_apply(ready.case, read_only(cloud), journal)


def test_writes_to_an_emulator_are_counted_apart(planned: Ready, tmp_path: Path) -> None:
    """Each emulator has a ledger of its own below the folder in which the writes to Azure are counted."""
    clock = VirtualClock(planned.noon)
    azure = FakeCloud(FakeService(planned.document), clock, tmp_path)
    read_only(azure).ledger.add(CountedWrite(at=clock.now(), vault_id="/v"))
    day = clock.now() - timedelta(days=1)
    assert len(read_only(azure).ledger.since(day)) == 1
    assert read_only(FakeCloud(azure.fake, clock, tmp_path, emulator="one")).ledger.since(day) == ()
    assert (tmp_path / "emulators" / "one").is_dir()


def test_writes_are_made_and_counted(planned: Ready, tmp_path: Path) -> None:
    """With enough time, every write is made, recorded in the journal, and counted in the ledger of the cloud."""
    clock = VirtualClock(planned.noon)
    cloud = FakeCloud(FakeService(planned.document), clock, tmp_path)
    outcome = make_writes(prepared_on(cloud, planned), cloud, wait=timedelta(days=9))
    assert outcome.complete, outcome
    assert len(state_of(read_journal(tmp_path / "plan.journal.jsonl")).done) == len(planned.plan.changes)
    policies = sum(change.kind != "reassign_item" for change in planned.plan.changes)
    assert len(read_only(cloud).ledger.since(planned.noon - timedelta(days=1))) == policies


def test_another_preparation_is_refused(planned: Ready, tmp_path: Path) -> None:
    """What was prepared for one command is not carried out as another; nothing is written."""
    cloud = FakeCloud(FakeService(planned.document), VirtualClock(planned.noon), tmp_path)
    with pytest.raises(ApplyError, match="a prepared 'apply', not 'rollback'"):
        prepared_on(cloud, planned).require("rollback")
    assert not (tmp_path / "plan.journal.jsonl").exists()
