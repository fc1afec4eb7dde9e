"""The rules that are shown before the confirmation."""

from __future__ import annotations

from optimizer.model.rules import Rules
from optimizer.report.wording.rules_in_force import rules_in_force


def test_defaults_are_shown() -> None:
    """Who confirms sees the budget and the RPO that nobody wrote down."""
    assert list(rules_in_force(Rules())) == [
        "budget: at most 50 policy writes in any 24 hours per vault",
        "RPO: the widest gap between two backups of the policy + 12 h",
        "freezes: none",
    ]


def test_rules_are_shown_by_name() -> None:
    """Hours, days and the rule that states them."""
    days = [{"from": "2026-12-18", "to": "2027-01-04"}, "2027-05-01", "2027-06-01", "2027-07-01"]
    rules = Rules.model_validate(
        {
            "policies": {"max_writes_per_day": 1, "scope": "subscription"},
            "rule": [
                {"name": "tight", "rpo_hours": 30.0},
                {"name": "year end", "freeze": days},
            ],
        }
    )
    assert list(rules_in_force(rules)) == [
        "budget: at most 1 policy write in any 24 hours per subscription",
        "RPO: 30 h by rule 'tight'; for other VMs, the widest gap between two backups of the policy + 12 h",
        "freezes: 2026-12-18 to 2027-01-04, 2027-05-01, 2027-06-01 and 1 more by rule 'year end'",
    ]
