"""Nominal times at which a policy runs between two instants, in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from optimizer.emulator.policies import frequency, run_time, schedule_part, sub_type
from optimizer.model.caseless import Caseless
from optimizer.model.raw import MALFORMED
from optimizer.model.timegrid import WEEKDAYS, resolve_zone

ClockChanges = Literal["follow", "ignore"]

_LOOK_AHEAD = timedelta(days=8)
"""Every policy has a run within this time."""


def runs_between(
    properties: Mapping[str, Any], after: datetime, until: datetime, clock_changes: ClockChanges
) -> Iterator[datetime]:
    """Nominal times of a VM policy in ``(after, until]``, ascending.

    Parameters
    ----------
    properties
        ARM properties of a policy that the service accepts.
    after, until
        Bounds of the period, with a UTC offset.
    clock_changes
        Whether schedules follow clock changes, as in :class:`optimizer.emulator.settings.EmulatorSettings`.
    """
    zone = resolve_zone(properties.get("timeZone") or "UTC")
    part, often = schedule_part(properties), frequency(properties)
    begin = time.fromisoformat(run_time(properties))
    weekdays = _weekdays(part) if often == "weekly" else frozenset(map(Caseless, WEEKDAYS))
    offsets = _hours(part) if often == "hourly" else (0,)
    first, last = after.astimezone(zone).date() - timedelta(days=2), until.astimezone(zone).date() + timedelta(days=1)
    instants = {
        _instant(day, begin, hours, zone, clock_changes)
        for day in (first + timedelta(days=number) for number in range((last - first).days + 1))
        if Caseless(WEEKDAYS[day.weekday()]) in weekdays
        for hours in offsets
    }
    yield from sorted(instant for instant in instants if after < instant <= until)


def next_run(properties: Mapping[str, Any], after: datetime, clock_changes: ClockChanges) -> datetime | None:
    """First nominal time after an instant; None if the policy is not a VM policy, or cannot be read."""
    if not sub_type(properties):
        return None
    try:
        return next(runs_between(properties, after, after + _LOOK_AHEAD, clock_changes), None)
    except MALFORMED:
        return None  # an estate may contain policies that the service would now refuse


def _weekdays(part: Mapping[str, Any]) -> frozenset[Caseless]:
    return frozenset(Caseless(str(day).strip()) for day in part.get("scheduleRunDays") or ())


def _hours(part: Mapping[str, Any]) -> tuple[int, ...]:
    """Hours from the window's start to each run; it is not documented whether the last run may be at its end."""
    interval = int(part["interval"])
    return tuple(range(0, min(int(part["scheduleWindowDuration"]), 24 - interval) + 1, interval))


def _instant(day: date, begin: time, hours: int, zone: ZoneInfo, clock_changes: ClockChanges) -> datetime:
    local = datetime.combine(day, begin) + timedelta(hours=hours)
    aware = local.replace(tzinfo=zone)
    if clock_changes == "follow":
        return aware.astimezone(UTC)
    standard = (aware.utcoffset() or timedelta()) - (aware.dst() or timedelta())
    return (local - standard).replace(tzinfo=UTC)
