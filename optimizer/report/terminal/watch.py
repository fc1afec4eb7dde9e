"""Report of a watch: alarms first, with what to do, then VMs that wait for a backup, then VMs that had theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from optimizer.report.terminal.sheet import (
    Column,
    Glyphs,
    Page,
    Rows,
    bullets,
    decimal,
    number,
    plural,
    short_id,
    table,
)
from optimizer.report.terminal.shell import command_lines
from optimizer.rollout import WatchedVm, WatchReport

SHOWN = 10
"""Maximum number of VMs of each kind on a terminal; JSON contains all of them."""

_INDENT = 4


def render_watch(report: WatchReport, max_rows: int | None = SHOWN) -> Page:
    """Render the findings of a watch.

    Parameters
    ----------
    max_rows
        Maximum number of VMs of each kind to show.  None: all.
    """

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(f"Watch at {report.at:%Y-%m-%d %H:%M} UTC: {_counts(report)}", style="bold")
        yield from _alarms(report.alarms, glyphs, width, max_rows)
        waiting = [vm for vm in report.vms if vm.verdict == "waiting"]
        if waiting:
            yield table(_waiting(waiting, glyphs, max_rows), glyphs, width)
        well = [vm for vm in report.vms if vm.verdict == "ok"]
        if well:
            yield table(_well(well, glyphs, max_rows), glyphs, width)
        yield from _remarks(report.vms, glyphs, max_rows)
        yield Text()
        yield Text(_what_now(report))

    return Page(build)


def _counts(report: WatchReport) -> str:
    verdicts = report.verdicts
    parts = [f"{verdicts['ok']:,} of {plural(len(report.vms), 'VM')} backed up at the new time"]
    parts += [f"{verdicts['waiting']:,} waiting for the next backup"] if verdicts["waiting"] else []
    parts += [plural(verdicts["alarm"], "alarm")] if verdicts["alarm"] else []
    parts += [f"{verdicts['unknown']:,} unknown"] if verdicts["unknown"] else []
    if report.found_in_place:
        parts.append(f"{report.found_in_place:,} found in place, moved by somebody else")
    parts += [f"{report.not_written:,} not written yet"] if report.not_written else []
    return ", ".join(parts)


def _alarms(vms: Sequence[WatchedVm], glyphs: Glyphs, width: int, max_rows: int | None) -> Iterator[RenderableType]:
    if not vms:
        return
    yield Text()
    groups = _alike(vms)
    heading = Text("Needs attention", style="bold")
    if max_rows is not None and len(groups) > max_rows:
        shown = sum(map(len, groups[:max_rows]))
        heading.append(f" ({shown:,} of {len(vms):,} shown)", style="dim")
    yield heading
    for group in groups[:max_rows]:
        yield Text(glyphs.clean(_whose(group, glyphs, width)), style="bold")
        for finding in group[0].findings:
            yield _indented(Text(glyphs.clean(finding.what), style="red"), _INDENT)
            yield _indented(Text(glyphs.clean(f"{glyphs.arrow} {finding.advice}")), _INDENT)
            yield from command_lines(finding.command, width, _INDENT + 2)


def _alike(vms: Sequence[WatchedVm]) -> list[list[WatchedVm]]:
    """Groups of VMs with alarms: one VM each, or the VMs of a vault that are unknown for the same reason."""
    groups: dict[object, list[WatchedVm]] = {}
    for row, vm in enumerate(vms):
        groups.setdefault((vm.vault, vm.findings) if vm.verdict == "unknown" else row, []).append(vm)
    return list(groups.values())


def _whose(group: Sequence[WatchedVm], glyphs: Glyphs, width: int) -> str:
    """The VMs that a paragraph is about, on one line."""
    first = group[0]
    if len(group) > 1:
        names = glyphs.shorten(", ".join(short_id(vm.vm) for vm in group), max(width - len(first.vault) - 25, 20))
        return f" vault {first.vault}, {plural(len(group), 'VM')}: {names}"
    where = f"vault {first.vault}, policy {first.policy}, {first.start} {first.timezone}"
    return f" {glyphs.shorten(short_id(first.vm), max(width - len(where) - 5, 20))}: {where}"


def _indented(text: Text, by: int) -> RenderableType:
    return Padding(text, (0, 0, 0, by))


def _waiting(vms: Sequence[WatchedVm], glyphs: Glyphs, max_rows: int | None) -> Rows:
    def until(vm: WatchedVm) -> str:
        return f"{vm.due_until:%Y-%m-%d %H:%M}" if vm.due_until else glyphs.dash

    cells = [
        (
            short_id(vm.vm),
            vm.vault,
            vm.start,
            vm.timezone,
            until(vm),
            "in progress" if vm.job_status else "not due yet",
        )
        for vm in sorted(vms, key=lambda vm: (vm.due_until is not None, str(vm.due_until), vm.vm))
    ]
    columns = (
        Column("VM", share=3),
        Column("vault", share=2),
        Column("start"),
        Column("zone", share=2),
        Column("until (UTC)"),
        Column("job"),
    )
    return Rows("Waiting for the next backup", columns, cells[:max_rows], total=len(cells))


def _well(vms: Sequence[WatchedVm], glyphs: Glyphs, max_rows: int | None) -> Rows:
    cells = [
        (
            short_id(vm.vm),
            vm.vault,
            vm.start,
            f"{vm.job_started:%Y-%m-%d %H:%M}" if vm.job_started else glyphs.dash,
            f"{vm.delay_minutes:.0f}" if vm.delay_minutes is not None else glyphs.dash,
            decimal(vm.longest_gap_hours) if vm.longest_gap_hours is not None else glyphs.dash,
            f"{vm.rpo_hours:g}",
        )
        for vm in vms[:max_rows]
    ]
    columns = (
        Column("VM", share=3),
        Column("vault", share=2),
        Column("start"),
        Column("job started (UTC)"),
        number("delay (min)"),
        number("gap (h)"),
        number("RPO (h)"),
    )
    note = "gap: longest time between two recovery points since the change"
    return Rows("Backed up at the new time", columns, cells, total=len(vms), note=note)


def _remarks(vms: Sequence[WatchedVm], glyphs: Glyphs, max_rows: int | None) -> Iterator[RenderableType]:
    others = "somebody else moved it; a rollback leaves it where it is"
    texts = [
        f"{short_id(vm.vm)}: {remark}"
        for vm in vms
        for remark in (*((others,) if vm.found_in_place else ()), *vm.remarks)
    ]
    if texts:
        yield Text()
        yield Text("Remarks", style="bold")
        more = len(texts) - len(texts[:max_rows])
        yield bullets([*texts[:max_rows], *([f"and {more:,} more; see --format json"] if more else [])], glyphs)


def _what_now(report: WatchReport) -> str:
    verdicts = report.verdicts
    if verdicts["unknown"] and not verdicts["alarm"]:
        vms = plural(verdicts["unknown"], "VM")
        return f"'watch' could not check {vms}. See the reasons above, then run 'watch' again."
    if report.alarms:
        return "'watch' changes nothing. Fix what the alarms report or run the commands above, then run 'watch' again."
    dues = [vm.due_until for vm in report.vms if vm.due_until is not None]
    if dues:
        return f"Nothing to do now. Run 'watch' again after {max(dues):%Y-%m-%d %H:%M} UTC."
    if not report.is_over:
        return "Nothing to do now. Run 'watch' again when the rest is written and the jobs in progress have ended."
    if not report.vms:
        return "Nothing to watch: no VM was moved."
    return "Nothing to do: every VM that was moved is backed up at its new time."
