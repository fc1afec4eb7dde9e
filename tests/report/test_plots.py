"""Plots for notebooks: one call each, and large enough to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import optimizer
from optimizer.documents.plan_document import PlanDocument
from optimizer.errors import DataError
from optimizer.estate.folder import Estate
from optimizer.plan.case import Case
from optimizer.report import charts
from optimizer.report.figures import compare_services
from tests.pictures import LAYERS, picture_sizes

if TYPE_CHECKING:
    from bokeh.models import Model
    from playwright.sync_api import Browser


@dataclass(frozen=True)
class Planned:
    """A demo estate with its case and its plan."""

    estate: Estate
    case: Case
    plan: PlanDocument


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Plan a small demo, with a moves curve."""
    folder = tmp_path_factory.mktemp("plots")
    optimizer.generate_demo(folder / "estate", vms=16, weeks=2)
    estate = optimizer.open_estate(folder / "estate")
    case = optimizer.prepare(estate)
    return Planned(estate, case, optimizer.make_plan_of(estate, case, effort=1, moves_curve=True))


def sizes(browser: Browser, plot: Model, folder: Path, pictures: int) -> list[tuple[float, float]]:
    """Width and height of each canvas of a plot in a page of 1,000 pixels."""
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    file = folder / "plot.html"
    file.write_text(file_html(plot, INLINE, title="plot"), "utf-8")
    return picture_sizes(browser, file, pictures)


def test_every_plot_takes_the_width_of_the_page(browser: Browser, planned: Planned, tmp_path: Path) -> None:
    """Each plot is as wide as the page, the two heat maps share it, and all are at least 200 pixels high."""
    plots = {
        "busy": (optimizer.plot_busy_hours(planned.case), 1),
        "services": (optimizer.plot_services(planned.estate, planned.plan), 2),
        "at risk": (optimizer.plot_at_risk(planned.estate, planned.plan), 1),
        "load": (optimizer.plot_load(planned.estate, planned.plan), 1),
        "moves": (optimizer.plot_moves(planned.plan), 1),
    }
    for name, (plot, side_by_side) in plots.items():
        found = sizes(browser, plot, tmp_path, side_by_side)
        assert len(found) == LAYERS * side_by_side, name
        for width, height in found:
            assert 0.9 * 1000 / side_by_side < width <= 1000 / side_by_side, name
            assert height >= 130, name


def test_heat_maps_in_a_plain_row_can_be_seen(browser: Browser, planned: Planned, tmp_path: Path) -> None:
    """A row that is as wide as its charts does not make them 3 pixels wide: they keep the width of a phone."""
    from bokeh.layouts import row

    hours = compare_services(planned.case.inventory, planned.plan)
    found = sizes(browser, row(charts.heat_map(hours, "today"), charts.heat_map(hours, "plan")), tmp_path, 2)
    assert len(found) == LAYERS * 2
    assert all(width >= charts.MIN_WIDTH for width, _ in found)


def test_the_load_of_any_vm_is_plotted_by_name(planned: Planned) -> None:
    """The plot of a VM is found by name or id, and its title names the VM and both starts."""
    entry = planned.plan.schedule[3]
    name = entry.vm.rpartition("/")[2]
    for vm in (name, entry.vm):
        plot = optimizer.plot_load(planned.estate, planned.plan, vm)
        assert plot.title.text == f"{name}: {entry.start_today} today, {entry.start} in the plan ({entry.timezone})"  # type: ignore[union-attr]  # a Title


def test_what_cannot_be_plotted_is_an_error(planned: Planned) -> None:
    """A VM that does not exist or is not in the plan, and a plan without a moves curve, are named."""
    with pytest.raises(DataError, match="no VM has the name or ARM id 'nobody'"):
        optimizer.plot_load(planned.estate, planned.plan, "nobody")
    gone = planned.plan.model_copy(update={"schedule": planned.plan.schedule[1:]})
    with pytest.raises(DataError, match="is in the estate but not part of the plan"):
        optimizer.plot_load(planned.estate, gone, planned.plan.schedule[0].vm)
    with pytest.raises(DataError, match="the plan contains no VM"):
        optimizer.plot_load(planned.estate, planned.plan.model_copy(update={"schedule": ()}))
    with pytest.raises(DataError, match="the plan has no moves curve"):
        optimizer.plot_moves(planned.plan.model_copy(update={"moves_curve": None}))
