"""Changes as text: every kind, and every mistake with what is allowed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from optimizer.errors import ConfigError, UsageError
from optimizer.model.rules import Rules
from optimizer.model.selectors import Selector
from optimizer.whatif.changes import AddRules, AddVms, DropRule, LoseVault, SetKey
from optimizer.whatif.parse_change import MAX_COPIES, MAX_FORBIDDEN_DATES, parse_change, rule_keys

SILENT_KEYS = {
    "threshold.agentless",
    "prices.move_recent",
    "prices.recent_days",
    "policies.max_vms_per_policy",
    "policies.name",
    "policies.clone_misnamed",
}
"""Keys that are dumped only where they are not at their default."""


def test_keys_are_those_of_the_rules() -> None:
    """Every key of the rules that holds one value can be asked for, lists of rules and sources cannot."""
    assert {"threshold.statistic", "prices.snapshot_overlap", "policies.edit", "max_moves"} <= set(rule_keys())
    assert not {"rule", "service_from"} & set(rule_keys())
    dumped = Rules(max_moves=1, max_policy_writes=1, budget_days=1, max_risk_increase=0.1).model_dump()
    for key in set(rule_keys()) - SILENT_KEYS:
        table, _, name = key.rpartition(".")
        assert name in (dumped[table] if table else dumped)


WRITTEN = {
    "prices.snapshot_overlap=0.05": SetKey("prices.snapshot_overlap", 0.05),
    "max_moves=10": SetKey("max_moves", 10),
    "working_hours.from=07:00": SetKey("working_hours.from", "07:00"),
    "threshold.statistic=maximum": SetKey("threshold.statistic", "maximum"),
    "policies.edit=false": SetKey("policies.edit", False),
    "add-vms=tag.tier=db,service=shop,count=20": AddVms(Selector(service="shop", tag={"tier": "db"}), 20),
    "add-vms=frequency=Daily,frequency=Weekly,count=1": AddVms(Selector(frequency=("Daily", "Weekly")), 1),
    "lose-vault=vault-weu": LoseVault("vault-weu"),
    "lose-vault=vault-weu,to=other": LoseVault("vault-weu", "other"),
    "drop-rule=a = b": DropRule("a = b"),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_change_reads_as_it_is_written(text: str) -> None:
    """A change is read for what it is, and is shown as it was written."""
    assert parse_change(text) == WRITTEN[text]
    assert str(parse_change(text)) == text


def test_a_forbidden_week_is_a_rule_for_its_nights() -> None:
    """Dates, times, zone and criteria make one rule that forbids the windows that begin on these dates."""
    change = parse_change("forbid=2026-03-02..2026-03-08 20:00-06:00 Europe/Berlin,frequency=Daily")
    assert isinstance(change, AddRules)
    (rule,) = change.rules
    (window,) = rule.forbid
    assert (window.start, window.end, window.zone) == (1200, 360, "Europe/Berlin")
    assert window.dates == tuple(date(2026, 3, day) for day in range(2, 9))
    assert rule.where == Selector(frequency=("Daily",))
    one_night = parse_change("forbid=2026-03-02 20:00-06:00")
    assert isinstance(one_night, AddRules)
    assert one_night.rules[0].forbid[0].dates == (date(2026, 3, 2),)


def test_rules_come_from_a_file_or_in_braces(tmp_path: Path) -> None:
    """A rule in braces and a file with one or more rules are both added, the file relative to where it is named."""
    inline = parse_change('add-rule={ name = "stay", where = { service = "web" }, pin = true }')
    assert isinstance(inline, AddRules)
    assert inline.rules[0].pin
    (tmp_path / "more.toml").write_text('[[rule]]\nname = "a"\npin = true\n[[rule]]\nname = "b"\npin = true\n')
    more = parse_change("add-rule=more.toml", tmp_path)
    assert isinstance(more, AddRules)
    assert [rule.name for rule in more.rules] == ["a", "b"]
    (tmp_path / "prices.toml").write_text("max_moves = 3\n")
    with pytest.raises(ConfigError, match=r"prices\.toml: contains max_moves in addition to rules"):
        parse_change("add-rule=prices.toml", tmp_path)


MISTAKES = {
    "prices.snapshot_overlp=3": "did you mean prices.snapshot_overlap",
    "snapshot_overlap=3": "did you mean prices.snapshot_overlap?",
    "prices.overlap=0.02": "write snapshot_overlap = 0.0145 instead of overlap = 0.02",
    "lose_vault=a": "did you mean lose-vault?",
    "weather=bad": "there is no kind 'weather'; allowed: add-vms, lose-vault",
    "lose-vault=": "a value is missing; write lose-vault=VALUE",
    "add-vms=service=shop": "count must be one whole number from 1 to 100,000",
    "add-vms=service=shop,count=0": "count must be",
    "add-vms=service=shop,count=1,count=2": "count must be one",
    "add-vms=servce=shop,count=2": "there is no criterion 'servce'; allowed: name, service",
    "add-vms=shop,count=2": "'shop' is not KEY=VALUE",
    "add-vms=os=Beos,count=2": 'os = "Beos": is not known; allowed: "Windows" or "Linux"',
    "forbid=tomorrow": "is not dates and times; write it as forbid=2026-03-02..2026-03-08 20:00-06:00",
    "forbid=2026-03-32 20:00-06:00": "'2026-03-32' is not a date",
    "forbid=2026-03-09..2026-03-02 20:00-06:00": "swap or shorten them",
    "forbid=2026-03-02 25:00-06:00": "'25:00' is not a time of day",
    "forbid=2026-03-02 20:00-06:00 Mars/Base": "'Mars/Base' is not a time zone",
    "add-rule=nowhere.toml": "there is no file nowhere.toml; give a rules file, or a rule",
    'add-rule={ name = "x" }': 'rule "x" demands nothing',
    "add-rule={ name = }": "is not TOML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_say_what_is_allowed(text: str) -> None:
    """A change that is none is refused with what was written, what is wrong with it and what to write."""
    with pytest.raises(ConfigError) as caught:
        parse_change(text)
    assert MISTAKES[text] in str(caught.value)


def test_values_are_toml_or_words() -> None:
    """A number, a truth value and a quoted text are read as in the rules file; anything else is a word."""
    assert parse_change("max_moves=3") == SetKey("max_moves", 3)
    assert parse_change("policies.edit=true") == SetKey("policies.edit", True)
    assert parse_change('threshold.statistic="maximum"') == SetKey("threshold.statistic", "maximum")
    assert parse_change("threshold.statistic=maximum") == SetKey("threshold.statistic", "maximum")


def test_blanks_do_not_matter() -> None:
    """Blanks around the kind, the value and its parts are ignored."""
    assert parse_change(" max_moves = 3 ") == SetKey("max_moves", 3)
    assert parse_change("add-vms= service = shop , count = 2") == AddVms(Selector(service="shop"), 2)
    assert parse_change("lose-vault= a ,to= b") == LoseVault("a", "b")


def test_a_value_out_of_range_is_a_mistake_of_the_user() -> None:
    """The value is checked when the change is read, with the message of the rules file."""
    with pytest.raises(UsageError, match=r"what if 'max_moves=-1': max_moves = -1: .*allowed"):
        parse_change("max_moves=-1")
    with pytest.raises(UsageError, match=r"prices\.move"):
        parse_change("prices.move=cheap")


def test_the_most_copies_and_days_are_allowed() -> None:
    """The limits themselves can be asked for; one more cannot."""
    assert parse_change(f"add-vms=count={MAX_COPIES}") == AddVms(Selector(), MAX_COPIES)
    with pytest.raises(UsageError, match=r"count must be one whole number from 1 to 100,000"):
        parse_change(f"add-vms=count={MAX_COPIES + 1}")
    last = date(2026, 3, 2) + timedelta(days=MAX_FORBIDDEN_DATES - 1)
    year = parse_change(f"forbid=2026-03-02..{last} 20:00-06:00")
    assert isinstance(year, AddRules)
    assert len(year.rules[0].forbid[0].dates or ()) == MAX_FORBIDDEN_DATES
    with pytest.raises(UsageError, match="is not 1 to 366 days"):
        parse_change(f"forbid=2026-03-02..{last + timedelta(days=1)} 20:00-06:00")


def test_a_forbidden_time_shows_as_it_was_written() -> None:
    """The name of its rule, which reports use, is the text as well."""
    change = parse_change("forbid=2026-03-02 20:00-06:00,service=shop")
    assert isinstance(change, AddRules)
    assert str(change) == "forbid=2026-03-02 20:00-06:00,service=shop"
    assert [rule.name for rule in change.rules] == ["forbid 2026-03-02 20:00-06:00,service=shop"]
    assert change.dated


def test_a_rule_in_braces_is_called_by_its_name() -> None:
    """It applies on all days, so no date is checked."""
    change = parse_change('add-rule={ name = "stay", pin = true }')
    assert isinstance(change, AddRules)
    assert (str(change), change.dated) == ("add-rule=stay", False)


def test_a_file_without_rules_is_no_file_of_rules(tmp_path: Path) -> None:
    """The message says what the file lacks."""
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.toml: contains no \[\[rule\]\]"):
        parse_change("add-rule=empty.toml", tmp_path)
