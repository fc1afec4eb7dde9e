"""What is proven of a plan, in words."""

from __future__ import annotations

import pytest

from optimizer.documents.plan_document import PlanDocument
from optimizer.report.formats import decimal
from optimizer.report.page.html import render_html
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.proof import (
    RULES_NAMED,
    captured_sentence,
    costs_and_bound,
    is_unchanged,
    reference_sentence,
    spreading_clause,
    stopped_by,
    today_breaks,
    within_clause,
)
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
PAGES = {"plan": render_plan(PLAN)}


def with_summary(**changes: object) -> PlanDocument:
    """The plan with another summary."""
    return PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=changes)})


def test_a_plan_without_changes_says_what_is_left_to_gain() -> None:
    """Where nothing moves, "captured 0 %" would read as a failure: what counts is that nothing better exists."""
    inventory = make_inventory()
    made = make_plan(inventory, make_risk(inventory))
    cost = made.summary.cost.model_copy(update={"bound": 1.0, "plan": 1.25})
    same = made.summary.model_copy(update={"moved": 0, "reference": "today", "cost": cost})
    text = to_text(render_plan(made.model_copy(update={"summary": same})))
    assert "Today's schedule stays: it is proven that no other saves more than 0.25" in text
    assert "Captured" not in text


def test_a_plan_that_costs_more_than_today_says_why() -> None:
    """It spreads services: no share of an improvement is captured, and what is left to gain is stated."""
    cost = PLAN.summary.cost
    dear = cost.model_copy(update={"plan": cost.today + 0.25, "bound": cost.today - 0.5})
    summary = PLAN.summary.model_copy(update={"cost": dear, "captured": 0.0})
    text = to_text(render_plan(PLAN.model_copy(update={"summary": summary})))
    assert "The plan costs 0.25 more than today's schedule, to spread services: the plan costs" in text
    assert "Captured" not in text


def test_what_spreads_services_stands_apart_from_the_proof() -> None:
    """It is stated beside the cost and is part of neither the gap nor what is captured; the page says the same."""
    cost = PLAN.summary.cost
    of_which = "of which 0.39 spreads services, as prices.all_at_once (1) demands"
    spread = {"spreading_costs": 0.39, "cost": cost.model_copy(update={"plan": cost.plan + 0.39})}
    feasible = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=spread)})
    text = " ".join(to_text(render_plan(feasible)).split())
    assert f"the plan costs {decimal(cost.plan + 0.39)}, {of_which}, and no schedule costs less than" in text
    assert f"a gap of {decimal(PLAN.summary.left_to_gain)} at-risk backups per 30 days" in text
    assert of_which in render_html(feasible, INVENTORY, None)
    proven = {"spreading_costs": 0.39, "status": "optimal", "captured": 1.0}
    optimal = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=proven)})
    text = " ".join(to_text(render_plan(optimal)).split())
    assert f"Proven optimal apart from spread services: the plan costs {decimal(cost.plan)}, {of_which}" in text
    assert f"{of_which}. Apart from that, no schedule costs less" in render_html(optimal, INVENTORY, None)


def test_the_gap_and_the_reference_are_beside_what_is_captured() -> None:
    """A reader sees how much could be left, in at-risk backups, and what the share is measured against."""
    gap = decimal(PLAN.summary.left_to_gain)
    assert gap != "0"
    text = " ".join(to_text(PAGES["plan"]).split())
    assert "of all possible improvement over today's schedule, certified" in text
    assert f"a gap of {gap} at-risk backups per 30 days" in text
    broken = {"reference": "greedy", "broken_today": ("nights", "in turns")}
    summary = PLAN.summary.model_copy(update=broken)
    text = " ".join(to_text(render_plan(PLAN.model_copy(update={"summary": summary}))).split())
    assert f"{gap} at-risk backups per 30 days; that is 95.0 % of all possible improvement over a greedy" in text
    assert "Today's schedule breaks rules 'nights' and 'in turns', so improvement is measured against a greedy" in text
    one = summary.model_copy(update={"broken_today": ("nights",)})
    text = " ".join(to_text(render_plan(PLAN.model_copy(update={"summary": one}))).split())
    assert "Today's schedule breaks rule 'nights', so" in text


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ((), "Today's schedule breaks a rule"),
        (("a",), "Today's schedule breaks rule 'a'"),
        (("a", "b"), "Today's schedule breaks rules 'a' and 'b'"),
        (tuple("abcde"), "Today's schedule breaks rules 'a', 'b', 'c', 'd' and 'e'"),
        (tuple("abcdefg"), "Today's schedule breaks rules 'a', 'b', 'c', 'd', 'e' and 2 more"),
    ],
)
def test_the_rules_that_today_breaks_are_listed(broken: tuple[str, ...], words: str) -> None:
    """At most five names; plans of old versions have none."""
    assert len(broken) <= RULES_NAMED + 2
    assert today_breaks(with_summary(broken_today=broken).summary) == words


def test_the_reference_is_explained_if_it_is_not_today() -> None:
    """Today's schedule needs no explanation."""
    assert reference_sentence(PLAN.summary) == ""
    cost = PLAN.summary.cost.model_copy(update={"reference": 12.345})
    sentence = reference_sentence(with_summary(reference="greedy", cost=cost, broken_today=("nights",)).summary)
    assert sentence == (
        "Today's schedule breaks rule 'nights', so improvement is measured against a greedy schedule that keeps "
        "every rule and costs 12.3"
    )


def test_how_a_search_ended_is_in_the_sentence() -> None:
    """Status, what stopped it, and the time."""
    assert captured_sentence(PLAN).endswith("(feasible, stopped by effort, 2.50 s)")
    assert stopped_by(with_summary(stopped="order").summary) == "the order of writes"
    assert captured_sentence(with_summary(stopped="order")).endswith("stopped by the order of writes, 2.50 s)")


def test_a_plan_is_unchanged_only_against_today() -> None:
    """No moves from a greedy reference would be a coincidence."""
    assert is_unchanged(with_summary(moved=0).summary)
    assert not is_unchanged(with_summary(moved=1).summary)
    assert not is_unchanged(with_summary(moved=0, reference="greedy").summary)


def test_the_cost_and_its_bound() -> None:
    """What is proven holds for schedules within the limits of the plan."""
    cost = PLAN.summary.cost
    assert costs_and_bound(PLAN) == (
        f"the plan costs {decimal(cost.plan)}, and no schedule costs less than {decimal(cost.bound)}"
    )
    limited = PLAN.model_copy(update={"rules": PLAN.rules.model_copy(update={"max_moves": 3})})
    assert "no such schedule costs less" in costs_and_bound(limited)
    assert (within_clause(PLAN), within_clause(limited)) == ("", " with at most 3 moves")


def test_spreading_that_rounds_to_nothing_is_not_mentioned() -> None:
    """Only what a reader could see in the figures is explained."""
    assert spreading_clause(with_summary(spreading_costs=0.0)) == ""
    assert spreading_clause(with_summary(spreading_costs=0.39)).startswith(", of which 0.39 spreads services")
