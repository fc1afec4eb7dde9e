"""Table of rules with ``order``: time between one set of VMs and the next, for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import OrderGap
from optimizer.report.terminal.sheet import Column, Rows, number, short_id

ORDER_TITLE = "Order of backups"

ORDER_COLUMNS = ("group", "first", "ends (UTC)", "next", "begins (UTC)", "later by", "limit", "")

ORDER_NOTE = (
    "group: the service or the vault, or the rule where it orders all its VMs together; each row shows the day that "
    "keeps the order worst; days last from noon to noon on each policy's clock; ends, begins: at their closest; later "
    "by: smallest to largest distance between VMs of the two sets, over all UTC offsets; limit: 'within' of the rule, "
    "which limits the largest"
)


def order_rows(gaps: Sequence[OrderGap], max_rows: int) -> Rows:
    """Table of the gaps between neighboring sets; empty if no rule has ``order``."""
    group, first, ends, following, begins, later_by, limit, verdict = ORDER_COLUMNS
    return Rows(
        title=ORDER_TITLE,
        columns=(
            Column(group, share=2),
            Column(first, share=2),
            Column(ends),
            Column(following, share=2),
            Column(begins),
            number(later_by),
            number(limit),
            Column(verdict),
        ),
        cells=order_cells(gaps[:max_rows]),
        total=len(gaps),
        note=ORDER_NOTE,
    )


def order_cells(gaps: Sequence[OrderGap]) -> list[tuple[str, ...]]:
    """Cells of the table."""
    return [
        (
            short_id(gap.group) if gap.group else gap.rule,
            gap.first.strip('"'),
            gap.ends,
            gap.second.strip('"'),
            gap.begins,
            _later_by(gap),
            "none" if gap.within is None else _duration(gap.within),
            "" if gap.holds else "too early" if gap.hours < 0 else "too late",
        )
        for gap in gaps
    ]


def _later_by(gap: OrderGap) -> str:
    """Smallest and largest distance, or one figure where they are equal."""
    smallest, largest = _duration(gap.hours), _duration(gap.largest)
    return smallest if smallest == largest else f"{smallest} to {largest}"


def _duration(hours: float) -> str:
    """Duration in hours and minutes, such as ``15 min`` or ``-2 h 15 min``."""
    whole, minutes = divmod(round(abs(hours) * 60), 60)
    parts = [f"{whole} h"] * (whole > 0) + [f"{minutes} min"] * (minutes > 0 or whole == 0)
    return ("-" if hours < 0 else "") + " ".join(parts)
