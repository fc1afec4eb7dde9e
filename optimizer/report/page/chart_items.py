"""Charts of the page as Bokeh documents, and the colors of their legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.documents import PlanDocument
from optimizer.report.figures import HalfHours, ServiceHours
from optimizer.report.page.load_profiles import STEPS_PER_DAY

if TYPE_CHECKING:
    from bokeh.plotting import figure


def chart_items(services: ServiceHours, hours: HalfHours, plan: PlanDocument, *, with_load: bool) -> dict[str, Any]:
    """All charts as Bokeh documents, by the id of the element that each one goes into.

    Parameters
    ----------
    services, hours
        Numbers of the heat maps and of the chart of risks.
    plan
        The plan.
    with_load
        Whether the page shows the load of VMs.
    """
    from bokeh.embed import json_item

    figures = _figures(services, hours, plan, with_load=with_load)
    return {target: json_item(plot, target) for target, plot in figures.items()}  # type: ignore[arg-type]  # ID is a str


def _figures(services: ServiceHours, hours: HalfHours, plan: PlanDocument, *, with_load: bool) -> dict[str, figure]:
    from optimizer.report import charts

    figures = {
        "chart-heat-today": charts.heat_map(services, "today"),
        "chart-heat-plan": charts.heat_map(services, "plan"),
        "chart-risk": charts.risk_chart(hours),
    }
    if plan.moves_curve is not None:
        figures["chart-moves"] = charts.moves_chart(plan.moves_curve)
    if with_load:
        figures["chart-load"] = charts.empty_load_chart(STEPS_PER_DAY, plan.rules.threshold)
    return figures


def heat_legend(services: ServiceHours) -> dict[str, Any]:
    """Colors of the heat maps, and the number of windows that the last one represents."""
    from optimizer.report import charts

    return {
        "top": charts.heat_top(services),
        "light": {"palette": charts.heat_palette(), "single": charts.SINGLE_LIGHT},
        "dark": {"palette": charts.heat_palette(dark=True), "single": charts.SINGLE_DARK},
    }
