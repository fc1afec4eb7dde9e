"""Table of the services whose start windows overlap."""

from __future__ import annotations

import pytest

from optimizer.documents.together_document import ServiceTogether
from optimizer.report.wording.together import together_table

SERVICE = ServiceTogether(
    service="/subscriptions/s/resourceGroups/shop", vms=4, same_start=True, at="Monday 23:30", overlaps_per_month=41.4,
    overlaps_cost=0.6, spreading="priced", spreading_costs=0.25,
)  # fmt: skip


def row(**changes: object) -> tuple[str, ...]:
    """Return the row of a service."""
    (cells,) = together_table([SERVICE.model_copy(update=changes)]).cells
    return tuple(cells)


def test_a_service_has_its_overlaps_and_a_price() -> None:
    """Name, number of VMs, when they overlap, what that costs, and what spreading costs."""
    assert row() == ("shop", "4", "all together", "Monday 23:30", "41.4", "0.60", "0.25")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"same_start": True}, "all together"),
        ({"same_start": False}, "all overlap"),
        ({"at_once": 3}, "3 of 4 overlap"),
    ],
)
def test_how_the_windows_overlap(changes: dict[str, object], start: str) -> None:
    """All at one start, all at some time, or some of them."""
    assert row(**changes)[2] == start


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({"spreading_costs": -0.25}, "-0.25"),
        ({"spreading_proven": False}, "at most 0.25"),
        ({"spreading": "over a limit"}, "0.25 (limit)"),
        ({"spreading": "over a limit", "spreading_proven": False}, "at most 0.25 (limit)"),
        ({"spreading": "impossible", "spreading_costs": None}, "impossible"),
        ({"spreading": "not found", "spreading_costs": None}, "not found"),
        ({"spreading": "not priced", "spreading_costs": None}, "not priced"),
    ],
)
def test_what_spreading_costs(changes: dict[str, object], price: str) -> None:
    """A price with what is known about it, or why there is none."""
    assert row(**changes)[6] == price


def test_the_first_services_are_shown() -> None:
    """Figures of the column have the decimals of the largest that is shown."""
    table = together_table([SERVICE, SERVICE.model_copy(update={"overlaps_per_month": 123456.0})], 1)
    assert (table.cells[0][4], table.total) == ("41.4", 2)
