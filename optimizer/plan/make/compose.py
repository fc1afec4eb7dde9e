"""Conversion of a solver result to a plan: schedule, changes, figures and notes, all checked by the verifier."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from optimizer.documents import (
    MOST_OF_GAIN,
    NO_FINGERPRINT,
    CostSummary,
    EstateReference,
    Expectation,
    HistorySource,
    Knee,
    MovesCurve,
    PlanDocument,
    ScheduleEntry,
    Settings,
    Summary,
    TodayAndPlan,
    TodayAndPlanCount,
    Toward,
    WeightedFigures,
    WeightedTotals,
    apply_in_memory,
    objects_of,
    relative_to_plan,
    with_fingerprint,
)
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.occupancy import (
    exact_overlaps,
    expected_overlaps,
    service_occupancy,
    working_hours_starts,
)
from optimizer.model.raw import id_of
from optimizer.model.timegrid import WEEKDAYS, format_start
from optimizer.plan.audits.broken_rules import breaks_of_standing, find_broken_rules
from optimizer.plan.audits.orders import order_gaps
from optimizer.plan.audits.rule_scope import notes_on_scope
from optimizer.plan.case import Case
from optimizer.plan.explanations.explain import Solution, format_start_utc, reasons
from optimizer.plan.make.diff import Diff, derive_changes
from optimizer.plan.notes.credit_notes import (
    notes_on_chance,
    notes_on_credit,
    notes_on_repetition,
    notes_on_short_history,
)
from optimizer.plan.notes.estate_notes import notes_on_estate
from optimizer.plan.notes.policy_notes import notes_on_names, notes_on_policies
from optimizer.plan.notes.rule_notes import (
    notes_on_freeze,
    notes_on_order,
    notes_on_prices,
    notes_on_raised_risk,
    notes_on_rpo,
)
from optimizer.plan.notes.weight_notes import notes_on_weights
from optimizer.plan.together import notes_on_spreading, services_together
from optimizer.ports import Clock
from optimizer.risk.promise import Decisions, expected_change
from optimizer.solve import Solved
from optimizer.verifier import Checked, Claims, require_verified

HARM_TOLERANCE = 1e-6
"""Difference in risk below which two risks count as equal."""

VERSIONED = ("backup-schedule-optimizer", "ortools", "numpy")
"""Distributions whose versions a plan records."""


def compose_plan(
    estate: Estate,
    case: Case,
    result: Solved,
    settings: Settings,
    *,
    path: Path,
    began: float,
    moves_curve: MovesCurve | None = None,
    toward: Toward | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Write a result as a plan that has passed the verifier.

    Parameters
    ----------
    estate, case, result
        Estate, the case that was solved, and its result.
    settings
        Settings of the solver.
    path
        Path at which the plan will be written.
    began
        Value of ``time.monotonic()`` when the work began.
    moves_curve
        Moves curve to store in the plan.
    toward
        What the plan leaves of the rules that today's schedule breaks, if it is a step of ``plan --toward``.
    clock
        Clock for the plan's ``created_at``.

    Raises
    ------
    VerificationError
        The result did not pass, which is a bug.
    """
    options = result.options
    diff = changes_to(case, options, known_policies(estate))
    schedule = _schedule(case, options, diff)
    summary = _summary(case, result, diff, settings.seed, toward, moves_curve)
    claims = Claims(
        cost=result.cost.total,
        overlaps=summary.overlaps_per_month.plan,
        exact_overlaps=None if summary.overlaps_exact is None else summary.overlaps_exact.plan,
        working_hours_starts=_working_hours_starts(case, options).plan,
        peak=summary.peak_concurrency.plan,
        weighted_overlaps=None if summary.weighted is None else summary.weighted.overlaps_per_month.plan,
        bound=result.bound,
        spreading_costs=result.spreading_costs,
    )
    checked = to_check(estate, case, [entry.start for entry in schedule], diff)
    if toward is not None:
        checked = replace(checked, left={one.rule: one.left for one in toward.rules})
    require_verified(checked, claims)
    plan = PlanDocument(
        created_at=clock.now(),
        fingerprint=NO_FINGERPRINT,
        estate=EstateReference(
            path=relative_to_plan(estate.path, path),
            fingerprint=estate.fingerprint,
            as_of=estate.as_of,
            objects=objects_of(estate.document).fingerprint(),
        ),
        rules=case.rules,
        settings=settings,
        versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONED}},
        summary=summary.model_copy(update={"seconds": round(time.monotonic() - began, 3)}),
        notes=(
            *notes_on_order(case.rules, result),
            *notes_on_spreading(case.rules.prices, result.spreading_costs, with_curve=moves_curve is not None),
            *_notes(case, diff, summary.expected_change),
        ),
        schedule=tuple(schedule),
        changes=diff.changes,
        services_together=services_together(case, options, settings.seed),
        moves_curve=moves_curve,
        orders=order_gaps(case.inventory, case.rules, options),
    )
    return with_fingerprint(plan)


def known_policies(estate: Estate) -> list[str]:
    """ARM ids of every policy of an estate, including those of other workloads."""
    return [id_of(resource) for resource in estate.document.policies]


def to_check(estate: Estate, case: Case, starts: Sequence[str], diff: Diff) -> Checked:
    """Input of the verifier: the estate before and after the changes that lead to a schedule of ``HH:MM`` starts."""
    after = apply_in_memory(estate.document, diff.changes)
    return Checked(
        before=case.inventory,
        after=Estate(estate.path, after).inventory(case.rules.service_from),
        rules=case.rules,
        risk=case.table.risk,
        credit=case.table.counted,
        own=case.table.own,
        starts=starts,
        changes=diff.changes,
        moved_on=case.recently_moved,
    )


def changes_to(case: Case, options: npt.NDArray[np.int64], known: Iterable[str]) -> Diff:
    """Changes that lead to a schedule; ``known`` contains the ARM ids of every policy of the estate."""
    return derive_changes(case.inventory, case.rules, options, case.problem.restrictions.movable, known)


def _schedule(case: Case, options: npt.NDArray[np.int64], diff: Diff) -> list[ScheduleEntry]:
    inventory = case.inventory
    why = reasons(Solution(case, options))
    entries = []
    for v, item in enumerate(inventory.items):
        policy, vm = inventory.policy(item), inventory.vm(item)
        recurrence, today, start = policy.recurrence, policy.start, int(options[v])
        entries.append(
            ScheduleEntry(
                vm=item.vm_id,
                service=vm.service_name,
                vault=inventory.vault(item).name,
                frequency=recurrence.frequency.value,
                days=tuple(WEEKDAYS[day] for day in recurrence.days),
                interval_hours=recurrence.interval_hours,
                duration_hours=recurrence.duration_hours,
                timezone=policy.timezone,
                policy_today=policy.name,
                start_today=format_start(today),
                start_today_utc=format_start_utc(inventory, policy.timezone, today),
                policy=diff.policy_names[v],
                start=format_start(start),
                start_utc=format_start_utc(inventory, policy.timezone, start),
                risk_today=float(case.problem.instance.risk[v, today]),
                risk=float(case.problem.instance.risk[v, start]),
                weight=float(case.problem.instance.weight[v]),
                reason=why[v],
            )
        )
    return entries


def _summary(
    case: Case, result: Solved, diff: Diff, seed: int, toward: Toward | None, curve: MovesCurve | None
) -> Summary:
    instance, options = case.problem.instance, result.options
    rows = np.arange(instance.num_vms)
    before, after = instance.risk[rows, instance.today], instance.risk[rows, options]
    _, met_before = service_occupancy(case.inventory, instance.today)
    _, met_after = service_occupancy(case.inventory, options)
    return Summary(
        vms=instance.num_vms,
        moved=result.cost.num_moves,
        reassigned=diff.count("reassign_item"),
        policies_created=diff.count("create_policy"),
        policies_edited=diff.count("edit_policy"),
        status="optimal" if result.is_optimal else "feasible",
        stopped=result.stopped,
        reference=result.reference_name,
        at_risk_per_month=TodayAndPlan(today=_round(before.sum()), plan=_round(after.sum())),
        overlaps_per_month=TodayAndPlan(
            today=_round(expected_overlaps(case.inventory, instance.today).sum()),
            plan=_round(expected_overlaps(case.inventory, options).sum()),
        ),
        overlaps_exact=TodayAndPlan(
            today=_round(exact_overlaps(case.inventory, instance.today)),
            plan=_round(exact_overlaps(case.inventory, options)),
        ),
        working_hours_starts=_working_hours_starts(case, options),
        peak_concurrency=TodayAndPlanCount(today=int(met_before.max(initial=0)), plan=int(met_after.max(initial=0))),
        weighted=_weighted(case, options),
        vms_helped=int((after < before - HARM_TOLERANCE).sum()),
        vms_unharmed=int((np.abs(after - before) <= HARM_TOLERANCE).sum()),
        vms_harmed=int((after > before + HARM_TOLERANCE).sum()),
        cost=CostSummary(
            today=_round(case.problem.cost(instance.today).total),
            reference=_round(result.reference.total),
            plan=_round(result.cost.total),
            bound=_round(result.bound),
        ),
        knee=None if toward is not None else _knee(case, options, curve),
        broken_today=_broken_today(case) if result.reference_name == "greedy" or toward is not None else (),
        captured=_round(result.captured),
        gap=_round(result.gap),
        spreading_costs=_round(result.spreading_costs),
        toward=toward,
        seconds=result.seconds,
        model_change=_round((after - before).sum()),
        expected_change=predict_change(case, options, seed),
    )


def _weighted(case: Case, options: npt.NDArray[np.int64]) -> WeightedFigures | None:
    """Weighted figures of today's schedule and of the plan's; None if every VM has the weight 1."""
    instance = case.problem.instance
    rows = np.arange(instance.num_vms)
    today, plan = (
        WeightedTotals.of(case.inventory, starts, instance.risk[rows, starts], instance.weight)
        for starts in (instance.today, options)
    )
    if today is None or plan is None:
        return None
    return WeightedFigures(
        at_risk_per_month=TodayAndPlan(today=today.at_risk_per_month, plan=plan.at_risk_per_month),
        overlaps_per_month=TodayAndPlan(today=today.overlaps_per_month, plan=plan.overlaps_per_month),
    )


def _knee(case: Case, options: npt.NDArray[np.int64], curve: MovesCurve | None) -> Knee | None:
    """Approximate number of moves for most of the gain; schedules of the curve may need fewer than the plan itself."""
    if curve is not None:
        if curve.most_of_gain is None or curve.gain_over != "today":
            return None
        point = curve.point(curve.most_of_gain)
        return Knee(moves=point.moved, share=point.gain_share)
    found = case.problem.fewest_moves_for(options, MOST_OF_GAIN)
    return None if found is None else Knee(moves=found.moves, share=_round(found.share))


def _working_hours_starts(case: Case, options: npt.NDArray[np.int64]) -> TodayAndPlan:
    """Expected number of backups per 30 days that start in working hours, today and in the plan."""
    today, plan = (
        _round(working_hours_starts(case.inventory, case.rules.working_hours, starts))
        for starts in (case.problem.instance.today, options)
    )
    return TodayAndPlan(today=today, plan=plan)


def predict_change(case: Case, options: npt.NDArray[np.int64], seed: int) -> Expectation | None:
    """Expected change of at-risk backups per 30 days; None if the history is too short to predict one.

    Parameters
    ----------
    case
        The estate and its rules.
    options
        Shape (V,): start option of each item in the plan.
    seed
        Random seed of the interval's resampling.
    """
    instance = case.problem.instance
    expected = expected_change(
        case.inventory,
        case.forecast,
        case.table,
        Decisions(
            today=instance.today,
            options=options,
            allowed=case.problem.restrictions.allowed_at_any_risk,
            move_price=instance.move_price / instance.risk_weight,
            max_increase=case.rules.max_risk_increase,
        ),
        agentless_at_risk=case.rules.threshold.agentless,
        seed=seed,
    )
    if expected is None:
        return None
    return Expectation(
        value=expected.value, low=expected.low, high=expected.high, today=expected.today, plan=_round(expected.plan)
    )


def _broken_today(case: Case) -> tuple[str, ...]:
    """Rules that today's schedule breaks, those with the most VMs first; immovable VMs do not count."""
    found = find_broken_rules(case.inventory, case.problem)
    return tuple(one.rule for one in found if len(one.vms) > one.never_written)


def _round(value: float) -> float:
    return round(float(value), 6)


def _notes(case: Case, diff: Diff, expected: Expectation | None) -> list[str]:
    """Notes for the reader of the plan, besides the figures."""
    inventory, rules = case.inventory, case.rules
    notes = notes_on_estate(inventory)
    notes += notes_on_short_history(inventory, case.table)
    notes += notes_on_repetition(case.table, case.forecast)
    notes += notes_on_chance(case.table, case.forecast, expected)
    notes += notes_on_credit(inventory, case.table, case.forecast)
    notes += _notes_on_history(case.history)
    if case.recently_moved:
        notes.append(
            f"{_vms(len(case.recently_moved), 'was', 'were')} moved in the {rules.prices.recent_days} days before the "
            f"estate was taken: to move one again costs {rules.prices.move_again:g} instead of {rules.prices.move:g}"
        )
    notes += notes_on_prices(rules) + notes_on_raised_risk(inventory, rules, case.problem.restrictions.raised)
    used = {item.policy_id for item in inventory.items}
    zones = sorted({inventory.policies[key].timezone for key in used if _changes_clock(case, key)})
    if zones:
        notes.append(
            f"clocks change in {', '.join(zones)}: Azure does not document whether schedules follow, so start windows "
            "there count under both UTC offsets"
        )
    notes += notes_on_weights(inventory, rules)
    notes += notes_on_scope(inventory, rules, ~case.problem.restrictions.movable)
    notes += [
        f"the proven bound leaves out what rule {name!r} costs, so the plan may be better than is proven"
        for name in case.problem.rules_outside_the_bound()
    ]
    notes += notes_on_rpo(inventory, rules, case.problem.restrictions.movable)
    notes += notes_on_policies(inventory, rules)
    tolerated = breaks_of_standing(inventory, case.problem)
    for name, count in Counter(name for _, name in tolerated).items():
        vms = _vms(
            count, "that is never changed and stays where it is", "that are never changed and stay where they are"
        )
        notes.append(f"rule {name!r} is broken today by {vms}")
    if diff.detours:
        notes.append(
            f"{'1 extra policy is' if diff.detours == 1 else f'{diff.detours} extra policies are'} created so that "
            "full policies can swap VMs without exceeding their limit; the cost includes this"
        )
    notes += notes_on_names(diff.changes, rules)
    return [*notes, *_notes_on_days(case, diff), *notes_on_freeze(inventory, rules, diff.changes)]


def _notes_on_days(case: Case, diff: Diff) -> list[str]:
    """Note on how long the policy writes take, if that is more than a day."""
    limits = case.rules.policies
    by_place: Counter[str] = Counter()
    for change in diff.changes:
        if change.kind != "reassign_item":
            vault = case.inventory.vaults[change.vault_id]
            by_place[vault.id if limits.scope == "vault" else vault.subscription or vault.id] += 1
    days = -(-max(by_place.values(), default=0) // limits.max_writes_per_day)
    if days <= 1:
        return []
    return [f"the policy writes take at least {days} days, at {limits.max_writes_per_day} per day and {limits.scope}"]


def _vms(count: int, one: str, several: str) -> str:
    return f"1 VM {one}" if count == 1 else f"{count:,} VMs {several}"


def _notes_on_history(history: Sequence[HistorySource]) -> Iterator[str]:
    """Notes on each earlier plan and on all journals together: which moves are in force, and which count as recent."""
    journals = [one for one in history if one.kind == "journal"]
    if journals:
        name = journals[0].file if len(journals) == 1 else f"{len(journals)} journals"
        moves, in_force, recent = (
            sum(getattr(one, field) for one in journals) for field in ("moves", "in_force", "recent")
        )
        yield (
            f"history: {in_force} of the {moves} moves of {name} are in force; {_counted(recent)}"
            if moves
            else f"history: {name}: no move was made yet"
        )
    for one in history:
        if one.kind == "plan":
            applied = "" if one.in_force or not one.moves else " (was it applied?)"
            before = f", and it knew of {one.known_before} earlier" if one.known_before else ""
            yield (
                f"history: {one.in_force} of the {one.moves} moves of {one.file} are in force{applied}{before}; "
                f"{_counted(one.recent)}"
            )


def _counted(recent: int) -> str:
    return f"{recent or 'none'} {'count' if recent > 1 else 'counts'} as recent"


def _changes_clock(case: Case, policy_key: ArmId) -> bool:
    policy = case.inventory.policies[policy_key]
    return len(case.inventory.pattern(policy).offsets) > 1
