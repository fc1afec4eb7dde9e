"""How an instance is searched: where to begin, and annealing of the whole or, where it is large, of parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.engine import Engine
from optimizer.ports import Progress
from optimizer.solve.anneal import anneal
from optimizer.solve.arrays import Arrays, count, pack
from optimizer.solve.bound import ascend
from optimizer.solve.clock import SolveClock, Standing
from optimizer.solve.cost import evaluate, violations
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.parts import cut, merge, search_part, vault_groups
from optimizer.solve.search import improve_single_moves, settle, steepest
from optimizer.solve.write_groups import write_groups

SEARCH_SHARE = 0.9
"""Share of a time limit that search and ascent may use; the rest is for CP-SAT and for the last settling."""

ROUNDS_PER_EFFORT, ROUNDS_PER_VM_AND_EFFORT = 600, 0.4
"""Rounds of annealing: the first for any instance, the second grows with it."""

LEAST_PARTS = 3
"""An instance of fewer parts is searched whole."""

PART_SWEEPS = 2
"""How often a large instance is cut into parts, differently each time."""

WRITE_PRICES = (0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
"""How many times the worth of a write is added to its price, to find schedules with few of them."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be solved, with how much work and where; see :func:`optimizer.solve.solver.solve`."""

    instance: Instance
    seed: int
    effort: int
    clock: SolveClock
    progress: Progress
    engine: Engine
    start: IntArray | None
    multipliers: Multipliers | None
    part_vms: int


class Search:
    """The search for a schedule: what its stages have in common.

    Parameters
    ----------
    task
        The problem.
    reference
        Shape (V,): a feasible schedule; what is found is never dearer.
    standing
        Told of what is found.
    """

    def __init__(self, task: Task, reference: IntArray, standing: Standing) -> None:
        self.instance = task.instance
        self._task = task
        self._reference = reference
        self._standing = standing

    @cached_property
    def arrays(self) -> Arrays:
        """The instance, packed once."""
        return pack(self.instance)

    @property
    def in_parts(self) -> bool:
        """Whether the instance is large enough to be searched in parts."""
        return self.instance.num_vms > LEAST_PARTS * self._task.part_vms

    @property
    def rounds(self) -> int:
        """Rounds of annealing for the whole instance."""
        return round((ROUNDS_PER_EFFORT + ROUNDS_PER_VM_AND_EFFORT * self.instance.num_vms) * self._task.effort)

    def over(self) -> bool:
        """Whether the time for searching is used up; a :data:`~optimizer.solve.search.ShouldStop`."""
        return self._task.clock.over(SEARCH_SHARE)

    def cost(self, options: IntArray) -> float:
        """Cost of a schedule."""
        return evaluate(self.instance, options).total

    def first(self) -> IntArray:
        """Single moves from what is there, then annealing: of parts where the instance is large, else of the whole.

        Returns
        -------
        numpy.ndarray
            Shape (V,): feasible, never dearer than the reference.
        """
        ends = [improve_single_moves(self.instance, begin, self.over, self.arrays) for begin in self._begins()]
        best = min(ends, key=self.cost)
        rounds = self.rounds
        self._standing.report("search", 0, rounds, cost=self.cost(best))
        if self.in_parts:
            best = self._anneal_parts(best)
            rounds = ROUNDS_PER_EFFORT * self._task.effort

        def on_round(number: int, cost: float) -> bool:
            self._standing.report("search", number, rounds, cost=cost)
            return not self.over()

        annealed = anneal(self.instance, best, rounds, self._task.seed, on_round, self.arrays)
        annealed = improve_single_moves(self.instance, annealed, self.over, self.arrays)
        return self._cheapest(annealed, best)

    def again(self) -> IntArray:
        """Annealing from the reference with other random numbers; feasible, never dearer than the reference."""

        def on_round(_rounds: int, cost: float) -> bool:
            self._standing.improve(cost)
            return not self.over()

        begin = improve_single_moves(self.instance, self._reference, self.over, self.arrays)
        annealed = anneal(self.instance, begin, self.rounds, self._task.seed + 1, on_round, self.arrays)
        return self._cheapest(improve_single_moves(self.instance, annealed, self.over, self.arrays))

    def _cheapest(self, *found: IntArray) -> IntArray:
        """The cheapest of some schedules and the reference that breaks nothing."""
        kept = [options for options in (*found, self._reference) if not violations(self.instance, options)]
        return min(kept, key=self.cost)

    def _begins(self) -> list[IntArray]:
        """Feasible schedules to begin at."""
        begins, start = [self._reference], self._task.start
        if start is not None and not violations(self.instance, start):
            begins.append(start)
        if self.instance.max_moves is not None or self.instance.write_limits:
            begins.append(steepest(self.instance, self._reference, self.over))
        if self.instance.write_limits:
            begins += self._with_few_writes()
        return begins

    def _with_few_writes(self) -> list[IntArray]:
        """Schedules that keep the limits of writes because writes were made dearer, until few enough were worth it.

        A search that spends the last write too early hardly gets it back.  A short ascent says what a write is worth.
        """
        multipliers = ascend(self.instance, 4 * self._task.effort, lambda *_: not self.over()).best
        worth = np.zeros(self.instance.num_keys)
        for (_, keys, _), tau in zip(write_groups(self.instance), multipliers.tau, strict=True):
            worth[list(keys)] += tau
        worth = np.maximum(worth, self.instance.policy_write_price)
        rounds = ROUNDS_PER_EFFORT * self._task.effort // len(WRITE_PRICES)
        found = []
        for times in WRITE_PRICES:
            dearer = self.arrays._replace(
                policy_price=self.arrays.policy_price + times * worth,
                group_limit=np.full_like(self.arrays.group_limit, self.instance.num_vms),
            )
            options = anneal(self.instance, self._reference, rounds, self._task.seed, arrays=dearer)
            if not violations(self.instance, options):
                found.append(options)
                if len(found) == 2 or self.over():  # the next are dearer still
                    break
        return found

    def _anneal_parts(self, options: IntArray) -> IntArray:
        """Anneal parts side by side, put them together, cut differently, again."""
        counts, random = count(self.instance, options), np.random.default_rng(self._task.seed)
        cost, vaults, movable = (
            self.cost(options),
            len(self.instance.vault_room),
            np.flatnonzero(self.instance.movable),
        )
        for sweep in range(PART_SWEEPS):
            if self.over():
                break
            groups = vault_groups(self.instance, random.permutation(vaults).tolist(), self._task.part_vms)
            left = self._task.clock.left(SEARCH_SHARE * (sweep + 1) / PART_SWEEPS)
            parts = [
                cut(
                    self.arrays,
                    counts,
                    vms,
                    share=1 / len(groups),
                    num_rounds=round(self.rounds / PART_SWEEPS * len(vms) / self.instance.num_vms),
                    seed=self._task.seed + 1 + sweep * len(groups) + number,
                    movable=self.instance.movable,
                    seconds=None if left is None else left * min(1.0, self._task.engine.num_workers / len(groups)),
                )
                for number, vms in enumerate(groups)
            ]
            found = self._task.engine.map(
                search_part, parts, label="parts", progress=_PartsDone(self._standing, sweep)
            )
            self._task.clock.cut_in |= any(stopped for _, stopped in found)
            cost += merge(self.arrays, counts, [(part, best) for part, (best, _) in zip(parts, found, strict=True)])
            cost += settle(self.arrays, counts, movable, self.over)
            self._standing.report("parts", (sweep + 1) * len(parts), PART_SWEEPS * len(parts), cost=cost)
        return counts.options


@dataclass(frozen=True, slots=True)
class _PartsDone:
    """Tells how many parts of all sweeps are searched; a :class:`optimizer.ports.Progress`."""

    standing: Standing
    sweep: int

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:  # noqa: ARG002  # it has its own
        self.standing.report(stage, self.sweep * total + done, PART_SWEEPS * total)
