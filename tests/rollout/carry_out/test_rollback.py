"""The way back: everything as it was, whatever was applied and whenever the rollback itself is killed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from optimizer.errors import ApplyError, JournalError, StalePlanError
from optimizer.journal import Journal, read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.model.raw import id_of
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import moved_vms
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.rollout.carry_out.test_run import _kill_at
from tests.rollout.conftest import PACE, Ready, prepare_back, run
from tests.rollout.fake_service import FakeService, Faults, Killed


def take_back(
    ready: Ready,
    service: FakeService,
    folder: Path,
    clock: VirtualClock,
    *,
    resume: bool = False,
    delete: bool = False,
    journal_of: type[Journal] = Journal,
) -> RunOutcome:
    prepared = prepare_back(ready, service, folder, clock, resume=resume, delete=delete)
    until = latest_end(prepared.rollout, clock.now())
    ledger = Ledger(folder / "state")
    return carry_out(prepared, Session(service, clock, ledger), until=until, pace=PACE, journal_of=journal_of)


def created(ready: Ready) -> set[str]:
    return {write.object_id.lower() for write in ready.writes if write.kind == "create_policy"}


def test_a_rollback_restores_the_start(planned: Ready, tmp_path: Path) -> None:
    """Every policy and item is as it was; what the plan created stays, empty."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    outcome = take_back(planned, service, tmp_path, clock)
    assert outcome.complete, outcome
    assert compare_estates(planned.document, service.snapshot(), besides=created(planned)) == ()
    used = {str(r["properties"].get("policyId")).lower() for r in service.items.values()}
    assert not used & created(planned)


def test_what_a_rollback_waits_for_is_stated(planned: Ready, tmp_path: Path) -> None:
    """Right after an apply, some VMs can only go back after a backup: the reason says after which one."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    prepared = prepare_back(planned, service, tmp_path, clock)
    outcome = carry_out(prepared, Session(service, clock, Ledger(tmp_path / "state")), until=None, pace=PACE)
    opening = [reason for reason in outcome.pending.values() if reason.startswith("opens at ")]
    assert opening
    assert all(re.fullmatch(r"opens at [-\d]+ \d\d:\d\d UTC, (after|clear|with|between|when) .*", r) for r in opening)
    assert any(re.search(r", after the \d\d:\d\d backup$", reason) for reason in opening)


def test_created_policies_are_deleted_on_demand(planned: Ready, tmp_path: Path) -> None:
    """With --delete-created nothing is left of the plan."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    assert take_back(planned, service, tmp_path, clock, delete=True).complete
    assert compare_estates(planned.document, service.snapshot()) == ()


def test_a_rollback_of_a_part_takes_back_that_part(planned: Ready, tmp_path: Path) -> None:
    """What was not done is not undone: after a run that stopped early the start is restored as well."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    with pytest.raises(Killed):
        run(planned, service, tmp_path, clock=clock, journal_of=_kill_at(8, after=True))
    run(planned, service, tmp_path, clock=clock, resume=True, wait=False)
    take_back(planned, service, tmp_path, clock)
    assert compare_estates(planned.document, service.snapshot(), besides=created(planned)) == ()


@pytest.mark.thorough
def test_a_rollback_killed_at_any_line_is_resumed(planned: Ready, tmp_path: Path) -> None:
    """Killed after each line in turn and resumed, the start is restored with each write made once."""
    whole, clock = tmp_path / "whole", VirtualClock(planned.noon)
    service = FakeService(planned.document)
    run(planned, service, whole, clock=clock)
    take_back(planned, service, whole, clock)
    num_lines = len(read_journal(whole / "plan.rollback.jsonl"))
    for line in range(1, num_lines + 1):
        folder = tmp_path / f"killed-{line}"
        service, clock = FakeService(planned.document), VirtualClock(planned.noon)
        run(planned, service, folder, clock=clock)
        service.accepted.clear()
        with pytest.raises(Killed):
            take_back(planned, service, folder, clock, journal_of=_kill_at(line, after=True))
        assert take_back(planned, service, folder, clock, resume=True).complete
        assert compare_estates(planned.document, service.snapshot(), besides=created(planned)) == ()
        assert set(service.accepted.values()) == {1}


def test_a_rollback_survives_faults(planned: Ready, tmp_path: Path) -> None:
    """Under a stream of faults the start is restored, resumed as often as it takes."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    service.faults = Faults(rate=0.3, seed=3)
    outcome = take_back(planned, service, tmp_path, clock)
    for _ in range(30):
        if outcome.complete:
            break
        outcome = take_back(planned, service, tmp_path, clock, resume=True)
    assert compare_estates(planned.document, service.snapshot(), besides=created(planned)) == ()


def test_nothing_done_is_nothing_to_take_back(planned: Ready, tmp_path: Path) -> None:
    """A journal in which nothing was done is refused, and says so."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    with pytest.raises(Killed):
        run(planned, service, tmp_path, clock=clock, journal_of=_kill_at(1, after=True))
    with pytest.raises(ApplyError, match="according to the journal, none of its writes was made"):
        prepare_back(planned, service, tmp_path, clock)


def test_policies_made_but_not_used_are_named(planned: Ready, tmp_path: Path) -> None:
    """After an 'apply' that only created policies, the answer says so and how to delete them, and that works."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    with pytest.raises(Killed):
        run(planned, service, tmp_path, clock=clock, journal_of=_kill_at(3, after=True))
    (done,) = state_of(read_journal(tmp_path / "plan.journal.jsonl")).done
    (policy,) = [write for write in planned.writes if write.number == done]
    assert policy.kind == "create_policy"
    told = f"according to the journal, no VM was moved .* 1 policy created by the plan has no VMs: {policy.name}\n"
    with pytest.raises(ApplyError, match=told + r"to delete it:\n    backup-optimizer rollback .*--delete-created\n"):
        prepare_back(planned, service, tmp_path, clock)
    assert take_back(planned, service, tmp_path, clock, delete=True).complete
    assert compare_estates(planned.document, service.snapshot()) == ()


def test_a_plan_that_was_taken_back_is_not_carried_on(planned: Ready, tmp_path: Path) -> None:
    """After a rollback 'apply --resume' says that a new plan is needed."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    take_back(planned, service, tmp_path, clock)
    with pytest.raises(ApplyError, match="was rolled back"):
        run(planned, service, tmp_path, clock=clock, resume=True)


def _die_after_effect(service: FakeService, object_id: str) -> None:
    """Let the process die right after one object was written."""
    original = service._write

    def write(kind: str, written: str, change: object) -> None:
        original(kind, written, change)  # type: ignore[arg-type]
        if written == object_id:
            raise Killed

    service._write = write  # type: ignore[method-assign]  # dies at the service, not in the code under test


def test_a_write_whose_end_the_journal_does_not_know_is_taken_back_too(planned: Ready, tmp_path: Path) -> None:
    """Killed between the request and its record, the rollback looks whether it took place, and undoes it."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    victim = next(write for write in planned.writes if write.kind == "reassign_item")
    plain = service._write
    _die_after_effect(service, victim.object_id)
    with pytest.raises(Killed):
        run(planned, service, tmp_path, clock=clock)
    service._write = plain  # type: ignore[method-assign]  # as before
    assert service.accepted["item", victim.object_id.lower()] == 1
    prepared = prepare_back(planned, service, tmp_path, clock)
    assert victim.number in {write.number for write in prepared.writes}
    assert take_back(planned, service, tmp_path, clock).complete
    assert compare_estates(planned.document, service.snapshot(), besides=created(planned)) == ()


def test_a_way_back_that_would_cost_recovery_points_is_skipped(planned: Ready, tmp_path: Path) -> None:
    """An old policy with a shorter retention gets no VMs back; all others go back, and then the change is named."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    old = next(write.policy_before for write in planned.writes if write.kind == "reassign_item")
    retention = service.policies[old.lower()]["properties"]["retentionPolicy"]
    retention["dailySchedule"]["retentionDuration"]["count"] = 7
    stay = {write.object_id.lower() for write in planned.writes if write.policy_before == old}
    moved = {write.object_id.lower() for write in planned.writes if write.kind == "reassign_item"}
    assert stay < moved
    prepared = prepare_back(planned, service, tmp_path, clock)
    assert any("retentionPolicy" in remark and "skipped because of that" in remark for remark in prepared.remarks)
    outcome = take_back(planned, service, tmp_path, clock)
    assert not outcome.complete
    assert len(outcome.skipped) == len(stay)
    now, start = (
        {id_of(r).lower(): r["properties"]["policyId"] for r in d.protected_items}
        for d in (service.snapshot(), planned.document)
    )
    assert {key for key in now if now[key].lower() != start[key].lower()} == stay
    with pytest.raises(StalePlanError, match=r"(?s)not everything can be rolled back.*retentionPolicy") as caught:
        prepare_back(planned, service, tmp_path, clock, resume=True)
    assert "undo those changes by hand" in str(caught.value)


def test_what_somebody_else_moved_on_does_not_bar_the_way_back_of_the_rest(planned: Ready, tmp_path: Path) -> None:
    """A VM that was moved on since is left where it is, and every other one goes back."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    victim = next(write for write in planned.writes if write.kind == "reassign_item")
    elsewhere = next(
        key for key in service.policies if key not in (victim.policy_before.lower(), victim.policy_after.lower())
    )
    service.items[victim.object_id.lower()]["properties"]["policyId"] = service.policies[elsewhere]["id"]
    outcome = take_back(planned, service, tmp_path, clock)
    assert outcome.skipped == (victim.number,)
    assert not outcome.pending
    differences = compare_estates(planned.document, service.snapshot(), besides=created(planned))
    assert [text for text in differences if victim.object_id.lower() not in text.lower()] == []


def test_what_was_taken_back_is_not_watched(planned: Ready, tmp_path: Path) -> None:
    """A VM that is back at its old start is not looked for at its new one; a journal of another plan is refused."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    journal = tmp_path / "plan.journal.jsonl"
    assert len(moved_vms(planned.plan, journal)) == planned.plan.summary.moved
    take_back(planned, service, tmp_path, clock)
    assert moved_vms(planned.plan, journal) == {}
    other = planned.plan.model_copy(update={"fingerprint": "sha256:other"})
    with pytest.raises(JournalError, match="belongs to the plan"):
        moved_vms(other, journal)
    with pytest.raises(JournalError, match="rollback"):
        moved_vms(planned.plan, tmp_path / "plan.rollback.jsonl")
