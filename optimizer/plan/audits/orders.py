"""Compliance with ``order`` rules: hours between each set of VMs and the next, for each service."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from optimizer.documents import OrderGap
from optimizer.model.arrays import IntArray
from optimizer.model.clashes import Nights, nights
from optimizer.model.exemptions import set_as_toml
from optimizer.model.inventory import Inventory
from optimizer.model.pattern import Pattern
from optimizer.model.rules import Rules
from optimizer.model.set_demands import Demanded, Side, demands
from optimizer.model.timegrid import MINUTES_PER_DAY, format_minute


def order_gaps(inventory: Inventory, rules: Rules, starts: IntArray) -> tuple[OrderGap, ...]:
    """Gaps between the sets of every rule with ``order``: broken ones first, then the longest.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    starts
        Shape (num_items,): start option of each item.
    """
    none_immovable = np.zeros(len(inventory.items), dtype=np.bool_)
    found = [
        gap
        for demanded in demands(inventory, rules, none_immovable)
        if demanded.ordered and demanded.within is None
        for gap in _gaps_of(inventory, demanded, starts)
    ]
    return tuple(sorted(found, key=lambda gap: (gap.holds, gap.hours if gap.hours < 0 else -gap.largest, gap.group)))


def _gaps_of(inventory: Inventory, demanded: Demanded, starts: IntArray) -> Iterator[OrderGap]:
    rule = demanded.rule
    item = inventory.items[demanded.sides[0].rows[0]]
    vm, vault = inventory.vm(item), inventory.vault(item)
    group = {"service": vm.service or str(vm.id), "vault": vault.name, None: ""}[rule.per]
    spans = {side.pattern: nights(side.pattern) for side in demanded.sides}
    numbers = sorted({side.number for side in demanded.sides})
    for earlier, later in pairwise(numbers):
        first = _set_in_nights(demanded.sides, earlier, spans, starts)
        second = _set_in_nights(demanded.sides, later, spans, starts)
        both = np.flatnonzero(np.isfinite(first.ends) & np.isfinite(second.begins))
        if not len(both):
            continue
        gaps = second.begins[both] - first.ends[both]
        largest = second.begins_at_most[both] - first.ends_at_least[both]
        worst = int(gaps.argmin() if gaps.min() < 0 else largest.argmax())
        ends, begins = first.ends[both[worst]], second.begins[both[worst]]
        yield OrderGap(
            rule=rule.name,
            group=group,
            first=set_as_toml(rule.order[earlier]),
            second=set_as_toml(rule.order[later]),
            ends=format_minute(int(ends) % MINUTES_PER_DAY),
            begins=format_minute(int(begins) % MINUTES_PER_DAY),
            hours=round(float(gaps[worst]) / 60, 2),
            hours_most=round(float(largest[worst]) / 60, 9),
            within=rule.within,
        )


def _set_in_nights(sides: tuple[Side, ...], number: int, spans: dict[Pattern, Nights], starts: IntArray) -> Nights:
    """Beginnings and ends of one set in each night: its first and last VM instead of each option; shape (7,)."""
    of_set = [(spans[side.pattern], starts[side.rows]) for side in sides if side.number == number]
    return Nights(
        begins=np.concatenate([span.begins[options] for span, options in of_set]).min(axis=0),
        begins_at_most=np.concatenate([span.begins_at_most[options] for span, options in of_set]).max(axis=0),
        ends=np.concatenate([span.ends[options] for span, options in of_set]).max(axis=0),
        ends_at_least=np.concatenate([span.ends_at_least[options] for span, options in of_set]).min(axis=0),
    )
