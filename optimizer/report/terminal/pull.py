"""Report of a pull, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from pydantic import TypeAdapter
from rich.console import RenderableType
from rich.text import Text

from optimizer.intake import ENOUGH_DAYS, LoadHole, PullReport, Reason
from optimizer.report.formats import plural, short_id
from optimizer.report.table import Column, Table, count, text
from optimizer.report.terminal.sheet import Page, Sheet

_SHOWN = 10
"""Maximum number of VMs or failures that the text lists; the JSON contains all of them."""

_SHOWN_HOLES = 4
"""Maximum number of holes in the load that the text lists for each reason; the JSON contains all of them."""


def render_pull(report: PullReport) -> tuple[Page, str]:
    """Render what was pulled; returns the page, and the same content as JSON text."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(
            f"{plural(report.vms, 'VM')} in {plural(report.vaults, 'vault')} with "
            f"{plural(report.policies, 'policy')}; {plural(report.jobs, 'new job')}",
            style="bold",
        )
        yield Text(_load_pulled(report))
        if report.history_days:
            yield Text(
                f"The estate now holds {plural(report.history_days, 'day')} of load, from {report.history_from} to "
                f"{report.history_to}; as of {report.as_of:%Y-%m-%d %H:%M} UTC"
            )
        if report.requests:
            yield sheet.table(_requests(report))
        if report.failures:
            yield from sheet.heading("Failed")
            yield sheet.bullets(_first([f"{part.what}: {part.why}" for part in report.failures]))
        if notes := list(_notes(report)):
            yield Text()
            yield sheet.bullets(notes)

    return Page(build), TypeAdapter(PullReport).dump_json(report, indent=1).decode()


def _requests(report: PullReport) -> Table:
    columns: tuple[Column[tuple[str, int]], ...] = (
        text("kind", lambda request: request[0]),
        count("sent", lambda request: request[1]),
    )
    return Table.of("Requests", columns, list(report.requests.items()))


def _load_pulled(report: PullReport) -> str:
    if not report.points:
        return "No load values were pulled"
    rate = f" ({report.points / report.seconds:,.0f} per second)" if report.seconds else ""
    values, days = plural(report.points, "load value"), plural(report.days, "day")
    return f"{values} in {report.seconds:,.1f} s{rate}; {days} written"


def _notes(report: PullReport) -> Iterator[str]:
    """Notes on gaps in the VMs' load, which distinguish no data, too little data and failed requests."""
    if report.resumed:
        begun = f"{report.as_of:%Y-%m-%d %H:%M} UTC"
        yield f"This continued a pull that began at {begun}; inventory and load are as of then."
    yield from _failed_loads(report)
    yield from _missing_loads(report)
    yield from _left_out(report)


def _failed_loads(report: PullReport) -> Iterator[str]:
    """One note for each of the most common reasons."""
    vms: dict[str, list[str]] = {}
    for vm, reason in report.failed.items():
        vms.setdefault(reason, []).append(vm)
    for reason, failed in sorted(vms.items(), key=lambda group: -len(group[1]))[:_SHOWN]:
        yield f"The load of {plural(len(failed), 'VM')} failed ({_some(failed)}): {reason}"


def _missing_loads(report: PullReport) -> Iterator[str]:
    explained = {vm_id for hole in report.holes for vm_id in hole.vms}
    if silent := [vm_id for vm_id in report.no_data if vm_id not in explained]:
        yield f"No load data for {plural(len(silent), 'VM')}: {_some(silent)}."
    yield from _holes(report.holes)
    if report.too_little:
        yield (
            f"Too little load data for {plural(len(report.too_little), 'VM')} (fewer than {ENOUGH_DAYS} usable days): "
            f"{_some(report.too_little)}."
        )


def _left_out(report: PullReport) -> Iterator[str]:
    """Notes on jobs and VMs that the estate does not hold, or not completely."""
    if report.unassigned_jobs:
        why = "; ".join(f"{jobs:,} {reason}" for reason, jobs in report.unassigned_jobs.items())
        jobs = plural(sum(report.unassigned_jobs.values()), "job")
        yield f"{jobs} left out because it is not certain which VM they belong to: {why}."
    if report.not_found:
        were = "was" if len(report.not_found) == 1 else "were"
        yield (
            f"{plural(len(report.not_found), 'protected VM')} {were} not found ({_some(report.not_found)}): deleted, "
            "or moved to another id. They are not planned: stop the protection of VMs that were deleted, and protect "
            "those that were moved again."
        )
    if report.hidden:
        yield (
            f"This account may not read {plural(len(report.hidden), 'protected VM')} ({_some(report.hidden)}): "
            "without tags and load they stay where they are. Give it the role Reader on them, then pull again."
        )
    if report.unprotected:
        are, they = ("is", "it was") if report.unprotected == 1 else ("are", "they were")
        yield (
            f"{plural(report.unprotected, 'VM')} of these subscriptions {are} in no vault that was pulled; "
            f"{they} left out."
        )


_WHY: Mapping[Reason, str] = {
    "off": "The VMs are off now, and Azure measures only VMs that run.",
    "probably_off": "Probably the VMs were off: there is load before and after, and Azure measures only VMs that run.",
    "new": "The VMs were created later.",
    "no_metric": "The VMs run, but Azure Monitor has no CPU metric of them: look at their metrics in the portal.",
    "no_memory": "Azure Monitor has no memory metric of these VMs. The Azure Monitor agent can send it to a Log "
    "Analytics workspace; then pull with --workspace ID.",
    "no_agent": "Neither Azure Monitor nor the workspaces have it: check that the Azure Monitor agent is installed on "
    "the VMs and sends to a workspace that is given with --workspace.",
    "retention": "Azure keeps metrics for 93 days, and the last pull is older. Pull at least once in that time.",
    "unknown": "The VMs were off, or are newer, or their metrics are missing.",
}
"""Probable reason for a hole, and what to do."""


def _holes(holes: Sequence[LoadHole]) -> Iterator[str]:
    """One note for each reason, with the VMs and days."""
    groups: dict[tuple[str, Reason], list[LoadHole]] = {}
    for hole in holes:
        groups.setdefault((hole.metric, hole.reason), []).append(hole)
    for (metric, reason), group in groups.items():
        vms = {vm_id for hole in group for vm_id in hole.vms}
        shown = "; ".join(f"{_some(hole.vms)}: {_span(hole.first, hole.last)}" for hole in group[:_SHOWN_HOLES])
        more = len(group) - _SHOWN_HOLES
        rest = f"; and {plural(more, 'more hole')}, see --format json" if more > 0 else ""
        yield f"Days without {metric} for {plural(len(vms), 'VM')} ({shown}{rest}). {_WHY[reason]}"


def _span(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _some(vm_ids: Iterable[str]) -> str:
    names = [short_id(vm_id) for vm_id in vm_ids]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _first(texts: list[str]) -> list[str]:
    more = [f"... and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return texts[:_SHOWN] + more
