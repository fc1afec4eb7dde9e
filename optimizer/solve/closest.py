"""Of schedules that cost the same, the one nearest to another schedule: what changes without a reason is noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.solve.cost import evaluate, violations
from optimizer.solve.cpsat import Outcome
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.search import IMPROVEMENT, State, feasible, improve_single_moves
from optimizer.solve.solver import OPTIMALITY_GAP, Result, repair


def usable_start(instance: Instance, options: IntArray) -> IntArray | None:
    """A schedule as close to the given one as a few repairs make it that keeps every rule; None where none is found.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a schedule, of another problem perhaps.
    """
    placed = np.where(instance.allowed[np.arange(instance.num_vms), options], options, instance.today)
    if violations(instance, placed):
        placed = repair(instance, placed)
    return None if violations(instance, placed) else placed


def never_worse_than(instance: Instance, result: Result, start: IntArray | None) -> Result:
    """The result, or the start improved by single moves where that is not dearer."""
    if start is None or result.options is None or result.cost is None:
        return result
    state = State(instance, start)
    improve_single_moves(state, range(instance.num_vms), lambda: False)
    if violations(instance, state.options) or evaluate(instance, state.options).total > result.cost.total:
        return result
    return _with_options(instance, result, state.options)


def closest(instance: Instance, result: Result, to: IntArray) -> Result:
    """Put back VMs that differ from another schedule wherever that costs nothing.

    First groups that hang together (all VMs, those of a vault, of a twin key, of a service), then one VM at a time
    until nothing changes: the schedule that comes out costs no more.

    Parameters
    ----------
    instance
        The problem.
    result
        With a schedule.
    to
        Shape (V,): the schedule to stay close to; its options need not be allowed.
    """
    if result.options is None:
        return result
    options = _follow_in_groups(instance, result.options, to)
    state = State(instance, options)
    differing = np.flatnonzero((options != to) & instance.movable).tolist()
    moved = True
    while moved:
        moved = False
        for v in list(differing):
            if instance.allowed[v, to[v]] and _follow(state, v, int(to[v])):
                differing.remove(v)
                moved = True
    if violations(instance, state.options):
        return result
    return _with_options(instance, result, state.options)


def _follow_in_groups(instance: Instance, options: IntArray, to: IntArray) -> IntArray:
    """The schedule with those groups at the other schedule's options that make it no dearer so, the large first."""
    follows = instance.movable & instance.allowed[np.arange(instance.num_vms), to]
    best, cost = options, evaluate(instance, options).total
    everybody = np.zeros(instance.num_vms, dtype=np.int64)
    for group_of in (everybody, instance.key_vault[instance.key], instance.key, instance.service):
        for group in np.unique(group_of[follows & (best != to)]).tolist():
            tried = np.where(follows & (group_of == group), to, best)
            tried_cost = evaluate(instance, tried).total
            if tried_cost <= cost + IMPROVEMENT and not violations(instance, tried):
                best, cost = tried, tried_cost
    return best


def _follow(state: State, v: int, option: int) -> bool:
    """Move a VM to an option if that is no dearer than where it is."""
    here = int(state.options[v])
    state.remove(v)
    price = state.prices(v)
    follows = bool(price[option] <= price[here] + IMPROVEMENT)
    state.add(v, option if follows else here)
    if follows and not feasible(state):
        state.remove(v)
        state.add(v, here)
        return False
    return follows


def _with_options(instance: Instance, result: Result, options: IntArray) -> Result:
    cost = evaluate(instance, options)
    optimal = cost.total - result.bound <= OPTIMALITY_GAP * max(1.0, abs(cost.total))
    outcome = Outcome.OPTIMAL if optimal else Outcome.FEASIBLE
    return replace(result, options=options, cost=cost, outcome=outcome)
