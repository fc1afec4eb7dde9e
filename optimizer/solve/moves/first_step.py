"""The best first step toward rules that need more moves than are allowed at once, and the final schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from optimizer.engine import Engine
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.toward import (
    FirstStep,
    Steps,
    best_step,
    counting_moves,
    in_small_edits,
    not_worse_than_today,
    tolerant,
)
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limits
from optimizer.solve.problem.statement import Statement
from optimizer.solve.search.reference import Fallback
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.feasibility import any_schedule

BOUND_STEPS = 200
"""Number of steps of the ascent that bounds the cost of every possible step."""

MOST_ATTEMPTS = 3
"""Maximum number of times that a step is searched again, with more VMs held that no order of writes can move."""

SHARES = (0.4, 0.3, 0.3)
"""Shares of the time limit for three searches: the fewest moves, a cheap target, and the step."""


class Writes(Protocol):
    """Questions about the writes of a schedule, which are made one after the other."""

    def stuck(self, options: IntArray) -> tuple[int, ...]:
        """Indices of the VMs that no order of writes can bring to a schedule of shape (V,)."""
        ...

    def in_order(self, options: IntArray) -> Iterator[list[int]]:
        """Yield the indices of the VMs that each write moves toward a schedule of shape (V,)."""
        ...

    def problem_after(self, options: IntArray) -> Statement:
        """The problem of the estate as it will be after the changes that lead to a schedule of shape (V,)."""
        ...


@dataclass(frozen=True, slots=True)
class _Searches:
    """The three searches of ``--toward`` and their settings; see :func:`optimizer.solve.search.solver.solve`.

    ``start``, of shape (V,), is a schedule that an earlier plan led to. The number of moves that it takes is always
    enough.
    """

    search: Search
    engine: Engine
    progress: Progress
    start: IntArray | None = None

    def part(self, number: int) -> Search:
        """Settings of one of the three searches, within its share of the time limit."""
        return self.search.share(SHARES[number])

    def solve(
        self, instance: Instance, number: int, start: IntArray | None, fallback: Fallback | None = None
    ) -> IntArray | None:
        """Search for the cheapest schedule, as one of the three searches; shape (V,), None if none was found."""
        search, engine, progress = self.part(number), self.engine, self.progress
        answer = solve(instance, search, engine=engine, progress=progress, start=start, fallback=fallback)
        return answer.options if isinstance(answer, Solved) else None


@dataclass(frozen=True, slots=True)
class TowardRules:
    """Result of ``--toward``.

    Parameters
    ----------
    options
        Shape (V,): schedule of the step. If ``months`` is 1, it keeps every rule.
    target
        Shape (V,): schedule that keeps every rule, to which the step leads.
    moves_needed, months
        See :class:`optimizer.documents.toward_document.Toward`.
    """

    options: IntArray
    target: IntArray
    moves_needed: int
    months: int

    def as_solved(self, problem: Statement, seconds: float) -> Solved:
        """Step as an answer of the solver, measured against today's schedule.

        Its bound holds for every schedule with at most ``max_moves`` moves that is no worse than today's under any
        rule.
        """
        cost, proof = problem.cost(self.options), ascend(tolerant(problem.instance), BOUND_STEPS)
        return Solved(
            options=self.options,
            cost=cost,
            bound=min(cost.total, proof.bound),
            reference_name="today",
            reference=problem.cost(problem.instance.today),
            ended_by="effort",
            seconds=seconds,
            multipliers=proof.best,
        )


def plan_toward(
    problem: Statement,
    writes: Writes,
    search: Search,
    *,
    engine: Engine,
    progress: Progress,
    start: IntArray | None = None,
) -> TowardRules | None:
    """Find the best first step toward a schedule that keeps every rule.

    Parameters
    ----------
    problem
        The problem; ``max_moves`` is set.
    writes
        The writes that lead to a schedule.
    search
        Settings of the three searches; each gets a share of the time limit.
    engine, progress
        See :func:`optimizer.solve.search.solver.solve`.
    start
        Shape (V,): a schedule that an earlier plan led to. The number of moves that it takes is always enough.

    Returns
    -------
    TowardRules or None
        None if no schedule was found that keeps the rules with any number of moves.
    """
    limits, most = problem.limits, problem.rules.max_moves
    assert most is not None
    searches = _Searches(search, engine, progress, start)
    fewest = _fewest(limits, most, searches)
    if fewest is None:
        return None
    needed = int((fewest != limits.instance.today).sum())
    months = max(1, -(-needed // most))
    if months == 1:
        return TowardRules(fewest, fewest, needed, months)
    steps = Steps(limits, months)
    targets = [fewest, *_cheap_target(steps, fewest, searches)]
    step = _find_step(steps, targets, writes, searches)
    left = _months_after(writes.problem_after(step.options).limits, step.target, months - 1, most, searches)
    return TowardRules(step.options, step.target, needed, left + 1)


def _fewest(limits: Limits, most: int, search: _Searches) -> IntArray | None:
    """Schedule that keeps every rule with the fewest moves; it edits no policy with more VMs than may move."""
    instance = counting_moves(in_small_edits(limits.instance, most))
    free = Limits(instance, limits.restrictions, limits.rules)
    return search.solve(instance, 0, search.start, lambda: any_schedule(free, search.part(0)))


def _months_after(limits: Limits, target: IntArray, months: int, most: int, search: _Searches) -> int:
    """Number of months left after the step: as planned, or as many as it takes to reach the target from there."""
    free = replace(in_small_edits(limits.instance, most), max_moves=None)
    if is_feasible(free, target):
        return max(months, -(-int((target != limits.instance.today).sum()) // most))
    fewest = _fewest(limits, most, search)
    return months if fewest is None else -(-int((fewest != limits.instance.today).sum()) // most)


def _cheap_target(steps: Steps, fewest: IntArray, search: _Searches) -> Iterator[IntArray]:
    """Cheapest schedule within the moves of all months, because VMs that move anyway should move to a good start."""
    small = in_small_edits(steps.instance, steps.moves_per_month)
    target = search.solve(replace(small, max_moves=steps.months * steps.moves_per_month), 1, fewest)
    if target is not None:
        yield target


def _find_step(steps: Steps, targets: list[IntArray], writes: Writes, search: _Searches) -> FirstStep:
    """Best step that some order of writes carries out; if none is found, the result of the target's first writes."""
    last = search.part(2)
    clock = last.clock()
    stay = np.zeros(steps.instance.num_vms, dtype=np.bool_)
    for _ in range(MOST_ATTEMPTS):
        step = best_step(steps, targets, last, clock, stay)
        if step is None:
            break
        stuck = writes.stuck(step.options)
        if not stuck:
            return step
        stay[list(stuck)] = True
    return FirstStep(_first_writes(steps.instance, targets[0], writes), targets[0])


def _first_writes(instance: Instance, target: IntArray, writes: Writes) -> IntArray:
    """State after as many of a target's writes, in their order, as the limit on moves allows."""
    best = instance.today.copy()
    reached = best.copy()
    for vms in writes.in_order(target):
        reached[vms] = target[vms]
        if (reached != instance.today).sum() > (instance.max_moves or 0):
            break
        if not_worse_than_today(instance, reached) and not writes.stuck(reached):
            best = reached.copy()
    return best
