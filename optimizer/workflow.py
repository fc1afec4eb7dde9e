"""The use cases as functions: the command line and the notebooks call these."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer.estate.folder import Estate
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, WEEKDAYS, Frequency, format_start
from optimizer.plan.applied import apply_in_memory
from optimizer.plan.audit import Audit, audit
from optimizer.plan.diff import Diff, derive_changes
from optimizer.plan.document import (
    CostSummary,
    EstateReference,
    PlanDocument,
    ScheduleEntry,
    Settings,
    Summary,
    TodayAndPlan,
    TodayAndPlanCount,
)
from optimizer.plan.explain import Solution, explain, format_start_utc, reasons
from optimizer.plan.explanation import Explanation
from optimizer.plan.occupancy import pair_slots, service_occupancy, starts_in_schedule
from optimizer.plan.store import relative_to_plan
from optimizer.plan.verify import Checked, Claims, require_verified
from optimizer.ports import Progress, no_progress
from optimizer.risk.forecast import Forecast, forecast_load
from optimizer.risk.table import RiskTable, risk_table, start_step
from optimizer.solve.build import Restrictions, build_instance, restrict_options
from optimizer.solve.conflicts import Conflict, NoScheduleError, NotFoundWithinEffortError, find_conflicts
from optimizer.solve.cost import evaluate
from optimizer.solve.cpsat import Outcome
from optimizer.solve.instance import Instance
from optimizer.solve.solver import DEFAULT_EFFORT, Result, solve

HARM_TOLERANCE = 1e-6
"""Risks closer than this count as equal."""

VERSIONED = ("backup-schedule-optimizer", "ortools", "numpy")
"""Distributions that a plan depends on."""


@dataclass(frozen=True, slots=True)
class Case:
    """An estate under some rules, ready to be audited or solved.

    Parameters
    ----------
    inventory, rules
        What is protected and what is demanded.
    forecast, table
        Risk of each start.
    restrictions, instance
        The problem.
    history_days
        Shape (V,): days of usable history of each item.
    snapshot_minutes
        Length of the snapshot.
    """

    inventory: Inventory
    rules: Rules
    forecast: Forecast
    table: RiskTable
    restrictions: Restrictions
    instance: Instance
    history_days: npt.NDArray[np.int64]
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES


def prepare(estate: Estate, rules: Rules | None = None, *, progress: Progress = no_progress) -> Case:
    """Read an estate and work out the risk of every start option.

    Parameters
    ----------
    estate
        The estate.
    rules
        What is demanded; None: the defaults.
    progress
        Told how far the work is.

    Raises
    ------
    DataError
        The estate holds something that cannot be planned for.
    """
    rules = rules if rules is not None else Rules()
    inventory = estate.inventory(rules.service_from)
    vm_ids = [item.vm_id for item in inventory.items]
    forecast = forecast_load(
        estate.load,
        vm_ids,
        inventory.horizon,
        rules.threshold,
        step_minutes=start_step(inventory),
        progress=progress,
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
    )


def make_plan(
    estate: Estate,
    rules: Rules | None = None,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    path: Path | None = None,
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
    progress
        Told how far the work is.

    Raises
    ------
    NoScheduleError
        No schedule satisfies the rules; names those in conflict.
    VerificationError
        The result did not pass the independent verifier: a bug.
    """
    began = time.monotonic()
    case = prepare(estate, rules, progress=progress)
    result = solve_case(case, seed=seed, effort=effort, time_limit_seconds=time_limit_seconds, progress=progress)
    return document_plan(
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
    progress: Progress = no_progress,
) -> Result:
    """Solve a prepared case.

    Raises
    ------
    NoScheduleError
        No schedule satisfies the rules; names those in conflict.
    NotFoundWithinEffortError
        None was found, nor was it proven that there is none.
    """
    result = solve(case.instance, seed=seed, effort=effort, time_limit_seconds=time_limit_seconds, progress=progress)
    if result.outcome is Outcome.INFEASIBLE:
        conflicts = find_conflicts(case.instance, case.restrictions, effort)
        raise NoScheduleError(_describe_conflicts(case.inventory, conflicts), conflicts)
    if result.options is None:
        raise NotFoundWithinEffortError(
            f"no schedule that satisfies the rules was found with effort {effort}, and it was not proven that there is "
            "none; give more with --effort, or loosen a rule"
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
        lines.append(f"  {rules} {verb}{of}")
    return "\n".join([*lines, "loosen or drop one rule of each line, or exclude these VMs"])


def document_plan(
    estate: Estate, case: Case, result: Result, settings: Settings, *, path: Path, began: float
) -> PlanDocument:
    """Write a result down as a plan that has passed the verifier.

    Parameters
    ----------
    estate, case, result
        What was asked and what came out.
    settings
        Of the solver.
    path
        Where the plan will be written.
    began
        ``time.monotonic()`` at the beginning of the work.

    Raises
    ------
    VerificationError
        The result did not pass: a bug.
    """
    assert result.options is not None and result.cost is not None
    inventory, options = case.inventory, result.options
    diff = derive_changes(inventory, case.rules, options, case.restrictions.movable)
    schedule = _schedule(case, options, diff)
    summary = _summary(case, result, diff)
    after = apply_in_memory(estate.document, diff.changes)
    require_verified(
        Checked(
            before=inventory,
            after=Estate(estate.path, after).inventory(case.rules.service_from),
            rules=case.rules,
            risk=case.table.risk,
            credited=case.table.credited,
            starts=[entry.start for entry in schedule],
            snapshot_minutes=case.snapshot_minutes,
        ),
        Claims(
            cost=result.cost.total,
            pair_slots=summary.overlap_pair_slots.plan,
            peak=summary.peak_concurrency.plan,
            bound=result.bound,
        ),
    )
    return PlanDocument(
        created_at=datetime.now(UTC),
        estate=EstateReference(
            path=relative_to_plan(estate.path, path), fingerprint=estate.fingerprint, as_of=estate.as_of
        ),
        rules=case.rules,
        settings=settings,
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONED}},
        summary=summary.model_copy(update={"seconds": round(time.monotonic() - began, 3)}),
        notes=tuple(_notes(case, diff)),
        schedule=tuple(schedule),
        changes=diff.changes,
    )


def _schedule(case: Case, options: npt.NDArray[np.int64], diff: Diff) -> list[ScheduleEntry]:
    inventory = case.inventory
    solution = Solution(inventory, case.instance, case.restrictions, options, case.history_days)
    why = reasons(solution)
    entries = []
    for v, item in enumerate(inventory.items):
        policy, vm = inventory.policy(item), inventory.vm(item)
        recurrence, today, start = policy.recurrence, policy.start, int(options[v])
        hourly = recurrence.frequency is Frequency.HOURLY
        entries.append(
            ScheduleEntry(
                vm=item.vm_id,
                service=vm.service or vm.id,
                vault=inventory.vault(item).name,
                frequency=_frequency(recurrence.frequency),
                days=tuple(WEEKDAYS[day] for day in recurrence.days),
                interval_hours=recurrence.interval_hours if hourly else None,
                duration_hours=recurrence.duration_hours if hourly else None,
                timezone=policy.timezone,
                policy_today=policy.name,
                start_today=format_start(today),
                start_today_utc=format_start_utc(inventory, policy.timezone, today),
                policy=diff.policy_names[v],
                start=format_start(start),
                start_utc=format_start_utc(inventory, policy.timezone, start),
                risk_today=float(case.table.risk[v, today]),
                risk=float(case.table.risk[v, start]),
                reason=why[v],
            )
        )
    return entries


def _frequency(frequency: Frequency) -> Literal["Daily", "Weekly", "Hourly"]:
    return frequency.value


def _summary(case: Case, result: Result, diff: Diff) -> Summary:
    assert result.options is not None and result.cost is not None and result.reference is not None
    instance, options = case.instance, result.options
    rows = np.arange(instance.num_vms)
    before, after = instance.risk[rows, instance.today], instance.risk[rows, options]
    _, met_before = service_occupancy(case.inventory, instance.today, case.snapshot_minutes)
    _, met_after = service_occupancy(case.inventory, options, case.snapshot_minutes)
    return Summary(
        vms=instance.num_vms,
        moved=result.cost.num_moves,
        reassigned=diff.count("reassign_item"),
        policies_created=diff.count("create_policy"),
        policies_edited=diff.count("edit_policy"),
        status="optimal" if result.outcome is Outcome.OPTIMAL else "feasible",
        stopped=result.stopped,
        reference=result.reference_name,
        at_risk_per_month=TodayAndPlan(today=_round(before.sum()), plan=_round(after.sum())),
        overlap_pair_slots=TodayAndPlan(
            today=_round(pair_slots(met_before).sum()), plan=_round(pair_slots(met_after).sum())
        ),
        peak_concurrency=TodayAndPlanCount(today=int(met_before.max(initial=0)), plan=int(met_after.max(initial=0))),
        vms_helped=int((after < before - HARM_TOLERANCE).sum()),
        vms_unharmed=int((np.abs(after - before) <= HARM_TOLERANCE).sum()),
        vms_harmed=int((after > before + HARM_TOLERANCE).sum()),
        cost=CostSummary(
            today=_round(evaluate(instance, instance.today).total),
            reference=_round(result.reference.total),
            plan=_round(result.cost.total),
            bound=_round(result.bound),
        ),
        captured=_round(result.captured),
        seconds=result.seconds,
    )


def _round(value: float) -> float:
    return round(float(value), 6)


def _notes(case: Case, diff: Diff) -> list[str]:
    """What a reader of the plan should know beside the figures."""
    notes = []
    inventory, rules = case.inventory, case.rules
    without = int((~case.table.credited).sum())
    if without:
        notes.append(
            f"{without} VMs have too little history: the fleet's profile stands in for them, no gain in risk is credited, "
            "and they go only where their risk is not above today's"
        )
    zones = sorted(
        {inventory.policy(item).timezone for item in inventory.items if _changes_clock(case, item.policy_id)}
    )
    if zones:
        notes.append(
            f"clocks change in {', '.join(zones)}: whether Azure follows is not settled, so windows there count at both "
            "readings"
        )
    for name in dict.fromkeys(name for _, name in case.restrictions.exempt):
        count = sum(other == name for _, other in case.restrictions.exempt)
        notes.append(f"rule {name!r} is broken today by {count} VMs that are never written; they stay where they are")
    by_place: dict[str, int] = {}
    for change in diff.changes:
        if change.kind != "reassign_item":
            vault = inventory.vaults[change.vault_id.lower()]
            place = vault.id if rules.policies.scope == "vault" else vault.subscription or vault.id
            by_place[place.lower()] = by_place.get(place.lower(), 0) + 1
    days = max((-(-count // rules.policies.max_writes_per_day) for count in by_place.values()), default=0)
    if days > 1:
        notes.append(
            f"the policy writes take at least {days} days, at {rules.policies.max_writes_per_day} a day and "
            f"{rules.policies.scope}"
        )
    return notes


def _changes_clock(case: Case, policy_id: str) -> bool:
    policy = case.inventory.policies[policy_id.lower()]
    return len(policy.pattern(case.inventory.horizon).offsets) > 1


def explain_vm(plan: PlanDocument, estate: Estate, vm: str, *, progress: Progress = no_progress) -> Explanation:
    """Why a VM moves or stays in a plan.

    Parameters
    ----------
    plan, estate
        A plan and the estate that it was made for.
    vm
        ARM id or name.

    Raises
    ------
    DataError
        The plan has no such VM.
    """
    case = prepare(estate, plan.rules, progress=progress)
    options = starts_in_schedule(case.inventory, plan.schedule)
    return explain(plan, Solution(case.inventory, case.instance, case.restrictions, options, case.history_days), vm)
