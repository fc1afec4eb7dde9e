"""Rules about changes that do less, or more, than the planner may think: what a plan says of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import MINUTES_PER_WEEK, START_WINDOW_MINUTES, Recurrence
from optimizer.solve.restrict import matching_items


def notes_on_rpo(inventory: Inventory, rules: Rules, movable: npt.NDArray[np.bool_]) -> list[str]:
    """Rules whose ``rpo_hours`` the schedule of some VMs cannot keep, with what a change may leave instead.

    Parameters
    ----------
    inventory, rules
        What is protected and what is demanded.
    movable
        Shape (V,): False for VMs that stay where they are, of which no change leaves anything.
    """
    notes = []
    for rule in rules.rule:
        if rule.rpo_hours is None:
            continue
        rows = np.flatnonzero(matching_items(inventory, rule) & movable).tolist()
        recurrences = [inventory.policy(inventory.items[row]).recurrence for row in rows]
        counts = Counter(
            (one.least_rpo, _evenly_spaced(one)) for one in recurrences if one.least_rpo > rule.rpo_hours * 60
        )
        if counts:
            parts = "; ".join(_allowed_anyway(least, even, count) for (least, even), count in sorted(counts.items()))
            notes.append(f"rule {rule.name!r} asks for at most {rule.rpo_hours:g} h between recovery points; {parts}")
    return notes


def _evenly_spaced(recurrence: Recurrence) -> bool:
    return recurrence.widest_spacing * recurrence.runs_per_week == MINUTES_PER_WEEK


def _allowed_anyway(least_rpo: int, even: bool, count: int) -> str:
    """What the roll-out allows some VMs, in words; ``least_rpo`` in minutes."""
    vms, are, have, them = ("1 VM", "is", "has", "it") if count == 1 else (f"{count} VMs", "are", "have", "them")
    spacing = f"{(least_rpo - START_WINDOW_MINUTES) / 60:g} h"
    backups = f"{are} backed up every {spacing}" if even else f"{have} backups up to {spacing} apart"
    return f"{vms} {backups}, for {them} a change may leave {least_rpo / 60:g} h"
