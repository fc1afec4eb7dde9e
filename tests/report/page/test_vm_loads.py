"""Load of every VM for the page, and the order in which the VMs are listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.load import DayLoad
from optimizer.report.figures import most_helped
from optimizer.report.page.vm_loads import FIRST_VMS, vm_loads
from tests.report.small_estate import SmallLoadSource, make_inventory, make_plan, make_risk

INVENTORY = make_inventory(20)
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))
LOADS = vm_loads(PLAN, INVENTORY, SmallLoadSource(INVENTORY)) or {}


class OneVm:
    """A history of one VM on one day."""

    def __init__(self, vm_id: str) -> None:
        self._vm_id = vm_id

    def dates(self) -> tuple[date, ...]:
        """The only day."""
        return (date(2025, 8, 10),)

    def read_day(self, day: date) -> DayLoad:
        """Load of the VM."""
        array = np.full((1, 288), 50.0, dtype=np.float32)
        return DayLoad(day, (self._vm_id,), array, array)


class Nothing:
    """A history without days."""

    def dates(self) -> tuple[date, ...]:
        """No day."""
        return ()

    def read_day(self, day: date) -> DayLoad:
        """Never called."""
        raise KeyError(day)


def test_without_any_load_there_is_nothing_to_show() -> None:
    """The page then has no such section."""
    assert vm_loads(PLAN, INVENTORY, Nothing()) is None


def test_vms_are_listed_twice() -> None:
    """First those whose risk falls most, then all by name, in any case."""
    names = [INVENTORY.vm(item).name for item in INVENTORY.items]
    first = [INVENTORY.items[row].vm_id for row in LOADS["first"]]
    assert first == [entry.vm for entry in most_helped(PLAN, FIRST_VMS)]
    assert [names[row] for row in LOADS["every"]] == sorted(names, key=str.lower)


def test_vms_without_load_are_not_among_the_first() -> None:
    """A chart without a line would help nobody; the VM is still in the whole list."""
    best = most_helped(PLAN, 2)
    loads = vm_loads(PLAN, INVENTORY, OneVm(best[1].vm))
    assert loads is not None
    assert loads["first"] == [INVENTORY.row_of_vm[best[1].vm]]
    assert len(loads["every"]) == len(INVENTORY.items)
    captions = loads["data"]["captions"]
    assert captions[loads["first"][0]].endswith("1 day of history.")
    assert captions[INVENTORY.row_of_vm[best[0].vm]].endswith("No load history.")


def test_names_that_several_vms_have_get_their_vault() -> None:
    """A name of one VM stays as it is."""
    row = next(row for row, item in enumerate(INVENTORY.items) if INVENTORY.vm(item).name == "vm-003")
    other = INVENTORY.vm(INVENTORY.items[4])
    vms = {**INVENTORY.vms, other.id: replace(other, name="vm-003")}
    inventory: Inventory = replace(INVENTORY, vms=vms)
    loads = vm_loads(PLAN, inventory, SmallLoadSource(INVENTORY))
    assert loads is not None
    vaults = {entry.vm: entry.vault for entry in PLAN.schedule}
    assert loads["labels"][row] == f"vm-003 ({vaults[INVENTORY.items[row].vm_id]})"
    assert loads["labels"][0] == "vm-000"


def test_windows_begin_at_every_run() -> None:
    """A VM that is backed up hourly has several windows a day, in minutes of the UTC day."""
    data = LOADS["data"]
    assert data["minutes"] == [120 + 15] * len(INVENTORY.items)
    for row, item in enumerate(INVENTORY.items):
        runs = len(INVENTORY.policy(item).recurrence.runs_after_start)
        assert len(data["today"][row]) == len(data["plan"][row]) == runs
        assert all(0 <= minute < 1440 for minute in [*data["today"][row], *data["plan"][row]])


def test_captions_say_what_happens_to_the_vm() -> None:
    """A move with both starts, or that it stays; days, zone and risk."""
    captions = LOADS["data"]["captions"]
    for row, item in enumerate(INVENTORY.items):
        entry = next(entry for entry in PLAN.schedule if entry.vm == item.vm_id)
        move = (
            f"{entry.start_today} to {entry.start}" if entry.start != entry.start_today else f"stays at {entry.start}"
        )
        assert f": {move} ({entry.timezone}, " in captions[row]
        assert captions[row].endswith("14 days of history.")
