"""Comparison of a plan with another plan, and with the base plan's schedule kept unchanged."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optimizer.documents import WeightedTotals
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.occupancy import (
    expected_overlaps,
    service_occupancy,
    working_hours_starts,
)
from optimizer.model.phrases import count_vms
from optimizer.model.rules import Prices, Rules
from optimizer.model.timegrid import format_start
from optimizer.plan import Case, Planned
from optimizer.solve import BreachKind
from optimizer.whatif.document import StartChange
from optimizer.whatif.figures import CostTerms, Figures, Noticed, PlanFigures

TINY = 1e-9
"""Tolerance for rounding when a change of cost is compared with the price of a move."""


def schedule_figures(case: Case, options: IntArray) -> Figures:
    """Figures of any schedule of a case, whether or not the schedule keeps the rules.

    Parameters
    ----------
    case
        Case whose prices apply.
    options
        Shape (V,): start option of each VM.
    """
    instance, cost = case.problem.instance, case.problem.cost(options)
    _, met = service_occupancy(case.inventory, options)
    risk = instance.risk[np.arange(instance.num_vms), options]
    return Figures(
        vms=instance.num_vms,
        at_risk_per_month=_round(risk.sum()),
        overlaps_per_month=_round(expected_overlaps(case.inventory, options).sum()),
        working_hours_starts=_round(working_hours_starts(case.inventory, case.rules.working_hours, options)),
        weighted=WeightedTotals.of(case.inventory, options, risk, instance.weight),
        peak_concurrency=int(met.max(initial=0)),
        moved=cost.num_moves,
        policies_written=cost.writes,
        cost=CostTerms(
            risk=_round(cost.risk),
            overlap=_round(cost.overlap),
            vault_peak=_round(cost.vault_peak),
            working_hours=_round(cost.working_hours),
            policy_writes=_round(cost.policy_writes),
            moves=_round(cost.moves),
            total=_round(cost.total),
        ),
    )


def plan_figures(planned: Planned) -> PlanFigures:
    """Figures of a plan."""
    summary, rules = planned.plan.summary, planned.plan.rules
    return PlanFigures(
        **schedule_figures(planned.case, planned.options).model_dump(),
        bound=summary.cost.bound,
        captured=summary.captured,
        reference=summary.reference,
        status=summary.status,
        spreading_costs=summary.spreading_costs,
        max_moves=rules.max_moves,
        max_policy_writes=rules.max_policy_writes,
        budget_days=rules.budget_days,
    )


def _round(value: float) -> float:
    return round(float(value), 6) + 0.0


def worth_a_move(rules: Rules) -> float:
    """Change of cost, in at-risk backups per 30 days, from which a change of start matters for a VM.

    This is the price of a move, because no VM is moved for less. If moves are free, it is the default price.
    """
    return rules.prices.move or Prices().move


def cost_changes(case: Case, kept: IntArray, options: IntArray) -> FloatArray:
    """Change of each VM's own risk and its part of shared costs; shape (V,), negative if the VM gains.

    Parameters
    ----------
    case
        Case whose prices apply.
    kept, options
        Shape (V,): start option of each VM in the base plan's schedule and in the new plan.
    """
    return case.problem.cost_shares(options) - case.problem.cost_shares(kept)


def noticed(changes: Iterable[tuple[float, bool]], least: float) -> Noticed:
    """Count the VMs whose change of start matters.

    Parameters
    ----------
    changes
        For each VM whose start changes: its change of cost, and whether it must start at another time.
    least
        Change of cost from which a change of start matters.
    """
    known = list(changes)
    free = [change for change, must in known if not must]
    return Noticed(
        must=sum(must for _, must in known),
        gain=sum(change <= TINY - least for change in free),
        lose=sum(change >= least - TINY for change in free),
    )


def start_changes(base: Planned, other: Planned, kept: IntArray) -> tuple[StartChange, ...]:
    """VMs that start at different times in two plans; those that must, or for which it is worth a move, come first.

    Parameters
    ----------
    base, other
        The two plans.
    kept
        Shape (V,): start options of the other plan's VMs in the base plan.
    """
    before, case = base.starts(), other.case
    changes = cost_changes(case, kept, other.options)
    changed = []
    for v in np.flatnonzero(other.options != kept).tolist():
        item = case.inventory.items[v]
        if item.vm_id in before:
            changed.append(
                StartChange(
                    vm=item.vm_id,
                    service=case.inventory.vm(item).service_name,
                    today=format_start(case.inventory.policy(item).start),
                    base=format_start(int(kept[v])),
                    scenario=format_start(int(other.options[v])),
                    cost_change=_round(changes[v]),
                    must=not case.problem.instance.allowed[v, kept[v]],
                )
            )
    least = worth_a_move(base.case.rules)

    def rank(change: StartChange) -> tuple[bool, float]:
        return not change.must and abs(change.cost_change) < least - TINY, -abs(change.cost_change)

    return tuple(sorted(changed, key=rank))


def broken_by(case: Case, options: IntArray) -> tuple[str, ...]:
    """Limits that a schedule breaks in a case, in words; empty if it keeps all of them.

    Parameters
    ----------
    case
        Case with the rules and limits.
    options
        Shape (V,): start option of each VM.
    """
    broken: dict[str, None] = {}
    for breach in case.problem.breaches(options):
        match breach.kind:
            case BreachKind.START:
                words = f"{breach.reason!r} for {count_vms(breach.vms)}"
            case BreachKind.CAP:
                words = repr(breach.limit.name)
            case BreachKind.SETS:
                words = f"rule {breach.limit.name!r}"
            case BreachKind.POLICIES:
                item = case.inventory.items[breach.vms[0]]
                words = f"the limit of policies of vault {case.inventory.vault(item).name!r}"
            case _:
                words = breach.limit.name
        broken[words] = None
    return tuple(broken)
