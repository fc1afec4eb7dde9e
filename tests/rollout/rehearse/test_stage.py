"""Stage of a rehearsal: where it writes, and how it goes on until the first backups."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from optimizer.journal import read_journal
from optimizer.ports import no_progress
from optimizer.rollout.prepare.for_apply import prepare_apply
from tests.rollout.prepare.small_runs import READY
from tests.rollout.rehearse.memory_twin import stage_in


def test_everything_is_written_in_its_folder(tmp_path: Path) -> None:
    """The ledger, and a journal of its own for each command."""
    stage, _ = stage_in(tmp_path, READY.document)
    assert stage.session.ledger.folder == tmp_path / "state"
    assert (stage.journal.command, stage.rollback_journal.command) == ("rehearse", "rollback")
    assert {stage.journal.path.parent, stage.rollback_journal.path.parent} == {tmp_path}
    assert stage.state().done == {}


def test_writes_are_made_and_then_watched_until_their_first_runs_are_over(tmp_path: Path) -> None:
    """The clock jumps over the days of the roll-out, 30 hours for daily runs, and further looks."""
    stage, twin = stage_in(tmp_path, READY.document)
    prepared = prepare_apply(READY.case, stage.session, stage.journal)
    assert stage.watch(prepared) is None  # nothing was moved yet
    assert stage.carry_out(prepared, no_progress).complete
    assert len(stage.state().done) == len(READY.writes) == len(twin.order)
    assert read_journal(stage.journal.path)
    before = stage.session.clock.now()
    report = stage.watch(prepared)
    assert report is not None
    assert len(report.vms) == 4
    assert stage.session.clock.now() - before >= timedelta(hours=30)
