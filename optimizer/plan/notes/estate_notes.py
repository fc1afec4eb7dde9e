"""Notes on parts of an estate that a plan leaves alone because they are unreadable or faulty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from optimizer.arm import EXPECTED, REFUSED
from optimizer.model.inventory import Inventory

_SHOWN = 3
"""Maximum number of names in a note; the audit lists all items."""


def notes_on_estate(inventory: Inventory) -> list[str]:
    """Notes on items that are left alone because of a fault to fix, and on resources that could not be read.

    Items whose protection was stopped, or that wait for their first backup, are not mentioned, because that is normal.
    """
    return [*_notes_on_items(inventory), *_notes_on_resources(inventory)]


def why_none_is_planned(inventory: Inventory) -> list[str]:
    """Every reason why VMs are not planned, including everyday ones, for an estate in which no VM can be planned."""
    return [*_notes_on_items(inventory, frozenset()), *_notes_on_resources(inventory)]


def _notes_on_items(inventory: Inventory, left_unsaid: frozenset[str] = EXPECTED) -> Iterator[str]:
    by_reason: defaultdict[tuple[bool, str], dict[str, str]] = defaultdict(dict)
    for item in (*inventory.items, *inventory.idle_items):
        # policy_notes reports items with REFUSED
        is_expected = item.unwritable in left_unsaid or item.unwritable.startswith(REFUSED)
        if item.unwritable and not is_expected:
            by_reason[item.runs, item.unwritable][item.vm_id] = inventory.vm(item).name
    twice = {reason for runs, reason in by_reason if (not runs, reason) in by_reason}
    for (runs, reason), vms in by_reason.items():
        if runs or reason not in twice:
            what = "left in place" if runs else "not planned and not counted"
            yield f"{_vms(list(vms.values()))} {what}: {reason}"


def _vms(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = f"({', '.join(names[:_SHOWN])}{more})"
    return f"1 VM {listed} is" if len(names) == 1 else f"{len(names):,} VMs {listed} are"


def _notes_on_resources(inventory: Inventory) -> Iterator[str]:
    left_out = [f"{resource.what}: {resource.reason}" for resource in inventory.left_out]
    if left_out:
        more = f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        count = "1 resource" if len(left_out) == 1 else f"{len(left_out):,} resources"
        yield f"{count} of the estate could not be read: {'; '.join(left_out[:_SHOWN])}{more}"
