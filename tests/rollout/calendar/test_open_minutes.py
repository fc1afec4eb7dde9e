"""Open minutes of the week: how far a write stays away from backups, and on which side of the old start it is made."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.timegrid import Frequency, Recurrence
from optimizer.rollout.calendar.open_minutes import (
    HOURLY_MARGIN_MINUTES,
    MARGIN_MINUTES,
    OpenMinutes,
    clear_of_runs,
    common_minutes,
    gap_text,
    open_minutes,
)
from optimizer.rollout.calendar.recovery import Rpo, Shift

DAY = 24 * 60
DAILY = Recurrence(Frequency.DAILY)
FOUR_HOURLY = Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=24)
LOOSE = Rpo(100 * 60)


def shift(before: float, after: float, recurrence: Recurrence = DAILY) -> Shift:
    """Change of a start in UTC, from and to an hour."""
    return Shift(recurrence, (0,), int(2 * before), int(2 * after), 135)


def hours_of(found: OpenMinutes) -> list[tuple[float, float]]:
    """Open stretches of the first Tuesday, in hours."""
    tuesday = found.minutes[DAY : 2 * DAY]
    edges = np.flatnonzero(np.diff(np.r_[False, tuesday, False]))
    return [(int(a) / 60, int(b) / 60) for a, b in edges.reshape(-1, 2)]


def test_every_clear_minute_is_far_from_every_run() -> None:
    """Against a loop over the minutes of a day: 150 minutes before and after the runs at 23:00 and 06:00."""
    clear = clear_of_runs(shift(23, 6))
    for minute in range(DAY):
        near = any(
            -MARGIN_MINUTES <= minute - run - day * DAY < MARGIN_MINUTES
            for run in (23 * 60, 6 * 60)
            for day in (-1, 0, 1)
        )
        assert clear[DAY + minute] == (not near), minute


def test_the_side_before_the_new_run_is_used_if_it_leaves_half_an_hour() -> None:
    """23:00 to 06:00 leaves two hours there; 23:00 to 04:00 leaves none, so the other side is used."""
    assert hours_of(open_minutes(shift(23, 6), LOOSE)) == [(1.5, 3.5)]
    assert hours_of(open_minutes(shift(23, 4), LOOSE)) == [(6.5, 20.5)]


def test_a_gap_that_no_minute_keeps_is_the_reason() -> None:
    """The shortest gap of any minute and the limit are stated."""
    closed = open_minutes(shift(23, 4), Rpo(24 * 60, "strict"))
    assert not closed.minutes.any()
    assert closed.reason == gap_text(31, Rpo(24 * 60, "strict"))
    assert "31 h between two recovery points; the limit is 24 h by rule 'strict'" in closed.reason


def test_hourly_runs_leave_only_what_lies_between_them() -> None:
    """Runs every four hours: a write waits for the window of the last run, and ends before the next one."""
    found = hours_of(open_minutes(shift(0, 0, FOUR_HOURLY), LOOSE))
    assert found[0] == pytest.approx((135 / 60, 4 - HOURLY_MARGIN_MINUTES / 60))
    assert len(found) == 6


def test_several_vms_have_the_minutes_that_suit_all_of_them() -> None:
    """Where no minute suits all, that is the reason, unless one of them has its own."""
    early, late = open_minutes(shift(23, 6), LOOSE), open_minutes(shift(12, 19), LOOSE)
    assert hours_of(common_minutes([early, early])) == hours_of(early)
    assert common_minutes([early, late]).reason == "there is no time that suits all its VMs"
    assert common_minutes([early, OpenMinutes(~early.minutes, "its own")]).reason == "its own"


def test_minutes_of_the_week_become_spans_of_a_period() -> None:
    """Monday 00:00 is four days after 1970-01-01; a stretch is cut off at the ends of the period."""
    minutes = np.zeros(7 * DAY, dtype=np.bool_)
    minutes[:60] = True
    monday = 4 * 86_400
    week = 7 * 86_400
    assert OpenMinutes(minutes).spans(monday + 600, monday + 2 * week) == [
        (monday + 600, monday + 3600),
        (monday + week, monday + week + 3600),
    ]
