"""Times in the formats of the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from optimizer.emulator.moments import iso_duration, parse_filter_time, stamp


def test_a_stamp_is_in_utc_with_seven_digits() -> None:
    """Another offset is converted."""
    instant = datetime(2026, 11, 2, 1, 2, 3, 45, tzinfo=timezone(timedelta(hours=2)))
    assert stamp(instant) == "2026-11-01T23:02:03.0000450Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (12.5800561, "PT12.580056S"), (2520, "PT42M0S"), (90_061, "PT25H1M1S"), (-5, "PT0S")],
)
def test_durations_have_no_days_and_no_idle_zeros(seconds: float, text: str) -> None:
    """Hours go beyond 24, minutes and hours of zero are omitted, and a negative length counts as zero."""
    assert iso_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-01 00:00:00 AM", 0),
        ("2026-11-01 12:00:00 AM", 0),
        ("2026-11-01 12:30:00 PM", 12),
        ("2026-11-01 01:00:00 pm", 13),
        ("2026-11-01 17:00:00 PM", 17),
        (" 2026-11-01 17:00:00 ", 17),
    ],
)
def test_filters_state_hours_in_two_ways(text: str, hour: int) -> None:
    """Twelve and twenty-four hours occur, even with AM or PM."""
    instant = parse_filter_time(text)
    assert instant is not None
    assert (instant.date().isoformat(), instant.hour, instant.tzinfo) == ("2026-11-01", hour, UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-01", "2026-13-01 00:00:00", "2026-11-01 25:00:00"])
def test_other_texts_are_no_times(text: str) -> None:
    """An impossible date or hour is None, like any other text."""
    assert parse_filter_time(text) is None
