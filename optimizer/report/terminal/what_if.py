"""Answers to questions about a plan, for a terminal: what-if scenarios, and the influence of the prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.report.terminal.sheet import (
    Column,
    Glyphs,
    Page,
    Rows,
    bullets,
    decimal,
    number,
    percent,
    plural,
    short_id,
    signed,
    table,
)
from optimizer.report.wording.weighted import AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED
from optimizer.report.wording.within_limits import within_limits
from optimizer.whatif import Figures, Noticed, PlanFigures, ScenarioAnswer, Sensitivity, StartChange, WhatIf

SHOWN = 10
"""Maximum number of rows of each list on a terminal; JSON contains all rows."""

_TERMS: Sequence[tuple[str, Callable[[Figures], float]]] = (
    ("risk", lambda one: one.cost.risk),
    ("overlaps", lambda one: one.cost.overlap),
    ("vault peak", lambda one: one.cost.vault_peak),
    ("working hours", lambda one: one.cost.working_hours),
    ("policy writes", lambda one: one.cost.policy_writes),
    ("moves", lambda one: one.cost.moves),
)

_SHORT = {"policy writes": "writes", "vault peak": "vault", "working hours": "hours"}
"""Names of terms that fit above a column."""


def render_what_if(answer: WhatIf) -> Page:
    """Render the effect of each scenario on the base plan: all scenarios side by side, then one after the other."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        if len(answer.scenarios) > 1:
            yield table(_overview(answer, glyphs), glyphs, width)
        for scenario in answer.scenarios:
            yield from _scenario(answer, scenario, glyphs, width)
        yield Text()
        yield Text("No plan was written: put what is to hold into a rules file and plan with it.", style="dim")

    return Page(build)


def _overview(answer: WhatIf, glyphs: Glyphs) -> Rows:
    columns = (
        Column("scenario", share=1),
        number("VMs"),
        number("at risk/30 d"),
        number("overlaps/30 d"),
        number("peak"),
        number("moves"),
        number("writes"),
        number("cost"),
        number("captured"),
        number("gap"),
    )
    cells = [("base plan", *_overview_cells(answer.base))]
    for one in answer.scenarios:
        figures = _overview_cells(one.plan) if one.plan else ("no schedule", *[glyphs.dash] * 8)
        cells.append((one.name, *figures))
    return Rows(title="Scenarios", columns=columns, cells=cells)


def _overview_cells(figures: PlanFigures) -> tuple[str, ...]:
    return (
        f"{figures.vms:,}",
        decimal(figures.at_risk_per_month),
        decimal(figures.overlaps_per_month),
        f"{figures.peak_concurrency:,}",
        f"{figures.moved:,}",
        f"{figures.policies_written:,}",
        decimal(figures.cost.total),
        percent(figures.captured),
        decimal(figures.gap),
    )


def _scenario(answer: WhatIf, one: ScenarioAnswer, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    yield Text()
    yield Text(glyphs.clean(f"What if {one.name}"), style="bold")
    told = [*(change for change in one.changes if change not in one.name), *one.notes]
    if told:
        yield bullets(told, glyphs)
    yield table(_comparison(answer.base, one), glyphs, width)
    yield Text()
    yield from _verdict(answer.base, one, answer.worth_a_move, glyphs)
    if one.start_changes:
        yield table(_start_changes(one.start_changes, answer.worth_a_move), glyphs, width)
    if one.new_vms:
        columns = (Column("VM", share=1), Column("like", share=1), Column("start"))
        cells = [(short_id(new.vm), short_id(new.like), new.start) for new in one.new_vms[:SHOWN]]
        yield table(Rows("New VMs", columns, cells, total=len(one.new_vms)), glyphs, width)


def _weighted_lines(all_figures: Sequence[Figures]) -> list[tuple[str, Callable[[Figures], float]]]:
    """Label and value of each weighted figure; empty if every VM has the weight 1 in both plans."""
    if all(figures.weighted is None for figures in all_figures):
        return []

    def at_risk(figures: Figures) -> float:
        return figures.at_risk_per_month if figures.weighted is None else figures.weighted.at_risk_per_month

    def overlaps(figures: Figures) -> float:
        return figures.overlaps_per_month if figures.weighted is None else figures.weighted.overlaps_per_month

    return [(AT_RISK_WEIGHTED, at_risk), (OVERLAPS_WEIGHTED, overlaps)]


def _comparison(base: PlanFigures, one: ScenarioAnswer) -> Rows:
    """Table of the base plan, the base plan kept in the scenario, the plan made for the scenario, and the change."""
    plan, kept = one.plan, one.kept

    def line(name: str, of: Callable[[Figures], float], *, whole: bool = False) -> tuple[str, ...]:
        show = (lambda value: f"{value:,.0f}") if whole else decimal
        new = () if plan is None else (show(of(plan)), _difference(of(plan) - of(base), whole=whole))
        return name, show(of(base)), show(of(kept)), *new

    cells = [
        line("VMs", lambda figures: figures.vms, whole=True),
        line("at-risk backups per 30 days", lambda figures: figures.at_risk_per_month),
        line("expected overlapping snapshots per 30 days", lambda figures: figures.overlaps_per_month),
        *(line(*weighted) for weighted in _weighted_lines([base, kept, *([plan] if plan else [])])),
        line("most overlapping start windows in one service", lambda figures: figures.peak_concurrency, whole=True),
        line("expected starts in working hours per 30 days", lambda figures: figures.working_hours_starts),
        line("VMs that move", lambda figures: figures.moved, whole=True),
        line("policies written", lambda figures: figures.policies_written, whole=True),
        *(line(f"cost: {name}", of) for name, of in _TERMS),
        line("cost, in at-risk backups", lambda figures: figures.cost.total),
        *_spreading_lines(base, plan),
        (
            "proven minimum cost",
            decimal(base.bound),
            "",
            *((decimal(plan.bound), signed(plan.bound - base.bound)) if plan else ()),
        ),
        ("gap: what any schedule could save at most", _gap(base), "", *((_gap(plan), "") if plan else ())),
        ("captured, against", _captured(base), "", *((_captured(plan), "") if plan else ())),
    ]
    columns = [Column(""), number("base"), number("kept")]
    if plan is not None:
        columns += [number("new"), number("new - base")]
    note = "base: the base plan; kept: its starts under the conditions of the scenario"
    note += "" if plan is None else "; new: the plan for the scenario"
    return Rows(title="Against the base plan", columns=columns, cells=cells, note=note)


def _spreading_lines(base: PlanFigures, plan: PlanFigures | None) -> Iterator[tuple[str, ...]]:
    """What the plans spend to spread services, which the gap and what is captured leave out; nothing if that is 0."""
    spent = [one.spreading_costs for one in (base, plan) if one is not None]
    if any(spent):
        new = () if plan is None else (decimal(spent[1]), _difference(spent[1] - spent[0], whole=False))
        yield "of which spreads services, not in the gap", decimal(spent[0]), "", *new


def _gap(plan: PlanFigures) -> str:
    """What any schedule could save, in at-risk backups per 30 days and in percent of the plan's cost."""
    gap = plan.gap
    return f"{decimal(gap)} ({percent(gap / plan.cost.total if plan.cost.total > 0 else 0.0)})"


def _captured(plan: PlanFigures) -> str:
    """Captured share and its reference schedule; shares with different references cannot be compared."""
    return f"{percent(plan.captured)}, {plan.reference}"


def _difference(value: float, *, whole: bool) -> str:
    return (f"{value:+,.0f}" if round(value) else "0") if whole else signed(value)


def _verdict(base: PlanFigures, one: ScenarioAnswer, least: float, glyphs: Glyphs) -> Iterator[RenderableType]:
    """Sentences about whether the base plan holds, and about what is proven."""
    if one.broken:
        yield Text(glyphs.clean("The base plan does not hold: it breaks " + ", ".join(one.broken)), style="yellow")
    if one.no_schedule is not None:
        yield Text("No schedule keeps the rules of this scenario:", style="yellow")
        yield bullets(one.no_schedule.splitlines(), glyphs)
        if one.ways_out:
            yield Text("What would make a schedule possible, the cheapest first:")
            yield bullets(one.ways_out[:SHOWN], glyphs)
        else:
            yield Text("Nothing was found that would make a schedule possible.", style="dim")
        return
    assert one.plan is not None and one.optimum_change is not None
    if not one.broken:
        saved = one.kept.cost.total - one.plan.cost.total
        yield Text(f"The base plan holds; planning again saves {decimal(saved)} at-risk backups per 30 days")
    low, high = one.optimum_change.low, one.optimum_change.high
    yield Text(f"The minimum cost changes by {signed(low)} to {signed(high)}, proven")
    yield from (Text(sentence) for sentence in _limits(base, one.plan))
    common = one.plan.vms - len(one.new_vms)
    yield Text(_elsewhere(len(one.start_changes), common, one.noticed, least))


def _limits(base: PlanFigures, plan: PlanFigures) -> Iterator[str]:
    """Limits under which the minimum costs of both plans are proven."""
    of_base, of_plan = (within_limits(one, one.vms) for one in (base, plan))
    if of_base == of_plan:
        if of_plan:
            yield f"Both minimum costs are proven for schedules {of_plan}"
        return
    for name, within in (("base plan", of_base), ("new plan", of_plan)):
        schedules = f"schedules {within}" if within else "schedules with any number of moves and policy writes"
        yield f"The minimum cost of the {name} is proven for {schedules}"


def _elsewhere(changed: int, common: int, noticed: Noticed, least: float) -> str:
    """Number of VMs whose start changes, and number of VMs whose change matters."""
    starts = "starts" if changed == 1 else "start"
    said = f"{plural(changed, 'VM')} of {common:,} {starts} at another time than in the base plan"
    parts = [f"{noticed.must:,} must"] if noticed.must else []
    if noticed.gain or noticed.lose:
        parts.append(f"{noticed.gain:,} gain and {noticed.lose:,} lose {least:g} or more")
    elif changed > noticed.must:
        parts.append(f"none {'of the others ' if parts else ''}gains or loses as much as {least:g}")
    return f"{said}: {', '.join(parts)}" if parts else said


def _start_changes(changes: Sequence[StartChange], least: float) -> Rows:
    shown = changes[:SHOWN]
    must = any(one.must for one in changes)
    columns = [
        Column("VM", share=3),
        Column("service", share=2),
        Column("today"),
        Column("base plan"),
        Column("new plan"),
        number("change"),
        *([Column("must")] if must else []),
    ]
    cells = [
        (short_id(one.vm), short_id(one.service), one.today, one.base, one.scenario, signed(one.cost_change))
        + (("yes" if one.must else "",) if must else ())
        for one in shown
    ]
    return Rows(
        title="VMs that start at another time",
        columns=columns,
        cells=cells,
        total=len(changes),
        note=(
            "change: in the VM's own risk and its part of overlap and vault peaks, in at-risk backups per 30 days; no "
            f"VM is moved to gain less than {least:g}, the price of a move"
            + ("; must: the scenario forbids its start in the base plan" if must else "")
        ),
        styles=["" if one.must or abs(one.cost_change) >= least else "dim" for one in shown],
    )


def render_sensitivity(answer: Sensitivity) -> Page:
    """Render how the plan changes with the prices, and what is proven about every good schedule."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text("How the plan depends on the prices", style="bold")
        yield table(_prices(answer), glyphs, width)
        yield Text()
        steady = sum(one.same_at_all_prices for one in answer.vms)
        slight = sum(not one.same_at_all_prices and one.most_changed < answer.worth_a_move for one in answer.vms)
        yield Text(
            f"{steady:,} of {plural(len(answer.vms), 'VM')} start as in the base plan at all of these prices; "
            f"{slight:,} more start at another time at some prices, but never gain {answer.worth_a_move:g} or more"
        )
        yield from _stability(answer, glyphs, width)

    return Page(build)


def _prices(answer: Sensitivity) -> Rows:
    base = answer.base
    cells = [("base plan", "", *_price_cells(base, base), "")]
    for one in answer.prices:
        matter = one.noticed.gain + one.noticed.lose
        differ = f"{matter:,} of {one.vms_changed:,}" if one.vms_changed else "0"
        cells.append((one.price, f"{one.value:g}", *_price_cells(one.plan, one.kept), differ))
    columns = (
        Column("price"),
        number("is"),
        number("at risk"),
        *(number(_SHORT.get(name, name)) for name, _ in _TERMS),
        number("cost"),
        number("kept"),
        number("moved"),
        number("matter"),
    )
    return Rows(
        title="Each price halved and doubled",
        columns=columns,
        cells=cells,
        note="at risk: backups per 30 days; risk to moves: the cost by term, at the price of the row; risk differs "
        "from at risk by weights and by gains that are not credited; hours: new starts in working hours; kept: what "
        "the base plan costs at that price; "
        f"matter: number of VMs that gain or lose at least {answer.worth_a_move:g}, the usual price of a move, among "
        "those that start at another time than in the base plan",
    )


def _price_cells(plan: PlanFigures, kept: Figures) -> tuple[str, ...]:
    return (
        decimal(plan.at_risk_per_month),
        *(decimal(of(plan)) for _, of in _TERMS),
        decimal(plan.cost.total),
        decimal(kept.cost.total),
        f"{plan.moved:,}",
    )


def _stability(answer: Sensitivity, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    """What every schedule near the optimum has in common, as far as the bound can tell."""
    fixed = [one for one in answer.vms if one.verdict == "fixed"]
    leaving = [one for one in answer.vms if one.must_move]
    ruled_out = answer.options_ruled_out / answer.options_allowed if answer.options_allowed else 0.0
    yield Text()
    within = within_limits(answer.base, answer.base.vms)
    every = f"every schedule {within} that costs at most" if within else "every schedule that costs at most"
    yield Text(f"Proven for {every} {percent(answer.tolerance)} more than the optimum", style="bold")
    yield bullets(
        [
            f"{plural(len(fixed), 'VM')} at the plan's start; not decided for {len(answer.vms) - len(fixed):,}",
            f"{plural(len(leaving), 'VM')} not at today's start: every such schedule moves them",
            f"{percent(ruled_out)} of the starts that the rules allow are ruled out",
        ],
        glyphs,
    )
    shown = sorted(leaving, key=lambda one: (len(one.starts_possible), one.vm))
    if shown:
        cells = [
            (short_id(one.vm), short_id(one.service), one.today, one.start, f"{len(one.starts_possible)}")
            for one in shown[:SHOWN]
        ]
        columns = (
            Column("VM", share=3),
            Column("service", share=2),
            Column("today"),
            Column("plan"),
            number("starts possible"),
        )
        yield table(Rows("VMs that every good schedule moves", columns, cells, total=len(shown)), glyphs, width)
