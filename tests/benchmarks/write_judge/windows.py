"""Windows of the planner's rules: whole start windows inside ``allow``, and none that touches ``forbid``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.benchmarks.write_judge.clocks import WEEKDAYS, WINDOW, Schedule, minute_of, readings, zone_of
from tests.benchmarks.write_judge.facts import Vm, is_for

_DAYS = 366
"""How far ahead a window is looked at: every change of clocks of the coming year lies within."""

Span = tuple[datetime, datetime]


def broken_window(rules: Mapping[str, Any], vm: Vm, schedule: Schedule, since: datetime) -> str:
    """Which rule the start windows of a VM break in the coming year, at any reading of its clock; empty where none.

    Parameters
    ----------
    rules
        The planner's rules.
    vm, schedule
        The VM, and when it is backed up.
    since
        First day that is looked at.
    """
    for rule in rules.get("rule") or ():
        if not is_for(rule, vm):
            continue
        for key in ("allow", "forbid"):
            windows = rule.get(key) or ()
            found = _first_fault(windows, key, schedule, since) if windows else None
            if found is not None:
                return f"rule {rule['name']!r}: the window that starts at {found:%Y-%m-%d %H:%M} UTC breaks {key!r}"
    return ""


def _first_fault(
    windows: Sequence[Mapping[str, Any]], key: str, schedule: Schedule, since: datetime
) -> datetime | None:
    first = since.date()
    spans = sorted(span for window in windows for span in _spans(window, schedule.zone, first))
    for offset in readings(schedule.zone, since):
        for begin in _begins(schedule, offset, first):
            end = begin + timedelta(minutes=WINDOW)
            touched = [span for span in spans if span[0] < end and begin < span[1]]
            if (key == "forbid" and touched) or (key == "allow" and not _covers(touched, begin, end)):
                return begin
    return None


def _begins(schedule: Schedule, offset: int, first: date) -> Iterator[datetime]:
    """Start windows of a year at one reading; a week is enough of what repeats, but clocks of rules change."""
    for n in range(1, _DAYS):
        day = first + timedelta(days=n)
        if day.weekday() in schedule.days:
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            for run in schedule.runs:
                yield midnight + timedelta(minutes=schedule.start + run - offset)


def _spans(window: Mapping[str, Any], own_zone: ZoneInfo, first: date) -> Iterator[Span]:
    """When a window is open, in UTC, on the clock of its zone as it really goes."""
    zone = zone_of(window["zone"]) if window.get("zone") else own_zone
    begin, end = minute_of(window["from"]), minute_of(window["to"])
    length = (end - begin - 1) % 1440 + 1
    days = {WEEKDAYS.index(day.lower()) for day in window.get("days") or WEEKDAYS}
    for n in range(-2, _DAYS + 2):
        day = first + timedelta(days=n)
        if day.weekday() not in days:
            continue
        if window.get("dates") and day not in window["dates"]:
            continue
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=begin)  # noqa: DTZ001  # on a wall
        until = local + timedelta(minutes=length)
        yield local.replace(tzinfo=zone).astimezone(UTC), until.replace(tzinfo=zone).astimezone(UTC)


def _covers(spans: Sequence[Span], begin: datetime, end: datetime) -> bool:
    """Whether some spans together cover a stretch of time."""
    reached = begin
    for first, last in sorted(spans):
        if first > reached:
            return False
        reached = max(reached, last)
        if reached >= end:
            return True
    return reached >= end
