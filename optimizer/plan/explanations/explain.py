"""Full explanation of one VM: its starts today and in the plan, the alternatives, and the limits in the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.documents import ExplainedOption, Explanation, ForbiddenOption, PlanDocument, ScheduleEntry
from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.inventory import Inventory, Policy, describe_recurrence
from optimizer.model.occupancy import windows_met
from optimizer.model.timegrid import NUM_OPTIONS, format_start
from optimizer.plan.case import Case
from optimizer.plan.explanations.find_item import find_item
from optimizer.plan.explanations.option_costs import COST_DECIMALS, difference_of, limit_costs, limits_in_the_way
from optimizer.plan.explanations.reasons import Solution, format_start_utc
from optimizer.plan.explanations.vm_notes import notes_on_companions, notes_on_vm
from optimizer.plan.explanations.vm_overlaps import VmOverlaps
from optimizer.risk import observed_risk
from optimizer.solve import Limit, OptionCosts

NUM_ALTERNATIVES = 2
NUM_FORBIDDEN = 3


def explain(plan: PlanDocument, case: Case, vm: str) -> Explanation:
    """Explain why a VM moves or stays in a plan.

    Parameters
    ----------
    plan, case
        The plan and its case.
    vm
        ARM id or name of the VM; case does not matter.

    Raises
    ------
    DataError
        The plan has no such VM, or several VMs of that name.
    """
    observed = observed_risk(case.inventory, case.forecast, agentless_at_risk=case.rules.threshold.agentless)
    return explain_solution(plan, Solution(case, plan.starts_in(case.inventory), observed), vm)


def explain_solution(plan: PlanDocument, solution: Solution, vm: str) -> Explanation:
    """Explain one VM of a solved case; see :func:`explain`."""
    explained = _Explained(plan, solution, find_item(solution.case.inventory, vm))
    entry, here, today = explained.entry, explained.here, explained.today
    return Explanation(
        vm=solution.case.inventory.items[explained.v].vm_id,
        service=entry.service,
        vault=entry.vault,
        frequency=entry.frequency,
        recurrence=describe_recurrence(explained.policy.recurrence),
        timezone=explained.policy.timezone,
        reason=entry.reason,
        profile=tuple(float(explained.risk[t]) if t in explained.possible else None for t in range(NUM_OPTIONS)),
        allowed=tuple(explained.allowed.tolist()),
        today=explained.option(today),
        proposed=explained.option(here),
        alternatives=tuple(explained.option(t) for t in explained.alternatives()),
        forbidden=tuple(explained.forbidden(t) for t in explained.better[:NUM_FORBIDDEN]),
        limits=tuple(limit_costs(explained.costs, here, {t: explained.in_the_way[t] for t in explained.better})),
        history_days=float(solution.case.history_days[explained.v]),
        model=None if plan.summary.model_change is None else plan.summary.at_risk_per_month,
        model_change=plan.summary.model_change,
        expected_change=plan.summary.expected_change,
        notes=(
            *notes_on_companions(solution, explained.costs, np.isfinite(explained.total), explained.v),
            *notes_on_vm(solution, explained.v, plan.rules.prices),
        ),
    )


@dataclass(frozen=True)
class _Explained:
    """Options of one VM, while all other VMs keep their starts in the plan."""

    plan: PlanDocument
    solution: Solution
    v: int

    @property
    def inventory(self) -> Inventory:
        return self.solution.case.inventory

    @property
    def entry(self) -> ScheduleEntry:
        return self.plan.schedule[self.v]

    @property
    def policy(self) -> Policy:
        return self.inventory.policy(self.inventory.items[self.v])

    @property
    def here(self) -> int:
        return int(self.solution.options[self.v])

    @property
    def today(self) -> int:
        return int(self.solution.problem.instance.today[self.v])

    @property
    def risk(self) -> FloatArray:
        risk: FloatArray = self.solution.problem.instance.risk[self.v]
        return risk

    @cached_property
    def costs(self) -> OptionCosts:
        return self.solution.problem.marginals(self.solution.options).of(self.v)

    @cached_property
    def possible(self) -> frozenset[int]:
        """Options that Azure accepts for the policy."""
        return frozenset(self.policy.recurrence.options(self.today))

    @cached_property
    def in_the_way(self) -> dict[int, dict[Limit, list[str]]]:
        """Limits that forbid each possible option but the one in the plan, with the reasons in words."""
        problem, options = self.solution.problem, self.solution.options
        return {t: limits_in_the_way(problem, options, self.v, t) for t in self.possible if t != self.here}

    @cached_property
    def allowed(self) -> BoolArray:
        return np.array([t == self.here or self.in_the_way.get(t) == {} for t in range(NUM_OPTIONS)])

    @cached_property
    def total(self) -> FloatArray:
        """Cost of each option that is allowed; infinity for the others."""
        return np.where(self.allowed, self.costs.total.round(COST_DECIMALS), np.inf)

    @cached_property
    def better(self) -> list[int]:
        """Possible options that cost less than the plan's and are not allowed, the cheapest first."""
        total = self.costs.total
        worth_it = ~self.allowed & (total < total[self.here])
        return [t for t in np.argsort(total, kind="stable").tolist() if worth_it[t] and t in self.possible]

    def alternatives(self) -> list[int]:
        """The cheapest allowed options other than those of today and the plan."""
        ranked = np.argsort(self.total, kind="stable").tolist()
        others = [t for t in ranked if np.isfinite(self.total[t]) and t not in {self.here, self.today}]
        return others[:NUM_ALTERNATIVES]

    def option(self, t: int) -> ExplainedOption:
        """One option with its figures."""
        return ExplainedOption(
            start=format_start(t),
            start_utc=format_start_utc(self.inventory, self.policy.timezone, t),
            policy=self._policy_at(t),
            risk=float(self.risk[t]),
            windows_met=int(self._met[t]),
            overlaps_per_month=round(float(self._overlaps[t]), COST_DECIMALS),
            difference=difference_of(self.costs, t, self.here),
        )

    def forbidden(self, t: int) -> ForbiddenOption:
        """One option that is not allowed, with the reasons and what it would save."""
        return ForbiddenOption(
            start=format_start(t),
            risk=float(self.risk[t]),
            saves=-difference_of(self.costs, t, self.here).total,
            reasons=tuple(reason for reasons in self.in_the_way[t].values() for reason in reasons),
        )

    def _policy_at(self, t: int) -> str:
        """Policy that the VM has, or could join, at an option; empty if its twin key has none at this start."""
        if t == self.here:
            return self.entry.policy
        return self.entry.policy_today if t == self.today else self._policies.get(t, "")

    @cached_property
    def _met(self) -> IntArray:
        return windows_met(self.inventory, self.solution.options, self.v)

    @cached_property
    def _overlaps(self) -> FloatArray:
        return VmOverlaps(self.inventory, self.solution.options).of(self.v)

    @cached_property
    def _policies(self) -> dict[int, str]:
        """For each start option, the first policy of the VM's twin key that has this start in the plan."""
        key = self.solution.problem.instance.key
        twins = reversed(np.flatnonzero(key == key[self.v]).tolist())
        return {int(self.solution.options[row]): self.plan.schedule[row].policy for row in twins}
