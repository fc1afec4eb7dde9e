"""Rules as data: selectors, windows, and that they come back whole from what they are written to."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from optimizer.model.inventory import Vault, Vm
from optimizer.model.rule_windows import Window
from optimizer.model.rules import (
    DEFAULT_SERVICE_FROM,
    PolicyLimits,
    Prices,
    Rule,
    Rules,
    converted_overlap_price,
)
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import WEEKDAYS

VM = Vm(
    "/vms/sql-01", "SQL-01", service="Shop", subscription="s-1", resource_group="rg-shop", os="Windows",
    tags={"Tier": "db", "app": "shop", "env": "[prod] 1"},
)  # fmt: skip
VAULT = Vault("/vaults/rsv-1", "rsv-1")

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12)
TIMES = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
ZONES = st.sampled_from(["Europe/Berlin", "Nepal Standard Time", "UTC"])


def keys(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


WINDOWS = keys(
    {"from": TIMES, "to": st.one_of(TIMES, st.just("24:00"))},
    {
        "days": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7),
        "dates": st.lists(st.dates().map(date.isoformat), min_size=1, max_size=3),
        "zone": ZONES,
    },
).filter(lambda window: window["from"] != window["to"] and (window["from"], window["to"]) != ("00:00", "00:00"))
RANGES = st.one_of(
    st.dates().map(date.isoformat),
    st.tuples(st.dates(), st.dates()).map(lambda two: {"from": min(two).isoformat(), "to": max(two).isoformat()}),
)
SELECTORS = keys(
    {},
    {
        "tag": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "os": st.sampled_from(["Windows", "linux", "LINUX"]),
        **dict.fromkeys(("name", "service", "vault", "subscription", "resource_group"), TEXTS),
    },
)


def without_nothing(one: object) -> object:
    """A set without what it does not ask for: ``{tag = {}}`` selects what ``{}`` does."""
    return {key: value for key, value in one.items() if value} if isinstance(one, dict) else one


SETS = st.lists(
    st.one_of(st.text(alphabet="ab*-", min_size=1, max_size=4), SELECTORS),
    min_size=2,
    max_size=4,
    unique_by=lambda one: repr(without_nothing(one)).lower(),
)
RULES_OF_ONE = st.one_of(
    keys({"pin": st.just(True)}, {"where": SELECTORS, "except": SETS, "exclude": st.booleans()}),
    keys({"max_concurrent": st.integers(1, 9)}, {"where": SELECTORS, "per": st.sampled_from(["service", "vault"])}),
    keys({"separate": st.just(True)}, {"where": SELECTORS, "per": st.sampled_from(["service", "vault"])}),
    keys({"separate": SETS}, {"where": SELECTORS, "pin": st.booleans()}),
    keys({"order": SETS}, {"except": SETS, "separate": SETS, "per": st.sampled_from(["service", "vault"])}),
    keys({"freeze": st.lists(RANGES, min_size=1, max_size=3)}, {"rpo_hours": st.floats(0.5, 8784)}),
    keys({"allow": st.lists(WINDOWS, min_size=1, max_size=3)}, {"forbid": st.lists(WINDOWS, max_size=2)}),
)
PRICES = st.floats(0, 10)
LIMITS = st.integers(1, 500)
DOCUMENTS = keys(
    {},
    {
        "threshold": keys(
            {}, {"cpu_percent": st.floats(1.5, 100), "statistic": st.sampled_from(["average", "maximum"])}
        ),
        "prices": keys(
            {}, dict.fromkeys(("snapshot_overlap", "all_at_once", "vault_peak", "policy_write", "move"), PRICES)
        ),
        "policies": keys(
            {},
            {
                "edit": st.booleans(),
                "scope": st.sampled_from(["vault", "subscription"]),
                **dict.fromkeys(("max_vms_per_policy", "max_policies_per_vault", "max_writes_per_day"), LIMITS),
            },
        ),
        "max_risk_increase": PRICES,
        "max_moves": st.integers(0, 1000),
        "service_from": st.lists(st.sampled_from(DEFAULT_SERVICE_FROM), unique=True, max_size=4),
        "rule": st.lists(RULES_OF_ONE, max_size=4).map(
            lambda rules: [{"name": f"rule {n}", **rule} for n, rule in enumerate(rules)]
        ),
    },
)


class Holder(BaseModel):
    """A document that holds rules, as a plan does, without settings of its own."""

    rules: Rules


def nulls(dump: object) -> list[object]:
    inside = dump.values() if isinstance(dump, dict) else dump if isinstance(dump, list | tuple) else ()
    return [one for one in inside if one is None] + [null for one in inside for null in nulls(one)]


@given(DOCUMENTS)
def test_rules_come_back_whole(document: dict[str, Any]) -> None:
    """Rules dumped as JSON or as Python data, inside another document or alone, are the same rules when read."""
    rules = Rules.model_validate(document)
    holder = Holder(rules=rules)
    assert Rules.model_validate_json(rules.model_dump_json()) == rules
    assert Rules.model_validate(rules.model_dump(), by_alias=True, by_name=False) == rules
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


@pytest.mark.thorough
@given(DOCUMENTS)
def test_dumped_rules_read_like_the_file(document: dict[str, Any]) -> None:
    """A dump has the keys, times and weekdays of the file, no null, and fits the published schema."""
    rules = Rules.model_validate(document)
    dump = rules.model_dump(mode="json")
    assert nulls(dump) == []
    jsonschema.validate(dump, Rules.model_json_schema())
    for written, dumped in zip(document.get("rule", []), dump["rule"], strict=True):
        assert dumped.get("allow", []) == written.get("allow", [])
        assert dumped.get("forbid", []) == written.get("forbid", [])


def test_a_rule_is_dumped_with_what_was_written_alone() -> None:
    """Keys that were left out stay out, so that a planner knows the rule again."""
    rule = {"name": "n", "where": {"os": "Linux"}, "allow": [{"from": "20:00", "to": "24:00", "days": ["Friday"]}]}
    assert Rule.model_validate(rule).model_dump(mode="json") == rule


@given(WINDOWS)
def test_a_window_is_as_long_as_the_clock_says(document: dict[str, Any]) -> None:
    """The length is what passes from ``from`` until the clock next shows ``to``."""
    window = Window.model_validate(document)
    assume(window.start != window.end)
    minute, length = window.start, 0
    while length == 0 or minute % 1440 != window.end % 1440:
        minute, length = minute + 1, length + 1
    assert window.minutes == length


def test_how_often_policies_may_be_written() -> None:
    """Fifty policies a day in each vault, unless the planner says otherwise."""
    assert (PolicyLimits().max_writes_per_day, PolicyLimits().scope) == (50, "vault")
    rules = Rules.model_validate(tomllib.loads('policies = { max_writes_per_day = 20, scope = "subscription" }'))
    assert (rules.policies.max_writes_per_day, rules.policies.scope) == (20, "subscription")


@pytest.mark.parametrize(
    ("demand", "per", "group"),
    [
        ({"max_concurrent": 2}, None, "Shop"),
        ({"max_concurrent": 2}, "vault", "/vaults/rsv-1"),
        ({"separate": True}, None, ""),
        ({"separate": True}, "service", "Shop"),
        ({"order": ("a", "b")}, None, ""),
        ({"order": ("a", "b")}, "vault", "/vaults/rsv-1"),
    ],
)
def test_a_cap_counts_per_service_and_sets_are_all_of_a_rule(demand: Any, per: Any, group: str) -> None:
    """Where a rule does not say ``per``, a cap is for each service; sets and separate VMs are looked at as a whole."""
    assert Rule(name="n", per=per, **demand).group_of(VM, VAULT) == group


def test_separate_is_a_cap_of_one_or_a_list_of_sets() -> None:
    """``true`` allows one window at a time; a list has sets and no cap."""
    assert (Rule(name="n", separate=True).cap, Rule(name="n", separate=True).separate_sets) == (1, ())
    listed = Rule(name="n", separate=("a", "b"))
    assert (listed.cap, listed.separate_sets) == (None, (Selector(name="a"), Selector(name="b")))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "rule 'n' demands nothing; give it allow, forbid, max_concurrent, separate, order, pin, exclude, freeze"),
        ({"pin": True, "per": "vault"}, "rule 'n' has 'per' without 'max_concurrent', 'separate' or 'order'"),
        ({"pin": True, "within": 2.0}, "rule 'n' has 'within' without 'order'"),
        ({"max_concurrent": 2, "separate": True}, "rule 'n' has both 'max_concurrent' and 'separate'"),
        ({"max_concurrent": 2, "order": ["a", "b"]}, "rule 'n' has both 'max_concurrent' and 'order'"),
        ({"separate": ["a"]}, "rule 'n': 'separate' needs at least two sets of VMs and has 1"),
        ({"order": []}, "rule 'n': 'order' needs at least two sets of VMs and has 0"),
        ({"order": ["a", "b", "a"]}, "has the same set twice in 'order', as number 1 and 3; take one out"),
        ({"pin": True, "except": ["a", "a"]}, "has the same set twice in 'except', as number 1 and 2"),
        ({"allow": [], "forbid": []}, "demands nothing"),
    ],
)
def test_a_rule_that_makes_no_sense_is_explained(rule: dict[str, Any], message: str) -> None:
    """The rule's name, the key, and what to do."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"name": "n", **rule})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        {"pin": True},
        {"weight": 2.0},
        {"rpo_hours": 24.0},
        {"freeze": ["2026-12-24"]},
        {"separate": True, "per": "vault"},
        {"order": ["a", "b"], "within": 2.0, "per": "service"},
        {"exclude": True, "except": ["a"]},
    ],
)
def test_one_demand_is_enough(rule: dict[str, Any]) -> None:
    """Keys that go together are accepted, and a single exception is a set."""
    assert Rule.model_validate({"name": "n", **rule}).name == "n"


def test_exceptions_are_taken_out_of_where() -> None:
    """A VM that matches any of them is exempt, by name or by criteria."""
    rule = Rule.model_validate({"name": "n", "pin": True, "where": {"service": "shop"}, "except": ["sql-02"]})
    assert rule.is_for(VM, VAULT, None)
    assert not rule.is_for(replace(VM, name="SQL-02"), VAULT, None)
    assert not rule.is_for(replace(VM, service="crm"), VAULT, None)
    by_tag = rule.model_copy(update={"exempt": (Selector(tag={"tier": "db"}),)})
    assert not by_tag.is_for(VM, VAULT, None)


def test_a_recent_move_costs_at_least_as_much_as_any_other() -> None:
    """Moves of the last days before the estate was read are recent, that day included."""
    prices = Prices(move=0.5, move_recent=0.2, recent_days=10)
    assert prices.move_again == 0.5
    assert Prices(move=0.1, move_recent=0.2).move_again == 0.2
    as_of = datetime(2026, 3, 20, 23, tzinfo=UTC)
    assert [prices.is_recent(date(2026, 3, day), as_of) for day in (9, 10, 20)] == [False, True, True]


@pytest.mark.parametrize(
    ("overlap", "price"),
    [(0.02, "snapshot_overlap = 0.0145 instead of overlap = 0.02"), ("x", "0.0145 or another number")],
)
def test_the_former_price_of_overlaps_is_refused_with_its_new_value(overlap: object, price: str) -> None:
    """Two daily VMs that start together cost the same under both prices."""
    with pytest.raises(ValidationError) as caught:
        Prices.model_validate({"overlap": overlap})
    assert price in str(caught.value)
    assert converted_overlap_price(0.02) * 6.9 == pytest.approx(0.02 * 5)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"rule": [{"name": "a", "pin": True}, {"name": "a", "pin": True}]},
            "two rules are called 'a'; names must differ",
        ),
        ({"rule": [{"name": "max_moves", "pin": True}]}, "a rule is called 'max_moves', which is a limit of its own"),
        ({"service_from": ["tag:"]}, "'tag:' is not a source of services; allowed: tag:NAME, availability_set"),
    ],
)
def test_names_and_sources_are_checked(written: dict[str, Any], message: str) -> None:
    """Answers could not tell two rules of one name apart."""
    with pytest.raises(ValidationError) as caught:
        Rules.model_validate(written)
    assert message in str(caught.value)


def test_the_limit_on_risk_is_dumped_only_if_it_was_written() -> None:
    """Rules read from a plan keep their meaning: a written limit always holds, the default may give way."""
    assert "max_risk_increase" not in Rules().model_dump()
    written = Rules(max_risk_increase=0.1)
    assert written.model_dump()["max_risk_increase"] == 0.1
    assert written.writes_max_risk_increase
    assert not Rules.model_validate(Rules().model_dump()).writes_max_risk_increase
