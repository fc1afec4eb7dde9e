"""Reads times and durations as Azure writes them in jobs, items and operations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNSET_YEARS = (1, 1601, 2001)
"""Years of dates that mean "never", such as ``0001-01-01T00:00:00`` for the end of a job that is still running."""

_ISO = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_DOT_NET = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)


def parse_duration(text: object) -> timedelta | None:
    """Duration of a job, in ISO 8601 (``PT12.58S``) or .NET notation (``1.02:03:04.5``); None for other text."""
    match = _ISO.fullmatch(str(text)) or _DOT_NET.fullmatch(str(text))
    if match is None or not any(match.groups()):
        return None
    try:
        return timedelta(**{unit: float(value or 0) for unit, value in match.groupdict().items()})
    except OverflowError:
        return None


def parse_time(text: object) -> datetime | None:
    """Parse an instant in UTC; None without one, or if its year means "never"."""
    match = _DATE.fullmatch(str(text).strip())
    if match is None:
        return None
    fraction = match[2][:7].ljust(7, "0") if match[2] else ""  # Azure writes tenths of a microsecond
    try:
        instant = datetime.fromisoformat(match[1] + fraction + (match[3] or "Z"))
        return instant.astimezone(UTC) if instant.year not in _UNSET_YEARS else None
    except (ValueError, OverflowError):
        return None
