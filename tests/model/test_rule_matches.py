"""VMs that a rule applies to, and exceptions that match none of them."""

from __future__ import annotations

from optimizer.model.rule_matches import idle_exceptions, matching_items
from optimizer.model.rules import Rule
from optimizer.model.selectors import Selector
from tests.solve.examples import inventory, policy

FOUND = inventory([policy("p", "v", 46), policy("q", "w", 20)], [("web", "p"), ("web", "q"), ("db", "q")])


def test_a_rule_applies_where_its_criteria_match() -> None:
    """By service, by name, and to every VM if no criterion is given."""
    assert matching_items(FOUND, Rule(name="r", where=Selector(service="web"), pin=True)).tolist() == [
        True,
        True,
        False,
    ]
    assert matching_items(FOUND, Rule(name="r", where=Selector(name="vm2"), pin=True)).tolist() == [False, False, True]
    assert matching_items(FOUND, Rule(name="r", pin=True)).all()


def test_exempted_vms_are_not_matched() -> None:
    """The key except takes VMs out of the rule."""
    rule = Rule(name="r", where=Selector(service="web"), exempt=("vm1",), pin=True)
    assert matching_items(FOUND, rule).tolist() == [True, False, False]


def test_exceptions_that_match_nothing_are_found() -> None:
    """An exception for a VM that the rule does not select is idle; one that takes a VM out is not."""
    rule = Rule(name="r", where=Selector(service="web"), exempt=("vm1", "vm2", "vm9"), pin=True)
    assert idle_exceptions(FOUND, rule) == ["vm2", "vm9"]
    assert idle_exceptions(FOUND, Rule(name="r", pin=True)) == []
