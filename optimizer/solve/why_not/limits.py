"""Everything that a schedule has to keep, as named limits, so that each can be blamed, loosened or dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.cost import policy_counts, policy_writes, row_counts, shut_gates
from optimizer.solve.executable import extra_writes
from optimizer.solve.instance import NO_CAP, BoolArray, Gates, Instance, IntArray
from optimizer.solve.restrict import RISK_INCREASE, RISK_TOLERANCE, Restrictions
from optimizer.solve.why_not.exemptions import exempted

Bits = npt.NDArray[np.uint64]
"""A set of start options for each VM, with bit ``t`` for option ``t``; shape (V,)."""

EVERY_OPTION = np.uint64((1 << NUM_OPTIONS) - 1)

MOST_HOURS = 24
"""Maximum ``within`` of a rule, in hours."""

MAX_MOVES = "max_moves"
POLICY_LIMIT = "the limit of policies per vault"


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


class Limits:
    """Every limit of an instance, and what each of them concerns.

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
        unpinned = tuple(replace(one, editable=one.editable or one.editable_unpinned) for one in instance.policies)
        self.unpinned = replace(instance, policies=unpinned)
        self.write_limits = {Limit(one.name, LimitKind.POLICY_WRITES): one for one in instance.write_limits}
        self.moves = Limit(MAX_MOVES, LimitKind.MAX_MOVES)
        self.policies = Limit(POLICY_LIMIT, LimitKind.POLICIES_PER_VAULT)
        found = [*self.forbids, *sorted(set(self.row_limit.values())), *self.gate_limit, *self.write_limits]
        found += [self.moves] if instance.max_moves is not None else []
        place = {rule.name: number for number, rule in enumerate(rules.rule)}
        found = list(dict.fromkeys([*found, self.policies]))
        as_written = sorted(found, key=lambda one: (one.kind is not LimitKind.RULE, place.get(one.name, len(place))))
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
        was, gates = self.within(limit), self.instance.gates
        if limit.kind is not LimitKind.RULE or was is None or gates.hours is None:
            return []
        hours = gates.hours[np.unique(gates.clash[_clashes_of(gates, limit.name)])]
        return sorted({float(value) for value in np.unique(hours[(hours > was) & (hours <= MOST_HOURS)])})

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
        of_rule = np.array([one == limit for one in self.gate_limit], dtype=np.bool_)
        owner = np.repeat(np.arange(self.instance.num_vms), np.diff(gates.vm_begin))
        found = np.zeros(self.instance.num_vms, dtype=np.bool_)
        found[owner[of_rule[gates.vm_gate]]] = True
        return found

    def broken(self, options: IntArray) -> dict[Limit, BoolArray]:
        """Limits that a schedule breaks, each with the VMs that could be involved.

        Parameters
        ----------
        options
            Shape (V,): start option of each VM.
        """
        instance = self.instance
        chosen = np.left_shift(np.uint64(1), options.astype(np.uint64))
        found = {limit: np.asarray(bits & chosen > 0) for limit, bits in self.forbids.items()}
        found = {limit: vms for limit, vms in found.items() if vms.any()}

        def add(limit: Limit, vms: BoolArray) -> None:
            found[limit] = found.get(limit, False) | vms

        over = np.flatnonzero(row_counts(instance, options) > instance.rows.cap)
        for group in np.unique(instance.rows.group[over]).tolist():
            add(Limit(instance.cap_names[group], LimitKind.RULE), self.members(group))
        for limit in dict.fromkeys(self.gate_limit[h] for _, h in shut_gates(instance, options)):
            add(limit, self.behind(limit))
        moved = options != instance.today
        if instance.max_moves is not None and int(moved.sum()) > instance.max_moves:
            add(self.moves, moved)
        items = policy_counts(instance, options)
        extra, stuck = extra_writes(self.unpinned, options, items)
        by_key = policy_writes(instance, items).sum(axis=1).astype(np.int64) + extra
        for limit, one in self.write_limits.items():
            if by_key[list(one.keys)].sum() > one.limit:
                add(limit, np.isin(instance.key, one.keys))
        if stuck.any():
            add(self.policies, stuck[instance.key_vault[instance.key]])
        return found


def _forbidden_bits(restrictions: Restrictions) -> dict[Limit, Bits]:
    """Limits on single VMs that forbid any option, in the order of the rules."""
    weights = np.left_shift(np.uint64(1), np.arange(NUM_OPTIONS, dtype=np.uint64))
    found: dict[Limit, Bits] = {}
    for key, mask in restrictions.forbidden_by.items():
        if mask.any():
            limit = limit_behind(restrictions, key)
            bits = np.where(mask, weights, np.uint64(0)).sum(axis=1, dtype=np.uint64)
            found[limit] = found[limit] | bits if limit in found else bits
    return found


def open_options(forbidden: Bits) -> BoolArray:
    """Options that are not forbidden; shape (V, 48)."""
    places = np.arange(NUM_OPTIONS, dtype=np.uint64)
    return np.asarray((forbidden[:, None] >> places & np.uint64(1)) == 0)


def limit_behind(restrictions: Restrictions, key: str) -> Limit:
    """The limit behind a key of ``Restrictions.forbidden_by``."""
    if key in restrictions.rule_of:
        return Limit(restrictions.rule_of[key], LimitKind.RULE)
    return Limit(key, LimitKind.MAX_RISK_INCREASE if key == RISK_INCREASE else LimitKind.FIXED)


def relaxed_rules(rules: Rules, changes: Sequence[Change], inventory: Inventory | None = None) -> Rules:
    """The rules as the planner would write them after the changes.

    :func:`loosened` applies the changes that rules cannot express. VMs are exempted by name, which requires an
    inventory; without one, :func:`loosened` applies these changes as well.
    """
    changed: dict[str, object] = {}
    by_rule: dict[str, Change] = {}
    for change in changes:
        if change.limit.kind is LimitKind.RULE and (inventory is not None or not change.vms):
            by_rule[change.limit.name] = change
        elif change.limit.kind is LimitKind.MAX_MOVES:
            changed["max_moves"] = None if change.to is None else int(change.to)
        elif change.limit.kind is LimitKind.MAX_RISK_INCREASE and change.to is not None:
            changed["max_risk_increase"] = change.to
        elif change.limit.kind is LimitKind.POLICIES_PER_VAULT and change.to is not None:
            changed["policies"] = rules.policies.model_copy(update={"max_policies_per_vault": int(change.to)})
    kept = []
    for rule in rules.rule:
        found = by_rule.get(rule.name)
        if found is None:
            kept.append(rule)
        elif inventory is not None and found.vms:
            kept.append(exempted(rule, inventory, found.vms))
        elif found.to is not None and rule.within is not None:
            kept.append(rule.model_copy(update={"within": found.to}))
        elif found.to is not None:
            kept.append(rule.model_copy(update={"max_concurrent": int(found.to)}))
    return rules.model_copy(update={**changed, "rule": tuple(kept)})


def loosened(limits: Limits, changes: Sequence[Change]) -> Limits:
    """The problem under loosened limits; the fair shares of vaults remain as they were."""
    instance = limits.instance
    by_limit = {change.limit: change for change in changes}
    restrictions = _loosened_options(limits, by_limit)
    cap = instance.rows.cap.copy()
    for r, limit in limits.row_limit.items():
        change = by_limit.get(limit)
        if change is not None and not change.vms and limits.within(limit) is None:
            cap[r] = NO_CAP if change.to is None else max(int(cap[r]), int(change.to))
    moves = by_limit.get(limits.moves)
    policies = by_limit.get(limits.policies)
    more = 0 if policies is None or policies.to is None or policies.was is None else int(policies.to - policies.was)
    writes = []
    for limit, one in limits.write_limits.items():
        change = by_limit.get(limit)
        if change is None or change.to is not None:
            writes.append(one if change is None or change.to is None else replace(one, limit=int(change.to)))
    dropped = {limit for limit, change in by_limit.items() if change.drops}
    relaxed = replace(
        instance,
        allowed=restrictions.allowed,
        movable=restrictions.movable,
        rows=replace(instance.rows, cap=cap),
        max_moves=instance.max_moves if moves is None else None if moves.to is None else int(moves.to),
        vault_room=instance.vault_room + more,
        write_limits=tuple(writes),
        policies=tuple(
            replace(one, editable=one.editable or (one.editable_unpinned and all(restrictions.movable[list(one.vms)])))
            for one in instance.policies
        ),
        gates=_with_longer(_without(limits, dropped), limits, by_limit),
    )
    return Limits(relaxed, restrictions, relaxed_rules(limits.rules, changes))


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


def _without(limits: Limits, dropped: set[Limit]) -> Gates:
    """Gates without those of dropped rules."""
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
    return Gates(
        vm_begin=np.concatenate([[0], np.cumsum(per_vm)]),
        vm_gate=number[gates.vm_gate[of_vm]],
        gate_begin=np.concatenate([[0], np.cumsum(per_gate)]),
        opponent=number[gates.opponent[of_gate]],
        clash=gates.clash[of_gate],
        clashes=gates.clashes,
        name=tuple(name for name, stay in zip(gates.name, stays, strict=True) if stay),
        hours=gates.hours,
    )


def _with_longer(gates: Gates, limits: Limits, by_limit: Mapping[Limit, Change]) -> Gates:
    """Gates under longer ``within``."""
    for limit, change in by_limit.items():
        if change.to is None or gates.hours is None or limits.within(limit) is None:
            continue
        entries = _clashes_of(gates, limit.name)
        clash, hours, clashes = gates.clash.copy(), gates.hours, gates.clashes
        for number in np.unique(gates.clash[entries]).tolist():
            if not np.isnan(hours[number]).any():  # gets a matrix of its own, because rules may share one
                clash[entries & (gates.clash == number)] = len(clashes)
                clashes = np.concatenate([clashes, hours[number][None] > change.to])
                hours = np.concatenate([hours, hours[number][None]])
        gates = replace(gates, clash=clash, hours=hours, clashes=clashes)
    return gates


def _clashes_of(gates: Gates, rule: str) -> BoolArray:
    """Whether each entry of ``Gates.clash`` belongs to a rule."""
    of_rule = np.array([name == rule for name in gates.name], dtype=np.bool_)
    return np.repeat(of_rule, np.diff(gates.gate_begin))
