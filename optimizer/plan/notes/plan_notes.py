"""Notes for the reader of a plan, in the order in which it shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from optimizer.documents import Change, Expectation
from optimizer.model.phrases import counted
from optimizer.plan.audits.broken_rules import breaks_of_standing
from optimizer.plan.audits.rule_scope import notes_on_scope
from optimizer.plan.case import Case
from optimizer.plan.notes.credit_notes import (
    notes_on_chance,
    notes_on_credit,
    notes_on_repetition,
    notes_on_short_history,
)
from optimizer.plan.notes.estate_notes import notes_on_estate
from optimizer.plan.notes.history_notes import notes_on_history, notes_on_recent_moves
from optimizer.plan.notes.policy_notes import notes_on_names, notes_on_policies
from optimizer.plan.notes.rule_notes import notes_on_freeze, notes_on_prices, notes_on_raised_risk, notes_on_rpo
from optimizer.plan.notes.weight_notes import notes_on_weights
from optimizer.plan.notes.write_notes import notes_on_days, notes_on_detours


def notes_on_plan(case: Case, changes: Sequence[Change], detours: int, expected: Expectation | None) -> Iterator[str]:
    """Yield the notes of a plan, besides those on its search.

    Parameters
    ----------
    case
        The case that was planned.
    changes
        Changes of the plan.
    detours
        Number of policies that are created only so that full policies can swap VMs.
    expected
        Expected change of at-risk backups; None if the history is too short.
    """
    inventory, rules, restrictions = case.inventory, case.rules, case.problem.restrictions
    yield from notes_on_estate(inventory)
    yield from notes_on_short_history(inventory, case.table)
    yield from notes_on_repetition(case.table, case.forecast)
    yield from notes_on_chance(case.table, case.forecast, expected)
    yield from notes_on_credit(inventory, case.table, case.forecast)
    yield from notes_on_history(case.history)
    yield from notes_on_recent_moves(len(case.recently_moved), rules.prices)
    yield from notes_on_prices(rules)
    yield from notes_on_raised_risk(inventory, rules, restrictions.raised)
    yield from _notes_on_clocks(case)
    yield from notes_on_weights(inventory, rules)
    yield from notes_on_scope(inventory, rules, ~restrictions.movable)
    for name in case.problem.rules_outside_the_bound():
        yield f"the proven bound leaves out what rule {name!r} costs, so the plan may be better than is proven"
    yield from notes_on_rpo(inventory, rules, restrictions.movable)
    yield from notes_on_policies(inventory, rules)
    yield from _notes_on_breaches(case)
    yield from notes_on_detours(detours)
    yield from notes_on_names(changes, rules)
    yield from notes_on_days(inventory, rules.policies, changes)
    yield from notes_on_freeze(inventory, rules, changes)


def _notes_on_clocks(case: Case) -> Iterator[str]:
    """Note on the zones of policies that change their clocks."""
    used = [case.inventory.policies[key] for key in {item.policy_id for item in case.inventory.items}]
    zones = {policy.timezone for policy in used if len(case.inventory.pattern(policy).offsets) > 1}
    if zones:
        yield (
            f"clocks change in {', '.join(sorted(zones))}: Azure does not document whether schedules follow, so start "
            "windows there count under both UTC offsets"
        )


def _notes_on_breaches(case: Case) -> Iterator[str]:
    """Notes on rules that immovable VMs break."""
    tolerated = breaks_of_standing(case.inventory, case.problem)
    for name, count in Counter(rule for _, rule in tolerated).items():
        stays = counted(
            count,
            "VM that is never changed and stays where it is",
            "VMs that are never changed and stay where they are",
        )
        yield f"rule {name!r} is broken today by {stays}"
