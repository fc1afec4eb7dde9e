"""Small estates with somewhere to go, their writes, and slow, obvious answers to what the roll-out computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_document import PlanDocument, ScheduleEntry
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.journal import IntentRecord
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rules import Rules
from optimizer.model.timegrid import Frequency, format_start, parse_start, resolve_zone
from optimizer.plan.make.diff import Diff, derive_changes
from optimizer.ports import Resource
from optimizer.rollout.calendar.timed_writes import TimedWrite
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, item, machine, standard_policy, vm_id

NOW = datetime(2026, 2, 18, 9, 0, tzinfo=UTC)
"""A Wednesday; the estates are of the day before."""

SECOND_VAULT = VAULT.replace("rsv-one", "rsv-two")
FOREIGN_VAULT = SECOND_VAULT.replace("11111111", "99999999")


def weekly_policy(name: str, start: str, days: Sequence[str], **more: Any) -> Resource:
    """Build a Standard weekly policy."""
    policy = standard_policy(name, start, **more)
    schedule, retention = policy["properties"]["schedulePolicy"], policy["properties"]["retentionPolicy"]
    schedule |= {"scheduleRunFrequency": "Weekly", "scheduleRunDays": list(days)}
    daily = retention.pop("dailySchedule")
    duration = {"count": 12, "durationType": "Weeks"}
    policy["properties"]["instantRpRetentionRangeInDays"] = 5
    retention["weeklySchedule"] = {**daily, "daysOfTheWeek": list(days), "retentionDuration": duration}
    return policy


@dataclass(frozen=True)
class World:
    """An estate, rules, and the start that each VM is to get."""

    document: EstateDocument
    rules: Rules
    targets: dict[str, str]

    @cached_property
    def inventory(self) -> Inventory:
        """What is there today."""
        return inventory_of(self.document)

    @cached_property
    def options(self) -> np.ndarray:
        """Start option that each item is to get."""
        inventory = self.inventory
        names = [one.vm_id.rpartition("/")[2] for one in inventory.items]
        starts = [inventory.policy(one).start for one in inventory.items]
        wanted = [parse_start(self.targets[n]) if n in self.targets else s for n, s in zip(names, starts, strict=True)]
        return np.array(wanted, dtype=np.int64)

    def diff(self) -> Diff:
        """The changes."""
        inventory = self.inventory
        movable = np.array([not one.unwritable for one in inventory.items], dtype=np.bool_)
        return derive_changes(inventory, self.rules, self.options, movable)

    def plan(self) -> PlanDocument:
        """As much of a plan as its writes need."""
        return self._plan

    @cached_property
    def _plan(self) -> PlanDocument:
        inventory = self.inventory
        schedule = tuple(
            ScheduleEntry.model_construct(
                vm=one.vm_id, start_today=format_start(inventory.policy(one).start), start=format_start(int(option))
            )
            for one, option in zip(inventory.items, self.options, strict=True)
        )
        return PlanDocument.model_construct(changes=self.diff().changes, schedule=schedule)

    def writes(self) -> tuple[Write, ...]:
        """The writes of that plan."""
        return writes_of(self.plan(), self.document, self.inventory)

    def states(self, timed: Iterable[TimedWrite]) -> list[EstateDocument]:
        """The estate after each write."""
        changes = self.plan().changes
        document, found = self.document, []
        for one in timed:
            document = apply_in_memory(document, [changes[one.write.number - 1]])
            found.append(document)
        return found


def world(
    policies: list[Resource], places: dict[str, str], targets: dict[str, str], rules: Rules, **services: str
) -> World:
    """Build a world of VMs by policy name; services by VM name, else each VM is its own."""
    vault_of = {str(p["name"]): str(p["id"]).partition("/backupPolicies/")[0] for p in policies}
    items = [item(vm, policy, vault=vault_of[policy]) for vm, policy in places.items()]
    machines = [machine(vm, app=services.get(vm, vm)) for vm in places]
    as_of = NOW - timedelta(days=1)
    vaults = [{"id": v, "name": v.rpartition("/")[2]} for v in dict.fromkeys(vault_of.values())]
    document = EstateDocument(
        created_at=as_of,
        as_of=as_of,
        source="azure",
        vaults=tuple(vaults),
        policies=tuple(policies),
        protected_items=tuple(items),
        vms=tuple(machines),
    )
    return World(document, rules, targets)


def inventory_of(document: EstateDocument) -> Inventory:
    """Inventory of a document."""
    return Estate(Path("estate"), document).inventory()


def item_write(vm: str, before: str, after: str, number: int = 1) -> Write:
    """A reassignment for the gates: they look at VM and starts only."""
    return Write(
        number, "reassign_item", VAULT, vm, vm, {}, None, vms=(vm_id(vm),), start_before=before, start_after=after
    )


def readings(policy: Policy, around: datetime) -> list[timedelta]:
    """Offsets from UTC that the zone of a policy has in the year before."""
    return _readings(policy.timezone, around.date())


@lru_cache
def _readings(timezone: str, around: date) -> list[timedelta]:
    zone, noon = resolve_zone(timezone), datetime.combine(around, time(12), UTC)
    found = {(noon - timedelta(days=n)).astimezone(zone).utcoffset() or timedelta() for n in range(366)}
    return sorted(found)


def runs(policy: Policy, start: str, offset: timedelta, around: datetime) -> list[datetime]:
    """Runs within nine days of a time, at one reading of the clock, by a loop over dates."""
    found = []
    recurrence = policy.recurrence
    for n in range(-9, 10):
        day = around.date() + timedelta(days=n)
        if recurrence.frequency is Frequency.WEEKLY and day.weekday() not in recurrence.days:
            continue
        for minutes in recurrence.runs_after_start:
            wall = datetime.combine(day, time(int(start[:2]), int(start[3:])), UTC)
            found.append(wall + timedelta(minutes=minutes) - offset)
    return sorted(found)


def is_clear(policy: Policy, before: str, after: str, at: datetime, margin_hours: float = 2.5) -> bool:
    """Whether no run, old or new, at any reading, is nearer to a time than the margin."""
    margin = timedelta(hours=margin_hours)
    return all(
        at < run - margin or at >= run + margin
        for start in (before, after)
        for offset in readings(policy, at)
        for run in runs(policy, start, offset, at)
    )


def longest_gap_hours(policy: Policy, before: str, after: str, at: datetime) -> float:
    """Longest time between the last old run and the first new one round a write, with a start that is 2 h late."""
    gaps = []
    for old in readings(policy, at):
        last = max(run for run in runs(policy, before, old, at) if run <= at)
        for new in readings(policy, at):
            first = min(run for run in runs(policy, after, new, at) if run > at)
            gaps.append((first + timedelta(hours=2) - last) / timedelta(hours=1))
    return max(gaps)


def intent_of(write: Write, at: datetime = NOW, **changes: Any) -> IntentRecord:
    """The record of a write that is about to be sent, with the object as the plan knew it."""
    values: dict[str, Any] = {
        "number": write.number,
        "at": at,
        "kind": write.kind,
        "vault_id": write.vault_id,
        "object_id": write.object_id,
        "name": write.name,
        "vms": write.vms,
        "before": write.before,
        "body": dict(write.body),
    }
    return IntentRecord.model_validate(values | changes)
