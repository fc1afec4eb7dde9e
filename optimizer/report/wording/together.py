"""Services whose start windows overlap."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import ServiceTogether
from optimizer.report.formats import decimal, short_id
from optimizer.report.table import Column, Table, count, figure, number, text

TITLE = "Services whose start windows overlap"

COSTS_EXPLAINED = (
    "Spreading is the price (below 0: saving) of the cheapest way to start every two VMs of the service at least two "
    "hours apart or, where all of its start windows overlap, to end that; all other VMs stay where they are. With "
    "(limit), a limit on moves or policy writes leaves no room for it. Impossible: proven; not found: not proven; at "
    "most: a cheaper way may exist; not priced: services after the first 20, and those of more than 5 VMs in which "
    "only some start windows overlap. Costs are in at-risk backups per 30 days."
)
"""Explanation of the columns with costs."""


def together_table(services: Sequence[ServiceTogether], most: int | None = None) -> Table:
    """Table of the services whose start windows overlap, all of them or some.

    Parameters
    ----------
    services
        Services, in their order.
    most
        Maximum number of rows to show. None: all.
    """
    columns: tuple[Column[ServiceTogether], ...] = (
        text("service", lambda entry: short_id(entry.service), share=1),
        count("VMs", lambda entry: entry.vms),
        text("start", _start),
        text("first at (UTC)", lambda entry: entry.at),
        figure("overlaps/30 d", lambda entry: entry.overlaps_per_month),
        figure("cost of these", lambda entry: entry.overlaps_cost),
        number("spreading", _spreading),
    )
    return Table.of(TITLE, columns, services, most=most, note=COSTS_EXPLAINED)


def _start(entry: ServiceTogether) -> str:
    if entry.at_once is not None:
        return f"{entry.at_once:,} of {entry.vms:,} overlap"
    return "all together" if entry.same_start else "all overlap"


def _spreading(entry: ServiceTogether) -> str:
    if entry.spreading_costs is None:
        return entry.spreading
    at_most = "" if entry.spreading_proven else "at most "
    return f"{at_most}{decimal(entry.spreading_costs)}{' (limit)' if entry.spreading == 'over a limit' else ''}"
