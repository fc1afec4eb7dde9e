"""Rules in words."""

from __future__ import annotations

import pytest

from optimizer.config import parse_rules
from optimizer.model.rules import Rules
from optimizer.report.wording.rule_words import applies_to, changed_settings, demands


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            'forbid = [{ from = "07:00", to = "24:00", days = ["Monday", "Tuesday", "Wednesday"], zone = "UTC" }]',
            "no start window in 07:00-24:00 on Monday to Wednesday (UTC)",
        ),
        (
            (
                'allow = [{ from = "20:00", to = "06:00", days = ["Monday", "Sunday"] }, '
                '{ from = "20:00", to = "06:00", dates = [2026-12-31] }]'
            ),
            (
                "start windows only within 20:00-06:00 on Monday, Sunday (zone of each policy) or 20:00-06:00 on "
                "2026-12-31 (zone of each policy)"
            ),
        ),
        ("max_concurrent = 4", "at most 4 start windows at once per service"),
        ('max_concurrent = 1\nper = "vault"', "at most 1 start window at once per vault"),
        ("separate = true", "no two start windows overlap"),
        (
            'separate = ["a*", { tag = { tier = "db" }, os = "Linux" }]\nper = "service"',
            'start windows of "a*" and tag tier = db, os = Linux do not overlap per service',
        ),
        (
            'order = ["a", "b", "c"]\nwithin = 6',
            '"a", then "b", then "c", each at most 6 h after the one before',
        ),
        ("pin = true\nweight = 2.5", "keep their start; count 2.5 times"),
        ("exclude = true", "are never written"),
        (
            "freeze = [2026-11-27, { from = 2026-12-18, to = 2027-01-04 }]",
            "no writes on 2026-11-27, 2026-12-18 to 2027-01-04",
        ),
        ("rpo_hours = 30", "at most 30 h between two recovery points during a change"),
    ],
)
def test_demands_of_a_rule(keys: str, expected: str) -> None:
    """Each key of a rule has words that state its values."""
    rule = parse_rules(f'[[rule]]\nname = "x"\n{keys}\n', "rules.toml").rule[0]
    assert demands(rule) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "every VM"),
        (
            'where = { service = "erp*", frequency = ["Daily", "Weekly"] }',
            "service = erp*, frequency = Daily or Weekly",
        ),
        (
            'where = { resource_group = "rg-a" }\nexcept = ["*-test-*", { tag = { env = "lab" } }]',
            'resource group = rg-a, except "*-test-*" or tag env = lab',
        ),
    ],
)
def test_vms_of_a_rule(keys: str, expected: str) -> None:
    """The criteria of ``where`` and the sets of ``except`` are listed."""
    rule = parse_rules(f'[[rule]]\nname = "x"\npin = true\n{keys}\n', "rules.toml").rule[0]
    assert applies_to(rule) == expected


def test_settings_other_than_the_default() -> None:
    """Each changed key has its value and its default, as a rules file writes them; unchanged ones are left out."""
    assert changed_settings(Rules()) == []
    rules = parse_rules(
        'max_moves = 3\nservice_from = ["tag:app"]\n[threshold]\nagentless = true\ncpu_percent = 90\n'
        '[prices]\nmove_recent = 0.5\n[working_hours]\nfrom = "09:30"\nto = "18:00"\n',
        "rules.toml",
    )
    changed = {key: (value, default) for key, value, default in changed_settings(rules)}
    assert changed.pop("service_from")[0] == "tag:app"
    assert changed == {
        "threshold.agentless": ("true", "false"),
        "prices.move_recent": ("0.5", "0.2"),
        "working_hours.from": ("09:30", "08:00"),
        "max_moves": ("3", "not set"),
    }
