"""Agenda of a run."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import Rules
from optimizer.rollout.calendar.budget import LedgerCounts
from optimizer.rollout.carry_out.agenda import Agenda
from optimizer.rollout.writes.baseline import Baseline
from tests.plan.estates import standard_policy
from tests.rollout.small_rollouts import NOW, world

GIVEN = world(
    [standard_policy("one", "23:00")], {"a": "one", "b": "one", "c": "one"}, {"a": "02:00", "b": "02:00"}, Rules()
)
BASELINE = Baseline(GIVEN.inventory, GIVEN.rules)
CREATION, *MOVES = GIVEN.writes()


def test_what_needs_a_lost_write_gets_no_time() -> None:
    """If a policy could not be created, the moves to it are blocked, and the creation is not tried again."""
    rollout = Agenda(GIVEN.writes(), BASELINE).lay_out(NOW, {}, {CREATION.number}, LedgerCounts())
    assert rollout.writes == ()
    assert [item.reason for item in rollout.blocked] == [f"it needs write {CREATION.number} first"] * 2


def test_made_writes_are_part_of_the_state_and_not_of_the_calendar() -> None:
    """A write outside the selection counts once it turns out to be made."""
    agenda = Agenda((MOVES[0],), BASELINE, begun=(CREATION, MOVES[1]))
    assert agenda.all_writes == (MOVES[0], CREATION, MOVES[1])
    made = {CREATION.number: NOW}
    assert [timed.write for timed in agenda.lay_out(NOW, made, (), LedgerCounts()).writes] == [MOVES[0]]
    alone = replace(agenda, begun=())
    assert [item.write for item in alone.lay_out(NOW, {}, (), LedgerCounts()).blocked] == [MOVES[0]]
