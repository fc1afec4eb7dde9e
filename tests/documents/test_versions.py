"""Plans of version 1 stay readable and mean the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizer.documents.fingerprint import check_changes
from optimizer.documents.plan_file import open_estate_of, read_plan
from optimizer.documents.rollback_file import prior_states, require_of_plan
from optimizer.errors import PlanFormatError
from optimizer.report.page.html import render_html
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.workflow import explain_vm
from tests.documents.version_1 import MADE_BY_VERSION_1, write_version_1
from tests.plan.planned import Planned


def test_a_plan_that_version_1_wrote_is_read() -> None:
    """Its fingerprint is the one that it was written with; prices and figures have the names of version 2."""
    content = json.loads(MADE_BY_VERSION_1.read_text(encoding="utf-8"))
    plan = read_plan(MADE_BY_VERSION_1)
    assert (plan.schema_version, plan.fingerprint) == (2, content["fingerprint"])
    assert plan.rules.prices.snapshot_overlap == pytest.approx(0.02 * 5 / 6.9)
    assert plan.rules.prices.all_at_once == 0
    assert plan.summary.cost.model_dump() == content["summary"]["cost"]
    assert plan.summary.gap == pytest.approx(plan.summary.cost.plan - plan.summary.cost.bound)
    assert [entry.model_dump(mode="json") for entry in plan.schedule] == content["schedule"]
    assert [change.model_dump(mode="json") for change in plan.changes] == content["changes"]


def test_overlaps_of_version_1_are_counted_anew() -> None:
    """From the schedule alone: daily and weekly VMs, and a zone that changes its clock.

    Today ``shop`` has two VMs at 23:00 UTC and one at 23:30 in Berlin, which is 30 minutes from them in winter and 90
    in summer; ``erp`` has a daily and a weekly VM at 23:00 UTC, which meet on two days of seven.
    """
    overlaps = read_plan(MADE_BY_VERSION_1).summary.overlaps_per_month
    shop = 30 * (0.23 + 2 * (0.1725 + 0.0575) / 2)
    assert overlaps.today == pytest.approx(shop + 30 * 0.23 * 2 / 7)
    assert overlaps.plan == 0


def test_a_plan_of_version_1_is_reported() -> None:
    """The report shows the figures, says which price they were made with, and leaves out what nobody counted."""
    plan = read_plan(MADE_BY_VERSION_1)
    text = to_text(render_plan(plan), 100)
    assert "expected overlapping snapshots per 30 days" in text
    assert "overlap = 0.02" in text
    assert plan.moves_curve is not None
    assert {point.overlaps_per_month for point in plan.moves_curve.points} == {None}


@pytest.mark.parametrize("kind", ["arm", "imported"])
def test_a_plan_of_version_1_finds_its_estate(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Read, compared with its estate and explained, also where its rules have the price of that time."""
    made: Planned = request.getfixturevalue(kind)
    path = tmp_path / "plan.json"
    fingerprint = write_version_1(made.plan, path)
    plan = read_plan(path)
    estate = open_estate_of(plan, path, made.estate.path)
    assert plan.fingerprint == fingerprint
    assert plan.summary.overlaps_per_month == made.plan.summary.overlaps_per_month
    explained = explain_vm(plan, estate, plan.schedule[0].vm)
    assert explained.proposed.start == made.plan.schedule[0].start
    assert "Overlap" in render_html(plan, estate.inventory(plan.rules.service_from), estate.load)


def test_a_plan_of_version_1_can_be_carried_out_and_taken_back(arm: Planned, tmp_path: Path) -> None:
    """Its changes pass the check, and the rollback file that version 1 wrote beside it belongs to it."""
    path = tmp_path / "plan.json"
    fingerprint = write_version_1(arm.plan, path)
    plan = read_plan(path)
    check_changes(plan, arm.estate.document)
    back = prior_states(arm.plan, arm.estate.document).model_copy(update={"plan_fingerprint": fingerprint})
    require_of_plan(back, plan, tmp_path / "plan.rollback.json")


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a figure": lambda plan: plan["summary"].update(moved=0),
    "a start": lambda plan: plan["schedule"][0].update(start="04:00"),
    "a price": lambda plan: plan["rules"]["prices"].update(overlap=0.5),
    "a key of version 2": lambda plan: plan["summary"].update(overlaps_per_month={"today": 1, "plan": 0}),
    "no fingerprint": lambda plan: plan.pop("fingerprint"),
    "no summary": lambda plan: plan.pop("summary"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_of_version_1_is_refused(tmp_path: Path, edit: str) -> None:
    """Whatever is edited, the fingerprint tells."""
    content = json.loads(MADE_BY_VERSION_1.read_text(encoding="utf-8"))
    EDITS[edit](content)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PlanFormatError, match="the plan was edited"):
        read_plan(path)
