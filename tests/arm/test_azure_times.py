"""Times and durations in Azure's notations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.arm.azure_times import parse_duration, parse_time

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT12.58S", 12.58),
        ("PT1H2M3S", 3723),
        ("P1DT1S", 86401),
        ("P2D", 172800),
        ("PT0S", 0),
        ("00:00:12.5", 12.5),
        ("01:02:03", 3723),
        ("1.02:03:04.5", 93784.5),
        ("P", None),
        ("PT", None),
        ("12", None),
        ("1:2:3", None),
        ("P1Y", None),
        ("-PT1S", None),
        ("", None),
        (None, None),
        (1.5, None),
        ("P99999999999D", None),
    ],
)
def test_durations(text: object, seconds: float | None) -> None:
    """ISO 8601 and .NET notation are read; other text, and durations without any number, are none."""
    assert parse_duration(text) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T02:03:04Z", datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)),
        (" 2026-03-01 02:03:04 ", datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)),
        ("2026-03-01T02:03:04+05:30", datetime(2026, 2, 28, 20, 33, 4, tzinfo=UTC)),
        ("2026-03-01T02:03:04-0100", datetime(2026, 3, 1, 3, 3, 4, tzinfo=UTC)),
        ("2026-03-01T02:03:04.1234567Z", datetime(2026, 3, 1, 2, 3, 4, 123456, tzinfo=UTC)),
        ("2026-03-01T02:03:04.5Z", datetime(2026, 3, 1, 2, 3, 4, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("1601-01-01T00:00:00Z", None),
        ("2001-01-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-01T25:00:00Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-03-01", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (20260301, None),
    ],
)
def test_times(text: object, expected: datetime | None) -> None:
    """Instants are converted to UTC, with at most microseconds; years that mean "never" and other text are none."""
    assert parse_time(text) == expected


@given(ANYTHING)
def test_nothing_raises(value: object) -> None:
    """Whatever a field contains, reading it never stops the work on the rest."""
    parse_time(value)
    parse_duration(value)


@given(st.timedeltas(timedelta(0), timedelta(days=30_000)), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_read_at_any_offset(age: timedelta, minutes: int) -> None:
    """The same instant is read from every offset that it is written at."""
    aware = datetime(2002, 1, 2, tzinfo=UTC) + age
    shifted = aware + timedelta(minutes=minutes)
    sign, distance = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{shifted:%Y-%m-%dT%H:%M:%S.%f}{sign}{distance // 60:02d}:{distance % 60:02d}"
    assert parse_time(text) == aware


@given(st.timedeltas(timedelta(0), timedelta(days=99)))
def test_both_notations_of_a_duration_agree(duration: timedelta) -> None:
    """A duration means the same in ISO 8601 and in .NET notation."""
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    iso = f"P{duration.days}DT{hours}H{minutes}M{seconds}.{duration.microseconds:06d}S"
    dot_net = f"{duration.days}.{hours:02d}:{minutes:02d}:{seconds:02d}.{duration.microseconds:06d}"
    assert parse_duration(iso) == parse_duration(dot_net) == duration
