"""CP-SAT within a search: it solves small problems whole, and finishes neighborhoods of a schedule in large ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from optimizer.solve.bound.ascent import Climb, reduced_costs
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.effort.clock import Incumbent
from optimizer.solve.effort.cycles import Cycle
from optimizer.solve.exact.cpsat import ScopedModel, Subproblem
from optimizer.solve.exact.neighborhoods import Neighborhoods
from optimizer.solve.search.strategy import CycleSearch, Task

WHOLE_MODEL_VMS = 40
"""Maximum number of VMs for which CP-SAT gets the whole problem at once."""

WHOLE_WORK = 0.01
"""Limit of CP-SAT on the whole problem, in its deterministic seconds per unit of effort so far."""

NEIGHBORHOOD_WORK, EFFORT_PER_NEIGHBORHOOD = 0.2, 16
"""Limit of CP-SAT in each neighborhood, in its deterministic seconds, and units of effort per neighborhood."""


class Finisher:
    """Runs CP-SAT at the end of each cycle.

    Parameters
    ----------
    task
        The problem and how to solve it.
    search
        The search, which is offered what CP-SAT finds.
    climb
        The ascent of the bound, for its multipliers.
    incumbent
        Receives reports.
    """

    def __init__(self, task: Task, search: CycleSearch, climb: Climb, incumbent: Incumbent) -> None:
        self._task, self._search, self._climb, self._incumbent = task, search, climb, incumbent

    def run(self, cycle: Cycle, bound: float, done: Callable[[Cycle, float], bool]) -> float:
        """Run CP-SAT on the whole problem if it is small, and on neighborhoods of the schedule.

        Parameters
        ----------
        cycle
            The cycle that has just ended.
        bound
            Best lower bound so far.
        done
            Whether the search can stop after a cycle, at a bound.

        Returns
        -------
        float
            The best lower bound, which may be a new one.
        """
        instance = self._task.instance
        if instance.num_vms <= WHOLE_MODEL_VMS:
            bound = max(bound, self._ask_for_all(WHOLE_WORK * cycle.end))
        numbers = range(*(int(effort // EFFORT_PER_NEIGHBORHOOD) for effort in (cycle.begin, cycle.end)))
        if not numbers or not instance.movable.any():
            return bound
        seed, reduced = self._task.search.seed, reduced_costs(instance, self._climb.best, self._climb.arrays)
        neighborhoods = Neighborhoods(instance, reduced, seed)
        for number in numbers:
            if done(cycle, bound):
                break
            model = ScopedModel(instance, neighborhoods.scope(number, self._search.best))
            self._search.offer(model.solve(NEIGHBORHOOD_WORK, seed + number, self._task.clock.left()).options)
            effort = (number + 1) * EFFORT_PER_NEIGHBORHOOD
            self._incumbent.report("neighborhoods", effort, cost=self._search.best_cost, bound=bound)
        return bound

    def _ask_for_all(self, work: float) -> float:
        """Run CP-SAT on the whole problem, without the options that no schedule as good as the best one uses.

        Options whose forced bound exceeds the cost of the best schedule are left out. CP-SAT's bound therefore holds
        for all schedules except those that use such an option, and these do not cost less than the best one. Returns
        this bound.
        """
        instance, search = self._task.instance, self._search
        forced, cost = sharp_forced_bounds(instance, self._climb.best), search.best_cost
        useful = forced <= cost
        useful[np.arange(instance.num_vms), search.best] = True
        scope = Subproblem({v: np.flatnonzero(useful[v]).tolist() for v in range(instance.num_vms)}, search.best)
        answer = ScopedModel(instance, scope).solve(work, self._task.search.seed, self._task.clock.left())
        search.offer(answer.options)
        return -math.inf if answer.bound is None else min(answer.bound, cost)
