"""Start windows as half hours and instants, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from optimizer.model.rules import Rule
from optimizer.model.working_hours import WorkingHours
from optimizer.verifier.window_clock import WindowClock
from tests.plan.three_vms import DB, the_case

INVENTORY = the_case().inventory
CLOCK = WindowClock(INVENTORY)
UTC = INVENTORY.policy(INVENTORY.items[DB])
BERLIN = replace(UTC, timezone="W. Europe Standard Time")


def test_a_daily_window_touches_five_half_hours_of_each_day() -> None:
    """23:00 to 01:15 are the half hours 46, 47, 0, 1 and 2."""
    assert len(CLOCK.half_hours(UTC, 46)) == 7 * 5
    assert {moment % 48 for moment in CLOCK.half_hours(UTC, 46)} == {46, 47, 0, 1, 2}


def test_a_zone_with_daylight_saving_counts_under_both_offsets() -> None:
    """23:00 in Berlin is 22:00 UTC in winter and 21:00 UTC in summer."""
    assert CLOCK.offsets(BERLIN) == [timedelta(hours=1), timedelta(hours=2)]
    assert {moment % 48 for moment in CLOCK.starts(BERLIN, 46)} == {44}
    assert {moment % 48 for moment in CLOCK.starts(BERLIN, 46, clock_changed=True)} == {42}
    assert {moment % 48 for moment in CLOCK.half_hours(BERLIN, 46)} == {42, 43, 44, 45, 46, 47, 0}


@pytest.mark.parametrize(("option", "share"), [(16, 1.0), (14, 0.5), (46, 0.0)])
def test_delays_lead_into_working_hours(option: int, share: float) -> None:
    """On five days, a backup at 07:00 starts between 08:00 and 09:00 in half of the cases."""
    hours = WorkingHours.model_validate(
        {"days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], "from": "08:00", "to": "18:00"}
    )
    assert CLOCK.starts_within(hours, UTC, option) == pytest.approx(5 * share)


def test_allowed_and_forbidden_windows_hold_for_the_whole_start_window() -> None:
    """A window to 02:00 is too short for a start at 00:00, which ends at 02:15."""
    allow = Rule.model_validate({"name": "allow", "allow": [{"from": "22:00", "to": "02:00", "zone": "UTC"}]})
    assert [CLOCK.fits(allow, UTC, option) for option in (44, 47, 0)] == [True, True, False]
    forbid = Rule.model_validate({"name": "forbid", "forbid": [{"from": "01:00", "to": "02:00", "zone": "UTC"}]})
    assert [CLOCK.fits(forbid, UTC, option) for option in (45, 46, 2, 4)] == [True, False, False, True]
