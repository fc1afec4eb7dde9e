"""Effects of the rules of a plan: VMs, moves, and breaches before and after."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.documents.plan_document import PlanDocument
from optimizer.model.rules import Rules
from optimizer.verifier.effects import RuleEffect, rule_effects
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def effect(starts: list[str], **rule: Any) -> RuleEffect:
    """Effect of one rule on a plan that gives the daily VMs of the first policy these starts, today 23:00."""
    rules = Rules.model_validate({"rule": [{"name": "rule", "where": {"name": "vm-*"}, **rule}]})
    chosen = [one for one in PLAN.schedule if one.policy_today == "daily-2300" and "vm-" in one.vm]
    given = dict(zip([one.vm for one in chosen], starts, strict=False))
    schedule = tuple(
        one.model_copy(update={"start": given.get(one.vm, one.start_today), "policy": one.policy_today})
        for one in PLAN.schedule
    )
    plan: PlanDocument = PLAN.model_copy(update={"rules": rules, "schedule": schedule})
    return rule_effects(INVENTORY, plan)[0]


def in_policy(policy: str) -> int:
    """Number of VMs of a policy, without the one with the hostile name."""
    return sum(one.policy_today == policy and "vm-" in one.vm for one in PLAN.schedule)


def test_a_window_is_broken_by_the_vms_that_start_in_it() -> None:
    """Those that start in the forbidden window count today, and no longer once they have moved."""
    late = in_policy("daily-2300")
    where = {"name": "vm-*", "frequency": "Daily"}
    found = effect(["02:00", "03:00"], where=where, forbid=[{"from": "23:00", "to": "23:30", "zone": "UTC"}])
    berlin, other = in_policy("daily-berlin"), in_policy("daily-0200")
    # At 23:00 in Berlin a window begins at 21:00 or 22:00 UTC and also lasts until after 23:00 UTC.
    assert found == RuleEffect("rule", late + berlin + other, 2, late + berlin, late + berlin - 2)


def test_a_cap_is_broken_by_all_vms_of_a_crowded_half_hour() -> None:
    """All VMs that start together are too many; those that leave no longer break the rule."""
    late = in_policy("daily-2300")
    where = {"name": "vm-*", "vault": "vault-1", "frequency": "Daily"}
    before = effect([], where=where, max_concurrent=2, per="vault")
    assert before.breaking_today == before.breaking_in_plan == late + in_policy("daily-berlin")
    after = effect(["11:00"], where=where, max_concurrent=2, per="vault")
    assert after.breaking_in_plan == before.breaking_today - 1


@pytest.mark.parametrize("key", ["separate", "order"])
def test_sets_are_broken_by_both_vms_of_a_pair(key: str) -> None:
    """Every VM of a pair that clashes counts, once, however many pairs it is in."""
    late = [one.vm.rpartition("/")[2] for one in PLAN.schedule if one.policy_today == "daily-2300" and "vm-" in one.vm]
    found = effect(["12:00", "12:00"], where={}, **{key: [late[0], late[1], late[2]]})
    assert found.breaking_today == 3
    assert found.breaking_in_plan == 2


def test_a_plan_without_rules_has_no_effects() -> None:
    """Without rules there is nothing to count."""
    assert rule_effects(INVENTORY, PLAN) == ()
