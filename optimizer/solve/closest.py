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

    One VM at a time, in the order of the rows, until nothing changes: the schedule that comes out costs no more, and
    no single VM of it could follow the other schedule for free.

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
    state = State(instance, result.options)
    differing = np.flatnonzero((result.options != to) & instance.movable).tolist()
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
