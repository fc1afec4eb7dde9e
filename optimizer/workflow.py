"""Use cases as functions, which the command line and the notebooks call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.errors import ConfigError, DataError
from optimizer.estate.folder import Estate
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, START_WINDOW_MINUTES
from optimizer.plan.applied import apply_in_memory
from optimizer.plan.audit import audit
from optimizer.plan.audit_document import Audit
from optimizer.plan.broken_rules import find_broken_rules
from optimizer.plan.carried_out import solve_in_order
from optimizer.plan.case import Case
from optimizer.plan.compose import changes_to, compose_plan, known_policies
from optimizer.plan.credit_notes import notes_on_repetition
from optimizer.plan.document import PlanDocument, Settings
from optimizer.plan.earlier import EarlierPlan, read_earlier
from optimizer.plan.estate_notes import notes_on_estate, why_none_is_planned
from optimizer.plan.explain import Solution, explain
from optimizer.plan.explanation import Explanation
from optimizer.plan.fingerprint import with_fingerprint
from optimizer.plan.limit_prices import LimitPriceEntry, name_prices
from optimizer.plan.moves import trace_curve
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.plan.orders import order_gaps
from optimizer.plan.policy_notes import notes_on_emptied, notes_on_policies
from optimizer.plan.rule_notes import notes_on_rpo
from optimizer.plan.rule_scope import idle_rules, notes_on_parts
from optimizer.plan.together import keep_promise, services_together
from optimizer.plan.toward import TowardRules, TowardSearch, figures_of, plan_toward, require_move_limit, result_of
from optimizer.plan.weight_notes import notes_on_weights
from optimizer.ports import Clock, Progress, no_progress
from optimizer.risk.forecast import Forecast, forecast_load
from optimizer.risk.observed import observed_risk
from optimizer.risk.table import RiskTable, risk_table, start_step
from optimizer.rollout.history import last_moves, read_history
from optimizer.rollout.never import notes_on_writes
from optimizer.solve.baselines import todays
from optimizer.solve.build import build_instance
from optimizer.solve.clock import SolveClock
from optimizer.solve.closest import ANYWHERE, stay_close, usable_start
from optimizer.solve.cost import violations
from optimizer.solve.cpsat import Outcome
from optimizer.solve.dual import Multipliers
from optimizer.solve.gates import least_within
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.restrict import restrict_options
from optimizer.solve.solver import DEFAULT_EFFORT, DEFAULT_GAP, Result, solve
from optimizer.solve.why_not.circumstances import circumstances
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.feasibility import Budget, any_schedule
from optimizer.solve.why_not.limits import MOST_HOURS, Change, Limits, loosened, relaxed_rules
from optimizer.solve.why_not.no_schedule import (
    NamedConflict,
    NamedRelaxation,
    Names,
    NoScheduleError,
    NotFoundWithinEffortError,
)
from optimizer.solve.why_not.relaxation import Diagnosis, Effect, Relaxation, diagnose, nobody, solved
from optimizer.solve.why_not.shadow import DEFAULT_ROUNDS, price_limits

SHARE_OF_SOLVE = 0.7
"""Share of the time limit for the solver, if a moves curve is requested as well."""

SHARE_OF_START = 0.2
"""Share of the time limit for the best moves from today, if moves are limited."""

EFFORT_PARTS = 20
"""Divisor of the effort: each plan that a relaxation makes possible gets this fraction of it."""

RELAXATIONS_TO_TIME = 6
"""Divisor of the time left: each plan that a relaxation makes possible gets this fraction of it."""

EFFORT_OF_START = DEFAULT_EFFORT
"""Effort for the start of a search under a limit of moves; it is fixed, so that all searches begin alike."""

CONFLICT_WORK = 0.1
"""Deterministic time (roughly seconds) for conflicts and ways out, per unit of effort."""

SHARE_OF_REASON = 0.15
"""Smallest share of the time limit for conflicts and ways out."""

Tell = Callable[[NamedConflict | NamedRelaxation], None]
"""Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven."""


SHARE_OF_CIRCUMSTANCES = 0.1
"""Share of the time limit, added to it, for finding which properties of VMs' backups contribute to a conflict."""


def prepare(
    estate: Estate,
    rules: Rules | None = None,
    *,
    history: Iterable[Path] = (),
    recently_moved: Mapping[str, date] | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
) -> Case:
    """Read an estate and compute the risk of every start option.

    Parameters
    ----------
    estate
        Estate to read.
    rules
        Rules that the schedule must keep.  None: the defaults.
    history
        Journals, applied plans, or folders with journals, which show which VMs were moved recently; see
        :func:`optimizer.rollout.history.read_history`.
    recently_moved
        Day of the last move by the VM's id, as the settings of a plan contain it.
    engine
        Engine on which the history is read and summarized.  An estate in the memory of this process is read here.
    progress
        Called with the progress of the work.

    Raises
    ------
    ConfigError
        A rule has a ``within`` that is too small for any start times.
    DataError
        The estate contains something that cannot be planned for, or a history cannot be used.
    """
    rules = rules if rules is not None else Rules()
    inventory = estate.inventory(rules.service_from)
    if not inventory.items:
        raise DataError(
            f"{estate.path}: no VM of the estate has a scheduled backup that can be planned; "
            + ("; ".join(why_none_is_planned(inventory)) or "it holds no protected item of a VM")
        )
    told = read_history(history, inventory)
    moved_on = last_moves(told)
    for vm, day in (recently_moved or {}).items():
        moved_on[vm.lower()] = max(day, moved_on.get(vm.lower(), day))
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
    found = tuple(one.summed_up(lambda day: rules.prices.is_recent(day, inventory.as_of)) for one in told)
    case = prepare_forecast(inventory, rules, forecast, moved_on)
    _require_possible_within(case)
    return replace(case, history=found)


def _require_possible_within(case: Case) -> None:
    """Refuse a ``within`` that no start times can keep, regardless of the other rules.

    Raises
    ------
    ConfigError
        A ``within`` is too small; the message names the rule and the smallest possible value.
    """
    least = least_within(case.inventory, case.rules, ~case.restrictions.movable, case.snapshot_minutes)
    for rule in case.rules.rule:
        possible = least.get(rule.name, 0.0)
        if rule.within is not None and rule.within < possible <= MOST_HOURS:
            raise ConfigError(
                f"rule {rule.name!r} > within = {rule.within:g}: is too small; allowed for these VMs: {possible:g} to "
                f"{MOST_HOURS} hours, because backups start on the half hour, start windows last "
                f"{START_WINDOW_MINUTES + case.snapshot_minutes} minutes, and the rule must hold at every UTC offset; "
                f"raise it to {possible:g} or more"
            )


def prepare_forecast(
    inventory: Inventory,
    rules: Rules,
    forecast: Forecast,
    moved_on: Mapping[str, date] | None = None,
    table: RiskTable | None = None,
) -> Case:
    """Build a case from an existing forecast, with the days of last moves by ``vm_id.lower()``; see :func:`prepare`.

    Parameters
    ----------
    table
        Existing risk table of the same inventory and threshold.
    """
    known = {item.vm_id.lower() for item in inventory.items}
    recently_moved = {
        vm: day for vm, day in (moved_on or {}).items() if vm in known and rules.prices.is_recent(day, inventory.as_of)
    }
    if table is None:
        table = risk_table(inventory, forecast, agentless_at_risk=rules.threshold.agentless)
    restrictions = restrict_options(inventory, rules, table, DEFAULT_SNAPSHOT_MINUTES)
    instance = build_instance(inventory, table, rules, restrictions, DEFAULT_SNAPSHOT_MINUTES, recently_moved)
    row_of = {vm_id: row for row, vm_id in enumerate(forecast.vm_ids)}
    days = np.array([forecast.num_days[row_of[item.vm_id]] for item in inventory.items], dtype=np.int64)
    return Case(inventory, rules, forecast, table, restrictions, instance, days, recently_moved=recently_moved)


def audit_case(case: Case) -> Audit:
    """Audit today's schedule, including the rules that it breaks."""
    broken = find_broken_rules(case.inventory, case.rules, case.restrictions, case.instance, case.snapshot_minutes)
    return audit(
        case.inventory,
        case.table.reported,
        case.rules,
        snapshot_minutes=case.snapshot_minutes,
        history_days=case.history_days,
        allowed=case.restrictions.allowed,
        credited=case.table.own,
        broken_rules=broken if case.rules.rule else None,
        together=services_together(case, case.instance.today),
        idle_rules=idle_rules(case.inventory, case.rules, ~case.restrictions.movable),
        notes=(
            *notes_on_estate(case.inventory),
            *notes_on_repetition(case.table, case.forecast),
            *notes_on_weights(case.inventory, case.rules),
            *notes_on_parts(case.inventory, case.rules, ~case.restrictions.movable),
            *notes_on_rpo(case.inventory, case.rules, case.restrictions.movable),
            *notes_on_policies(case.inventory, case.rules),
        ),
        orders=order_gaps(case.inventory, case.rules, case.instance.today, case.snapshot_minutes),
    )


def make_plan(
    estate: Estate,
    rules: Rules | None = None,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    gap: float = DEFAULT_GAP,
    time_limit_seconds: float | None = None,
    path: Path | None = None,
    history: Iterable[Path] = (),
    earlier: Path | None = None,
    moves_curve: bool = False,
    toward: bool = False,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = nobody,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Find a schedule, derive the changes, and verify the whole plan.

    Parameters
    ----------
    estate
        Estate to plan.
    rules
        Rules that the schedule must keep.  None: the defaults.
    seed, effort, gap, time_limit_seconds
        Settings of the solver; see :func:`optimizer.solve.solver.solve`.
    path
        Path at which the plan will be written; the plan states the estate's location relative to it.
    history
        Journals, applied plans, or folders with journals.  VMs that were moved recently only move again if it is
        worth it.
    earlier
        An earlier plan of this estate, or of one that shares VMs with it.  The new plan keeps its schedule as long as
        that is within ``gap`` and keeps more VMs than a plan without ``earlier`` would.  Otherwise, VMs keep its
        starts if that costs nothing.
    moves_curve
        Whether to compute what fewer moves would gain, and to store it in the plan as ``moves_curve``.
    toward
        Whether to make the best first step toward the rules if they need more moves than ``max_moves``.  The plan
        describes the step in ``summary.toward``.
    engine
        Engine on which independent work runs (:func:`optimizer.engine.open_engine`); the plan does not depend on it.
    progress
        Called with the progress of the work.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.
    clock
        Clock for the plan's ``created_at``.

    Raises
    ------
    ConfigError
        ``toward`` is set without a limit on moves.
    NoScheduleError
        No schedule keeps the rules; the message names the rules in conflict.
    DataError
        ``earlier`` contains no VM of the estate.
    PlanFormatError
        ``earlier`` cannot be read.
    VerificationError
        The result did not pass the independent verifier, which is a bug.
    """
    if toward:  # checked before the load is read, because that takes longer
        require_move_limit((rules or Rules()).max_moves)
    before = None if earlier is None else read_earlier(earlier)
    if before is not None:
        before.require_same_vms(estate)
    case = prepare(estate, rules, history=history, engine=engine, progress=progress)
    return make_plan_of(
        estate,
        case,
        seed=seed,
        effort=effort,
        gap=gap,
        time_limit_seconds=time_limit_seconds,
        path=path,
        earlier=before,
        moves_curve=moves_curve,
        toward=toward,
        engine=engine,
        progress=progress,
        tell=tell,
        clock=clock,
    )


def make_plan_of(
    estate: Estate,
    case: Case,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    gap: float = DEFAULT_GAP,
    time_limit_seconds: float | None = None,
    path: Path | None = None,
    earlier: EarlierPlan | None = None,
    moves_curve: bool = False,
    toward: bool = False,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = nobody,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Plan a case that is already prepared; see :func:`make_plan`."""
    began = time.monotonic()
    solve_seconds = curve_seconds = time_limit_seconds
    if time_limit_seconds is not None and moves_curve:
        solve_seconds = SHARE_OF_SOLVE * time_limit_seconds
        curve_seconds = time_limit_seconds - solve_seconds
    target = None if earlier is None else earlier.target_in(case.inventory)
    settings = TowardSearch(seed, effort, gap, time_limit_seconds, engine, progress, target)
    step = _toward(estate, case, settings, tell) if toward else None

    def solved(one: Case) -> Result:
        return solve_case(
            one,
            seed=seed,
            effort=effort,
            gap=gap,
            time_limit_seconds=solve_seconds,
            engine=engine,
            progress=progress,
            near=None if earlier is None else earlier.starts_in(one.inventory),
            begin=None if step is None else step.options,
            keep=True,
            why_not=one is case,
            tell=tell,
        )

    if step is not None and step.months > 1:
        result = result_of(case, step, time.monotonic() - began)
    else:
        result = solve_in_order(case, known_policies(estate), solved)
    curve = None
    if moves_curve:
        curve, result = trace_curve(
            estate, case, result, effort=effort, seed=seed, time_limit_seconds=curve_seconds, progress=progress
        )
        result = _spread_again(case, result, seed, known_policies(estate))
    plan = compose_plan(
        estate,
        case,
        result,
        Settings(
            seed=seed,
            effort=effort,
            gap=gap,
            time_limit_seconds=time_limit_seconds,
            history=case.history,
            recently_moved=_by_vm_id(case),
            earlier=None if earlier is None else earlier.source,
        ),
        path=path if path is not None else Path("plan.json"),
        began=began,
        moves_curve=curve,
        toward=None if step is None else figures_of(case, step, result),
        clock=clock,
    )
    added = [*notes_on_writes(plan, estate.document, case.inventory)]
    if earlier is not None:
        added.append(earlier.note(plan.schedule))
    added += notes_on_emptied(plan, estate.document)
    return with_fingerprint(plan.model_copy(update={"notes": (*added, *plan.notes)})) if added else plan


def _toward(estate: Estate, case: Case, settings: TowardSearch, tell: Tell) -> TowardRules | None:
    """First step toward the rules; None if today's schedule keeps them.

    Raises
    ------
    NoScheduleError
        No number of moves is enough; the message names the rules in conflict.
    NotFoundWithinEffortError
        No schedule that keeps the rules was found, and it was not proven that none exists; or none can be reached.
    """
    began = time.monotonic()
    require_move_limit(case.rules.max_moves)
    if not violations(case.instance, todays(case.instance)):
        return None
    known = known_policies(estate)

    def after(options: IntArray) -> Case:
        document = apply_in_memory(estate.document, changes_to(case, options, known).changes)
        inventory = Estate(estate.path, document).inventory(case.rules.service_from)
        return prepare_forecast(inventory, case.rules, case.forecast, case.recently_moved)

    step = plan_toward(case, known, after, settings)
    if step is None:
        rules = case.rules.model_copy(update={"max_moves": None})
        free = prepare_forecast(case.inventory, rules, case.forecast, case.recently_moved, case.table)
        unreachable = (
            f"no schedule that keeps every rule was found that can be reached with {case.rules.max_moves} moves at a "
            "time: policies that protect more VMs would have to be edited at once; raise max_moves, or search longer "
            "with --effort"
        )
        limits = Limits(free.instance, free.restrictions, free.rules)
        seconds = _seconds_for_reason(settings.time_limit_seconds, began)
        raise _no_schedule(free, limits, settings.seed, settings.effort, seconds, tell, unreachable)
    return step


def _spread_again(case: Case, result: Result, seed: int, known: list[str]) -> Result:
    """Spread the schedule of a moves curve if that can be carried out, because the curve only considers the cost."""
    assert result.options is not None
    if violations(case.instance, result.options):
        return result
    spread = keep_promise(case, result, seed)
    assert spread.options is not None
    return result if changes_to(case, spread.options, known).stuck else spread


def _by_vm_id(case: Case) -> dict[str, date]:
    """Days of recent moves, by the VM's id as the schedule spells it."""
    ids = {item.vm_id.lower(): item.vm_id for item in case.inventory.items}
    return {ids[vm]: day for vm, day in case.recently_moved.items()}


def solve_case(
    case: Case,
    *,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    gap: float = DEFAULT_GAP,
    time_limit_seconds: float | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    near: IntArray | None = None,
    begin: IntArray | None = None,
    keep: bool = False,
    multipliers: Multipliers | None = None,
    why_not: bool = True,
    tell: Tell = nobody,
) -> Result:
    """Solve a prepared case; see :func:`optimizer.solve.solver.solve`.

    Parameters
    ----------
    near
        Shape (V,): schedule to stay close to, feasible or not; see :func:`optimizer.solve.closest.stay_close`.
    begin
        Shape (V,): schedule at which the search begins, which must be feasible to be of use.
    keep
        Whether to search as if there were no ``near``, and then keep ``near`` if it is within ``gap``.  Otherwise,
        the search begins at ``near``, and VMs keep its starts only if that costs nothing.
    why_not
        Whether to look for the reason if there is no schedule.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.

    Raises
    ------
    NoScheduleError
        No schedule keeps the rules; the error contains the rules in conflict, and what would make a schedule possible.
    NotFoundWithinEffortError
        No schedule was found, and it was not proven that none exists; or ``why_not`` is False.
    """
    began, left = time.monotonic(), time_limit_seconds
    start = begin if near is None or keep else usable_start(case.instance, near)
    if case.instance.max_moves is not None and (start is None or violations(case.instance, start)):
        start = _start_of(case.instance, seed, time_limit_seconds)
        left = None if left is None else left * (1 - SHARE_OF_START)
    limits = Limits(case.instance, case.restrictions, case.rules) if why_not else None

    def known() -> IntArray | Outcome | None:
        any_found = None if limits is None else any_schedule(limits, effort, time_limit_seconds)
        if near is None or isinstance(any_found, np.ndarray) or any_found is Outcome.INFEASIBLE:
            return any_found
        return usable_start(case.instance, np.where(near == ANYWHERE, case.instance.today, near))

    result = solve(
        case.instance,
        seed=seed,
        effort=effort,
        gap=gap,
        time_limit_seconds=left,
        engine=engine,
        progress=progress,
        start=start,
        multipliers=multipliers,
        fallback=known,
    )
    if result.options is None:
        raise _no_schedule(case, limits, seed, effort, _seconds_for_reason(time_limit_seconds, began), tell)
    if near is not None:
        result = stay_close(case.instance, result, near, gap if keep else 0.0)
    assert result.options is not None
    return keep_promise(case, result, seed)


def _start_of(instance: Instance, seed: int, time_limit_seconds: float | None) -> IntArray | None:
    """Best moves from today under a limit of moves, as in the moves curve, so that the search is never worse."""
    if violations(instance, todays(instance)):
        return None
    from optimizer.solve.moves.curve import best_moves

    return best_moves(
        instance,
        todays(instance),
        effort=EFFORT_OF_START,
        seed=seed,
        clock=SolveClock(None if time_limit_seconds is None else SHARE_OF_START * time_limit_seconds),
    )


def _seconds_for_reason(time_limit_seconds: float | None, began: float) -> float | None:
    """Seconds for conflicts and ways out after a search that began at this ``time.monotonic()``; None: no limit."""
    if time_limit_seconds is None:
        return None
    return max(time_limit_seconds - (time.monotonic() - began), SHARE_OF_REASON * time_limit_seconds)


def _no_schedule(
    case: Case,
    limits: Limits | None,
    seed: int,
    effort: int,
    time_limit_seconds: float | None,
    tell: Tell,
    if_possible: str = "",
) -> NoScheduleError | NotFoundWithinEffortError:
    """Error for a case that was not solved, with the reason and the ways out.

    ``limits`` is None if the reason is not wanted.  ``if_possible`` is the message if some schedule keeps the rules.
    """
    not_found = (
        f"no schedule that satisfies the rules was found with effort {effort}, and it was not proven that there is "
        "none; search longer with --effort, or loosen a rule"
        + ("" if case.rules.max_moves is None else ", or take a first step toward the rules with --toward")
    )
    if limits is None:
        return NotFoundWithinEffortError(not_found)
    diagnosis = diagnose_case(
        case, limits=limits, seed=seed, effort=effort, time_limit_seconds=time_limit_seconds, tell=tell
    )
    names = Names(case.inventory, case.rules)
    if diagnosis.outcome is Outcome.INFEASIBLE:
        answer = names.answer(diagnosis, _circumstances(case, diagnosis, effort, time_limit_seconds))
        return NoScheduleError(answer, diagnosis.conflicts, diagnosis.relaxations)
    if diagnosis.outcome is Outcome.FEASIBLE and if_possible:
        return NotFoundWithinEffortError(if_possible)
    return NotFoundWithinEffortError(not_found, names.answer(diagnosis, ()))


def diagnose_case(
    case: Case,
    *,
    limits: Limits | None = None,
    seed: int = 0,
    effort: int = DEFAULT_EFFORT,
    time_limit_seconds: float | None = None,
    tell: Tell = nobody,
) -> Diagnosis:
    """Find out why a case has no schedule, and what would make one possible.

    Parameters
    ----------
    case
        Case without a schedule.
    limits
        Limits of the case, if they are already known.
    seed, effort, time_limit_seconds
        Settings of the solver.  Each plan that a relaxation makes possible gets a twentieth of the effort.  Half of
        the time limit is for the conflicts, the other half for all of these plans together.
    tell
        Called with every conflict and every way out as soon as it is proven.
    """
    deadline = None if time_limit_seconds is None else time.monotonic() + time_limit_seconds
    names = Names(case.inventory, case.rules)

    def judge(changes: Sequence[Change], near: IntArray) -> Effect | None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) / RELAXATIONS_TO_TIME
        return solved(relaxed_instance(case, changes), max(1, effort // EFFORT_PARTS), seed, left, near)

    def told(one: Conflict | Relaxation) -> None:
        tell(names.conflict(one) if isinstance(one, Conflict) else names.relaxation(one))

    halfway = None if deadline is None or time_limit_seconds is None else deadline - time_limit_seconds / 2
    limits = Limits(case.instance, case.restrictions, case.rules) if limits is None else limits
    return diagnose(limits, judge, Budget(CONFLICT_WORK * effort, halfway), told)


def _circumstances(
    case: Case, diagnosis: Diagnosis, effort: int, time_limit_seconds: float | None
) -> list[tuple[str, ...]]:
    """Properties of the VMs' backups that contribute to each conflict."""

    def limits_of(inventory: Inventory) -> Limits:
        other = prepare_forecast(inventory, case.rules, case.forecast, case.recently_moved)
        return Limits(other.instance, other.restrictions, other.rules)

    ends = None if time_limit_seconds is None else time.monotonic() + SHARE_OF_CIRCUMSTANCES * time_limit_seconds
    return circumstances(case.inventory, diagnosis.conflicts, limits_of, Budget(CONFLICT_WORK * effort, ends))


def relaxed_instance(case: Case, changes: Sequence[Change]) -> Instance:
    """Instance for rules with the given changes."""
    rules = relaxed_rules(case.rules, changes, case.inventory)
    relaxed = prepare_forecast(case.inventory, rules, case.forecast, case.recently_moved, case.table)
    return loosened(Limits(relaxed.instance, relaxed.restrictions, relaxed.rules), changes).instance


def price_plan_limits(
    plan: PlanDocument, estate: Estate, *, num_rounds: int = DEFAULT_ROUNDS, progress: Progress = no_progress
) -> tuple[LimitPriceEntry, ...]:
    """Limits that bind in a plan, with what one more of each would save, the largest saving first.

    Parameters
    ----------
    plan, estate
        The plan and its estate.
    num_rounds
        Amount of search for each limit; see :func:`optimizer.solve.why_not.shadow.price_limits`.
    progress
        Called with the progress of the work.
    """
    case = prepare(estate, plan.rules, recently_moved=plan.settings.recently_moved, progress=progress)
    options = starts_in_schedule(case.inventory, plan.schedule)
    limits = Limits(case.instance, case.restrictions, case.rules)
    return name_prices(case.inventory, price_limits(limits, options, num_rounds=num_rounds, seed=plan.settings.seed))


def explain_vm(
    plan: PlanDocument, estate: Estate, vm: str, *, engine: Engine = SERIAL, progress: Progress = no_progress
) -> Explanation:
    """Explain why a VM moves or stays in a plan.

    Parameters
    ----------
    plan, estate
        The plan and its estate.
    vm
        ARM id or name of the VM.
    engine
        See :func:`prepare`.

    Raises
    ------
    DataError
        The plan has no such VM.
    """
    case = prepare(estate, plan.rules, recently_moved=plan.settings.recently_moved, engine=engine, progress=progress)
    options = starts_in_schedule(case.inventory, plan.schedule)
    solution = Solution(
        case.inventory,
        case.instance,
        case.restrictions,
        options,
        case.history_days,
        case.table,
        case.recently_moved,
        observed_risk(case.inventory, case.forecast, agentless_at_risk=case.rules.threshold.agentless),
    )
    return explain(plan, solution, vm)
