"""Part of an audit about rules: rules that today's schedule breaks, and rules without effect."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import BrokenRule, IdleRule
from optimizer.model.phrases import some_of
from optimizer.report.formats import plural, short_id
from optimizer.report.table import Column, Table, count, prose, text

MOST_NAMES = 3
"""Maximum number of VMs that are named for each rule; JSON contains all of them."""


def broken_rules_table(broken: Sequence[BrokenRule], most: int) -> Table:
    """Table of broken rules.

    Parameters
    ----------
    broken
        Broken rules, those with the most VMs first.
    most
        Maximum number of rules to show.
    """
    columns: tuple[Column[BrokenRule], ...] = (
        prose("rule", lambda rule: rule.rule, share=2),
        text("key", lambda rule: ", ".join(rule.demands)),
        count("VMs", lambda rule: len(rule.vms)),
        count("fixed", lambda rule: rule.never_written),
        prose("which", lambda rule: some_of([short_id(vm) for vm in rule.vms], MOST_NAMES), share=3),
    )
    title, note = "Rules that today's schedule breaks", "fixed: VMs that no plan may move"
    return Table.of(title, columns, broken, most=most, note=note)


def idle_rules_table(idle: Sequence[IdleRule], most: int) -> Table:
    """Table of rules that have no effect on this estate, in the order of the file.

    Parameters
    ----------
    idle
        Rules without effect.
    most
        Maximum number of rules to show.
    """
    columns: tuple[Column[IdleRule], ...] = (
        prose("rule", lambda rule: rule.rule, share=2),
        prose("why", lambda rule: rule.why, share=3),
    )
    note = "these rules protect no VM: correct the name or the date, or remove the rule"
    return Table.of(
        "Rules that have no effect on this estate", columns, idle, most=most, note=note, style=lambda _: "red"
    )


def rules_kept(broken: Sequence[BrokenRule] | None, num_rules: int, num_idle: int) -> str:
    """Sentence for the case that every rule holds today; empty if a rule is broken or no rule was tested.

    Parameters
    ----------
    broken
        Broken rules. None: there are no rules.
    num_rules, num_idle
        Number of rules, and number of rules without effect.
    """
    tested = num_rules - num_idle
    if broken is None or broken or tested <= 0:
        return ""
    if not num_idle:
        return "today's schedule keeps every rule"
    return f"today's schedule keeps the {plural(tested, 'rule')} that {'has' if tested == 1 else 'have'} an effect"
