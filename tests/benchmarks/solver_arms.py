"""The arms of the solver's benchmark: each turns a case in memory into a schedule and says what it can prove.

An arm runs in a process of its own and prints JSON objects, one a line, as it goes: stages, a trajectory of seconds,
cost and bound, at last its result. So what is known of an arm that is ended from outside is not lost.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.documents.plan_document import Settings
from optimizer.estate.folder import Estate
from optimizer.model.arrays import IntArray
from optimizer.plan import Case
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.baselines import greedy, stable_hash, todays

QUIET_SECONDS = 0.1
"""Steps of a trajectory that follow faster than this are left out."""

_FIGURE = r"\b{name} (-?\d[\d,]*(?:\.\d+)?)"


@dataclass(frozen=True, slots=True)
class Task:
    """What an arm is given.

    Parameters
    ----------
    estate, case
        The estate, in memory, and its prepared case.
    effort, gap, time_limit_seconds, processes
        Settings of our solver; None: no limit, one process per core.
    budget_seconds
        Wall-clock time of the others, building included.
    seed
        Of the searches.
    """

    estate: Estate
    case: Case
    effort: int
    gap: float
    time_limit_seconds: float | None
    processes: int | None
    budget_seconds: float
    seed: int = 0


def emit(**line: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(line), flush=True)


def read_note(note: str) -> tuple[float | None, float | None]:
    """Cost and bound in the note of a progress report; None for what it does not name.

    ``"bound 12.3"``, ``"cost 45.6"``, or both with more around them.
    """

    def figure(name: str) -> float | None:
        found = re.search(_FIGURE.format(name=name), note)
        return float(found[1].replace(",", "")) if found else None

    return figure("cost"), figure("bound")


class Trajectory:
    """A :class:`optimizer.ports.Progress` that prints when cost or bound became better."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: float | None = None
        self._cost: float | None = None
        self._bound: float | None = None

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take a report of the solver."""
        cost, bound = read_note(note)
        self.step(cost, bound, stage=stage, at_end=done >= total)

    def step(self, cost: float | None, bound: float | None, *, stage: str, at_end: bool = False) -> None:
        """Print the best cost and bound so far, unless nothing is better or the last line is very young."""
        better_cost = cost is not None and (self._cost is None or cost < self._cost)
        better_bound = bound is not None and (self._bound is None or bound > self._bound)
        self._cost = cost if better_cost else self._cost
        self._bound = bound if better_bound else self._bound
        seconds = time.monotonic() - self._began
        young = self._last is not None and seconds - self._last < QUIET_SECONDS
        if (better_cost or better_bound) and (at_end or not young):
            self._last = seconds
            emit(seconds=round(seconds, 3), cost=self._cost, bound=self._bound, stage=stage)


def ours(task: Task) -> dict[str, Any]:
    """Instance in memory to verified plan: solve, derive the changes, verify, compose."""
    from optimizer.engine import open_engine
    from optimizer.plan.make.compose import Composer
    from optimizer.solve.search.solver import solve

    began = time.monotonic()
    with open_engine(processes=task.processes) as engine:
        search = Search(task.seed, task.effort, task.gap, task.time_limit_seconds)
        result = solve(task.case.problem.instance, search, progress=Trajectory(), engine=engine)
    solved = time.monotonic()
    emit(seconds=round(solved - began, 3), cost=result.cost.total, bound=result.bound, stage="solved")
    settings = Settings(seed=task.seed, effort=task.effort, gap=task.gap, time_limit_seconds=task.time_limit_seconds)
    plan = Composer(task.estate, task.case, settings, Path("plan.json"), began).compose(result)
    return {
        "cost": plan.summary.cost.plan,
        "bound": result.bound,
        "reference": result.reference.total,
        "reference_name": result.reference_name,
        "certified": plan.summary.captured,
        "feasible": True,  # the verifier has seen it, or there would be no plan
        "gap_asked_for": task.gap,
        "status": plan.summary.status,
        "stopped": result.stopped,
        "solve_seconds": round(solved - began, 3),
        "compose_seconds": round(time.monotonic() - solved, 3),
        "moved": plan.summary.moved,
        "policies_created": plan.summary.policies_created,
        "policies_edited": plan.summary.policies_edited,
    }


def monolithic(task: Task) -> dict[str, Any]:
    """The whole problem as one CP-SAT model, two workers, today's schedule as hint."""
    from ortools.sat.python import cp_model

    from optimizer.solve.exact.cpsat import SCALE, ScopedModel, whole

    began = time.monotonic()
    emit(stage="building the model")
    built = ScopedModel(
        task.case.problem.instance, whole(task.case.problem.instance, task.case.problem.instance.today)
    )
    emit(stage="in CP-SAT", build_seconds=round(time.monotonic() - began, 3))
    trajectory = Trajectory()
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # tests run this in their own process
    solver.parameters.num_workers = 2
    solver.parameters.random_seed = task.seed
    solver.parameters.max_time_in_seconds = max(1.0, task.budget_seconds - (time.monotonic() - began))
    solver.best_bound_callback = lambda bound: trajectory.step(None, bound / SCALE, stage="in CP-SAT")

    class Incumbents(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            trajectory.step(self.objective_value / SCALE, None, stage="in CP-SAT")

    status = solver.solve(built.model, Incumbents())
    found: dict[str, Any] = {"status": solver.status_name(status).lower(), "columns": len(built.model.proto.variables)}
    found["bound"] = solver.best_objective_bound / SCALE
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return found | {"cost": None, "feasible": False}
    options = task.case.problem.instance.today.copy()
    for (v, t), x in built.variables.x.items():
        if solver.boolean_value(x):
            options[v] = t
    return found | _priced(task.case.problem.instance, options)


def highs(task: Task) -> dict[str, Any]:
    """The whole problem as a mixed-integer program for the HiGHS inside OR-Tools."""
    from tests.benchmarks.solver_mip import MixedIntegerProgram

    began = time.monotonic()
    emit(stage="building the program")
    program = MixedIntegerProgram(task.case.problem.instance)
    emit(stage="in HiGHS", build_seconds=round(time.monotonic() - began, 3))
    answer = program.solve(task.budget_seconds - (time.monotonic() - began))
    found: dict[str, Any] = {"status": answer.status, "columns": answer.columns, "nonzeros": answer.nonzeros}
    found["bound"] = answer.bound
    if answer.options is None:
        return found | {"cost": None, "feasible": False}
    return found | _priced(task.case.problem.instance, answer.options)


def _priced(instance: Instance, options: IntArray) -> dict[str, Any]:
    feasible = is_feasible(instance, options)
    return {"cost": evaluate(instance, options).total, "feasible": feasible}


def _simple(make: Callable[[Case], IntArray]) -> Callable[[Task], dict[str, Any]]:
    """An arm that proves nothing."""

    def arm(task: Task) -> dict[str, Any]:
        return {"bound": None, "status": "heuristic"} | _priced(task.case.problem.instance, make(task.case))

    return arm


def lowest_risk(instance: Instance) -> IntArray:
    """Every VM at the allowed option of its own lowest risk, moves priced, blind to all others."""
    options: IntArray = np.where(instance.allowed, instance.linear, np.inf).argmin(axis=1)
    return options


ARMS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "ours": ours,
    "monolithic CP-SAT": monolithic,
    "HiGHS in OR-Tools": highs,
    "greedy by regret": _simple(lambda case: greedy(case.problem.instance)),
    "stable hash": _simple(
        lambda case: stable_hash(case.problem.instance, [item.vm_id for item in case.inventory.items])
    ),
    "each VM's own lowest risk": _simple(lambda case: lowest_risk(case.problem.instance)),
    "today": _simple(lambda case: todays(case.problem.instance)),
}
"""Name of an arm -> what it does."""
