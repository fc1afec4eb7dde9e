"""Notes on gains in risk that are not believed."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from optimizer.documents.plan_document import Expectation
from optimizer.model.inventory import Inventory
from optimizer.plan.notes.credit_notes import notes_on_chance, notes_on_credit, notes_on_repetition
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.repetition import Repetition
from optimizer.risk.table import RiskTable
from tests.benchmarks.spreading import made_up_inventory

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def table_of(credit: list[float]) -> RiskTable:
    """VMs that all seem to gain one backup per 30 days."""
    risk = np.tile([2.0, 1.0], (len(credit), 24))
    return RiskTable(risk, risk[:, 0], np.array(credit), np.ones(len(credit), dtype=np.bool_))


def inventory_of(num_vms: int) -> Inventory:
    """As many VMs as a table has."""
    return made_up_inventory(
        [f"vm-{number}" for number in range(num_vms)], np.zeros(num_vms, dtype=np.int64), 0, AS_OF
    )


def forecast_of(p_value: float | None, num_days: int = 20) -> Forecast:
    """A forecast of nothing, with the result of the test of repetition."""
    return Forecast(
        vm_ids=(),
        step_minutes=30,
        probability=np.zeros((0, 48)),
        num_days=np.zeros(0, dtype=np.int64),
        evidence=(Evidence.OWN_HISTORY,) * 0,
        prior_days=8,
        repetition=Repetition(p_value, 3, num_days),
    )


def test_an_estate_whose_hours_repeat_gets_a_count_of_vms_without_credit() -> None:
    """No warning; the VMs without credit are counted and some are named, in the right grammatical number."""
    assert notes_on_repetition(table_of([1, 0]), forecast_of(0.001)) == []
    (note,) = notes_on_credit(inventory_of(2), table_of([1, 0]), forecast_of(0.001))
    assert note.startswith("1 VM (vm-1) is credited with no gain in risk")
    assert note.endswith("; it may move only to spread its service")
    (note,) = notes_on_credit(inventory_of(5), table_of([0, 0, 1, 0, 0]), forecast_of(0.001))
    assert note.startswith("4 VMs (vm-0, vm-1, vm-3 and 1 more) are credited with no gain in risk")
    assert note.endswith("; they may move only to spread their service")
    assert notes_on_credit(inventory_of(2), table_of([1, 1]), forecast_of(0.001)) == []


@pytest.mark.parametrize(
    ("p_value", "num_days", "why"),
    [
        (0.4, 20, "the busy hours of VMs do not repeat from day to day, as far as 20 days of load history can tell"),
        (None, 5, "the 5 days of load history are too few to tell whether the busy hours of VMs repeat"),
    ],
)
def test_an_estate_whose_hours_do_not_repeat_gets_a_plain_warning(
    p_value: float | None, num_days: int, why: str
) -> None:
    """The warning says why, and for how many VMs gains are counted nevertheless."""
    forecast = forecast_of(p_value, num_days)
    (note,) = notes_on_repetition(table_of([0, 0, 1]), forecast)
    assert note.startswith(
        f"do not expect less risk from this estate's history: {why}. Gains in risk are counted only"
    )
    assert note.endswith("only for 1 of 3 VMs. All others may move only to spread their service")
    (note,) = notes_on_repetition(table_of([0, 0]), forecast)
    assert note.endswith(f"{why}. No gain in risk is counted. VMs may move only to spread their service")
    assert notes_on_repetition(table_of([1]), forecast) == []
    assert notes_on_credit(inventory_of(2), table_of([0, 0]), forecast) == []


def test_the_expected_change_is_called_chance_where_busy_hours_do_not_repeat() -> None:
    """The note leaves out VMs with counted gains; it is absent where hours repeat or nothing is expected to change."""
    expected = Expectation(value=-5.0, low=-15.0, high=4.0, today=66.0, plan=61.0)
    by_chance = (
        "the expected change is due to chance: it is what the moves would have changed in these 20 days. "
        "Where busy hours do not repeat, moves change the risk by 0 on average"
    )
    assert notes_on_chance(table_of([0, 0]), forecast_of(0.4, 20), expected) == [by_chance]
    assert notes_on_chance(table_of([0, 1]), forecast_of(0.4, 20), expected) == [
        f"apart from the 1 VM whose gains are counted, {by_chance}"
    ]
    still = Expectation(value=0.0, low=0.0, high=0.0, today=66.0, plan=66.0)
    assert notes_on_chance(table_of([0, 0]), forecast_of(0.4, 20), still) == []
    assert notes_on_chance(table_of([0, 0]), forecast_of(0.4, 20), None) == []
    assert notes_on_chance(table_of([0, 0]), forecast_of(0.001, 20), expected) == []
    assert notes_on_chance(table_of([0, 0]), forecast_of(None, 5), expected) == []
