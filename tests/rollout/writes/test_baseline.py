"""Baseline of a roll-out."""

from __future__ import annotations

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.writes.baseline import Baseline
from tests.plan.estates import policy_id, standard_policy
from tests.rollout.small_rollouts import world

ONE, TWO = ArmId(policy_id("one")), ArmId(policy_id("two"))
FULL = world(
    [standard_policy("one", "01:00"), standard_policy("two", "05:00")],
    {"a": "one", "b": "two"},
    {"a": "05:00"},
    Rules(policies=PolicyLimits(max_vms_per_policy=2, edit=False)),
)


def test_the_state_after_some_writes_is_the_one_that_they_lead_to() -> None:
    """A VM that moved takes a place in its new policy, and leaves one in the old policy."""
    baseline, (write,) = Baseline(FULL.inventory, FULL.rules), FULL.writes()
    before, after = baseline.transition(), baseline.transition([write])
    assert (before.room(ONE), before.room(TWO)) == (1, 1)
    assert (after.room(ONE), after.room(TWO)) == (2, 0)


def test_a_tolerated_state_raises_the_limits_to_what_it_holds() -> None:
    """A rollback may fill a policy as far as it was filled before."""
    crowded = world(
        [standard_policy("one", "01:00"), standard_policy("two", "05:00")],
        {"a": "one", "b": "two", "c": "two", "d": "two"},
        {},
        FULL.rules,
    )
    strict = Baseline(FULL.inventory, FULL.rules).transition()
    tolerant = Baseline(FULL.inventory, FULL.rules, crowded.inventory).transition()
    assert strict.most_vms(TWO) == 2
    assert tolerant.most_vms(TWO) == 3
