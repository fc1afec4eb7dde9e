"""Report of an import, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter
from rich.console import RenderableType
from rich.text import Text

from optimizer.intake import ImportReport
from optimizer.report.terminal.sheet import Glyphs, Page, bullets, plural

MIN_HISTORY_DAYS = 7
"""Days of load below which an audit reports too little data for every VM, because load depends on the weekday."""

_TOO_SHORT = ": less than a week, which is the minimum for a useful forecast; add more with 'import --append'"


def render_import(found: ImportReport) -> tuple[Page, str]:
    """Render what was imported; returns the page, and the same content as JSON text."""

    def build(glyphs: Glyphs, _width: int) -> Iterator[RenderableType]:
        yield Text(
            f"{plural(found.vms, 'VM')} in {plural(found.vaults, 'vault')} with {plural(found.policies, 'policy')}; "
            f"{found.samples:,} samples of load, {plural(found.days, 'day')} written",
            style="bold",
        )
        yield Text(
            f"The estate now holds {plural(found.history_days, 'day')} of load, from {found.history_from} to "
            f"{found.history_to}{_TOO_SHORT if found.history_days < MIN_HISTORY_DAYS else ''}"
        )
        yield Text(
            f"Load: from {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC, "
            f"every {' or '.join(map(str, found.interval_minutes))} minutes; as of {found.as_of:%Y-%m-%d %H:%M} UTC"
        )
        if not found.can_be_applied:
            yield Text(
                "Plans of this estate cannot be applied: vms.csv does not hold the ARM ids of vaults, policies "
                "and items; for that, use 'import --resources' or 'pull'"
            )
        if found.left_out or found.notes:
            yield bullets((*found.left_out, *found.notes), glyphs)

    return Page(build), TypeAdapter(ImportReport).dump_json(found, indent=1).decode()
