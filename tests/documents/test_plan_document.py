"""A plan as data frames, and as it shows itself in a notebook."""

from __future__ import annotations

from optimizer.documents.plan_document import CreatePolicy, EditPolicy, ReassignItem
from tests.report.small_estate import HOSTILE, make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def test_the_schedule_is_a_data_frame() -> None:
    """One row per VM, in the order of the schedule, with its name and whether it moves."""
    frame = PLAN.schedule_frame()
    assert frame["vm"].to_list() == [entry.vm for entry in PLAN.schedule]
    assert frame["name"].to_list()[0] == "vm-000"
    assert frame["start"].to_list() == [entry.start for entry in PLAN.schedule]
    assert frame["moves"].sum() == PLAN.summary.moved
    assert frame["risk"].sum() == sum(entry.risk for entry in PLAN.schedule)
    assert frame.columns[0] == "name"


def test_the_changes_are_a_data_frame() -> None:
    """One row per change, in their order; a VM that is reassigned has its starts before and after."""
    rows = PLAN.changes_frame().to_dicts()
    assert [row["number"] for row in rows] == list(range(1, len(PLAN.changes) + 1))
    starts = {entry.vm: entry for entry in PLAN.schedule}
    for row, change in zip(rows, PLAN.changes, strict=True):
        assert (row["kind"], row["policy"]) == (change.kind, change.policy)
        match change:
            case ReassignItem():
                entry = starts[change.vm]
                expected = (change.vm, change.policy_today, entry.start_today, entry.start)
            case EditPolicy():
                expected = (None, None, change.start_today, change.start)
            case CreatePolicy():
                expected = (None, None, None, change.start)
        assert (row["vm"], row["policy_today"], row["start_today"], row["start"]) == expected
    assert {row["vault"] for row in rows} == {"vault-1", "vault-2"}


def test_an_empty_plan_has_empty_data_frames() -> None:
    """The columns are the same without any VM or change."""
    empty = PLAN.model_copy(update={"schedule": (), "changes": ()})
    assert empty.schedule_frame().schema == PLAN.schedule_frame().schema
    assert empty.changes_frame().schema == PLAN.changes_frame().schema
    assert "VMs that move" not in empty._repr_html_()


def test_a_plan_shows_itself() -> None:
    """Figures, the VMs that gain most, and notes; a hostile name is text."""
    shown = PLAN._repr_html_()
    assert "Plan for 30 VMs, feasible" in shown
    assert f"{PLAN.summary.moved} VMs move; 15 policies created, 1 edited, 17 VMs reassigned." in shown
    assert "The plan takes 95.0% of the possible improvement over today&#x27;s schedule." in shown
    assert f">{PLAN.summary.at_risk_per_month.plan:.1f}<" in shown
    assert "The first 10 of" in shown
    assert "<summary>Notes (1)</summary>" in shown
    assert HOSTILE not in shown
    assert PLAN.summary._repr_html_() in shown
