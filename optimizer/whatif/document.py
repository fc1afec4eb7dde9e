"""Answers to what-if questions in the format of ``--format json``; costs are per 30 days."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from optimizer.documents import WeightedTotals
from optimizer.model.frames import frame_of
from optimizer.model.html_table import Cell, counted, html_table, html_view
from optimizer.model.strict import StrictModel

if TYPE_CHECKING:  # importing polars takes time, which reading an answer does not need
    import polars as pl

ANSWER_SCHEMA_VERSION: Final = 2

PriceName = Literal["snapshot_overlap", "all_at_once", "vault_peak", "working_hours", "policy_write", "move"]


class CostTerms(StrictModel):
    """The objective by term, in at-risk backups per 30 days."""

    risk: float
    overlap: float
    vault_peak: float
    working_hours: float
    policy_writes: float
    moves: float
    total: float


class Figures(StrictModel):
    """A schedule in figures.

    ``cost.risk`` is the credited risk times the weights of the VMs, ``at_risk_per_month`` the reported one without
    weights.  ``weighted`` is None where every VM has the weight 1.
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
    """A plan in figures, with its certificate.

    Parameters
    ----------
    spreading_costs
        Part of the cost that spreads services beyond what that saves in overlaps, which ``captured`` leaves out; left
        out where it is 0.
    max_moves, max_policy_writes, budget_days
        Limits under which ``bound`` is proven; left out where the rules set none.
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
        """What any schedule could save besides the spreading costs, in at-risk backups per 30 days."""
        return max(0.0, self.cost.total - self.spreading_costs - self.bound)


class StartChange(StrictModel):
    """A VM whose start differs between two plans, in the zone of its policy.

    Parameters
    ----------
    cost_change
        By how much its own risk and its part of what it shares with others (overlap, vault peaks) change against the
        base plan kept, in at-risk backups per 30 days; below 0 it gains.
    must
        Whether the rules of the scenario do not let it start as in the base plan.
    """

    vm: str
    service: str
    today: str
    base: str
    scenario: str
    cost_change: float
    must: bool


class Noticed(StrictModel):
    """Of the VMs that start elsewhere those for which it matters, each counted once.

    Parameters
    ----------
    must
        They may not start as in the base plan.
    gain, lose
        They could, and gain or lose at least what is worth a move.
    """

    must: int
    gain: int
    lose: int

    @property
    def total(self) -> int:
        """Number of VMs for which it matters."""
        return self.must + self.gain + self.lose


class NewVm(StrictModel):
    """A VM that a scenario adds, and its start in the plan."""

    vm: str
    like: str
    start: str


class Range(StrictModel):
    """Between which figures the truth lies, proven."""

    low: float
    high: float


class ScenarioAnswer(StrictModel):
    """What a scenario comes to.

    Parameters
    ----------
    changes
        As they were asked for.
    notes
        What was reckoned with, and what a planner has to know.
    policies_made
        Policies that VMs need before any plan, because they are new or their vault is lost.
    plan
        The plan made for the scenario; None where no schedule keeps its rules.
    kept
        The base plan left as it is, in the scenario: new VMs start with those that they are like.
    broken
        What the base plan breaks there; empty where it holds.
    no_schedule
        Why there is no schedule; None where there is one.
    ways_out
        Changes of the rules that make a schedule possible where there is none, the cheapest first.
    optimum_change
        By how much the least possible cost changes, as far as it is proven; None without a plan.
    start_changes
        VMs of both plans that start at another time, those first for which it matters.
    noticed
        For how many of them it matters, that is for ``worth_a_move`` or more; the others are noise.
    new_vms
        VMs that are added.
    """

    name: str
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    policies_made: int
    vms_rehomed: int
    plan: PlanFigures | None
    kept: Figures
    broken: tuple[str, ...]
    no_schedule: str | None
    ways_out: tuple[str, ...] = ()
    optimum_change: Range | None
    start_changes: tuple[StartChange, ...]
    noticed: Noticed
    new_vms: tuple[NewVm, ...]

    def start_changes_frame(self) -> pl.DataFrame:
        """VMs that start elsewhere as a data frame with one row each; columns as in :class:`StartChange`."""
        return frame_of(self.start_changes, StartChange)

    def compared(self) -> dict[str, object]:
        """What the scenario means for the base plan: the last columns of :meth:`WhatIf.scenarios_frame`."""
        change = self.optimum_change
        values = (
            len(self.broken), self.kept.cost.total, change and change.low, change and change.high,
            len(self.start_changes), self.noticed.total,
        )  # fmt: skip
        return {"scenario": self.name, **dict(zip(_COMPARED, values, strict=True))}


_PLAIN = (int, float, str, Literal["today", "greedy"], Literal["optimal", "feasible"])
"""Types of fields that become columns."""

_COMPARED = (
    "base_plan_breaks",
    "base_plan_costs",
    "optimum_change_low",
    "optimum_change_high",
    "starts_changed",
    "changes_that_matter",
)
"""Columns that compare a scenario with the base plan."""


class WhatIf(StrictModel):
    """The base plan and what becomes of it in each scenario; ``what-if --format json`` prints exactly this.

    Parameters
    ----------
    worth_a_move
        Changes of a VM below this are noise: the price of a move, for less than which none is made.
    """

    schema_version: Literal[2] = ANSWER_SCHEMA_VERSION
    as_of: datetime
    base: PlanFigures
    worth_a_move: float
    scenarios: tuple[ScenarioAnswer, ...]

    # `scenarios` is a field of the answer, so its data frame needs a name of its own.

    def scenarios_frame(self) -> pl.DataFrame:
        """Scenarios as a data frame with one row each; the first row is the base plan.

        The columns are ``scenario``, the fields of :class:`PlanFigures` that are numbers or text (null if the scenario
        has no schedule), ``cost``, and what the scenario means for the base plan: ``base_plan_breaks`` (number of
        broken rules and limits), ``base_plan_costs`` (if it is kept), ``optimum_change_low`` and
        ``optimum_change_high`` (proven range of the change of the least possible cost), ``starts_changed`` (VMs that
        start elsewhere), and ``changes_that_matter`` (those of them for which it matters).
        """
        import polars as pl

        plans = [self.base, *(one.plan for one in self.scenarios)]
        names = [name for name, field in PlanFigures.model_fields.items() if field.annotation in _PLAIN]
        rows: list[dict[str, object]] = [
            {name: getattr(plan, name, None) for name in names} | {"cost": None if plan is None else plan.cost.total}
            for plan in plans
        ]
        rows[0]["scenario"] = "base plan"
        for row, one in zip(rows[1:], self.scenarios, strict=True):
            row.update(one.compared())
        return pl.DataFrame(rows, infer_schema_length=None).select("scenario", *names, "cost", *_COMPARED)

    def _repr_html_(self) -> str:
        """Figures of the base plan and of each scenario, for a notebook."""
        columns = ("scenario", "VMs", "at-risk backups", "overlapping snapshots", "moves", "policy writes", "cost",
                   "base plan costs", "starts changed")  # fmt: skip
        rows = [_figures_row("base plan", self.base, None, None)]
        rows += [
            _figures_row(one.name, one.plan, one.kept.cost.total, len(one.start_changes)) for one in self.scenarios
        ]
        none = [f"{one.name}: no schedule. {one.no_schedule}" for one in self.scenarios if one.no_schedule is not None]
        notes = [f"{one.name}: {note}" for one in self.scenarios for note in one.notes]
        title = f"{counted(len(self.scenarios), 'scenario', 'scenarios')}, figures per 30 days"
        return html_view(title, none, html_table(columns, rows), notes=notes)


def _figures_row(name: str, plan: PlanFigures | None, kept: float | None, changed: int | None) -> tuple[Cell, ...]:
    if plan is None:
        return (name, *[None] * 6, kept, None)
    return (
        name, plan.vms, plan.at_risk_per_month, plan.overlaps_per_month, plan.moved, plan.policies_written,
        plan.cost.total, kept, changed,
    )  # fmt: skip


class PriceAnswer(StrictModel):
    """The plan at another price.

    Parameters
    ----------
    price, factor, value
        Which price, times what, is what.
    plan
        The plan made at that price, priced at it.
    kept
        The base plan, priced at it.
    vms_changed
        VMs whose start differs from the base plan.
    noticed
        For how many of them it matters, that is for ``worth_a_move`` or more; the others are noise.
    """

    price: PriceName
    factor: float
    value: float
    plan: PlanFigures
    kept: Figures
    vms_changed: int
    noticed: Noticed


class VmStability(StrictModel):
    """What is the same for a VM in every good schedule and at every price tried.

    Parameters
    ----------
    start
        In the plan.
    verdict
        ``fixed``: at this start in every schedule within the tolerance of the optimum, proven; ``not decided``: not.
    starts_possible
        Starts that are not ruled out by proof.
    must_move
        Whether every such schedule moves the VM: today's start is ruled out.
    same_at_all_prices
        Whether the plans at all the prices tried start it as the base plan does.
    most_changed
        The most that it gains or loses where one of them does not, in at-risk backups per 30 days.
    """

    vm: str
    service: str
    today: str
    start: str
    verdict: Literal["fixed", "not decided"]
    starts_possible: tuple[str, ...]
    must_move: bool
    same_at_all_prices: bool
    most_changed: float


class Sensitivity(StrictModel):
    """How much hangs on the prices, and what is the same in every good schedule.

    Parameters
    ----------
    worth_a_move
        Changes of a VM below this are noise: the price of a move, for less than which none is made.
    tolerance
        Schedules that cost up to ``1 + tolerance`` times the optimum are good.
    good_cost
        No good schedule costs more: ``1 + tolerance`` times the plan.
    options_allowed, options_ruled_out
        Pairs of a VM and a start that the rules allow, and those that no good schedule has.
    """

    schema_version: Literal[2] = ANSWER_SCHEMA_VERSION
    as_of: datetime
    base: PlanFigures
    worth_a_move: float
    prices: tuple[PriceAnswer, ...]
    tolerance: float
    good_cost: float
    options_allowed: int
    options_ruled_out: int
    vms: tuple[VmStability, ...]

    # `prices` and `vms` are fields of the answer, so their data frames need names of their own.

    def prices_frame(self) -> pl.DataFrame:
        """Prices as a data frame with one row per price and factor.

        The columns are ``price``, ``factor`` and ``value``, then the plan at that price: ``cost``,
        ``at_risk_per_month``, ``overlaps_per_month``, ``moved``; ``base_plan_costs`` (if the base plan is kept),
        ``vms_changed`` (VMs that start elsewhere) and ``changes_that_matter`` (those of them for which it matters).
        """
        import polars as pl

        return pl.DataFrame(
            [
                {
                    "price": one.price,
                    "factor": one.factor,
                    "value": one.value,
                    "cost": one.plan.cost.total,
                    "at_risk_per_month": one.plan.at_risk_per_month,
                    "overlaps_per_month": one.plan.overlaps_per_month,
                    "moved": one.plan.moved,
                    "base_plan_costs": one.kept.cost.total,
                    "vms_changed": one.vms_changed,
                    "changes_that_matter": one.noticed.total,
                }
                for one in self.prices
            ]
        )

    def vms_frame(self) -> pl.DataFrame:
        """VMs as a data frame with one row each; columns as in :class:`VmStability`."""
        return frame_of(self.vms, VmStability)

    def _repr_html_(self) -> str:
        """Plans at other prices, and what is the same in every good schedule, for a notebook."""
        columns = ("price", "factor", "cost", "at-risk backups", "moves", "starts changed", "changes that matter")
        rows = [
            (
                one.price, one.factor, one.plan.cost.total, one.plan.at_risk_per_month, one.plan.moved,
                one.vms_changed, one.noticed.total,
            )
            for one in self.prices
        ]  # fmt: skip
        fixed = sum(one.verdict == "fixed" for one in self.vms)
        same = sum(one.same_at_all_prices for one in self.vms)
        moving = sum(one.must_move for one in self.vms)
        share = self.options_ruled_out / max(self.options_allowed, 1)
        sentence = (
            f"In every schedule within {self.tolerance:.1%} of the optimum, "
            f"{counted(fixed, 'VM has', 'VMs have')} the same start and {counted(moving, 'VM', 'VMs')} must move; "
            f"{share:.1%} of the starts are ruled out. {counted(same, 'VM starts', 'VMs start')} at the same time "
            "at all prices."
        )
        return html_view(
            f"{counted(len(self.vms), 'VM', 'VMs')} at other prices, figures per 30 days",
            [sentence],
            html_table(columns, rows),
        )
