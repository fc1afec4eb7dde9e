"""Tiles of the page: figures, changes, and what is proven."""

from __future__ import annotations

import pytest

from optimizer.documents.plan_document import PlanDocument, TodayAndPlan, WeightedFigures
from optimizer.documents.toward_document import RuleToward, Toward
from optimizer.report.formats import decimal
from optimizer.report.page.tiles import Tile, tiles
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def with_summary(plan: PlanDocument = PLAN, **changes: object) -> PlanDocument:
    """The plan with another summary."""
    return plan.model_copy(update={"summary": plan.summary.model_copy(update=changes)})


def with_rules(**changes: object) -> PlanDocument:
    """The plan with other rules."""
    return PLAN.model_copy(update={"rules": PLAN.rules.model_copy(update=changes)})


def by_label(plan: PlanDocument) -> dict[str, Tile]:
    """Return the tiles by their labels."""
    return {tile.label: tile for tile in tiles(plan)}


def test_the_main_figures_have_a_tile_each() -> None:
    """Today and plan, with the relative change."""
    shown = list(tiles(PLAN))
    assert [tile.label for tile in shown] == [
        "Backups at risk", "Overlapping snapshots", "Worst half hour", "VMs that move", "Captured",
    ]  # fmt: skip
    assert (shown[0].today, shown[0].plan, shown[0].change) == ("42.0", "20.5", "-51.2 %")
    assert all(tile.meaning for tile in shown)


def test_figures_that_stay_have_no_change() -> None:
    """Equal figures say so; from nothing, there is no share."""
    same = TodayAndPlan(today=5.0, plan=5.0)
    grown = TodayAndPlan(today=5.0, plan=6.0)
    none = TodayAndPlan(today=0.0, plan=6.0)
    changes = [
        by_label(with_summary(overlaps_per_month=figures))["Overlapping snapshots"].change
        for figures in (same, grown, none)
    ]
    assert changes == ["no change", "+20.0 %", ""]


def test_working_hours_have_a_tile_if_they_are_counted() -> None:
    """Plans of versions that did not count them have none."""
    assert "Expected starts in working hours" not in by_label(PLAN)
    tile = by_label(with_summary(working_hours_starts=TodayAndPlan(today=4.0, plan=1.0)))
    assert tile["Expected starts in working hours"].plan == "1.00"


def test_weighted_figures_are_in_the_sentences() -> None:
    """The figures of the tiles are those without weights."""
    weights = WeightedFigures(
        at_risk_per_month=TodayAndPlan(today=80.0, plan=40.0), overlaps_per_month=TodayAndPlan(today=9.0, plan=3.0)
    )
    shown = by_label(with_summary(weighted=weights))
    assert shown["Backups at risk"].meaning.endswith(". Weighted by the rules: 80.0 today, 40.0 in the plan.")
    assert shown["Overlapping snapshots"].meaning.endswith(". Weighted by the rules: 9.00 today, 3.00 in the plan.")


def test_without_an_expected_change_the_figures_are_the_model_s() -> None:
    """The sentence says which figures the tile has."""
    tile = by_label(with_summary(expected_change=None))["Backups at risk"]
    assert tile.plan == decimal(PLAN.summary.at_risk_per_month.plan)
    assert "The figures are the model's. The expected change of at-risk backups is unknown" in tile.meaning


UNCHANGED = {"moved": 0, "reference": "today"}
COST = PLAN.summary.cost
DEAR = COST.model_copy(update={"plan": COST.today + 0.25, "bound": COST.today - 0.5})


@pytest.mark.parametrize(
    ("plan", "label", "words"),
    [
        (PLAN, "Captured", "certified by a proven bound: no schedule costs less than"),
        (with_rules(max_moves=4), "Captured", "no such schedule costs less than"),
        (with_summary(status="optimal"), "Proven optimal", "No schedule costs less: the gap is"),
        (
            with_summary(status="optimal", spreading_costs=0.39),
            "Proven optimal",
            "Apart from that, no schedule costs less than the bound",
        ),
        (with_summary(reference="greedy"), "Left to gain", "could save over this one, certified by a proven bound of"),
        (
            with_summary(**UNCHANGED),
            "Left to gain",
            "no other would save more than this, certified by a proven bound.",
        ),
        (
            with_summary(with_rules(max_moves=0), **UNCHANGED),
            "Left to gain",
            "max_moves is 0, so no VM may move.",
        ),
        (with_summary(cost=DEAR), "Left to gain", "It costs 0.25 more than today's schedule."),
    ],
    ids=["captured", "limited", "optimal", "spread", "greedy", "unchanged", "no moves", "dear"],
)
def test_the_last_tile_says_what_is_proven(plan: PlanDocument, label: str, words: str) -> None:
    """One tile for each kind of result, within the limits of the plan."""
    tile = list(tiles(plan))[-1]
    assert tile.label == label
    assert words in tile.meaning


def test_a_greedy_reference_is_explained() -> None:
    """Whether or not the plan is optimal."""
    for status in ("optimal", "feasible"):
        tile = list(tiles(with_summary(reference="greedy", status=status, broken_today=("nights",))))[-1]
        assert tile.meaning.endswith(
            "Today's schedule breaks rule 'nights', so a greedy schedule that keeps every rule is the reference."
        )


def test_a_first_step_counts_the_vms_that_break_a_rule() -> None:
    """While some still do; after that, the tile is about the proof again."""
    rules = (RuleToward(rule="nights", today=5, left=2),)
    step = Toward(violations_today=5, violations_left=2, moves_needed=30, months=3, rules=rules, later=())
    tile = by_label(with_summary(toward=step))["VMs that break a rule"]
    assert (tile.today, tile.plan) == ("5", "2")
    assert "takes 30 moves in 3 monthly plans" in tile.meaning
    done = step.model_copy(update={"violations_left": 0})
    assert "VMs that break a rule" not in by_label(with_summary(toward=done))


def test_the_tile_of_moves_counts_what_is_written() -> None:
    """Policies and VMs with their nouns, and how few moves would do most."""
    tile = by_label(with_summary(moved=1, policies_created=1, reassigned=1))["VMs that move"]
    assert (tile.today, tile.plan) == ("", "1")
    assert tile.meaning.startswith("Of 30. 1 policy created, 1 edited, 1 VM reassigned. Less risk for")
