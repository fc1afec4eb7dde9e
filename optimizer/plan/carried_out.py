"""Search for a schedule that can be carried out write by write, with the rules between VMs kept after each write.

The solver itself makes sure that the limits of policies and vaults can be kept on the way
(:mod:`optimizer.solve.executable`).  Caps and sets that are kept apart or in order may still rule out every order of
writes: two VMs that swap times under a cap of one would overlap for a while, whichever goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.compose import changes_to
from optimizer.solve import NoScheduleError, NotFoundWithinEffortError, Solved

MOST_ATTEMPTS = 3
"""Maximum number of times that a case is solved again, each time with more VMs held where they are."""


def solve_in_order(case: Case, known: Iterable[str], solve_case: Callable[[Case], Solved]) -> Solved:
    """Solve a case so that its schedule can be carried out, with every limit and rule kept after each write.

    VMs that no order of writes can move are held where they are, and the case is solved again.  The cheapest schedule
    that can be carried out is returned; the states reached before the first VM gets stuck are candidates as well.

    Parameters
    ----------
    case
        Case to solve.
    known
        ARM ids of every policy of the estate.
    solve_case
        Solves a case, or raises an error.

    Returns
    -------
    Solved
        Answer whose bound is that of the original case, regardless of the VMs held.

    Raises
    ------
    NotFoundWithinEffortError
        No schedule was found that can be carried out, and today's schedule breaks a rule.
    """
    result = solve_case(case)
    known = tuple(known)
    stuck = changes_to(case, result.options, known).stuck
    if not stuck:
        return result
    found: list[IntArray] = [case.problem.instance.today] if result.reference_name == "today" else []
    held, again = np.zeros(case.problem.instance.num_vms, dtype=np.bool_), result
    for attempt in range(MOST_ATTEMPTS + 1):
        found += _without(case, again.options, stuck, known)
        held[list(stuck)] = True
        holding = _hold(case, held)
        if attempt == MOST_ATTEMPTS or holding is None:
            break
        try:
            again = solve_case(holding)
        except (NoScheduleError, NotFoundWithinEffortError):
            break
        stuck = changes_to(case, again.options, known).stuck
        if not stuck:
            found.append(again.options)
            break
    if not found:
        raise NotFoundWithinEffortError(
            "no schedule was found that can be carried out: VMs would have to change places under rules that must "
            "hold after every single write; loosen max_concurrent, separate or order, or what today's schedule breaks"
        )
    best = min(found, key=lambda options: case.problem.cost(options).total)
    return result.with_schedule(case.problem.instance, best.copy())


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
