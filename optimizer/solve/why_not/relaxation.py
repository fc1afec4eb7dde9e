"""What it would take: limits to drop or to loosen so that a schedule becomes possible, and what it is like then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.solve.cost import evaluate, violations
from optimizer.solve.cpsat import Outcome
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.solver import solve
from optimizer.solve.why_not.conflicts import Conflict, find_conflicts, in_order, shrink, single_vm_conflicts
from optimizer.solve.why_not.feasibility import GLOBAL_KINDS, Budget, Feasibility
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set
from optimizer.solve.why_not.limits import Change, Limit, LimitKind, Limits, loosened, open_options

MAX_SETS = 8
"""Sets of limits whose dropping is tried; those of fewest limits come first."""

MAX_LOOSENED = 3
"""Sets, the cheapest ones, of which it is worked out by how much loosening them would do."""

MAX_DOUBLINGS = 12

RISK_DECIMALS = 3
"""To which a loosened ``max_risk_increase`` is rounded up."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The plan that a relaxation makes possible.

    Parameters
    ----------
    cost
        Cost of the plan, in at-risk backups per 30 days.
    at_risk, overlaps
        At-risk backups and expected overlapping snapshots per 30 days.
    moved, writes
        VMs that move, policies created or edited.
    """

    cost: float
    at_risk: float
    overlaps: float
    moved: int
    writes: int


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Changes of limits that together make a schedule possible, none of them to spare.

    Parameters
    ----------
    changes
        In the order in which the limits were written.
    effect
        Of the plan then, found and verified by solving again.
    """

    changes: tuple[Change, ...]
    effect: Effect


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why there is no schedule, and what would make one possible.

    Parameters
    ----------
    outcome
        INFEASIBLE with conflicts; else FEASIBLE or UNKNOWN: not proven that there is none.
    conflicts
        The smallest first.
    relaxations
        The cheapest first; what is loosened by an amount stands beside the same limits dropped.
    complete
        Whether every set of limits whose dropping would do, none to spare, was tried.
    """

    outcome: Outcome
    conflicts: tuple[Conflict, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    complete: bool = False


Judge = Callable[[Sequence[Change]], Effect | None]
"""Solves again under changes; None where no verified schedule was found."""


def diagnose(limits: Limits, judge: Judge, budget: Budget) -> Diagnosis:
    """Find the conflicts and what would resolve them.

    Parameters
    ----------
    limits
        The problem.
    judge
        Solves again.
    budget
        Work for everything but the judge.
    """
    feasibility = Feasibility(limits, budget)
    conflicts, outcome = find_conflicts(limits, feasibility)
    if outcome is not Outcome.INFEASIBLE:
        return Diagnosis(outcome)
    sets, complete = _correction_sets(limits, feasibility, conflicts)
    conflicts[1:] = sorted(conflicts[1:], key=lambda one: (len(one.limits), -len(one.vms)))
    relaxations, tried_all = _judged(limits, feasibility, sets, judge)
    return Diagnosis(outcome, tuple(conflicts), tuple(relaxations), complete and tried_all)


def solved(instance: Instance, effort: int, seed: int = 0, time_limit_seconds: float | None = None) -> Effect | None:
    """What the plan for an instance is like; None where no schedule that keeps everything was found."""
    result = solve(instance, seed=seed, effort=effort, time_limit_seconds=time_limit_seconds)
    if result.options is None or violations(instance, result.options):
        return None
    cost = evaluate(instance, result.options)
    at_risk = float(instance.risk[np.arange(instance.num_vms), result.options].sum())
    return Effect(cost.total, at_risk, cost.overlaps, cost.num_moves, cost.writes)


def _correction_sets(
    limits: Limits, feasibility: Feasibility, conflicts: list[Conflict]
) -> tuple[list[frozenset[Limit]], bool]:
    """Sets of limits without which a schedule is possible, none to spare, smallest first; and whether these are all.

    A set that hits every conflict known is tried; where it does not do, there is one conflict more, which is added to
    the list (Liffiton, Sakallah, Journal of Automated Reasoning 40, 2008; Liffiton et al., "Fast, flexible MUS
    enumeration", Constraints 21, 2016).
    """
    changeable = [limit for limit in limits.all if limit.can_change]
    found: list[frozenset[Limit]] = []
    unsettled: list[frozenset[Limit]] = []
    while len(found) < MAX_SETS and not feasibility.budget.over:
        to_hit = [frozenset(one.limits).intersection(changeable) for one in conflicts]
        candidate = smallest_hitting_set(changeable, to_hit, [*found, *unsettled])
        if candidate is None:
            return found, not unsettled
        answer = feasibility.check(frozenset(limits.all) - candidate)
        if answer.outcome is Outcome.FEASIBLE:
            found.append(candidate)
        elif answer.outcome is Outcome.INFEASIBLE:
            kept = frozenset(limits.all) - candidate
            conflicts += single_vm_conflicts(limits, kept) or [shrink(limits, feasibility, kept)]
        else:
            unsettled.append(candidate)
    return found, False


def _judged(
    limits: Limits, feasibility: Feasibility, sets: Sequence[frozenset[Limit]], judge: Judge
) -> tuple[list[Relaxation], bool]:
    """Relaxations with their effects, by the cost of the best plan that their limits stand in the way of."""
    by_set: list[tuple[float, int, frozenset[Limit], list[Relaxation]]] = []
    for place, names in enumerate(sets):
        changes = _dropped(limits, feasibility, names)
        effect = judge(changes) if changes else None
        if changes and effect is not None:
            by_set.append((effect.cost, place, names, [Relaxation(changes, effect)]))
    by_set.sort(key=lambda one: one[:2])
    for _, _, names, relaxations in by_set[:MAX_LOOSENED]:
        changes = _loosened_set(limits, feasibility, names, names)
        if changes and all(changes != one.changes for one in relaxations):
            effect = judge(changes)
            if effect is not None:
                relaxations.append(Relaxation(changes, effect))
    ways_out = [one for *_, relaxations in by_set for one in relaxations]
    ways_out.sort(key=lambda one: (round(one.effect.cost, 2), sum(change.drops for change in one.changes)))
    return ways_out, len(by_set) == len(sets)


def _dropped(limits: Limits, feasibility: Feasibility, names: frozenset[Limit]) -> tuple[Change, ...] | None:
    """Drop what can be dropped, and loosen the rest; None where it is not known by how much."""
    stubborn = frozenset(limit for limit in names if not limit.can_go)
    gone = [Change(limit) for limit in in_order(limits, names - stubborn)]
    if not stubborn:
        return tuple(gone)
    loosened_ones = _loosened_set(loosened(limits, gone), feasibility, stubborn, stubborn)
    return None if loosened_ones is None else _sorted(limits, (*gone, *loosened_ones))


def _loosened_set(
    limits: Limits, feasibility: Feasibility, names: frozenset[Limit], waiting: frozenset[Limit]
) -> tuple[Change, ...] | None:
    """Loosen one limit after the other, each as little as will do while those that wait are not asked for."""
    changes: list[Change] = []
    now = limits
    for limit in in_order(limits, names):
        waiting -= {limit}
        change = _loosen(now, Feasibility(now, feasibility.budget), limit, frozenset(now.all) - waiting)
        if change is None:
            return None
        changes.append(change)
        now = loosened(now, [change])
    return tuple(changes)


def _sorted(limits: Limits, changes: Sequence[Change]) -> tuple[Change, ...]:
    place = {limit: number for number, limit in enumerate(limits.all)}
    return tuple(sorted(changes, key=lambda change: place[change.limit]))


def _loosen(limits: Limits, feasibility: Feasibility, limit: Limit, kept: frozenset[Limit]) -> Change | None:
    """The least change of a limit with which the kept ones can hold; None where only dropping it is known to do."""
    others = kept - {limit}
    was = limits.amount(limit)
    for to in () if was is None else _least_amounts(limits, feasibility, limit, others, was):
        change = _enough(limits, feasibility, Change(limit, was, to), kept)
        if change is not None:
            return change
    if limit.kind is not LimitKind.RULE or limit not in limits.forbids:
        return None
    for vms in _fewest_vms(limits, feasibility, limit, others):
        if len(vms) == int((limits.forbids[limit] > 0).sum()):
            return None  # no different from dropping it
        change = _enough(limits, feasibility, Change(limit, vms=tuple(vms.tolist())), kept) if len(vms) else None
        if change is not None:
            return change
    return None


def _least_amounts(
    limits: Limits, feasibility: Feasibility, limit: Limit, others: frozenset[Limit], was: float
) -> Iterator[float]:
    """Amounts below which the limit cannot hold: of the parts (largest, or sum of moves), then of all at once."""
    concerned = feasibility.concerned(others | {limit})
    if limit.kind in (LimitKind.POLICIES_PER_VAULT, LimitKind.POLICY_WRITES):
        found = feasibility.least(others, limit, "amount", concerned)
        yield int(was) + (1 if found is None else max(int(found[0]), 1))
        return
    local = [one for one in others | {limit} if one.kind not in GLOBAL_KINDS]
    parts = [*feasibility.parts(local, concerned)]
    found_parts = [feasibility.least(local, limit, "amount", part) for part in parts]
    amounts = [one[0] for one in found_parts if one is not None]
    alone = np.setdiff1d(concerned, np.concatenate(parts)) if parts else concerned
    if len(amounts) < len(parts):
        return
    if limit.kind is LimitKind.MAX_MOVES:
        yield int(sum(amounts)) + len(alone)
    elif limit.kind is LimitKind.RULE:
        yield int(was + max(amounts, default=0))
    else:
        yield _rounded_up(max([*amounts, *_increases_alone(limits, limit, others, alone)], default=0.0))
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
    """Fewest VMs that a rule has to let off: part by part, then with what couples the parts."""
    concerned = feasibility.concerned(others | {limit})
    local = [one for one in others if one.kind not in GLOBAL_KINDS]
    parts = [*feasibility.parts([*local, limit], concerned)]
    found = [feasibility.least(local, limit, "vms", part) for part in parts]
    alone = np.setdiff1d(concerned, np.concatenate(parts)) if parts else concerned
    hopeless = alone[~open_options(limits.forbidden(others | {limit}))[alone].any(axis=1)]
    if all(one is not None for one in found):
        yield np.sort(np.concatenate([hopeless, *(one[1] for one in found if one is not None)]))
    together = feasibility.least(others, limit, "vms", concerned)
    if together is not None:
        yield together[1]


def _enough(limits: Limits, feasibility: Feasibility, change: Change, kept: frozenset[Limit]) -> Change | None:
    """The change, made larger until the kept limits can hold; None where that was not shown."""

    def holds(tried: Change) -> bool:
        relaxed = loosened(limits, [tried])
        wanted = [limit for limit in relaxed.all if limit in kept]
        return Feasibility(relaxed, feasibility.budget).check(wanted).outcome is Outcome.FEASIBLE

    if holds(change):
        return change
    if change.to is None or change.limit.kind is LimitKind.MAX_RISK_INCREASE:
        return None
    low = high = change.to
    for doubling in range(MAX_DOUBLINGS):
        high = low + 2**doubling
        if holds(Change(change.limit, change.was, high)):
            break
        low = high
    else:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(Change(change.limit, change.was, middle)) else (middle, high)
    return Change(change.limit, change.was, high)
