"""VMs that a rule applies to, and exceptions that match none of them."""

from __future__ import annotations

import numpy as np

from optimizer.model.arrays import BoolArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule
from optimizer.model.selectors import Selector, fits


def matching_items(inventory: Inventory, rule: Rule) -> BoolArray:
    """Items that a rule applies to; shape (V,)."""
    return np.array(
        [
            rule.is_for(inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)
            for item in inventory.items
        ],
        dtype=np.bool_,
    )


def idle_exceptions(inventory: Inventory, rule: Rule) -> list[str | Selector]:
    """Sets of ``except`` that match no VM selected by ``where``, as they are written in the rules."""
    candidates = [
        (inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)
        for item in (inventory.items if rule.exempt else ())
    ]
    selected = [candidate for candidate in candidates if rule.where.matches(*candidate)]
    return [exception for exception in rule.exempt if not any(fits(exception, *candidate) for candidate in selected)]
