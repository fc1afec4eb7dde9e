"""How exempted VMs are written into a rule: nobody more than is meant, and in TOML that reads back."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from optimizer.config import parse_rules
from optimizer.model.exemptions import TOML_WIDTH, except_as_toml, exempted, set_as_toml
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


@pytest.mark.parametrize(
    ("written", "toml"),
    [
        ("sql-*", '"sql-*"'),
        ('a"b', '"a\\"b"'),
        (Selector(vault="v-1"), '{ vault = "v-1" }'),
        (Selector(tag={"cost center": "7", "app": "shop"}), '{ tag = { "cost center" = "7", app = "shop" } }'),
        (Selector(frequency=("Daily", "Weekly")), '{ frequency = ["Daily", "Weekly"] }'),
    ],
)
def test_a_set_reads_back_from_its_toml(written: str | Selector, toml: str) -> None:
    """Keys that are no bare keys are quoted, and text is escaped as TOML does."""
    assert set_as_toml(written) == toml
    (read,) = Rule.model_validate({"name": "n", "pin": True, **tomllib.loads(f"except = [{toml}]")}).exempt
    assert read == written


def test_few_exceptions_fit_on_a_line_and_many_are_wrapped() -> None:
    """Whatever its width, the key reads back as the exceptions of the rule."""
    for count in (1, 3, 40):
        rule = Rule(name="n", pin=True, exempt=tuple(f"vm-{number:03d}" for number in range(count)))
        text = except_as_toml(rule)
        assert tomllib.loads(text)["except"] == list(rule.exempt)
        assert max(map(len, text.splitlines())) <= TOML_WIDTH
        assert (len(text.splitlines()) == 1) is (count <= 3)
