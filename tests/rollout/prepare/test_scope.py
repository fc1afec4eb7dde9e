"""Scopes and approvals of runs."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import JournalError, UsageError
from optimizer.rollout.prepare.scope import Approval, RollbackScope, RunScope, recorded_scope
from optimizer.rollout.prepare.vm_filter import VmFilter
from tests.rollout.prepare.small_runs import READY, run_record

SCOPE = RunScope.of("vault=weu-01", "vm=sql*", max_moves=20, wave_percent=12.5, workers=2)


def test_a_scope_is_made_of_texts() -> None:
    """A text that selects nothing is refused, for both kinds of scopes."""
    assert SCOPE.only == (VmFilter("vault", "weu-01"), VmFilter("vm", "sql*"))
    for kind in (RunScope, RollbackScope):
        with pytest.raises(UsageError, match="tier=db"):
            kind.of("tier=db")


def test_a_scope_is_written_as_on_the_command_line() -> None:
    """Without the filters of a kind that other words replace."""
    assert SCOPE.words(besides="vault") == ["--only", "vm=sql*", "--max-moves", "20", "--wave", "12.5"]
    assert RunScope().words() == []
    assert RollbackScope.of("vm=a", "vault=v").words(besides="vm") == ["--only", "vault=v"]


def test_a_later_run_carries_the_options_on() -> None:
    """What is given again counts; the number of workers is not recorded."""
    run = run_record(options=SCOPE.options(), approved_by="board", ticket="CHG-1")
    assert RunScope(workers=7).carried_on(run) == RunScope(SCOPE.only, 20, 12.5, 7)
    assert RunScope.of("vm=x", max_moves=3).carried_on(run) == RunScope.of("vm=x", max_moves=3, wave_percent=12.5)
    assert RollbackScope(delete_created=True).carried_on(run) == RollbackScope(SCOPE.only, delete_created=True)
    assert Approval("me").carried_on(run) == Approval("me", "CHG-1")


@pytest.mark.parametrize(
    "options",
    [
        {"only": "vm=a"},
        {"only": [1]},
        {"max_moves": 0},
        {"max_moves": True},
        {"max_moves": "5"},
        {"wave": 100},
        {"wave": 0},
    ],
)
def test_options_that_no_run_records_are_refused(options: dict[str, Any]) -> None:
    """Somebody edited the journal."""
    with pytest.raises(JournalError, match="run 1 has options that no run records"):
        recorded_scope(run_record(options=options))


def test_only_some_scopes_leave_vms_out() -> None:
    """A pilot leaves none out for good."""
    assert RunScope(wave_percent=10).is_part is False
    assert RunScope(max_moves=1).is_part
    assert RunScope.of("vm=*").is_part


def test_a_rollback_covers_what_its_filters_match() -> None:
    """By default everything; it has no pilot."""
    scope = RollbackScope.of("vm=app-0", workers=3)
    covered = [write.name for write in READY.writes if write.vms and scope.covers(write, READY.inventory)]
    assert covered == ["app-0"]
    assert all(RollbackScope().covers(write, READY.inventory) for write in READY.writes)
    assert (scope.limits().workers, scope.limits().pilot) == (3, frozenset())
    assert scope.options() == {"only": ["vm=app-0"]}
