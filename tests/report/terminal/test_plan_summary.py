"""Summary of a plan: headline, figures, proof."""

from __future__ import annotations

from optimizer.documents.plan_document import PlanDocument
from optimizer.documents.toward_document import RuleToward, Toward
from optimizer.report.terminal.plan_summary import summary_parts
from optimizer.report.terminal.sheet import Page, to_text
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def text_of(**changes: object) -> str:
    """Text of the plan with another summary, on one line."""
    plan: PlanDocument = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=changes)})
    return " ".join(to_text(Page(lambda sheet: summary_parts(plan, sheet))).split())


def toward(left: int) -> Toward:
    """Return a first step toward the rules."""
    return Toward(
        violations_today=5, violations_left=left, moves_needed=30, months=3, later=(),
        rules=(RuleToward(rule="nights", today=5, left=left),),
    )  # fmt: skip


def test_the_headline_counts_moves_and_writes() -> None:
    """One and several, each with its noun."""
    text = text_of(moved=1, policies_created=1, policies_edited=0, reassigned=1)
    assert text.startswith("1 VM of 30 move 1 policy created, 0 edited; 1 VM reassigned")
    assert text_of(moved=0).startswith("Nothing to change for 30 VMs 15 policies created")


def test_the_largest_increase_is_named_if_any_vm_loses() -> None:
    """The VM and by how much; without one, nothing is said."""
    assert "(by at most" not in text_of(vms_harmed=0)
    worst = max(PLAN.schedule, key=lambda entry: entry.risk - entry.risk_today)
    increase = f"{worst.risk - worst.risk_today:.4f}"
    assert f"with more: 1 (by at most {increase}: {worst.vm.rpartition('/')[2]})" in text_of(vms_harmed=1)


def test_a_first_step_shows_what_is_left_instead_of_a_proof() -> None:
    """While rules are broken, nothing is captured; a step that reaches them is followed by its proof."""
    text = text_of(toward=toward(2))
    assert "Today's schedule breaks rules for 5 VMs; this plan leaves 2" in text
    assert "Captured" not in text
    done = text_of(toward=toward(0))
    assert "after this plan, every rule holds" in done
    assert "Captured 95.0 %" in done


def test_the_fingerprint_identifies_the_plan() -> None:
    """It is what apply compares."""
    assert f"fingerprint {PLAN.fingerprint}" in text_of()
