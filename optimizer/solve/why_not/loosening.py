"""Finds the smallest loosening of a limit: another amount, or VMs that it no longer applies to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.limits import Limit, LimitKind, Limits, open_options
from optimizer.solve.why_not.changes import Change, loosened
from optimizer.solve.why_not.conflicts import in_order
from optimizer.solve.why_not.feasibility import GLOBAL_KINDS, Feasibility

MAX_DOUBLINGS = 12

RISK_DECIMALS = 3
"""Number of decimals to which a loosened ``max_risk_increase`` is rounded up."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes under which the other limits can hold, and a schedule that proves it.

    Parameters
    ----------
    changes
        Changes in the order in which the limits were written.
    options
        Shape (V,): start option of each VM.
    """

    changes: tuple[Change, ...]
    options: IntArray


def dropped(limits: Limits, feasibility: Feasibility, names: frozenset[Limit], options: IntArray) -> Changed | None:
    """Drop the limits that can be dropped, and loosen the rest.

    Parameters
    ----------
    limits, feasibility
        The problem, and the object that answers whether some of its limits can hold.
    names
        Limits without which all others can hold.
    options
        Shape (V,): a schedule that proves it.

    Returns
    -------
    Changed or None
        None if a limit that can only be loosened would have to give way by an unknown amount.
    """
    stubborn = frozenset(limit for limit in names if not limit.can_go)
    gone = [Change(limit) for limit in in_order(limits, names - stubborn)]
    if not stubborn:
        return Changed(tuple(gone), options)
    rest = loosened_set(loosened(limits, gone), feasibility, stubborn)
    return None if rest is None else Changed(_sorted(limits, (*gone, *rest.changes)), rest.options)


def loosened_set(limits: Limits, feasibility: Feasibility, names: frozenset[Limit]) -> Changed | None:
    """Loosen limits one after the other, each as little as possible while the limits still to come are ignored.

    Parameters
    ----------
    limits, feasibility
        The problem, and the object that answers whether some of its limits can hold.
    names
        Limits without which all others can hold.

    Returns
    -------
    Changed or None
        None if, for one of them, only dropping is known to suffice.
    """
    changes: list[Change] = []
    now, waiting, options = limits, names, None
    for limit in in_order(limits, names):
        waiting -= {limit}
        changed = _loosen(now, Feasibility(now, feasibility.budget), limit, frozenset(now.all) - waiting)
        if changed is None:
            return None
        changes += changed.changes
        options = changed.options
        now = loosened(now, changed.changes)
    return None if options is None else Changed(tuple(changes), options)


def _sorted(limits: Limits, changes: Sequence[Change]) -> tuple[Change, ...]:
    rank = {limit: number for number, limit in enumerate(limits.all)}
    return tuple(sorted(changes, key=lambda change: rank[change.limit]))


def _loosen(limits: Limits, feasibility: Feasibility, limit: Limit, kept: frozenset[Limit]) -> Changed | None:
    """Smallest change of a limit under which the kept limits can hold; None if only dropping it is known to do."""
    return (
        _shortest_within(limits, feasibility, limit, kept)
        or _larger_amount(limits, feasibility, limit, kept)
        or _without_some_vms(limits, feasibility, limit, kept)
    )


def _larger_amount(limits: Limits, feasibility: Feasibility, limit: Limit, kept: frozenset[Limit]) -> Changed | None:
    """Smallest amount of a limit under which the kept limits can hold; None if it has none, or none is known to do."""
    amount = limits.amount(limit)
    for to in () if amount is None else _least_amounts(limits, feasibility, limit, kept - {limit}, amount):
        change = _enough(limits, feasibility, Change(limit, amount, to), kept)
        if change is not None:
            return change
    return None


def _without_some_vms(
    limits: Limits, feasibility: Feasibility, limit: Limit, kept: frozenset[Limit]
) -> Changed | None:
    """Fewest VMs that a rule on single VMs has to exempt; None if only exempting all of them is known to do."""
    if limit.kind is not LimitKind.RULE or limit not in limits.forbids:
        return None
    for vms in _fewest_vms(limits, feasibility, limit, kept - {limit}):
        if len(vms) == int((limits.forbids[limit] > 0).sum()):
            return None  # the same as dropping it
        change = _enough(limits, feasibility, Change(limit, vms=tuple(vms.tolist())), kept) if len(vms) else None
        if change is not None:
            return change
    return None


def _shortest_within(limits: Limits, feasibility: Feasibility, limit: Limit, kept: frozenset[Limit]) -> Changed | None:
    """Shortest ``within`` of a rule under which the kept limits can hold; None if it has none, or no value suffices.

    A longer one allows everything that a shorter one does, so each answer rules out half of the values.
    """
    present, values = limits.within(limit), limits.longer_within(limit)
    shortest = _holds(limits, feasibility, Change(limit, present, values[-1]), kept) if values else None
    low, high = 0, len(values) - 1
    while shortest is not None and low < high:
        middle = (low + high) // 2
        less = _holds(limits, feasibility, Change(limit, present, values[middle]), kept)
        shortest, low, high = (shortest, middle + 1, high) if less is None else (less, low, middle)
    return shortest


def _least_amounts(
    limits: Limits, feasibility: Feasibility, limit: Limit, others: frozenset[Limit], amount: float
) -> Iterator[float]:
    """Yield amounts below which the limit cannot hold: from the parts (maximum, or sum of moves), then from all."""
    concerned = feasibility.concerned(others | {limit})
    if limit.kind in (LimitKind.POLICIES_PER_VAULT, LimitKind.POLICY_WRITES):
        least = feasibility.least(others, limit, "amount", concerned)
        yield int(amount) + (1 if least is None else max(int(least[0]), 1))
        return
    local = [other for other in others | {limit} if other.kind not in GLOBAL_KINDS]
    parts = [*feasibility.parts(local, concerned)]
    of_parts = [feasibility.least(local, limit, "amount", part) for part in parts]
    amounts = [least[0] for least in of_parts if least is not None]
    alone = np.setdiff1d(concerned, np.concatenate(parts)) if parts else concerned
    if len(amounts) < len(parts):
        return
    if limit.kind is LimitKind.MAX_MOVES:
        yield int(sum(amounts)) + len(alone)
    elif limit.kind is LimitKind.RULE:
        yield int(amount + max(amounts, default=0))
    else:
        yield _rounded_up(max([*amounts, *_increases_alone(limits, limit, others, alone)], default=0.0))
        yield from _least_together(feasibility, limit, others, concerned)


def _least_together(
    feasibility: Feasibility, limit: Limit, others: frozenset[Limit], concerned: IntArray
) -> Iterator[float]:
    """Yield the least increase of risk that the VMs concerned need together, if it is known."""
    together = feasibility.least(others, limit, "amount", concerned)
    if together is not None:
        yield _rounded_up(together[0])


def _rounded_up(increase: float) -> float:
    return float(np.ceil(increase * 10**RISK_DECIMALS - 1e-6) / 10**RISK_DECIMALS)


def _increases_alone(limits: Limits, limit: Limit, others: frozenset[Limit], vms: IntArray) -> list[float]:
    """Smallest increase of risk that the other limits leave to each VM that shares nothing with others."""
    instance = limits.instance
    left = open_options(limits.forbidden(others))[vms]
    increase = instance.risk[vms] - instance.risk[vms, instance.today[vms]][:, None]
    held = open_options(limits.forbidden([limit]))[vms]
    least = np.where(left, np.where(held, 0.0, increase), np.inf).min(axis=1)
    return [value for value in least.tolist() if np.isfinite(value)]


def _fewest_vms(
    limits: Limits, feasibility: Feasibility, limit: Limit, others: frozenset[Limit]
) -> Iterator[IntArray]:
    """Yield the fewest VMs that a rule has to exempt: part by part, then with the limits that couple the parts."""
    concerned = feasibility.concerned(others | {limit})
    local = [least for least in others if least.kind not in GLOBAL_KINDS]
    parts = [*feasibility.parts([*local, limit], concerned)]
    of_parts = [feasibility.least(local, limit, "vms", part) for part in parts]
    alone = np.setdiff1d(concerned, np.concatenate(parts)) if parts else concerned
    hopeless = alone[~open_options(limits.forbidden(others | {limit}))[alone].any(axis=1)]
    if all(least is not None for least in of_parts):
        yield np.sort(np.concatenate([hopeless, *(least[1] for least in of_parts if least is not None)]))
    together = feasibility.least(others, limit, "vms", concerned)
    if together is not None:
        yield together[1]


def _enough(limits: Limits, feasibility: Feasibility, change: Change, kept: frozenset[Limit]) -> Changed | None:
    """Enlarge a change until the kept limits can hold; None if that was not shown."""
    enough = _holds(limits, feasibility, change, kept)
    if enough is not None or change.to is None or change.limit.kind is LimitKind.MAX_RISK_INCREASE:
        return enough
    low = change.to
    for high in (change.to + 2**doubling - 1 for doubling in range(1, MAX_DOUBLINGS + 1)):
        enough = _holds(limits, feasibility, Change(change.limit, change.was, high), kept)
        if enough is not None:
            return _least_between(limits, feasibility, enough, low, kept)
        low = high
    return None


def _least_between(
    limits: Limits, feasibility: Feasibility, enough: Changed, low: float, kept: frozenset[Limit]
) -> Changed | None:
    """Smallest amount that is enough, above ``low``, which is not, up to that of a change that is enough."""
    (change,) = enough.changes
    best, high = enough, change.to
    while high is not None and high - low > 1:
        middle = (low + high) // 2
        less = _holds(limits, feasibility, Change(change.limit, change.was, middle), kept)
        best, low, high = (best, middle, high) if less is None else (less, low, middle)
    return best


def _holds(limits: Limits, feasibility: Feasibility, tried: Change, kept: frozenset[Limit]) -> Changed | None:
    """The change, if the kept limits are shown to hold under it; otherwise None."""
    relaxed = loosened(limits, [tried])
    wanted = [limit for limit in relaxed.all if limit in kept]
    answer = Feasibility(relaxed, feasibility.budget).check(wanted)
    return Changed((tried,), answer.options) if answer.options is not None else None
