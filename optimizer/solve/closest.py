"""Of schedules that cost the same, the one nearest to another schedule: what changes without a reason is noise."""

from __future__ import annotations

import numpy as np

from optimizer.solve.arrays import count, pack
from optimizer.solve.cost import evaluate, violations
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.kernels import IMPROVEMENT, move_if_no_dearer
from optimizer.solve.search import improve_single_moves, repair
from optimizer.solve.solver import Result


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


def kept_or_better(instance: Instance, result: Result, start: IntArray | None, gap: float = 0.0) -> Result:
    """The schedule to begin at where that is good enough, else the better of the result and the improved start.

    Parameters
    ----------
    instance
        The problem.
    result
        What the search found.
    start
        Shape (V,): a schedule that keeps every rule; None: there is none.
    gap
        The start is kept, whole or improved by single moves, if it leaves at most this share of the possible
        improvement open: a search that began there would have been allowed to stop there.
    """
    if start is None or result.options is None or result.cost is None:
        return result
    improved = improve_single_moves(instance, start)
    for options in (start, improved) if gap > 0 else ():
        good_enough = result.leaves_open_at_most(gap, evaluate(instance, options).total)
        if good_enough and not violations(instance, options):
            return result.with_schedule(options, evaluate(instance, options), result.bound)
    if violations(instance, improved) or evaluate(instance, improved).total > result.cost.total:
        return result
    return result.with_schedule(improved, evaluate(instance, improved), result.bound)


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
    a, c = pack(instance), count(instance, options)
    differing = np.flatnonzero((options != to) & instance.movable).tolist()
    moved = True
    while moved:
        moved = False
        for v in list(differing):
            if instance.allowed[v, to[v]] and move_if_no_dearer(a, c, v, int(to[v])):
                differing.remove(v)
                moved = True
    nearest = options if violations(instance, c.options) else c.options
    return result.with_schedule(nearest, evaluate(instance, nearest), result.bound)


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
