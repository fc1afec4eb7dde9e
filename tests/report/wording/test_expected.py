"""What a plan can be expected to bring, in words."""

from __future__ import annotations

from optimizer.documents.plan_document import Expectation, TodayAndPlan
from optimizer.report.wording.expected import (
    change_sentence,
    expected_below_table,
    expected_risk,
    expected_sentence,
    model_of,
)
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory(8)
SUMMARY = make_plan(INVENTORY, make_risk(INVENTORY)).summary


def test_the_expected_change_stands_beside_what_the_model_sees() -> None:
    """Each change stands beside its own base; where the history is too short, this is said."""
    expected = Expectation(value=-91.1, low=-95.74, high=-86.4, today=92.0, plan=0.9)
    model = TodayAndPlan(today=66.7, plan=2.69)
    seen = "the model, which smooths the hours, sees 66.7 -> 2.69"
    assert expected_sentence(expected, model) == (
        "Expected on days the plan did not see: 92.0 -> 0.9 at-risk backups per 30 days, a change of -91.1 "
        f"(90 %: -95.7 to -86.4); {seen}"
    )
    assert expected_sentence(None, model) == (
        f"The expected change of at-risk backups is unknown: the history is too short to hold days out; {seen}"
    )


def test_the_expected_change_of_an_older_plan_has_no_base() -> None:
    """Plans without the base state the change alone, and say that the model's figures are smoothed; others nothing."""
    expected = Expectation(value=-9.2, low=-14.04, high=0.5)
    assert expected_sentence(expected, TodayAndPlan(today=8.0, plan=1.0)) == (
        "Expected on days the plan did not see: a change of -9.2 at-risk backups per 30 days (90 %: -14.0 to 0.5); "
        "the model, which smooths the hours, sees 8.00 -> 1.00"
    )
    assert expected_sentence(None, None) == ""


def test_the_figures_to_expect_need_a_base() -> None:
    """Both figures are known, or none: a change without its base has no row in a table."""
    assert expected_risk(SUMMARY) == TodayAndPlan(today=42.0, plan=20.5)
    change = Expectation(value=-9.0, low=-14.0, high=0.5)
    assert expected_risk(SUMMARY.model_copy(update={"expected_change": change})) is None
    assert expected_risk(SUMMARY.model_copy(update={"expected_change": None})) is None


def test_plans_of_old_versions_state_no_model() -> None:
    """A plan without the model's change is older than the sentence, which then says nothing."""
    assert model_of(SUMMARY) == SUMMARY.at_risk_per_month
    old = SUMMARY.model_copy(update={"model_change": None, "expected_change": None})
    assert model_of(old) is None
    assert expected_below_table(old) == ""


def test_below_the_table_the_figures_are_not_repeated() -> None:
    """The table has today and plan, so the sentence has the change and its interval; without a table, all of it."""
    below = expected_below_table(SUMMARY)
    assert below == (
        "Expected on days the plan did not see: a change of -21.5 at-risk backups per 30 days (90 %: -26.0 to -17.0); "
        "the model smooths the hours"
    )
    short = SUMMARY.model_copy(update={"expected_change": None})
    assert expected_below_table(short).startswith("The expected change of at-risk backups is unknown")


def test_a_change_has_the_decimals_of_its_interval() -> None:
    """The three figures line up."""
    assert "a change of 0.50 at-risk backups per 30 days (90 %: -1.25 to 2.00)" in change_sentence(
        Expectation(value=0.5, low=-1.25, high=2.0)
    )
