"""Finds the scheduled time of each job, if it is certain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from optimizer.intake.pull.raw_jobs import BACKUP
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.timegrid import SLOT_MINUTES, START_WINDOW_MINUTES, Frequency, resolve_zone

MIN_JOBS = 3
"""Number of jobs of a VM that must fit its policy before any is attributed to it."""

_WINDOW = timedelta(minutes=START_WINDOW_MINUTES)


def add_scheduled(rows: Sequence[dict[str, Any]], inventory: Inventory) -> None:
    """Fill in ``scheduled`` for VMs whose scheduled backups all started within two hours of a time of their policy.

    A single job that does not fit shows that the VM had another policy, or the policy ran by another clock, for some
    of the time. All jobs of that VM then stay without a scheduled time.

    Parameters
    ----------
    rows
        Jobs as rows of ``JOB_SCHEMA``; changed in place.
    inventory
        Inventory with the current policies.
    """
    by_vm: dict[ArmId, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["operation"] == BACKUP:
            by_vm[ArmId(row["vm"])].append(row)
    for vm_id, jobs in by_vm.items():
        item = inventory.item_of_vm(vm_id)
        if item is not None and len(jobs) >= MIN_JOBS:
            _attribute(jobs, inventory.policy(item))


def _attribute(jobs: Sequence[dict[str, Any]], policy: Policy) -> None:
    """Fill in the scheduled times of all backups of a VM, or of none."""
    slots = [find_slot(policy, row["start"]) for row in jobs]
    if None not in slots:
        for row, slot in zip(jobs, slots, strict=True):
            row["scheduled"] = slot


def find_slot(policy: Policy, start: datetime) -> datetime | None:
    """Latest time of a policy in the two hours up to ``start``, in UTC; None if there is no such time."""
    local = start.astimezone(resolve_zone(policy.timezone))
    days = ((local - timedelta(days=back)).date() for back in (0, 1, 2))  # yesterday's window may extend past midnight
    slots = (slot.astimezone(start.tzinfo) for day in days for slot in _slots_on(policy, day))
    return max((slot for slot in slots if slot <= start < slot + _WINDOW), default=None)


def _slots_on(policy: Policy, day: date) -> list[datetime]:
    """Times of a policy on a day of its zone."""
    recurrence = policy.recurrence
    if recurrence.frequency is Frequency.WEEKLY and day.weekday() not in recurrence.days:
        return []
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone comes next
    start = midnight + timedelta(minutes=policy.start * SLOT_MINUTES)
    zone = resolve_zone(policy.timezone)
    return [(start + timedelta(minutes=after)).replace(tzinfo=zone) for after in recurrence.runs_after_start]
