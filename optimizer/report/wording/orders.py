"""Table of rules with ``order``: time between one set of VMs and the next."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import OrderGap
from optimizer.report.formats import short_id
from optimizer.report.table import Column, Table, number, text

ORDER_TITLE = "Order of backups"

ORDER_NOTE = (
    "group: the service or the vault, or the rule where it orders all its VMs together; each row shows the day that "
    "keeps the order worst; days last from noon to noon on each policy's clock; ends, begins: at their closest; later "
    "by: smallest to largest distance between VMs of the two sets, over all UTC offsets; limit: 'within' of the rule, "
    "which limits the largest"
)


def orders_table(gaps: Sequence[OrderGap], most: int | None = None) -> Table:
    """Table of the gaps between neighboring sets; empty if no rule has ``order``.

    Parameters
    ----------
    gaps
        Gaps between neighboring sets, the worst first.
    most
        Maximum number of rows to show. None: all.
    """
    columns: tuple[Column[OrderGap], ...] = (
        text("group", lambda gap: short_id(gap.group) if gap.group else gap.rule, share=2),
        text("first", lambda gap: gap.first.strip('"'), share=2),
        text("ends (UTC)", lambda gap: gap.ends),
        text("next", lambda gap: gap.second.strip('"'), share=2),
        text("begins (UTC)", lambda gap: gap.begins),
        number("later by", _later_by),
        number("limit", lambda gap: "none" if gap.within is None else _duration(gap.within)),
        text("", _verdict),
    )
    return Table.of(ORDER_TITLE, columns, gaps, most=most, note=ORDER_NOTE)


def _verdict(gap: OrderGap) -> str:
    if gap.holds:
        return ""
    return "too early" if gap.hours < 0 else "too late"


def _later_by(gap: OrderGap) -> str:
    """Smallest and largest distance, or one figure if they are equal."""
    smallest, largest = _duration(gap.hours), _duration(gap.largest)
    return smallest if smallest == largest else f"{smallest} to {largest}"


def _duration(hours: float) -> str:
    """Duration in hours and minutes, such as ``15 min`` or ``-2 h 15 min``."""
    whole, minutes = divmod(round(abs(hours) * 60), 60)
    parts = [f"{whole} h"] * (whole > 0) + [f"{minutes} min"] * (minutes > 0 or whole == 0)
    return ("-" if hours < 0 else "") + " ".join(parts)
