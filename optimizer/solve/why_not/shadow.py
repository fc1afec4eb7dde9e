"""Shadow prices: the limits that bind in a plan, and the saving from loosening each by one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.solve.problem.cost import (
    count_creations,
    evaluate,
    is_feasible,
    policy_counts,
    policy_writes,
    row_counts,
)
from optimizer.solve.problem.executable import extra_writes
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.search.anneal import anneal
from optimizer.solve.search.single_moves import improve_single_moves
from optimizer.solve.why_not.changes import Change, loosened

DEFAULT_ROUNDS = 2000
"""Rounds of annealing of the VMs that a limit concerns, once with the limit and once without it."""

RISK_STEP = 0.1
"""Step of ``max_risk_increase``, in at-risk backups per 30 days; it equals the setting's default."""

MAX_RESTARTS = 3

NOTHING = 1e-6
"""Difference of cost up to which it counts as rounding."""


@dataclass(frozen=True, slots=True)
class LimitPrice:
    """A binding limit, and the saving of the plan if the limit were loosened by one step.

    Parameters
    ----------
    limit
        The limit.
    vault
        Index of the vault that gets one more policy, for a limit on policies; otherwise None.
    was, to
        Amount of the limit before and after; for a vault, the number of policies that it may still create.
    saves
        Cost saved, in at-risk backups per 30 days: the best improvement that the search finds; 0 if it finds none.
    at_risk_change, overlaps_change
        Change of the plan's at-risk backups and of its expected overlapping snapshots, per 30 days; negative if they
        fall.
    options
        Shape (V,): the schedule behind these figures, which breaks none of the loosened limits.
    """

    limit: Limit
    vault: int | None
    was: float
    to: float
    saves: float
    at_risk_change: float
    overlaps_change: float
    options: IntArray


@dataclass(frozen=True, slots=True)
class _Loosened:
    """A limit loosened by one step: the instance that results, and the VMs that the limit concerns."""

    limit: Limit
    vault: int | None
    was: float
    to: float
    instance: Instance
    concerned: BoolArray


def price_limits(
    limits: Limits, options: IntArray, *, num_rounds: int = DEFAULT_ROUNDS, seed: int = 0
) -> tuple[LimitPrice, ...]:
    """Price every binding limit, the most expensive first.

    Each limit is loosened alone, by one step: one more VM at once, one more move, one more write, one more policy in
    one vault, or :data:`RISK_STEP` more of ``max_risk_increase``. Improvements that do not need the loosened limit are
    not counted: the search first works as hard under the limit, and starts again from any schedule that does not need
    the limit loosened.

    Parameters
    ----------
    limits
        The problem.
    options
        Shape (V,): a feasible schedule.
    num_rounds, seed
        Rounds of annealing for each limit, and random seed.
    """
    prices = []
    for binding in _binding(limits, options):
        saves, before, after = _price(limits.instance, binding, options, num_rounds, seed)
        old, new = evaluate(limits.instance, before), evaluate(limits.instance, after)
        rows = np.arange(limits.instance.num_vms)
        risk_change = limits.instance.risk[rows, after] - limits.instance.risk[rows, before]
        prices.append(
            LimitPrice(
                limit=binding.limit,
                vault=binding.vault,
                was=binding.was,
                to=binding.to,
                saves=saves,
                at_risk_change=float(risk_change.sum()),
                overlaps_change=new.overlaps - old.overlaps,
                options=after,
            )
        )
    return tuple(sorted(prices, key=lambda price: -price.saves))


def _price(
    instance: Instance, binding: _Loosened, options: IntArray, num_rounds: int, seed: int
) -> tuple[float, IntArray, IntArray]:
    """Saving of the loosened limit, the schedule that it is compared with, and the schedule that needs it loosened."""
    base = options
    for attempt in range(MAX_RESTARTS):
        base = search(instance, base, binding.concerned, num_rounds, seed + attempt)
        better = search(binding.instance, base, binding.concerned, num_rounds, seed + attempt)
        saves = evaluate(instance, base).total - evaluate(instance, better).total
        if saves <= NOTHING:
            return 0.0, base, base
        if not is_feasible(instance, better):
            return saves, base, better
        base = better
    return 0.0, base, base


def search(instance: Instance, options: IntArray, concerned: BoolArray, num_rounds: int, seed: int) -> IntArray:
    """Improve a feasible schedule by annealing some VMs, and then by single moves of all; the result is feasible.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible schedule.
    concerned
        Shape (V,): VMs that are ruined and recreated.
    num_rounds, seed
        Rounds and random seed of the annealing.
    """
    part = replace(instance, movable=instance.movable & concerned)
    annealed = anneal(part, options, num_rounds, seed)
    settled = improve_single_moves(instance, annealed)
    best = min((settled, annealed, options), key=lambda candidate: evaluate(instance, candidate).total)
    return best if is_feasible(instance, best) else options


def _binding(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Yield the limits that a schedule uses up, each loosened by one step."""
    yield from _full_caps(limits, options)
    instance = limits.instance
    moves = int((options != instance.today).sum())
    if instance.max_moves is not None and moves >= instance.max_moves:
        everybody = np.ones(instance.num_vms, dtype=np.bool_)
        yield _one_more(limits, limits.moves, instance.max_moves, instance.max_moves + 1, everybody)
    yield from _full_write_limits(limits, options)
    yield from _full_vaults(limits, options)
    yield from _limits_on_risk(limits)


def _full_caps(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Yield the caps that a schedule reaches, each raised by one."""
    rows, counts = limits.instance.rows, row_counts(limits.instance, options)
    full = [r for r in limits.capped_rows.tolist() if counts[r] >= rows.cap[r]]
    for limit in dict.fromkeys(limits.row_limit[r] for r in full):
        cap = limits.amount(limit)
        if cap is None:
            continue  # windows that have to be disjoint: such a cap cannot be loosened by one
        groups = {int(rows.group[r]) for r in full if limits.row_limit[r] == limit}
        concerned = np.logical_or.reduce([limits.members(group) for group in sorted(groups)])
        yield _one_more(limits, limit, cap, cap + 1, concerned)


def _full_write_limits(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Yield the limits on policy writes that a schedule reaches, each raised by one."""
    instance, items = limits.instance, policy_counts(limits.instance, options)
    by_key = policy_writes(instance, items).sum(axis=1) + extra_writes(instance, options, items)[0]
    for limit, writes in limits.write_limits.items():
        if by_key[list(writes.keys)].sum() >= writes.limit:
            yield _one_more(limits, limit, writes.limit, writes.limit + 1, np.isin(instance.key, writes.keys))


def _limits_on_risk(limits: Limits) -> Iterator[_Loosened]:
    """Yield the limit on the increase of risk, raised by one step, if that allows further starts."""
    instance, increase = limits.instance, limits.rules.max_risk_increase
    everybody = np.ones(instance.num_vms, dtype=np.bool_)
    for limit in (limit for limit in limits.forbids if limit.kind is LimitKind.MAX_RISK_INCREASE):
        wider = _one_more(limits, limit, increase, increase + RISK_STEP, everybody)
        grown = (wider.instance.allowed & ~instance.allowed).any(axis=1)
        if grown.any():
            yield replace(wider, concerned=np.asarray(np.isin(instance.key, instance.key[grown])))


def _one_more(limits: Limits, limit: Limit, amount: float, to: float, concerned: BoolArray) -> _Loosened:
    relaxed = loosened(limits, [Change(limit, amount, to)]).instance
    return _Loosened(limit, None, amount, to, relaxed, concerned)


def _full_vaults(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Yield the vaults that may not be given another policy, each with room for one more."""
    instance = limits.instance
    full = count_creations(instance, options) >= instance.vault_room
    for vault in np.flatnonzero(full).tolist():
        room = instance.vault_room.copy()
        room[vault] += 1
        relaxed = replace(instance, vault_room=room)
        concerned = np.asarray(instance.key_vault[instance.key] == vault)
        yield _Loosened(limits.policies, vault, int(room[vault]) - 1, int(room[vault]), relaxed, concerned)
