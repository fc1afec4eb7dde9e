"""Solve an instance: reference, proven bound, search, finish in CP-SAT; the only entrance to what lies behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.ports import Progress, no_progress
from optimizer.solve.bound import Ascent, ascend, reduced_costs
from optimizer.solve.clock import Beside, SolveClock, Standing
from optimizer.solve.cost import Cost, evaluate, violations
from optimizer.solve.cpsat import Outcome, ScopedModel, whole
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.neighbourhoods import Neighbourhoods
from optimizer.solve.parts import PART_VMS
from optimizer.solve.reference import ReferenceName, find_reference
from optimizer.solve.search import stay_home
from optimizer.solve.strategy import Search, Task

DEFAULT_EFFORT = 100
"""Work is proportional to the effort; 100 is meant for a monthly plan."""

OPTIMALITY_GAP = 1e-4
"""Relative gap between plan and bound below which a plan is called optimal."""

WHOLE_MODEL_VMS = 40
"""Up to this size CP-SAT gets the whole problem at once."""

ROUNDING = 1e-6
"""Relative error of sums of costs."""

LEAST_STEPS, MOST_STEPS, STEPS_TIMES_VMS = 10, 60, 40_000
"""Steps of the bound for each unit of effort: so many divided by the number of VMs, within limits."""

Stopped = Literal["gap", "effort", "time"]


@dataclass(frozen=True, slots=True)
class Result:
    """Answer of :func:`solve`.

    Parameters
    ----------
    outcome
        OPTIMAL or FEASIBLE carry options; INFEASIBLE is proven; UNKNOWN: none found within the effort.
    options
        Shape (V,): start option of each VM; None without a schedule.
    cost
        Its cost; None without a schedule.
    bound
        Proven lower bound on the cost of every feasible schedule.
    reference_name, reference
        The schedule that ``captured`` is measured against: "today" where that keeps the rules, else "greedy".
    stopped
        What ended the search: "gap", "effort" or "time".
    seconds
        Wall-clock time.
    multipliers
        Where the dual was highest: prices of meeting, of moves, of policy writes; None without a schedule.
    """

    outcome: Outcome
    options: IntArray | None
    cost: Cost | None
    bound: float
    reference_name: ReferenceName
    reference: Cost | None
    stopped: Stopped
    seconds: float
    multipliers: Multipliers | None = None

    @property
    def captured(self) -> float:
        """Certified share of all possible improvement.

        ``(reference - plan) / (reference - bound)``, and 1 where the denominator is below 1e-6.
        """
        assert self.cost is not None and self.reference is not None
        return captured(self.reference.total, self.cost.total, self.bound)


def captured(reference: float, plan: float, bound: float) -> float:
    """Certified share of all possible improvement of a plan over a reference."""
    possible = reference - bound
    return 1.0 if possible < 1e-6 else (reference - plan) / possible


def solve(
    instance: Instance,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    progress: Progress = no_progress,
    engine: Engine = SERIAL,
    start: IntArray | None = None,
    multipliers: Multipliers | None = None,
    part_vms: int = PART_VMS,
) -> Result:
    """Find a good schedule and prove how good it is.

    Parameters
    ----------
    instance
        The problem.
    seed
        Of annealing, of the neighbourhoods and of CP-SAT.
    effort
        Work: 10 to 60 times as many steps of the bound, fewer the larger the instance, ``(600 + 0.4 V) * effort``
        rounds of annealing, ``effort / 16`` neighbourhoods.  Equal effort, equal result, whatever the engine.
    time_limit_seconds
        Wall-clock limit; where it cuts in, the result is valid but not repeatable.
    progress
        Told how far the work is, with the best cost and bound so far.
    engine
        Where parts of a large instance are searched.
    start
        Shape (V,): a schedule to begin at, such as that of a problem much like this one; of no use if not feasible.
    multipliers
        Where to begin the bound: those of a problem of the same shape.
    part_vms
        VMs of a part of a large instance; equal parts, equal result.
    """
    clock = SolveClock(time_limit_seconds)
    task = Task(instance, seed, effort, clock, progress, engine, start, multipliers, part_vms)
    solving = Beside(lambda: _solve(task))
    try:
        return solving.result()
    except KeyboardInterrupt:
        clock.cancel()
        raise


def _solve(task: Task) -> Result:
    instance, clock = task.instance, task.clock
    reference_name, reference = find_reference(instance, task.effort, task.seed, clock)
    if not isinstance(reference, np.ndarray):
        return Result(reference, None, None, float("-inf"), reference_name, None, "effort", clock.seconds())
    reference_cost = evaluate(instance, reference)
    standing = Standing(reference_cost.total, task.progress)
    ascent, best = _climb_and_search(task, Search(task, reference, standing), standing)
    bound, best, stopped = _finish(task, ascent, best, standing)
    best = stay_home(instance, best)
    cost = evaluate(instance, best)
    if bound - cost.total <= ROUNDING * max(1.0, abs(cost.total)):
        bound = min(bound, cost.total)  # else the bound is wrong, and the verifier has to see it
    optimal = cost.total - bound <= OPTIMALITY_GAP * max(1.0, abs(cost.total))
    return Result(
        outcome=Outcome.OPTIMAL if optimal else Outcome.FEASIBLE,
        options=best,
        cost=cost,
        bound=bound,
        reference_name=reference_name,
        reference=reference_cost,
        stopped=stopped,
        seconds=clock.seconds(),
        multipliers=ascent.best,
    )


def _climb_and_search(task: Task, search: Search, standing: Standing) -> tuple[Ascent, IntArray]:
    """Bound and schedule: neither needs anything of the other, and compiled code runs side by side.

    The ascent of a small instance is done first; a second search, begun elsewhere, uses the time.
    """
    num_vms = task.instance.num_vms
    steps = task.effort * min(MOST_STEPS, max(LEAST_STEPS, STEPS_TIMES_VMS // max(1, num_vms)))

    def on_step(step: int, bound: float) -> bool:
        if step % 20 == 0 or step == steps:
            standing.report("bound", step, steps, bound=bound)
        return not search.over()

    def climb() -> tuple[Ascent, IntArray | None]:
        ascent = ascend(task.instance, steps, on_step, task.multipliers)
        return ascent, None if search.in_parts else search.again()

    beside = Beside(climb)
    try:
        best = search.first()
    except BaseException:
        task.clock.cancel()
        raise
    ascent, other = beside.result()
    return ascent, best if other is None else min(best, other, key=search.cost)


def _finish(task: Task, ascent: Ascent, best: IntArray, standing: Standing) -> tuple[float, IntArray, Stopped]:
    """CP-SAT: the whole problem where it is small, else neighbourhoods; bound, options and what ended it."""
    instance, seed, clock, bound = task.instance, task.seed, task.clock, ascent.bound
    best_cost = evaluate(instance, best).total
    work = 0.02 * task.effort  # in deterministic seconds of CP-SAT

    def closed() -> bool:
        return best_cost - bound <= OPTIMALITY_GAP * max(1.0, abs(best_cost))

    if instance.num_vms <= WHOLE_MODEL_VMS and not closed() and not clock.over():
        answer = ScopedModel(instance, whole(instance, best)).solve(work, seed, clock.left())
        if answer.bound is not None:
            bound = max(bound, answer.bound)
        best, best_cost = _better(instance, best, best_cost, answer.options)
    if not closed() and instance.movable.any() and not clock.over():
        neighbourhoods = Neighbourhoods(instance, reduced_costs(instance, ascent.best), seed)
        total = max(1, task.effort // 16)
        for number, draw in zip(range(total), neighbourhoods.stream(), strict=False):
            if closed() or clock.over():
                break
            scope = neighbourhoods.scope(draw, best)
            answer = ScopedModel(instance, scope).solve(min(0.2, work), seed + number, clock.left())
            best, best_cost = _better(instance, best, best_cost, answer.options)
            standing.report("neighbourhoods", number + 1, total, cost=best_cost, bound=bound)
    out_of_time = clock.over() or clock.cut_in
    return bound, best, "gap" if closed() else "time" if out_of_time else "effort"


def _better(
    instance: Instance, best: IntArray, best_cost: float, candidate: IntArray | None
) -> tuple[IntArray, float]:
    """The candidate where it is feasible and not worse: ties let the search wander along plateaus."""
    if candidate is None or violations(instance, candidate):
        return best, best_cost
    cost = evaluate(instance, candidate).total
    return (candidate, cost) if cost <= best_cost else (best, best_cost)
