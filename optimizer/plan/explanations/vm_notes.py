"""Notes in the explanation of one VM: the basis of its figures, and the VMs that start together with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.model.arrays import BoolArray
from optimizer.model.inventory import Policy
from optimizer.model.phrases import some_of
from optimizer.model.rules import Prices
from optimizer.model.timegrid import Frequency, format_start
from optimizer.plan.explanations.observed_note import notes_on_observed
from optimizer.plan.explanations.option_costs import COST_DECIMALS, difference_of
from optimizer.plan.explanations.reasons import NOTICEABLE, Solution
from optimizer.risk import RiskTable
from optimizer.solve import OptionCosts

FULL_CREDIT = 0.995
"""Credit from which a gain is not described as partly credited."""


def notes_on_vm(solution: Solution, v: int, prices: Prices) -> Iterator[str]:
    """Yield notes on the basis of one VM's figures, if a reader might expect another."""
    policy = solution.case.inventory.policy(solution.case.inventory.items[v])
    yield from _notes_on_prices(solution, v, prices)
    yield from _notes_on_runs(policy.recurrence.days_between_runs)
    yield from _notes_on_history(solution, v, policy)
    yield from _notes_on_credit(solution.case.table, v, believed=solution.believes_in(v))
    if policy.recurrence.frequency is Frequency.WEEKLY:
        yield "the profile is over all days of the week, not only those on which it is backed up"


def _notes_on_prices(solution: Solution, v: int, prices: Prices) -> Iterator[str]:
    if moved_on := solution.moved_on(v):
        yield (
            f"moved on {moved_on}, which is within {prices.recent_days} days of the estate: another move is priced at "
            f"{prices.move_again:g} instead of {prices.move:g}"
        )
    if (weight := float(solution.problem.instance.weight[v])) != 1:
        yield (
            f"the rules give it the weight {weight:g}: its at-risk backups and overlaps count {weight:g} times in "
            "costs (an overlap as much as the smaller weight of both VMs); at-risk figures are plain"
        )


def _notes_on_runs(days_between_runs: float) -> Iterator[str]:
    if days_between_runs != 1:
        yield (
            f"a missed backup leaves {days_between_runs:.3g} days without a recovery point: in costs, its at-risk "
            f"backups count {days_between_runs:.3g} times those of a daily backup; at-risk figures are plain"
        )


def _notes_on_history(solution: Solution, v: int, policy: Policy) -> Iterator[str]:
    """Yield a note that compares the estimates with the VM's own history, if that is the evidence."""
    if solution.observed is None or not solution.case.table.own[v]:
        return
    starts = list(dict.fromkeys((int(solution.problem.instance.today[v]), int(solution.options[v]))))
    yield from notes_on_observed(
        solution.observed[v, starts],
        solution.problem.instance.risk[v, starts],
        int(solution.case.history_days[v]),
        solution.case.inventory.pattern(policy).shift,
    )


def _notes_on_credit(table: RiskTable, v: int, *, believed: bool) -> Iterator[str]:
    """Yield a note on the share of the VM's gain that is credited, if it is not the whole gain."""
    if not table.own[v]:
        yield (
            "Its risk is estimated from the load of all VMs. The plan counts no gain for it and never gives it a "
            "riskier start."
        )
        return
    gain = float(table.today[v] - table.risk[v].min())
    if gain <= NOTICEABLE or table.credit[v] >= FULL_CREDIT:
        return
    if believed:
        yield (
            f"Of a gain in risk, {table.credit[v]:.0%} counts: that is what the best start gained on days held out of "
            f"the history. In-sample, the model sees a gain of up to {gain:.2f}."
        )
    else:
        yield (
            "On days held out of the history, the start that looked best was no better than today's. The plan counts "
            "no gain for it."
        )


def notes_on_companions(solution: Solution, costs: OptionCosts, allowed: BoolArray, v: int) -> list[str]:
    """State which VMs of its service start at the same time, and the cost of the cheapest start with fewer overlaps.

    ``allowed``, of shape (48,), is whether rules and limits allow a start while all other VMs keep theirs.
    """
    inventory, here = solution.case.inventory, int(solution.options[v])
    zone = inventory.policy(inventory.items[v]).timezone
    same = (solution.problem.instance.service == solution.problem.instance.service[v]) & (solution.options == here)
    names = [
        inventory.vm(inventory.items[row]).name
        for row in np.flatnonzero(same).tolist()
        if row != v and inventory.policy(inventory.items[row]).timezone == zone
    ]
    if not names or round(float(costs.overlap[here]), COST_DECIMALS) <= 0:
        return []
    verb = "starts" if len(names) == 1 else "start"
    note = f"{some_of(names)} of the same service {verb} at the same time. "
    apart = np.flatnonzero(allowed & (costs.overlap.round(COST_DECIMALS) < costs.overlap[here].round(COST_DECIMALS)))
    if not len(apart):
        return [f"{note}The rules and limits allow no start with fewer overlaps."]
    best = int(apart[np.argmin(costs.total[apart])])
    difference = difference_of(costs, best, here)
    parts = [
        f"{name.replace('_', ' ')} {value:+.2f}"
        for name, value in difference.model_dump().items()
        if abs(value) >= NOTICEABLE
    ]
    note += f"Of the starts with fewer overlaps, {format_start(best)} costs least: {', '.join(parts)}; "
    return [f"{note}in all {difference.total:+.2f} at-risk backups per 30 days."]
