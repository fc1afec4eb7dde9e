"""Selects, among good schedules, the one closest to another schedule, to avoid changes without a reason."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.arrays import count, pack
from optimizer.solve.problem.cost import Cost, evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.kernels import IMPROVEMENT, move_if_no_dearer
from optimizer.solve.search.single_moves import improve_single_moves, repair
from optimizer.solve.search.solved import Solved

ANYWHERE = -1
"""Start option of a VM that is not part of the other schedule."""


def usable_start(instance: Instance, options: IntArray) -> IntArray | None:
    """Repair a schedule until it keeps every rule, with few changes; None if that fails.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a schedule, possibly of another problem.
    """
    placed = np.where(instance.allowed[np.arange(instance.num_vms), options], options, instance.today)
    if not is_feasible(instance, placed):
        placed = repair(instance, placed)
    return placed if is_feasible(instance, placed) else None


def stay_close(instance: Instance, result: Solved, to: IntArray, gap: float = 0.0) -> Solved:
    """Choose between the schedule of a search and schedules that keep more of another schedule.

    The choices are: what the search found, with VMs put back wherever that costs nothing; and the other schedule, as
    it is and improved by single moves. Among the choices within ``gap``, the one that keeps the most VMs wins; if two
    keep equally many, the one that costs less. So nothing is paid for a schedule that keeps no more VMs.

    Parameters
    ----------
    instance
        The problem.
    result
        What the search found.
    to
        Shape (V,): the schedule to stay close to. Its options need not be allowed. VMs at :data:`ANYWHERE` start where
        the search put them.
    gap
        Largest share of the possible improvement that the winner may leave open. A search that found such a schedule
        would have been allowed to stop there.
    """
    if (to == ANYWHERE).all():
        return result
    priced = [(options, evaluate(instance, options)) for options in _choices(instance, result.options, to)]
    cheapest = min(cost.total for _, cost in priced)

    def is_good_enough(cost: Cost) -> bool:
        within = gap > 0 and result.leaves_open_at_most(gap, cost.total)
        return within or cost.total <= cheapest + IMPROVEMENT

    good = [(options, cost) for options, cost in priced if is_good_enough(cost)]
    options, _ = max(good, key=lambda choice: (int((choice[0] == to).sum()), -choice[1].total))
    return result.with_schedule(instance, options)


def _choices(instance: Instance, options: IntArray, to: IntArray) -> Iterator[IntArray]:
    """Yield the schedule of the search, and the other schedule with and without improvements, if it is feasible."""
    yield _put_back(instance, options, to)
    whole = usable_start(instance, np.where(to == ANYWHERE, options, to))
    if whole is not None:
        improved = _put_back(instance, improve_single_moves(instance, whole), to)
        yield from (choice for choice in (improved, whole) if is_feasible(instance, choice))


def _put_back(instance: Instance, options: IntArray, to: IntArray) -> IntArray:
    """Put back VMs that differ from another schedule if that costs nothing.

    First come groups that belong together (all VMs, those of a vault, of a twin key, of a service), then single VMs
    until nothing changes. The result costs no more.
    """
    options = _follow_in_groups(instance, options, to)
    a, c = pack(instance), count(instance, options)
    differing = np.flatnonzero((options != to) & (to != ANYWHERE) & instance.movable).tolist()
    moved = True
    while moved:
        moved = False
        for v in list(differing):
            if instance.allowed[v, to[v]] and move_if_no_dearer(a, c, v, int(to[v])):
                differing.remove(v)
                moved = True
    return c.options if is_feasible(instance, c.options) else options


def _follow_in_groups(instance: Instance, options: IntArray, to: IntArray) -> IntArray:
    """Move whole groups to the other schedule's options if that costs no more, the largest kinds of groups first."""
    follows = instance.movable & (to != ANYWHERE) & instance.allowed[np.arange(instance.num_vms), to]
    best, cost = options, evaluate(instance, options).total
    everybody = np.zeros(instance.num_vms, dtype=np.int64)
    for group_of in (everybody, instance.key_vault[instance.key], instance.key, instance.service):
        for group in np.unique(group_of[follows & (best != to)]).tolist():
            tried = np.where(follows & (group_of == group), to, best)
            tried_cost = evaluate(instance, tried).total
            if tried_cost <= cost + IMPROVEMENT and is_feasible(instance, tried):
                best, cost = tried, tried_cost
    return best
