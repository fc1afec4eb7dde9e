"""Solve an instance: reference, proven bound, search, finish in CP-SAT; the only entrance to what lies behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.ports import Progress, no_progress
from optimizer.solve.anneal import anneal
from optimizer.solve.arrays import Arrays, count, pack
from optimizer.solve.bound import Ascent, ascend, reduced_costs
from optimizer.solve.clock import Beside, SolveClock, Standing
from optimizer.solve.cost import Cost, evaluate, violations
from optimizer.solve.cpsat import Outcome, ScopedModel, whole
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.neighbourhoods import Neighbourhoods
from optimizer.solve.parts import PART_VMS, cut, merge, search_part, vault_groups
from optimizer.solve.reference import ReferenceName, find_reference
from optimizer.solve.search import ShouldStop, improve_single_moves, settle, steepest
from optimizer.solve.write_groups import write_groups

DEFAULT_EFFORT = 100
"""Work is proportional to the effort; 100 is meant for a monthly plan."""

OPTIMALITY_GAP = 1e-4
"""Relative gap between plan and bound below which a plan is called optimal."""

WHOLE_MODEL_VMS = 40
"""Up to this size CP-SAT gets the whole problem at once."""

ROUNDING = 1e-6
"""Relative error of sums of costs."""

SEARCH_SHARE = 0.9
"""Share of a time limit that search and ascent may use; the rest is for CP-SAT and for the last settling."""

LEAST_STEPS, MOST_STEPS, STEPS_TIMES_VMS = 10, 60, 40_000
"""Steps of the bound for each unit of effort: so many divided by the number of VMs, within limits."""

ROUNDS_PER_EFFORT, ROUNDS_PER_VM_AND_EFFORT = 600, 0.4
"""Rounds of annealing: the first for any instance, the second grows with it."""

LEAST_PARTS = 3
"""An instance of fewer parts is searched whole."""

WRITE_PRICES = (0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
"""How many times the worth of a write is added to its price, to find schedules with few of them."""

PART_SWEEPS = 2
"""How often a large instance is cut into parts, differently each time."""

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
    solving = Beside(lambda: _solve(instance, seed, effort, clock, progress, engine, start, multipliers, part_vms))
    try:
        return solving.result()
    except KeyboardInterrupt:
        clock.cancel()
        raise


def _solve(
    instance: Instance,
    seed: int,
    effort: int,
    clock: SolveClock,
    progress: Progress,
    engine: Engine,
    start: IntArray | None,
    multipliers: Multipliers | None,
    part_vms: int,
) -> Result:
    reference_name, reference = find_reference(instance, effort, seed, clock)
    if not isinstance(reference, np.ndarray):
        return Result(reference, None, None, float("-inf"), reference_name, None, "effort", clock.seconds())
    reference_cost = evaluate(instance, reference)
    standing = Standing(reference_cost.total, progress)
    steps = effort * min(MOST_STEPS, max(LEAST_STEPS, STEPS_TIMES_VMS // max(1, instance.num_vms)))

    def on_step(step: int, bound: float) -> bool:
        if step % 20 == 0 or step == steps:
            standing.report("bound", step, steps, bound=bound)
        return not clock.over(SEARCH_SHARE)

    def climb_and_search() -> tuple[Ascent, IntArray]:
        ascent = ascend(instance, steps, on_step, multipliers)
        in_parts = instance.num_vms > LEAST_PARTS * part_vms
        return ascent, reference if in_parts else _search_again(instance, reference, seed, effort, clock, standing)

    # The ascent needs nothing of the search and the search nothing of the ascent: compiled code runs side by side.
    # The ascent of a small instance is done first; a second search, begun elsewhere, uses the time.
    beside = Beside(climb_and_search)
    try:
        best = _search(instance, reference, start, seed, effort, clock, standing, engine, part_vms)
    except BaseException:
        clock.cancel()
        raise
    ascent, other = beside.result()
    best = min(best, other, key=lambda options: evaluate(instance, options).total)
    bound, best, stopped = _finish(instance, ascent, best, seed, effort, clock, standing)
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


def _search(
    instance: Instance,
    reference: IntArray,
    start: IntArray | None,
    seed: int,
    effort: int,
    clock: SolveClock,
    standing: Standing,
    engine: Engine,
    part_vms: int,
) -> IntArray:
    """Single moves from what is there, then annealing: of parts where the instance is large, else of the whole."""
    arrays = pack(instance)

    def over() -> bool:
        return clock.over(SEARCH_SHARE)

    begins = [reference]
    if start is not None and not violations(instance, start):
        begins.append(start)
    if instance.max_moves is not None or instance.write_limits:
        begins.append(steepest(instance, reference, over))
    if instance.write_limits:
        begins += _with_few_writes(instance, reference, arrays, seed, effort, over)
    ends = [improve_single_moves(instance, begin, over, arrays) for begin in begins]
    costs = [evaluate(instance, end).total for end in ends]
    best = ends[int(np.argmin(costs))]
    rounds = _rounds(instance, effort)
    standing.report("search", 0, rounds, cost=min(costs))
    if instance.num_vms > LEAST_PARTS * part_vms:
        best = _search_parts(instance, arrays, best, rounds, seed, clock, standing, engine, part_vms)
        rounds = ROUNDS_PER_EFFORT * effort

    def on_round(number: int, cost: float) -> bool:
        standing.report("search", number, rounds, cost=cost)
        return not over()

    annealed = anneal(instance, best, rounds, seed, on_round, arrays)
    annealed = improve_single_moves(instance, annealed, over, arrays)
    candidates = [annealed, best, reference]
    return min(
        (options for options in candidates if not violations(instance, options)),
        key=lambda options: evaluate(instance, options).total,
    )


def _search_again(
    instance: Instance, reference: IntArray, seed: int, effort: int, clock: SolveClock, standing: Standing
) -> IntArray:
    """Annealing with other random numbers; feasible, and never dearer than the reference."""

    def on_round(_rounds: int, cost: float) -> bool:
        standing.improve(cost)
        return not clock.over(SEARCH_SHARE)

    arrays, rounds = pack(instance), _rounds(instance, effort)
    begin = improve_single_moves(instance, reference, lambda: clock.over(SEARCH_SHARE), arrays)
    options = anneal(instance, begin, rounds, seed + 1, on_round, arrays)
    options = improve_single_moves(instance, options, lambda: clock.over(SEARCH_SHARE), arrays)
    return reference if violations(instance, options) else options


def _rounds(instance: Instance, effort: int) -> int:
    """Rounds of annealing for an instance."""
    return round((ROUNDS_PER_EFFORT + ROUNDS_PER_VM_AND_EFFORT * instance.num_vms) * effort)


def _with_few_writes(
    instance: Instance, reference: IntArray, arrays: Arrays, seed: int, effort: int, over: ShouldStop
) -> list[IntArray]:
    """Schedules that keep the limits of writes because writes were made dearer, until few enough were worth it.

    A search that spends the last write too early hardly gets it back.  A short ascent says what a write is worth.
    """
    multipliers = ascend(instance, 4 * effort, lambda *_: not over()).best
    worth = np.zeros(instance.num_keys)
    for (_, keys, _), tau in zip(write_groups(instance), multipliers.tau, strict=True):
        worth[list(keys)] += tau
    found = []
    for times in WRITE_PRICES:
        dearer = arrays._replace(
            policy_price=arrays.policy_price + times * np.maximum(worth, instance.policy_write_price),
            group_limit=np.full_like(arrays.group_limit, instance.num_vms),
        )
        options = anneal(instance, reference, ROUNDS_PER_EFFORT * effort // len(WRITE_PRICES), seed, arrays=dearer)
        if not violations(instance, options):
            found.append(options)
            if len(found) == 2 or over():  # the next are dearer still
                break
    return found


def _search_parts(
    instance: Instance,
    arrays: Arrays,
    options: IntArray,
    rounds: int,
    seed: int,
    clock: SolveClock,
    standing: Standing,
    engine: Engine,
    part_vms: int,
) -> IntArray:
    """Anneal parts side by side, put them together, cut differently, again."""
    counts, random = count(instance, options), np.random.default_rng(seed)
    cost = evaluate(instance, options).total
    for sweep in range(PART_SWEEPS):
        if clock.over(SEARCH_SHARE):
            break
        groups = vault_groups(instance, random.permutation(len(instance.vault_room)).tolist(), part_vms)
        left = clock.left(SEARCH_SHARE * (sweep + 1) / PART_SWEEPS)
        parts = [
            cut(
                arrays,
                counts,
                vms,
                share=1 / len(groups),
                num_rounds=round(rounds / PART_SWEEPS * len(vms) / instance.num_vms),
                seed=seed + 1 + sweep * len(groups) + number,
                movable=instance.movable,
                seconds=None if left is None else left * min(1.0, engine.num_workers / len(groups)),
            )
            for number, vms in enumerate(groups)
        ]

        found = engine.map(search_part, parts, label="parts", progress=_PartsDone(standing, sweep))
        clock.cut_in |= any(stopped for _, stopped in found)
        cost += merge(arrays, counts, [(part, best) for part, (best, _) in zip(parts, found, strict=True)])
        cost += settle(arrays, counts, np.flatnonzero(instance.movable), lambda: clock.over(SEARCH_SHARE))
        standing.report("parts", (sweep + 1) * len(parts), PART_SWEEPS * len(parts), cost=cost)
    return counts.options


@dataclass(frozen=True, slots=True)
class _PartsDone:
    """Tells how many parts of all sweeps are searched; a :class:`optimizer.ports.Progress`."""

    standing: Standing
    sweep: int

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:  # noqa: ARG002  # it has its own
        self.standing.report(stage, self.sweep * total + done, PART_SWEEPS * total)


def _finish(
    instance: Instance,
    ascent: Ascent,
    best: IntArray,
    seed: int,
    effort: int,
    clock: SolveClock,
    standing: Standing,
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
    if not closed() and instance.movable.any() and not clock.over():
        neighbourhoods = Neighbourhoods(instance, reduced_costs(instance, ascent.best), seed)
        total = max(1, effort // 16)
        for number, draw in zip(range(total), neighbourhoods.stream(), strict=False):
            if closed() or clock.over():
                break
            scope = neighbourhoods.scope(draw, best)
            answer = ScopedModel(instance, scope).solve(0.2, seed + number, clock.left())
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
