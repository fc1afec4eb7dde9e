"""Explanation of one VM's schedule: the data of ``explain``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from optimizer.documents.plan_document import Expectation, StartText, TodayAndPlan, UtcText
from optimizer.model.html_table import html_table, html_view, name_of
from optimizer.model.strict import StrictModel
from optimizer.model.timegrid import NUM_OPTIONS


class CostParts(StrictModel):
    """A cost, or a difference of two costs, in at-risk backups per 30 days, by part of the objective."""

    risk: float = 0.0
    overlap: float = 0.0
    vault_peak: float = 0.0
    working_hours: float = 0.0
    policy: float = 0.0
    move: float = 0.0

    @property
    def total(self) -> float:
        """Sum of the parts, rounded to nine decimals to remove rounding errors."""
        parts = (self.risk, self.overlap, self.vault_peak, self.working_hours, self.policy, self.move)
        return round(sum(parts), 9)


class ExplainedOption(StrictModel):
    """A start option of the VM and what it would cost.

    Parameters
    ----------
    start, start_utc
        Time in the policy's zone, and in UTC at the start of the horizon.
    policy
        The policy that would hold it; empty where one would have to be created.
    risk
        At-risk backups per 30 days.
    windows_met
        Most start windows of the VM's service that meet in one half hour of its own window, itself included.
    overlaps_per_month
        Expected overlaps of the VM's snapshots with those of other VMs of its service, all of which are where the
        plan has them, per 30 days.
    difference
        Cost of the whole plan with the VM here instead of at the proposed start, less the plan's; all else equal.
    """

    start: StartText
    start_utc: UtcText
    policy: str = ""
    risk: float
    windows_met: int
    overlaps_per_month: float = 0.0
    difference: CostParts = CostParts()


class ForbiddenOption(StrictModel):
    """A start that would cost less than the proposed one, with the rules and limits that forbid it.

    ``saves`` is by how much the plan would cost less per 30 days with the VM there, all else equal.
    """

    start: StartText
    risk: float
    saves: float = 0.0
    reasons: Annotated[tuple[str, ...], Field(min_length=1)]


class LimitCost(StrictModel):
    """Cost of one rule or limit for a VM.

    Parameters
    ----------
    name
        The rule as the planner wrote it, or the limit.
    start
        The cheapest of the starts that nothing else forbids.
    saves
        By how much the plan would cost less per 30 days with the VM there, all else equal.
    """

    name: str
    start: StartText
    saves: float


class Explanation(StrictModel):
    """All results of ``explain`` for one VM.

    Parameters
    ----------
    vm
        ARM id, or the name as imported.
    recurrence
        In words, e.g. ``weekly on Sunday``.
    timezone
        Zone of the policy: the profile and every ``start`` are in it.
    reason
        One sentence: why the VM moves or stays.
    profile
        Length 48: risk of each start option, in at-risk backups per 30 days; None where Azure has no such option.
    allowed
        Length 48: whether the rules and limits allow the option.
    today, proposed
        Equal where the VM stays.
    alternatives
        The next best allowed options, cheapest first.
    forbidden
        Options that would cost less than the proposed one but may not be taken, cheapest first.
    limits
        Rules and limits that each keep the VM from a cheaper start, beginning with the one that costs most.
    model, model_change, expected_change
        What the whole plan changes in at-risk backups per 30 days, as its summary has it; None where it has not.
    history_days
        Days of usable history behind the profile; None where unsaid.
    """

    vm: str
    service: str
    vault: str
    frequency: Literal["Daily", "Weekly", "Hourly"]
    recurrence: str
    timezone: str
    reason: str
    profile: Annotated[tuple[float | None, ...], Field(min_length=NUM_OPTIONS, max_length=NUM_OPTIONS)]
    allowed: Annotated[tuple[bool, ...], Field(min_length=NUM_OPTIONS, max_length=NUM_OPTIONS)]
    today: ExplainedOption
    proposed: ExplainedOption
    alternatives: tuple[ExplainedOption, ...] = ()
    forbidden: tuple[ForbiddenOption, ...] = ()
    limits: tuple[LimitCost, ...] = ()
    history_days: float | None = None
    model: TodayAndPlan | None = None
    model_change: float | None = None
    expected_change: Expectation | None = None
    notes: tuple[str, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether the plan changes the start."""
        return self.today.start != self.proposed.start

    def _repr_html_(self) -> str:
        """Present, proposed and next-best starts with their costs, for a notebook."""
        options = [("today", self.today), ("plan", self.proposed)]
        options += [(f"alternative {number}", option) for number, option in enumerate(self.alternatives, start=1)]
        rows = [
            (what, option.start, option.risk, option.windows_met, option.difference.total) for what, option in options
        ]
        return html_view(
            f"{name_of(self.vm)}, {name_of(self.service)}, {self.recurrence}",
            [
                f"{self.reason[:1].upper()}{self.reason[1:]}.",
                f"Times are in {self.timezone}; figures are per 30 days, costs those of the whole plan.",
            ],
            html_table(("", "start", "at-risk backups", "windows that overlap", "costs more"), rows),
            notes=self.notes,
        )
