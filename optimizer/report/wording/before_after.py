"""Figures of a plan beside those of today's schedule."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.documents import Summary, TodayAndPlan
from optimizer.report.terminal.sheet import Column, Glyphs, Rows, decimal, number, percent, relative_change
from optimizer.report.wording.weighted import AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED

AT_RISK = "at-risk backups per 30 days"


@dataclass(frozen=True, slots=True)
class FigureLine:
    """A figure of today's schedule and of the plan, with its label."""

    label: str
    today: float
    plan: float
    whole: bool = False

    def cells(self, glyphs: Glyphs) -> tuple[str, str, str, str]:
        """Label, both figures and the relative change."""
        today, plan = (f"{value:,.0f}" if self.whole else decimal(value) for value in (self.today, self.plan))
        change = relative_change(self.today, self.plan)
        if change is None:
            return self.label, today, plan, glyphs.dash
        return self.label, today, plan, f"+{percent(change)}" if self.plan > self.today else percent(change)


def before_and_after(summary: Summary, glyphs: Glyphs) -> Rows:
    """Table of the figures of a summary before and after the plan."""
    overlaps, in_hours = shown_overlaps(summary), summary.working_hours_starts
    lines = [
        *at_risk_lines(summary),
        FigureLine("expected overlapping snapshots per 30 days", overlaps.today, overlaps.plan),
        *weighted_lines(summary),
        FigureLine(
            "most overlapping start windows in one service",
            summary.peak_concurrency.today,
            summary.peak_concurrency.plan,
            whole=True,
        ),
    ]
    if in_hours is not None:
        lines.append(FigureLine("expected starts in working hours per 30 days", in_hours.today, in_hours.plan))
    lines.append(FigureLine("cost, in at-risk backups", summary.cost.today, summary.cost.plan))
    return Rows(
        title="Before and after",
        columns=(Column(""), number("today"), number("plan"), number("change")),
        cells=[line.cells(glyphs) for line in lines],
    )


def at_risk_lines(summary: Summary) -> list[FigureLine]:
    """At-risk backups: first what to expect on days that the plan did not see, if known, then the model's figures."""
    model = summary.at_risk_per_month
    expected = expected_risk(summary)
    if expected is None:
        return [FigureLine(AT_RISK, model.today, model.plan)]
    return [
        FigureLine(f"{AT_RISK}, on days the plan did not see", expected.today, expected.plan),
        FigureLine(f"{AT_RISK}, by the model", model.today, model.plan),
    ]


def expected_risk(summary: Summary) -> TodayAndPlan | None:
    """At-risk backups on days that the plan did not see; None if the plan does not state them."""
    expected = summary.expected_change
    if expected is None or expected.today is None or expected.plan is None:
        return None
    return TodayAndPlan(today=expected.today, plan=expected.plan)


def shown_overlaps(summary: Summary) -> TodayAndPlan:
    """Expected overlaps as counted; a figure counted as 0.00 is replaced by the exact one.

    The count leaves out snapshots that are scheduled two hours apart, so a count of 0 does not mean that no snapshots
    overlap.
    """
    counted, exact = summary.overlaps_per_month, summary.overlaps_exact
    if exact is None:
        return counted
    return TodayAndPlan(
        today=nonzero_overlaps(counted.today, exact.today), plan=nonzero_overlaps(counted.plan, exact.plan)
    )


def nonzero_overlaps(counted: float, exact: float) -> float:
    """The count of expected overlaps, or the exact number if the count is shown as 0.00."""
    return counted if decimal(counted).strip("0.,") else exact


def weighted_lines(summary: Summary) -> list[FigureLine]:
    """Weighted figures; empty if every VM has the weight 1."""
    if summary.weighted is None:
        return []
    at_risk, overlaps = summary.weighted.at_risk_per_month, summary.weighted.overlaps_per_month
    return [
        FigureLine(AT_RISK_WEIGHTED, at_risk.today, at_risk.plan),
        FigureLine(OVERLAPS_WEIGHTED, overlaps.today, overlaps.plan),
    ]
