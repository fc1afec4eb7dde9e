"""``separate`` and ``order`` between sets of VMs -> :class:`~optimizer.solve.instance.Gates`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector, set_of
from optimizer.model.timegrid import Pattern
from optimizer.solve.clashes import Clashes, Demand
from optimizer.solve.instance import BoolArray, Gates, IntArray
from optimizer.solve.restrict import Restrictions, matching_items


@dataclass(slots=True)
class Side:
    """VMs of one set and one pattern, within one service or vault or all of a rule.

    Parameters
    ----------
    number
        Of the set, in the order of the rule.
    pattern
        Their runs in the week.
    standing
        Whether they stay where they are.
    rows
        The VMs.
    """

    number: int
    pattern: Pattern
    standing: bool
    rows: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Demanded:
    """What one rule demands within one group.

    Parameters
    ----------
    rule
        The rule.
    ordered
        Whether the sets follow one another; else they are only kept apart.
    sides
        The VMs, set by set.
    within
        Hours after which the next set has begun at the latest; None: the order itself.
    """

    rule: Rule
    ordered: bool
    sides: tuple[Side, ...]
    within: float | None = None

    def demand(self, one: Side, other: Side) -> Demand:
        """What VMs of one side have to be to those of another."""
        if not self.ordered:
            return "apart"
        return "before" if one.number < other.number else "after"

    def compares(self, one: Side, other: Side) -> bool:
        """Whether the rule says anything about the VMs of two sides; ``within`` only of sets next to each other."""
        low, high = sorted((one.number, other.number))
        return low < high and (self.within is None or not any(low < side.number < high for side in self.sides))

    def opposed(self) -> Iterator[tuple[int, int]]:
        """Sides that look at each other, both ways; VMs that stay where they are are not held to each other."""
        for a, one in enumerate(self.sides):
            for b, other in enumerate(self.sides):
                if self.compares(one, other) and not (one.standing and other.standing):
                    yield a, b


def build_gates(inventory: Inventory, rules: Rules, restrictions: Restrictions, snapshot_minutes: int) -> Gates:
    """Gates of the rules that keep sets of VMs apart or in order.

    Every earlier set of ``order`` comes before every later one, also on days on which none between them runs.  A VM
    belongs to the first set that it fits.  VMs that stay where they are (pinned, excluded, or unwritable for their
    state in Azure) hold their time against all others, but not against each other: no plan changes what these break.

    Parameters
    ----------
    inventory
        What is protected.
    rules
        With ``separate`` and ``order``.  ``separate = true`` is a cap of one and makes no gate.
    restrictions
        Which VMs stay where they are.
    snapshot_minutes
        Length of the snapshot at the end of a start window.
    """
    return gates_between(inventory, rules, ~restrictions.movable, snapshot_minutes)


def gates_between(
    inventory: Inventory, rules: Rules, stays: BoolArray, snapshot_minutes: int, *, while_applying: bool = False
) -> Gates:
    """The same from a flag for each VM, shape (V,), that says whether it stays where it is.

    ``while_applying`` leaves ``within`` out: VMs move one by one, so two sets that are to follow each other closely
    cannot do so between the first move and the last.
    """
    clashes = Clashes(snapshot_minutes)
    gates_of: list[list[int]] = [[] for _ in inventory.items]
    names: list[str] = []
    opponents: list[list[tuple[int, int]]] = []
    for demanded in demands(inventory, rules, stays):
        if while_applying and demanded.within is not None:
            continue
        number: dict[int, int] = {}
        for a, b in demanded.opposed():
            one, other = demanded.sides[a], demanded.sides[b]
            clash = clashes.number(demanded.demand(one, other), one.pattern, other.pattern, demanded.within)
            if not clashes.matrix(clash).any():
                continue
            for side in (a, b):
                if side not in number:
                    number[side] = len(names)
                    names.append(demanded.rule.name)
                    opponents.append([])
                    for row in demanded.sides[side].rows:
                        gates_of[row].append(number[side])
            opponents[number[a]].append((number[b], clash))
    return Gates(
        vm_begin=_begins(gates_of),
        vm_gate=np.array([gate for of in gates_of for gate in of], dtype=np.int64),
        gate_begin=_begins(opponents),
        opponent=np.array([gate for of in opponents for gate, _ in of], dtype=np.int64),
        clash=np.array([clash for of in opponents for _, clash in of], dtype=np.int64),
        clashes=clashes.stacked(),
        name=tuple(names),
        hours=clashes.stacked_hours(),
    )


def least_within(inventory: Inventory, rules: Rules, stays: BoolArray, snapshot_minutes: int) -> dict[str, float]:
    """Smallest ``within`` in hours that the start times and clocks of the VMs allow, by the name of the rule.

    Other rules are not looked at.

    Parameters
    ----------
    inventory, rules
        What is protected and demanded.
    stays
        Shape (V,): VMs that stay where they are; these are not held to each other.
    snapshot_minutes
        Length of the snapshot at the end of a start window.
    """
    clashes = Clashes(snapshot_minutes)
    least: dict[str, float] = {}
    for demanded in demands(inventory, rules, stays):
        for a, b in demanded.opposed() if demanded.within is not None else ():
            one, other = demanded.sides[a], demanded.sides[b]
            if one.number > other.number:
                continue
            too_early = clashes.matrix(clashes.number("before", one.pattern, other.pattern))
            hours = clashes.hours_needed(one.pattern, other.pattern)
            possible = np.where(too_early, np.inf, hours).min()
            least[demanded.rule.name] = max(least.get(demanded.rule.name, 0.0), float(possible))
    return least


def _begins(lists: Sequence[Sequence[object]]) -> IntArray:
    return np.concatenate([[0], np.cumsum([len(one) for one in lists], dtype=np.int64)]).astype(np.int64)


def demands(inventory: Inventory, rules: Rules, stays: BoolArray) -> Iterator[Demanded]:
    """What the rules demand between sets, group by group; groups with VMs of a single set are left out.

    ``stays``, shape (V,): VMs that stay where they are.
    """
    patterns: dict[str, Pattern] = {}
    for rule in rules.rule:
        for sets, ordered in ((rule.separate_sets, False), (rule.order_sets, True)):
            if not sets:
                continue
            groups: dict[str, dict[tuple[int, Pattern, bool], Side]] = {}
            for row, number in _members(inventory, rule, sets):
                item = inventory.items[row]
                policy_id = item.policy_id.lower()
                if policy_id not in patterns:
                    patterns[policy_id] = inventory.policy(item).pattern(inventory.horizon)
                group = groups.setdefault(rule.group_of(inventory.vm(item), inventory.vault(item)), {})
                place = (number, patterns[policy_id], bool(stays[row]))
                group.setdefault(place, Side(*place)).rows.append(row)
            for group in groups.values():
                if len({side.number for side in group.values()}) < 2:
                    continue
                # Two demands and not one: the clashes of each are nested, which the bound needs (see cuts.py).
                yield Demanded(rule, ordered, tuple(group.values()))
                if ordered and rule.within is not None:
                    yield Demanded(rule, ordered, tuple(group.values()), rule.within)


def _members(inventory: Inventory, rule: Rule, sets: Sequence[Selector]) -> Iterator[tuple[int, int]]:
    """Rows of the VMs of a rule that fit one of its sets, with its number."""
    for row in np.flatnonzero(matching_items(inventory, rule)).tolist() if sets else ():
        number = _set_of_item(inventory, row, sets)
        if number is not None:
            yield row, number


def _set_of_item(inventory: Inventory, row: int, sets: Sequence[Selector]) -> int | None:
    """Number of the first set that an item fits; None: none."""
    item = inventory.items[row]
    frequency = inventory.policy(item).recurrence.frequency
    return set_of(sets, inventory.vm(item), inventory.vault(item), frequency)


def in_several_sets(inventory: Inventory, rule: Rule) -> int:
    """VMs that fit more than one of the sets of a rule, of ``separate`` or ``order``.

    A last set that every VM of the rule fits, as ``"*"``, means all others and does not count.
    """
    found = 0
    for sets in (rule.separate_sets, rule.order_sets):
        rows = np.flatnonzero(matching_items(inventory, rule)).tolist() if sets else []
        everyone = all(_set_of_item(inventory, row, sets[-1:]) is not None for row in rows)
        named = sets[:-1] if everyone else sets
        several = [
            row
            for row, number in _members(inventory, rule, named)
            if _set_of_item(inventory, row, named[number + 1 :]) is not None
        ]
        found = max(found, len(several))
    return found


def standing_clashes(
    inventory: Inventory, rules: Rules, stays: BoolArray, snapshot_minutes: int
) -> list[tuple[int, str]]:
    """VMs that stay where they are and clash with other such VMs today, each with the rule that is broken.

    Parameters
    ----------
    inventory, rules, snapshot_minutes
        As for :func:`build_gates`.
    stays
        Shape (V,).
    """
    clashes = Clashes(snapshot_minutes)
    today = [inventory.policy(item).start for item in inventory.items]
    found: dict[tuple[int, str], None] = {}
    for demanded in demands(inventory, rules, stays):
        standing = [side for side in demanded.sides if side.standing]
        for one in standing:
            for other in standing:
                if not demanded.compares(one, other):
                    continue
                demand = demanded.demand(one, other)
                clash = clashes.matrix(clashes.number(demand, one.pattern, other.pattern, demanded.within))
                others = np.unique([today[row] for row in other.rows])
                found |= {(row, demanded.rule.name): None for row in one.rows if clash[today[row], others].any()}
    for rule in rules.rule:
        if rule.cap is not None:
            found |= dict.fromkeys((row, rule.name) for row in _over_cap(inventory, rule, stays, snapshot_minutes))
    return list(found)


def _over_cap(inventory: Inventory, rule: Rule, stays: BoolArray, snapshot_minutes: int) -> list[int]:
    """VMs of a capped rule that stay where they are, in half hours in which more such VMs meet than the cap allows."""
    assert rule.cap is not None
    groups: dict[str, list[int]] = {}
    for row in np.flatnonzero(matching_items(inventory, rule) & stays).tolist():
        item = inventory.items[row]
        groups.setdefault(rule.group_of(inventory.vm(item), inventory.vault(item)), []).append(row)
    found: list[int] = []
    for rows in groups.values():
        policies = [inventory.policy(inventory.items[row]) for row in rows]
        met = np.stack(
            [one.pattern(inventory.horizon).occupancy(snapshot_minutes)[one.start] for one in policies]
        ).astype(np.int64)
        over = met.sum(axis=0) > rule.cap
        found += [row for row, mine in zip(rows, met, strict=True) if (mine[over] > 0).any()]
    return found
