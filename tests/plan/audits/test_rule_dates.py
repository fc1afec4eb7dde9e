"""Dates of rules that are irrelevant for this plan."""

from __future__ import annotations

import pytest

from optimizer.model.rules import Rule
from optimizer.plan.audits.rule_dates import keys_without_effect, notes_on_dates
from tests.plan.three_vms import the_case

INVENTORY = the_case().inventory
"""An estate of 23 February 2026: the horizon ends on 24 March."""


def rule(**keys: object) -> Rule:
    return Rule.model_validate({"name": "dates", **keys})


def forbid(*dates: str) -> dict[str, object]:
    return {"forbid": [{"from": "22:00", "to": "24:00", "dates": list(dates)}]}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (forbid("2026-03-01"), {}),
        (forbid("2025-03-01"), {"forbid": "its only date in 'forbid', 2025-03-01, is in the past; check the year"}),
        ({"freeze": [{"from": "2026-03-01", "to": "2026-03-02"}]}, {}),
        ({"freeze": [{"from": "2025-12-20", "to": "2026-01-05"}]}, {"freeze": "is in the past; check the year"}),
    ],
)
def test_dates_outside_the_plan_have_no_effect(keys: dict[str, object], expected: dict[str, str]) -> None:
    """Dates within the horizon do; the reason says on which side the others lie."""
    found = keys_without_effect(INVENTORY, rule(**keys))
    assert found.keys() == expected.keys()
    assert all(expected[key] in why for key, why in found.items())


def test_a_date_after_the_horizon_is_for_a_later_plan() -> None:
    """The plan of that month will keep it."""
    (why,) = keys_without_effect(INVENTORY, rule(**forbid("2026-08-01"))).values()
    assert why.startswith("its 'forbid' begins on 2026-08-01, after ")


def test_a_past_window_beside_one_that_counts_has_a_note() -> None:
    """The number of the window is stated."""
    keys = {"forbid": [*forbid("2025-03-01")["forbid"], *forbid("2026-03-01")["forbid"]]}  # type: ignore[misc]  # lists
    (note,) = notes_on_dates(INVENTORY, rule(**keys))
    assert note.startswith("window 1 of 'forbid' in rule 'dates': ")
    assert list(notes_on_dates(INVENTORY, rule(**forbid("2026-03-01")))) == []
