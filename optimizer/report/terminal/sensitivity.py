"""Sensitivity to the prices, and the starts that every good schedule has in common, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from optimizer.report.formats import decimal, percent, plural, short_id
from optimizer.report.table import Column, Table, count, number, text
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.cost_terms import COST_TERMS, CostTerm
from optimizer.report.wording.within_limits import within_limits
from optimizer.whatif import Figures, PlanFigures, Sensitivity, VmStability

SHOWN = 10
"""Maximum number of rows of each list on a terminal; JSON contains all rows."""


def render_sensitivity(answer: Sensitivity) -> Page:
    """Render how the plan changes with the prices, and what is proven about every good schedule."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text("How the plan depends on the prices", style="bold")
        yield sheet.table(_prices(answer))
        yield Text()
        yield Text(_steady(answer))
        yield from _stability(answer, sheet)

    return Page(build)


@dataclass(frozen=True, slots=True)
class _PriceRow:
    """A row of the table of prices: the plan at a price, and the cost of the base plan's schedule at that price."""

    price: str
    value: str
    plan: PlanFigures
    kept: Figures
    matter: str


def _prices(answer: Sensitivity) -> Table:
    rows = [_PriceRow("base plan", "", answer.base, answer.base, "")]
    for entry in answer.prices:
        matter = entry.noticed.gain + entry.noticed.lose
        differ = f"{matter:,} of {entry.vms_changed:,}" if entry.vms_changed else "0"
        rows.append(_PriceRow(entry.price, f"{entry.value:g}", entry.plan, entry.kept, differ))
    columns: tuple[Column[_PriceRow], ...] = (
        text("price", lambda row: row.price),
        number("is", lambda row: row.value),
        number("at risk", lambda row: decimal(row.plan.at_risk_per_month)),
        *map(_term, COST_TERMS),
        number("cost", lambda row: decimal(row.plan.cost.total)),
        number("kept", lambda row: decimal(row.kept.cost.total)),
        count("moved", lambda row: row.plan.moved),
        number("matter", lambda row: row.matter),
    )
    note = (
        "at risk: backups per 30 days; risk to moves: the cost by term, at the price of the row; risk differs "
        "from at risk by weights and by gains that are not credited; hours: new starts in working hours; kept: what "
        "the base plan costs at that price; "
        f"matter: number of VMs that gain or lose at least {answer.worth_a_move:g}, the usual price of a move, among "
        "those that start at another time than in the base plan"
    )
    return Table.of("Each price halved and doubled", columns, rows, note=note)


def _term(term: CostTerm) -> Column[_PriceRow]:
    return number(term.short, lambda row: decimal(term.value(row.plan)))


def _steady(answer: Sensitivity) -> str:
    """How many VMs start at the same time at all prices, and how many differ without a gain worth a move."""
    steady = sum(vm.same_at_all_prices for vm in answer.vms)
    slight = sum(not vm.same_at_all_prices and vm.most_changed < answer.worth_a_move for vm in answer.vms)
    return (
        f"{steady:,} of {plural(len(answer.vms), 'VM')} start as in the base plan at all of these prices; "
        f"{slight:,} more start at another time at some prices, but never gain {answer.worth_a_move:g} or more"
    )


def _stability(answer: Sensitivity, sheet: Sheet) -> Iterator[RenderableType]:
    """Starts that every schedule near the optimum has in common, as far as the bound can tell."""
    fixed = sum(vm.verdict == "fixed" for vm in answer.vms)
    leaving = sorted((vm for vm in answer.vms if vm.must_move), key=lambda vm: (len(vm.starts_possible), vm.vm))
    ruled_out = answer.options_ruled_out / answer.options_allowed if answer.options_allowed else 0.0
    within = within_limits(answer.base, answer.base.vms)
    every = f"every schedule {within} that costs at most" if within else "every schedule that costs at most"
    yield from sheet.heading(f"Proven for {every} {percent(answer.tolerance)} more than the optimum")
    yield sheet.bullets(
        [
            f"{plural(fixed, 'VM')} at the plan's start; not decided for {len(answer.vms) - fixed:,}",
            f"{plural(len(leaving), 'VM')} not at today's start: every such schedule moves them",
            f"{percent(ruled_out)} of the starts that the rules allow are ruled out",
        ]
    )
    if leaving:
        columns: tuple[Column[VmStability], ...] = (
            text("VM", lambda vm: short_id(vm.vm), share=3),
            text("service", lambda vm: short_id(vm.service), share=2),
            text("today", lambda vm: vm.today),
            text("plan", lambda vm: vm.start),
            number("starts possible", lambda vm: f"{len(vm.starts_possible)}"),
        )
        yield sheet.table(Table.of("VMs that every good schedule moves", columns, leaving, most=SHOWN))
