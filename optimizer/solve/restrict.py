"""Which start options the rules and limits on single VMs leave, and which of them forbids the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector, fits
from optimizer.model.timegrid import NUM_OPTIONS, Pattern
from optimizer.risk.table import RiskTable
from optimizer.solve.instance import BoolArray
from optimizer.solve.windows import options_allowed

RISK_TOLERANCE = 1e-9
"""Slack of comparisons between risks, which are rounded to 1e-6."""

AZURE_GRID = "Azure's limits on hourly windows"
RISK_INCREASE = "max_risk_increase"
NO_HISTORY = "too little history to accept a higher risk"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Why single options are forbidden.

    Parameters
    ----------
    allowed
        Shape (V, 48): options that nothing forbids.
    forbidden_by
        Name of a rule or limit -> shape (V, 48), True where it forbids; names in the order of the rules.
    movable
        Shape (V,): False for VMs that stay where they are.
    never_written
        Shape (V,): True for those of them that are excluded, or must not be written for their state in Azure.
    stays_because
        Row of a VM that stays -> why.
    exempt
        Rows of VMs that are never written and therefore not held to the windows of the rules, with the rule's name.
    rule_of
        Key of ``forbidden_by`` -> rule that it stands for; without those that no rule can change.
    """

    allowed: BoolArray
    forbidden_by: dict[str, BoolArray]
    movable: BoolArray
    never_written: BoolArray
    stays_because: dict[int, str]
    exempt: tuple[tuple[int, str], ...]
    rule_of: dict[str, str] = field(default_factory=dict)


def restrict_options(inventory: Inventory, rules: Rules, table: RiskTable, snapshot_minutes: int) -> Restrictions:
    """Apply every rule and limit that concerns one VM alone.

    Pinned VMs are held to the windows of other rules (a contradiction is the planner's to solve); VMs that are
    excluded, or that must not be written for their state in Azure, are not: nothing could be done about them.
    """
    items = inventory.items
    shape = (len(items), NUM_OPTIONS)
    today = np.array([inventory.policy(item).start for item in items], dtype=np.int64)
    matches = {rule.name: matching_items(inventory, rule) for rule in rules.rule}
    holds = {
        f"{'excluded' if rule.exclude else 'pinned'} by rule {rule.name!r}": rule
        for rule in rules.rule
        if rule.pin or rule.exclude
    }
    stays_because, never_written = _staying(inventory, holds, matches)

    rule_of = {rule.name: rule.name for rule in rules.rule} | {reason: rule.name for reason, rule in holds.items()}
    forbidden: dict[str, BoolArray] = {}
    exempt: list[tuple[int, str]] = []
    for rule in rules.rule:
        if rule.allow or rule.forbid:
            mask = _window_mask(inventory, rule, matches[rule.name], snapshot_minutes)
            hit = mask[np.arange(len(items)), today] & never_written
            exempt += [(row, rule.name) for row in np.flatnonzero(hit).tolist()]
            mask[never_written, today[never_written]] = False
            forbidden[rule.name] = mask
    elsewhere = np.arange(NUM_OPTIONS) != today[:, None]
    for reason, rule in holds.items():
        forbidden[reason] = elsewhere & matches[rule.name][:, None]
    for row, item in enumerate(items):
        if item.unwritable:
            forbidden.setdefault(item.unwritable, np.zeros(shape, dtype=np.bool_))[row] = elsewhere[row]

    grid = np.ones(shape, dtype=np.bool_)
    for row, item in enumerate(items):
        grid[row, list(inventory.policy(item).recurrence.options(int(today[row])))] = False
    ceiling = table.today[:, None] + rules.max_risk_increase + RISK_TOLERANCE
    forbidden[RISK_INCREASE] = table.credited[:, None] & (table.risk > ceiling)
    forbidden[NO_HISTORY] = ~table.allowed
    forbidden[AZURE_GRID] = grid
    allowed = ~np.logical_or.reduce(list(forbidden.values()), axis=0)
    movable = np.array([row not in stays_because for row in range(len(items))], dtype=np.bool_)
    return Restrictions(allowed, forbidden, movable, never_written, stays_because, tuple(exempt), rule_of)


def _staying(
    inventory: Inventory, holds: Mapping[str, Rule], matches: Mapping[str, BoolArray]
) -> tuple[dict[int, str], BoolArray]:
    """Rows that stay where they are, each with the first reason, and which of all are never written; shape (V,)."""
    because = {row: item.unwritable for row, item in enumerate(inventory.items) if item.unwritable}
    never_written = np.array([bool(item.unwritable) for item in inventory.items], dtype=np.bool_)
    for reason, rule in holds.items():
        for row in np.flatnonzero(matches[rule.name]).tolist():
            because.setdefault(row, reason)
            never_written[row] |= rule.exclude
    return because, never_written


def matching_items(inventory: Inventory, rule: Rule) -> BoolArray:
    """Items that a rule is for; shape (V,)."""
    return np.array(
        [
            rule.is_for(inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)
            for item in inventory.items
        ],
        dtype=np.bool_,
    )


def idle_exceptions(inventory: Inventory, rule: Rule) -> list[str | Selector]:
    """Sets of ``except`` that no VM fits which ``where`` selects, as they are written."""
    places = [
        (inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)
        for item in (inventory.items if rule.exempt else ())
    ]
    selected = [place for place in places if rule.where.matches(*place)]
    return [one for one in rule.exempt if not any(fits(one, *place) for place in selected)]


def _window_mask(inventory: Inventory, rule: Rule, matching: BoolArray, snapshot_minutes: int) -> BoolArray:
    mask = np.zeros((len(inventory.items), NUM_OPTIONS), dtype=np.bool_)
    known: dict[tuple[Pattern, str], BoolArray] = {}
    for row in np.flatnonzero(matching).tolist():
        policy = inventory.policy(inventory.items[row])
        pattern = policy.pattern(inventory.horizon)
        place = (pattern, policy.timezone)
        if place not in known:
            known[place] = ~options_allowed(rule, *place, inventory.horizon, snapshot_minutes)
        mask[row] = known[place]
    return mask
