"""Sentences about the change in risk that a plan can be expected to bring."""

from __future__ import annotations

from optimizer.documents import Expectation, Summary, TodayAndPlan
from optimizer.report.formats import decimal, decimals

_ON_UNSEEN_DAYS = "Expected on days the plan did not see"


def expected_risk(summary: Summary) -> TodayAndPlan | None:
    """At-risk backups on days that the plan did not see; None if the plan does not state them."""
    expected = summary.expected_change
    if expected is None or expected.today is None or expected.plan is None:
        return None
    return TodayAndPlan(today=expected.today, plan=expected.plan)


def model_of(summary: Summary) -> TodayAndPlan | None:
    """At-risk backups according to the model; None for plans of versions that stated no expected change as well."""
    return None if summary.model_change is None else summary.at_risk_per_month


def expected_sentence(expected: Expectation | None, model: TodayAndPlan | None) -> str:
    """One sentence about the change in risk that a plan can be expected to bring; empty if nothing is known about it.

    The expected figures and those of the model have different bases: observed frequencies and a smoothed estimate.
    Therefore, each change is stated with its own base.
    """
    if model is None:
        return ""
    seen = f"the model, which smooths the hours, sees {decimal(model.today)} -> {decimal(model.plan)}"
    if expected is None:
        return f"The expected change of at-risk backups is unknown: the history is too short to hold days out; {seen}"
    if expected.today is None or expected.plan is None:
        return f"{change_sentence(expected)}; {seen}"
    today, plan, value, low, high = decimals(
        (expected.today, expected.plan, expected.value, expected.low, expected.high)
    )
    change = f"{today} -> {plan} at-risk backups per 30 days, a change of {value} (90 %: {low} to {high})"
    return f"{_ON_UNSEEN_DAYS}: {change}; {seen}"


def expected_below_table(summary: Summary) -> str:
    """Sentence below a table of both figures: the change with its interval."""
    if summary.expected_change is None or expected_risk(summary) is None:
        return expected_sentence(summary.expected_change, model_of(summary))
    return f"{change_sentence(summary.expected_change)}; the model smooths the hours"


def change_sentence(expected: Expectation) -> str:
    """The expected change and its interval, without the figures that it is the difference of."""
    value, low, high = decimals((expected.value, expected.low, expected.high))
    change = f"a change of {value} at-risk backups per 30 days (90 %: {low} to {high})"
    return f"{_ON_UNSEEN_DAYS}: {change}"
