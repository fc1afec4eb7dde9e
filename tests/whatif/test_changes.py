"""Changes as values: what they are called when a report shows them."""

from __future__ import annotations

import pytest

from optimizer.model.rules import Rule
from optimizer.model.selectors import Selector
from optimizer.whatif.changes import AddRules, AddVms, Change, DropRule, LoseVault, SetKey

PINNED = (Rule(name="stay", pin=True), Rule(name="and stay", pin=True))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (SetKey("prices.move", 0.5), "prices.move=0.5"),
        (SetKey("policies.edit", False), "policies.edit=false"),
        (SetKey("policies.edit", True), "policies.edit=true"),
        (SetKey("threshold.statistic", "maximum"), "threshold.statistic=maximum"),
        (AddVms(Selector(), 3), "add-vms=count=3"),
        (AddVms(Selector(service="shop", vault="a*"), 1), "add-vms=service=shop,vault=a*,count=1"),
        (AddVms(Selector(tag={"tier": "db", "os": "x"}), 1), "add-vms=tag.tier=db,tag.os=x,count=1"),
        (AddVms(Selector(frequency=("Daily", "Weekly")), 9), "add-vms=frequency=Daily,frequency=Weekly,count=9"),
        (LoseVault("a"), "lose-vault=a"),
        (LoseVault("a", "b"), "lose-vault=a,to=b"),
        (AddRules(PINNED), "add-rule=stay, and stay"),
        (AddRules(PINNED, written="add-rule=more.toml"), "add-rule=more.toml"),
        (DropRule("at night"), "drop-rule=at night"),
    ],
)
def test_a_change_shows_as_it_is_written(change: Change, text: str) -> None:
    """Reports repeat a change in the form in which it is given on the command line."""
    assert str(change) == text


def test_equal_changes_are_equal() -> None:
    """Changes are values, so scenarios can be compared."""
    assert AddVms(Selector(service="shop"), 3) == AddVms(Selector(service="shop"), 3)
    assert LoseVault("a") != LoseVault("a", "b")
