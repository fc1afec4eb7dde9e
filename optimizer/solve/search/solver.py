"""Solves an instance: a reference, then cycles of bound, search and CP-SAT."""

from __future__ import annotations

import math
from functools import cached_property

from optimizer.engine import SERIAL, Engine
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress, no_progress
from optimizer.solve.bound.ascent import Climb
from optimizer.solve.effort.clock import Beside, Incumbent
from optimizer.solve.effort.cycles import Cycle, cycles
from optimizer.solve.effort.search_settings import DEFAULT_SEARCH, Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.executable import without_impossible_options
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.compile_ahead import SecondCompiler
from optimizer.solve.search.finisher import WHOLE_MODEL_VMS, Finisher
from optimizer.solve.search.reference import Fallback, Reference, find_reference
from optimizer.solve.search.solved import ROUNDING, NotFound, Solved, Unsolvable, leaves_open_at_most
from optimizer.solve.search.strategy import CycleSearch, Task

WHOLE_EFFORT = 25
"""Effort from which a gap is good enough for such a small instance; with more work it may well be proven optimal."""


def solve(
    instance: Instance,
    search: Search = DEFAULT_SEARCH,
    *,
    progress: Progress = no_progress,
    engine: Engine = SERIAL,
    start: IntArray | None = None,
    like: Solved | None = None,
    fallback: Fallback | None = None,
) -> Solved | Unsolvable | NotFound:
    """Find a good schedule and prove how good it is.

    Parameters
    ----------
    instance
        The problem.
    search
        Seed, effort, gap and time limit. An equal search gives an equal result with every engine, unless the time
        limit ends it.
    progress
        Called with how far the work is, and the best cost and bound so far.
    engine
        Engine that searches the parts of a large instance.
    start
        Shape (V,): a schedule to begin at, such as that of a similar problem; it is ignored if it is not feasible.
    like
        Answer to a problem of the same shape, at whose multipliers the bound begins.
    fallback
        See :func:`optimizer.solve.search.reference.find_reference`.

    Returns
    -------
    Solved, Unsolvable or NotFound
        A schedule; a proof that none exists; or neither, if none was found within the effort.
    """
    clock = search.clock()
    multipliers = None if like is None else like.multipliers
    task = Task(without_impossible_options(instance), search, clock, progress, engine, start, multipliers)
    solving = Beside(lambda: _solve(task, fallback))
    try:
        return solving.result()
    except KeyboardInterrupt:
        clock.cancel()
        raise


def _solve(task: Task, fallback: Fallback | None) -> Solved | Unsolvable | NotFound:
    instance, clock = task.instance, task.clock
    with SecondCompiler(instance) as compiler:
        reference = find_reference(instance, task.search, clock, fallback)
        if isinstance(reference, Reference):
            return _Solving(task, reference, compiler).result()
    return reference


class _Solving:
    """Runs cycles of bound, search and CP-SAT, beginning at a reference.

    Parameters
    ----------
    task
        The problem and how to solve it.
    reference
        The schedule to begin at.
    compiler
        Compiles the functions of the bound, if necessary.
    """

    def __init__(self, task: Task, reference: Reference, compiler: SecondCompiler) -> None:
        self._task = task
        self._reference_name = reference.name
        self._reference = evaluate(task.instance, reference.options)
        self._cycles = cycles(task.search.effort, task.instance.num_vms)
        self._incumbent = Incumbent(self._reference.total, self._cycles[-1].end, task.progress)
        self._compiler = compiler
        self._search = CycleSearch(task, reference.options, self._incumbent)
        self._bound = -math.inf

    @cached_property
    def _climb(self) -> Climb:
        """The ascent of the bound, once its functions are compiled."""
        self._compiler.wait()
        return Climb(self._task.instance, self._task.multipliers)

    @cached_property
    def _finisher(self) -> Finisher:
        """CP-SAT, which improves the result of annealing."""
        return Finisher(self._task, self._search, self._climb, self._incumbent)

    def result(self) -> Solved:
        """Work until the gap is closed, or effort or time is used up."""
        for cycle in self._cycles:
            self._climb_and_search(cycle)
            if not self._done(cycle, self._bound):
                self._bound = self._finisher.run(cycle, self._bound, self._done)
            self._search.settle_ties()
            if self._done(cycle, self._bound):
                break
        self._incumbent.finish()
        return self._answer()

    def _answer(self) -> Solved:
        """The best schedule with its bound."""
        clock, within = self._task.clock, self._within(self._task.search.gap, self._bound)
        cost, bound = evaluate(self._task.instance, self._search.best), self._bound
        if bound - cost.total <= ROUNDING * max(1.0, abs(cost.total)):
            bound = min(bound, cost.total)  # a larger excess means that the bound is wrong: the verifier must see it
        return Solved(
            options=self._search.best,
            cost=cost,
            bound=bound,
            reference_name=self._reference_name,
            reference=self._reference,
            ended_by="gap" if within else "time" if clock.over() or clock.stopped_work else "effort",
            seconds=clock.seconds(),
            multipliers=self._climb.best,
        )

    def _done(self, cycle: Cycle, bound: float) -> bool:
        """Whether the search can stop after a cycle with a lower bound."""
        search = self._task.search
        soon = self._task.instance.num_vms <= WHOLE_MODEL_VMS and cycle.end < min(WHOLE_EFFORT, search.effort)
        return self._within(0.0 if soon else search.gap, bound) or self._task.clock.over()

    def _within(self, gap: float, bound: float) -> bool:
        """Whether the gap between plan and bound is at most this share, or the plan is proven optimal."""
        today = self._reference.total if self._reference_name == "today" else None
        return leaves_open_at_most(gap, self._search.best_cost, bound, today)

    def _climb_and_search(self, cycle: Cycle) -> None:
        """Improve bound and schedule in parallel: neither needs the other, and compiled code runs in threads."""
        clock, multipliers = self._task.clock, None if cycle.number == 0 else self._climb.best

        def on_step(step: int, bound: float) -> bool:
            if step % 20 == 0 or step == cycle.steps:
                self._incumbent.report("bound", cycle.reached(step / cycle.steps), bound=bound)
            return not clock.over()

        begun = clock.left()

        def done(step: int) -> float:
            # An ascent that is stopped before it cools down proves little, so it also cools down as time runs out.
            left = clock.left()
            return max(step / cycle.steps, 1 - left / begun if begun and left is not None else 0.0)

        beside = Beside(lambda: self._climb.cycle(cycle.steps, on_step, *cycle.rates, done))
        try:
            self._search.run(cycle, multipliers)
        except BaseException:
            clock.cancel()
            raise
        beside.result()
        self._bound = max(self._bound, self._climb.bound)
