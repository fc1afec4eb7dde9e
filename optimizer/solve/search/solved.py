"""Answers of the solver: a schedule and how good it provably is, a proof that no schedule exists, or neither."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from optimizer.model.arrays import IntArray
from optimizer.solve.bound.dual import Multipliers
from optimizer.solve.problem.cost import Cost, evaluate
from optimizer.solve.problem.instance import Instance

OPTIMALITY_GAP = 1e-4
"""Relative gap between plan and bound up to which a plan is called optimal."""

ROUNDING = 1e-6
"""Relative error of sums of costs."""

ReferenceName = Literal["today", "greedy"]
"""Name of the schedule that an answer is compared with."""

Stopped = Literal["gap", "effort", "time", "order"]
"""What ended the work; "order": cheaper schedules were found, but no order of writes for them."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A schedule that keeps every limit, with its cost and a proven lower bound.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM.
    cost
        Cost of the schedule.
    bound
        Proven lower bound on the cost of every feasible schedule, in at-risk backups per 30 days.
    reference_name, reference
        Name and cost of the schedule that ``captured`` compares with: "today" if today's schedule keeps the rules,
        otherwise "greedy".
    ended_by
        What ended the work; see :data:`Stopped`.
    seconds
        Wall-clock time in seconds.
    multipliers
        Multipliers of the best bound: prices of being in a row, of moves and of policy writes.
    spreading_costs
        Part of the cost that spreads services although that saves less in overlaps, in at-risk backups per 30 days.
        Services are spread after the search, so what is proven holds for the rest of the cost.
    """

    options: IntArray
    cost: Cost
    bound: float
    reference_name: ReferenceName
    reference: Cost
    ended_by: Stopped
    seconds: float
    multipliers: Multipliers
    spreading_costs: float = 0.0

    @property
    def searched(self) -> float:
        """Cost without what spreads services, which the search is compared with, in at-risk backups per 30 days."""
        return self.cost.total - self.spreading_costs

    @property
    def is_optimal(self) -> bool:
        """Whether the schedule is proven optimal but for spread services, up to :data:`OPTIMALITY_GAP`."""
        return proves_optimal(self.searched, self.bound)

    @property
    def stopped(self) -> Stopped:
        """Reason why the search ended; "gap" for an optimal schedule, even if it was found after the search."""
        return "gap" if self.is_optimal else self.ended_by

    @property
    def gap(self) -> float:
        """Largest possible saving besides the spreading costs, in at-risk backups per 30 days."""
        return max(0.0, self.searched - self.bound)

    @property
    def captured(self) -> float:
        """Certified share of all possible improvement.

        It is ``(reference - plan) / (reference - bound)``, where ``plan`` is :attr:`searched`; 1 if the plan is proven
        optimal or the denominator is below 1e-6; and 0 if the plan costs more than the reference.
        """
        if self.is_optimal:
            return 1.0
        if self.searched > self.reference.total + ROUNDING:
            return 0.0
        return captured(self.reference.total, self.searched, self.bound)

    def leaves_open_at_most(self, gap: float, cost: float) -> bool:
        """Whether a schedule of this cost leaves at most this share of the possible improvement open; see `solve`."""
        today = self.reference.total if self.reference_name == "today" else None
        return leaves_open_at_most(gap, cost, self.bound, today)

    def with_schedule(self, instance: Instance, options: IntArray, bound: float | None = None) -> Solved:
        """The same answer with another schedule; what it saves reduces the spreading costs.

        Parameters
        ----------
        instance
            The problem.
        options
            Shape (V,): start option of each VM.
        bound
            A better lower bound on the cost of every feasible schedule; None: the present one.
        """
        cost = evaluate(instance, options)
        saved = max(0.0, self.cost.total - cost.total)
        spreading_costs = max(0.0, self.spreading_costs - saved)
        bound = self.bound if bound is None else bound
        return replace(self, options=options, cost=cost, bound=bound, spreading_costs=spreading_costs)

    def with_services_spread(self, instance: Instance, options: IntArray) -> Solved:
        """The same answer with a schedule that spreads services; what it costs more counts as spreading costs."""
        spread = self.with_schedule(instance, options)
        more = max(0.0, spread.cost.total - self.cost.total)
        return replace(spread, spreading_costs=spread.spreading_costs + more)


@dataclass(frozen=True, slots=True)
class Unsolvable:
    """It is proven that no schedule keeps every limit; this took some seconds of wall-clock time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NotFound:
    """No schedule was found, and it is not proven that none exists; this took some seconds of wall-clock time."""

    seconds: float


def proves_optimal(cost: float, bound: float) -> bool:
    """Whether a lower bound proves that a schedule of this cost is optimal, up to :data:`OPTIMALITY_GAP`."""
    return cost - bound <= OPTIMALITY_GAP * max(1.0, abs(cost))


def leaves_open_at_most(gap: float, cost: float, bound: float, today: float | None) -> bool:
    """Whether a schedule leaves open at most a share of what can be gained, or is proven optimal.

    Parameters
    ----------
    gap
        Share of the possible improvement over today's schedule; if that breaks rules, share of the cost.
    cost, bound
        Cost of the schedule, and lower bound on the cost of every schedule.
    today
        Cost of today's schedule; None if it breaks rules.
    """
    possible = abs(cost) if today is None else today - bound
    return cost - bound <= gap * possible or proves_optimal(cost, bound)


def captured(reference: float, plan: float, bound: float) -> float:
    """Certified share of all possible improvement that a plan has over a reference."""
    possible = reference - bound
    return 1.0 if possible < ROUNDING else (reference - plan) / possible
