"""Report of a watch: alarms first, with advice, then VMs that wait for a backup, then VMs that were backed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from optimizer.documents import WatchedVm, WatchReport
from optimizer.report.formats import decimal, plural, short_id
from optimizer.report.table import Column, Table, number, text
from optimizer.report.terminal.sheet import Page, Sheet

SHOWN = 10
"""Maximum number of VMs of each kind on a terminal; JSON contains all of them."""

_INDENT = 4


def render_watch(report: WatchReport, max_rows: int | None = SHOWN) -> Page:
    """Render the findings of a watch.

    Parameters
    ----------
    max_rows
        Maximum number of VMs of each kind to show. None: all.
    """

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(f"Watch at {report.at:%Y-%m-%d %H:%M} UTC: {_counts(report)}", style="bold")
        yield from _alarms(report.alarms, sheet, max_rows)
        waiting = [vm for vm in report.vms if vm.verdict == "waiting"]
        well = [vm for vm in report.vms if vm.verdict == "ok"]
        tables = (_waiting(waiting, sheet, max_rows), _well(well, sheet, max_rows))
        yield from (sheet.table(table) for table in tables if table.cells)
        yield from _remarks(report.vms, sheet, max_rows)
        yield Text()
        yield Text(_what_now(report))

    return Page(build)


def _counts(report: WatchReport) -> str:
    verdicts = report.verdicts
    parts = [f"{verdicts['ok']:,} of {plural(len(report.vms), 'VM')} backed up at the new time"]
    parts += [f"{verdicts['waiting']:,} waiting for the next backup"] if verdicts["waiting"] else []
    parts += [plural(verdicts["alarm"], "alarm")] if verdicts["alarm"] else []
    others = {
        "unknown": verdicts["unknown"],
        "found in place, moved by somebody else": report.found_in_place,
        "not written yet": report.not_written,
    }
    return ", ".join([*parts, *(f"{count:,} {what}" for what, count in others.items() if count)])


def _alarms(vms: Sequence[WatchedVm], sheet: Sheet, max_rows: int | None) -> Iterator[RenderableType]:
    if not vms:
        return
    groups = _alike(vms)
    shown = sum(map(len, groups[:max_rows]))
    yield from sheet.heading("Needs attention", f"{shown:,} of {len(vms):,} shown" if shown < len(vms) else "")
    for group in groups[:max_rows]:
        yield sheet.line(_whose(group, sheet), "bold")
        for finding in group[0].findings:
            yield Padding(sheet.line(finding.what, "red"), (0, 0, 0, _INDENT))
            yield Padding(sheet.line(f"{sheet.arrow} {finding.advice}"), (0, 0, 0, _INDENT))
            yield from sheet.commands(finding.command, _INDENT + 2)


def _alike(vms: Sequence[WatchedVm]) -> list[list[WatchedVm]]:
    """Groups of VMs with alarms: one VM each, or the VMs of a vault that are unknown for the same reason."""
    groups: dict[object, list[WatchedVm]] = {}
    for row, vm in enumerate(vms):
        groups.setdefault((vm.vault, vm.findings) if vm.verdict == "unknown" else row, []).append(vm)
    return list(groups.values())


def _whose(group: Sequence[WatchedVm], sheet: Sheet) -> str:
    """The VMs that a paragraph is about, on one line."""
    first = group[0]
    if len(group) > 1:
        room = max(sheet.width - len(first.vault) - 25, 20)
        names = sheet.shorten(", ".join(short_id(vm.vm) for vm in group), room)
        return f" vault {first.vault}, {plural(len(group), 'VM')}: {names}"
    where = f"vault {first.vault}, policy {first.policy}, {first.start} {first.timezone}"
    return f" {sheet.shorten(short_id(first.vm), max(sheet.width - len(where) - 5, 20))}: {where}"


def _waiting(vms: Sequence[WatchedVm], sheet: Sheet, max_rows: int | None) -> Table:
    columns: tuple[Column[WatchedVm], ...] = (
        text("VM", lambda vm: short_id(vm.vm), share=3),
        text("vault", lambda vm: vm.vault, share=2),
        text("start", lambda vm: vm.start),
        text("zone", lambda vm: vm.timezone, share=2),
        text("until (UTC)", lambda vm: f"{vm.due_until:%Y-%m-%d %H:%M}" if vm.due_until else sheet.dash),
        text("job", lambda vm: "in progress" if vm.job_status else "not due yet"),
    )
    rows = sorted(vms, key=lambda vm: (vm.due_until is not None, str(vm.due_until), vm.vm))
    return Table.of("Waiting for the next backup", columns, rows, most=max_rows)


def _well(vms: Sequence[WatchedVm], sheet: Sheet, max_rows: int | None) -> Table:
    columns: tuple[Column[WatchedVm], ...] = (
        text("VM", lambda vm: short_id(vm.vm), share=3),
        text("vault", lambda vm: vm.vault, share=2),
        text("start", lambda vm: vm.start),
        text("job started (UTC)", lambda vm: f"{vm.job_started:%Y-%m-%d %H:%M}" if vm.job_started else sheet.dash),
        number("delay (min)", lambda vm: sheet.dash if vm.delay_minutes is None else f"{vm.delay_minutes:.0f}"),
        number("gap (h)", lambda vm: sheet.dash if vm.longest_gap_hours is None else decimal(vm.longest_gap_hours)),
        number("RPO (h)", lambda vm: f"{vm.rpo_hours:g}"),
    )
    note = "gap: longest time between two recovery points since the change"
    return Table.of("Backed up at the new time", columns, vms, most=max_rows, note=note)


def _remarks(vms: Sequence[WatchedVm], sheet: Sheet, max_rows: int | None) -> Iterator[RenderableType]:
    texts = [f"{short_id(vm.vm)}: {remark}" for vm in vms for remark in _remarks_of(vm)]
    if texts:
        more = len(texts) - len(texts[:max_rows])
        yield from sheet.heading("Remarks")
        yield sheet.bullets([*texts[:max_rows], *([f"and {more:,} more; see --format json"] if more else [])])


def _remarks_of(vm: WatchedVm) -> Sequence[str]:
    others = "somebody else moved it; a rollback leaves it where it is"
    return (others, *vm.remarks) if vm.found_in_place else vm.remarks


def _what_now(report: WatchReport) -> str:
    verdicts = report.verdicts
    if verdicts["unknown"] and not verdicts["alarm"]:
        vms = plural(verdicts["unknown"], "VM")
        return f"'watch' could not check {vms}. See the reasons above, then run 'watch' again."
    if report.alarms:
        return "'watch' changes nothing. Fix what the alarms report or run the commands above, then run 'watch' again."
    dues = [vm.due_until for vm in report.vms if vm.due_until is not None]
    again = f"after {max(dues):%Y-%m-%d %H:%M} UTC" if dues else "when the jobs in progress have ended"
    if report.not_written:
        waits = plural(report.not_written, "VM")
        return f"{waits} of the plan not moved yet: 'apply --resume' makes the writes that are possible now. " + (
            f"Run 'watch' again {again}." if report.vms else "Then run 'watch' again."
        )
    if not report.is_settled:
        return f"Nothing to do now. Run 'watch' again {again}."
    if not report.vms:
        return "Nothing to watch: no VM was moved."
    return "Nothing to do: every VM that was moved is backed up at its new time."
