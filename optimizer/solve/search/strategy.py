"""Strategy of a search: where it begins, and whether it anneals the whole instance or parts of a large one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.engine import Engine
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.bound.dual import Multipliers
from optimizer.solve.effort.clock import Incumbent, SolveClock
from optimizer.solve.effort.cycles import Cycle
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.arrays import Arrays, count, pack
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.write_groups import write_groups
from optimizer.solve.search.anneal import CHUNK_ROUNDS, LIMITED_CHUNK_ROUNDS, anneal
from optimizer.solve.search.parts import Work, cut, merge, search_part, vault_groups
from optimizer.solve.search.single_moves import improve_single_moves, settle, settle_ties, steepest

ROUNDING = 1e-9
"""Relative error of a sum of costs when only its order changes."""

LEAST_PARTS = 3
"""Number of parts up to which an instance is searched as a whole only."""

PART_TIME = 0.7
"""Share of the remaining time that parts get: workers may first have to start, and results have to be merged."""

SETTLING = 0.5
"""Time for settling ties at the end, as a share of that of the first descent: one sweep instead of three or four."""

WRITE_PRICES = (0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
"""Multiples of a write's worth that are added to its price, to find schedules with few writes."""


@dataclass(frozen=True, slots=True)
class Task:
    """The problem and how to solve it; see :func:`optimizer.solve.search.solver.solve`."""

    instance: Instance
    search: Search
    clock: SolveClock
    progress: Progress
    engine: Engine
    start: IntArray | None
    multipliers: Multipliers | None


class CycleSearch:
    """The search for a schedule, one cycle after the other.

    Parameters
    ----------
    task
        The problem.
    reference
        Shape (V,): a feasible schedule.
    incumbent
        Receives reports of what is found.

    Attributes
    ----------
    best
        Shape (V,): the best schedule so far. It is feasible and never costs more than the reference.
    best_cost
        Cost of the best schedule, in at-risk backups per 30 days.
    """

    def __init__(self, task: Task, reference: IntArray, incumbent: Incumbent) -> None:
        self.instance = task.instance
        self.best, self.best_cost = reference, evaluate(task.instance, reference).total
        self._task = task
        self._incumbent = incumbent

    @cached_property
    def arrays(self) -> Arrays:
        """The packed instance, made once."""
        return pack(self.instance)

    def run(self, cycle: Cycle, multipliers: Multipliers | None) -> None:
        """Search for one cycle.

        Parameters
        ----------
        cycle
            The cycle, which says how much work to do.
        multipliers
            Multipliers of the best bound so far; None in the first cycle.
        """
        clock = self._task.clock
        if cycle.number == 0:
            began = clock.seconds()
            self._begin()
            clock.reserve(SETTLING * (clock.seconds() - began))
        if clock.over():
            return
        if self.instance.write_limits:
            self._anneal_with_few_writes(cycle, multipliers)
        self._incumbent.report("search", cycle.begin, cost=self.best_cost)
        rounds = cycle.rounds
        if self.instance.num_vms > LEAST_PARTS * self._task.search.part_vms:
            self._anneal_parts(cycle)
            rounds = cycle.rounds_of_any

        def on_round(number: int, cost: float) -> bool:
            self._incumbent.report("search", cycle.reached(number / rounds), cost=cost)
            return not clock.over()

        if not clock.over():
            seed, chunk = self._seed(cycle), self._chunk_rounds
            annealed = anneal(self.instance, self.best, rounds, seed, on_round, self.arrays, chunk)
            self.offer(improve_single_moves(self.instance, annealed, clock.over, self.arrays))

    def offer(self, options: IntArray | None) -> None:
        """Keep a schedule that breaks nothing and costs no more; keeping ties lets the search cross plateaus."""
        if options is None or not is_feasible(self.instance, options):
            return
        cost = evaluate(self.instance, options).total
        if cost <= self.best_cost:
            self.best, self.best_cost = options, cost

    def settle_ties(self) -> None:
        """Among starts of equal cost, except for rounding, prefer today's, and then those at night."""
        settled = settle_ties(self.instance, self.best, arrays=self.arrays)
        cost = evaluate(self.instance, settled).total
        if cost <= self.best_cost + ROUNDING * max(1.0, self.best_cost):
            self.best, self.best_cost = settled, cost

    def _going_on(self, _done: int, _value: float) -> bool:
        """Whether there is time left; ascents and annealing call this."""
        return not self._task.clock.over()

    @property
    def _chunk_rounds(self) -> int:
        return CHUNK_ROUNDS if self._task.clock.left() is None else LIMITED_CHUNK_ROUNDS

    def _seed(self, cycle: Cycle) -> int:
        return self._task.search.seed + 1000 * cycle.number

    def _begin(self) -> None:
        """Begin at the cheapest schedule that single moves reach."""
        reference, start, over = self.best, self._task.start, self._task.clock.over
        begins = [reference]
        if start is not None and is_feasible(self.instance, start):
            begins.append(start)
        if self.instance.max_moves is not None or self.instance.write_limits:
            begins.append(steepest(self.instance, reference, over))
        for begin in begins:
            self.offer(improve_single_moves(self.instance, begin, over, self.arrays))

    def _anneal_with_few_writes(self, cycle: Cycle, multipliers: Multipliers | None) -> None:
        """Find schedules that keep the limits on writes by raising the price of writes until few enough are worth it.

        A search that spends its last write too early rarely gets it back. The dual knows what a write is worth.
        """
        if multipliers is None:
            multipliers = ascend(self.instance, cycle.steps, self._going_on).best
        worth = np.zeros(self.instance.num_keys)
        for limit, tau in zip(write_groups(self.instance), multipliers.tau, strict=True):
            worth[list(limit.keys)] += tau
        worth = np.maximum(worth, self.instance.policy_write_price)
        rounds = max(1, cycle.rounds_of_any // len(WRITE_PRICES))
        begin, kept = self.best, 0
        for times in WRITE_PRICES:
            costlier = self.arrays._replace(
                policy_price=self.arrays.policy_price + times * worth,
                group_limit=np.full_like(self.arrays.group_limit, self.instance.num_vms),
            )
            options = anneal(
                self.instance, begin, rounds, self._seed(cycle), self._going_on, costlier, self._chunk_rounds
            )
            if is_feasible(self.instance, options):
                self.offer(improve_single_moves(self.instance, options, self._task.clock.over, self.arrays))
                kept += 1
            if kept == 2 or self._task.clock.over():  # higher prices only give fewer writes and higher costs
                break

    def _anneal_parts(self, cycle: Cycle) -> None:
        """Anneal parts in parallel and merge them; each cycle divides the instance differently."""
        task, clock = self._task, self._task.clock
        counts, random = count(self.instance, self.best), np.random.default_rng(self._seed(cycle))
        order = random.permutation(len(self.instance.vault_room)).tolist()
        groups, left = vault_groups(self.instance, order, task.search.part_vms), clock.left()
        seconds = None if left is None else PART_TIME * left * min(1.0, task.engine.num_workers / len(groups))
        parts = []
        for number, vms in enumerate(groups, start=1):
            rounds = round(cycle.rounds * len(vms) / self.instance.num_vms)
            work = Work(rounds, self._seed(cycle) + number, seconds)
            parts.append(cut(self.arrays, counts, vms, 1 / len(groups), self.instance.movable, work))
        searched = task.engine.map(search_part, parts, label="parts", progress=_PartsDone(self._incumbent, cycle))
        clock.stopped_work |= any(stopped for _, stopped in searched)
        merge(self.arrays, counts, [(part, best) for part, (best, _) in zip(parts, searched, strict=True)])
        settle(self.arrays, counts, np.flatnonzero(self.instance.movable), clock.over)
        self.offer(counts.options)


@dataclass(frozen=True, slots=True)
class _PartsDone:
    """Reports how many parts of a cycle have been searched; a :class:`optimizer.ports.Progress`."""

    incumbent: Incumbent
    cycle: Cycle

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:  # noqa: ARG002  # reports its own
        self.incumbent.report("search", self.cycle.reached(done / total))
