"""A plan made to be compared: verified like any other, near to another schedule, never written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from optimizer.engine import Engine
from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules
from optimizer.plan.carried_out import solve_in_order
from optimizer.plan.case import Case
from optimizer.plan.compose import compose_plan, known_policies
from optimizer.plan.document import PlanDocument, Settings
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.ports import Progress
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import IntArray
from optimizer.solve.solver import Result
from optimizer.solve.why_not.relaxation import nobody
from optimizer.workflow import Tell, prepare, solve_case


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


@dataclass(frozen=True, slots=True)
class Planner:
    """How the plans of one question are made.

    Parameters
    ----------
    settings
        Of the solver, for each plan.
    engine
        Where independent parts run.
    progress
        Told how far the work is.
    tell
        Told why there is no schedule, and what would make one possible, as soon as each answer is proven.
    """

    settings: Settings
    engine: Engine
    progress: Progress
    tell: Tell = nobody

    def numbered(self, number: int, tell: Tell = nobody) -> Planner:
        """The same for one of several plans, with progress under names of its own."""

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            self.progress(f"{stage} {number}", done, total, note)

        return replace(self, progress=report, tell=tell)

    def prepare(self, estate: Estate, rules: Rules, history: Iterable[Path] = ()) -> Case:
        """Read an estate and work out the risk of every start; see :func:`optimizer.workflow.prepare`."""
        return prepare(estate, rules, history=history, engine=self.engine, progress=self.progress)

    def plan(
        self, estate: Estate, case: Case, start: IntArray | None = None, multipliers: Multipliers | None = None
    ) -> Planned:
        """Solve a case, near to another schedule where there is one, and have the plan verified.

        Parameters
        ----------
        estate, case
            The estate and what was worked out for it.
        start
            Shape (V,): a schedule that the search begins from, feasible or not; what it can keep of it at no cost,
            it keeps.  None: there is none.
        multipliers
            Of a case of the same shape, to begin the bound from.

        Raises
        ------
        NoScheduleError
            No schedule satisfies the rules; names those in conflict.
        NotFoundWithinEffortError
            None was found, nor was it proven that there is none.
        """
        began = time.monotonic()

        def solved(one: Case) -> Result:
            return solve_case(
                one,
                seed=self.settings.seed,
                effort=self.settings.effort,
                gap=self.settings.gap,
                time_limit_seconds=self.settings.time_limit_seconds,
                progress=self.progress,
                near=start,
                multipliers=multipliers,
                engine=self.engine,
                why_not=one is case,
                tell=self.tell,
            )

        result = solve_in_order(case, known_policies(estate), solved)
        plan = compose_plan(estate, case, result, self.settings, path=Path("plan.json"), began=began)
        return Planned(estate, case, result, plan, starts_in_schedule(case.inventory, plan.schedule))
