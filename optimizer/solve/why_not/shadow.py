"""Shadow prices: which limits bind in a plan, and what one more of each would save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optimizer.solve.anneal import anneal
from optimizer.solve.cost import count_creations, evaluate, policy_counts, policy_writes, row_counts, violations
from optimizer.solve.executable import extra_writes
from optimizer.solve.instance import BoolArray, Instance, IntArray
from optimizer.solve.search import improve_single_moves
from optimizer.solve.why_not.limits import Change, Limit, LimitKind, Limits, loosened

DEFAULT_ROUNDS = 2000
"""Rounds of annealing of the VMs that a limit concerns, once with it and once without."""

RISK_STEP = 0.1
"""One more of ``max_risk_increase``, in at-risk backups per 30 days: its default."""

MAX_RESTARTS = 3

NOTHING = 1e-6
"""Differences of cost below this are rounding."""


@dataclass(frozen=True, slots=True)
class LimitPrice:
    """A limit that binds, and what the plan would save if it were loosened by one.

    Parameters
    ----------
    limit
        The limit.
    vault
        Of a limit of policies: the vault that is given one more; else None.
    was, to
        Its amount; that of a vault are the policies that it may still be given.
    saves
        Cost per 30 days, in at-risk backups: the best improvement that the search finds; 0 where it finds none.
    at_risk_change, overlaps_change
        By how much the plan's at-risk backups and its expected overlapping snapshots change per 30 days; below 0 they
        fall.
    options
        Shape (V,): the schedule behind it, which breaks none of the loosened limits.
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
    """A limit with one more: the instance then, and the VMs that it concerns."""

    limit: Limit
    vault: int | None
    was: float
    to: float
    instance: Instance
    concerned: BoolArray


def price_limits(
    limits: Limits, options: IntArray, *, num_rounds: int = DEFAULT_ROUNDS, seed: int = 0
) -> tuple[LimitPrice, ...]:
    """Price every limit that binds, the dearest first.

    Each is loosened alone, by one: one more at once, one more move, one more write, one more policy in one vault,
    :data:`RISK_STEP` more of ``max_risk_increase``.  What the search finds without loosening anything is not
    counted: it searches as much under the limit first, and begins again from what does not need the limit loosened.

    Parameters
    ----------
    limits
        The problem.
    options
        Shape (V,): a feasible schedule.
    num_rounds, seed
        Of the search for each limit.
    """
    found = []
    for one in _binding(limits, options):
        saves, before, after = _price(limits.instance, one, options, num_rounds, seed)
        old, new = evaluate(limits.instance, before), evaluate(limits.instance, after)
        rows = np.arange(limits.instance.num_vms)
        risk_change = limits.instance.risk[rows, after] - limits.instance.risk[rows, before]
        found.append(
            LimitPrice(
                limit=one.limit,
                vault=one.vault,
                was=one.was,
                to=one.to,
                saves=saves,
                at_risk_change=float(risk_change.sum()),
                overlaps_change=new.overlaps - old.overlaps,
                options=after,
            )
        )
    return tuple(sorted(found, key=lambda price: -price.saves))


def _price(
    instance: Instance, one: _Loosened, options: IntArray, num_rounds: int, seed: int
) -> tuple[float, IntArray, IntArray]:
    """What loosening saves, the schedule that it is compared with, and the one that needs it loosened."""
    base = options
    for attempt in range(MAX_RESTARTS):
        base = search(instance, base, one.concerned, num_rounds, seed + attempt)
        found = search(one.instance, base, one.concerned, num_rounds, seed + attempt)
        saves = evaluate(instance, base).total - evaluate(instance, found).total
        if saves <= NOTHING:
            return 0.0, base, base
        if violations(instance, found):
            return saves, base, found
        base = found
    return 0.0, base, base


def search(instance: Instance, options: IntArray, concerned: BoolArray, num_rounds: int, seed: int) -> IntArray:
    """Improve a feasible schedule by moving some VMs, then by single moves of any; it stays feasible.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): feasible.
    concerned
        Shape (V,): VMs that are ruined and recreated.
    num_rounds, seed
        Of annealing.
    """
    part = replace(instance, movable=instance.movable & concerned)
    annealed = anneal(part, options, num_rounds, seed)
    settled = improve_single_moves(instance, annealed)
    best = min((settled, annealed, options), key=lambda one: evaluate(instance, one).total)
    return options if violations(instance, best) else best


def _binding(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Limits of which nothing is left in a schedule, each with one more."""
    instance = limits.instance
    counts = row_counts(instance, options)
    full = [r for r in limits.capped_rows.tolist() if counts[r] >= instance.rows.cap[r]]
    for limit in dict.fromkeys(limits.row_limit[r] for r in full):
        cap = limits.amount(limit)
        if cap is None:
            continue  # windows that have to be disjoint: there is no one more
        groups = {int(instance.rows.group[r]) for r in full if limits.row_limit[r] == limit}
        concerned = np.logical_or.reduce([limits.members(group) for group in sorted(groups)])
        yield _one_more(limits, limit, cap, cap + 1, concerned)
    everybody = np.ones(instance.num_vms, dtype=np.bool_)
    moves = int((options != instance.today).sum())
    if instance.max_moves is not None and moves >= instance.max_moves:
        yield _one_more(limits, limits.moves, instance.max_moves, instance.max_moves + 1, everybody)
    items = policy_counts(instance, options)
    by_key = policy_writes(instance, items).sum(axis=1) + extra_writes(instance, options, items)[0]
    for limit, one in limits.write_limits.items():
        if by_key[list(one.keys)].sum() >= one.limit:
            yield _one_more(limits, limit, one.limit, one.limit + 1, np.isin(instance.key, one.keys))
    yield from _full_vaults(limits, options)
    risk = [limit for limit in limits.forbids if limit.kind is LimitKind.MAX_RISK_INCREASE]
    for limit in risk:
        was = limits.rules.max_risk_increase
        wider = _one_more(limits, limit, was, was + RISK_STEP, everybody)
        grown = (wider.instance.allowed & ~instance.allowed).any(axis=1)
        if grown.any():
            yield replace(wider, concerned=np.asarray(np.isin(instance.key, instance.key[grown])))


def _one_more(limits: Limits, limit: Limit, was: float, to: float, concerned: BoolArray) -> _Loosened:
    relaxed = loosened(limits, [Change(limit, was, to)]).instance
    return _Loosened(limit, None, was, to, relaxed, concerned)


def _full_vaults(limits: Limits, options: IntArray) -> Iterator[_Loosened]:
    """Vaults that may be given no further policy."""
    instance = limits.instance
    full = count_creations(instance, options) >= instance.vault_room
    for vault in np.flatnonzero(full).tolist():
        room = instance.vault_room.copy()
        room[vault] += 1
        relaxed = replace(instance, vault_room=room)
        concerned = np.asarray(instance.key_vault[instance.key] == vault)
        yield _Loosened(limits.policies, vault, int(room[vault]) - 1, int(room[vault]), relaxed, concerned)
