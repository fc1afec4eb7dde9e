"""Tiles at the top of the page: the main figures of a plan, each with a sentence that explains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.documents import PlanDocument, Summary
from optimizer.report.formats import decimal, percent, plural, relative_change
from optimizer.report.wording.before_after import FigureLine, shown_overlaps, weighted_lines
from optimizer.report.wording.expected import change_sentence, expected_risk, expected_sentence, model_of
from optimizer.report.wording.moves import knee_sentence
from optimizer.report.wording.proof import is_unchanged, spreading_clause, today_breaks, within_clause


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of today's schedule and of the plan; texts without content are empty."""

    label: str
    today: str
    plan: str
    meaning: str
    change: str = ""


def tiles(plan: PlanDocument) -> Iterator[Tile]:
    """Main figures of a plan."""
    summary = plan.summary
    peak, overlaps = summary.peak_concurrency, shown_overlaps(summary)
    risk = expected_risk(summary) or summary.at_risk_per_month
    weighted = [_weighted(line) for line in weighted_lines(summary)] or ["", ""]
    yield _compared(
        FigureLine("Backups at risk", risk.today, risk.plan),
        f"Snapshots per 30 days that meet a busy guest. {_expected(summary)}" + weighted[0],
    )
    yield _compared(
        FigureLine("Overlapping snapshots", overlaps.today, overlaps.plan),
        "Pairs of snapshots of one service that are expected to run at the same time, per 30 days." + weighted[1],
    )
    yield _compared(
        FigureLine("Worst half hour", peak.today, peak.plan, whole=True),
        "Most start windows of one service that overlap in a half hour.",
    )
    if starts := summary.working_hours_starts:
        yield _compared(
            FigureLine("Expected starts in working hours", starts.today, starts.plan),
            "Backups per 30 days, on the clock of each VM's policy. A backup starts up to two hours after its time.",
        )
    yield _moves_tile(plan)
    yield _proven_tile(plan)


def _compared(line: FigureLine, meaning: str) -> Tile:
    return Tile(line.label, line.shown(line.today), line.shown(line.plan), meaning, _change(line))


def _change(line: FigureLine) -> str:
    share = relative_change(line.today, line.plan)
    if share is None:
        return ""
    sign = "-" if share < 0 else "+"
    return f"{sign}{percent(abs(share))}" if share else "no change"


def _weighted(line: FigureLine) -> str:
    return f" Weighted by the rules: {line.shown(line.today)} today, {line.shown(line.plan)} in the plan."


def _expected(summary: Summary) -> str:
    """Figures of the tile: those of held-out days if known, otherwise the model's."""
    model = summary.at_risk_per_month
    if summary.expected_change is None or expected_risk(summary) is None:
        expected = expected_sentence(summary.expected_change, model_of(summary))
        return f"The figures are the model's. {expected}." if expected else "The figures are the model's."
    seen = f"The model, which smooths the hours, sees {decimal(model.today)} -> {decimal(model.plan)}."
    return f"{change_sentence(summary.expected_change)}. {seen}"


def _moves_tile(plan: PlanDocument) -> Tile:
    summary, knee = plan.summary, knee_sentence(plan)
    meaning = (
        f"Of {summary.vms:,}. {plural(summary.policies_created, 'policy')} created, "
        f"{summary.policies_edited:,} edited, {plural(summary.reassigned, 'VM')} reassigned. "
        f"Less risk for {summary.vms_helped:,}, more for {summary.vms_harmed:,}."
    )
    return Tile("VMs that move", "", f"{summary.moved:,}", f"{meaning} {knee}." if knee else meaning)


def _proven_tile(plan: PlanDocument) -> Tile:
    """Proven quality of the plan and the limits it assumes; with more moves or policy writes, it may gain more."""
    summary = plan.summary
    if summary.toward is not None and summary.toward.violations_left:
        return _first_step_tile(plan)
    if is_unchanged(summary):
        return _unchanged_tile(plan)
    if summary.costs_more_than_today:
        return _spread_tile(plan)
    if summary.status == "optimal":
        return _optimal_tile(plan)
    return _captured_tile(plan) if summary.reference == "today" else _left_tile(plan)


def _first_step_tile(plan: PlanDocument) -> Tile:
    toward = plan.summary.toward
    assert toward is not None
    return Tile(
        "VMs that break a rule",
        f"{toward.violations_today:,}",
        f"{toward.violations_left:,}",
        f"A first step: keeping every rule takes {plural(toward.moves_needed, 'move')} in "
        f"{plural(toward.months, 'monthly plan')}.",
    )


def _left_to_gain(plan: PlanDocument, meaning: str) -> Tile:
    return Tile("Left to gain", "", decimal(plan.summary.left_to_gain), meaning)


def _unchanged_tile(plan: PlanDocument) -> Tile:
    if plan.rules.max_moves == 0:
        return _left_to_gain(plan, "Today's schedule stays: max_moves is 0, so no VM may move.")
    stays = f"Today's schedule stays: no other{within_clause(plan)} would save more than this"
    return _left_to_gain(plan, f"{stays}, certified by a proven bound.")


def _spread_tile(plan: PlanDocument) -> Tile:
    cost = plan.summary.cost
    return _left_to_gain(
        plan,
        f"At-risk backups per 30 days that any schedule{within_clause(plan)} could save, besides what spreads "
        f"services: the plan costs {decimal(cost.plan)}{spreading_clause(plan)}. It costs "
        f"{decimal(cost.plan - cost.today)} more than today's schedule. Certified by a proven bound of "
        f"{decimal(cost.bound)}.",
    )


def _optimal_tile(plan: PlanDocument) -> Tile:
    summary, spread, within = plan.summary, spreading_clause(plan), within_clause(plan)
    costs = f"What the plan costs, in at-risk backups per 30 days{spread}."
    if spread:
        proven = f"Apart from that, no schedule{within} costs less than the bound, {decimal(summary.cost.bound)}."
    else:
        proven = f"No schedule{within} costs less: the gap is {decimal(summary.left_to_gain)}."
    return Tile("Proven optimal", "", decimal(summary.cost.plan), f"{costs} {proven}{_broken(summary)}")


def _captured_tile(plan: PlanDocument) -> Tile:
    summary, within = plan.summary, within_clause(plan)
    return Tile(
        "Captured",
        "",
        percent(summary.captured),
        f"The share of all possible improvement over today's schedule{within} that this plan takes, certified by "
        f"a proven bound: no {'such ' if within else ''}schedule costs less than {decimal(summary.cost.bound)}, and "
        f"this one costs {decimal(summary.cost.plan)}{spreading_clause(plan)}. The gap is "
        f"{decimal(summary.left_to_gain)} at-risk backups per 30 days.",
    )


def _left_tile(plan: PlanDocument) -> Tile:
    summary = plan.summary
    return _left_to_gain(
        plan,
        f"At-risk backups per 30 days that any schedule{within_clause(plan)} could save over this one, certified by a "
        f"proven bound of {decimal(summary.cost.bound)}: the plan costs {decimal(summary.cost.plan)}"
        f"{spreading_clause(plan)}. It takes {percent(summary.captured)} of all possible improvement over a "
        f"greedy schedule.{_broken(summary)}",
    )


def _broken(summary: Summary) -> str:
    """Sentence about the reference if it is not today's schedule; otherwise empty."""
    if summary.reference == "today":
        return ""
    return f" {today_breaks(summary)}, so a greedy schedule that keeps every rule is the reference."
