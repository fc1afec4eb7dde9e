"""Remarks before the confirmation of a run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from optimizer.errors import CloudError, ThrottledError, UncertainError
from optimizer.journal import Commands, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource
from optimizer.rollout.prepare.freshness import Freshness
from optimizer.rollout.prepare.remarks import (
    changes_elsewhere,
    closed_vaults,
    left_for_later,
    looked_at,
    not_rolled_back,
    outside_of_scope,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.prepare.scope import RunScope
from tests.plan.estates import VAULT
from tests.rollout.azure_rollouts import LOCK
from tests.rollout.fake_service import FakeService
from tests.rollout.prepare.small_runs import READY, session_in
from tests.rollout.small_rollouts import intent_of

HERE = ArmId(VAULT)
COMMANDS = Commands(Path("plan.json"), Path("plan.journal.jsonl"))
MOVES = [write for write in READY.writes if write.kind == "reassign_item"]


class Guarded(FakeService):
    """A service whose vault has a lock, or that refuses to show its settings."""

    refused: CloudError | None = None

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """A lock, or the error."""
        if self.refused is not None:
            raise self.refused
        return [*super().vault_settings(vault_id), LOCK]


def test_a_protection_is_remarked_on(tmp_path: Path) -> None:
    """Once for each vault."""
    protections, remarks = read_protections(READY.writes, session_in(tmp_path, Guarded(READY.document)))
    assert protections[HERE].read_only_lock == "keep"
    assert len(remarks) == 1 and "read-only lock 'keep'" in remarks[0]


def test_settings_that_cannot_be_read_do_not_stop_a_run(tmp_path: Path) -> None:
    """They are a remark; a vault that asks to stay away is closed instead, and not asked again."""
    service = Guarded(READY.document)
    session = session_in(tmp_path, service)
    service.refused = UncertainError("no answer")
    protections, remarks = read_protections(READY.writes, session)
    assert protections[HERE].remarks("v") == []
    assert remarks[0].startswith("the settings of vault rsv-one cannot be read")
    service.refused = ThrottledError("too many requests", retry_after_seconds=3600.0)
    assert read_protections(READY.writes, session)[1] == []
    service.refused = None
    assert read_protections(READY.writes, session)[1] == []
    (closed,) = closed_vaults(READY.writes, session)
    assert closed.startswith("vault rsv-one is closed until 2026-02-18 10:00 UTC, as the service asked")
    session.clock.sleep(timedelta(hours=2).total_seconds())
    assert closed_vaults(READY.writes, session) == []


def test_what_a_rollback_skips_is_counted() -> None:
    """Writes of changed objects are skipped; a vault with other changes only is named without a number."""
    fresh = Freshness({HERE: ["a", "b", "c", "d"]}, {}, (), changed=frozenset({MOVES[0].object_id}))
    (remark,) = not_rolled_back(fresh, MOVES)
    assert remark == (
        "vault rsv-one was changed by somebody else: a; b; c and 1 more; 1 write of the rollback is skipped because "
        "of that"
    )
    (remark,) = not_rolled_back(fresh, MOVES[1:])
    assert remark.endswith("c and 1 more")
    assert changes_elsewhere(Freshness({}, {HERE: ["policy 'p' is new"]}, (HERE,))) == [
        "vault rsv-one has changed where the plan does not touch it: policy 'p' is new"
    ]


def test_what_a_run_leaves_out_is_offered() -> None:
    """With the options that take the rest; a run of everything leaves nothing out."""
    (remark,) = outside_of_scope(READY.writes, MOVES[:1], RunScope.of("vm=app-0", max_moves=1), COMMANDS)
    assert remark.startswith("the plan moves 3 more VMs that this run leaves out")
    assert remark.endswith("backup-optimizer apply plan.json --resume --only 'vm=*' --max-moves 4")
    assert outside_of_scope(READY.writes, MOVES[:1], RunScope(), COMMANDS) == []
    (back,) = left_for_later(MOVES, MOVES[:1], ["vm"], COMMANDS)
    assert back.startswith("1 more VM stays at the new time; to move it back later:")
    assert left_for_later(MOVES, MOVES[:1], [], COMMANDS) == []


def test_writes_of_unknown_outcome_are_named() -> None:
    """If they are not known to have ended."""
    move = MOVES[0]
    (remark,) = looked_at(MOVES, state_of([intent_of(move, vault_id=HERE)]))
    assert remark.startswith("an earlier run began to write app-0, and its outcome is not known yet")
    assert looked_at(MOVES, state_of([])) == []


def test_rules_that_only_the_plan_vouches_for_are_remarked_on() -> None:
    """Without the rollback file that 'plan' writes, the fingerprint is all there is to compare."""
    (remark,) = unproven_rules(READY.case)
    assert "is missing" in remark
    assert remark.endswith(READY.plan.fingerprint)
