"""Positions of start windows in the week, against plain datetime arithmetic and marked minutes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.pattern import Pattern
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import (
    MINUTES_PER_WEEK,
    NUM_OPTIONS,
    SLOT_MINUTES,
    SLOTS_PER_WEEK,
    Frequency,
    Horizon,
    Recurrence,
    resolve_zone,
)

DAILY = Recurrence(Frequency.DAILY)
HOURLY_SHAPES = [(interval, duration) for interval in (4, 6, 8, 12) for duration in range(interval, 25, interval)]

WEEKLY = st.sets(st.integers(0, 6), min_size=1).map(lambda days: Recurrence(Frequency.WEEKLY, tuple(sorted(days))))
HOURLY = st.sampled_from(HOURLY_SHAPES).map(lambda shape: Recurrence(Frequency.HOURLY, (), *shape))
RECURRENCES = st.one_of(st.just(DAILY), WEEKLY, HOURLY)


def winter(zone: str) -> tuple[int, ...]:
    return Horizon(datetime(2026, 1, 10, 12, tzinfo=UTC)).offsets(resolve_zone(zone))


@settings(max_examples=40)
@given(
    RECURRENCES,
    st.lists(st.integers(-48, 56).map(lambda quarter: 15 * quarter), min_size=1, max_size=2, unique=True),
    st.integers(1, 400),
)
def test_occupancy_is_every_slot_that_a_window_meets(
    recurrence: Recurrence, offsets: list[int], snapshot_minutes: int
) -> None:
    """Slots equal those found by marking single minutes of the circular week, whichever way the clock is read."""
    occupancy = Pattern(recurrence, tuple(offsets), SnapshotTiming(snapshot_minutes)).occupancy()
    for option in range(NUM_OPTIONS):
        minutes = np.zeros(MINUTES_PER_WEEK, dtype=bool)
        for offset in offsets:
            for begin in recurrence.run_minutes(option, offset):
                minutes[(begin + np.arange(120 + snapshot_minutes)) % MINUTES_PER_WEEK] = True
        assert (occupancy[option] == minutes.reshape(SLOTS_PER_WEEK, SLOT_MINUTES).any(axis=1)).all()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Eucla"])
def test_a_plain_window_is_five_slots(zone: str) -> None:
    """Two hours and a quarter meet five half hours a day, also where the zone lies 15 minutes off."""
    occupancy = Pattern(DAILY, winter(zone)).occupancy()
    assert (occupancy.sum(axis=1) == 7 * 5).all()


def test_a_window_that_ends_with_a_slot_does_not_touch_the_next_one() -> None:
    """A window that ends on a slot's edge leaves that slot free: intervals are half open."""
    pattern = Pattern(Recurrence(Frequency.WEEKLY, (0,)), (0,), SnapshotTiming(30))
    assert np.flatnonzero(pattern.occupancy()[0]).tolist() == [0, 1, 2, 3, 4]


def test_a_window_at_the_end_of_the_week_wraps() -> None:
    """Sunday 23:30 UTC goes on in the first slots of Monday."""
    sunday = Recurrence(Frequency.WEEKLY, (6,))
    assert np.flatnonzero(Pattern(sunday, (0,)).occupancy()[47]).tolist() == [0, 1, 2, 3, 335]


def test_a_monday_east_of_greenwich_is_a_sunday_in_utc() -> None:
    """Monday 08:00 in Auckland's summer is Sunday 19:00 UTC."""
    monday = Pattern(Recurrence(Frequency.WEEKLY, (0,)), winter("New Zealand Standard Time"))
    assert monday.start_slots(16).tolist() == [6 * 48 + 38]


def test_half_an_hour_of_summer_time_counts_at_both_offsets() -> None:
    """Lord Howe's clocks change by 30 minutes, so a window there meets six slots instead of five."""
    pattern = Pattern(DAILY, winter("Lord Howe Standard Time"))
    assert (pattern.occupancy().sum(axis=1) == 7 * 6).all()
