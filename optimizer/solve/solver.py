"""Solve an instance: reference, proven bound, search, finish in CP-SAT; the only entrance to what lies behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.ports import Progress, no_progress
from optimizer.solve.anneal import anneal
from optimizer.solve.baselines import greedy, todays
from optimizer.solve.bound import Ascent, Dual, ascend
from optimizer.solve.cost import Cost, evaluate, overfull_caps, row_counts, violations
from optimizer.solve.cpsat import (
    FAMILIES,
    Outcome,
    Scope,
    ScopedModel,
    add_linear_cost,
    add_move_limit,
    add_shared_cost,
    whole,
)
from optimizer.solve.instance import NO_CAP, Instance, IntArray
from optimizer.solve.neighbourhoods import Neighbourhoods
from optimizer.solve.search import BLOCKED, State, feasible, improve_single_moves, steepest

DEFAULT_EFFORT = 100
"""Work is proportional to the effort; 100 is meant for a monthly plan."""

OPTIMALITY_GAP = 1e-4
"""Relative gap between plan and bound below which a plan is called optimal."""

WHOLE_MODEL_VMS = 40
"""Up to this size CP-SAT gets the whole problem at once."""

REPAIR_ROUNDS = 30

ROUNDING = 1e-6
"""Relative error of sums of costs."""

CONSTRAINTS = tuple(family for family in FAMILIES if family not in (add_linear_cost, add_shared_cost))
"""Families without a price: what makes a schedule feasible."""

OPENING_SHARES = (0.2, 0.4, 0.6)
"""A start is opened where the relaxed solutions opened it in more than this share of the later steps."""


ReferenceName = Literal["today", "greedy"]
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
    """

    outcome: Outcome
    options: IntArray | None
    cost: Cost | None
    bound: float
    reference_name: ReferenceName
    reference: Cost | None
    stopped: Stopped
    seconds: float

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


class _Clock:
    """Wall-clock limit; says whether it cut in."""

    def __init__(self, limit_seconds: float | None) -> None:
        self.began = time.monotonic()
        self._limit = limit_seconds
        self.cut_in = False

    def left(self, share: float = 1.0) -> float | None:
        """Seconds left until a share of the limit, or None without a limit."""
        if self._limit is None:
            return None
        return max(0.0, self._limit * share - self.seconds())

    def over(self, share: float = 1.0) -> bool:
        """Whether a share of the limit is used up; remembers that it cut in."""
        over = self._limit is not None and self.seconds() >= self._limit * share
        self.cut_in |= over
        return over

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began


def solve(
    instance: Instance,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    progress: Progress = no_progress,
) -> Result:
    """Find a good schedule and prove how good it is.

    Parameters
    ----------
    instance
        The problem.
    seed
        Of the neighbourhoods and of CP-SAT.
    effort
        Work: ``15 * effort`` steps of the bound, ``40 * effort`` rounds of annealing, ``effort / 16`` neighbourhoods.
        Equal effort, equal result.
    time_limit_seconds
        Wall-clock limit; where it cuts in, the result is valid but not repeatable.
    progress
        Told how far the work is.
    """
    clock = _Clock(time_limit_seconds)
    reference_name, reference = _reference(instance, effort, seed, clock)
    if not isinstance(reference, np.ndarray):
        return Result(reference, None, None, float("-inf"), reference_name, None, "effort", clock.seconds())

    steps = 15 * effort if instance.num_vms <= 5000 else 7 * effort

    def on_step(step: int, bound: float) -> bool:
        if step % 20 == 0 or step == steps:
            progress("bound", step, steps, f"bound {bound:.2f}")
        return not clock.over(0.4)

    ascent = ascend(instance, steps, on_step)
    best = _search(instance, ascent, reference, seed, effort, clock, progress)
    bound, best, stopped = _finish(instance, ascent, best, seed, effort, clock, progress)
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
        reference=evaluate(instance, reference),
        stopped=stopped,
        seconds=clock.seconds(),
    )


def _reference(instance: Instance, effort: int, seed: int, clock: _Clock) -> tuple[ReferenceName, IntArray | Outcome]:
    """Today's schedule where it keeps the rules, else a greedy one, else any; or why there is none."""
    if not violations(instance, todays(instance)):
        return "today", todays(instance)
    if not instance.allowed.any(axis=1).all() or overfull_caps(instance, instance.allowed):
        return "greedy", Outcome.INFEASIBLE
    placed = repair(instance, greedy(instance))
    if not violations(instance, placed):
        return "greedy", placed
    placed = _settle_caps(instance, placed, effort, seed, clock)
    if not violations(instance, placed):
        return "greedy", placed
    answer = ScopedModel(instance, whole(instance, placed), CONSTRAINTS).solve(0.5 * effort, seed, clock.left())
    if answer.options is None:
        return "greedy", answer.outcome
    return "greedy", answer.options


def _settle_caps(instance: Instance, options: IntArray, effort: int, seed: int, clock: _Clock) -> IntArray:
    """Let CP-SAT place the VMs of one overfull capped group at a time, all others where they are.

    Windows have to be packed tightly where a cap is tight, which moving single VMs does not find.
    """
    rows = instance.rows
    for group in np.unique(rows.group[row_counts(instance, options) > rows.cap]).tolist():
        of_group = np.append((rows.group == group) & (rows.cap != NO_CAP), False)
        class_concerned = np.asarray(of_group[instance.touched].any(axis=(1, 2)))
        concerned = class_concerned[instance.vm_class] & instance.movable
        free = {v: np.flatnonzero(instance.allowed[v]).tolist() for v in np.flatnonzero(concerned).tolist()}
        # The caps of other groups that are still overfull must not make this one's problem infeasible.
        model = ScopedModel(instance, Scope(free, options), [f for f in CONSTRAINTS if f is not add_move_limit])
        answer = model.solve(0.1 * effort, seed, clock.left())
        if answer.options is not None:
            options = answer.options
    return options


def _search(
    instance: Instance,
    ascent: Ascent,
    reference: IntArray,
    seed: int,
    effort: int,
    clock: _Clock,
    progress: Progress,
) -> IntArray:
    """Single moves from the reference and from roundings of the relaxed solutions, then annealing from the best."""
    reduced = np.where(instance.allowed, Dual(instance).reduced_costs(ascent.best), np.inf)
    starts = [reference]
    for share in OPENING_SHARES:
        opened = (ascent.opened_share > share) | (instance.existing > 0)
        rounded = np.where(opened[instance.key], reduced, reduced + BLOCKED).argmin(axis=1)
        starts.append(repair(instance, rounded))

    def over() -> bool:
        return clock.over(0.9)

    if instance.max_moves is not None:
        starts.append(steepest(instance, reference, over))
    ends = [(evaluate(instance, reference).total, 0, reference)]
    for start in starts:
        if not over() and not violations(instance, start):
            state = State(instance, start)
            improve_single_moves(state, range(instance.num_vms), over)
            if not violations(instance, state.options):
                ends.append((state.cost(), len(ends), state.options))
    best_cost, _, best = min(ends, key=lambda end: end[:2])
    rounds = 40 * effort

    def on_round(number: int, cost: float) -> bool:
        if number % 100 == 0 or number == rounds:
            progress("search", number, rounds, f"cost {cost:.2f}")
        return not over()

    annealed = anneal(State(instance, best), rounds, seed, on_round)
    state = State(instance, annealed)
    improve_single_moves(state, range(instance.num_vms), over)
    if violations(instance, state.options) or evaluate(instance, state.options).total > best_cost:
        return best
    return state.options


def repair(instance: Instance, options: IntArray) -> IntArray:
    """Put VMs that meet above a cap, or whose move is one too many, elsewhere; some rounds, no promise.

    Minimum conflicts: the VMs concerned go, one after the other in random order, where fewest caps are broken, and
    cheapest among those (Minton, Johnston, Philips, Laird, Artificial Intelligence 58, 1992).
    """
    state, random = State(instance, options), np.random.default_rng(0)
    for _ in range(REPAIR_ROUNDS):
        if feasible(state):
            break
        over = np.flatnonzero(state.counts[:-1] > instance.rows.cap)
        touched = instance.touched[instance.vm_class, state.options]
        crowded = np.isin(touched, over).any(axis=1)
        if instance.max_moves is not None and state.num_moves > instance.max_moves:
            crowded |= state.options != instance.today
        if not crowded.any():
            break
        for v in random.permutation(np.flatnonzero(crowded & instance.movable)).tolist():
            state.remove(v)
            state.add(v, int(np.argmin(state.prices(v))))
    return state.options


def _finish(
    instance: Instance,
    ascent: Ascent,
    best: IntArray,
    seed: int,
    effort: int,
    clock: _Clock,
    progress: Progress,
) -> tuple[float, IntArray, Stopped]:
    """CP-SAT: the whole problem where it is small, else neighbourhoods; bound, options and what ended it."""
    bound = ascent.bound
    best_cost = evaluate(instance, best).total

    def closed() -> bool:
        return best_cost - bound <= OPTIMALITY_GAP * max(1.0, abs(best_cost))

    if instance.num_vms <= WHOLE_MODEL_VMS and not closed() and not clock.over():
        answer = ScopedModel(instance, whole(instance, best)).solve(0.02 * effort, seed, clock.left())
        if answer.bound is not None:
            bound = max(bound, answer.bound)
        best, best_cost = _better(instance, best, best_cost, answer.options)
    if not closed() and instance.movable.any():
        neighbourhoods = Neighbourhoods(instance, Dual(instance).reduced_costs(ascent.best), seed)
        total = max(1, effort // 16)
        for number, draw in zip(range(total), neighbourhoods.stream(), strict=False):
            if closed() or clock.over():
                break
            scope = neighbourhoods.scope(draw, best)
            answer = ScopedModel(instance, scope).solve(0.2, seed + number, clock.left())
            best, best_cost = _better(instance, best, best_cost, answer.options)
            progress("neighbourhoods", number + 1, total, f"cost {best_cost:.2f}")
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
