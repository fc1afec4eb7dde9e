"""The schedule that a plan is compared with: today's if it keeps every rule, otherwise one that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import (
    FAMILIES,
    MOST_RINGS,
    ScopedModel,
    SolveStatus,
    Subproblem,
    add_allowed_options,
    add_gates,
    add_linear_cost,
    add_max_concurrent,
    add_move_limit,
    add_one_option_per_vm,
    add_shared_cost,
    whole,
)
from optimizer.solve.problem.cost import is_feasible, overfull_caps, row_counts, shut_gates
from optimizer.solve.problem.instance import NO_CAP, Instance
from optimizer.solve.search.baselines import greedy, todays
from optimizer.solve.search.single_moves import repair
from optimizer.solve.search.solved import NotFound, ReferenceName, Unsolvable

FIRST_WORK, WORK_GROWTH, WORK_PER_EFFORT = 0.5, 4.0, 0.5
"""Limits of CP-SAT in its deterministic seconds: the first one, its growth factor, and the last per unit of effort."""

PLACEMENT = (add_one_option_per_vm, add_allowed_options, add_linear_cost, add_max_concurrent, add_gates)
"""Families of constraints on where VMs may be, and at what risk: small enough for thousands of VMs at once."""

CONSTRAINTS = tuple(family for family in FAMILIES if family not in (add_linear_cost, add_shared_cost))
"""Families without a price: those that make a schedule feasible."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The schedule that a plan is compared with, and its name; ``options`` has shape (V,) and keeps every limit."""

    name: ReferenceName
    options: IntArray


Fallback = Callable[[], IntArray | SolveStatus | None]
"""Called if no schedule is found easily. Returns a schedule, INFEASIBLE if it is proven that none exists, or None."""


def find_reference(
    instance: Instance, search: Search, clock: SolveClock, fallback: Fallback | None = None
) -> Reference | Unsolvable | NotFound:
    """Find today's schedule if it keeps the rules, otherwise a greedy one, otherwise any; or say that none exists.

    CP-SAT is called with more and more work, so that whatever is found with some effort is also found with more.

    Parameters
    ----------
    instance, search, clock
        The problem, how much work to spend on it, and the time that is left.
    fallback
        Called before CP-SAT, which takes long to prove that no schedule exists. A schedule that it returns is used if
        placing groups of VMs does not find one.
    """
    if is_feasible(instance, todays(instance)):
        return Reference("today", todays(instance))
    if not instance.allowed.any(axis=1).all() or overfull_caps(instance, instance.allowed):
        return Unsolvable(clock.seconds())
    placed = repair(instance, greedy(instance))
    if is_feasible(instance, placed):
        return Reference("greedy", placed)
    known = None if fallback is None else fallback()
    if known is SolveStatus.INFEASIBLE:
        return Unsolvable(clock.seconds())
    usable = known if isinstance(known, np.ndarray) and is_feasible(instance, known) else None
    return _reference_of(_ask_cpsat(instance, placed, usable, search, clock), clock)


def _reference_of(answer: IntArray | SolveStatus, clock: SolveClock) -> Reference | Unsolvable | NotFound:
    if isinstance(answer, np.ndarray):
        return Reference("greedy", answer)
    return Unsolvable(clock.seconds()) if answer is SolveStatus.INFEASIBLE else NotFound(clock.seconds())


def _ask_cpsat(
    instance: Instance, placed: IntArray, known: IntArray | None, search: Search, clock: SolveClock
) -> IntArray | SolveStatus:
    """Find a schedule with CP-SAT and growing limits: first for groups of VMs, then for all unless one is known."""
    model, work = ScopedModel(instance, whole(instance, placed), CONSTRAINTS), FIRST_WORK
    while True:
        settled = _settle_gates(
            instance, _settle_caps(instance, placed, work, search.seed, clock), work, search.seed, clock
        )
        if is_feasible(instance, settled):
            return settled
        if known is not None:
            return known
        answer = _solve_in_order(instance, model, work, search.seed, clock)
        if isinstance(answer, np.ndarray):
            return answer
        work *= WORK_GROWTH
        if answer is SolveStatus.INFEASIBLE or work > WORK_PER_EFFORT * search.effort or clock.over():
            return answer


def _solve_in_order(
    instance: Instance, model: ScopedModel, work: float, seed: int, clock: SolveClock
) -> IntArray | SolveStatus:
    """Find a schedule that some order of writes carries out; on the way, rings of full policies are forbidden."""
    for attempt in range(MOST_RINGS):
        answer = model.solve(work, seed + attempt, clock.left())
        if answer.options is None:
            return answer.outcome
        if is_feasible(instance, answer.options):
            return answer.options
        if not model.open_rings(answer.options):
            break
    return SolveStatus.UNKNOWN


def _settle_caps(instance: Instance, options: IntArray, work: float, seed: int, clock: SolveClock) -> IntArray:
    """Let CP-SAT place the VMs of one overfull capped group at a time, with all others fixed.

    If a cap is tight, windows have to be packed tightly, which moving single VMs does not achieve.
    """
    rows = instance.rows
    for group in np.unique(rows.group[row_counts(instance, options) > rows.cap]).tolist():
        of_group = np.append((rows.group == group) & (rows.cap != NO_CAP), False)
        class_concerned = np.asarray(of_group[instance.touched].any(axis=(1, 2)))
        concerned = class_concerned[instance.vm_class] & instance.movable
        free = {v: np.flatnonzero(instance.allowed[v]).tolist() for v in np.flatnonzero(concerned).tolist()}
        # Other groups may still be overfull; their caps must not make this group's problem infeasible.
        model = ScopedModel(instance, Subproblem(free, options), [f for f in CONSTRAINTS if f is not add_move_limit])
        answer = model.solve(0.2 * work, seed, clock.left())
        if answer.options is not None:
            options = answer.options
    return options


def _settle_gates(instance: Instance, options: IntArray, work: float, seed: int, clock: SolveClock) -> IntArray:
    """Let CP-SAT place the VMs of broken rules between sets, with all others fixed.

    A set has to give way as a whole, which moving single VMs does not achieve. Policies and moves are left out; if the
    result exceeds their limits, the whole model has to be solved.
    """
    gates = instance.gates
    broken = {gates.name[h] for _, h in shut_gates(instance, options)}
    concerned = np.zeros(instance.num_vms, dtype=np.bool_)
    behind = np.repeat(np.arange(instance.num_vms), np.diff(gates.vm_begin))
    concerned[behind[[gates.name[h] in broken for h in gates.vm_gate.tolist()]]] = True
    free = {
        v: np.flatnonzero(instance.allowed[v]).tolist() for v in np.flatnonzero(concerned & instance.movable).tolist()
    }
    if not free:
        return options
    answer = ScopedModel(instance, Subproblem(free, options), PLACEMENT).solve(work, seed, clock.left())
    return options if answer.options is None else answer.options
