"""Services whose start windows overlap, for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import ServiceTogether
from optimizer.report.terminal.sheet import Column, Rows, decimal, decimals, number, short_id

TITLE = "Services whose start windows overlap"

COSTS_EXPLAINED = (
    "Spreading is the price (below 0: saving) of the cheapest way to start every two VMs of the service at least two "
    "hours apart or, where all of its start windows overlap, to end that; all other VMs stay where they are. With "
    "(limit), a limit on moves or policy writes leaves no room for it. Impossible: proven; not found: not proven; at "
    "most: a cheaper way may exist; not priced: services after the first 20, and those of more than 5 VMs in which "
    "only some start windows overlap. Costs are in at-risk backups per 30 days."
)
"""Explanation of the columns with costs."""


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
    """Cells of the table."""
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
    return "all together" if one.same_start else "all overlap"


def _spreading(one: ServiceTogether) -> str:
    if one.spreading_costs is None:
        return one.spreading
    at_most = "" if one.spreading_proven else "at most "
    return f"{at_most}{decimal(one.spreading_costs)}{' (limit)' if one.spreading == 'over a limit' else ''}"
