"""Schedule of a plan as entries: one per VM, with its starts, its policies, its risk and the reason."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import ScheduleEntry
from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import WEEKDAYS, format_start
from optimizer.plan.case import Case
from optimizer.plan.explanations.reasons import Solution, format_start_utc, reasons


def schedule_of(case: Case, options: IntArray, policies: Sequence[str]) -> list[ScheduleEntry]:
    """Entries of a schedule, in the order of the items.

    Parameters
    ----------
    case
        The case that was solved.
    options
        Shape (V,): start option of each item in the plan.
    policies
        Length V: name of the policy of each item after the changes.
    """
    why = reasons(Solution(case, options))
    return [_entry(case, v, int(options[v]), policies[v], why[v]) for v in range(len(case.inventory.items))]


def _entry(case: Case, v: int, start: int, policy_after: str, reason: str) -> ScheduleEntry:
    inventory, instance = case.inventory, case.problem.instance
    item = inventory.items[v]
    policy = inventory.policy(item)
    recurrence, today = policy.recurrence, policy.start
    return ScheduleEntry(
        vm=item.vm_id,
        service=inventory.vm(item).service_name,
        vault=inventory.vault(item).name,
        frequency=recurrence.frequency.value,
        days=tuple(WEEKDAYS[day] for day in recurrence.days),
        interval_hours=recurrence.interval_hours,
        duration_hours=recurrence.duration_hours,
        timezone=policy.timezone,
        policy_today=policy.name,
        start_today=format_start(today),
        start_today_utc=format_start_utc(inventory, policy.timezone, today),
        policy=policy_after,
        start=format_start(start),
        start_utc=format_start_utc(inventory, policy.timezone, start),
        risk_today=float(instance.risk[v, today]),
        risk=float(instance.risk[v, start]),
        weight=float(instance.weight[v]),
        reason=reason,
    )
