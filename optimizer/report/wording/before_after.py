"""Figures of a plan beside those of today's schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.documents import Summary, TodayAndPlan
from optimizer.report.formats import decimal, is_zero, percent, relative_change
from optimizer.report.table import Column, Table, number, text
from optimizer.report.wording.expected import expected_risk

AT_RISK = "at-risk backups per 30 days"

AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED = (
    f"{figure}, weighted by the rules" for figure in ("at-risk backups", "overlapping snapshots")
)
"""Labels of at-risk backups and of overlapping snapshots, both per 30 days, in which a VM counts with its weight."""


OVERLAPS_EXPLAINED = "overlaps: snapshots scheduled two hours apart count only if no others overlap, as in the summary"
"""Which overlaps a table of services counts, as the end of a note."""


@dataclass(frozen=True, slots=True)
class FigureLine:
    """A figure of today's schedule and of the plan, with its label.

    Parameters
    ----------
    whole
        Whether the figure is a whole number.
    """

    label: str
    today: float
    plan: float
    whole: bool = False

    def shown(self, value: float) -> str:
        """One of the two figures, formatted."""
        return f"{value:,.0f}" if self.whole else decimal(value)

    def change(self, none: str) -> str:
        """Relative change, or ``none`` if today's figure is too small for one."""
        change = relative_change(self.today, self.plan)
        if change is None:
            return none
        return f"+{percent(change)}" if self.plan > self.today else percent(change)


def before_and_after(summary: Summary, dash: str) -> Table:
    """Table of the figures of a summary before and after the plan.

    Parameters
    ----------
    summary
        Summary of the plan.
    dash
        Text in place of a change that would be misleading.
    """
    columns: tuple[Column[FigureLine], ...] = (
        text("", lambda line: line.label),
        number("today", lambda line: line.shown(line.today)),
        number("plan", lambda line: line.shown(line.plan)),
        number("change", lambda line: line.change(dash)),
    )
    return Table.of("Before and after", columns, list(_lines(summary)))


def _lines(summary: Summary) -> Iterator[FigureLine]:
    overlaps, peak, in_hours = shown_overlaps(summary), summary.peak_concurrency, summary.working_hours_starts
    yield from _at_risk_lines(summary)
    yield FigureLine("expected overlapping snapshots per 30 days", overlaps.today, overlaps.plan)
    yield from weighted_lines(summary)
    yield FigureLine("most overlapping start windows in one service", peak.today, peak.plan, whole=True)
    if in_hours is not None:
        yield FigureLine("expected starts in working hours per 30 days", in_hours.today, in_hours.plan)
    yield FigureLine("cost, in at-risk backups", summary.cost.today, summary.cost.plan)


def _at_risk_lines(summary: Summary) -> list[FigureLine]:
    """At-risk backups: first what to expect on days that the plan did not see, if known, then the model's figures."""
    model = summary.at_risk_per_month
    expected = expected_risk(summary)
    if expected is None:
        return [FigureLine(AT_RISK, model.today, model.plan)]
    return [
        FigureLine(f"{AT_RISK}, on days the plan did not see", expected.today, expected.plan),
        FigureLine(f"{AT_RISK}, by the model", model.today, model.plan),
    ]


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
    return exact if is_zero(decimal(counted)) else counted


def weighted_lines(summary: Summary) -> list[FigureLine]:
    """Weighted figures; empty if every VM has the weight 1."""
    if summary.weighted is None:
        return []
    at_risk, overlaps = summary.weighted.at_risk_per_month, summary.weighted.overlaps_per_month
    return [
        FigureLine(AT_RISK_WEIGHTED, at_risk.today, at_risk.plan),
        FigureLine(OVERLAPS_WEIGHTED, overlaps.today, overlaps.plan),
    ]
