"""Plans made for comparison: verified like any other, close to another schedule, and never written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from optimizer.documents import PlanDocument, Settings
from optimizer.engine import Engine
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rules
from optimizer.plan import Case, Tell, compose_plan, known_policies, prepare, solve_case, solve_in_order
from optimizer.ports import Progress, ignore
from optimizer.solve import Near, Search, Solved


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


@dataclass(frozen=True, slots=True)
class Planner:
    """Settings with which the plans of one question are made.

    Parameters
    ----------
    search
        Settings of the search for each plan.
    engine
        Engine on which independent parts run.
    progress
        Called with the progress of the work.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.
    """

    search: Search
    engine: Engine
    progress: Progress
    tell: Tell = ignore

    def numbered(self, number: int, tell: Tell = ignore) -> Planner:
        """Planner for one of several plans, whose progress has names of its own."""

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            self.progress(f"{stage} {number}", done, total, note)

        return replace(self, progress=report, tell=tell)

    def prepare(self, estate: Estate, rules: Rules, history: str | Path | Iterable[str | Path] = ()) -> Case:
        """Read an estate and compute the risk of every start; see :func:`optimizer.plan.prepare`."""
        return prepare(estate, rules, history=history, engine=self.engine, progress=self.progress)

    def plan(self, estate: Estate, case: Case, start: IntArray | None = None, like: Solved | None = None) -> Planned:
        """Solve a case, staying close to another schedule if one is given, and verify the plan.

        Parameters
        ----------
        estate, case
            The estate, and its prepared case.
        start
            Shape (V,): schedule at which the search begins, feasible or not.  The plan keeps as much of it as it can
            without extra cost.  None: no such schedule.
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

        def solved(one: Case) -> Solved:
            return solve_case(
                one,
                self.search,
                progress=self.progress,
                near=None if start is None else Near(start, keep=False, like=like),
                engine=self.engine,
                why_not=one is case,
                tell=self.tell,
            )

        result = solve_in_order(case, known_policies(estate), solved, self.search)
        search = self.search
        settings = Settings(
            seed=search.seed, effort=search.effort, gap=search.gap, time_limit_seconds=search.time_limit_seconds
        )
        plan = compose_plan(estate, case, result, settings, path=Path("plan.json"), began=began)
        return Planned(estate, case, result, plan, plan.starts_in(case.inventory))
