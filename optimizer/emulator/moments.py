"""Times in the formats of the service."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NEVER = "0001-01-01T00:00:00"
"""End of an operation that has not ended."""

_FILTER = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?: (AM|PM))?", re.IGNORECASE)


def stamp(instant: datetime) -> str:
    """Format a time in UTC, to a tenth of a microsecond."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def iso_duration(length: timedelta) -> str:
    """Format a duration such as ``PT12.5800561S``, as in recorded answers."""
    hours, rest = divmod(max(0.0, length.total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{seconds:.7f}".rstrip("0").rstrip(".")
    return "PT" + (f"{hours:.0f}H" if hours else "") + (f"{minutes:.0f}M" if minutes else "") + f"{text}S"


def parse_filter_time(text: str) -> datetime | None:
    """Time in a filter such as ``2026-11-01 00:00:00 AM``; None if the text is not one."""
    match = _FILTER.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if match[7]:
        hour = hour % 12 + (12 if match[7].upper() == "PM" else 0) if hour <= 12 else hour
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
