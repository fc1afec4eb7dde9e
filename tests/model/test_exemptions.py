"""How exempted VMs are written into a rule: nobody more than is meant, and in TOML that reads back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.config import parse_rules
from optimizer.model.exemptions import TOML_WIDTH, except_as_toml, exempted
from optimizer.model.inventory import Inventory
from optimizer.model.rule_matches import matching_items
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.solve.why_not.changes import relaxed_rules
from tests.solve.conflict_examples import nightly
from tests.solve.examples import best_of_all, inventory, only, policy
from tests.solve.why_not.test_relaxation import diagnosis_of

STAY = Rule(name="stay", pin=True)


def namesakes() -> Inventory:
    """Four VMs called app, of two resource groups of two subscriptions, and one called App-2."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 5)
    places = [("one", "rg-a"), ("one", "rg-b"), ("two", "rg-a"), ("two", "rg-b")]
    vms = dict(found.vms)
    for row, (subscription, group) in enumerate(places):
        vms[f"vm{row}"] = replace(vms[f"vm{row}"], name="app", subscription=subscription, resource_group=group)
    vms["vm4"] = replace(vms["vm4"], name="App-2")
    return replace(found, vms=vms)


@pytest.mark.parametrize(
    ("rows", "sets"),
    [
        ((4,), ["App-2"]),
        ((0, 1, 2, 3), ["app"]),
        ((0, 2), [{"name": "app", "resource_group": "rg-a"}]),
        ((1,), [{"name": "app", "resource_group": "rg-b", "subscription": "one"}]),
    ],
)
def test_as_many_criteria_as_tell_namesakes_apart(rows: tuple[int, ...], sets: list[object]) -> None:
    """A name alone does where it means nobody else; then resource group and subscription; the file reads back."""
    found = namesakes()
    rule = exempted(STAY, found, rows)
    assert rule.model_dump(mode="json")["except"] == sets
    assert [row for row, stays in enumerate(matching_items(found, rule).tolist()) if not stays] == list(rows)
    text = f'[[rule]]\nname = "stay"\npin = true\n{except_as_toml(rule)}'
    assert parse_rules(text, "text").rule == (rule,)


def test_what_a_rule_exempts_already_stays() -> None:
    """New sets stand behind those of before, none twice; lines are broken between sets, within tables never."""
    before = Rule(name="stay", pin=True, exempt=(Selector(tag={'a "b"': "ü"}, frequency="Daily"), "app-2", "vm*"))
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 60)
    rule = exempted(exempted(before, found, range(50)), found, range(40, 60))
    assert rule.exempt == (*before.exempt, *(f"vm{number}" for number in range(60)))
    written = except_as_toml(rule)
    assert max(map(len, written.splitlines())) <= TOML_WIDTH
    assert parse_rules(f'[[rule]]\nname = "stay"\npin = true\n{written}', "text").rule == (rule,)


def test_exempting_is_priced_as_the_rules_would_be_written() -> None:
    """An exempted VM may start at any hour, so its vault's fair share is smaller, and the rest are above it."""
    problem = nightly(Rules(rule=(Rule(name="in turns", max_concurrent=2), only("23:00"))))
    (way,) = [one for one in diagnosis_of(problem).relaxations if one.changes[0].vms]
    written = relaxed_rules(problem.rules, way.changes, problem.inventory)
    assert written.rule[1].exempt == tuple(f"vm{row}" for row in way.changes[0].vms)
    best = best_of_all(replace(problem, rules=written))
    assert best is not None
    assert way.effect.cost == pytest.approx(best[0])
