"""The use cases as functions: the command line and the notebooks call these."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.errors import DataError
from optimizer.estate.folder import Estate
from optimizer.model.inventory import Inventory, describe_recurrence
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, Frequency
from optimizer.plan.audit import Audit, audit
from optimizer.plan.case import Case
from optimizer.plan.compose import compose_plan
from optimizer.plan.document import PlanDocument, Settings
from optimizer.plan.explain import Solution, explain
from optimizer.plan.explanation import Explanation
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.ports import Progress, no_progress
from optimizer.risk.forecast import Forecast, forecast_load
from optimizer.risk.table import risk_table, start_step
from optimizer.solve.build import build_instance
from optimizer.solve.conflicts import Conflict, NoScheduleError, NotFoundWithinEffortError, find_conflicts
from optimizer.solve.cpsat import Outcome
from optimizer.solve.dual import Multipliers
from optimizer.solve.instance import IntArray
from optimizer.solve.restrict import restrict_options
from optimizer.solve.solver import DEFAULT_EFFORT, Result, solve


def prepare(
    estate: Estate, rules: Rules | None = None, *, engine: Engine = SERIAL, progress: Progress = no_progress
) -> Case:
    """Read an estate and work out the risk of every start option.

    Parameters
    ----------
    estate
        The estate.
    rules
        What is demanded; None: the defaults.
    engine
        Where the history is read and summed up; an estate in the memory of this process is read here.
    progress
        Told how far the work is.

    Raises
    ------
    DataError
        The estate holds something that cannot be planned for.
    """
    rules = rules if rules is not None else Rules()
    inventory = estate.inventory(rules.service_from)
    if not inventory.items:
        raise DataError(
            f"{estate.path}: no VM of the estate has a scheduled backup, so there is nothing to plan; "
            "look at the protected items in estate.json"
        )
    vm_ids = [item.vm_id for item in inventory.items]
    forecast = forecast_load(
        estate.load,
        vm_ids,
        inventory.horizon,
        rules.threshold,
        step_minutes=start_step(inventory),
        progress=progress,
        engine=engine if estate.seen_by_workers else SERIAL,
    )
    return prepare_forecast(inventory, rules, forecast)


def prepare_forecast(inventory: Inventory, rules: Rules, forecast: Forecast) -> Case:
    """The same from a forecast that is there already."""
    table = risk_table(inventory, forecast)
    restrictions = restrict_options(inventory, rules, table, DEFAULT_SNAPSHOT_MINUTES)
    instance = build_instance(inventory, table, rules, restrictions, DEFAULT_SNAPSHOT_MINUTES)
    row_of = {vm_id: row for row, vm_id in enumerate(forecast.vm_ids)}
    days = np.array([forecast.num_days[row_of[item.vm_id]] for item in inventory.items], dtype=np.int64)
    return Case(inventory, rules, forecast, table, restrictions, instance, days)


def audit_case(case: Case) -> Audit:
    """What is wrong with today's schedule."""
    return audit(
        case.inventory,
        case.table.risk,
        case.rules,
        snapshot_minutes=case.snapshot_minutes,
        history_days=case.history_days,
        allowed=case.restrictions.allowed,
        credited=case.table.credited,
    )


def make_plan(
    estate: Estate,
    rules: Rules | None = None,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    path: Path | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
) -> PlanDocument:
    """Find a schedule, derive the changes, verify the whole.

    Parameters
    ----------
    estate
        The estate.
    rules
        What is demanded; None: the defaults.
    seed, effort, time_limit_seconds
        Of the solver; see :func:`optimizer.solve.solver.solve`.
    path
        Where the plan will be written: the estate is named relative to it.
    engine
        Where independent work runs (:func:`optimizer.engine.open_engine`); the plan does not depend on it.
    progress
        Told how far the work is.

    Raises
    ------
    NoScheduleError
        No schedule satisfies the rules; names those in conflict.
    VerificationError
        The result did not pass the independent verifier: a bug.
    """
    case = prepare(estate, rules, engine=engine, progress=progress)
    return make_plan_of(
        estate,
        case,
        seed=seed,
        effort=effort,
        time_limit_seconds=time_limit_seconds,
        path=path,
        engine=engine,
        progress=progress,
    )


def make_plan_of(
    estate: Estate,
    case: Case,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    path: Path | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
) -> PlanDocument:
    """The same for a case that is prepared already; see :func:`make_plan`."""
    began = time.monotonic()
    result = solve_case(
        case, seed=seed, effort=effort, time_limit_seconds=time_limit_seconds, engine=engine, progress=progress
    )
    return compose_plan(
        estate,
        case,
        result,
        Settings(seed=seed, effort=effort, time_limit_seconds=time_limit_seconds),
        path=path if path is not None else Path("plan.json"),
        began=began,
    )


def solve_case(
    case: Case,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    start: IntArray | None = None,
    multipliers: Multipliers | None = None,
) -> Result:
    """Solve a prepared case; see :func:`optimizer.solve.solver.solve`.

    Raises
    ------
    NoScheduleError
        No schedule satisfies the rules; names those in conflict.
    NotFoundWithinEffortError
        None was found, nor was it proven that there is none.
    """
    result = solve(
        case.instance,
        seed=seed,
        effort=effort,
        time_limit_seconds=time_limit_seconds,
        engine=engine,
        progress=progress,
        start=start,
        multipliers=multipliers,
    )
    if result.outcome is Outcome.INFEASIBLE:
        conflicts = find_conflicts(case.instance, case.restrictions, effort, time_limit_seconds)
        raise NoScheduleError(_describe_conflicts(case.inventory, conflicts), conflicts)
    if result.options is None:
        raise NotFoundWithinEffortError(
            f"no schedule that satisfies the rules was found with effort {effort}, and it was not proven that there "
            "is none; give more with --effort, or loosen a rule"
        )
    return result


def _describe_conflicts(inventory: Inventory, conflicts: Sequence[Conflict]) -> str:
    lines = ["no schedule satisfies the rules:"]
    for conflict in conflicts:
        names = [inventory.vm(inventory.items[row]).name for row in conflict.vms]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        rules = " and ".join(repr(name) for name in conflict.names)
        verb = "cannot all hold" if len(conflict.names) > 1 else "cannot hold"
        of = f" for {len(names)} VM{'s' if len(names) != 1 else ''}: {shown}" if names else ""
        lines.append(f"  {rules} {verb}{of}{_circumstances(inventory, conflict)}")
    return "\n".join([*lines, "loosen or drop one rule of each line, or exclude these VMs"])


def _circumstances(inventory: Inventory, conflict: Conflict) -> str:
    """What makes windows hard to keep for the VMs of a conflict: several runs a day, clocks that change."""
    policies = [inventory.policy(inventory.items[row]) for row in conflict.vms]
    hourly = {describe_recurrence(p.recurrence) for p in policies if p.recurrence.frequency is Frequency.HOURLY}
    zones = {p.timezone for p in policies if len(p.pattern(inventory.horizon).offsets) > 1}
    parts = [f"back up {text}, and every run has to keep the windows" for text in sorted(hourly)]
    parts += [f"are in {zone}, where windows have to hold at both readings of the clock" for zone in sorted(zones)]
    return f" ({'; '.join('some ' + part for part in parts)})" if parts else ""


def explain_vm(
    plan: PlanDocument, estate: Estate, vm: str, *, engine: Engine = SERIAL, progress: Progress = no_progress
) -> Explanation:
    """Why a VM moves or stays in a plan.

    Parameters
    ----------
    plan, estate
        A plan and the estate that it was made for.
    vm
        ARM id or name.
    engine
        As in :func:`prepare`.

    Raises
    ------
    DataError
        The plan has no such VM.
    """
    case = prepare(estate, plan.rules, engine=engine, progress=progress)
    options = starts_in_schedule(case.inventory, plan.schedule)
    solution = Solution(
        case.inventory, case.instance, case.restrictions, options, case.history_days, case.table.credited
    )
    return explain(plan, solution, vm)
