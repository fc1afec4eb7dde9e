"""Tables of the page as data: all rows, and columns that fit them."""

from __future__ import annotations

from optimizer.report.figures import compare_services, count_half_hours
from optimizer.report.page.tables import (
    PageTable,
    hours_rows,
    moves_table,
    policies_table,
    schedule_table,
    services_table,
)
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def column(table: PageTable, title: str, nth: int = 0) -> list[object]:
    """Cells of the n-th column with a title."""
    index = [index for index, one in enumerate(table.columns) if one.title == title][nth]
    return [row[index] for row in table.rows]


def test_rows_have_one_cell_per_column() -> None:
    """Numbers stand in columns of numbers, text in the others."""
    services = compare_services(INVENTORY, PLAN).services
    for table in (moves_table(PLAN), schedule_table(PLAN), policies_table(PLAN), services_table(services)):
        assert table.rows, table.name
        for row in table.rows:
            assert len(row) == len(table.columns), table.name
            for one, cell in zip(table.columns, row, strict=True):
                assert isinstance(cell, str) is (not one.is_number and one.kind != "time"), (table.name, one.title)


def test_moves_are_those_of_the_plan_the_most_helped_first() -> None:
    """The risk falls most in the first row."""
    table = moves_table(PLAN)
    assert len(table.rows) == PLAN.summary.moved
    today, plan = column(table, "At risk today"), column(table, "In the plan")
    changes = [float(str(then)) - float(str(now)) for now, then in zip(today, plan, strict=True)]
    assert changes == sorted(changes)


def test_weights_have_a_column_only_if_there_are_any() -> None:
    """A plan without weights has no column of ones."""
    heavy = PLAN.schedule[0].model_copy(update={"weight": 5.0})
    weighed = PLAN.model_copy(update={"schedule": (heavy, *PLAN.schedule[1:])})
    assert column(schedule_table(weighed), "Weight")[:2] == [5.0, 1.0]
    assert "Weight" not in [one.title for one in schedule_table(PLAN).columns]


def test_policies_count_the_vms_that_arrive() -> None:
    """Every VM that is reassigned arrives in one of the policies that are created."""
    table = policies_table(PLAN)
    assert sum(int(str(count)) for count in column(table, "VMs arriving")) == PLAN.summary.reassigned
    assert set(column(table, "What")) == {"create", "edit"}
    assert column(table, "Before")[-1] == "23:00"


def test_hours_add_up_to_the_summary() -> None:
    """The rows begin on each full UTC hour, and hold all risk."""
    rows = hours_rows(count_half_hours(INVENTORY, PLAN))
    assert [row[0] for row in rows] == list(range(0, 1440, 60))
    assert abs(sum(row[2] for row in rows) - PLAN.summary.at_risk_per_month.plan) < 1e-6
