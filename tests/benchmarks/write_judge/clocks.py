"""Time zones, and what a backup policy says about time; read from the documentation, not from the product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

DAY = 1440
WEEK = 7 * DAY
WINDOW = 135
"""Minutes of a start window: two hours and a snapshot of 15 minutes."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_WINDOWS_NAMES = {
    "utc": "UTC",
    "w. europe standard time": "Europe/Berlin",
    "gmt standard time": "Europe/London",
    "india standard time": "Asia/Kolkata",
    "nepal standard time": "Asia/Kathmandu",
    "pacific standard time": "America/Los_Angeles",
    "eastern standard time": "America/New_York",
    "aus eastern standard time": "Australia/Sydney",
    "tokyo standard time": "Asia/Tokyo",
    "e. south america standard time": "America/Sao_Paulo",
}


@lru_cache
def zone_of(name: str | None) -> ZoneInfo:
    """Zone of a Windows or IANA name; UTC where none is given."""
    return ZoneInfo(_WINDOWS_NAMES.get((name or "UTC").lower(), name or "UTC"))


@lru_cache
def _readings(zone: ZoneInfo, day: date) -> tuple[int, ...]:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    offsets = {(noon + timedelta(days=n)).astimezone(zone).utcoffset() or timedelta() for n in range(-1, 366)}
    return tuple(sorted(int(offset / timedelta(minutes=1)) for offset in offsets))


def readings(zone: ZoneInfo, at: datetime) -> tuple[int, ...]:
    """Offsets from UTC, in minutes, that a zone has in the year after a time."""
    return _readings(zone, at.date())


@dataclass(frozen=True)
class Schedule:
    """When a policy starts backups, on the clock of its zone.

    Parameters
    ----------
    zone
        Time zone.
    frequency
        ``Daily``, ``Weekly`` or ``Hourly``.
    start
        Minute of the local day.
    days
        Weekdays, Monday = 0.
    runs
        Minutes from the start to each run.
    """

    zone: ZoneInfo
    frequency: str
    start: int
    days: frozenset[int]
    runs: tuple[int, ...]

    def around(self, at: datetime, offset: int, days: int = 9) -> list[datetime]:
        """Runs near a time, ascending, at one reading of the clock.

        Parameters
        ----------
        at
            The time.
        offset
            Offset from UTC in minutes.
        days
            How far to look on both sides.
        """
        found = []
        for n in range(-days, days + 1):
            day = at.date() + timedelta(days=n)
            if day.weekday() in self.days:
                midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
                found += [midnight + timedelta(minutes=self.start + run - offset) for run in self.runs]
        return sorted(found)

    @property
    def widest_spacing(self) -> int:
        """Longest time between two runs, in minutes."""
        minutes = sorted({(day * DAY + self.start + run) % WEEK for day in self.days for run in self.runs})
        return max((b - a for a, b in zip(minutes, [*minutes[1:], minutes[0] + WEEK], strict=True)), default=WEEK)

    def week(self, at: datetime) -> Iterator[tuple[int, int]]:
        """Start windows in minutes of the UTC week, at every reading; an end may lie beyond the week."""
        for offset in readings(self.zone, at):
            for day in self.days:
                for run in self.runs:
                    begin = (day * DAY + self.start + run - offset) % WEEK
                    yield begin, begin + WINDOW


@lru_cache(maxsize=4096)
def slots_of(schedule: Schedule, year: int) -> frozenset[int]:
    """Half hours of the UTC week that any start window touches, at any reading of the clock.

    Parameters
    ----------
    schedule
        The schedule.
    year
        The readings are those of the year after its first of January and the one after.
    """
    both = {*schedule.week(datetime(year, 1, 1, tzinfo=UTC)), *schedule.week(datetime(year, 12, 31, tzinfo=UTC))}
    return frozenset(slot % 336 for begin, end in both for slot in range(begin // 30, -(-end // 30)))


def minute_of(text: str) -> int:
    """Minute of the day of ``HH:MM`` or of the time in an ISO moment."""
    clock = text.partition("T")[2] or text
    return int(clock[:2]) * 60 + int(clock[3:5])


def _part(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    schedule = properties.get("schedulePolicy") or {}
    frequency = str(schedule.get("scheduleRunFrequency") or "").capitalize()
    if schedule.get("schedulePolicyType") == "SimpleSchedulePolicyV2":
        return frequency, schedule.get(f"{frequency.lower()}Schedule") or {}
    return frequency, schedule


def schedule_of(policy: Mapping[str, Any] | None) -> Schedule | None:
    """Schedule of a policy; None where it is none of VMs."""
    properties = (policy or {}).get("properties") or {}
    if properties.get("backupManagementType") != "AzureIaasVM":
        return None
    frequency, part = _part(properties)
    zone, days, runs = zone_of(properties.get("timeZone")), frozenset(range(7)), (0,)
    if frequency == "Hourly":
        interval = int(part["interval"])
        last = min(int(part["scheduleWindowDuration"]), 24 - interval)
        runs = tuple(60 * hour for hour in range(0, last + 1, interval))
        return Schedule(zone, frequency, minute_of(part["scheduleWindowStartTime"]), days, runs)
    if frequency == "Weekly":
        days = frozenset(WEEKDAYS.index(str(day).lower()) for day in part.get("scheduleRunDays") or ())
    return Schedule(zone, frequency, minute_of(part["scheduleRunTimes"][0]), days, runs)


def moments_of(properties: Mapping[str, Any]) -> list[str]:
    """Every moment that a policy states: of its schedule, and of what it keeps."""
    found: list[str] = []

    def walk(value: object, name: str) -> None:
        if isinstance(value, Mapping):
            for inner, item in value.items():
                walk(item, inner)
        elif isinstance(value, list):
            for item in value:
                walk(item, name)
        elif name in {"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"} and isinstance(value, str):
            found.append(value)

    walk(properties, "")
    return found
