"""Load of every VM for the script of the page, and the order in which the page lists the VMs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from optimizer.documents import PlanDocument, ScheduleEntry
from optimizer.model.inventory import Inventory
from optimizer.ports import LoadSource
from optimizer.report.figures import most_helped, window_starts
from optimizer.report.formats import decimal, plural, short_id
from optimizer.report.page.load_profiles import (
    SERIES,
    STEPS_PER_DAY,
    STEPS_PER_PERCENT,
    UNKNOWN,
    PackedLoad,
    pack_load,
)

FIRST_VMS = 12
"""Number of VMs at the top of the list of VMs whose load the page can show: those whose risk falls most."""


def vm_loads(plan: PlanDocument, inventory: Inventory, load: LoadSource) -> dict[str, Any] | None:
    """Load of every VM with its windows, and the order in which to list the VMs; None without any load.

    Parameters
    ----------
    plan, inventory
        The plan, and the inventory that it was made for.
    load
        Load history of the VMs.
    """
    packed = pack_load(inventory, load, plan.rules.threshold)
    if not packed.days.any():
        return None
    names = [inventory.vm(item).name for item in inventory.items]
    entry_of = {entry.vm: entry for entry in plan.schedule}
    entries = [entry_of[item.vm_id] for item in inventory.items]
    return {
        "labels": _labels(names, entries),
        "first": _first(plan, inventory, packed),
        "every": sorted(range(len(names)), key=lambda row: (names[row].lower(), row)),
        "data": {
            "values": packed.to_text(),
            "steps": STEPS_PER_DAY,
            "series": SERIES,
            "unknown": UNKNOWN,
            "scale": STEPS_PER_PERCENT,
            "minutes": [inventory.timing(item).window_minutes for item in inventory.items],
            "captions": list(map(_caption, names, entries, packed.days.tolist())),
            **_windows(inventory, entries),
        },
    }


def _labels(names: Sequence[str], entries: Sequence[ScheduleEntry]) -> list[str]:
    """Names of the VMs, with the vault if several VMs have the same name."""
    times = Counter(names)
    return [
        name if times[name] == 1 else f"{name} ({entry.vault})" for name, entry in zip(names, entries, strict=True)
    ]


def _first(plan: PlanDocument, inventory: Inventory, packed: PackedLoad) -> list[int]:
    """Rows of the VMs whose risk falls most, if they have load."""
    rows = [inventory.row_of_vm[entry.vm] for entry in most_helped(plan, FIRST_VMS)]
    return [row for row in rows if packed.days[row]]


def _windows(inventory: Inventory, entries: Sequence[ScheduleEntry]) -> dict[str, list[list[int]]]:
    """Minutes of the UTC day at which the windows of each VM begin."""
    windows = [window_starts(inventory, item, entry) for item, entry in zip(inventory.items, entries, strict=True)]
    return {"today": [today for today, _ in windows], "plan": [planned for _, planned in windows]}


def _caption(name: str, entry: ScheduleEntry, history_days: int) -> str:
    days = ", ".join(entry.days) if entry.days else "every day"
    move = f"{entry.start_today} to {entry.start}" if entry.start != entry.start_today else f"stays at {entry.start}"
    history = f"{plural(history_days, 'day')} of history" if history_days else "No load history"
    return (
        f"{name}, {short_id(entry.service)}: {move} ({entry.timezone}, {days}). At risk per 30 days: "
        f"{decimal(entry.risk_today)} today, {decimal(entry.risk)} in the plan. {history}."
    )
