"""The part of an audit that says which rules today's schedule breaks."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.plan.audit_document import BrokenRule
from optimizer.report.typeset import Column, Rows, number, short_id

MOST_NAMES = 3
"""VMs that are named of each rule; JSON has them all."""


def broken_rules_rows(broken: Sequence[BrokenRule], most: int) -> Rows:
    """Table of broken rules.

    Parameters
    ----------
    broken
        Those with the most VMs first.
    most
        Rules that are shown.
    """
    return Rows(
        title="Rules that today's schedule breaks",
        columns=(
            Column("rule", share=2, prose=True),
            Column("key"),
            number("VMs"),
            number("stay"),
            Column("which", share=3, prose=True),
        ),
        cells=[
            (one.rule, ", ".join(one.demands), f"{len(one.vms):,}", f"{one.never_written:,}", _names(one.vms))
            for one in broken[:most]
        ],
        total=len(broken),
        note="stay: those of the VMs that are never written; a plan leaves them where they are",
    )


def _names(vms: Sequence[str]) -> str:
    shown = ", ".join(short_id(vm) for vm in vms[:MOST_NAMES])
    return f"{shown} and {len(vms) - MOST_NAMES:,} more" if len(vms) > MOST_NAMES else shown
