"""Use case: write the page of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.estate import Estate
from optimizer.files import save_file
from optimizer.plan import LimitPriceEntry
from optimizer.report import render_html


def write_report(
    plan: PlanDocument,
    estate: Estate,
    page: str | Path,
    limits: Sequence[LimitPriceEntry] | None = None,
    zone: str = "UTC",
) -> None:
    """Write a plan as an HTML page with charts: one file that works offline.

    Parameters
    ----------
    plan, estate
        The plan and its estate.
    page
        Path of the page. An older file is replaced as a whole or not at all.
    limits
        Result of :func:`optimizer.workflow.price_plan_limits`, the limits that bind. None: the page leaves them out.
    zone
        IANA time zone that the page shows at first.

    Raises
    ------
    EstateError
        The file cannot be written.
    """
    path = Path(page)
    content = render_html(plan, estate.inventory(plan.rules.service_from), estate.load, limits=limits, zone=zone)
    save_file(path, content.encode())
