"""Preparation of an ``apply``."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import ApplyError, ClockError, StalePlanError
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.scope import Approval, RunScope
from tests.rollout.fake_service import FakeService
from tests.rollout.prepare.small_runs import READY, journal_in, session_in


def test_everything_is_laid_out_and_nothing_is_written(tmp_path: Path) -> None:
    """The plan has one calendar; the missing rollback file is remarked on, except in a rehearsal."""
    session = session_in(tmp_path)
    prepared = prepare_apply(READY.case, session, journal_in(tmp_path), approval=Approval("board", "CHG-1"))
    assert {timed.write for timed in prepared.rollout.writes} == set(READY.writes)
    assert prepared.approval == Approval("board", "CHG-1")
    assert prepared.commands.apply() == f"backup-optimizer apply plan.json --journal {prepared.journal_path} --resume"
    assert session.service.order == []
    assert not prepared.journal_path.exists()
    assert any("could not be checked" in remark for remark in prepared.remarks)
    rehearsed = prepare_apply(READY.case, session, RunJournal(tmp_path / "j.jsonl", "rehearse"))
    assert rehearsed.remarks == ()


def test_a_part_of_a_plan_has_its_pilot_and_a_remark_on_the_rest(tmp_path: Path) -> None:
    """Only what is selected gets a time."""
    scope = RunScope.of("vm=app-*", wave_percent=50, workers=2)
    prepared = prepare_apply(READY.case, session_in(tmp_path), journal_in(tmp_path), scope=scope)
    assert {vm.name for timed in prepared.rollout.writes for vm in timed.write.vms} == {"app-0", "app-1"}
    assert (len(prepared.pilot), prepared.limits.workers) == (1, 2)
    assert any("2 more VMs that this run leaves out" in remark for remark in prepared.remarks)


def test_a_stale_plan_is_refused_with_what_still_holds(tmp_path: Path) -> None:
    """Somebody moved a VM; the offered command leaves it out."""
    service = FakeService(READY.document)
    move = next(write for write in READY.writes if write.kind == "reassign_item")
    service.items[move.object_id.key]["properties"]["policyId"] += "-other"
    with pytest.raises(StalePlanError) as caught:
        prepare_apply(READY.case, session_in(tmp_path, service), journal_in(tmp_path))
    assert "can still be moved" in str(caught.value)
    assert f"--only vm={move.name}" not in str(caught.value)


def test_a_service_whose_time_is_unknown_is_refused(tmp_path: Path) -> None:
    """Every window depends on the time."""
    service = FakeService(READY.document)
    service.ahead = None
    with pytest.raises(ClockError, match="run 'apply' again"):
        prepare_apply(READY.case, session_in(tmp_path, service), journal_in(tmp_path))


def test_a_resumption_without_a_journal_is_refused(tmp_path: Path) -> None:
    """There is nothing to resume."""
    with pytest.raises(ApplyError, match="there is no journal to resume"):
        prepare_apply(READY.case, session_in(tmp_path), journal_in(tmp_path, resume=True))
