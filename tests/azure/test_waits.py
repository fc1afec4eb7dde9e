"""Waits that the text and the codes of an answer ask for."""

from __future__ import annotations

import pytest

from optimizer.azure.waits import BLOCKED_SECONDS, LONGEST_SECONDS, asked_seconds, blocked_seconds

DAY = 86_400.0
LIMIT = "You have reached the limit on number of operations permitted in 24 hours"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please retry after 30 seconds.", 30.0),
        ("try again in '6' seconds", 6.0),
        ("wait 45 minutes before the next call", 2700.0),
        ("Retry after half an hour", 1800.0),
        ("retry after twenty-four hours", DAY),
        ("retry after PT4H30M", 16_200.0),
        ("retry after 01:30:00", 5400.0),
        ("Retry-After: 3600", 3600.0),
        ("Please retry after few hours.", BLOCKED_SECONDS),
        ("try again tomorrow", DAY),
        ("retry after 99 days", LONGEST_SECONDS),
        ("retry after 30 days retention", None),
        ("The retention of 30 days is invalid", None),
        ("", None),
    ],
)
def test_a_request_to_wait_is_read(text: str, seconds: float | None) -> None:
    """Digits, words, clock times, ISO durations and the header in a text count; other numbers do not."""
    assert asked_seconds(text) == seconds


@pytest.mark.parametrize(
    ("codes", "text", "header", "seconds"),
    [
        ((), LIMIT, None, DAY),
        ((), LIMIT, 90_000.0, 90_000.0),
        ((), LIMIT + ". Please retry after 2 hours.", None, 7200.0),
        (("clouddosabsolutelimitreached",), "", None, BLOCKED_SECONDS),
        (("clouddosabsolutelimitreached",), "", 60.0, 60.0),
        ((), "More than 50 backup policies were edited: the daily limit of operations is exceeded", None, DAY),
        ((), "The schedule exceeds 24 backups per day", None, None),
        ((), "The limit of operations per 7 days is exceeded", None, None),
        ((), "Something else failed", 60.0, None),
    ],
)
def test_a_limit_over_a_period_blocks(
    codes: tuple[str, ...], text: str, header: float | None, seconds: float | None
) -> None:
    """A reached limit on operations blocks for its period, the header or the stated wait; limits on values do not."""
    assert blocked_seconds(codes, text, header) == seconds


def test_a_429_makes_any_period_count() -> None:
    """If the status states that there were too many requests, the period needs no word about operations."""
    text = "The limit of 7 days is exceeded within 7 days"
    assert blocked_seconds((), text, None) is None
    assert blocked_seconds((), text, None, throttled=True) == 7 * DAY
