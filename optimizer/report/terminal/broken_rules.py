"""Part of an audit about rules: rules that today's schedule breaks, and rules without effect."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import BrokenRule, IdleRule
from optimizer.report.terminal.sheet import Column, Rows, number, plural, short_id

MOST_NAMES = 3
"""Maximum number of VMs that are named for each rule; JSON contains all of them."""


def broken_rules_rows(broken: Sequence[BrokenRule], most: int) -> Rows:
    """Table of broken rules.

    Parameters
    ----------
    broken
        Broken rules, those with the most VMs first.
    most
        Maximum number of rules to show.
    """
    return Rows(
        title="Rules that today's schedule breaks",
        columns=(
            Column("rule", share=2, prose=True),
            Column("key"),
            number("VMs"),
            number("fixed"),
            Column("which", share=3, prose=True),
        ),
        cells=[
            (one.rule, ", ".join(one.demands), f"{len(one.vms):,}", f"{one.never_written:,}", _names(one.vms))
            for one in broken[:most]
        ],
        total=len(broken),
        note="fixed: VMs that no plan may move",
    )


def idle_rules_rows(idle: Sequence[IdleRule], most: int) -> Rows:
    """Table of rules that have no effect on this estate, in the order of the file."""
    return Rows(
        title="Rules that have no effect on this estate",
        columns=(Column("rule", share=2, prose=True), Column("why", share=3, prose=True)),
        cells=[(one.rule, one.why) for one in idle[:most]],
        total=len(idle),
        note="these rules protect no VM: correct the name or the date, or remove the rule",
        styles=["red"] * len(idle[:most]),
    )


def rules_kept(broken: Sequence[BrokenRule] | None, num_rules: int, num_idle: int) -> str:
    """Sentence for the case that every rule holds today; empty if a rule is broken or no rule was tested.

    Parameters
    ----------
    broken
        Broken rules.  None: there are no rules.
    num_rules, num_idle
        Number of rules, and number of rules without effect.
    """
    tested = num_rules - num_idle
    if broken is None or broken or tested <= 0:
        return ""
    if not num_idle:
        return "today's schedule keeps every rule"
    return f"today's schedule keeps the {plural(tested, 'rule')} that {'has' if tested == 1 else 'have'} an effect"


def _names(vms: Sequence[str]) -> str:
    shown = ", ".join(short_id(vm) for vm in vms[:MOST_NAMES])
    return f"{shown} and {len(vms) - MOST_NAMES:,} more" if len(vms) > MOST_NAMES else shown
