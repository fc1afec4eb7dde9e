"""Figures of the plan under changed limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.closest import usable_start
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve


@dataclass(frozen=True, slots=True)
class Effect:
    """The plan that a relaxation makes possible.

    Parameters
    ----------
    cost
        Cost of the plan, in at-risk backups per 30 days.
    at_risk, overlaps
        At-risk backups and expected overlapping snapshots per 30 days.
    moved, writes
        Number of VMs that move, and of policies that are created or edited.
    """

    cost: float
    at_risk: float
    overlaps: float
    moved: int
    writes: int


def effect_of_plan(instance: Instance, search: Search, near: IntArray | None = None) -> Effect | None:
    """Solve an instance and describe the plan; None if no schedule that keeps everything was found.

    Parameters
    ----------
    instance, search
        See :func:`optimizer.solve.search.solver.solve`; without any time left, only ``near`` is tried.
    near
        Shape (V,): a schedule of a similar problem, at which to begin if no other is found easily. The search ignores
        it if it can, so that ``plan`` finds the same plan.
    """

    def known() -> IntArray | None:
        return None if near is None else usable_start(instance, near)

    if search.time_limit_seconds is not None and search.time_limit_seconds <= 0:
        options = known()
    else:
        answer = solve(instance, search, fallback=known)
        options = answer.options if isinstance(answer, Solved) else None
    return None if options is None or not is_feasible(instance, options) else _effect(instance, options)


def _effect(instance: Instance, options: IntArray) -> Effect:
    cost = evaluate(instance, options)
    at_risk = float(instance.risk[np.arange(instance.num_vms), options].sum())
    return Effect(cost.total, at_risk, cost.overlaps, cost.num_moves, cost.writes)
