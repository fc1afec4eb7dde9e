"""The limits of a schedule, each with a name, so that each can be reported, loosened or dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from optimizer.model.arrays import BoolArray
from optimizer.model.rules import MOST_WITHIN_HOURS, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.instance import NO_CAP, Instance
from optimizer.solve.problem.restrict import RISK_INCREASE, Restrictions

Bits = npt.NDArray[np.uint64]
"""A set of start options for each VM, with bit ``t`` for option ``t``; shape (V,)."""

EVERY_OPTION = np.uint64((1 << NUM_OPTIONS) - 1)


class LimitKind(StrEnum):
    """Source of a limit, which determines what can be done about it."""

    RULE = "rule"
    MAX_MOVES = "max_moves"
    MAX_RISK_INCREASE = "max_risk_increase"
    POLICIES_PER_VAULT = "max_policies_per_vault"
    POLICY_WRITES = "policy writes"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """A rule or a limit.

    Parameters
    ----------
    name
        Name that the planner gave to the rule; for others, the name of the setting or of the fact.
    kind
        Source of the limit. Nothing can be done about FIXED ones: too little history, Azure's own limits, or the state
        of an item in Azure.
    """

    name: str
    kind: LimitKind

    @property
    def can_change(self) -> bool:
        """Whether the planner can loosen it."""
        return self.kind is not LimitKind.FIXED

    @property
    def can_go(self) -> bool:
        """Whether the planner can drop it; the others can only be loosened."""
        return self.kind in (LimitKind.RULE, LimitKind.MAX_MOVES, LimitKind.POLICY_WRITES)


MAX_MOVES = Limit("max_moves", LimitKind.MAX_MOVES)
POLICIES_PER_VAULT = Limit("the limit of policies per vault", LimitKind.POLICIES_PER_VAULT)


class Limits:
    """All limits of an instance, with the VMs and places that each concerns.

    Parameters
    ----------
    instance, restrictions
        The problem, and which rule or limit on single VMs forbids which options.
    rules
        What the planner wrote; it has amounts of limits that the instance only contains by their effect.
    """

    def __init__(self, instance: Instance, restrictions: Restrictions, rules: Rules) -> None:
        self.instance, self.restrictions, self.rules = instance, restrictions, rules
        self.forbids = _forbidden_bits(restrictions)
        rows = instance.rows
        self.capped_rows = np.flatnonzero(rows.cap != NO_CAP)
        self.row_limit = {
            int(r): Limit(instance.cap_names[int(rows.group[r])], LimitKind.RULE) for r in self.capped_rows
        }
        self.gate_limit = tuple(Limit(name, LimitKind.RULE) for name in instance.gates.name)
        # A VM that a kept rule pins does not move, so its policy is not edited anyway.
        unpinned = tuple(
            replace(policy, editable=policy.editable or policy.editable_unpinned) for policy in instance.policies
        )
        self.unpinned = replace(instance, policies=unpinned)
        self.without_vault_limit = replace(self.unpinned, vault_room=np.full_like(instance.vault_room, NO_CAP))
        self.write_limits = {Limit(writes.name, LimitKind.POLICY_WRITES): writes for writes in instance.write_limits}
        self.moves = MAX_MOVES
        self.policies = POLICIES_PER_VAULT
        named = [*self.forbids, *sorted(set(self.row_limit.values())), *self.gate_limit, *self.write_limits]
        named += [self.moves] if instance.max_moves is not None else []
        rank = {rule.name: number for number, rule in enumerate(rules.rule)}
        named = list(dict.fromkeys([*named, self.policies]))
        as_written = sorted(
            named, key=lambda limit: (limit.kind is not LimitKind.RULE, rank.get(limit.name, len(rank)))
        )
        self.all = tuple(as_written)
        self._members: dict[int, BoolArray] = {}

    def forbidden(self, kept: Iterable[Limit]) -> Bits:
        """Options that the kept limits on single VMs forbid."""
        bits = np.zeros(self.instance.num_vms, dtype=np.uint64)
        for limit in kept:
            if limit in self.forbids:
                bits |= self.forbids[limit]
        return bits

    def amount(self, limit: Limit) -> float | None:
        """Amount of a limit; None for limits without one, such as windows and pins."""
        if limit.kind is LimitKind.RULE:
            return next((rule.max_concurrent for rule in self.rules.rule if rule.name == limit.name), None)
        if limit.kind is LimitKind.POLICY_WRITES:
            return self.write_limits[limit].limit
        return {
            LimitKind.MAX_MOVES: self.instance.max_moves,
            LimitKind.MAX_RISK_INCREASE: self.rules.max_risk_increase,
            LimitKind.POLICIES_PER_VAULT: self.rules.policies.max_policies_per_vault,
        }.get(limit.kind)

    def within(self, limit: Limit) -> float | None:
        """The ``within`` of a rule, in hours; None if it has none."""
        return next((rule.within for rule in self.rules.rule if rule.name == limit.name), None)

    def longer_within(self, limit: Limit) -> list[float]:
        """Values of ``within`` that allow more than the present one, in hours, ascending."""
        present, gates = self.within(limit), self.instance.gates
        if limit.kind is not LimitKind.RULE or present is None or gates.hours is None:
            return []
        hours = gates.hours[np.unique(gates.clash[clashes_of(gates, limit.name)])]
        return sorted({float(value) for value in np.unique(hours[(hours > present) & (hours <= MOST_WITHIN_HOURS)])})

    def members(self, group: int) -> BoolArray:
        """VMs of a capped group; shape (V,)."""
        if group not in self._members:
            rows = self.instance.rows
            of_group = np.append((rows.group == group) & (rows.cap != NO_CAP), False)
            classes = np.asarray(of_group[self.instance.touched].any(axis=(1, 2)))
            self._members[group] = classes[self.instance.vm_class]
        return self._members[group]

    def behind(self, limit: Limit) -> BoolArray:
        """VMs behind the gates of a rule; shape (V,)."""
        gates = self.instance.gates
        of_rule = np.array([gate_limit == limit for gate_limit in self.gate_limit], dtype=np.bool_)
        owner = np.repeat(np.arange(self.instance.num_vms), np.diff(gates.vm_begin))
        vms = np.zeros(self.instance.num_vms, dtype=np.bool_)
        vms[owner[of_rule[gates.vm_gate]]] = True
        return vms


def _forbidden_bits(restrictions: Restrictions) -> dict[Limit, Bits]:
    """Limits on single VMs that forbid any option, in the order of the rules."""
    weights = np.left_shift(np.uint64(1), np.arange(NUM_OPTIONS, dtype=np.uint64))
    forbidden: dict[Limit, Bits] = {}
    for key, mask in restrictions.forbidden_by.items():
        if mask.any():
            limit = limit_behind(restrictions, key)
            bits = np.where(mask, weights, np.uint64(0)).sum(axis=1, dtype=np.uint64)
            forbidden[limit] = forbidden[limit] | bits if limit in forbidden else bits
    return forbidden


def open_options(forbidden: Bits) -> BoolArray:
    """Options that are not forbidden; shape (V, 48)."""
    places = np.arange(NUM_OPTIONS, dtype=np.uint64)
    return np.asarray((forbidden[:, None] >> places & np.uint64(1)) == 0)


def limit_behind(restrictions: Restrictions, key: str) -> Limit:
    """The limit behind a key of ``Restrictions.forbidden_by``."""
    if key in restrictions.rule_of:
        return Limit(restrictions.rule_of[key], LimitKind.RULE)
    return Limit(key, LimitKind.MAX_RISK_INCREASE if key == RISK_INCREASE else LimitKind.FIXED)


def clashes_of(gates: SetConstraints, rule: str) -> BoolArray:
    """Whether each entry of ``SetConstraints.clash`` belongs to a rule."""
    of_rule = np.array([name == rule for name in gates.name], dtype=np.bool_)
    return np.repeat(of_rule, np.diff(gates.gate_begin))
