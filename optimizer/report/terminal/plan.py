"""A plan for a terminal: its figures and changes, or in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from optimizer.documents import Change, CreatePolicy, EditPolicy, PlanDocument, ReassignItem, ScheduleEntry
from optimizer.model.inventory import Inventory
from optimizer.report.figures import ServiceComparison, VaultComparison, compare_services, compare_vaults
from optimizer.report.formats import short_id
from optimizer.report.table import Column, Table, count, figure, number, text
from optimizer.report.terminal.moves import moves_parts
from optimizer.report.terminal.plan_summary import summary_parts
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.before_after import OVERLAPS_EXPLAINED
from optimizer.report.wording.changes import VERBS
from optimizer.report.wording.orders import orders_table
from optimizer.report.wording.together import together_table

WORST = 10
"""Maximum number of rows per table on a terminal; JSON contains all rows."""


def render_plan(plan: PlanDocument, max_rows: int = WORST) -> Page:
    """Render a plan: its figures, what it changes, and its notes.

    Parameters
    ----------
    plan
        The plan.
    max_rows
        Maximum number of changed VMs to show, those that gain most first.
    """

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield from summary_parts(plan, sheet)
        tables = (
            _policies_written(plan, sheet, max_rows),
            _moves(plan, max_rows),
            orders_table(plan.orders, max_rows),
            together_table(plan.services_together, max_rows),
        )
        yield from (sheet.table(table) for table in tables if table.cells)
        if plan.moves_curve is not None:
            yield from moves_parts(plan.moves_curve, sheet)
        yield from _notes(plan.notes, sheet)

    return Page(build)


def _policies_written(plan: PlanDocument, sheet: Sheet, max_rows: int) -> Table:
    arriving = Counter(change.policy_id for change in plan.changes if isinstance(change, ReassignItem))
    columns: tuple[Column[CreatePolicy | EditPolicy], ...] = (
        text("", lambda change: VERBS[change.kind]),
        text("policy", lambda change: change.policy, share=2),
        text("vault", lambda change: short_id(change.vault_id), share=1),
        text("start", lambda change: _from_to(change, sheet)),
        count("VMs arriving", lambda change: arriving[change.policy_id]),
    )
    writes = [change for change in plan.changes if not isinstance(change, ReassignItem)]
    return Table.of("Policies written", columns, writes, most=max_rows)


def _from_to(change: CreatePolicy | EditPolicy, sheet: Sheet) -> str:
    return change.start if isinstance(change, CreatePolicy) else f"{change.start_today} {sheet.arrow} {change.start}"


def _moves(plan: PlanDocument, max_rows: int) -> Table:
    moved = [entry for entry in plan.schedule if entry.start != entry.start_today]
    moved.sort(key=lambda entry: (entry.risk - entry.risk_today, entry.vm))
    note = "largest gain first; at-risk backups per 30 days"
    return Table.of("VMs that move", _ENTRY_COLUMNS, moved, most=max_rows, note=note)


_ENTRY_COLUMNS: tuple[Column[ScheduleEntry], ...] = (
    text("VM", lambda entry: short_id(entry.vm), share=3),
    text("service", lambda entry: short_id(entry.service), share=2),
    text("today", lambda entry: entry.start_today),
    text("plan", lambda entry: entry.start),
    text("zone", lambda entry: entry.timezone, share=2),
    figure("at risk", lambda entry: entry.risk_today, scale="risk"),
    figure("then", lambda entry: entry.risk, scale="risk"),
    text("policy", lambda entry: entry.policy, share=2),
)


def _notes(notes: Sequence[str], sheet: Sheet) -> Iterator[RenderableType]:
    if notes:
        yield from sheet.heading("Notes")
        yield sheet.bullets(notes)


def render_report(plan: PlanDocument, inventory: Inventory) -> Page:
    """Render a plan in full: vaults and services before and after, every change in order, and the whole schedule.

    Parameters
    ----------
    plan, inventory
        The plan, and the inventory that it was made for.
    """
    services = compare_services(inventory, plan).services
    vaults = compare_vaults(inventory, plan)

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield from summary_parts(plan, sheet)
        if plan.moves_curve is not None:
            yield from moves_parts(plan.moves_curve, sheet)
        yield sheet.table(_vaults(vaults))
        yield sheet.table(_services(services))
        lists = (
            orders_table(plan.orders),
            together_table(plan.services_together),
            _changes_in_order(plan, sheet),
        )
        yield from (sheet.table(table) for table in lists if table.cells)
        yield sheet.table(Table.of("Schedule", _ENTRY_COLUMNS, plan.schedule))
        yield from _notes(plan.notes, sheet)

    return Page(build)


def _vaults(vaults: Sequence[VaultComparison]) -> Table:
    columns: tuple[Column[VaultComparison], ...] = (
        text("vault", lambda vault: vault.name, share=1),
        count("VMs", lambda vault: vault.vms),
        count("moved", lambda vault: vault.moved),
        figure("at risk", lambda vault: vault.risk.today, scale="risk"),
        figure("then", lambda vault: vault.risk.plan, scale="risk"),
        count("peak starts", lambda vault: vault.peak_starts.today),
        count("then", lambda vault: vault.peak_starts.plan),
    )
    note = "at-risk backups per 30 days; most starts in one half hour of the week"
    return Table.of("Vaults", columns, vaults, note=note)


def _services(services: Sequence[ServiceComparison]) -> Table:
    columns: tuple[Column[ServiceComparison], ...] = (
        text("service", lambda service: short_id(service.name), share=1),
        count("VMs", lambda service: service.vms),
        count("moved", lambda service: service.moved),
        figure("at risk", lambda service: service.risk.today, scale="risk"),
        figure("then", lambda service: service.risk.plan, scale="risk"),
        figure("overlaps", lambda service: service.overlaps.today, scale="overlaps"),
        figure("then", lambda service: service.overlaps.plan, scale="overlaps"),
        count("peak", lambda service: service.peak_windows.today),
        count("then", lambda service: service.peak_windows.plan),
    )
    note = (
        "at-risk backups and expected overlapping snapshots per 30 days; most overlapping start windows; "
        f"{OVERLAPS_EXPLAINED}"
    )
    return Table.of("Services", columns, services, note=note)


def _changes_in_order(plan: PlanDocument, sheet: Sheet) -> Table:
    columns: tuple[Column[tuple[int, Change]], ...] = (
        number("no.", lambda step: f"{step[0]:,}"),
        text("", lambda step: VERBS[step[1].kind]),
        text("what", lambda step: short_id(step[1].vm) if isinstance(step[1], ReassignItem) else step[1].policy, 3),
        text("vault", lambda step: short_id(step[1].vault_id), share=1),
        text("how", lambda step: _how(step[1], sheet), share=4),
    )
    return Table.of("Changes in order", columns, list(enumerate(plan.changes, start=1)))


def _how(change: Change, sheet: Sheet) -> str:
    """Description of a change, with the twin that a new policy is a copy of."""
    match change:
        case ReassignItem():
            return f"{change.policy_today} {sheet.arrow} {change.policy}"
        case CreatePolicy():
            return f"{change.start}, twin of {short_id(change.twin_of)}"
        case EditPolicy():
            return _from_to(change, sheet)
