"""Limits that a schedule breaks, with the VMs and the times at which it breaks them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.solve.problem.cost import Excess, excess_of
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limit, LimitKind, Limits, limit_behind


class BreachKind(StrEnum):
    """Kind of limit that a schedule breaks."""

    START = "start"
    CAP = "cap"
    SETS = "sets"
    MOVES = "moves"
    POLICY_WRITES = "policy writes"
    POLICIES = "policies"


RULE_BREACHES = (BreachKind.START, BreachKind.CAP, BreachKind.SETS)
"""Kinds of breaches at which a VM can be said to break a rule."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that a schedule does not keep, with the VMs that show it.

    Parameters
    ----------
    limit
        The limit.
    kind
        START: VMs at starts that the limit forbids them, whatever the others do. CAP: VMs in a half hour with too many
        start windows of a capped group. SETS: VMs at starts that VMs of other sets of the rule exclude. MOVES: all VMs
        that move. POLICY_WRITES: VMs of the vaults for which too many policies are written. POLICIES: VMs of a vault
        whose policies cannot be written in any order that keeps their limits.
    vms
        Indices of the VMs, ascending.
    slot
        Half hour of the UTC week in which a cap is exceeded; None for the other kinds.
    reason
        What forbids it, in words: the name of the limit or, for example, ``pinned by rule 'name'``.
    """

    limit: Limit
    kind: BreachKind
    vms: tuple[int, ...]
    slot: int | None
    reason: str


BrokenAt = tuple[str, int]
"""Name of a rule, and the index of a movable VM that breaks it."""


def breaches(limits: Limits, options: IntArray) -> tuple[Breach, ...]:
    """Everything that a schedule breaks; empty if it keeps every limit.

    Parameters
    ----------
    limits
        The problem and its limits.
    options
        Shape (V,): start option of each VM.
    """
    excess = excess_of(limits.unpinned, options)
    return (
        *_at_forbidden_starts(limits, options),
        *_over_caps(limits, options, excess),
        *_between_sets(limits, excess),
        *_of_the_whole(limits, options, excess),
        *_of_policies(limits, excess),
    )


def rule_breaches(limits: Limits, options: IntArray) -> tuple[Breach, ...]:
    """Rules that a schedule breaks at some VMs, without excesses of the whole plan; see :func:`breaches`."""
    broken = breaches(limits, options)
    return tuple(breach for breach in broken if breach.limit.kind is LimitKind.RULE and breach.kind in RULE_BREACHES)


def broken_at(limits: Limits, options: IntArray) -> set[BrokenAt]:
    """Rules that a schedule breaks, each with a movable VM that breaks it; no plan moves the other VMs.

    Parameters
    ----------
    limits
        The problem and its limits.
    options
        Shape (V,): start option of each VM; either today's or allowed.
    """
    return at_movable_vms(limits.instance, rule_breaches(limits, options))


def at_movable_vms(instance: Instance, broken: Iterable[Breach]) -> set[BrokenAt]:
    """The rules of some breaches, each with a movable VM that breaks it."""
    return {(breach.limit.name, v) for breach in broken for v in breach.vms if instance.movable[v]}


def broken_limits(limits: Limits, options: IntArray, kept: Collection[Limit] | None = None) -> dict[Limit, BoolArray]:
    """Limits that a schedule breaks, each with the VMs that could be involved; shape (V,).

    A VM could be involved in the breach of a cap if it is in the capped group, even if it starts at another time.

    Parameters
    ----------
    limits
        The problem and its limits.
    options
        Shape (V,): start option of each VM.
    kept
        Limits to look at; all by default. Without the limit of policies per vault, vaults have room for any number of
        policies; that may change how many writes a schedule needs.
    """
    judge = limits.unpinned if kept is None or limits.policies in kept else limits.without_vault_limit
    chosen = np.left_shift(np.uint64(1), options.astype(np.uint64))
    at_forbidden = {limit: np.asarray(bits & chosen > 0) for limit, bits in limits.forbids.items()}
    broken = {limit: vms for limit, vms in at_forbidden.items() if vms.any()}
    for limit, vms in _involved(limits, options, excess_of(judge, options)):
        broken[limit] = broken.get(limit, False) | vms
    return broken if kept is None else {limit: vms for limit, vms in broken.items() if limit in kept}


def _involved(limits: Limits, options: IntArray, excess: Excess) -> Iterator[tuple[Limit, BoolArray]]:
    """Yield the limits that a schedule exceeds, each with the VMs that could be involved."""
    instance = limits.instance
    for group in np.unique(instance.rows.group[excess.rows]).tolist():
        yield Limit(instance.cap_names[group], LimitKind.RULE), limits.members(group)
    for limit in dict.fromkeys(limits.gate_limit[h] for _, h in excess.shut):
        yield limit, limits.behind(limit)
    if excess.moves:
        yield limits.moves, options != instance.today
    for number in excess.write_limits:
        writes = instance.write_limits[number]
        yield Limit(writes.name, LimitKind.POLICY_WRITES), np.isin(instance.key, writes.keys)
    if len(excess.stuck):
        yield limits.policies, np.isin(instance.key_vault[instance.key], excess.stuck)


def _at_forbidden_starts(limits: Limits, options: IntArray) -> Iterator[Breach]:
    rows = np.arange(len(options))
    for reason, mask in limits.restrictions.forbidden_by.items():
        vms = np.flatnonzero(mask[rows, options])
        if len(vms):
            limit = limit_behind(limits.restrictions, reason)
            yield Breach(limit, BreachKind.START, tuple(vms.tolist()), None, reason)


def _over_caps(limits: Limits, options: IntArray, excess: Excess) -> Iterator[Breach]:
    instance = limits.instance
    met = instance.touched[instance.vm_class, options]
    for row in excess.rows.tolist():
        limit, vms = limits.row_limit[row], np.flatnonzero((met == row).any(axis=1))
        yield Breach(limit, BreachKind.CAP, tuple(vms.tolist()), int(instance.rows.slot[row]), limit.name)


def _between_sets(limits: Limits, excess: Excess) -> Iterator[Breach]:
    behind: dict[Limit, set[int]] = {}
    for v, gate in excess.shut:
        behind.setdefault(limits.gate_limit[gate], set()).add(v)
    for limit, vms in sorted(behind.items()):
        yield Breach(limit, BreachKind.SETS, tuple(sorted(vms)), None, limit.name)


def _of_the_whole(limits: Limits, options: IntArray, excess: Excess) -> Iterator[Breach]:
    instance = limits.instance
    if excess.moves:
        moved = np.flatnonzero(options != instance.today)
        yield Breach(limits.moves, BreachKind.MOVES, tuple(moved.tolist()), None, limits.moves.name)
    for number in excess.write_limits:
        writes = instance.write_limits[number]
        limit, vms = Limit(writes.name, LimitKind.POLICY_WRITES), np.flatnonzero(np.isin(instance.key, writes.keys))
        yield Breach(limit, BreachKind.POLICY_WRITES, tuple(vms.tolist()), None, limit.name)


def _of_policies(limits: Limits, excess: Excess) -> Iterator[Breach]:
    vault_of_vm = limits.instance.key_vault[limits.instance.key]
    for vault in excess.stuck.tolist():
        vms = np.flatnonzero(vault_of_vm == vault)
        yield Breach(limits.policies, BreachKind.POLICIES, tuple(vms.tolist()), None, limits.policies.name)
