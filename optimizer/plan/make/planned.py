"""Plans made for comparison: verified like any other, close to another schedule, and never written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.plan.case import Case
from optimizer.plan.make.carried_out import solve_in_order
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.compose import Composer, settings_of
from optimizer.plan.make.planner import Planner
from optimizer.solve import Near, Solved


@dataclass(frozen=True)
class Planned:
    """An estate, its case, and the plan that was made for it.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM in the plan.
    """

    estate: Estate
    case: Case
    result: Solved
    plan: PlanDocument
    options: IntArray

    def starts(self) -> dict[ArmId, int]:
        """Start option of each VM, by id."""
        items = self.case.inventory.items
        return {item.vm_id: int(t) for item, t in zip(items, self.options, strict=True)}


def plan_case(
    planner: Planner, estate: Estate, case: Case, start: IntArray | None = None, like: Solved | None = None
) -> Planned:
    """Solve a case, staying close to another schedule if one is given, and verify the plan.

    Parameters
    ----------
    planner
        Settings with which the plan is made.
    estate, case
        The estate, and its prepared case.
    start
        Shape (V,): schedule at which the search begins, feasible or not. The plan keeps as much of it as it can
        without extra cost. None: no such schedule.
    like
        Answer for a case of the same shape, at whose multipliers the bound begins.

    Raises
    ------
    NoScheduleError
        No schedule keeps the rules; the message names the rules in conflict.
    NotFoundWithinEffortError
        No schedule was found, and it was not proven that no schedule exists.
    """
    began = time.monotonic()
    near = None if start is None else Near(start, keep=False, like=like)

    def solved(variant: Case) -> Solved:
        return planner.solve(variant, near=near, why_not=variant is case)

    result = solve_in_order(CaseWrites.of(estate, case), solved, planner.search)
    composer = Composer(estate, case, settings_of(planner.search), Path("plan.json"), began, planner.clock)
    plan = composer.compose(result)
    return Planned(estate, case, result, plan, plan.starts_in(case.inventory))
