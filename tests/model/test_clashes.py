"""Starts of two patterns that clash: windows that overlap, and nights in which one follows the other."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.clashes import Clashes, nights
from optimizer.model.pattern import Pattern
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import Frequency, Recurrence, parse_start

DAILY = Pattern(Recurrence(Frequency.DAILY), (0,))
SUNDAYS = Pattern(Recurrence(Frequency.WEEKLY, (6,)), (0,))
HOURLY = Pattern(Recurrence(Frequency.HOURLY, (), 6, 12), (0,))
BERLIN = Pattern(Recurrence(Frequency.DAILY), (60, 120))
LONG = Pattern(Recurrence(Frequency.DAILY), (0,), SnapshotTiming(45))


def clash(demand: str, one: Pattern, other: Pattern, first: str, second: str, within: float | None = None) -> bool:
    """Whether two starts clash, by the numbered matrix."""
    clashes = Clashes()
    number = clashes.number(demand, one, other, within)  # type: ignore[arg-type]  # one of the three demands
    return bool(clashes.matrix(number)[parse_start(first), parse_start(second)])


@pytest.mark.parametrize(
    ("first", "second", "clashing"),
    [
        ("20:00", "20:00", True),
        ("20:00", "22:00", True),
        ("20:00", "22:30", False),
        ("22:00", "20:00", True),
        ("23:30", "01:30", True),
        ("23:30", "02:00", False),
    ],
)
def test_windows_of_two_hours_and_a_quarter_overlap_for_two_hours(first: str, second: str, clashing: bool) -> None:
    """They share a half hour up to two hours apart, in both directions and over midnight."""
    assert clash("apart", DAILY, DAILY, first, second) is clashing


def test_a_longer_snapshot_clashes_further() -> None:
    """With 45 minutes, the window touches one half hour more at its end, and none at its beginning."""
    assert clash("apart", LONG, DAILY, "20:00", "22:30")
    assert not clash("apart", LONG, DAILY, "20:00", "23:00")
    assert not clash("apart", LONG, DAILY, "22:30", "20:00")


def test_both_offsets_of_a_zone_count() -> None:
    """20:00 in Berlin is 19:00 or 18:00 UTC."""
    assert clash("apart", BERLIN, DAILY, "20:00", "16:00")
    assert clash("apart", BERLIN, DAILY, "20:00", "21:00")
    assert not clash("apart", BERLIN, DAILY, "20:00", "15:30")


@pytest.mark.parametrize(
    ("first", "second", "clashing"),
    [
        ("20:00", "22:30", False),
        ("20:00", "22:00", True),
        ("22:30", "20:00", True),
        ("12:00", "11:30", False),
        ("11:30", "12:00", True),
        ("23:00", "01:30", False),
    ],
)
def test_order_is_kept_within_a_night(first: str, second: str, clashing: bool) -> None:
    """A night lasts from noon to noon, so 11:30 comes after 12:00; the first window has to end before the second."""
    assert clash("before", DAILY, DAILY, first, second) is clashing
    assert clash("after", DAILY, DAILY, second, first) is clashing


def test_patterns_that_never_run_in_one_night_never_clash_in_order() -> None:
    """Sunday 08:00 belongs to Saturday's night, and so does not meet Sunday's night."""
    saturdays = Pattern(Recurrence(Frequency.WEEKLY, (5,)), (0,))
    assert clash("before", SUNDAYS, saturdays, "08:00", "20:00")
    assert not clash("before", SUNDAYS, saturdays, "20:00", "20:00")
    needed = Clashes().hours_needed(SUNDAYS, saturdays)
    assert needed[parse_start("20:00"), parse_start("20:00")] == -np.inf


def test_within_allows_a_gap_of_so_many_hours() -> None:
    """From 20:00, the window ends at 22:15; a VM at 00:00 begins 1.75 hours later."""
    needed = Clashes().hours_needed(DAILY, DAILY)
    assert needed[parse_start("20:00"), parse_start("00:00")] == pytest.approx(1.75)
    assert not clash("before", DAILY, DAILY, "20:00", "00:00", 1.75)
    assert clash("before", DAILY, DAILY, "20:00", "00:00", 1.5)
    assert clash("after", DAILY, DAILY, "00:00", "20:00", 1.5)


def test_within_holds_at_the_worse_offset() -> None:
    """In Berlin the first window may end an hour earlier than in winter, which makes the gap an hour longer."""
    needed = Clashes().hours_needed(BERLIN, DAILY)
    assert needed[parse_start("20:00"), parse_start("22:00")] == pytest.approx(22 - (18 + 2.25))


def test_a_night_has_the_first_window_and_the_last_one() -> None:
    """An hourly policy from 18:00 runs at 18:00, 00:00 and 06:00 of one night, which begins on Monday."""
    found = nights(HOURLY)
    option, monday = parse_start("18:00"), 0
    assert found.begins[option, monday] == 18 * 60
    assert found.ends[option, monday] == 30 * 60 + 135
    assert found.run.all()


def test_offsets_widen_a_night() -> None:
    """Begins and ends at their earliest and latest; nights without a run are infinitely far away."""
    berlin = nights(BERLIN)
    option = parse_start("20:00")
    assert berlin.begins[option, 2] - 2 * 1440 == 18 * 60
    assert berlin.begins_at_most[option, 2] - 2 * 1440 == 19 * 60
    assert berlin.ends[option, 2] - 2 * 1440 == 19 * 60 + 135
    assert berlin.ends_at_least[option, 2] - 2 * 1440 == 18 * 60 + 135
    sundays = nights(SUNDAYS)
    assert sundays.run[option].tolist() == [False] * 6 + [True]
    assert sundays.begins[option, 0] == np.inf
    assert sundays.begins_at_most[option, 0] == -np.inf
    assert sundays.ends_at_least[option, 0] == np.inf


def test_matrices_are_made_once_and_numbered() -> None:
    """The same question has the same number; other demands, hours or patterns have their own."""
    clashes = Clashes()
    assert clashes.stacked().shape == (0, 48, 48)
    assert clashes.stacked_hours() is None
    first = clashes.number("before", DAILY, DAILY)
    assert clashes.number("before", DAILY, DAILY) == first
    assert clashes.stacked_hours() is None, "no matrix has hours"
    others = [clashes.number("before", DAILY, DAILY, 2.0), clashes.number("apart", DAILY, SUNDAYS)]
    assert [first, *others] == [0, 1, 2]
    hours = clashes.stacked_hours()
    assert hours is not None
    assert [bool(np.isnan(matrix).all()) for matrix in hours] == [True, False, True]
    assert (clashes.stacked()[1] == (hours[1] > 2.0)).all()
