"""Start options that are left by rules and limits on single VMs, and the rule that forbids each of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.pattern import Pattern
from optimizer.model.rule_matches import matching_items
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.model.window_options import options_allowed
from optimizer.risk import RiskTable

RISK_TOLERANCE = 1e-9
"""Tolerance of comparisons between risks, which are rounded to 1e-6."""

AZURE_GRID = "Azure's limits on hourly windows"
RISK_INCREASE = "max_risk_increase"
NO_HISTORY = "too little history to accept a higher risk"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Options that are forbidden for single VMs, and why.

    Parameters
    ----------
    allowed
        Shape (V, 48): options that nothing forbids.
    forbidden_by
        Name of a rule or limit -> shape (V, 48), True where it forbids; names in the order of the rules.
    movable
        Shape (V,): False for immovable VMs, which are never written: pinned, excluded, or unwritable because of their
        state in Azure.
    stays_because
        Index of an immovable VM -> the reason.
    exempt
        Indices of immovable VMs that are outside the windows of a rule, with the rule's name; this is tolerated.
    raised
        Index of a VM whose windows leave only starts above ``max_risk_increase`` -> the smallest increase of its risk
        among them, in at-risk backups per 30 days. The limit gives way unless the planner wrote it.
    rule_of
        Key of ``forbidden_by`` -> name of the rule behind it; keys that no rule can change are left out.
    """

    allowed: BoolArray
    forbidden_by: dict[str, BoolArray]
    movable: BoolArray
    stays_because: dict[int, str]
    exempt: tuple[tuple[int, str], ...]
    raised: dict[int, float] = field(default_factory=dict)
    rule_of: dict[str, str] = field(default_factory=dict)

    @property
    def allowed_at_any_risk(self) -> BoolArray:
        """Options that nothing forbids but ``max_risk_increase``; shape (V, 48)."""
        others = (mask for name, mask in self.forbidden_by.items() if name != RISK_INCREASE)
        return np.asarray(~np.logical_or.reduce(list(others), axis=0))


def restrict_options(inventory: Inventory, rules: Rules, table: RiskTable) -> Restrictions:
    """Apply every rule and limit that concerns one VM alone.

    Immovable VMs (pinned, excluded, or unwritable because of their state in Azure) may stay outside the windows of the
    rules. The default limit on the increase of risk gives way, VM by VM, if the windows leave no start within it: such
    a VM may go where its risk is at most ``max_risk_increase`` above the lowest risk that is left. A limit that the
    planner wrote does not give way.
    """
    today = np.array([inventory.policy(item).start for item in inventory.items], dtype=np.int64)
    matches = {rule.name: matching_items(inventory, rule) for rule in rules.rule}
    holds = {_reason(rule): rule for rule in rules.rule if rule.pin or rule.exclude}
    stays_because = _staying(inventory, holds, matches)
    movable = np.array([row not in stays_because for row in range(len(today))], dtype=np.bool_)
    forbidden, exempt = _outside_windows(inventory, rules, matches, today, movable)
    elsewhere = np.arange(NUM_OPTIONS) != today[:, None]
    forbidden |= {reason: elsewhere & matches[rule.name][:, None] for reason, rule in holds.items()}
    for reason, rows in _unwritable(inventory).items():
        mask = elsewhere & np.isin(np.arange(len(today)), rows)[:, None]
        forbidden[reason] = forbidden.get(reason, np.zeros_like(mask)) | mask
    forbidden[AZURE_GRID] = _off_the_grid(inventory, today)
    too_risky = (table.risk > table.today[:, None] + rules.max_risk_increase + RISK_TOLERANCE) | ~table.allowed
    raised = {}
    if not rules.writes_max_risk_increase:
        raised = _give_way(table, ~_any(forbidden), too_risky, rules)
    forbidden[RISK_INCREASE] = table.own[:, None] & too_risky
    forbidden[NO_HISTORY] = ~table.own[:, None] & too_risky
    rule_of = {rule.name: rule.name for rule in rules.rule} | {reason: rule.name for reason, rule in holds.items()}
    return Restrictions(~_any(forbidden), forbidden, movable, stays_because, exempt, raised, rule_of)


def _unwritable(inventory: Inventory) -> dict[str, list[int]]:
    """Indices of the VMs that cannot be written because of their state in Azure, by reason."""
    rows: dict[str, list[int]] = {}
    for row, item in enumerate(inventory.items):
        if item.unwritable:
            rows.setdefault(item.unwritable, []).append(row)
    return rows


def _reason(rule: Rule) -> str:
    """Reason why a VM under a rule is immovable."""
    return f"{'excluded' if rule.exclude else 'pinned'} by rule {rule.name!r}"


def _any(forbidden: Mapping[str, BoolArray]) -> BoolArray:
    """Options that any of the limits forbids; shape (V, 48)."""
    return np.asarray(np.logical_or.reduce(list(forbidden.values()), axis=0))


def _outside_windows(
    inventory: Inventory, rules: Rules, matches: Mapping[str, BoolArray], today: IntArray, movable: BoolArray
) -> tuple[dict[str, BoolArray], tuple[tuple[int, str], ...]]:
    """Options that the windows of each rule forbid, and the immovable VMs that are outside of them today."""
    forbidden: dict[str, BoolArray] = {}
    exempt: list[tuple[int, str]] = []
    for rule in rules.rule:
        if rule.allow or rule.forbid:
            mask = _window_mask(inventory, rule, matches[rule.name])
            outside = mask[np.arange(len(today)), today] & ~movable
            exempt += [(row, rule.name) for row in np.flatnonzero(outside).tolist()]
            mask[~movable, today[~movable]] = False
            forbidden[rule.name] = mask
    return forbidden, tuple(exempt)


def _off_the_grid(inventory: Inventory, today: IntArray) -> BoolArray:
    """Options at which Azure does not let a policy of the same recurrence start; shape (V, 48)."""
    grid = np.ones((len(today), NUM_OPTIONS), dtype=np.bool_)
    for row, item in enumerate(inventory.items):
        grid[row, list(inventory.policy(item).recurrence.options(int(today[row])))] = False
    return grid


def _give_way(table: RiskTable, left: BoolArray, too_risky: BoolArray, rules: Rules) -> dict[int, float]:
    """Lift the limit on risk, in place, for VMs to which the other limits leave only starts above it.

    Parameters
    ----------
    table
        Risk of each option of each VM.
    left
        Shape (V, 48): options that all other limits leave.
    too_risky
        Shape (V, 48): options above the limit on risk; changed in place.
    rules
        Rules with ``max_risk_increase``.

    Returns
    -------
    dict
        Index of each VM for which the limit gives way -> the smallest increase of its risk.
    """
    raised = {}
    for row in np.flatnonzero(left.any(axis=1) & ~(left & ~too_risky).any(axis=1)).tolist():
        least = float(table.risk[row, left[row]].min())
        allowance = rules.max_risk_increase if table.own[row] else 0.0
        too_risky[row] = table.risk[row] > least + allowance + RISK_TOLERANCE
        raised[row] = least - float(table.today[row])
    return raised


def _staying(inventory: Inventory, holds: Mapping[str, Rule], matches: Mapping[str, BoolArray]) -> dict[int, str]:
    """Indices of immovable VMs, each with the first reason."""
    because = {row: item.unwritable for row, item in enumerate(inventory.items) if item.unwritable}
    for reason, rule in holds.items():
        for row in np.flatnonzero(matches[rule.name]).tolist():
            because.setdefault(row, reason)
    return because


def _window_mask(inventory: Inventory, rule: Rule, matching: BoolArray) -> BoolArray:
    mask = np.zeros((len(inventory.items), NUM_OPTIONS), dtype=np.bool_)
    known: dict[tuple[Pattern, str], BoolArray] = {}
    for row in np.flatnonzero(matching).tolist():
        policy = inventory.policy(inventory.items[row])
        pattern = inventory.pattern(policy)
        kind = (pattern, policy.timezone)
        if kind not in known:
            known[kind] = ~options_allowed(rule, *kind, inventory.horizon)
        mask[row] = known[kind]
    return mask
