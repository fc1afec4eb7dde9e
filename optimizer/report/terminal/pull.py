"""Report of a pull, for a terminal and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from pydantic import TypeAdapter
from rich.console import RenderableType
from rich.text import Text

from optimizer.intake import ENOUGH_DAYS, LoadHole, PullReport, Reason
from optimizer.report.terminal.sheet import Column, Glyphs, Page, Rows, bullets, number, plural, short_id, table

_SHOWN = 10
"""Maximum number of VMs or failures that the text lists; the JSON contains all of them."""

_SHOWN_HOLES = 4
"""Maximum number of holes in the load that the text lists for each reason; the JSON contains all of them."""


def render_pull(found: PullReport) -> tuple[Page, str]:
    """Render what was pulled; returns the page, and the same content as JSON text."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(
            f"{plural(found.vms, 'VM')} in {plural(found.vaults, 'vault')} with "
            f"{plural(found.policies, 'policy')}; {plural(found.jobs, 'new job')}",
            style="bold",
        )
        yield Text(_load_pulled(found))
        if found.history_days:
            yield Text(
                f"The estate now holds {plural(found.history_days, 'day')} of load, from {found.history_from} to "
                f"{found.history_to}; as of {found.as_of:%Y-%m-%d %H:%M} UTC"
            )
        cells = [(kind, f"{count:,}") for kind, count in found.requests.items()]
        if cells:
            yield table(Rows("Requests", (Column("kind"), number("sent")), cells), glyphs, width)
        if found.failures:
            failed = [f"{part.what}: {part.why}" for part in found.failures]
            yield Text("\nFailed", style="bold")
            yield bullets(_first(failed), glyphs)
        notes = list(_notes(found))
        if notes:
            yield Text()
            yield bullets(notes, glyphs)

    return Page(build), TypeAdapter(PullReport).dump_json(found, indent=1).decode()


def _load_pulled(found: PullReport) -> str:
    if not found.points:
        return "No load values were pulled"
    rate = f" ({found.points / found.seconds:,.0f} per second)" if found.seconds else ""
    return f"{plural(found.points, 'load value')} in {found.seconds:,.1f} s{rate}; {plural(found.days, 'day')} written"


def _notes(found: PullReport) -> Iterator[str]:
    """Notes on gaps in the VMs' load, which distinguish no data, too little data and failed requests."""
    if found.resumed:
        begun = f"{found.as_of:%Y-%m-%d %H:%M} UTC"
        yield f"This continued a pull that began at {begun}; inventory and load are as of then."
    reasons = Counter(found.failed.values())
    for reason, count in reasons.most_common(_SHOWN):
        names = [vm for vm, why in found.failed.items() if why == reason]
        yield f"The load of {plural(count, 'VM')} failed ({_some(names)}): {reason}"
    explained = {vm_id for hole in found.holes for vm_id in hole.vms}
    if silent := [vm_id for vm_id in found.no_data if vm_id not in explained]:
        yield f"No load data for {plural(len(silent), 'VM')}: {_some(silent)}."
    yield from _holes(found.holes)
    if found.too_little:
        yield (
            f"Too little load data for {plural(len(found.too_little), 'VM')} (fewer than {ENOUGH_DAYS} usable days): "
            f"{_some(found.too_little)}."
        )
    if found.unassigned_jobs:
        why = "; ".join(f"{count:,} {reason}" for reason, count in found.unassigned_jobs.items())
        jobs = plural(sum(found.unassigned_jobs.values()), "job")
        yield f"{jobs} left out because it is not certain which VM they belong to: {why}."
    if found.not_found:
        were = "was" if len(found.not_found) == 1 else "were"
        yield (
            f"{plural(len(found.not_found), 'protected VM')} {were} not found ({_some(found.not_found)}): deleted, or "
            "moved to another id. They are not planned: stop the protection of VMs that were deleted, and protect "
            "those that were moved again."
        )
    if found.hidden:
        yield (
            f"This account may not read {plural(len(found.hidden), 'protected VM')} ({_some(found.hidden)}): without "
            "tags and load they stay where they are. Give it the role Reader on them, then pull again."
        )
    if found.unprotected:
        are, they = ("is", "it was") if found.unprotected == 1 else ("are", "they were")
        yield (
            f"{plural(found.unprotected, 'VM')} of these subscriptions {are} in no vault that was pulled; "
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
