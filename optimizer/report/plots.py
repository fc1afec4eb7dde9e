"""Plots for notebooks, one call each: the charts of the page, as Bokeh objects for :func:`bokeh.io.show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.documents import PlanDocument, ScheduleEntry
from optimizer.errors import DataError
from optimizer.estate import Estate
from optimizer.model.occupancy import starts_per_slot, starts_today
from optimizer.model.timegrid import SLOTS_PER_DAY
from optimizer.plan import Case
from optimizer.report import charts
from optimizer.report.figures import compare_services, count_half_hours, load_profile, most_helped

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM
    from bokeh.plotting import figure


def plot_busy_hours(case: Case) -> figure:
    """Number of VMs that are busy (line) and of backups that start today (bars), by UTC time of day.

    Parameters
    ----------
    case
        Result of :func:`optimizer.plan.prepare`.
    """
    starts = starts_per_slot(case.inventory, starts_today(case.inventory)).reshape(7, SLOTS_PER_DAY).mean(axis=0)
    plot = charts.busy_chart(case.forecast.probability.sum(axis=0), starts)
    charts.set_title(plot, "Busy VMs (line) and backups that start today (bars), by time of day (UTC)")
    return plot


def plot_services(estate: Estate, plan: PlanDocument) -> LayoutDOM:
    """Heat maps, today and in the plan, of the start windows of each service that overlap in each UTC half hour.

    Parameters
    ----------
    estate, plan
        The estate, and a plan made for it.

    Raises
    ------
    ValueError
        The plan was made for another estate.
    """
    from bokeh.layouts import row

    hours = compare_services(estate.inventory(plan.rules.service_from), plan)
    today, planned = charts.heat_map(hours, "today"), charts.heat_map(hours, "plan")
    charts.set_title(today, "Today: overlapping start windows, by hour (UTC)")
    charts.set_title(planned, "Plan: overlapping start windows, by hour (UTC)")
    return row(today, planned, sizing_mode="stretch_width")


def plot_at_risk(estate: Estate, plan: PlanDocument) -> figure:
    """Bars of the at-risk backups per 30 days by the UTC half hour of their start, today and in the plan.

    Parameters
    ----------
    estate, plan
        The estate, and a plan made for it.

    Raises
    ------
    ValueError
        The plan was made for another estate.
    """
    plot = charts.risk_chart(count_half_hours(estate.inventory(plan.rules.service_from), plan))
    charts.set_title(
        plot, "At-risk backups per 30 days, by start (UTC): today (left bars) and in the plan (right bars)"
    )
    return plot


def plot_load(estate: Estate, plan: PlanDocument, vm: str | None = None) -> figure:
    """Load of a VM by time of day in the zone of its policy, with its start windows today and in the plan.

    Parameters
    ----------
    estate, plan
        The estate, and a plan made for it.
    vm
        ARM id or name of the VM. None: the VM whose risk falls most.

    Raises
    ------
    DataError
        The estate or the plan has no such VM, several VMs have the name, or the plan contains no VM at all.
    """
    inventory = estate.inventory(plan.rules.service_from)
    if vm is None and not plan.schedule:
        raise DataError("the plan contains no VM, so there is no load to plot")
    load = estate.load.read_vm(most_helped(plan, 1)[0].vm if vm is None else vm)
    entry = _entry(plan, load.vm_id)
    item = next(item for item in inventory.items if item.vm_id.casefold() == load.vm_id.casefold())
    profile = load_profile(inventory, item, entry, load, plan.rules.threshold)
    plot = charts.load_chart(profile, plan.rules.threshold)
    charts.set_title(plot, f"{profile.name}: {entry.start_today} today, {entry.start} in the plan ({entry.timezone})")
    return plot


def _entry(plan: PlanDocument, vm_id: str) -> ScheduleEntry:
    for entry in plan.schedule:
        if entry.vm.casefold() == vm_id.casefold():
            return entry
    raise DataError(
        f"{vm_id} is in the estate but not part of the plan, because no plan can move it or no policy backs it up; "
        "schedule_frame() lists the VMs of the plan"
    )


def plot_moves(plan: PlanDocument) -> figure:
    """Cost, bound and at-risk backups by the number of VMs that move.

    Parameters
    ----------
    plan
        A plan that was made with ``moves_curve=True``.

    Raises
    ------
    DataError
        The plan has no moves curve.
    """
    if plan.moves_curve is None:
        raise DataError("the plan has no moves curve; make it with make_plan(..., moves_curve=True) or --moves-curve")
    plot = charts.moves_chart(plan.moves_curve)
    charts.set_title(plot, "Cost, its bound (dashed) and at-risk backups (gray) by the number of VMs that move")
    return plot
