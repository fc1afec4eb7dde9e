"""Sentences about the rules of a plan that limit when and how much a roll-out writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rules
from optimizer.report.formats import plural

_NAMED = 3
"""Maximum number of date ranges of one rule that a sentence lists."""


def rules_in_force(rules: Rules) -> Iterator[str]:
    """List budget, RPO and freezes, which a person agrees to by confirming a run.

    Parameters
    ----------
    rules
        Rules of the plan.
    """
    limits = rules.policies
    writes = plural(limits.max_writes_per_day, "policy write")
    yield f"budget: at most {writes} in any 24 hours per {limits.scope}"
    stated = [f"{rule.rpo_hours:g} h by rule {rule.name!r}" for rule in rules.rule if rule.rpo_hours is not None]
    usual = "the widest gap between two backups of the policy + 12 h"
    yield f"RPO: {'; '.join(stated)}; for other VMs, {usual}" if stated else f"RPO: {usual}"
    frozen = [f"{_ranges(rule.freeze)} by rule {rule.name!r}" for rule in rules.rule if rule.freeze]
    yield f"freezes: {'; '.join(frozen)}" if frozen else "freezes: none"


def _ranges(days: Sequence[DateRange]) -> str:
    shown = [f"{span.first}" if span.first == span.last else f"{span.first} to {span.last}" for span in days[:_NAMED]]
    return ", ".join(shown) + (f" and {len(days) - _NAMED} more" if len(days) > _NAMED else "")
