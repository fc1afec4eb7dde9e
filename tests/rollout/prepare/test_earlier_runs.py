"""What the journal of earlier runs means for the next run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.errors import ApplyError, JournalError
from optimizer.journal import Commands, DoneRecord, Journal, Record
from optimizer.rollout.prepare.earlier_runs import (
    RunJournal,
    carried_on,
    moved_vms,
    records_to_undo,
    refuse_rolled_back,
)
from optimizer.rollout.prepare.scope import Approval, RunScope
from tests.rollout.prepare.small_runs import READY, journal_in, run_record
from tests.rollout.small_rollouts import NOW, intent_of

MOVE = next(write for write in READY.writes if write.kind == "reassign_item")
INTENT = intent_of(MOVE)
DONE = DoneRecord(number=MOVE.number, at=NOW, how="written", after=None)


def write(path: Path, *records: Record) -> Path:
    """Write a journal."""
    journal = Journal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return path


def test_a_first_run_has_no_journal_and_a_later_one_resumes_it(tmp_path: Path) -> None:
    """Each is refused in the other's place, with what to do."""
    assert journal_in(tmp_path).records(READY.plan) == ()
    with pytest.raises(ApplyError, match="there is no journal to resume; run 'apply' without --resume"):
        journal_in(tmp_path, resume=True).records(READY.plan)
    write(journal_in(tmp_path).path, run_record())
    with pytest.raises(ApplyError, match="this plan has a journal; continue with --resume"):
        journal_in(tmp_path).records(READY.plan)
    assert journal_in(tmp_path, resume=True).records(READY.plan) == (run_record(),)


def test_the_journal_of_another_plan_or_command_is_refused(tmp_path: Path) -> None:
    """Both plans are named by their fingerprints, both commands by their names."""
    other = write(tmp_path / "other.jsonl", run_record(plan_fingerprint="sha256:other"))
    with pytest.raises(JournalError, match="belongs to the plan with fingerprint sha256:other"):
        RunJournal(other, resume=True).records(READY.plan)
    back = write(tmp_path / "back.jsonl", run_record(command="rollback"))
    with pytest.raises(JournalError, match="is the journal of 'rollback', not of 'apply'"):
        RunJournal(back, resume=True).records(READY.plan)
    with pytest.raises(JournalError, match="not of 'apply' or 'rehearse'"):
        records_to_undo(back, READY.plan, READY.writes)
    assert RunJournal(back, "rollback", resume=True).records(READY.plan)


def test_records_must_match_their_writes(tmp_path: Path) -> None:
    """A record of a write that the plan does not have was not written by a run."""
    path = write(tmp_path / "j.jsonl", run_record(), replace_number(DONE, 99))
    with pytest.raises(JournalError, match="the plan has no write 99"):
        records_to_undo(path, READY.plan, READY.writes)
    with pytest.raises(JournalError, match="the plan has no write 99"):
        RunJournal(path).check([replace_number(DONE, 99)], READY.writes)


def replace_number(record: DoneRecord, number: int) -> DoneRecord:
    return record.model_copy(update={"number": number})


def test_a_plan_whose_rollback_has_begun_is_not_continued(tmp_path: Path) -> None:
    """A rollback that has written nothing yet does no harm."""
    commands = Commands(Path("plan.json"), tmp_path / "plan.journal.jsonl")
    write(tmp_path / "plan.rollback.jsonl", run_record(command="rollback"))
    refuse_rolled_back(tmp_path / "plan.journal.jsonl", commands)
    write(tmp_path / "plan.rollback.jsonl", INTENT)
    with pytest.raises(ApplyError, match=r"this run was rolled back, at least in part \(plan.rollback.jsonl\)"):
        refuse_rolled_back(tmp_path / "plan.journal.jsonl", commands)


def test_the_first_run_has_its_own_options() -> None:
    """There is nothing to carry on."""
    scope, approval = RunScope(max_moves=3), Approval("me")
    assert carried_on((), scope, approval) == (scope, approval)
    assert carried_on([run_record(options={"wave": 5.0})], scope, approval) == (
        replace(scope, wave_percent=5.0),
        approval,
    )


def test_vms_that_a_rollback_returned_are_no_longer_moved(tmp_path: Path) -> None:
    """Before it, they are; the journal of a rollback itself is refused."""
    journal = write(tmp_path / "plan.journal.jsonl", run_record(), INTENT, DONE)
    assert moved_vms(READY.plan, journal) == {MOVE.vms[0]: NOW}
    back = write(tmp_path / "plan.rollback.jsonl", run_record(command="rollback"), INTENT, DONE)
    assert moved_vms(READY.plan, journal) == {}
    with pytest.raises(JournalError, match="is the journal of a rollback; give that of 'apply'"):
        moved_vms(READY.plan, back)
