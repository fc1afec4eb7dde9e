"""Answers to what-if questions in the format of ``--format json``; costs are per 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from optimizer.model.frames import frame_of
from optimizer.model.html_table import Cell, html_table, html_view
from optimizer.model.phrases import counted
from optimizer.model.strict import StrictModel
from optimizer.whatif.figures import Figures, Noticed, PlanFigures

if TYPE_CHECKING:  # importing polars takes time, which reading an answer does not need
    import polars as pl

ANSWER_SCHEMA_VERSION: Final = 2


class StartChange(StrictModel):
    """A VM whose start differs between two plans, in the zone of its policy.

    Parameters
    ----------
    cost_change
        Change of its own risk and of its part of shared costs (overlaps, vault peaks) compared with the base plan's
        schedule, in at-risk backups per 30 days. Negative if the VM gains.
    must
        Whether the rules of the scenario forbid its start in the base plan.
    """

    vm: str
    service: str
    today: str
    base: str
    scenario: str
    cost_change: float
    must: bool


class NewVm(StrictModel):
    """A VM that a scenario adds, and its start in the plan."""

    vm: str
    like: str
    start: str


class Range(StrictModel):
    """Range that is proven to contain a figure."""

    low: float
    high: float


class ScenarioAnswer(StrictModel):
    """Effect of a scenario on the base plan.

    Parameters
    ----------
    changes
        Changes as they were written.
    notes
        What the plan assumes, and what a planner must know.
    policies_made
        Number of policies that VMs need before any plan, because the VMs are new or their vault is lost.
    vms_rehomed
        Number of VMs that another vault protects.
    plan
        The plan for the scenario; None if no schedule keeps its rules.
    kept
        The base plan's schedule in the scenario; new VMs start with their originals.
    broken
        What the base plan's schedule breaks in the scenario; empty if it keeps everything.
    no_schedule
        Reason why no schedule exists; None if one does.
    ways_out
        Changes of the rules that would make a schedule possible, the cheapest first.
    optimum_change
        Proven range of the change of the minimum cost; None without a plan.
    start_changes
        VMs of both plans that start at another time; those whose change matters come first.
    noticed
        Number of them whose change is worth a move. The others are noise.
    new_vms
        VMs that the scenario adds.
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
        """VMs that start at another time as a data frame with one row each; columns as in :class:`StartChange`."""
        return frame_of(self.start_changes, StartChange)

    def compared(self) -> dict[str, object]:
        """Effect of the scenario on the base plan: the last columns of :meth:`WhatIf.scenarios_frame`."""
        change = self.optimum_change
        values = (
            len(self.broken), self.kept.cost.total, change and change.low, change and change.high,
            len(self.start_changes), self.noticed.total,
        )  # fmt: skip
        return {"scenario": self.name, **dict(zip(_COMPARED, values, strict=True))}

    def row(self) -> tuple[Cell, ...]:
        """Row of the table in a notebook."""
        return _figures_row(self.name, self.plan, self.kept.cost.total, len(self.start_changes))

    @property
    def without_schedule(self) -> str:
        """Sentence that the scenario has no schedule, with the reason."""
        return f"{self.name}: no schedule. {self.no_schedule}"


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
    """The base plan, and the effect of each scenario; ``what-if --format json`` prints exactly this.

    Parameters
    ----------
    worth_a_move
        Price of a move. A smaller change of a VM is noise, because no VM is moved for less.
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
        has no schedule), ``cost``, and the effect of the scenario on the base plan: ``base_plan_breaks`` (number of
        broken rules and limits), ``base_plan_costs`` (if it is kept), ``optimum_change_low`` and
        ``optimum_change_high`` (proven range of the change of the minimum cost), ``starts_changed`` (VMs that start
        at another time), and ``changes_that_matter`` (VMs whose change matters).
        """
        import polars as pl

        names = [name for name, field in PlanFigures.model_fields.items() if field.annotation in _PLAIN]
        base = {"scenario": "base plan", **_figures(self.base, names)}
        rows = [base, *({**_figures(answer.plan, names), **answer.compared()} for answer in self.scenarios)]
        return pl.DataFrame(rows, infer_schema_length=None).select("scenario", *names, "cost", *_COMPARED)

    def _repr_html_(self) -> str:
        """Figures of the base plan and of each scenario, for a notebook."""
        columns = ("scenario", "VMs", "at-risk backups", "overlapping snapshots", "moves", "policy writes", "cost",
                   "base plan costs", "starts changed")  # fmt: skip
        rows = [_figures_row("base plan", self.base, None, None), *(answer.row() for answer in self.scenarios)]
        none = [answer.without_schedule for answer in self.scenarios if answer.no_schedule is not None]
        notes = [f"{answer.name}: {note}" for answer in self.scenarios for note in answer.notes]
        title = f"{counted(len(self.scenarios), 'scenario', 'scenarios')}, figures per 30 days"
        return html_view(title, none, html_table(columns, rows), notes=notes)


def _figures(plan: PlanFigures | None, names: Sequence[str]) -> dict[str, object]:
    """Fields of a plan and its cost as a row of a data frame; null without a plan."""
    values = {name: getattr(plan, name, None) for name in names}
    return {**values, "cost": None if plan is None else plan.cost.total}


def _figures_row(name: str, plan: PlanFigures | None, kept: float | None, changed: int | None) -> tuple[Cell, ...]:
    if plan is None:
        return (name, *[None] * 6, kept, None)
    return (
        name, plan.vms, plan.at_risk_per_month, plan.overlaps_per_month, plan.moved, plan.policies_written,
        plan.cost.total, kept, changed,
    )  # fmt: skip
