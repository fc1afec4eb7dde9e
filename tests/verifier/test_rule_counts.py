"""Breaches that a step toward the rules leaves."""

from __future__ import annotations

from collections import Counter

from optimizer.model.rules import Rule, Rules
from optimizer.verifier.rule_counts import Counting, check_left
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import capped_groups, rules_of, stays
from optimizer.verifier.window_clock import WindowClock
from tests.plan.three_vms import the_case

INVENTORY = the_case().inventory


def counting(*rules: Rule) -> Counting:
    clock, all_rules = WindowClock(INVENTORY), Rules(rule=rules)
    return Counting(
        INVENTORY,
        clock,
        SetRules(INVENTORY, all_rules, clock),
        lambda item: rules_of(INVENTORY, all_rules, item),
        lambda item: capped_groups(INVENTORY, all_rules, item),
        stays,
    )


def test_vms_that_break_a_rule_are_counted_by_rule() -> None:
    """A cap is broken by all VMs that meet; a window by each VM on its own; a set by the VMs on both sides."""
    by_day = Rule.model_validate({"name": "by day", "allow": [{"from": "08:00", "to": "20:00", "zone": "UTC"}]})
    found = counting(Rule(name="one", max_concurrent=1), by_day, Rule(name="sets", separate=("db-*", "web-*")))
    assert found.breaking([46, 46, 46]) == Counter({"by day": 3, "sets": 3, "one": 2})
    assert found.breaking([20, 46, 2]) == Counter({"by day": 2, "one": 2}) - Counter()
    assert found.breaking([20, 46, 10]) == Counter({"by day": 2})


def test_immovable_vms_do_not_count() -> None:
    """What they break, no plan can mend."""
    pinned = counting(Rule(name="one", max_concurrent=1), Rule(name="pin", pin=True))
    assert pinned.breaking([46, 46, 46]) == Counter()


def test_a_rule_may_not_get_worse_and_is_stated_as_it_is() -> None:
    """Each rule that is broken today is stated with the VMs that break it in the plan."""
    before = Counter({"one": 2})
    assert check_left(before, Counter({"one": 1}), {"one": 1}) == []
    assert check_left(before, Counter(), {"one": 0}) == []
    (fault,) = check_left(before, Counter({"one": 1}), {"one": 2})
    assert fault == "rule 'one': the plan states 2 VMs that break it, it is 1"
    worse, _ = check_left(Counter(), Counter({"two": 1}), {"two": 1})
    assert worse == "rule 'two': 1 VMs break it in the plan, and 0 do today"
