"""Text reports: what stands in them and how they sit."""

from __future__ import annotations

import re

import pytest
from rich.console import RenderableType

from optimizer.documents.plan_document import CreatePolicy, EditPolicy, PlanDocument, ReassignItem
from optimizer.report.formats import decimal, short_id
from optimizer.report.terminal.plan import render_plan, render_report
from optimizer.report.terminal.sheet import to_text
from tests.report.fitting import assert_fits
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
    assert_fits(page, width, ascii_only=ascii_only)


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


def test_changes_say_what_they_do() -> None:
    """A VM goes from one policy to another, a policy is a twin of another, or its time changes."""
    text = to_text(PAGES["report"], 200)
    rows = [" ".join(line.split()) for line in text.split("Changes in order")[1].split("Schedule")[0].splitlines()]
    for number, change in enumerate(PLAN.changes, start=1):
        match change:
            case ReassignItem():
                how = f" {change.policy_today} → {change.policy}"
            case CreatePolicy():
                how = f" {change.start}, twin of {short_id(change.twin_of)}"
            case EditPolicy():
                how = f" {change.start_today} → {change.start}"
        assert next(row for row in rows if row.startswith(f"{number} ")).endswith(how)
