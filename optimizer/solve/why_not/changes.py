"""Changes of limits that a planner could make, and the problem under the changed limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.exemptions import exempted
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.instance import NO_CAP, ExistingPolicy, WriteLimit
from optimizer.solve.problem.limits import Limit, LimitKind, Limits, clashes_of, limit_behind
from optimizer.solve.problem.restrict import RISK_TOLERANCE, Restrictions


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one limit.

    Parameters
    ----------
    limit
        The limit.
    was, to
        Amount before and after, if the limit has one and is loosened by it. If neither is given and ``vms`` is empty,
        the limit is dropped.
    vms
        Indices of the VMs that it no longer applies to; empty if the change is not limited to some VMs.
    """

    limit: Limit
    was: float | None = None
    to: float | None = None
    vms: tuple[int, ...] = ()

    @property
    def drops(self) -> bool:
        """Whether the limit is dropped altogether."""
        return self.to is None and not self.vms


def relaxed_rules(rules: Rules, changes: Sequence[Change], inventory: Inventory | None = None) -> Rules:
    """The rules as the planner would write them after the changes.

    :func:`loosened` applies the changes that rules cannot express. VMs are exempted by name, which requires an
    inventory; without one, :func:`loosened` applies these changes as well.
    """
    by_rule = {
        change.limit.name: change
        for change in changes
        if change.limit.kind is LimitKind.RULE and (inventory is not None or not change.vms)
    }
    changed = [_rule_after(rule, by_rule.get(rule.name), inventory) for rule in rules.rule]
    kept = tuple(rule for rule in changed if rule is not None)
    return rules.model_copy(update={**_settings_after(rules, changes), "rule": kept})


def _settings_after(rules: Rules, changes: Sequence[Change]) -> dict[str, object]:
    """Settings of the rules that the changes replace, by name."""
    settings: dict[str, object] = {}
    for change in changes:
        if change.limit.kind is LimitKind.MAX_MOVES:
            settings["max_moves"] = None if change.to is None else int(change.to)
        elif change.to is None:
            continue
        elif change.limit.kind is LimitKind.MAX_RISK_INCREASE:
            settings["max_risk_increase"] = change.to
        elif change.limit.kind is LimitKind.POLICIES_PER_VAULT:
            settings["policies"] = rules.policies.model_copy(update={"max_policies_per_vault": int(change.to)})
    return settings


def _rule_after(rule: Rule, change: Change | None, inventory: Inventory | None) -> Rule | None:
    """A rule after a change; None if the change drops it."""
    if change is None:
        return rule
    if inventory is not None and change.vms:
        return exempted(rule, inventory, change.vms)
    if change.to is None:
        return None
    amount = {"max_concurrent": int(change.to)} if rule.within is None else {"within": change.to}
    return rule.model_copy(update=amount)


def loosened(limits: Limits, changes: Sequence[Change]) -> Limits:
    """The problem under loosened limits; the fair shares of vaults remain as they were."""
    instance = limits.instance
    by_limit = {change.limit: change for change in changes}
    restrictions = _loosened_options(limits, by_limit)
    moves, policies = by_limit.get(limits.moves), by_limit.get(limits.policies)
    more = 0 if policies is None or policies.to is None or policies.was is None else int(policies.to - policies.was)
    dropped = {limit for limit, change in by_limit.items() if change.drops}
    relaxed = replace(
        instance,
        allowed=restrictions.allowed,
        movable=restrictions.movable,
        rows=replace(instance.rows, cap=_loosened_caps(limits, by_limit)),
        max_moves=instance.max_moves if moves is None else None if moves.to is None else int(moves.to),
        vault_room=instance.vault_room + more,
        write_limits=tuple(_loosened_writes(limits, by_limit)),
        policies=tuple(_editable_with(policy, restrictions.movable) for policy in instance.policies),
        gates=_with_longer(_without(limits, dropped), limits, by_limit),
    )
    return Limits(relaxed, restrictions, relaxed_rules(limits.rules, changes))


def _loosened_caps(limits: Limits, by_limit: Mapping[Limit, Change]) -> IntArray:
    """Maximum number of VMs in each row after the changes; shape (num_rows,)."""
    cap = limits.instance.rows.cap.copy()
    for r, limit in limits.row_limit.items():
        change = by_limit.get(limit)
        if change is not None and not change.vms and limits.within(limit) is None:
            cap[r] = NO_CAP if change.to is None else max(int(cap[r]), int(change.to))
    return cap


def _loosened_writes(limits: Limits, by_limit: Mapping[Limit, Change]) -> Iterator[WriteLimit]:
    """Yield the limits on policy writes after the changes, without those that are dropped."""
    for limit, writes in limits.write_limits.items():
        change = by_limit.get(limit)
        if change is None:
            yield writes
        elif change.to is not None:
            yield replace(writes, limit=int(change.to))


def _editable_with(policy: ExistingPolicy, movable: BoolArray) -> ExistingPolicy:
    """A policy that may also be edited if all its VMs are movable and only pins kept it from being edited."""
    editable = policy.editable or (policy.editable_unpinned and bool(movable[list(policy.vms)].all()))
    return replace(policy, editable=editable)


def _loosened_options(limits: Limits, by_limit: Mapping[Limit, Change]) -> Restrictions:
    """Options that the limits on single VMs forbid after the changes."""
    instance, restrictions = limits.instance, limits.restrictions
    rows = np.arange(instance.num_vms)
    increase = instance.risk - instance.risk[rows, instance.today][:, None]
    forbidden: dict[str, BoolArray] = {}
    for key, mask in restrictions.forbidden_by.items():
        change = by_limit.get(limit_behind(restrictions, key))
        if change is None or (change.to is not None and change.limit.kind is LimitKind.RULE):
            forbidden[key] = mask
        elif change.vms:
            forbidden[key] = mask & ~np.isin(rows, change.vms)[:, None]
        elif change.to is not None:
            forbidden[key] = mask & (increase > change.to + RISK_TOLERANCE)
    allowed = ~np.logical_or.reduce([np.zeros_like(instance.allowed), *forbidden.values()])
    elsewhere = np.arange(NUM_OPTIONS) != instance.today[:, None]
    movable = instance.movable | (allowed & elsewhere).any(axis=1)
    return replace(restrictions, allowed=allowed, forbidden_by=forbidden, movable=movable)


def _without(limits: Limits, dropped: set[Limit]) -> SetConstraints:
    """Gates that do not belong to dropped rules."""
    gates = limits.instance.gates
    stays = np.array([limit not in dropped for limit in limits.gate_limit], dtype=np.bool_)
    if stays.all():
        return gates
    number = np.cumsum(stays) - 1
    of_vm = stays[gates.vm_gate]
    of_gate = np.repeat(stays, np.diff(gates.gate_begin))
    per_vm = np.add.reduceat(np.append(of_vm, False).astype(np.int64), gates.vm_begin[:-1])
    per_vm[np.diff(gates.vm_begin) == 0] = 0
    per_gate = np.diff(gates.gate_begin)[stays]
    return SetConstraints(
        vm_begin=np.concatenate([[0], np.cumsum(per_vm)]),
        vm_gate=number[gates.vm_gate[of_vm]],
        gate_begin=np.concatenate([[0], np.cumsum(per_gate)]),
        opponent=number[gates.opponent[of_gate]],
        clash=gates.clash[of_gate],
        clashes=gates.clashes,
        name=tuple(name for name, stay in zip(gates.name, stays, strict=True) if stay),
        hours=gates.hours,
    )


def _with_longer(gates: SetConstraints, limits: Limits, by_limit: Mapping[Limit, Change]) -> SetConstraints:
    """Gates under longer ``within``."""
    for limit, change in by_limit.items():
        if change.to is None or gates.hours is None or limits.within(limit) is None:
            continue
        entries = clashes_of(gates, limit.name)
        clash, hours, clashes = gates.clash.copy(), gates.hours, gates.clashes
        for number in np.unique(gates.clash[entries]).tolist():
            if not np.isnan(hours[number]).any():  # gets a matrix of its own, because rules may share one
                clash[entries & (gates.clash == number)] = len(clashes)
                clashes = np.concatenate([clashes, hours[number][None] > change.to])
                hours = np.concatenate([hours, hours[number][None]])
        gates = replace(gates, clash=clash, hours=hours, clashes=clashes)
    return gates
