"""Schedules and plans in figures, as answers to what-if questions contain them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from optimizer.documents import WeightedTotals
from optimizer.model.strict import StrictModel


class CostTerms(StrictModel):
    """Cost of a schedule by term, in at-risk backups per 30 days."""

    risk: float
    overlap: float
    vault_peak: float
    working_hours: float
    policy_writes: float
    moves: float
    total: float


class Figures(StrictModel):
    """A schedule in figures.

    Parameters
    ----------
    at_risk_per_month
        At-risk backups per 30 days, without weights; ``cost.risk`` is the credited risk times the weights of the VMs.
    weighted
        Weighted figures; None if every VM has the weight 1.
    """

    vms: int
    at_risk_per_month: float
    overlaps_per_month: float
    working_hours_starts: float
    weighted: Annotated[WeightedTotals | None, Field(exclude_if=lambda totals: totals is None)] = None
    peak_concurrency: int
    moved: int
    policies_written: int
    cost: CostTerms


class PlanFigures(Figures):
    """Figures of a plan, including its proven quality.

    Parameters
    ----------
    spreading_costs
        Part of the cost that spreads services beyond what that saves in overlaps, which ``captured`` leaves out. Not
        in the JSON if it is 0.
    max_moves, max_policy_writes, budget_days
        Limits under which ``bound`` is proven. Not in the JSON if the rules set none.
    """

    bound: float
    captured: float
    reference: Literal["today", "greedy"]
    status: Literal["optimal", "feasible"]
    spreading_costs: Annotated[float, Field(exclude_if=lambda costs: costs == 0)] = 0.0
    max_moves: Annotated[int | None, Field(exclude_if=lambda limit: limit is None)] = None
    max_policy_writes: Annotated[int | None, Field(exclude_if=lambda limit: limit is None)] = None
    budget_days: Annotated[int | None, Field(exclude_if=lambda limit: limit is None)] = None

    @property
    def gap(self) -> float:
        """Largest possible saving besides the spreading costs, in at-risk backups per 30 days."""
        return max(0.0, self.cost.total - self.spreading_costs - self.bound)


class Noticed(StrictModel):
    """Number of VMs whose change of start matters; each VM counts once.

    Parameters
    ----------
    must
        VMs that may not start as in the base plan.
    gain, lose
        VMs that may, and that gain or lose at least what is worth a move.
    """

    must: int
    gain: int
    lose: int

    @property
    def total(self) -> int:
        """Number of VMs whose change of start matters."""
        return self.must + self.gain + self.lose
