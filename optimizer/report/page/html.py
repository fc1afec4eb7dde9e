"""A plan as one self-contained HTML page, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimizer.documents import PlanDocument
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import MINUTES_PER_DAY
from optimizer.plan import LimitPriceEntry
from optimizer.ports import LoadSource
from optimizer.report.figures import compare_services, count_half_hours
from optimizer.report.formats import decimal, percent, plural, short_id
from optimizer.report.page.chart_items import chart_items, heat_legend
from optimizer.report.page.sections import sections
from optimizer.report.page.tables import (
    hours_rows,
    moves_table,
    policies_table,
    rules_table,
    schedule_table,
    services_table,
)
from optimizer.report.page.tiles import tiles
from optimizer.report.page.vm_loads import vm_loads
from optimizer.report.page.zones import UTC, display_zones
from optimizer.verifier import rule_effects

if TYPE_CHECKING:
    from jinja2 import Environment


def render_html(
    plan: PlanDocument,
    inventory: Inventory,
    load: LoadSource | None,
    limits: Sequence[LimitPriceEntry] | None = None,
    zone: str = UTC,
) -> str:
    """Render a plan as an HTML page.

    Parameters
    ----------
    load
        Load history of the VMs. None: the page shows no load.
    limits
        Result of :func:`optimizer.workflow.price_plan_limits`, the limits that bind. None: the page leaves them out.
    zone
        Windows or IANA name of the time zone that the page shows at first; its reader can choose another.

    Raises
    ------
    ValueError
        The plan was made for another inventory, or there is no such time zone.
    """
    services = compare_services(inventory, plan)
    hours = count_half_hours(inventory, plan)
    vms = None if load is None else vm_loads(plan, inventory, load)
    zones = display_zones(inventory, zone)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            plan=plan,
            tiles=list(tiles(plan)),
            services=services,
            services_table=services_table(services.services),
            vms=vms,
            zones=zones,
            zone=zones[0],
            zone_data=[choice.data() for choice in zones],
            first_day=inventory.horizon.start.date().isoformat(),
            hour_rows=sorted(hours_rows(hours), key=lambda row: (row[0] + zones[0].offset) % MINUTES_PER_DAY),
            policies_table=policies_table(plan),
            moves_table=moves_table(plan),
            rules_table=rules_table(plan, rule_effects(inventory, plan)),
            schedule_table=schedule_table(plan),
            bokeh_js=_bokeh_script(),
            charts=chart_items(services, hours, plan, with_load=vms is not None),
            heat=heat_legend(services),
            threshold=plan.rules.threshold,
            **sections(plan, limits),
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("optimizer.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(decimal=decimal, percent=percent, short_id=short_id)
    environment.globals["plural"] = plural
    # Bokeh reads a document in order: a model must come before the references to it.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment


def _bokeh_script() -> str:
    """Bokeh's own script, without widgets and tables, because the page only needs its canvas."""
    from bokeh.resources import Resources
    from markupsafe import Markup

    scripts = Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw
    return Markup("\n".join(scripts))  # noqa: S704  # these are Bokeh's own files, not user input
