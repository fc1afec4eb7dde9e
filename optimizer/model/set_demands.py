"""Demands of ``separate`` and ``order`` between sets of VMs, and breaches among immovable VMs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray
from optimizer.model.clashes import Clashes, Demand
from optimizer.model.inventory import Inventory
from optimizer.model.pattern import Pattern
from optimizer.model.rule_matches import matching_items
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector, set_of


@dataclass(slots=True)
class Side:
    """VMs of one set and one pattern, within one group of a rule (a service, a vault, or all VMs of the rule).

    Parameters
    ----------
    number
        Index of the set, in the order of the rule.
    pattern
        Runs of these VMs in the week.
    standing
        Whether the VMs are immovable.
    rows
        Indices of the VMs.
    """

    number: int
    pattern: Pattern
    standing: bool
    rows: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Demanded:
    """Demand of one rule within one group.

    Parameters
    ----------
    rule
        The rule.
    ordered
        Whether the sets follow one another; False if they are only kept apart.
    sides
        The VMs, set by set.
    within
        Hours within which the next set must have begun. None for the order itself.
    """

    rule: Rule
    ordered: bool
    sides: tuple[Side, ...]
    within: float | None = None

    def demand(self, side: Side, opponent: Side) -> Demand:
        """How the windows of VMs on one side must lie relative to those on another."""
        if not self.ordered:
            return "apart"
        return "before" if side.number < opponent.number else "after"

    def compares(self, side: Side, opponent: Side) -> bool:
        """Whether the rule constrains the VMs of two sides; ``within`` applies only to consecutive sets."""
        low, high = sorted((side.number, opponent.number))
        return low < high and (self.within is None or not any(low < between.number < high for between in self.sides))

    def clash(self, clashes: Clashes, side: Side, opponent: Side) -> int:
        """Index of the matrix of start options of two sides that clash."""
        return clashes.number(self.demand(side, opponent), side.pattern, opponent.pattern, self.within)

    def opposed(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of sides that constrain each other, in both directions; two immovable sides never do."""
        for a, side in enumerate(self.sides):
            for b, opponent in enumerate(self.sides):
                if self.compares(side, opponent) and not (side.standing and opponent.standing):
                    yield a, b

    def standing_pairs(self) -> Iterator[tuple[Side, Side]]:
        """Yield pairs of immovable sides that the rule compares, in both directions."""
        standing = [side for side in self.sides if side.standing]
        return ((side, opponent) for side, opponent in product(standing, repeat=2) if self.compares(side, opponent))


def demands(inventory: Inventory, rules: Rules, stays: BoolArray) -> Iterator[Demanded]:
    """Yield the demands of the rules between sets, by group; groups with VMs of a single set are skipped.

    ``stays``, shape (V,), flags the immovable VMs.
    """
    patterns: dict[ArmId, Pattern] = {}
    for rule in rules.rule:
        for sets, ordered in ((rule.separate_sets, False), (rule.order_sets, True)):
            for sides in _sides_by_group(inventory, rule, sets, stays, patterns):
                # Two demands instead of one: the clashes of each are nested, which the bound needs (see cuts.py).
                yield Demanded(rule, ordered, sides)
                if ordered and rule.within is not None:
                    yield Demanded(rule, ordered, sides, rule.within)


def _sides_by_group(
    inventory: Inventory,
    rule: Rule,
    sets: Sequence[Selector],
    stays: BoolArray,
    patterns: dict[ArmId, Pattern],
) -> Iterator[tuple[Side, ...]]:
    """Yield the sides of each group that has VMs of two sets or more; ``patterns`` keeps those of policies seen."""
    groups: dict[str, dict[tuple[int, Pattern, bool], Side]] = {}
    for row, number in _members(inventory, rule, sets):
        item = inventory.items[row]
        if item.policy_id not in patterns:
            patterns[item.policy_id] = inventory.pattern(inventory.policy(item))
        group = groups.setdefault(rule.group_of(inventory.vm(item), inventory.vault(item)), {})
        kind = (number, patterns[item.policy_id], bool(stays[row]))
        group.setdefault(kind, Side(*kind)).rows.append(row)
    for group in groups.values():
        if len({side.number for side in group.values()}) > 1:
            yield tuple(group.values())


def _members(inventory: Inventory, rule: Rule, sets: Sequence[Selector]) -> Iterator[tuple[int, int]]:
    """Yield the index of each VM that matches a set of the rule, with the index of that set."""
    for row in np.flatnonzero(matching_items(inventory, rule)).tolist() if sets else ():
        number = _set_of_item(inventory, row, sets)
        if number is not None:
            yield row, number


def _set_of_item(inventory: Inventory, row: int, sets: Sequence[Selector]) -> int | None:
    """Index of the first set that an item matches; None if it matches none."""
    item = inventory.items[row]
    frequency = inventory.policy(item).recurrence.frequency
    return set_of(sets, inventory.vm(item), inventory.vault(item), frequency)


def in_several_sets(inventory: Inventory, rule: Rule) -> int:
    """Number of VMs that match more than one set of a rule's ``separate`` or ``order``, whichever is larger.

    If every VM of the rule matches the last set, as with ``"*"``, that set means "all others" and does not count.
    """
    most = 0
    for sets in (rule.separate_sets, rule.order_sets):
        rows = np.flatnonzero(matching_items(inventory, rule)).tolist() if sets else []
        everyone = all(_set_of_item(inventory, row, sets[-1:]) is not None for row in rows)
        named = sets[:-1] if everyone else sets
        several = [
            row
            for row, number in _members(inventory, rule, named)
            if _set_of_item(inventory, row, named[number + 1 :]) is not None
        ]
        most = max(most, len(several))
    return most


def standing_clashes(inventory: Inventory, rules: Rules, stays: BoolArray) -> list[tuple[int, str]]:
    """Immovable VMs that clash with other immovable VMs today, each with the name of the broken rule.

    Parameters
    ----------
    inventory, rules
        See :func:`optimizer.model.set_constraints.gates_between`.
    stays
        Shape (V,): whether each VM is immovable.
    """
    clashes = Clashes()
    today = [inventory.policy(item).start for item in inventory.items]
    broken: dict[tuple[int, str], None] = {}
    for demanded in demands(inventory, rules, stays):
        for side, opponent in demanded.standing_pairs():
            clash = clashes.matrix(demanded.clash(clashes, side, opponent))
            others = np.unique([today[row] for row in opponent.rows])
            broken |= {(row, demanded.rule.name): None for row in side.rows if clash[today[row], others].any()}
    capped = (rule for rule in rules.rule if rule.cap is not None)
    return list(broken | {(row, rule.name): None for rule in capped for row in _over_cap(inventory, rule, stays)})


def _over_cap(inventory: Inventory, rule: Rule, stays: BoolArray) -> list[int]:
    """Immovable VMs of a capped rule in half hours in which more immovable VMs overlap than the cap allows."""
    assert rule.cap is not None
    groups: dict[str, list[int]] = {}
    for row in np.flatnonzero(matching_items(inventory, rule) & stays).tolist():
        item = inventory.items[row]
        groups.setdefault(rule.group_of(inventory.vm(item), inventory.vault(item)), []).append(row)
    over_cap: list[int] = []
    for rows in groups.values():
        policies = [inventory.policy(inventory.items[row]) for row in rows]
        met = np.stack([inventory.pattern(policy).occupancy()[policy.start] for policy in policies]).astype(np.int64)
        over = met.sum(axis=0) > rule.cap
        over_cap += [row for row, mine in zip(rows, met, strict=True) if (mine[over] > 0).any()]
    return over_cap


def least_within(inventory: Inventory, rules: Rules, stays: BoolArray) -> dict[str, float]:
    """Smallest ``within``, in hours, that the start times and UTC offsets of the VMs allow, by rule name.

    Other rules are not considered.

    Parameters
    ----------
    inventory, rules
        What is protected, and what the rules demand.
    stays
        Shape (V,): whether each VM is immovable. Immovable VMs do not constrain each other.
    """
    clashes = Clashes()
    least: dict[str, float] = {}
    for demanded in demands(inventory, rules, stays):
        for a, b in demanded.opposed() if demanded.within is not None else ():
            first, second = demanded.sides[a], demanded.sides[b]
            if first.number < second.number:
                too_early = clashes.matrix(clashes.number("before", first.pattern, second.pattern))
                hours = clashes.hours_needed(first.pattern, second.pattern)
                possible = np.where(too_early, np.inf, hours).min()
                least[demanded.rule.name] = max(least.get(demanded.rule.name, 0.0), float(possible))
    return least
