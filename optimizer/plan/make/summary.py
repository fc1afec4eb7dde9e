"""Figures of a plan, beside those of today's schedule."""

from __future__ import annotations

import numpy as np

from optimizer.documents import (
    MOST_OF_GAIN,
    CostSummary,
    Expectation,
    Knee,
    MovesCurve,
    Summary,
    TodayAndPlan,
    TodayAndPlanCount,
    Toward,
    WeightedFigures,
    WeightedTotals,
)
from optimizer.model.arrays import IntArray
from optimizer.model.occupancy import exact_overlaps, expected_overlaps, service_occupancy, working_hours_starts
from optimizer.plan.audits.broken_rules import find_broken_rules
from optimizer.plan.case import Case
from optimizer.plan.make.diff import Diff
from optimizer.risk import Decisions, expected_change
from optimizer.solve import Solved

HARM_TOLERANCE = 1e-6
"""Difference in risk below which two risks count as equal."""


def summary_of(
    case: Case,
    result: Solved,
    diff: Diff,
    seed: int,
    curve: MovesCurve | None = None,
    toward: Toward | None = None,
) -> Summary:
    """Figures of a plan.

    Parameters
    ----------
    case, result, diff
        The case that was solved, its result, and the changes that lead to it.
    seed
        Random seed of the interval of the expected change.
    curve
        Moves curve of the plan.
    toward
        How far the plan leads, if it is a step of ``plan --toward``.
    """
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


def _weighted(case: Case, options: IntArray) -> WeightedFigures | None:
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


def _knee(case: Case, options: IntArray, curve: MovesCurve | None) -> Knee | None:
    """Approximate number of moves for most of the gain; schedules of the curve may need fewer than the plan itself."""
    if curve is not None:
        if curve.most_of_gain is None or curve.gain_over != "today":
            return None
        point = curve.point(curve.most_of_gain)
        return Knee(moves=point.moved, share=point.gain_share)
    found = case.problem.fewest_moves_for(options, MOST_OF_GAIN)
    return None if found is None else Knee(moves=found.moves, share=_round(found.share))


def _working_hours_starts(case: Case, options: IntArray) -> TodayAndPlan:
    """Expected number of backups per 30 days that start in working hours, today and in the plan."""
    today, plan = (
        _round(working_hours_starts(case.inventory, case.rules.working_hours, starts))
        for starts in (case.problem.instance.today, options)
    )
    return TodayAndPlan(today=today, plan=plan)


def predict_change(case: Case, options: IntArray, seed: int) -> Expectation | None:
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
    return tuple(broken.rule for broken in found if len(broken.vms) > broken.never_written)


def _round(value: float) -> float:
    return round(float(value), 6)
