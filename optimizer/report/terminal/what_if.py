"""Answers to what-if questions, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from optimizer.report.formats import decimal, percent, plural, short_id, signed
from optimizer.report.table import Column, Table, number, text
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.before_after import AT_RISK, AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED
from optimizer.report.wording.cost_terms import COST_TERMS
from optimizer.report.wording.within_limits import within_limits
from optimizer.whatif import Figures, NewVm, Noticed, PlanFigures, ScenarioAnswer, StartChange, WhatIf

SHOWN = 10
"""Maximum number of rows of each list on a terminal; JSON contains all rows."""


def render_what_if(answer: WhatIf) -> Page:
    """Render the effect of each scenario on the base plan: all scenarios side by side, then one after the other."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        if len(answer.scenarios) > 1:
            yield sheet.table(_overview(answer, sheet))
        for scenario in answer.scenarios:
            yield from _scenario(answer, scenario, sheet)
        yield Text()
        yield Text("No plan was written. To keep a change, put it into a rules file and plan with it.", style="dim")

    return Page(build)


def _overview(answer: WhatIf, sheet: Sheet) -> Table:
    def shown(value: Callable[[PlanFigures], str]) -> Callable[[tuple[str, PlanFigures | None]], str]:
        return lambda row: sheet.dash if row[1] is None else value(row[1])

    columns: tuple[Column[tuple[str, PlanFigures | None]], ...] = (
        text("scenario", lambda row: row[0], share=1),
        number("VMs", lambda row: "no schedule" if row[1] is None else f"{row[1].vms:,}"),
        number("at risk/30 d", shown(lambda plan: decimal(plan.at_risk_per_month))),
        number("overlaps/30 d", shown(lambda plan: decimal(plan.overlaps_per_month))),
        number("peak", shown(lambda plan: f"{plan.peak_concurrency:,}")),
        number("moves", shown(lambda plan: f"{plan.moved:,}")),
        number("writes", shown(lambda plan: f"{plan.policies_written:,}")),
        number("cost", shown(lambda plan: decimal(plan.cost.total))),
        number("captured", shown(lambda plan: percent(plan.captured))),
        number("gap", shown(lambda plan: decimal(plan.gap))),
    )
    rows = [("base plan", answer.base), *((scenario.name, scenario.plan) for scenario in answer.scenarios)]
    return Table.of("Scenarios", columns, rows)


def _scenario(answer: WhatIf, scenario: ScenarioAnswer, sheet: Sheet) -> Iterator[RenderableType]:
    yield from sheet.heading(f"What if {scenario.name}")
    remarks = [*(change for change in scenario.changes if change not in scenario.name), *scenario.notes]
    if remarks:
        yield sheet.bullets(remarks)
    yield sheet.table(_comparison(answer.base, scenario))
    yield Text()
    yield from _verdict(answer, scenario, sheet)
    if scenario.start_changes:
        yield sheet.table(_start_changes(scenario.start_changes, answer.worth_a_move))
    if scenario.new_vms:
        yield sheet.table(_new_vms(scenario))


def _new_vms(scenario: ScenarioAnswer) -> Table:
    columns: tuple[Column[NewVm], ...] = (
        text("VM", lambda new: short_id(new.vm), share=1),
        text("like", lambda new: short_id(new.like), share=1),
        text("start", lambda new: new.start),
    )
    return Table.of("New VMs", columns, scenario.new_vms, most=SHOWN)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the comparison: a figure of the plans, and of the base plan's schedule in the scenario.

    Parameters
    ----------
    value
        Returns the figure of a schedule.
    whole
        Whether the figure is a whole number.
    """

    label: str
    value: Callable[[Figures], float]
    whole: bool = False

    def shown(self, figures: Figures) -> str:
        value = self.value(figures)
        return f"{value:,.0f}" if self.whole else decimal(value)

    def difference(self, base: Figures, plan: Figures) -> str:
        return _difference(self.value(plan) - self.value(base), whole=self.whole)


def _lines(weighted: bool) -> Iterator[_Line]:
    """Figures of the comparison.

    Parameters
    ----------
    weighted
        Whether any VM has another weight than 1.
    """
    yield _Line("VMs", lambda figures: figures.vms, whole=True)
    yield _Line(AT_RISK, lambda figures: figures.at_risk_per_month)
    yield _Line("expected overlapping snapshots per 30 days", lambda figures: figures.overlaps_per_month)
    if weighted:
        yield _Line(AT_RISK_WEIGHTED, lambda figures: (figures.weighted or figures).at_risk_per_month)
        yield _Line(OVERLAPS_WEIGHTED, lambda figures: (figures.weighted or figures).overlaps_per_month)
    yield _Line("most overlapping start windows in one service", lambda figures: figures.peak_concurrency, whole=True)
    yield _Line("expected starts in working hours per 30 days", lambda figures: figures.working_hours_starts)
    yield _Line("VMs that move", lambda figures: figures.moved, whole=True)
    yield _Line("policies written", lambda figures: figures.policies_written, whole=True)
    for term in COST_TERMS:
        yield _Line(f"cost: {term.name}", term.value)
    yield _Line("cost, in at-risk backups", lambda figures: figures.cost.total)


def _comparison(base: PlanFigures, scenario: ScenarioAnswer) -> Table:
    """Table of the base plan, the base plan kept in the scenario, the plan made for the scenario, and the change."""
    plan, kept = scenario.plan, scenario.kept
    every = [base, kept] if plan is None else [base, kept, plan]
    figures = [
        (
            line.label,
            line.shown(base),
            line.shown(kept),
            *((line.shown(plan), line.difference(base, plan)) if plan else ()),
        )
        for line in _lines(any(figures.weighted is not None for figures in every))
    ]
    columns: list[Column[Sequence[str]]] = [text("", _cell(0)), number("base", _cell(1)), number("kept", _cell(2))]
    note = "base: the base plan; kept: its starts under the conditions of the scenario"
    if plan is not None:
        columns += [number("new", _cell(3)), number("new - base", _cell(4))]
        note += "; new: the plan for the scenario"
    return Table.of("Against the base plan", columns, [*figures, *_proven_lines(base, plan)], note=note)


def _cell(index: int) -> Callable[[Sequence[str]], str]:
    return lambda row: row[index]


def _proven_lines(base: PlanFigures, plan: PlanFigures | None) -> Iterator[tuple[str, ...]]:
    """Proven quality of the plans; the base plan's schedule in the scenario has no such figures."""
    spent, low = base.spreading_costs, base.bound
    spends = "of which spreads services, not in the gap"
    if plan is None:
        yield from [(spends, decimal(spent), "")] if spent else []
        yield "proven minimum cost", decimal(low), ""
        yield "gap: what any schedule could save at most", _gap(base), ""
        yield "captured, against", _captured(base), ""
        return
    if spent or plan.spreading_costs:
        yield spends, decimal(spent), "", decimal(plan.spreading_costs), signed(plan.spreading_costs - spent)
    yield "proven minimum cost", decimal(low), "", decimal(plan.bound), signed(plan.bound - low)
    yield "gap: what any schedule could save at most", _gap(base), "", _gap(plan), ""
    yield "captured, against", _captured(base), "", _captured(plan), ""


def _gap(plan: PlanFigures) -> str:
    """Largest possible saving of any schedule, in at-risk backups per 30 days and in percent of the plan's cost."""
    gap = plan.gap
    return f"{decimal(gap)} ({percent(gap / plan.cost.total if plan.cost.total > 0 else 0.0)})"


def _captured(plan: PlanFigures) -> str:
    """Captured share and its reference schedule; shares with different references cannot be compared."""
    return f"{percent(plan.captured)}, {plan.reference}"


def _difference(value: float, *, whole: bool) -> str:
    return (f"{value:+,.0f}" if round(value) else "0") if whole else signed(value)


def _verdict(answer: WhatIf, scenario: ScenarioAnswer, sheet: Sheet) -> Iterator[RenderableType]:
    """Sentences about whether the base plan holds, and about what is proven."""
    if scenario.broken:
        yield sheet.line("The base plan does not hold: it breaks " + ", ".join(scenario.broken), "yellow")
    if scenario.no_schedule is not None:
        yield from _no_schedule(scenario.no_schedule, scenario.ways_out, sheet)
        return
    yield from (Text(sentence) for sentence in _found(answer, scenario))


def _no_schedule(reasons: str, ways_out: Sequence[str], sheet: Sheet) -> Iterator[RenderableType]:
    yield Text("No schedule keeps the rules of this scenario:", style="yellow")
    yield sheet.bullets(reasons.splitlines())
    if ways_out:
        yield Text("What would make a schedule possible, the cheapest first:")
        yield sheet.bullets(ways_out[:SHOWN])
    else:
        yield Text("Nothing was found that would make a schedule possible.", style="dim")


def _found(answer: WhatIf, scenario: ScenarioAnswer) -> Iterator[str]:
    """Saving of the plan for a scenario, its proven quality, and the number of starts that change."""
    plan, change = scenario.plan, scenario.optimum_change
    assert plan is not None and change is not None
    if not scenario.broken:
        saved = scenario.kept.cost.total - plan.cost.total
        yield f"The base plan holds; planning again saves {decimal(saved)} at-risk backups per 30 days"
    yield f"The minimum cost changes by {signed(change.low)} to {signed(change.high)}, proven"
    yield from _limits(answer.base, plan)
    common = plan.vms - len(scenario.new_vms)
    yield _elsewhere(len(scenario.start_changes), common, scenario.noticed, answer.worth_a_move)


def _limits(base: PlanFigures, plan: PlanFigures) -> Iterator[str]:
    """Limits under which the minimum costs of both plans are proven."""
    of_base, of_plan = (within_limits(figures, figures.vms) for figures in (base, plan))
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
    sentence = f"{plural(changed, 'VM')} of {common:,} {starts} at another time than in the base plan"
    parts = [f"{noticed.must:,} must"] if noticed.must else []
    if noticed.gain or noticed.lose:
        parts.append(f"{noticed.gain:,} gain and {noticed.lose:,} lose {least:g} or more")
    elif changed > noticed.must:
        parts.append(f"none {'of the others ' if parts else ''}gains or loses as much as {least:g}")
    return f"{sentence}: {', '.join(parts)}" if parts else sentence


def _start_changes(changes: Sequence[StartChange], least: float) -> Table:
    columns: list[Column[StartChange]] = [
        text("VM", lambda change: short_id(change.vm), share=3),
        text("service", lambda change: short_id(change.service), share=2),
        text("today", lambda change: change.today),
        text("base plan", lambda change: change.base),
        text("new plan", lambda change: change.scenario),
        number("change", lambda change: signed(change.cost_change)),
    ]
    note = (
        "change: in the VM's own risk and its part of overlap and vault peaks, in at-risk backups per 30 days; no "
        f"VM is moved to gain less than {least:g}, the price of a move"
    )
    if any(change.must for change in changes):
        columns.append(text("must", lambda change: "yes" if change.must else ""))
        note += "; must: the scenario forbids its start in the base plan"
    return Table.of(
        "VMs that start at another time", columns, changes, most=SHOWN, note=note,
        style=lambda change: "" if change.must or abs(change.cost_change) >= least else "dim",
    )  # fmt: skip
