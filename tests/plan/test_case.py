"""A case is built from a forecast, and changed without computing again what stays the same."""

from __future__ import annotations

from datetime import date

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Prices, Rules, Threshold
from optimizer.plan.case import Case
from tests.plan.three_vms import WEB_1, the_case, the_estate
from tests.whatif.small import case_of, forecast_of, vm_id


def moved_on(day: date, vm: str = "web-1") -> dict[ArmId, date]:
    estate = the_estate()
    case = Case.of(estate.inventory(), Rules(), forecast_of(estate), {ArmId(vm_id(vm).upper()): day})
    return dict(case.recently_moved)


def test_the_risk_of_a_start_is_that_of_30_nights() -> None:
    """A daily backup that is at risk in half of the nights has 15 at-risk backups in 30 days."""
    assert the_case().table.risk[WEB_1, [46, 4, 0]].tolist() == [15.0, 3.0, 0.0]
    assert the_case().history_days.tolist() == [28, 28, 28]


def test_only_recent_moves_of_the_estates_vms_count() -> None:
    """A move of last week counts under the spelling of the estate; one of last year or of another VM does not."""
    (spelled,) = moved_on(date(2026, 2, 16))
    assert str(spelled) == vm_id("web-1")
    assert moved_on(date(2025, 2, 16)) == {}
    assert moved_on(date(2026, 2, 16), "elsewhere") == {}


def test_other_prices_leave_the_risk_table_as_it_is() -> None:
    """The table is computed again only if inventory, forecast or threshold change."""
    case = the_case()
    assert case.changed(rules=Rules(prices=Prices(move=5))).table is case.table
    assert case.changed(rules=Rules(threshold=Threshold(cpu_percent=50))).table is not case.table
    assert case.changed(forecast=case.forecast).table is not case.table


def test_a_changed_case_keeps_what_is_not_given() -> None:
    """Rules, inventory, forecast and recent moves stay unless they are given."""
    case, other = the_case(), case_of(the_estate()).inventory
    changed = case.changed(inventory=other)
    assert changed.inventory is other
    assert (changed.rules, changed.forecast) == (case.rules, case.forecast)
    assert changed.recently_moved == case.recently_moved
