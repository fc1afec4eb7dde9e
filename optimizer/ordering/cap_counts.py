"""Counts of start windows per capped group and half hour while VMs move one by one.

They keep ``max_concurrent``, and ``separate = true`` (a cap of one), during the roll-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import starts_today
from optimizer.model.rules import Rules
from optimizer.model.timegrid import SLOTS_PER_DAY, SLOTS_PER_WEEK, WEEKDAYS, format_start

Group = tuple[str, str]
"""Name of a rule, and the service or vault id within which it counts; empty if it counts over all its VMs."""

Place = tuple[int, int]
"""Number of a group, and a half hour of the UTC week."""


class CapCounts:
    """Number of overlapping windows of each capped group in each half hour of the UTC week.

    A move is refused if it takes a half hour above its cap. If the half hour exceeded the cap at the beginning, it
    may not exceed its count at the beginning.

    Parameters
    ----------
    inventory
        State at the beginning.
    rules
        Rules with the caps.
    tolerated
        Another state, whose counts may be reached again: for a rollback, the state that it leads back to.
    """

    def __init__(self, inventory: Inventory, rules: Rules, tolerated: Inventory | None = None) -> None:
        self._known: dict[object, IntArray] = {}
        caps = {rule.name: rule.cap for rule in rules.rule if rule.cap is not None}
        self._apart = {rule.name for rule in rules.rule if rule.separate is True}
        groups_of = _groups(inventory, rules)
        self.groups: tuple[Group, ...] = tuple(dict.fromkeys(chain.from_iterable(groups_of)))
        number = {group: index for index, group in enumerate(self.groups)}
        self.groups_of: tuple[tuple[int, ...], ...] = tuple(
            tuple(map(number.__getitem__, groups)) for groups in groups_of
        )
        self._windows = [self._windows_of(inventory, row) if groups else None for row, groups in enumerate(groups_of)]
        self._counts = self._count(inventory, groups_of)
        cap = np.array([caps[name] for name, _ in self.groups], dtype=np.int64)
        self._ceiling = np.maximum(cap[:, None], self._counts)
        if tolerated is not None:
            self._ceiling = np.maximum(self._ceiling, self._count(tolerated, _groups(tolerated, rules)))

    def overfull(self, rows: Iterable[int], before: int, after: int) -> Place | None:
        """First half hour that a move would take above its cap; None if the move keeps all caps.

        Parameters
        ----------
        rows
            Row numbers of items of one policy, which move together.
        before, after
            Start options of the items before and after the move.
        """
        for group, change in self.changes(rows, before, after):
            bad = np.flatnonzero((change > 0) & (self._counts[group] + change > self._ceiling[group]))
            if bad.size:
                return group, int(bad[0])
        return None

    def move(self, rows: Iterable[int], before: int, after: int) -> list[Place]:
        """Move items of one policy; returns the half hours that have become emptier."""
        freed: list[Place] = []
        for group, change in self.changes(rows, before, after):
            self._counts[group] += change
            freed += [(group, slot) for slot in np.flatnonzero(change < 0).tolist()]
        return freed

    def changes(self, rows: Iterable[int], before: int, after: int) -> Iterator[tuple[int, IntArray]]:
        """Changes of the windows of each capped group by a move of items of one policy; arrays of shape (336,)."""
        moving: Counter[int] = Counter()
        windows = None
        for row in rows:
            if self.groups_of[row]:
                moving.update(self.groups_of[row])
                windows = self._windows[row]
        if windows is not None and before != after:
            change = windows[after] - windows[before]
            for group, count in moving.items():
                yield group, change * count

    def room(self, group: int) -> IntArray:
        """Number of further windows for which each half hour of a group has room; shape (336,)."""
        return np.asarray(self._ceiling[group] - self._counts[group])

    def describe(self, place: Place) -> str:
        """Description of a cap that forbids a move."""
        rule, group = self.groups[place[0]]
        day, option = divmod(place[1], SLOTS_PER_DAY)
        where = f"{WEEKDAYS[day]} {format_start(option)} UTC"
        within = f" in {ArmId(group).name!r}" if group else ""
        if rule in self._apart:
            return f"rule {rule!r} keeps windows separate, and{within} there is one at {where} already"
        return f"rule {rule!r} has no room{within} at {where}"

    def _count(self, inventory: Inventory, groups_of: list[tuple[Group, ...]]) -> IntArray:
        number = {group: index for index, group in enumerate(self.groups)}
        counts = np.zeros((len(number), SLOTS_PER_WEEK), dtype=np.int64)
        for row, start in enumerate(starts_today(inventory).tolist()):
            for group in groups_of[row]:
                if group in number:
                    counts[number[group]] += self._windows_of(inventory, row)[start]
        return counts

    def _windows_of(self, inventory: Inventory, row: int) -> IntArray:
        """Half hours that the windows of an item touch at each option; shape (48, 336)."""
        policy = inventory.policy(inventory.items[row])
        key = (policy.recurrence, policy.timezone, inventory.timing(policy), inventory.as_of)
        if key not in self._known:
            self._known[key] = inventory.pattern(policy).occupancy().astype(np.int64)
        return self._known[key]


def _groups(inventory: Inventory, rules: Rules) -> list[tuple[Group, ...]]:
    """Capped groups of each item."""
    capped = [rule for rule in rules.rule if rule.cap is not None]
    if not capped:
        return [()] * len(inventory.items)
    found = []
    for item in inventory.items:
        vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
        found.append(
            tuple((rule.name, rule.group_of(vm, vault)) for rule in capped if rule.is_for(vm, vault, frequency))
        )
    return found
