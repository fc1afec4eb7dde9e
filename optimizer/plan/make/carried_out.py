"""Search for a schedule that can be carried out write by write, with the rules between VMs kept after each write.

The solver itself makes sure that the limits of policies and vaults can be kept on the way
(:mod:`optimizer.solve.problem.executable`). Caps and sets that are kept apart or in order may still rule out every
order of writes: two VMs that swap times under a cap of one would overlap for a while, whichever goes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.together import spread_services
from optimizer.solve import NoScheduleError, NotFoundWithinEffortError, Search, Solved

MOST_ATTEMPTS = 3
"""Maximum number of times that a case is solved again, each time with more VMs held where they are."""

LEAST_SHARE = 0.15
"""Share of the time limit that is left for such a schedule even if the search has used all of it."""


def solve_in_order(writes: CaseWrites, solve_case: Callable[[Case], Solved], search: Search) -> Solved:
    """Solve a case so that its schedule can be carried out, with every limit and rule kept after each write.

    If the cheapest schedule has no order of writes, the order becomes part of the problem
    (:mod:`optimizer.solve.exact.stages`). If that proves too little, VMs that no order of writes can move are held
    where they are, and the case is solved again. The cheapest schedule that can be carried out is returned; the
    states reached before the first VM gets stuck are candidates as well.

    Parameters
    ----------
    writes
        Writes of the case to solve.
    solve_case
        Solves a case, or raises an error.
    search
        Settings of the search, for its effort, gap, seed and time limit.

    Returns
    -------
    Solved
        Answer whose bound is that of the original case, regardless of the VMs held. It ignores the order of writes
        unless :func:`optimizer.solve.exact.stages.cheapest_in_stages` has proven one that does not.

    Raises
    ------
    NotFoundWithinEffortError
        No schedule was found that can be carried out, and today's schedule breaks a rule.
    """
    clock, case = search.clock(), writes.case
    result = solve_case(case)
    stuck = writes.stuck(result.options)
    if not stuck:
        return result
    options, bound = cheapest_in_order(writes, result.options, stuck, search, clock.left())
    bound = max(result.bound, bound)
    candidates = [] if options is None else [_Candidate(options)]
    if not any(_is_good_enough(case, result, candidate, bound, search.gap) for candidate in candidates):
        candidates += _with_vms_held(writes, result, solve_case, lambda: bool(candidates) and clock.over())
    if result.reference_name == "today":
        candidates.append(_Candidate(case.problem.instance.today))
    if not candidates:
        raise NotFoundWithinEffortError(
            "no schedule was found that can be carried out: VMs would have to change places under rules that must "
            "hold after every single write; loosen max_concurrent, separate or order, or what today's schedule breaks"
        )
    best = min(candidates, key=lambda candidate: case.problem.cost(candidate.options).total)
    cost = case.problem.cost(best.options)
    chosen = replace(
        result,
        options=best.options.copy(),
        cost=cost,
        bound=min(bound, cost.total - best.spreading_costs),
        spreading_costs=best.spreading_costs,
        ended_by=result.ended_by if _is_good_enough(case, result, best, bound, search.gap) else "order",
    )
    return spread_in_order(writes, chosen, search.seed)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A schedule that can be carried out, and the part of its cost that spreads services."""

    options: IntArray
    spreading_costs: float = 0.0


def _is_good_enough(case: Case, result: Solved, candidate: _Candidate, bound: float, gap: float) -> bool:
    """Whether a schedule leaves open no more than the search was allowed to."""
    searched = case.problem.cost(candidate.options).total - candidate.spreading_costs
    return replace(result, bound=bound).leaves_open_at_most(gap, searched)


def spread_in_order(writes: CaseWrites, result: Solved, seed: int) -> Solved:
    """Spread the services of a schedule if the schedule can still be carried out then."""
    if not writes.case.problem.is_kept_by(result.options):
        return result
    spread = spread_services(writes.case, result, seed)
    return result if writes.stuck(spread.options) else spread


def cheapest_in_order(
    writes: CaseWrites, options: IntArray, stuck: Sequence[int], search: Search, left: float | None
) -> tuple[IntArray | None, float]:
    """Cheapest schedule found whose VMs move in stages, with ties settled, and a bound on schedules with an order.

    Parameters
    ----------
    writes
        Writes of the case to solve.
    options, stuck
        A schedule, and the VMs that no order of writes can bring to it.
    search
        Settings of the search.
    left
        Seconds left, or None.

    Returns
    -------
    numpy.ndarray or None, float
        Shape (V,): the schedule; None if none was found that can be carried out. And the proven lower bound on the
        cost of every schedule that has an order of writes; ``-inf`` if nothing is proven.
    """
    problem, hint, rows = writes.case.problem, options.copy(), list(stuck)
    hint[rows] = problem.instance.today[rows]
    seconds = None
    if left is not None and search.time_limit_seconds is not None:
        seconds = max(left, LEAST_SHARE * search.time_limit_seconds)
    staged = problem.cheapest_in_stages(hint, stuck, search, seconds)
    bound = -math.inf if staged.bound is None else staged.bound
    if staged.options is None:
        return None, bound
    improved = problem.improved(staged.options)
    for schedule in (problem.with_ties_settled(improved), improved, staged.options):
        if _is_possible(writes, schedule):
            return schedule, bound
    return None, bound


def _with_vms_held(
    writes: CaseWrites,
    result: Solved,
    solve_case: Callable[[Case], Solved],
    should_stop: Callable[[], bool],
) -> list[_Candidate]:
    """Schedules that can be carried out because stuck VMs stay at their starts."""
    more: list[_Candidate] = []
    held, again = np.zeros(writes.case.problem.instance.num_vms, dtype=np.bool_), result
    for attempt in range(MOST_ATTEMPTS + 1):
        stuck = writes.stuck(again.options)
        if not stuck:
            more.append(_Candidate(again.options, again.spreading_costs))
            break
        more += map(_Candidate, _without(writes, again.options, stuck))
        held[list(stuck)] = True
        holding = _hold(writes.case, held)
        if attempt == MOST_ATTEMPTS or holding is None or should_stop():
            break
        try:
            again = solve_case(holding)
        except (NoScheduleError, NotFoundWithinEffortError):
            break
    return more


def _hold(case: Case, held: np.ndarray) -> Case | None:
    """The case with some VMs held at today's start; None if rules forbid that for all of them."""
    instance = case.problem.instance
    rows = np.flatnonzero(held & instance.allowed[np.arange(instance.num_vms), instance.today])
    if not len(rows):
        return None
    allowed = instance.allowed.copy()
    allowed[rows] = False
    allowed[rows, instance.today[rows]] = True
    return replace(case, problem=case.problem.with_instance(replace(instance, allowed=allowed)))


def _without(writes: CaseWrites, options: IntArray, stuck: Iterable[int]) -> list[IntArray]:
    """States that the changes reach before VMs get stuck, as they are and improved by single moves, if rules allow."""
    problem, reached = writes.case.problem, options.copy()
    rows = list(stuck)
    reached[rows] = problem.instance.today[rows]
    if not problem.is_kept_by(reached):
        return []
    return [state for state in (reached, problem.improved(reached)) if _is_possible(writes, state)]


def _is_possible(writes: CaseWrites, options: IntArray) -> bool:
    """Whether a schedule keeps every rule, and an order of writes leads to it."""
    return writes.case.problem.is_kept_by(options) and not writes.stuck(options)
