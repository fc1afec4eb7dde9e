"""Breaches that a plan of ``plan --toward`` leaves."""

from __future__ import annotations

from optimizer.documents import RuleToward, Toward
from optimizer.model.phrases import counted
from optimizer.report.formats import plural
from optimizer.report.table import Column, Table, count, prose


def toward_sentence(toward: Toward, max_moves: int | None) -> str:
    """One or two sentences about how far a plan leads toward the rules."""
    today = f"Today's schedule breaks rules for {_violations(toward.violations_today)}"
    if toward.violations_left == 0:
        return f"{today}; after this plan, every rule holds"
    limit = "" if max_moves is None else f", and at most {max_moves:,} are allowed at once (max_moves)"
    return (
        f"{today}; this plan leaves {toward.violations_left:,}. Keeping every rule takes "
        f"{plural(toward.moves_needed, 'move')}{limit}: this is the first of {plural(toward.months, 'monthly plan')}. "
        "After it is applied, pull the estate again and run 'plan --toward --from' this plan"
    )


def _violations(count: int) -> str:
    return counted(count, "VM", "VMs")


def toward_table(toward: Toward) -> Table:
    """Table of the rules that today's schedule breaks, and of the breaches that are left."""
    columns: tuple[Column[RuleToward], ...] = (
        prose("rule", lambda rule: rule.rule, share=1),
        count("VMs today", lambda rule: rule.today),
        count("after this plan", lambda rule: rule.left),
    )
    note = "VMs that break the rule, without those that no plan may move; a VM counts once for each rule"
    return Table.of("Rules that today's schedule breaks", columns, toward.rules, note=note)
