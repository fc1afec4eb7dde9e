"""An audit for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import (
    Audit,
    BusyVm,
    ClockChange,
    HistoryGap,
    PolicyAudit,
    ServiceAudit,
    UnwritableItem,
    VaultAudit,
)
from optimizer.report.figures import half_hour_labels
from optimizer.report.formats import decimal, plural, short_id
from optimizer.report.table import Column, Table, count, figure, number, prose, text
from optimizer.report.terminal.broken_rules import broken_rules_table, idle_rules_table, rules_kept
from optimizer.report.terminal.sheet import HOURS, Page, Sheet
from optimizer.report.wording.before_after import AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED, nonzero_overlaps
from optimizer.report.wording.orders import orders_table
from optimizer.report.wording.together import together_table

WORST = 10
"""Maximum number of rows per table on a terminal; JSON contains all rows."""


def render_audit(audit: Audit) -> Page:
    """Render an audit: totals, then the ten worst findings of each kind."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(f"Audit of the schedule as of {audit.as_of:%Y-%m-%d %H:%M %Z}", style="bold")
        yield from _totals(audit)
        yield from _starts_picture(audit, sheet)
        yield from (sheet.table(table) for table in _tables(audit, sheet) if table.cells)
        yield from _silent_lists(audit)
        if audit.notes:
            yield from sheet.heading("Notes")
            yield sheet.bullets(audit.notes)

    return Page(build)


def _totals(audit: Audit) -> Iterator[RenderableType]:
    totals = audit.totals
    yield Text(
        f"{plural(totals.vms, 'VM')} in {plural(totals.services, 'service')}, {plural(totals.vaults, 'vault')} and "
        f"{plural(totals.policies, 'policy')}; {totals.backups_per_month:,.0f} backups in 30 days"
    )
    yield Text()
    yield from (Text(f"  {shown:>9}  {what}") for shown, what in _figures(audit))


def _figures(audit: Audit) -> Iterator[tuple[str, str]]:
    """Each figure of today's schedule, with its unit."""
    totals = audit.totals
    exact = totals.overlaps_per_month if totals.overlaps_exact is None else totals.overlaps_exact
    at_best = f"{decimal(totals.at_risk_at_best)} if every VM started at its own best time"
    yield decimal(totals.at_risk_per_month), f"backups at risk in 30 days; {at_best}"
    yield f"{totals.busy_vms:,}", f"{'VM is' if totals.busy_vms == 1 else 'VMs are'} often busy when backed up"
    overlaps = nonzero_overlaps(totals.overlaps_per_month, exact)
    yield decimal(overlaps), "expected overlapping snapshots of one service in 30 days"
    if totals.weighted is not None:
        yield decimal(totals.weighted.at_risk_per_month), AT_RISK_WEIGHTED
        yield decimal(totals.weighted.overlaps_per_month), OVERLAPS_WEIGHTED
    yield f"{totals.peak_concurrency:,}", "most overlapping start windows in one service"
    yield decimal(totals.working_hours_starts), "backups expected to start in working hours in 30 days"


def _starts_picture(audit: Audit, sheet: Sheet) -> Iterator[RenderableType]:
    starts = audit.starts_per_half_hour
    top = max(range(len(starts)), key=lambda slot: starts[slot])
    yield from sheet.heading("Starts per half hour (UTC)")
    yield Text(f"  {sheet.profile(starts)}", style="cyan")
    yield Text(f"  {HOURS}", style="dim")
    yield Text(f"  most: {decimal(starts[top])} per day at {half_hour_labels()[top]}", style="dim")


def _tables(audit: Audit, sheet: Sheet) -> Iterator[Table]:
    yield broken_rules_table(audit.broken_rules or (), WORST)
    yield idle_rules_table(audit.idle_rules, WORST)
    yield orders_table(audit.orders, WORST)
    yield _crowded_services([entry for entry in audit.services if entry.overlaps_per_month > 0])
    yield together_table(audit.services_together, WORST)
    yield _busy_vms(audit.busy, sheet)
    yield _crowded_policies(audit.policies)
    yield _crowded_vaults([entry for entry in audit.vaults if entry.state is not None])
    yield _short_histories(audit.history or ())
    yield _unwritable(audit.unwritable)
    yield _clock_changes(audit.clock_changes, sheet)


def _crowded_services(services: Sequence[ServiceAudit]) -> Table:
    columns: tuple[Column[ServiceAudit], ...] = (
        text("service", lambda entry: short_id(entry.service), share=1),
        count("VMs", lambda entry: entry.vms),
        figure("overlaps/30 d", lambda entry: entry.overlaps_per_month),
        count("most windows", lambda entry: entry.peak_concurrency),
        text("at (UTC)", lambda entry: entry.peak_at),
        figure("at risk/30 d", lambda entry: entry.at_risk_per_month),
    )
    return Table.of("Services with the most overlap", columns, services, most=WORST)


def _busy_vms(busy: Sequence[BusyVm], sheet: Sheet) -> Table:
    columns: tuple[Column[BusyVm], ...] = (
        text("VM", lambda vm: vm.name, share=3),
        text("service", lambda vm: short_id(vm.service), share=2),
        text("policy", lambda vm: vm.policy, share=2),
        text("start", lambda vm: vm.start_today),
        figure("at risk/30 d", lambda vm: vm.risk_today),
        text("best", lambda vm: vm.start_best if vm.start_best != vm.start_today else sheet.dash),
        figure("then", lambda vm: vm.risk_best),
        figure("saves", lambda vm: vm.saving),
    )
    note = "best: the start with the lowest risk for this VM alone, in the time zone of its policy"
    return Table.of("VMs that are often busy when backed up", columns, busy, most=WORST, note=note)


def _crowded_policies(policies: Sequence[PolicyAudit]) -> Table:
    columns: tuple[Column[PolicyAudit], ...] = (
        text("policy", lambda entry: entry.policy, share=2),
        text("vault", lambda entry: entry.vault, share=1),
        count("VMs", lambda entry: entry.vms),
        count("limit", lambda entry: entry.limit),
        text("state", lambda entry: entry.state),
    )
    return Table.of("Policies near, at or over their limit of VMs", columns, policies, most=WORST)


def _crowded_vaults(vaults: Sequence[VaultAudit]) -> Table:
    columns: tuple[Column[VaultAudit], ...] = (
        text("vault", lambda entry: entry.vault, share=1),
        count("VMs", lambda entry: entry.vms),
        count("policies", lambda entry: entry.policies),
        count("limit", lambda entry: entry.limit),
        text("state", lambda entry: str(entry.state)),
    )
    return Table.of("Vaults near, at or over their limit of policies", columns, vaults, most=WORST)


def _short_histories(gaps: Sequence[HistoryGap]) -> Table:
    columns: tuple[Column[HistoryGap], ...] = (
        text("VM", lambda gap: short_id(gap.vm), share=3),
        text("service", lambda gap: short_id(gap.service), share=2),
        number("days", lambda gap: f"{gap.days:.0f}"),
        text("problem", lambda gap: gap.kind),
    )
    note = "their risk is estimated from the load of all VMs; a plan claims no gain in risk for them"
    return Table.of("VMs with too little load history", columns, gaps, most=WORST, note=note)


def _unwritable(items: Sequence[UnwritableItem]) -> Table:
    columns: tuple[Column[UnwritableItem], ...] = (
        text("VM", lambda item: short_id(item.vm), share=2),
        text("policy", lambda item: item.policy, share=1),
        prose("why", lambda item: item.reason, share=3),
    )
    return Table.of("Protected items that no plan changes", columns, items, most=WORST)


def _clock_changes(zones: Sequence[ClockChange], sheet: Sheet) -> Table:
    columns: tuple[Column[ClockChange], ...] = (
        text("zone", lambda zone: zone.timezone, share=1),
        count("policies", lambda zone: zone.policies),
        count("VMs", lambda zone: zone.vms),
        text("UTC offsets", lambda zone: f" {sheet.dot} ".join(zone.offsets)),
    )
    note = "Azure does not document whether schedules follow the clock; starts are checked at every offset"
    return Table.of("Time zones with daylight saving", columns, zones, most=WORST, note=note)


def _silent_lists(audit: Audit) -> Iterator[RenderableType]:
    """List the checks that found nothing, so that a reader knows that they were made."""
    totals = audit.totals
    checks = {
        "no service is backed up all at once": all(entry.at_once is not None for entry in audit.services_together),
        "no two snapshots of a service overlap": not (totals.overlaps_per_month or totals.overlaps_exact),
        "no VM is often busy when backed up": not audit.busy,
        "no policy is near its limit": not audit.policies,
        "no vault is near its limit": all(entry.state is None for entry in audit.vaults),
        "every VM has enough history": audit.history == (),
        "every protected item can be changed": not audit.unwritable,
    }
    fine = [what for what, holds in checks.items() if holds]
    if kept := rules_kept(audit.broken_rules, audit.num_rules, len(audit.idle_rules)):
        fine.append(kept)
    if fine:
        yield Text()
        yield Text("Fine: " + "; ".join(fine) + ".", style="dim")
