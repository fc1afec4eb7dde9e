"""A plan as one self-contained HTML page, which needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.documents import PlanDocument, ScheduleEntry, Summary
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, MINUTES_PER_DAY, START_WINDOW_MINUTES
from optimizer.plan import LimitPriceEntry
from optimizer.ports import LoadSource
from optimizer.report.figures import (
    HalfHours,
    ServiceHours,
    compare_services,
    count_half_hours,
    most_helped,
    window_starts,
)
from optimizer.report.page.load_profiles import SERIES, STEPS_PER_DAY, STEPS_PER_PERCENT, UNKNOWN, pack_load
from optimizer.report.page.tables import (
    hours_rows,
    moves_table,
    policies_table,
    rules_table,
    schedule_table,
    services_table,
)
from optimizer.report.page.zones import UTC, display_zones
from optimizer.report.terminal.moves import knee_sentence, moves_sentences
from optimizer.report.terminal.plan import (
    change_sentence,
    expected_sentence,
    model_of,
    spreading_clause,
    stopped_by,
    today_breaks,
)
from optimizer.report.terminal.sheet import decimal, percent, plural, relative_change, short_id
from optimizer.report.wording.before_after import expected_risk, shown_overlaps, weighted_lines
from optimizer.report.wording.limit_prices import limit_cells, limits_sentences
from optimizer.report.wording.orders import ORDER_COLUMNS, ORDER_NOTE, ORDER_TITLE, order_cells
from optimizer.report.wording.rule_words import changed_settings
from optimizer.report.wording.together import COSTS_EXPLAINED, TITLE, together_cells
from optimizer.report.wording.toward import toward_cells, toward_sentence
from optimizer.report.wording.within_limits import within_limits
from optimizer.verifier import rule_effects

if TYPE_CHECKING:
    from jinja2 import Environment

FIRST_VMS = 12
"""Number of VMs at the top of the list of VMs whose load the page can show: those whose risk falls most."""


def render_html(
    plan: PlanDocument,
    inventory: Inventory,
    load: LoadSource | None,
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES,
    limits: Sequence[LimitPriceEntry] | None = None,
    zone: str = UTC,
) -> str:
    """Render a plan as an HTML page.

    Parameters
    ----------
    load
        Load history of the VMs.  None: the page shows no load.
    snapshot_minutes
        Length in minutes of the snapshot that the plan was made with.
    limits
        Result of :func:`optimizer.workflow.price_plan_limits`, the limits that bind.  None: the page leaves them out.
    zone
        Windows or IANA name of the time zone that the page shows at first; its reader can choose another.

    Raises
    ------
    ValueError
        The plan was made for another inventory, or there is no such time zone.
    """
    services = compare_services(inventory, plan, snapshot_minutes)
    hours = count_half_hours(inventory, plan)
    vms = None if load is None else _vm_loads(plan, inventory, load, snapshot_minutes)
    zones = display_zones(inventory, zone)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            plan=plan,
            tiles=_tiles(plan),
            toward=plan.summary.toward,
            toward_cells=[] if plan.summary.toward is None else toward_cells(plan.summary.toward),
            toward_sentence=_toward(plan),
            services=services,
            services_table=services_table(services.services),
            vms=vms,
            zones=zones,
            zone=zones[0],
            zone_data=[one.data() for one in zones],
            first_day=inventory.horizon.start.date().isoformat(),
            hour_rows=sorted(hours_rows(hours), key=lambda row: (row[0] + zones[0].offset) % MINUTES_PER_DAY),
            policies_table=policies_table(plan),
            moves_table=moves_table(plan),
            rules_table=rules_table(plan, rule_effects(inventory, plan, snapshot_minutes)),
            settings=changed_settings(plan.rules),
            stopped_by=stopped_by(plan.summary),
            moves_sentences=[] if plan.moves_curve is None else moves_sentences(plan.moves_curve),
            order_title=ORDER_TITLE,
            order_note=ORDER_NOTE[0].upper() + ORDER_NOTE[1:] + ".",
            order_columns=ORDER_COLUMNS,
            order_cells=order_cells(plan.orders),
            together_title=TITLE,
            together_cells=together_cells(plan.services_together),
            together_costs=COSTS_EXPLAINED,
            limits=limits,
            limit_cells=limit_cells(limits or ()),
            limits_sentences=limits_sentences(limits or ()),
            schedule_table=schedule_table(plan),
            bokeh_js=_bokeh_script(),
            charts=_charts(services, hours, plan, with_load=vms is not None),
            heat=_heat_legend(services),
            threshold=plan.rules.threshold,
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


def _tiles(plan: PlanDocument) -> list[dict[str, str]]:
    """Main figures, each with a sentence that explains it."""
    summary = plan.summary
    risk, overlaps = expected_risk(summary) or summary.at_risk_per_month, shown_overlaps(summary)
    peak = summary.peak_concurrency
    weighted = [
        f" Weighted by the rules: {decimal(line.today)} today, {decimal(line.plan)} in the plan."
        for line in weighted_lines(summary)
    ] or ["", ""]
    return [
        _tile(
            "Backups at risk",
            decimal(risk.today),
            decimal(risk.plan),
            f"Snapshots per 30 days that meet a busy guest. {_expected(summary)}" + weighted[0],
            _change(risk.today, risk.plan),
        ),
        _tile(
            "Overlapping snapshots",
            decimal(overlaps.today),
            decimal(overlaps.plan),
            "Pairs of snapshots of one service that are expected to run at the same time, per 30 days." + weighted[1],
            _change(overlaps.today, overlaps.plan),
        ),
        _tile(
            "Worst half hour",
            f"{peak.today:,}",
            f"{peak.plan:,}",
            "Most start windows of one service that overlap in a half hour.",
            _change(peak.today, peak.plan),
        ),
        *_working_hours_tile(summary),
        _tile(
            "VMs that move",
            "",
            f"{summary.moved:,}",
            f"Of {summary.vms:,}. {plural(summary.policies_created, 'policy')} created, "
            f"{summary.policies_edited:,} edited, {plural(summary.reassigned, 'VM')} reassigned. "
            f"Less risk for {summary.vms_helped:,}, more for {summary.vms_harmed:,}. {_knee(plan)}".strip(),
        ),
        _tile(
            "VMs that break a rule",
            f"{summary.toward.violations_today:,}",
            f"{summary.toward.violations_left:,}",
            f"A first step: keeping every rule takes {plural(summary.toward.moves_needed, 'move')} in "
            f"{plural(summary.toward.months, 'monthly plan')}.",
        )
        if summary.toward is not None and summary.toward.violations_left
        else _proven_tile(plan),
    ]


def _proven_tile(plan: PlanDocument) -> dict[str, str]:
    """What is proven about the plan, and under which limits; with more moves or policy writes, it may gain more."""
    summary = plan.summary
    limits = within_limits(plan.rules, summary.vms)
    within = f" {limits}" if limits else ""
    cost, bound, gap = (decimal(one) for one in (summary.cost.plan, summary.cost.bound, summary.left_to_gain))
    captured, spread = percent(summary.captured), spreading_clause(plan)
    if summary.moved == 0 and summary.reference == "today":
        if plan.rules.max_moves == 0:
            return _tile("Left to gain", "", gap, "Today's schedule stays: max_moves is 0, so no VM may move.")
        stays = f"Today's schedule stays: no other{within} would save more than this, certified by a proven bound."
        return _tile("Left to gain", "", gap, stays)
    if summary.costs_more_than_today:
        more = (
            f"At-risk backups per 30 days that any schedule{within} could save, besides what spreads services: the "
            f"plan costs {cost}{spread}. It costs {decimal(summary.cost.plan - summary.cost.today)} more than today's "
            f"schedule. Certified by a proven bound of {bound}."
        )
        return _tile("Left to gain", "", gap, more)
    if summary.status == "optimal":
        optimal = f"What the plan costs, in at-risk backups per 30 days{spread}. "
        optimal += (
            f"Apart from that, no schedule{within} costs less than the bound, {bound}."
            if spread
            else f"No schedule{within} costs less: the gap is {gap}."
        )
        return _tile("Proven optimal", "", cost, optimal + _broken(summary))
    if summary.reference == "today":
        share = (
            f"The share of all possible improvement over today's schedule{within} that this plan takes, certified by "
            f"a proven bound: no {'such ' if within else ''}schedule costs less than {bound}, and this one costs "
            f"{cost}{spread}. The gap is {gap} at-risk backups per 30 days."
        )
        return _tile("Captured", "", captured, share)
    left = (
        f"At-risk backups per 30 days that any schedule{within} could save over this one, certified by a proven "
        f"bound of {bound}: the plan costs {cost}{spread}. It takes {captured} of all possible improvement over a "
        "greedy schedule."
    )
    return _tile("Left to gain", "", gap, left + _broken(summary))


def _knee(plan: PlanDocument) -> str:
    sentence = knee_sentence(plan)
    return f"{sentence}." if sentence else ""


def _working_hours_tile(summary: Summary) -> Iterator[dict[str, str]]:
    """Expected starts in working hours; nothing for plans of versions that did not count them."""
    if starts := summary.working_hours_starts:
        yield _tile(
            "Expected starts in working hours",
            decimal(starts.today),
            decimal(starts.plan),
            "Backups per 30 days, on the clock of each VM's policy. A backup starts up to two hours after its time.",
            _change(starts.today, starts.plan),
        )


def _toward(plan: PlanDocument) -> str:
    return "" if plan.summary.toward is None else f"{toward_sentence(plan.summary.toward, plan.rules.max_moves)}."


def _expected(summary: Summary) -> str:
    """What the figures of the tile are: those of days that the plan did not see, or else the model's."""
    model = summary.at_risk_per_month
    if summary.expected_change is None or expected_risk(summary) is None:
        expected = expected_sentence(summary.expected_change, model_of(summary))
        return f"The figures are the model's. {expected}." if expected else "The figures are the model's."
    seen = f"The model, which smooths the hours, sees {decimal(model.today)} -> {decimal(model.plan)}."
    return f"{change_sentence(summary.expected_change)}. {seen}"


def _broken(summary: Summary) -> str:
    """Sentence about the reference if it is not today's schedule; otherwise empty."""
    if summary.reference == "today":
        return ""
    return f" {today_breaks(summary)}, so a greedy schedule that keeps every rule is the reference."


def _tile(label: str, today: str, plan: str, meaning: str, change: str = "") -> dict[str, str]:
    return {"label": label, "today": today, "plan": plan, "meaning": meaning, "change": change}


def _change(today: float, plan: float) -> str:
    share = relative_change(today, plan)
    if share is None:
        return ""
    sign = "-" if share < 0 else "+"
    return f"{sign}{percent(abs(share))}" if share else "no change"


def _charts(services: ServiceHours, hours: HalfHours, plan: PlanDocument, *, with_load: bool) -> dict[str, Any]:
    """All charts as Bokeh documents, by the id of the element that each one goes into."""
    from bokeh.embed import json_item

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
    return {target: json_item(figure, target) for target, figure in figures.items()}  # type: ignore[arg-type]  # ID is a str


def _heat_legend(services: ServiceHours) -> dict[str, Any]:
    from optimizer.report import charts

    return {
        "top": charts.heat_top(services),
        "light": {"palette": charts.heat_palette(), "single": charts.SINGLE_LIGHT},
        "dark": {"palette": charts.heat_palette(dark=True), "single": charts.SINGLE_DARK},
    }


def _vm_loads(
    plan: PlanDocument, inventory: Inventory, load: LoadSource, snapshot_minutes: int
) -> dict[str, Any] | None:
    """Load of every VM for the script of the page, and the order in which to list the VMs; None without any load."""
    packed = pack_load(inventory, load, plan.rules.threshold)
    if not packed.days.any():
        return None
    row_of = inventory.row_of_vm
    entry_of = {entry.vm: entry for entry in plan.schedule}
    names = [inventory.vm(item).name for item in inventory.items]
    times = Counter(names)
    entries = [entry_of[item.vm_id] for item in inventory.items]
    windows = [window_starts(inventory, item, entry) for item, entry in zip(inventory.items, entries, strict=True)]
    return {
        "labels": [
            name if times[name] == 1 else f"{name} ({entry.vault})" for name, entry in zip(names, entries, strict=True)
        ],
        "first": [row_of[entry.vm] for entry in most_helped(plan, FIRST_VMS) if packed.days[row_of[entry.vm]]],
        "every": sorted(range(len(names)), key=lambda row: (names[row].lower(), row)),
        "data": {
            "values": packed.to_text(),
            "steps": STEPS_PER_DAY,
            "series": SERIES,
            "unknown": UNKNOWN,
            "scale": STEPS_PER_PERCENT,
            "minutes": START_WINDOW_MINUTES + snapshot_minutes,
            "captions": [
                _caption(name, entry, days)
                for name, entry, days in zip(names, entries, packed.days.tolist(), strict=True)
            ],
            "today": [today for today, _ in windows],
            "plan": [planned for _, planned in windows],
        },
    }


def _caption(name: str, entry: ScheduleEntry, history_days: int) -> str:
    days = ", ".join(entry.days) if entry.days else "every day"
    move = f"{entry.start_today} to {entry.start}" if entry.start != entry.start_today else f"stays at {entry.start}"
    history = f"{plural(history_days, 'day')} of history" if history_days else "No load history"
    return (
        f"{name}, {short_id(entry.service)}: {move} ({entry.timezone}, {days}). At risk per 30 days: "
        f"{decimal(entry.risk_today)} today, {decimal(entry.risk)} in the plan. {history}."
    )
