"""Text reports: what stands in them and how they sit."""

from __future__ import annotations

import re

import pytest
from rich.console import RenderableType

from optimizer.documents.plan_document import Expectation, PlanDocument, TodayAndPlan
from optimizer.report.formats import decimal
from optimizer.report.page.html import render_html
from optimizer.report.terminal.plan import render_plan, render_report
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.expected import expected_sentence
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
RISK = make_risk(INVENTORY)
PLAN = make_plan(INVENTORY, RISK)
PAGES = {
    "plan": render_plan(PLAN),
    "report": render_report(PLAN, INVENTORY),
}


def unchanged(plan: PlanDocument) -> PlanDocument:
    """The same plan with nothing to change."""
    summary = plan.summary.model_copy(
        update={"moved": 0, "reassigned": 0, "policies_created": 0, "policies_edited": 0, "reference": "greedy"}
    )
    schedule = tuple(one.model_copy(update={"start": one.start_today}) for one in plan.schedule)
    return plan.model_copy(update={"summary": summary, "schedule": schedule, "changes": (), "notes": ()})


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_pages_fit_the_terminal(page: RenderableType, ascii_only: bool, width: int) -> None:
    """No line is longer than the terminal is wide, and ASCII output is ASCII."""
    text = to_text(page, width, ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only


def test_plan_shows_the_figures_before_and_after() -> None:
    """Every pair of figures stands on one line, with its change."""
    text = to_text(PAGES["plan"])
    risk, pairs = PLAN.summary.at_risk_per_month, PLAN.summary.overlaps_per_month
    for figure in (risk, pairs):
        assert re.search(rf"{decimal(figure.today)} +{decimal(figure.plan)} +[-+]\d", text)
    assert f"{PLAN.summary.moved} VMs of {PLAN.summary.vms} move" in text
    assert "Captured 95.0 %" in text


def test_next_to_nothing_has_no_percentage() -> None:
    """Where today's figure is shown as 0.00 there is a dash; where something is left the change is above -100 %."""
    risk = PLAN.summary.at_risk_per_month.model_copy(update={"today": 0.004, "plan": 0.002})
    pairs = PLAN.summary.overlaps_per_month.model_copy(update={"today": 50.0, "plan": 0.01})
    summary = PLAN.summary.model_copy(update={"at_risk_per_month": risk, "overlaps_per_month": pairs})
    text = to_text(render_plan(PLAN.model_copy(update={"summary": summary})))
    assert re.search(r"at-risk backups per 30 days, by the model +0.00 +0.00 +\N{EM DASH}", text)
    assert re.search(r"expected overlapping snapshots per 30 days +50.0 +0.01 +-99.9 %", text)


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


def test_most_helped_vms_come_first() -> None:
    """The table of moves begins with the VM that gains most."""
    best = max(PLAN.schedule, key=lambda one: one.risk_today - one.risk)
    moves = to_text(PAGES["plan"]).split("VMs that move")[1]
    assert moves.splitlines()[4].strip().startswith(best.vm.rsplit("/", 1)[-1])


def test_a_plan_without_changes_says_so() -> None:
    """No empty tables, and the reason why improvement is measured against a greedy schedule."""
    text = to_text(render_plan(unchanged(PLAN)))
    assert "Nothing to change for 30 VMs" in text
    assert "VMs that move" not in text
    assert "Policies written" not in text
    assert "against a greedy schedule" in text


def test_report_lists_every_change_in_order_and_every_vm() -> None:
    """Changes are numbered as in the plan; the schedule has a line per VM."""
    text = to_text(PAGES["report"], 160)
    changes = text.split("Changes in order")[1].split("Schedule")[0]
    lines = [line.split() for line in changes.splitlines() if re.match(r" +\d+ ", line)]
    verbs = {"create_policy": "create", "edit_policy": "edit", "reassign_item": "reassign"}
    assert [(int(line[0]), line[1]) for line in lines] == [
        (number, verbs[change.kind]) for number, change in enumerate(PLAN.changes, start=1)
    ]
    schedule = text.split("\nSchedule\n")[1].split("Notes")[0]
    assert sum(":" in line for line in schedule.splitlines()) == len(PLAN.schedule)


def test_report_is_the_same_twice() -> None:
    """Rendering reads no clock and nothing random."""
    assert to_text(render_report(PLAN, INVENTORY)) == to_text(PAGES["report"])


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
