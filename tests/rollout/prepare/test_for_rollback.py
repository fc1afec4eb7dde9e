"""Preparation of a ``rollback``."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import ApplyError, StalePlanError
from optimizer.model.clock import VirtualClock
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.scope import RollbackScope
from tests.rollout.conftest import run
from tests.rollout.fake_service import FakeService
from tests.rollout.prepare.small_runs import READY, session_in
from tests.rollout.small_rollouts import NOW

MOVES = [write for write in READY.writes if write.kind == "reassign_item"]


@pytest.fixture
def applied(tmp_path: Path) -> FakeService:
    """Service at which the whole plan was applied, with its journal."""
    service = FakeService(READY.document)
    assert run(READY, service, tmp_path, clock=VirtualClock(NOW)).complete
    service.order.clear()
    return service


def prepare(folder: Path, service: FakeService, scope: RollbackScope = RollbackScope()) -> Prepared:  # noqa: B008  # frozen
    """Prepare the rollback of the journal in a folder."""
    back = RunJournal(folder / "plan.rollback.jsonl", "rollback")
    return prepare_rollback(READY.case, session_in(folder, service), folder / "plan.journal.jsonl", back, scope=scope)


def test_everything_that_was_moved_is_moved_back(tmp_path: Path, applied: FakeService) -> None:
    """The last write first; created policies stay, and the old state is tolerated."""
    prepared = prepare(tmp_path, applied)
    assert [write.kind for write in prepared.writes].count("reassign_item") == 2
    assert all(write.start_after in {"23:00", "22:00"} for write in prepared.writes)
    assert prepared.baseline.tolerated is not None
    assert (prepared.command, applied.order) == ("rollback", [])


def test_created_policies_are_deleted_on_request(tmp_path: Path, applied: FakeService) -> None:
    """After the VMs have left them."""
    writes = prepare(tmp_path, applied, RollbackScope(delete_created=True)).writes
    created = [write for write in READY.writes if write.kind == "create_policy"]
    assert [write.kind for write in writes][-len(created) :] == ["delete_policy"] * len(created)


def test_a_part_is_rolled_back_by_itself(tmp_path: Path, applied: FakeService) -> None:
    """The others stay, and the remark says how to return them."""
    prepared = prepare(tmp_path, applied, RollbackScope.of("vm=app-0"))
    assert [write.name for write in prepared.writes] == ["app-0"]
    assert any("3 more VMs stay at the new time" in remark for remark in prepared.remarks)


def test_what_somebody_else_changed_is_left_out_or_refused(tmp_path: Path, applied: FakeService) -> None:
    """One VM of several is a remark; if nothing else is left, the rollback is refused."""
    for move in MOVES[:1]:
        applied.items[move.object_id.key]["properties"]["policyId"] += "-other"
    prepared = prepare(tmp_path, applied)
    assert any("1 write of the rollback is skipped" in remark for remark in prepared.remarks)
    with pytest.raises(StalePlanError, match="not everything can be rolled back"):
        prepare(tmp_path, applied, RollbackScope.of(f"vm={MOVES[0].name}"))


def test_a_journal_that_moved_nothing_is_refused(tmp_path: Path) -> None:
    """Before any time suits, no write is made."""
    service = FakeService(READY.document)
    evening = VirtualClock(NOW.replace(hour=22))
    run(READY, service, tmp_path, clock=evening, wait=False)
    with pytest.raises(ApplyError, match=r"so every backup still has its old time|nothing to undo"):
        prepare(tmp_path, service)
