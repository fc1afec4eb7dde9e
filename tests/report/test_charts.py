"""The data behind the charts of the page and of notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.documents.moves_document import MovesCurve, MovesPoint
from optimizer.model.rules import Threshold
from optimizer.report import charts
from optimizer.report.figures import compare_services, count_half_hours, load_profile
from tests.report.small_estate import SmallLoadSource, make_inventory, make_plan, make_risk

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
HOURS = compare_services(INVENTORY, PLAN)


def source(plot: figure, name: str) -> ColumnDataSource:
    """Data source of a chart by its name."""
    from bokeh.models import ColumnDataSource

    return plot.select_one({"type": ColumnDataSource, "name": name})  # type: ignore[no-any-return]


@pytest.mark.parametrize(("which", "other"), [("today", "plan"), ("plan", "today")])
def test_a_heat_map_has_a_cell_for_every_half_hour_with_a_window(which: str, other: str) -> None:
    """Each cell has the number of windows of its service and half hour, and that of the other schedule."""
    data = source(charts.heat_map(HOURS, which), "heat").data  # type: ignore[arg-type]  # one of the two
    counts, others = getattr(HOURS, which), getattr(HOURS, other)
    assert len(data["hour"]) == (counts > 0).sum()
    for row, hour, windows, elsewhere, service in zip(
        data["row"], data["hour"], data["windows"], data["other"], data["service"], strict=True
    ):
        assert (windows, elsewhere) == (counts[row, int(hour * 2)], others[row, int(hour * 2)])
        assert service == HOURS.names[row]


def test_both_heat_maps_have_the_same_colors() -> None:
    """The last color is that of the worst half hour of either schedule, and dark pages have the colors reversed."""
    assert charts.heat_top(HOURS) == max(3, HOURS.today.max(), HOURS.plan.max())
    light, dark = charts.heat_palette(), charts.heat_palette(dark=True)
    assert len(light) == len(dark) == charts.HEAT_STEPS
    assert light[:-3] == tuple(reversed(dark))[3:]


def test_bars_of_the_risk_chart_hold_all_risk() -> None:
    """The bars of today and of the plan add up to the figures of the plan, and do not overlap."""
    data = source(charts.risk_chart(count_half_hours(INVENTORY, PLAN)), "risk").data
    assert sum(data["today"]) == pytest.approx(PLAN.summary.at_risk_per_month.today)
    assert sum(data["plan"]) == pytest.approx(PLAN.summary.at_risk_per_month.plan)
    assert all(np.asarray(data["right_today"]) <= np.asarray(data["left_plan"]))


def test_the_load_chart_shows_the_profile_and_both_windows() -> None:
    """Values, limits and start windows are those of the profile; an empty chart has the same sources."""
    item = INVENTORY.items[0]
    history = SmallLoadSource(INVENTORY).read_vm(item.vm_id)
    profile = load_profile(INVENTORY, item, PLAN.schedule[0], history, Threshold())
    plot = charts.load_chart(profile, Threshold(cpu_percent=80))
    data = source(plot, "load").data
    assert list(data["cpu"]) == list(profile.cpu_mean)
    assert (data["hour"][1], data["time"][13]) == (5 / 60, "01:05")
    bounds = source(plot, "window-plan").data
    windows = [
        (round(left * 60), round(right * 60)) for left, right in zip(bounds["left"], bounds["right"], strict=True)
    ]
    assert windows == list(profile.windows_plan)
    empty = charts.empty_load_chart(96, Threshold())
    assert len(source(empty, "load").data["hour"]) == 96
    assert source(empty, "load").data["time"][5] == "01:15"
    assert np.isnan(source(empty, "load").data["busy"]).all()
    assert source(empty, "window-today").data == {"left": [], "right": []}


def test_busy_vms_and_starts_have_an_axis_each() -> None:
    """A few starts and hundreds of busy VMs can both be read."""
    plot = charts.busy_chart(np.linspace(0, 500, 96), np.ones(48))
    assert {axis.axis_label for axis in [*plot.left, *plot.right]} == {"starts per day", "busy VMs"}
    assert plot.renderers[1].y_range_name == "busy"


def test_the_moves_chart_has_a_point_per_number_of_moves() -> None:
    """Cost, bound and risk are those of the curve, and shares are in percent."""
    points = tuple(
        MovesPoint(
            max_moves=moves, moved=moves, policy_writes=1, at_risk_per_month=9.0 - moves, overlaps_per_month=1.0,
            cost=10.0 - moves, bound=8.0 - moves, gain_share=moves / 2,
        )
        for moves in (0, 1, 2)
    )  # fmt: skip
    plot = charts.moves_chart(MovesCurve(points=points, knee=1, most_of_gain=2, gain_over="today"))
    data = plot.renderers[0].data_source.data
    assert (data["moves"], data["cost"], data["share"]) == ([0, 1, 2], [10.0, 9.0, 8.0], [0.0, 50.0, 100.0])


def test_no_chart_gets_narrower_than_a_phone() -> None:
    """Every chart fills its container, but keeps a width at which it can be read."""
    plots = [
        charts.heat_map(HOURS, "today"),
        charts.risk_chart(count_half_hours(INVENTORY, PLAN)),
        charts.empty_load_chart(96, Threshold()),
        charts.busy_chart(np.ones(48), np.ones(48)),
    ]
    assert {(plot.sizing_mode, plot.min_width) for plot in plots} == {("stretch_width", charts.MIN_WIDTH)}
    charts.set_title(plots[0], "a title")
    assert plots[0].title.text == "a title"  # type: ignore[union-attr]  # a Title
