"""Part of an audit about rules: broken ones, and those without effect."""

from __future__ import annotations

import pytest

from optimizer.documents.audit_document import BrokenRule, IdleRule
from optimizer.report.terminal.broken_rules import MOST_NAMES, broken_rules_table, idle_rules_table, rules_kept


def broken(rule: str, vms: int, fixed: int = 0) -> BrokenRule:
    """Return a rule that some VMs break."""
    ids = tuple(f"/subscriptions/s/virtualMachines/vm-{number}" for number in range(vms))
    return BrokenRule(rule=rule, demands=("separate", "order"), vms=ids, never_written=fixed)


def test_a_broken_rule_names_its_first_vms() -> None:
    """Keys, numbers, and at most three names."""
    few, many = broken_rules_table([broken("few", MOST_NAMES), broken("many", 1203, fixed=2)], 10).cells
    assert few == ("few", "separate, order", "3", "0", "vm-0, vm-1, vm-2")
    assert many == ("many", "separate, order", "1,203", "2", "vm-0, vm-1, vm-2 and 1,200 more")


def test_tables_show_the_first_rules() -> None:
    """The total counts all of them; rules without effect are red."""
    table = broken_rules_table([broken(str(number), 1) for number in range(4)], 3)
    assert ([row[0] for row in table.cells], table.total) == (["0", "1", "2"], 4)
    idle = idle_rules_table([IdleRule(rule=name, why="it matches no VM") for name in "abc"], 2)
    assert idle.cells == [("a", "it matches no VM"), ("b", "it matches no VM")]
    assert idle.styles == ["red", "red"]
    assert idle.total == 3


@pytest.mark.parametrize(
    ("rules", "counts", "sentence"),
    [
        (None, (0, 0), ""),
        ((), (0, 0), ""),
        ((), (2, 2), ""),
        ((broken("x", 1),), (3, 0), ""),
        ((), (3, 0), "today's schedule keeps every rule"),
        ((), (3, 2), "today's schedule keeps the 1 rule that has an effect"),
        ((), (4, 2), "today's schedule keeps the 2 rules that have an effect"),
    ],
    ids=["no rules", "none", "none with an effect", "broken", "all", "one", "two"],
)
def test_kept_rules_are_mentioned_if_any_was_tested(
    rules: tuple[BrokenRule, ...] | None, counts: tuple[int, int], sentence: str
) -> None:
    """Silence could mean that nothing was looked at; a rule without effect proves nothing."""
    assert rules_kept(rules, *counts) == sentence
