"""Whether any part of the solver that proves something proves too much, against all schedules of a tiny instance.

Looked at are the CP-SAT model, whole and of a neighborhood, the bounds of single assignments and of numbers of moves,
and the models that say why there is no schedule.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.solve.bound.ascent import ascend, forced_bounds
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import ModelAnswer, ScopedModel, SolveStatus, Subproblem, whole
from optimizer.solve.moves.curve import trace_moves
from optimizer.solve.problem.cost import evaluate, excess_of, is_feasible, policy_counts, policy_writes
from optimizer.solve.problem.executable import extra_writes
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limits
from optimizer.solve.problem.write_groups import write_groups
from optimizer.solve.why_not.changes import Change, loosened
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from tests.benchmarks.random_problems import cheapest_first
from tests.benchmarks.tight_problems import Judge
from tests.solve.examples import Problem

MOST_SCHEDULES = 1500
"""Instances with more schedules are left out: each is judged by plain loops."""

WORK = 20.0
"""Deterministic seconds of CP-SAT for one question; tiny instances need far less."""

MOST_RINGS = 20
"""Times that a model is asked again because its schedule moved VMs round between full policies."""

ROUNDING = 1e-6
PRICES_ROUNDED_DOWN = 1e-5
"""By this much CP-SAT's choice, made with rounded prices, may differ from the optimum."""


class Schedules:
    """All feasible schedules of a tiny instance with their costs.

    Parameters
    ----------
    options
        Shape (num_schedules, V).
    costs
        Shape (num_schedules,), ascending.
    """

    def __init__(self, options: IntArray, costs: FloatArray) -> None:
        self.options, self.costs = options, costs

    def least(self, chosen: BoolArray) -> float | None:
        """Cost of the cheapest of some schedules, shape (num_schedules,); None where there is none."""
        return float(self.costs[chosen].min()) if chosen.any() else None


def all_schedules(problem: Problem, instance: Instance, judge: Judge) -> Schedules | None:
    """Feasible schedules with the price that the judge adds; None where there are too many to judge."""
    if int(np.prod(instance.allowed.sum(axis=1))) > MOST_SCHEDULES:
        return None
    found = [
        (cost + extra, options)
        for cost, options in cheapest_first(instance)
        if (extra := judge(problem, options)) is not None
    ]
    found.sort(key=lambda one: one[0])
    costs = np.array([cost for cost, _ in found])
    return Schedules(np.array([options for _, options in found]).reshape(-1, instance.num_vms), costs)


def faults_of_parts(
    problem: Problem, instance: Instance, schedules: Schedules, random: np.random.Generator
) -> list[str]:
    """What is proven of an instance although some schedule shows otherwise, in words."""
    faults = [*_of_whole_model(instance, schedules), *_of_why_not(problem, instance, schedules)]
    if len(schedules.costs):
        faults += _of_neighborhood(instance, schedules, random)
        faults += _of_forced_bounds(instance, schedules)
        faults += _of_moves_curve(instance, schedules)
    return faults


def _of_whole_model(instance: Instance, schedules: Schedules) -> Iterator[str]:
    answer = ScopedModel(instance, whole(instance, instance.today)).solve(WORK, 0)
    if answer.bound is not None and len(schedules.costs) and answer.bound > schedules.costs[0] + ROUNDING:
        yield f"the whole model's bound {answer.bound:.6f} is above the optimum {schedules.costs[0]:.6f}"
    answer = _asked(ScopedModel(instance, whole(instance, instance.today)))
    yield from _compared("the whole model", instance, answer, schedules, _every(schedules))


def _every(schedules: Schedules) -> BoolArray:
    return np.ones(len(schedules.costs), dtype=np.bool_)


def _asked(model: ScopedModel) -> ModelAnswer:
    """The answer of a model, with the rings of full policies forbidden that it does not know of."""
    answer = model.solve(WORK, 0)
    for seed in range(1, MOST_RINGS):
        if answer.options is None or is_feasible(model.instance, answer.options):
            break
        if not model.open_rings(answer.options):
            break
        answer = model.solve(WORK, seed)
    return answer


def _breaks_only_the_order_of_writes(instance: Instance, options: IntArray) -> bool:
    """Whether a schedule keeps everything but that no order of writes leads to it."""
    excess = excess_of(instance, options)
    writes = policy_writes(instance, policy_counts(instance, options)).sum(axis=1)
    over = any(writes[list(limit.keys)].sum() > limit.limit for limit in write_groups(instance))
    only_writes_on_the_way = bool(excess.write_limits) and not over
    others = (*excess.forbidden, *excess.rows, *excess.shut, *(() if only_writes_on_the_way else excess.write_limits))
    return (bool(len(excess.stuck)) or only_writes_on_the_way) and not excess.moves and not others


def _compared(
    name: str, instance: Instance, answer: ModelAnswer, schedules: Schedules, among: BoolArray
) -> Iterator[str]:
    """Compare what a model has found with the cheapest of the schedules that it could choose from.

    A model may leave out what only the order of writes costs or forbids; it may not ask for more than that.
    """
    best, options = schedules.least(among), answer.options
    only_order = options is not None and _breaks_only_the_order_of_writes(instance, options)
    if best is None:
        if answer.outcome is not SolveStatus.INFEASIBLE and not only_order:
            yield f"{name} says {answer.outcome}, but there is no schedule"
        return
    if answer.outcome is not SolveStatus.OPTIMAL or options is None:
        yield f"{name} says {answer.outcome}, but a schedule costs {best:.6f}"
        return
    if not only_order and schedules.least(among & (schedules.options == options).all(axis=1)) is None:
        yield f"{name} finds a schedule that breaks a rule"
    extra = extra_writes(instance, options, policy_counts(instance, options))[0]
    found = evaluate(instance, options).total - instance.policy_write_price * int(extra.sum())
    if found > best + PRICES_ROUNDED_DOWN:
        yield f"{name} finds {found:.6f}, but a schedule costs {best:.6f}"


def _of_neighborhood(instance: Instance, schedules: Schedules, random: np.random.Generator) -> Iterator[str]:
    """Free some VMs of a random feasible schedule; all others stay fixed."""
    incumbent = schedules.options[int(random.integers(len(schedules.options)))]
    free = np.flatnonzero(random.random(instance.num_vms) < 0.6)
    scope = Subproblem({v: np.flatnonzero(instance.allowed[v]).tolist() for v in free.tolist()}, incumbent)
    answer = _asked(ScopedModel(instance, scope))
    fixed = np.setdiff1d(np.arange(instance.num_vms), free)
    among = np.asarray((schedules.options[:, fixed] == incumbent[fixed]).all(axis=1))
    yield from _compared("a neighborhood", instance, answer, schedules, among)


def _of_forced_bounds(instance: Instance, schedules: Schedules) -> Iterator[str]:
    at = ascend(instance, 100).best
    for name, bounds in (("forced", forced_bounds(instance, at)), ("sharp", sharp_forced_bounds(instance, at))):
        for v, t in np.argwhere(instance.allowed).tolist():
            best = schedules.least(schedules.options[:, v] == t)
            if best is not None and bounds[v, t] > best + ROUNDING:
                yield f"{name} bound {bounds[v, t]:.6f} of VM {v} at {t}, but a schedule costs {best:.6f}"


def _of_moves_curve(instance: Instance, schedules: Schedules) -> Iterator[str]:
    moves = (schedules.options != instance.today).sum(axis=1)
    bound = ascend(instance, 100).bound
    points = trace_moves(instance, schedules.options[0], bound, Search(effort=5))
    if points[0].max_moves > moves.min():
        yield f"the moves curve begins with {points[0].max_moves} moves, but a schedule has {moves.min()}"
    for point in points:
        best = schedules.least(moves <= point.max_moves)
        if best is None or point.cost < best - ROUNDING:
            yield f"the moves curve has {point.cost:.6f} with {point.max_moves} moves, which no schedule has"
        elif point.bound > best + ROUNDING:
            yield f"the moves curve's bound {point.bound:.6f} with {point.max_moves} moves is above {best:.6f}"


def _of_why_not(problem: Problem, instance: Instance, schedules: Schedules) -> Iterator[str]:
    """All limits together, and all but one of those that can be dropped."""
    limits = Limits(instance, problem.restrictions, problem.rules)
    feasibility = Feasibility(limits, Budget(100 * WORK))
    outcome = feasibility.check(limits.all).outcome
    if (outcome is SolveStatus.INFEASIBLE) != (not len(schedules.costs)):
        yield f"why not says {outcome} with {len(schedules.costs)} schedules"
    for limit in limits.all:
        relaxed = loosened(limits, [Change(limit)]).instance
        if not limit.can_go or int(np.prod(relaxed.allowed.sum(axis=1).astype(float))) > MOST_SCHEDULES:
            continue
        outcome = feasibility.check(frozenset(limits.all) - {limit}).outcome
        there = any(is_feasible(relaxed, options) for _, options in cheapest_first(relaxed))
        if (outcome is SolveStatus.INFEASIBLE) == there:
            yield f"why not says {outcome} without {limit.name!r}"
