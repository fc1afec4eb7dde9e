"""Notes on weights."""

from __future__ import annotations

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan.notes.weight_notes import notes_on_weights
from tests.plan.three_vms import the_case


def test_each_weight_says_how_many_vms_it_counts_for() -> None:
    """The larger weight of two rules counts; a weight of 1 changes nothing."""
    rules = Rules(
        rule=(
            Rule(name="all", weight=2),
            Rule(name="db", where=Selector(name="db-1"), weight=5),
            Rule(name="plain", where=Selector(name="web-1"), weight=1),
        )
    )
    assert list(notes_on_weights(the_case().inventory, rules)) == [
        "rule 'all': at-risk backups and overlaps of 2 VMs count 2 times; costs include this, plain figures do not",
        "the weight 2 of rule 'all' does not count for 1 VM, because another rule gives a larger weight",
        "rule 'db': at-risk backups and overlaps of 1 VM count 5 times; costs include this, plain figures do not",
        "the weight 1 of rule 'plain' does not count for 1 VM, because another rule gives a larger weight",
    ]


def test_rules_without_weights_have_no_note() -> None:
    """Nothing is weighed."""
    assert list(notes_on_weights(the_case().inventory, Rules(rule=(Rule(name="pin", pin=True),)))) == []
