"""The table of rules with ``order``: hours between one set of VMs and the next."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.plan.audit_document import OrderGap
from optimizer.report.typeset import Column, Rows, number, short_id


def order_rows(gaps: Sequence[OrderGap], max_rows: int) -> Rows:
    """Set the gaps between neighbouring sets; empty where no rule has ``order``."""
    return Rows(
        title="Order of backups (UTC)",
        columns=(
            Column("within", share=2),
            Column("first", share=2),
            Column("ends"),
            Column("next", share=2),
            Column("begins"),
            number("hours later"),
            Column("limit"),
            Column(""),
        ),
        cells=[
            (
                short_id(gap.group) if gap.group else gap.rule,
                gap.first.strip('"'),
                gap.ends,
                gap.second.strip('"'),
                gap.begins,
                f"{gap.hours:.1f}",
                f"{gap.within:g}" if gap.within is not None else "none",
                "" if gap.holds else "too early" if gap.hours < 0 else "too late",
            )
            for gap in gaps[:max_rows]
        ],
        total=len(gaps),
        note="days last from noon to noon on each policy's clock; 'within' in a rule limits the hours between sets",
    )
