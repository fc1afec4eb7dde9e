"""Compliance with rules with ``order``: hours between each set of VMs and the next, for each service."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.clashes import Nights, nights
from optimizer.model.exemptions import set_as_toml
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.set_demands import Demanded, Side, demands
from optimizer.model.timegrid import MINUTES_PER_DAY, Pattern, format_minute
from optimizer.plan.audit_document import OrderGap


def order_gaps(inventory: Inventory, rules: Rules, starts: IntArray, snapshot_minutes: int) -> tuple[OrderGap, ...]:
    """Gaps between the sets of every rule with ``order``: broken ones first, then the longest.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    starts
        Shape (num_items,): start option of each item.
    snapshot_minutes
        Length in minutes of the snapshot at the end of a start window.
    """
    nobody = np.zeros(len(inventory.items), dtype=np.bool_)
    found = [
        gap
        for demanded in demands(inventory, rules, nobody)
        if demanded.ordered and demanded.within is None
        for gap in _gaps_of(inventory, demanded, starts, snapshot_minutes)
    ]
    return tuple(sorted(found, key=lambda gap: (gap.holds, gap.hours if gap.hours < 0 else -gap.hours, gap.group)))


def _gaps_of(inventory: Inventory, demanded: Demanded, starts: IntArray, snapshot_minutes: int) -> Iterator[OrderGap]:
    rule = demanded.rule
    item = inventory.items[demanded.sides[0].rows[0]]
    vm, vault = inventory.vm(item), inventory.vault(item)
    group = {"service": vm.service or vm.id, "vault": vault.name, None: ""}[rule.per]
    spans = {side.pattern: nights(side.pattern, snapshot_minutes) for side in demanded.sides}
    numbers = sorted({side.number for side in demanded.sides})
    for earlier, later in pairwise(numbers):
        ends = _last_end(demanded.sides, earlier, spans, starts)
        begins = _first_begin(demanded.sides, later, spans, starts)
        both = np.flatnonzero(np.isfinite(ends) & np.isfinite(begins))
        if not len(both):
            continue
        gaps = begins[both] - ends[both]
        worst = both[int(gaps.argmin() if gaps.min() < 0 else gaps.argmax())]
        yield OrderGap(
            rule=rule.name,
            group=group,
            first=set_as_toml(rule.order[earlier]),
            second=set_as_toml(rule.order[later]),
            ends=format_minute(int(ends[worst]) % MINUTES_PER_DAY),
            begins=format_minute(int(begins[worst]) % MINUTES_PER_DAY),
            hours=round(float(begins[worst] - ends[worst]) / 60, 2),
            within=rule.within,
        )


def _last_end(sides: tuple[Side, ...], number: int, spans: dict[Pattern, Nights], starts: IntArray) -> FloatArray:
    """End of the last window of a set in each night; shape (7,), minus infinity for a night without a run."""
    of_set = [spans[side.pattern].ends[starts[side.rows]] for side in sides if side.number == number]
    return np.asarray(np.concatenate(of_set).max(axis=0))


def _first_begin(sides: tuple[Side, ...], number: int, spans: dict[Pattern, Nights], starts: IntArray) -> FloatArray:
    """Begin of the first window of a set in each night; shape (7,), infinity for a night without a run."""
    of_set = [spans[side.pattern].begins[starts[side.rows]] for side in sides if side.number == number]
    return np.asarray(np.concatenate(of_set).min(axis=0))
