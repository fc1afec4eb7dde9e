"""Charts of the page as Bokeh documents."""

from __future__ import annotations

from optimizer.documents.moves_document import MovesCurve, MovesPoint
from optimizer.report.figures import compare_services, count_half_hours
from optimizer.report.page.chart_items import chart_items, heat_legend
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory(8)
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
SERVICES, HOURS = compare_services(INVENTORY, PLAN), count_half_hours(INVENTORY, PLAN)


def point(moves: int, cost: float, share: float) -> MovesPoint:
    """Return a point of a curve."""
    return MovesPoint(
        max_moves=moves, moved=moves, policy_writes=1, at_risk_per_month=cost, overlaps_per_month=1.0, cost=cost,
        bound=cost, gain_share=share,
    )  # fmt: skip


def test_each_chart_goes_into_its_element() -> None:
    """Heat maps of today and of the plan, and the risks; each document names its target."""
    items = chart_items(SERVICES, HOURS, PLAN, with_load=False)
    assert list(items) == ["chart-heat-today", "chart-heat-plan", "chart-risk"]
    assert all(item["target_id"] == target for target, item in items.items())


def test_the_load_has_a_chart_if_the_page_shows_load() -> None:
    """It is empty until the script fills it."""
    items = chart_items(SERVICES, HOURS, PLAN, with_load=True)
    assert "chart-load" in items
    assert "chart-moves" not in items


def test_a_curve_has_a_chart_if_the_plan_has_one() -> None:
    """Only plans made with ``--moves-curve`` do."""
    curve = MovesCurve(points=(point(0, 5.0, 0.0), point(3, 1.0, 1.0)), knee=3, most_of_gain=3, gain_over="today")
    plan = PLAN.model_copy(update={"moves_curve": curve})
    assert "chart-moves" in chart_items(SERVICES, HOURS, plan, with_load=False)


def test_the_legend_covers_the_highest_number() -> None:
    """The last color stands for the most windows of either chart, in light and dark."""
    legend = heat_legend(SERVICES)
    assert legend["top"] == max(3, int(SERVICES.today.max()), int(SERVICES.plan.max()))
    assert len(legend["light"]["palette"]) == len(legend["dark"]["palette"])
    assert legend["light"]["single"] != legend["dark"]["single"]
    assert legend["light"]["palette"][0] != legend["dark"]["palette"][0]
