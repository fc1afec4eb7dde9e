"""Reasons why a VM moves or stays: one sentence for the schedule, and the full account for ``explain``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from optimizer.documents import CostParts, ExplainedOption, Explanation, ForbiddenOption, LimitCost, PlanDocument
from optimizer.errors import DataError
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.inventory import Inventory, describe_recurrence
from optimizer.model.occupancy import windows_met
from optimizer.model.phrases import some_of
from optimizer.model.rules import Prices
from optimizer.model.timegrid import (
    NUM_OPTIONS,
    Frequency,
    format_minute,
    format_start,
    resolve_zone,
)
from optimizer.plan.case import Case
from optimizer.plan.explanations.observed_note import notes_on_observed
from optimizer.plan.explanations.vm_overlaps import VmOverlaps
from optimizer.risk.seasonal import FloatArray
from optimizer.risk.table import LEAST_COUNTED
from optimizer.solve import Limit, Marginals, OptionCosts, Problem

NUM_ALTERNATIVES = 2
NUM_FORBIDDEN = 3

COST_DECIMALS = 9
"""Number of decimals to which costs are compared; smaller differences come from rounding of sums."""

FULL_CREDIT = 0.995
"""Credit from which a gain is not described as partly credited."""

NOTICEABLE = 0.005
"""Smallest gain, in at-risk backups per 30 days, that a sentence mentions."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Schedule with the data that is needed to explain it.

    Parameters
    ----------
    case
        The solved case.
    options
        Shape (V,): start option of each VM in the plan.
    observed
        Shape (V, 48): risk as it was in the history, see :func:`optimizer.risk.observed.observed_risk`.  Only
        :func:`explain` uses it.  Without it, the estimates are not compared with observations.
    """

    case: Case
    options: IntArray
    observed: FloatArray | None = None

    @property
    def problem(self) -> Problem:
        """The problem that was solved."""
        return self.case.problem

    def believes_in(self, v: int) -> bool:
        """Whether a gain of the VM can be a reason; the small share that counts of any gain only decides ties."""
        return bool(self.case.table.credit[v] > LEAST_COUNTED)

    def moved_on(self, v: int) -> date | None:
        """Day of the last move of a VM; None if the VM was not moved recently."""
        return self.case.recently_moved.get(self.case.inventory.items[v].vm_id)


def format_start_utc(inventory: Inventory, timezone: str, option: int) -> str:
    """Start option of a zone as ``HH:MM`` in UTC, at the start of the horizon."""
    return format_minute(option * 30 - inventory.horizon.nominal_offset(resolve_zone(timezone)))


def reasons(solution: Solution) -> list[str]:
    """One sentence for each VM that explains why it moves or stays."""
    marginals = solution.problem.marginals(solution.options)
    overlaps = VmOverlaps(solution.case.inventory, solution.options)
    return [_reason(solution, marginals, overlaps, v) for v in range(solution.problem.instance.num_vms)]


def _reason(solution: Solution, marginals: Marginals, overlaps: VmOverlaps, v: int) -> str:
    instance, here = solution.problem.instance, int(solution.options[v])
    today = int(instance.today[v])
    if here != today:
        return _reason_to_move(solution, marginals, overlaps, v)
    if v in solution.problem.restrictions.stays_because:
        return f"stays: {solution.problem.restrictions.stays_because[v]}"
    costs, blocked = marginals.of(v), marginals.blocked(v)
    if broken := _broken_by_staying(solution, blocked, v):
        return f"stays for now: {format_start(today)} breaks {broken}, and other moves come first"
    return _too_soon(solution, costs, v) or _reason_to_stay(solution, marginals, costs, blocked, v)


def _broken_by_staying(solution: Solution, blocked: Mapping[Limit, BoolArray], v: int) -> str:
    """Rules that a VM breaks if it stays, which only a step of ``plan --toward`` allows; empty if none."""
    today = int(solution.problem.instance.today[v])
    alone = [name for name, mask in solution.problem.restrictions.forbidden_by.items() if mask[v, today]]
    names = [*alone, *(limit.name for limit, mask in blocked.items() if mask[today])]
    return " and ".join(map(repr, dict.fromkeys(names)))


def _reason_to_stay(
    solution: Solution, marginals: Marginals, costs: OptionCosts, blocked: Mapping[Limit, BoolArray], v: int
) -> str:
    here, allowed, plain = (
        int(solution.options[v]),
        solution.problem.instance.allowed[v],
        solution.problem.instance.risk[v],
    )
    risk = np.where(allowed, costs.risk, np.inf)
    safest = int(np.argmin(risk))
    if solution.believes_in(v) and risk[safest] < costs.risk[here] - NOTICEABLE:
        in_the_way = [repr(limit.name) for limit, mask in blocked.items() if mask[safest]]
        extra = costs.total[safest] - costs.total[here]
        used_up = [limit.name for limit in marginals.used_up(v, safest)]
        if in_the_way:
            obstacle = f"with the others where they are rule {' and '.join(in_the_way)} forbids it"
        elif used_up and extra < 0:
            obstacle = f"{' and '.join(used_up)} {_leave(used_up)} no room for what would save {-extra:.2f}"
        else:
            obstacle = f"the move would cost {extra:.2f} more than it gains"
        return (
            f"stays: {format_start(safest)} has less risk ({plain[safest]:.2f} instead of {plain[here]:.2f}), "
            f"but {obstacle}"
        )
    if no_room := _no_room(solution, marginals, costs, blocked, v):
        return no_room
    if not solution.case.table.own[v]:
        return "stays: its own load history is too short or too uniform to predict a gain"
    if not solution.believes_in(v) and solution.case.table.risk[v, here] > NOTICEABLE:
        return "stays: its busy hours have not been shown to repeat, so no gain in risk is counted for it"
    if (allowed & ~_any(blocked)).sum() == 1:
        return "stays: the rules and limits leave no other start"
    return "stays: no other start is worth the move"


def _no_room(
    solution: Solution, marginals: Marginals, costs: OptionCosts, blocked: Mapping[Limit, BoolArray], v: int
) -> str:
    """Reason of a VM that would move if more moves or policy writes were allowed; empty for all other VMs."""
    here = int(solution.options[v])
    total = np.where(solution.problem.instance.allowed[v] & ~_any(blocked), costs.total, np.inf)
    best = int(np.argmin(total))
    saved = costs.total[here] - total[best]
    used_up = [limit.name for limit in marginals.used_up(v, best)] if saved > NOTICEABLE else []
    if not used_up:
        return ""
    names = " and ".join(used_up)
    return f"stays: {format_start(best)} would save {saved:.2f}, but {names} {_leave(used_up)} no room for it"


def _leave(names: list[str]) -> str:
    return "leaves" if len(names) == 1 else "leave"


def _too_soon(solution: Solution, costs: OptionCosts, v: int) -> str:
    """Reason of a VM that was moved recently and stays although another start would gain; empty for all other VMs."""
    moved_on, here = solution.moved_on(v), int(solution.options[v])
    if moved_on is None:
        return ""
    gain = np.where(solution.problem.instance.allowed[v], costs.total[here] - (costs.total - costs.move), -np.inf)
    gain[here] = -np.inf
    best = int(np.argmax(gain))
    price = solution.problem.instance.move_price[v]
    if not NOTICEABLE < gain[best] <= price:
        return ""
    return (
        f"stays: moved on {moved_on}, and {format_start(best)} would gain {gain[best]:.2f}, less than the "
        f"{price:g} of another move"
    )


def _any(masks: Mapping[Limit, BoolArray]) -> BoolArray:
    """Options that at least one rule forbids; shape (48,)."""
    return np.asarray(np.logical_or.reduce([np.zeros(NUM_OPTIONS, np.bool_), *masks.values()]))


def _reason_to_move(solution: Solution, marginals: Marginals, overlaps: VmOverlaps, v: int) -> str:
    costs = marginals.of(v)
    instance, here, today = (
        solution.problem.instance,
        int(solution.options[v]),
        int(solution.problem.instance.today[v]),
    )
    if not instance.allowed[v, today]:
        names = [name for name, mask in solution.problem.restrictions.forbidden_by.items() if mask[v, today]]
        return f"moves: {format_start(today)} is forbidden by {' and '.join(repr(name) for name in names)}"
    gains = []
    if solution.believes_in(v) and costs.risk[today] - costs.risk[here] > NOTICEABLE:
        gains.append(f"at-risk backups {instance.risk[v, today]:.2f} -> {instance.risk[v, here]:.2f} per 30 days")
    if costs.overlap[today] - costs.overlap[here] > NOTICEABLE:
        gains.append(_fewer_overlaps(overlaps.of(v), today, here))
    if costs.vault_peak[today] - costs.vault_peak[here] > NOTICEABLE:
        gains.append("a less crowded half hour in its vault")
    if not gains and (in_the_way := [repr(limit.name) for limit, mask in marginals.blocked(v).items() if mask[today]]):
        return (
            f"moves: with the others where they go {format_start(today)} would break rule {' and '.join(in_the_way)}"
        )
    return "moves: " + ("; ".join(gains) if gains else "makes room for others or spares a policy")


def _fewer_overlaps(overlaps: FloatArray, today: int, here: int) -> str:
    """The gain in overlaps of a VM, with the other VMs where the plan has them.

    If the VMs of the service have different weights, the weighted number can fall while the plain one does not.
    """
    if overlaps[today] <= overlaps[here]:
        return "fewer overlaps with VMs of its service, as the rules weight them"
    return (
        f"fewer expected overlaps with VMs of its service: {overlaps[today]:.2f} -> {overlaps[here]:.2f} per 30 days"
    )


def explain(plan: PlanDocument, solution: Solution, vm: str) -> Explanation:
    """Explain one VM of a plan in full.

    Parameters
    ----------
    plan
        Plan that contains the VM.
    solution
        The solved case and its schedule.
    vm
        ARM id or name of the VM; case does not matter.

    Raises
    ------
    DataError
        The plan has no such VM, or several VMs of that name.
    """
    inventory, instance = solution.case.inventory, solution.problem.instance
    v = _find(inventory, vm)
    item, entry = inventory.items[v], plan.schedule[v]
    policy = inventory.policy(item)
    marginals = solution.problem.marginals(solution.options)
    costs = marginals.of(v)
    overlaps = VmOverlaps(inventory, solution.options).of(v)
    meeting = windows_met(inventory, solution.options, v)
    here, today = int(solution.options[v]), int(instance.today[v])
    possible = set(policy.recurrence.options(today))
    in_the_way = {t: _in_the_way(solution.case.problem, solution.options, v, t) for t in possible if t != here}
    allowed = np.array([t == here or in_the_way.get(t) == {} for t in range(NUM_OPTIONS)])
    holders = _policies_by_start(plan, solution, v)

    def option(t: int) -> ExplainedOption:
        return ExplainedOption(
            start=format_start(t),
            start_utc=format_start_utc(inventory, policy.timezone, t),
            policy=entry.policy if t == here else entry.policy_today if t == today else holders.get(t, ""),
            risk=float(instance.risk[v, t]),
            windows_met=int(meeting[t]),
            overlaps_per_month=round(float(overlaps[t]), COST_DECIMALS),
            difference=_difference(costs, t, here),
        )

    total = np.where(allowed, costs.total.round(COST_DECIMALS), np.inf)
    ranked = [int(t) for t in np.argsort(total, kind="stable") if np.isfinite(total[t]) and t not in (here, today)]
    better = [
        t
        for t in np.argsort(costs.total, kind="stable").tolist()
        if not allowed[t] and t in possible and t != here and costs.total[t] < costs.total[here]
    ]
    return Explanation(
        vm=item.vm_id,
        service=entry.service,
        vault=entry.vault,
        frequency=entry.frequency,
        recurrence=describe_recurrence(policy.recurrence),
        timezone=policy.timezone,
        reason=entry.reason,
        profile=tuple(float(instance.risk[v, t]) if t in possible else None for t in range(NUM_OPTIONS)),
        allowed=tuple(bool(value) for value in allowed),
        today=option(today),
        proposed=option(here),
        alternatives=tuple(option(t) for t in ranked[:NUM_ALTERNATIVES]),
        forbidden=tuple(
            ForbiddenOption(
                start=format_start(t),
                risk=float(instance.risk[v, t]),
                saves=-_difference(costs, t, here).total,
                reasons=tuple(reason for reasons in in_the_way[t].values() for reason in reasons),
            )
            for t in better[:NUM_FORBIDDEN]
        ),
        limits=tuple(_limit_costs(costs, here, {t: in_the_way[t] for t in better})),
        history_days=float(solution.case.history_days[v]),
        model=None if plan.summary.model_change is None else plan.summary.at_risk_per_month,
        model_change=plan.summary.model_change,
        expected_change=plan.summary.expected_change,
        notes=(
            *_notes_on_companions(solution, costs, np.isfinite(total), v),
            *_notes(solution, v, plan.rules.prices),
        ),
    )


def _notes_on_companions(solution: Solution, costs: OptionCosts, allowed: BoolArray, v: int) -> list[str]:
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
    difference = _difference(costs, best, here)
    parts = [
        f"{name.replace('_', ' ')} {value:+.2f}"
        for name, value in difference.model_dump().items()
        if abs(value) >= NOTICEABLE
    ]
    note += f"Of the starts with fewer overlaps, {format_start(best)} costs least: {', '.join(parts)}; "
    return [f"{note}in all {difference.total:+.2f} at-risk backups per 30 days."]


def _notes(solution: Solution, v: int, prices: Prices) -> list[str]:
    """Notes on what the figures of one VM are based on, if a reader might expect something else."""
    notes = []
    if moved_on := solution.moved_on(v):
        notes.append(
            f"moved on {moved_on}, which is within {prices.recent_days} days of the estate: another move is priced at "
            f"{prices.move_again:g} instead of {prices.move:g}"
        )
    policy = solution.case.inventory.policy(solution.case.inventory.items[v])
    recurrence = policy.recurrence
    if (weight := float(solution.problem.instance.weight[v])) != 1:
        notes.append(
            f"the rules give it the weight {weight:g}: its at-risk backups and overlaps count {weight:g} times in "
            "costs (an overlap as much as the smaller weight of both VMs); at-risk figures are plain"
        )
    if (days := recurrence.days_between_runs) != 1:
        notes.append(
            f"a missed backup leaves {days:.3g} days without a recovery point: in costs, its at-risk backups count "
            f"{days:.3g} times those of a daily backup; at-risk figures are plain"
        )
    if solution.observed is not None and solution.case.table.own[v]:
        starts = dict.fromkeys((int(solution.problem.instance.today[v]), int(solution.options[v])))
        estimated = solution.problem.instance.risk[v, list(starts)]
        shift = solution.case.inventory.pattern(policy).shift
        days = int(solution.case.history_days[v])
        notes += notes_on_observed(solution.observed[v, list(starts)], estimated, days, shift)
    notes += _notes_on_credit(solution, v)
    if recurrence.frequency is Frequency.WEEKLY:
        notes.append("the profile is over all days of the week, not only those on which it is backed up")
    return notes


def _notes_on_credit(solution: Solution, v: int) -> list[str]:
    """Notes on the share of the VM's gain that is credited, if it is not the whole gain."""
    table = solution.case.table
    if not table.own[v]:
        note = (
            "Its risk is estimated from the load of all VMs. The plan counts no gain for it and never gives it a "
            "riskier start."
        )
        return [note]
    gain = float(table.today[v] - table.risk[v].min())
    if gain <= NOTICEABLE or table.credit[v] >= FULL_CREDIT:
        return []
    note = (
        f"Of a gain in risk, {table.credit[v]:.0%} counts: that is what the best start gained on days held out of the "
        f"history. In-sample, the model sees a gain of up to {gain:.2f}."
        if solution.believes_in(v)
        else "On days held out of the history, the start that looked best was no better than today's. The plan counts "
        "no gain for it."
    )
    return [note]


def _find(inventory: Inventory, vm: str) -> int:
    wanted = ArmId(vm)
    found = [row for row, item in enumerate(inventory.items) if wanted in (item.vm_id, inventory.vm(item).name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(inventory.items[row].vm_id for row in found[:5])
        raise DataError(f"{vm!r} is the name of {len(found)} VMs; give the id of one: {ids}")
    _require_not_idle(inventory, wanted, vm)
    import difflib

    names = [inventory.vm(item).name for item in inventory.items]
    near = difflib.get_close_matches(vm, names, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "'report' lists every VM of the plan"
    count = "1 VM" if len(names) == 1 else f"{len(names):,} VMs"
    raise DataError(f"none of the {count} of the plan has the name or ARM id {vm!r}; {hint}")


def _require_not_idle(inventory: Inventory, wanted: ArmId, vm: str) -> None:
    """Refuse a VM of the estate that is in no schedule, since suggesting other names would be misleading.

    Raises
    ------
    DataError
        The VM has no scheduled backups; the message states why.
    """
    for item in inventory.idle_items:
        known = inventory.vms.get(item.vm_id)
        if wanted in (item.vm_id, known.name if known else item.vm_id.name):
            why = item.unwritable or "it has no scheduled backups"
            policy = inventory.policies.get(item.policy_id)
            of = f" (policy {policy.name!r})" if policy else ""
            raise DataError(f"{vm!r} is protected{of} but not part of the plan: {why}")
    if any(wanted in (known.id, known.name) for known in inventory.vms.values()):
        raise DataError(f"{vm!r} is in the estate but not part of the plan: no policy backs it up")


def _difference(costs: OptionCosts, t: int, here: int) -> CostParts:
    def of(term: npt.NDArray[np.float64]) -> float:
        return round(float(term[t] - term[here]), COST_DECIMALS)

    return CostParts(
        risk=of(costs.risk),
        overlap=of(costs.overlap),
        vault_peak=of(costs.vault_peak),
        working_hours=of(costs.working_hours),
        policy=of(costs.policy),
        move=of(costs.move),
    )


def _policies_by_start(plan: PlanDocument, solution: Solution, v: int) -> dict[int, str]:
    """For each start option, a policy of the VM's twin key that has this start in the plan."""
    key = solution.problem.instance.key
    found: dict[int, str] = {}
    for row in np.flatnonzero(key == key[v]).tolist():
        found.setdefault(int(solution.options[row]), plan.schedule[row].policy)
    return found


def _in_the_way(problem: Problem, schedule: IntArray, v: int, t: int) -> dict[Limit, list[str]]:
    """Limits that forbid a VM a start while all other VMs keep theirs, each with the reasons in words."""
    options = schedule.copy()
    options[v] = t
    found: dict[Limit, dict[str, None]] = {}
    for breach in problem.breaches(options):
        found.setdefault(breach.limit, {})[breach.reason] = None
    return {limit: list(reasons) for limit, reasons in found.items()}


def _limit_costs(costs: OptionCosts, here: int, better: Mapping[int, Mapping[Limit, object]]) -> list[LimitCost]:
    """Cost of each limit that alone rules out a better start, the most expensive first."""
    found: dict[Limit, LimitCost] = {}
    for t, limits in better.items():  # cheapest first
        if len(limits) == 1:
            (limit,) = limits
            saves = -_difference(costs, t, here).total
            found.setdefault(limit, LimitCost(name=limit.name, start=format_start(t), saves=saves))
    return sorted(found.values(), key=lambda cost: -cost.saves)
