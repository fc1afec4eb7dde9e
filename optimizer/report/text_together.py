"""Services with VMs that are backed up at once, for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.plan.together_document import ServiceTogether
from optimizer.report.typeset import Column, Rows, decimal, decimals, number, short_id

TITLE = "Services with VMs that are backed up at once"

COSTS_EXPLAINED = (
    "Spreading is what it would cost (below 0: save) to start all VMs of the service at least two hours apart, with "
    "all other VMs where they are. It does not pay where it costs more than the overlaps do. With (limit), a limit on "
    "moves or policy writes leaves no room for it. Costs are in at-risk backups per 30 days."
)
"""What the columns with costs mean, and why a plan leaves such services as they are."""


def together_rows(services: Sequence[ServiceTogether], max_rows: int) -> Rows:
    """Table of the services whose start windows overlap, all of them or some."""
    return Rows(
        title=TITLE,
        columns=(
            Column("service", share=1),
            number("VMs"),
            Column("start"),
            Column("first at (UTC)"),
            number("overlaps/30 d"),
            number("cost of these"),
            number("spreading"),
        ),
        cells=together_cells(services[:max_rows]),
        total=len(services),
        note=COSTS_EXPLAINED,
    )


def together_cells(services: Sequence[ServiceTogether]) -> list[tuple[str, ...]]:
    """Rows of the table."""
    return list(
        zip(
            [short_id(one.service) for one in services],
            [f"{one.vms:,}" for one in services],
            [_start(one) for one in services],
            [one.at for one in services],
            decimals(one.overlaps_per_month for one in services),
            decimals(one.overlaps_cost for one in services),
            [_spreading(one) for one in services],
            strict=True,
        )
    )


def _start(one: ServiceTogether) -> str:
    if one.at_once is not None:
        return f"{one.at_once:,} of {one.vms:,} overlap"
    return "together" if one.same_start else "within 2 h"


def _spreading(one: ServiceTogether) -> str:
    if one.spreading_costs is None:
        return one.spreading
    return f"{decimal(one.spreading_costs)}{' (limit)' if one.spreading == 'over a limit' else ''}"
