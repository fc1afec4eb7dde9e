"""Cost of each option of one VM compared with its present one, and the limits that forbid options."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.documents import CostParts, LimitCost
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.timegrid import format_start
from optimizer.solve import Limit, OptionCosts, Problem

COST_DECIMALS = 9
"""Number of decimals to which costs are compared; smaller differences come from rounding of sums."""


def difference_of(costs: OptionCosts, t: int, here: int) -> CostParts:
    """Extra cost of an option compared with the VM's present one, by part of the cost; negative if it saves."""

    def of(term: FloatArray) -> float:
        return round(float(term[t] - term[here]), COST_DECIMALS)

    return CostParts(
        risk=of(costs.risk),
        overlap=of(costs.overlap),
        vault_peak=of(costs.vault_peak),
        working_hours=of(costs.working_hours),
        policy=of(costs.policy),
        move=of(costs.move),
    )


def limits_in_the_way(problem: Problem, schedule: IntArray, v: int, t: int) -> dict[Limit, list[str]]:
    """Limits that forbid a VM a start while all other VMs keep theirs, each with the reasons in words."""
    options = schedule.copy()
    options[v] = t
    found: dict[Limit, dict[str, None]] = {}
    for breach in problem.breaches(options):
        found.setdefault(breach.limit, {})[breach.reason] = None
    return {limit: list(reasons) for limit, reasons in found.items()}


def limit_costs(costs: OptionCosts, here: int, better: Mapping[int, Mapping[Limit, object]]) -> list[LimitCost]:
    """Cost of each limit that alone rules out a better start, the most expensive first."""
    found: dict[Limit, LimitCost] = {}
    for t, limits in better.items():  # cheapest first
        if len(limits) == 1:
            (limit,) = limits
            saves = -difference_of(costs, t, here).total
            found.setdefault(limit, LimitCost(name=limit.name, start=format_start(t), saves=saves))
    return sorted(found.values(), key=lambda cost: -cost.saves)
