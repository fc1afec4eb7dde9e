"""What is asked, as it is written: every kind, and every mistake answered with what is allowed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimizer.errors import ConfigError
from optimizer.model.rules import Rules
from optimizer.model.selectors import Selector
from optimizer.whatif.changes import AddRules, AddVms, DropRule, LoseVault, SetKey
from optimizer.whatif.parse_change import parse_change, rule_keys
from optimizer.whatif.scenario import Scenario, read_scenarios

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


def test_a_file_holds_several_scenarios(tmp_path: Path) -> None:
    """Scenarios of a file have their names, and name files beside it."""
    (tmp_path / "stay.toml").write_text('[[rule]]\nname = "stay"\npin = true\n')
    file = tmp_path / "scenarios.toml"
    file.write_text(
        '[[scenario]]\nname = "dear"\nwhat_if = ["prices.snapshot_overlap=0.05"]\n'
        '[[scenario]]\nname = "frozen"\nwhat_if = ["add-rule=stay.toml", "max_moves=0"]\n'
    )
    dear, frozen = read_scenarios(file)
    assert dear == Scenario("dear", (SetKey("prices.snapshot_overlap", 0.05),))
    assert [str(change) for change in frozen.changes] == ["add-rule=stay.toml", "max_moves=0"]


FILES = {
    "": "allowed: one [[scenario]] or more",
    "max_moves = 3": "allowed: one [[scenario]] or more, and nothing else",
    "[[scenario]]\nname = 'x'": "scenario 1 cannot be used",
    "[[scenario]]\nname = 'x'\nwhat_if = 'max_moves=3'": "scenario 1 cannot be used",
    "[[scenario]]\nname = 'x'\nwhat_if = ['max_mves=3']": "scenario 'x': what if 'max_mves=3': there is no kind",
    "[[scenario": "is not TOML",
}


@pytest.mark.parametrize("content", FILES)
def test_files_that_hold_no_scenarios_are_refused(tmp_path: Path, content: str) -> None:
    """A file of scenarios that is none is refused by name, with how to write one."""
    file = tmp_path / "scenarios.toml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_scenarios(file)
    assert FILES[content] in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No file, no traceback."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scenarios(tmp_path / "none.toml")
