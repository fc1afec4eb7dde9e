"""Report of an import, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter
from rich.console import RenderableType
from rich.text import Text

from optimizer.intake import ImportReport
from optimizer.report.formats import plural
from optimizer.report.terminal.sheet import Page, Sheet

MIN_HISTORY_DAYS = 7
"""Days of load below which an audit reports too little data for every VM, because load depends on the weekday."""

_TOO_SHORT = ": less than a week, which is the minimum for a useful forecast; add more with 'import --append'"


def render_import(report: ImportReport) -> tuple[Page, str]:
    """Render what was imported; returns the page, and the same content as JSON text."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(
            f"{plural(report.vms, 'VM')} in {plural(report.vaults, 'vault')} with "
            f"{plural(report.policies, 'policy')}; {report.samples:,} samples of load, "
            f"{plural(report.days, 'day')} written",
            style="bold",
        )
        yield Text(
            f"The estate now holds {plural(report.history_days, 'day')} of load, from {report.history_from} to "
            f"{report.history_to}{_TOO_SHORT if report.history_days < MIN_HISTORY_DAYS else ''}"
        )
        yield Text(
            f"Load: from {report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC, "
            f"every {' or '.join(map(str, report.interval_minutes))} minutes; as of {report.as_of:%Y-%m-%d %H:%M} UTC"
        )
        if not report.can_be_applied:
            yield Text(
                "Plans of this estate cannot be applied: vms.csv does not hold the ARM ids of vaults, policies "
                "and items; for that, use 'import --resources' or 'pull'"
            )
        if report.left_out or report.notes:
            yield sheet.bullets((*report.left_out, *report.notes))

    return Page(build), TypeAdapter(ImportReport).dump_json(report, indent=1).decode()
