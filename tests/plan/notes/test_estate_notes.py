"""Notes on items that are left alone because of a fault."""

from __future__ import annotations

from dataclasses import replace

from optimizer.arm import EXPECTED
from optimizer.model.inventory import Inventory
from optimizer.plan.notes.estate_notes import notes_on_estate, why_none_is_planned
from tests.plan.three_vms import the_case


def with_state(reason: str, *, runs: bool, count: int = 3) -> Inventory:
    """The inventory with items that are unwritable for one reason, scheduled or not."""
    found = the_case().inventory
    items = tuple(replace(item, unwritable=reason if n < count else "") for n, item in enumerate(found.items))
    if runs:
        return replace(found, items=items)
    return replace(found, items=(), idle_items=tuple(replace(item, runs=False) for item in items[:count]))


def test_an_item_that_runs_is_left_in_place_and_another_is_not_counted() -> None:
    """Names and the reason are stated."""
    assert notes_on_estate(with_state("broken", runs=True, count=1)) == ["1 VM (db-1) is left in place: broken"]
    assert notes_on_estate(with_state("broken", runs=False)) == [
        "3 VMs (db-1, web-1, web-2) are not planned and not counted: broken"
    ]


def test_everyday_states_are_mentioned_only_if_nothing_can_be_planned() -> None:
    """Stopped protection is normal; it matters for an estate that holds nothing else."""
    inventory = with_state(min(EXPECTED), runs=False)
    assert notes_on_estate(inventory) == []
    assert why_none_is_planned(inventory) == [
        f"3 VMs (db-1, web-1, web-2) are not planned and not counted: {min(EXPECTED)}"
    ]


def test_an_estate_in_order_has_no_notes() -> None:
    """Nothing is left alone."""
    assert notes_on_estate(the_case().inventory) == []
