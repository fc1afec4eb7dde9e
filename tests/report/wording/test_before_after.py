"""Figures of a plan beside those of today."""

from __future__ import annotations

import re

import pytest

from optimizer.documents.plan_document import TodayAndPlan, WeightedFigures
from optimizer.report.formats import decimal
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.before_after import (
    FigureLine,
    before_and_after,
    nonzero_overlaps,
    shown_overlaps,
    weighted_lines,
)
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
PAGES = {"plan": render_plan(PLAN)}


def test_the_figure_to_expect_is_the_first_of_the_table() -> None:
    """At-risk backups on days that the plan did not see come before the model's, and the interval stands below."""
    expected = PLAN.summary.expected_change
    assert expected is not None and expected.today is not None and expected.plan is not None
    text = to_text(PAGES["plan"])
    unseen = rf"on days the plan did not see +{decimal(expected.today)} +{decimal(expected.plan)} +-51.2 %"
    model = PLAN.summary.at_risk_per_month
    seen = rf"by the model +{decimal(model.today)} +{decimal(model.plan)} +-\d"
    assert re.search(rf"at-risk backups per 30 days, {unseen}\n +at-risk backups per 30 days, {seen}", text)
    interval = "a change of -21.5 at-risk backups per 30 days (90 %: -26.0 to -17.0); the model smooths the hours"
    assert interval in " ".join(text.split())


def test_without_an_expected_change_the_table_has_the_model_alone() -> None:
    """Where no days could be held out, the one figure is the model's, and the sentence below says why."""
    summary = PLAN.summary.model_copy(update={"expected_change": None})
    text = to_text(render_plan(PLAN.model_copy(update={"summary": summary})))
    model = summary.at_risk_per_month
    assert re.search(rf"at-risk backups per 30 days +{decimal(model.today)} +{decimal(model.plan)} ", text)
    assert "the history is too short to hold days out" in text


def test_no_overlaps_are_not_claimed_where_some_remain() -> None:
    """Snapshots two hours apart still overlap at times: where they count as 0.00, the exact number is shown."""
    counted, exact = TodayAndPlan(today=82.8, plan=0.0), TodayAndPlan(today=85.31, plan=0.94)
    summary = PLAN.summary.model_copy(update={"overlaps_per_month": counted, "overlaps_exact": exact})
    text = to_text(render_plan(PLAN.model_copy(update={"summary": summary})))
    assert re.search(r"expected overlapping snapshots per 30 days +82.8 +0.94 +-98.9 %", text)


def test_backups_that_a_delay_brings_into_working_hours_are_shown() -> None:
    """Expected starts in working hours stand beside those of today, also where no backup is scheduled in them."""
    summary = PLAN.summary.model_copy(update={"working_hours_starts": TodayAndPlan(today=0.0, plan=16.07)})
    text = to_text(render_plan(PLAN.model_copy(update={"summary": summary})))
    assert re.search(r"expected starts in working hours per 30 days +0.00 +16.1", text)


def test_a_figure_that_grows_has_a_plus() -> None:
    """A price paid is shown as one."""
    pairs = PLAN.summary.overlaps_per_month.model_copy(update={"today": 10.0, "plan": 12.0})
    summary = PLAN.summary.model_copy(update={"overlaps_per_month": pairs})
    assert "+20.0 %" in to_text(render_plan(PLAN.model_copy(update={"summary": summary})))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (FigureLine("x", 10, 5), ("10.0", "5.00", "-50.0 %")),
        (FigureLine("x", 10, 15), ("10.0", "15.0", "+50.0 %")),
        (FigureLine("x", 10, 10), ("10.0", "10.0", "0 %")),
        (FigureLine("x", 0.0, 5), ("0.00", "5.00", "none")),
        (FigureLine("x", 1234, 12, whole=True), ("1,234", "12", "-99.0 %")),
    ],
    ids=["less", "more", "same", "from nothing", "whole"],
)
def test_a_line_has_both_figures_and_the_change(line: FigureLine, shown: tuple[str, str, str]) -> None:
    """Growth has a plus; from nothing, there is no share."""
    assert (line.shown(line.today), line.shown(line.plan), line.change("none")) == shown


def test_the_table_has_a_line_for_what_is_known() -> None:
    """Working hours and weights have lines only if the plan counts them; the cost is the last."""
    table = before_and_after(PLAN.summary, "-")
    labels = [row[0] for row in table.cells]
    assert labels[:2] == [
        "at-risk backups per 30 days, on days the plan did not see", "at-risk backups per 30 days, by the model",
    ]  # fmt: skip
    assert labels[-1] == "cost, in at-risk backups"
    assert not any("working hours" in label or "weighted" in label for label in labels)
    figures = TodayAndPlan(today=2.0, plan=1.0)
    weights = WeightedFigures(at_risk_per_month=figures, overlaps_per_month=figures)
    more = PLAN.summary.model_copy(update={"working_hours_starts": figures, "weighted": weights})
    assert len(before_and_after(more, "-").cells) == len(table.cells) + 3
    assert [line.label for line in weighted_lines(more)] == [
        "at-risk backups, weighted by the rules", "overlapping snapshots, weighted by the rules",
    ]  # fmt: skip


def test_a_count_of_nothing_gives_way_to_the_exact_number() -> None:
    """Each side by itself; plans of old versions have no exact number."""
    assert nonzero_overlaps(0.004, 0.23) == 0.23
    assert nonzero_overlaps(0.01, 0.23) == 0.01
    counted, exact = TodayAndPlan(today=0.0, plan=12.0), TodayAndPlan(today=0.5, plan=12.5)
    both = PLAN.summary.model_copy(update={"overlaps_per_month": counted, "overlaps_exact": exact})
    assert shown_overlaps(both) == TodayAndPlan(today=0.5, plan=12.0)
    assert shown_overlaps(both.model_copy(update={"overlaps_exact": None})) == counted
