"""Independent check of a roll-out: every intermediate state read from the service, and recovery points over time.

It shares no code with the modules that order and time the writes (:mod:`optimizer.rollout.writes.transition` and
:mod:`optimizer.rollout.calendar`). It takes two inventories and compares them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Policy, ProtectedItem
from optimizer.model.policy_limits import vm_limit
from optimizer.model.raw import id_of, properties_of, word
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.verifier import SetRules, WindowClock, counted_within, rules_of

WEEK = timedelta(days=7)
LATEST_START = timedelta(hours=2)
DEFAULT_SLACK = timedelta(hours=12)


class StateJudge:
    """Judge of the states between the first one and the end of a roll-out.

    Parameters
    ----------
    before
        State before the first write. What it breaks may stay broken.
    rules
        Constraints that must hold.
    """

    def __init__(self, before: Inventory, rules: Rules) -> None:
        self._before = before
        self._rules = rules
        self._clock = WindowClock(before)
        self._items = {item.vm_id: item for item in before.items}
        self._rules_of = {key: rules_of(before, rules, item) for key, item in self._items.items()}
        self._met = self._windows_met(before)
        self._sets = SetRules(before, rules, self._clock)
        self._starts = [before.policy(item).start for item in before.items]

    def faults(self, now: Inventory) -> list[str]:
        """All faults of a state, in words for people; empty for a state without faults."""
        present = {item.vm_id: item for item in now.items}
        faults = [f"{item.vm_id}: is no longer backed up" for key, item in self._items.items() if key not in present]
        faults += self._check_policies(now)
        for key, item in present.items():
            if key in self._items:
                faults += self._check_item(now, item)
        starts = [now.policy(present[key]).start if key in present else None for key in self._items]
        return faults + self._check_caps(now) + self._sets.broken(starts, tolerated=self._starts)

    def _check_policies(self, now: Inventory) -> list[str]:
        """Check the limits, and that policies change only their time; today's excess over a limit must not grow."""
        faults = self._check_sizes(now)
        for key, policy in now.policies.items():
            old = self._before.policies.get(key)
            if old is not None:
                faults += _check_change(old, policy)
        return faults + self._check_vaults(now)

    def _check_sizes(self, now: Inventory) -> list[str]:
        most = vm_limit(self._rules.policies, self._before)
        faults = []
        for key, policy in now.policies.items():
            size, old = now.policy_sizes[key], self._before.policy_sizes.get(key)
            if size > (most.new if old is None else max(most.existing, old)):
                faults.append(f"policy {policy.name!r} protects {size} VMs")
        return faults

    def _check_vaults(self, now: Inventory) -> list[str]:
        faults = []
        for vault_id, vault in now.vaults.items():
            count = now.policies_in_vault(vault_id)
            before = self._before.policies_in_vault(vault_id) if vault_id in self._before.vaults else 0
            if count > max(self._rules.policies.max_policies_per_vault, before):
                faults.append(f"vault {vault.name!r} holds {count} policies")
        return faults

    def _check_item(self, now: Inventory, item: ProtectedItem) -> list[str]:
        """Check that a VM moves only to a twin, moves only if it may, and after a move keeps the rules on windows."""
        before = self._items[item.vm_id]
        old, new = self._before.policy(before), now.policy(item)
        faults = []
        if not _are_twins(old, new):
            faults.append(f"{item.vm_id}: policy {new.name!r} is not a twin of {old.name!r}")
        if item.vault_id != before.vault_id or item.id != before.id:
            faults.append(f"{item.vm_id}: is protected elsewhere")
        return faults if new.start == old.start else faults + self._check_move(before, new)

    def _check_move(self, item: ProtectedItem, policy: Policy) -> list[str]:
        """Check that a VM may move, and that its new start keeps the rules on windows."""
        rules = self._rules_of[item.vm_id]
        faults = []
        if item.unwritable or any(rule.pin or rule.exclude for rule in rules):
            faults.append(f"{item.vm_id}: has moved although it must stay")
        broken = [rule for rule in rules if not self._clock.fits(rule, policy, policy.start)]
        start = format_start(policy.start)
        return faults + [f"{item.vm_id}: {start} breaks rule {rule.name!r}" for rule in broken]

    def _check_caps(self, now: Inventory) -> list[str]:
        faults = []
        caps = {rule.name: rule.max_concurrent or 1 for rule in self._rules.rule if _counts(rule)}
        for place, count in self._windows_met(now).items():
            name, group, _ = place
            if count > max(caps[name], self._met[place]):
                within = f" of {group!r}" if group else ""
                faults.append(f"rule {name!r}: {count} windows{within} overlap; the limit is {caps[name]}")
        return faults

    def _windows_met(self, inventory: Inventory) -> Counter[tuple[str, str, int]]:
        """Number of windows that overlap, by rule, group and half hour of the week."""
        met: Counter[tuple[str, str, int]] = Counter()
        for item in inventory.items:
            policy = inventory.policy(item)
            for rule in self._rules_of.get(item.vm_id, ()):
                if _counts(rule):
                    group = counted_within(rule, inventory, item)
                    met.update((rule.name, group, moment) for moment in self._clock.half_hours(policy, policy.start))
        return met


def _are_twins(old: Policy, new: Policy) -> bool:
    """Whether two policies are equal in everything but name and time, and are in the same vault."""
    return old.twin_key == new.twin_key and old.vault_id == new.vault_id


def _check_change(old: Policy, new: Policy) -> list[str]:
    """Check that an existing policy has changed only its time, and that no default policy was edited."""
    faults = []
    if not _are_twins(old, new):
        faults.append(f"policy {new.name!r}: more than its time has changed")
    if old.is_default and old.start != new.start:
        faults.append(f"policy {new.name!r}: is one of Azure's default policies, and was edited")
    return faults


def _counts(rule: Rule) -> bool:
    return rule.max_concurrent is not None or rule.separate is True


_STOPPED = {Caseless("ProtectionStopped"), Caseless("ProtectionPaused"), Caseless("BackupsSuspended")}
"""States in which no backup takes place.

From any other state, such as an error or a pending first backup, the service itself returns the item to ``Protected``
with the next backup that succeeds.
"""


def _is_of_the_service(key: str, old: object, new: object) -> bool:
    """Whether the service makes this change by itself, without a write."""
    before, now = word(old), word(new)
    return key == "protectionState" and (before == now or (before not in _STOPPED and now == "Protected"))


def check_items(before: Iterable[Resource], now: Iterable[Resource]) -> list[str]:
    """Changes of protected items other than their policy, which a roll-out must not make.

    Parameters
    ----------
    before, now
        ARM resources of the items before and after, as the service returned them.
    """
    faults = []
    present = {id_of(item): properties_of(item) for item in now}
    for item in before:
        old, name = properties_of(item), id_of(item)
        if not name:
            continue  # a resource without an id cannot be served, and is not part of the inventory
        new = present.get(name)
        if new is None:
            faults.append(f"{name}: is gone")
            continue
        if old.get("policyId") and not new.get("policyId"):
            faults.append(f"{name}: has no policy any more")
        faults += [
            f"{name}: {key} has changed from {old.get(key)!r} to {new.get(key)!r}"
            for key in ("extendedProperties", "protectionState", "sourceResourceId")
            if _plain(old.get(key)) != _plain(new.get(key)) and not _is_of_the_service(key, old.get(key), new.get(key))
        ]
    return faults


def check_gaps(points: Mapping[ArmId, Sequence[datetime]], rules: Rules, inventory: Inventory) -> list[str]:
    """VMs with a gap between recovery points that is longer than their RPO, in words for people.

    Parameters
    ----------
    points
        Times of the recovery points of each VM, by VM id, in any order.
    rules
        Rules, for their RPOs.
    inventory
        Inventory in any state of the roll-out: the frequency and zone of a VM never change.
    """
    clock = WindowClock(inventory)
    faults = []
    for vm_id, times in points.items():
        item = inventory.item_of_vm(vm_id)
        if item is None or len(times) < 2:
            continue
        gap, since = max((later - earlier, earlier) for earlier, later in pairwise(sorted(times)))
        limit = _longest_gap(inventory, clock, item, rules_of(inventory, rules, item))
        if gap > limit:
            faults.append(
                f"{vm_id}: {_hours(gap)} without a recovery point from {since:%Y-%m-%d %H:%M} UTC; the limit is "
                f"{_hours(limit)}"
            )
    return faults


def _longest_gap(inventory: Inventory, clock: WindowClock, item: ProtectedItem, rules: Sequence[Rule]) -> timedelta:
    """Longest gap that a VM may have: its RPO, or the gap that the schedule leaves when a backup starts late."""
    policy = inventory.policy(item)
    runs = sorted(timedelta(days=day) + wall for day, wall in clock.wall_times(policy, 0))
    spacing = max(later - earlier for earlier, later in pairwise([*runs, runs[0] + WEEK]))
    stated = [timedelta(hours=rule.rpo_hours) for rule in rules if rule.rpo_hours is not None]
    return max(min(stated), spacing + LATEST_START) if stated else spacing + DEFAULT_SLACK


def _hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):.3g} h"


def _plain(value: object) -> object:
    """A value without empty members."""
    if isinstance(value, Mapping):
        inner = {key: _plain(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None} or None
    return value
