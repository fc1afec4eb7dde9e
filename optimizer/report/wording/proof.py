"""Sentences about the proven quality of a plan, and about the schedule that it is compared with."""

from __future__ import annotations

from optimizer.documents import WORTH_A_NOTE, PlanDocument, Summary
from optimizer.report.formats import decimal, percent
from optimizer.report.wording.within_limits import within_limits

RULES_NAMED = 5
"""Maximum number of rules that a sentence lists."""


def today_breaks(summary: Summary) -> str:
    """Rules that today's schedule breaks, as the beginning of a sentence."""
    names = [repr(name) for name in summary.broken_today[:RULES_NAMED]]
    if not names:
        return "Today's schedule breaks a rule"
    more = len(summary.broken_today) - len(names)
    listed = [*names, f"{more:,} more"] if more else names
    joined = " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1])))
    return f"Today's schedule breaks {'rule' if len(listed) == 1 else 'rules'} {joined}"


def reference_sentence(summary: Summary) -> str:
    """Sentence about the schedule that the plan is compared with; empty if it is today's."""
    if summary.reference != "greedy":
        return ""
    return (
        f"{today_breaks(summary)}, so improvement is measured against a greedy schedule that keeps every rule "
        f"and costs {decimal(summary.cost.reference)}"
    )


def spreading_clause(plan: PlanDocument) -> str:
    """Clause after the cost of a plan: the part that spreads services; empty if it is too little to be shown."""
    costs, price = plan.summary.spreading_costs, plan.rules.prices.all_at_once
    if costs < WORTH_A_NOTE:
        return ""
    return f", of which {decimal(costs)} spreads services, as prices.all_at_once ({price:g}) demands"


def stopped_by(summary: Summary) -> str:
    """Reason why the search ended, in words."""
    return "the order of writes" if summary.stopped == "order" else summary.stopped


def is_unchanged(summary: Summary) -> bool:
    """Whether the plan keeps today's schedule, and compares it with nothing else."""
    return summary.moved == 0 and summary.reference == "today"


def captured_sentence(plan: PlanDocument) -> str:
    """One sentence about the proven quality of a plan; it names the limits that the proof depends on."""
    summary = plan.summary
    search = f"({summary.status}, stopped by {stopped_by(summary)}, {decimal(summary.seconds)} s)"
    return f"{_proven(plan)} {search}"


def _proven(plan: PlanDocument) -> str:
    summary = plan.summary
    if is_unchanged(summary):
        return _stays(plan)
    proven = costs_and_bound(plan)
    if summary.costs_more_than_today:
        more = decimal(summary.cost.plan - summary.cost.today)
        return f"The plan costs {more} more than today's schedule, to spread services: {proven}"
    if summary.status == "optimal":
        return f"Proven optimal{_nothing_left(plan)}: {proven}"
    gap = f"a gap of {decimal(summary.left_to_gain)} at-risk backups per 30 days"
    share, within = percent(summary.captured), within_clause(plan)
    if summary.reference == "today":
        captured = f"Captured {share} of all possible improvement over today's schedule{within}"
        return f"{captured}, certified: {proven}, {gap}"
    # A greedy schedule may be the best possible one: then a share of the possible gain over it would say little.
    return f"Certified{within}: {proven}, {gap}; that is {share} of all possible improvement over a greedy schedule"


def _stays(plan: PlanDocument) -> str:
    if plan.rules.max_moves == 0:
        return "Today's schedule stays: max_moves is 0, so no VM may move"
    within, saving = within_clause(plan), decimal(plan.summary.left_to_gain)
    other = f" schedule{within}" if within else ""
    return f"Today's schedule stays: it is proven that no other{other} saves more than {saving}"


def costs_and_bound(plan: PlanDocument) -> str:
    """Cost of the plan, and the proven minimum cost."""
    cost = plan.summary.cost
    no_other = "no such schedule" if within_clause(plan) else "no schedule"
    return (
        f"the plan costs {decimal(cost.plan)}{spreading_clause(plan)}, and {no_other} costs less than "
        f"{decimal(cost.bound)}"
    )


def _nothing_left(plan: PlanDocument) -> str:
    """Limits under which a plan is optimal, and whether anything is left to gain."""
    within = within_clause(plan)
    if spreading_clause(plan):
        return f"{within} apart from spread services"
    return within or ", nothing is left to gain"


def within_clause(plan: PlanDocument) -> str:
    """Clause after a proof: the limits of the plan that it assumes; empty without limits."""
    limits = within_limits(plan.rules, plan.summary.vms)
    return f" {limits}" if limits else ""
