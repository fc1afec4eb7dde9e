"""Services that are backed up all at once, for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.plan.together_document import ServiceTogether
from optimizer.report.typeset import Column, Rows, decimal, decimals, number, short_id

TITLE = "Services that are backed up all at once"

SPREADING_NOTE = (
    "all start windows of the service overlap; overlaps: expected overlapping snapshots; cost: what they cost; "
    "spreading: what it would cost (below 0: save) to start its VMs at least two hours apart, all others kept; "
    "(limit): a limit on moves or policy writes leaves no room for it; "
    "costs in at-risk backups per 30 days"
)


def together_rows(services: Sequence[ServiceTogether], max_rows: int) -> Rows:
    """Table of the services whose start windows all overlap."""
    return Rows(
        title=TITLE,
        columns=(
            Column("service", share=1),
            number("VMs"),
            Column("start"),
            Column("first at (UTC)"),
            number("overlaps/30 d"),
            number("cost"),
            number("spreading"),
        ),
        cells=together_cells(services[:max_rows]),
        total=len(services),
        note=SPREADING_NOTE,
    )


def together_cells(services: Sequence[ServiceTogether]) -> list[tuple[str, ...]]:
    """Rows of the table."""
    return list(
        zip(
            [short_id(one.service) for one in services],
            [f"{one.vms:,}" for one in services],
            ["together" if one.same_start else "within 2 h" for one in services],
            [one.at for one in services],
            decimals(one.overlaps_per_month for one in services),
            decimals(one.overlaps_cost for one in services),
            [_spreading(one) for one in services],
            strict=True,
        )
    )


def _spreading(one: ServiceTogether) -> str:
    if one.spreading_costs is None:
        return one.spreading
    return f"{decimal(one.spreading_costs)}{' (limit)' if one.spreading == 'over a limit' else ''}"
