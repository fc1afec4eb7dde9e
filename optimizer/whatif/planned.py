"""A plan made to be compared: verified like any other, near to another schedule, never written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from optimizer.engine import SERIAL, Engine
from optimizer.estate.folder import Estate
from optimizer.plan.case import Case
from optimizer.plan.compose import compose_plan, known_policies
from optimizer.plan.document import PlanDocument, Settings
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.plan.write_limits import solve_within_write_limits
from optimizer.ports import Progress
from optimizer.solve.closest import closest, never_worse_than, usable_start
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import IntArray
from optimizer.solve.solver import Result
from optimizer.workflow import solve_case


@dataclass(frozen=True)
class Planned:
    """An estate, its case, and the plan that was made of it.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM in the plan.
    """

    estate: Estate
    case: Case
    result: Result
    plan: PlanDocument
    options: IntArray

    def starts(self) -> dict[str, int]:
        """Start option of each VM by ``id.lower()``."""
        items = self.case.inventory.items
        return {item.vm_id.lower(): int(t) for item, t in zip(items, self.options, strict=True)}


def numbered(progress: Progress, number: int) -> Progress:
    """Progress of one of several plans under names of its own."""

    def report(stage: str, done: int, total: int, note: str = "") -> None:
        progress(f"{stage} {number}", done, total, note)

    return report


def plan_near(
    estate: Estate,
    case: Case,
    settings: Settings,
    progress: Progress,
    start: IntArray | None = None,
    multipliers: Multipliers | None = None,
    engine: Engine = SERIAL,
) -> Planned:
    """Solve a case, near to another schedule where there is one, and have the plan verified.

    Parameters
    ----------
    estate, case
        The estate and what was worked out for it.
    settings
        Of the solver.
    progress
        Told how far the work is.
    start
        Shape (V,): a schedule that the search begins from, feasible or not; what it can keep of it at no cost, it
        keeps.  None: there is none.
    multipliers
        Of a case of the same shape, to begin the bound from.
    engine
        Where independent parts run.

    Raises
    ------
    NoScheduleError
        No schedule satisfies the rules; names those in conflict.
    NotFoundWithinEffortError
        None was found, nor was it proven that there is none.
    """
    began = time.monotonic()

    def solved(one: Case) -> Result:
        usable = None if start is None else usable_start(one.instance, start)
        result = solve_case(
            one,
            seed=settings.seed,
            effort=settings.effort,
            time_limit_seconds=settings.time_limit_seconds,
            progress=progress,
            start=usable,
            multipliers=multipliers,
            engine=engine,
        )
        if start is None:
            return result
        return closest(one.instance, never_worse_than(one.instance, result, usable), start)

    result = solve_within_write_limits(case, known_policies(estate), solved)
    plan = compose_plan(estate, case, result, settings, path=Path("plan.json"), began=began)
    return Planned(estate, case, result, plan, starts_in_schedule(case.inventory, plan.schedule))
