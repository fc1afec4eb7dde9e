"""Rule windows and ranges of days: their length, when they begin, and how mistakes are explained."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizer.model.rule_windows import DateRange, Days, Window, longest_stretch, too_short


@pytest.mark.parametrize(
    ("window", "begins"),
    [
        ({}, [True, True, True]),
        ({"days": ["Monday"]}, [True, False, False]),
        ({"dates": ["2026-01-06"]}, [False, True, False]),
        ({"days": ["Monday"], "dates": ["2026-01-06", "2026-01-05"]}, [True, False, False]),
    ],
)
def test_a_window_begins_on_its_days_and_dates(window: dict[str, Any], begins: list[bool]) -> None:
    """Days and dates both restrict on which local dates a window begins."""
    read = Window.model_validate({"from": "20:00", "to": "06:00", **window})
    assert [read.begins_on(date(2026, 1, day)) for day in (5, 6, 7)] == begins


def test_windows_of_python_may_count_minutes() -> None:
    """The Python API may give minutes under the names of the attributes; a file's numbers stay forbidden."""
    assert Window.model_validate({"start": 1200, "end": 360}) == Window.model_validate(
        {"from": "20:00", "to": "06:00"}
    )
    with pytest.raises(ValidationError, match="from = 1200 is no time of day"):
        Window.model_validate({"from": 1200, "to": 360})


def window(start: int, end: int, **more: Any) -> Window:
    """A window between two minutes of the day."""
    return Window(start=start, end=end, **more)


@pytest.mark.parametrize(
    ("windows", "minutes"),
    [
        ([window(1200, 360)], 600),
        ([window(1200, 1440), window(0, 360)], 600),
        ([window(1200, 1440, days=(0,)), window(0, 360, days=(1,))], 600),
        ([window(1200, 1440, days=(0,)), window(0, 360, days=(0,))], 360),
        ([window(1200, 1440, days=(6,)), window(0, 360, days=(0,))], 600),
        ([window(600, 700), window(720, 900)], 180),
        ([window(600, 700), window(690, 900)], 300),
        ([window(600, 700, zone="UTC"), window(900, 1000, zone="Europe/Berlin")], 200),
        ([window(600, 700, dates=(date(2026, 3, 2),)), window(700, 800, days=(0,))], 200),
        ([window(600, 700, dates=(date(2026, 3, 3),)), window(700, 800, days=(0,))], 100),
        ([], 0),
    ],
)
def test_windows_that_touch_last_together(windows: list[Window], minutes: int) -> None:
    """Across midnight, across the end of the week, and on the weekdays of dates; other zones count as if touching."""
    assert longest_stretch(windows) == minutes


@given(st.integers(0, 1439), st.integers(1, 1439))
def test_a_single_window_lasts_its_own_length(start: int, minutes: int) -> None:
    """Daily windows shorter than a day do not touch themselves."""
    assert longest_stretch([window(start, (start + minutes) % 1440)]) == minutes


def test_too_short_windows_are_explained_with_one_that_is_long_enough() -> None:
    """A start window takes 2 h 15 min; the message says what the windows last and what to write."""
    assert too_short([]) == ""
    assert too_short([window(1200, 1335)]) == ""
    message = too_short([window(1200, 1320)])
    assert message.startswith(
        "the window from 20:00 to 22:00 lasts 2 h, and no backup fits: a start window needs 2 h 15 min"
    )
    assert 'make one longer, as { from = "20:00", to = "22:15" } or later' in message
    several = too_short([window(60 * hour, 60 * hour + 45) for hour in (1, 3, 5, 7)])
    assert several.startswith(
        "the windows from 01:00 to 01:45 and from 03:00 to 03:45 and from 05:00 to 05:45 and 1 more"
    )
    assert "last 45 min at most without a break" in several


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"from": "20:00", "to": "20:00"}, "from 20:00 to 20:00 has no length; write from 00:00 to 24:00"),
        ({"from": "24:00", "to": "00:00"}, "has no length"),
        ({"from": "24:00", "to": "06:00"}, "a window cannot begin at 24:00; write 00:00"),
        ({"from": 20, "to": "06:00"}, 'from = 20 is no time of day; write it as text, as in "20:00"'),
        ({"from": "20:00", "to": "06:00", "days": [1]}, "days = [1] are not all names; allowed: Monday"),
        ({"from": "20:00", "to": "06:00", "days": []}, "an empty list of days or dates means never"),
        ({"from": "20:00", "to": "06:00", "dates": []}, "an empty list of days or dates means never"),
        (
            {"from": "2026-12-24", "to": "06:00"},
            "2026-12-24 is a date, and a window lasts from one time of day to ",
        ),
        ({"from": "2027-01-02", "to": "2026-12-24"}, "of two dates the first must not be after the last"),
    ],
)
def test_wrong_windows_are_explained(written: dict[str, Any], message: str) -> None:
    """What is wrong, and what to write instead."""
    with pytest.raises(ValidationError) as caught:
        Window.model_validate(written)
    assert message in str(caught.value)


def test_only_windows_without_dates_recur() -> None:
    """They must hold for a year; windows on dates must hold within the horizon."""
    assert window(0, 60).recurs
    assert not window(0, 60, dates=(date(2026, 3, 2),)).recurs


def test_a_range_of_days_includes_both_ends() -> None:
    """A single date is the range of that day."""
    days = TypeAdapter(Days)
    read = days.validate_python({"from": "2026-12-24", "to": "2026-12-26"})
    assert [date(2026, 12, day) in read for day in (23, 24, 26, 27)] == [False, True, True, False]
    assert days.validate_python("2026-12-24") == DateRange(first=date(2026, 12, 24), last=date(2026, 12, 24))
    assert days.validate_python(read) is read


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    """Usually a period over New Year with one year in both dates."""
    with pytest.raises(ValidationError, match=r"ends before it begins.*give the later year to the last day"):
        DateRange.model_validate({"from": "2026-12-18", "to": "2026-01-04"})
