"""A run before its first write."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.errors import ApplyError
from optimizer.journal import Commands, DoneRecord
from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.prepare.protections import Protection
from optimizer.rollout.prepare.selection import Selection
from tests.rollout.prepare.small_runs import READY
from tests.rollout.small_rollouts import NOW

HERE, THERE = ArmId("/v/here"), ArmId("/v/there")
PREPARED = Prepared(
    case=READY.case,
    journal=RunJournal(Path("plan.journal.jsonl")),
    baseline=READY.baseline,
    selection=Selection(READY.writes, begun=READY.writes[:1]),
    rollout=Rollout(NOW, ()),
    commands=Commands(Path("plan.json"), Path("plan.journal.jsonl")),
    records=(DoneRecord(number=2, at=NOW, how="written", after=None),),
    protections={HERE: Protection(guard_requests={"policy": ("/r1", "/r2")}), THERE: Protection()},
)


def test_a_run_is_carried_out_as_the_command_that_it_was_prepared_for() -> None:
    """The message names both commands and the journal."""
    PREPARED.require("apply")
    with pytest.raises(ApplyError, match=r"plan\.journal\.jsonl: this is a prepared 'apply', not 'rollback'"):
        PREPARED.require("rollback")


def test_the_parts_of_a_run_can_be_asked_for() -> None:
    """What a report needs."""
    assert (PREPARED.plan, PREPARED.plan_path) == (READY.plan, READY.plan_path)
    assert (PREPARED.writes, PREPARED.begun, PREPARED.num_made) == (READY.writes, READY.writes[:1], 1)
    assert (PREPARED.inventory, PREPARED.pilot) == (READY.inventory, frozenset())
    assert PREPARED.journal_path == Path("plan.journal.jsonl")


def test_requests_of_a_guard_are_listed_by_vault_and_kind() -> None:
    """A vault without a guard has none."""
    assert PREPARED.guard_requests() == {(HERE, "policy"): ("/r1", "/r2")}


def test_two_days_are_to_spare_after_the_last_write() -> None:
    """An empty calendar ends two days from now."""
    assert latest_end(PREPARED.rollout, NOW) == NOW + timedelta(days=2)
