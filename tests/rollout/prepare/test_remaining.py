"""Writes that a run still has to make."""

from __future__ import annotations

from pathlib import Path

from optimizer.journal import DoneRecord, state_of
from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.prepare.remaining import Remaining, not_done
from optimizer.rollout.prepare.selection import Selection
from tests.plan.estates import VAULT
from tests.rollout.prepare.small_runs import READY, session_in
from tests.rollout.small_rollouts import NOW

STATE = state_of([DoneRecord(number=1, at=NOW, how="written", after=None)])
REMAINING = Remaining(Selection(READY.writes), STATE)


def test_done_writes_are_not_left() -> None:
    """The order stays."""
    assert REMAINING.to_do == list(READY.writes[1:])
    assert not_done(READY.writes[:1], STATE) == []


def test_the_calendar_has_what_is_left(tmp_path: Path) -> None:
    """Done writes are part of the state that it begins with."""
    rollout = REMAINING.laid_out(READY.baseline, session_in(tmp_path), RolloutLimits())
    assert {timed.write.number for timed in rollout.writes} == {write.number for write in REMAINING.to_do}
    assert (rollout.began, rollout.blocked) == (NOW, ())


def test_only_vaults_with_something_left_are_compared(tmp_path: Path) -> None:
    """If all is done, not even a vault that has changed is read."""
    session = session_in(tmp_path)
    session.service.policies.clear()
    everything = state_of([DoneRecord(number=w.number, at=NOW, how="written", after=None) for w in READY.writes])
    assert Remaining(Selection(READY.writes), everything).compared(READY.document, session).broken == {}
    assert set(REMAINING.compared(READY.document, session).broken) == {ArmId(VAULT)}
