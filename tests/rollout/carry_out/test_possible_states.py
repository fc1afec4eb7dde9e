"""Possible states of an estate while the outcome of some writes is unknown."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.carry_out.possible_states import MOST_UNSETTLED, PossibleStates
from optimizer.rollout.writes.baseline import Baseline
from tests.plan.estates import standard_policy
from tests.rollout.small_rollouts import world

GIVEN = world(
    [standard_policy("one", "23:00"), standard_policy("two", "22:00"), standard_policy("far", "12:00")],
    {"a": "one", "b": "two"},
    {"a": "22:00", "b": "12:00"},
    Rules(policies=PolicyLimits(edit=False, max_vms_per_policy=1, max_policies_per_vault=3)),
)
BASELINE = Baseline(GIVEN.inventory, GIVEN.rules)
LEAVES, ENTERS = GIVEN.writes()


def test_a_write_must_fit_every_state_that_is_possible() -> None:
    """As long as it is not known whether a place was freed, nobody gets it; once it is known, a VM may move in."""
    states = PossibleStates(BASELINE.transition, ())
    assert "is full" in states.blocker(ENTERS, 0)
    states.begun(LEAVES, 0)
    assert "is full" in states.blocker(ENTERS, 0)
    assert states.blocker(LEAVES, 0) == ""  # it leads to no state that was not possible before
    states.ended(LEAVES, 0, made=True)
    assert states.blocker(ENTERS, 0) == ""
    assert states.unsettled_of(0) == []


def test_a_write_that_did_not_take_effect_leaves_the_state_as_it_was() -> None:
    """The place is still taken, and nothing is unsettled."""
    states = PossibleStates(BASELINE.transition, ())
    states.begun(LEAVES, 0)
    states.begun(LEAVES, 0)  # known already
    assert [write.number for write in states.unsettled_of(0)] == [LEAVES.number]
    states.ended(LEAVES, 0, made=False)
    assert "is full" in states.blocker(ENTERS, 0)
    assert states.unsettled_of(0) == []


def test_writes_that_are_made_are_part_of_every_state() -> None:
    """Those of earlier runs count from the start."""
    assert PossibleStates(BASELINE.transition, [LEAVES]).blocker(ENTERS, 0) == ""


def test_too_many_unsettled_writes_hold_up_the_lane_and_no_other() -> None:
    """Each of them doubles the states to keep."""
    states = PossibleStates(BASELINE.transition, [LEAVES])
    for number in range(10, 10 + MOST_UNSETTLED):
        states.begun(replace(LEAVES, number=number), 0)
    assert states.blocker(ENTERS, 0) == f"the outcome of {MOST_UNSETTLED} other writes of this vault is not known yet"
    assert states.blocker(ENTERS, 1) == ""
