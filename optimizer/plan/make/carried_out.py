"""Search for a schedule that can be carried out write by write, with the rules between VMs kept after each write.

The solver itself makes sure that the limits of policies and vaults can be kept on the way
(:mod:`optimizer.solve.problem.executable`).  Caps and sets that are kept apart or in order may still rule out every
order of writes: two VMs that swap times under a cap of one would overlap for a while, whichever goes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.make.compose import changes_to
from optimizer.plan.together import keep_promise
from optimizer.solve import NoScheduleError, NotFoundWithinEffortError, Search, Solved

MOST_ATTEMPTS = 3
"""Maximum number of times that a case is solved again, each time with more VMs held where they are."""

LEAST_SHARE = 0.15
"""Share of the time limit that is left for such a schedule even if the search has used all of it."""


def solve_in_order(case: Case, known: Iterable[str], solve_case: Callable[[Case], Solved], search: Search) -> Solved:
    """Solve a case so that its schedule can be carried out, with every limit and rule kept after each write.

    If the cheapest schedule has no order of writes, the order becomes part of the problem
    (:mod:`optimizer.solve.exact.stages`).  If that proves too little, VMs that no order of writes can move are held
    where they are, and the case is solved again.  The cheapest schedule that can be carried out is returned; the
    states reached before the first VM gets stuck are candidates as well.

    Parameters
    ----------
    case
        Case to solve.
    known
        ARM ids of every policy of the estate.
    solve_case
        Solves a case, or raises an error.
    search
        Settings of the search, for its effort, gap, seed and time limit.

    Returns
    -------
    Solved
        Answer whose bound is that of the original case, regardless of the VMs held.  It ignores the order of writes
        unless :func:`optimizer.solve.exact.stages.cheapest_in_stages` has proven one that does not.

    Raises
    ------
    NotFoundWithinEffortError
        No schedule was found that can be carried out, and today's schedule breaks a rule.
    """
    clock = search.clock()
    result, known = solve_case(case), tuple(known)
    stuck = changes_to(case, result.options, known).stuck
    if not stuck:
        return result
    options, bound = in_stages(case, result.options, stuck, known, search, clock.left())
    found = [] if options is None else [_Found(options)]
    bound = max(result.bound, bound)
    if not any(_is_good_enough(case, result, one, bound, search.gap) for one in found):
        found += _with_vms_held(case, result, stuck, known, solve_case, lambda: bool(found) and clock.over())
    if result.reference_name == "today":
        found.append(_Found(case.problem.instance.today))
    if not found:
        raise NotFoundWithinEffortError(
            "no schedule was found that can be carried out: VMs would have to change places under rules that must "
            "hold after every single write; loosen max_concurrent, separate or order, or what today's schedule breaks"
        )
    best = min(found, key=lambda one: case.problem.cost(one.options).total)
    cost = case.problem.cost(best.options)
    chosen = replace(
        result,
        options=best.options.copy(),
        cost=cost,
        bound=min(bound, cost.total - best.spreading_costs),
        spreading_costs=best.spreading_costs,
        ended_by=result.ended_by if _is_good_enough(case, result, best, bound, search.gap) else "order",
    )
    return spread_in_order(case, chosen, search.seed, known)


@dataclass(frozen=True, slots=True)
class _Found:
    """A schedule that can be carried out, and what of its cost spreads services."""

    options: IntArray
    spreading_costs: float = 0.0


def _is_good_enough(case: Case, result: Solved, found: _Found, bound: float, gap: float) -> bool:
    """Whether a schedule leaves open no more than the search was allowed to."""
    searched = case.problem.cost(found.options).total - found.spreading_costs
    return replace(result, bound=bound).leaves_open_at_most(gap, searched)


def spread_in_order(case: Case, result: Solved, seed: int, known: Iterable[str]) -> Solved:
    """Spread the services of a schedule if the schedule can still be carried out then."""
    if not case.problem.is_kept_by(result.options):
        return result
    spread = keep_promise(case, result, seed)
    return result if changes_to(case, spread.options, known).stuck else spread


def in_stages(
    case: Case, options: IntArray, stuck: Sequence[int], known: Iterable[str], search: Search, left: float | None
) -> tuple[IntArray | None, float]:
    """Cheapest schedule found whose VMs move in stages, with ties settled, and a bound on schedules with an order.

    Parameters
    ----------
    case
        Case to solve.
    options, stuck
        A schedule, and the VMs that no order of writes can bring to it.
    known
        ARM ids of every policy of the estate.
    search
        Settings of the search.
    left
        Seconds left, or None.

    Returns
    -------
    numpy.ndarray or None, float
        Shape (V,): the schedule; None if none was found that can be carried out.  And the proven lower bound on the
        cost of every schedule that has an order of writes; ``-inf`` if nothing is proven.
    """
    hint, rows = options.copy(), list(stuck)
    hint[rows] = case.problem.instance.today[rows]
    seconds = None
    if left is not None and search.time_limit_seconds is not None:
        seconds = max(left, LEAST_SHARE * search.time_limit_seconds)
    staged = case.problem.in_stages(hint, stuck, search, seconds)
    bound = -math.inf if staged.bound is None else staged.bound
    if staged.options is None:
        return None, bound
    improved = case.problem.improved(staged.options)
    for found in (case.problem.with_ties_settled(improved), improved, staged.options):
        if case.problem.is_kept_by(found) and not changes_to(case, found, known).stuck:
            return found, bound
    return None, bound


def _with_vms_held(
    case: Case,
    result: Solved,
    stuck: Sequence[int],
    known: tuple[str, ...],
    solve_case: Callable[[Case], Solved],
    should_stop: Callable[[], bool],
) -> list[_Found]:
    """Schedules that can be carried out because VMs that are stuck stay where they are."""
    more: list[_Found] = []
    held, again = np.zeros(case.problem.instance.num_vms, dtype=np.bool_), result
    for attempt in range(MOST_ATTEMPTS + 1):
        more += [_Found(options) for options in _without(case, again.options, stuck, known)]
        held[list(stuck)] = True
        holding = _hold(case, held)
        if attempt == MOST_ATTEMPTS or holding is None or should_stop():
            break
        try:
            again = solve_case(holding)
        except (NoScheduleError, NotFoundWithinEffortError):
            break
        stuck = changes_to(case, again.options, known).stuck
        if not stuck:
            more.append(_Found(again.options, again.spreading_costs))
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


def _without(case: Case, options: IntArray, stuck: Iterable[int], known: tuple[str, ...]) -> list[IntArray]:
    """States that the changes reach before VMs get stuck, as they are and improved by single moves, if rules allow."""
    instance, reached = case.problem.instance, options.copy()
    rows = list(stuck)
    reached[rows] = instance.today[rows]
    if not case.problem.is_kept_by(reached):
        return []
    states = [reached, case.problem.improved(reached)]
    return [state for state in states if case.problem.is_kept_by(state) and not changes_to(case, state, known).stuck]
