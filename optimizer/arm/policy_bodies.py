"""Checks policy bodies against the table of those that Azure accepts, for the planner.

The emulator checks the same table (``optimizer/model/policy_bodies.toml``) with its own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from optimizer.model.caseless import Caseless
from optimizer.model.inventory import SubType
from optimizer.model.policy_bodies import policy_body_rows
from optimizer.model.raw import is_whole_number, word
from optimizer.model.timegrid import WEEKDAYS

SUB_TYPES = {
    Caseless("SimpleSchedulePolicy"): SubType.STANDARD,
    Caseless("SimpleSchedulePolicyV2"): SubType.ENHANCED,
}
"""Sub-type by ``schedulePolicyType``, because ``policyType`` may be absent, even from Enhanced policies."""

NOMINAL_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\dT)(?P<time>([01]\d|2[0-3]):\d\d)(?P<rest>(:00(\.0+)?)?(Z|[+-]00:00)?)", re.ASCII
)
"""A nominal time: whatever offset is written, it is wall-clock time in the policy's ``timeZone`` (docs/azure.md, rule
3)."""

_DAYS = {Caseless("Days"): 1, Caseless("Weeks"): 7, Caseless("Months"): 30, Caseless("Years"): 365}
"""Days per unit of a retention; months and years are rounded."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A row of the table that a policy body violates.

    Parameters
    ----------
    name
        Name of the field that was checked.
    found
        The value in the body, as text for users.
    demand
        Text that states what is allowed.
    source
        Source of the row.
    """

    name: str
    found: str
    demand: str
    source: str

    def __str__(self) -> str:
        """Name, value and what is allowed, in one clause."""
        return f"{self.name} is {self.found}; allowed: {self.demand}"


def violations(properties: Mapping[str, Any], sent_at: datetime | None = None) -> list[Violation]:
    """Rows of the table that the body of a VM policy violates, in the order of the table.

    Parameters
    ----------
    properties
        ARM properties of a VM policy.
    sent_at
        Time at which the body is sent, with a UTC offset. None skips faults that another time and date would fix:
        times that are not in the past, and hourly windows that start too late.
    """
    body = _Body(properties)
    checked = ((row, body.fault(row, sent_at)) for row in policy_body_rows() if body.concerns(row))
    return [Violation(row["name"], fault, row["demand"], row["source"]) for row, fault in checked if fault is not None]


def explain_invalid_input(properties: Mapping[str, Any], sent_at: datetime) -> str:
    """Explain why the service may have answered ``BMSUserErrorInvalidPolicyInput`` to a body.

    Parameters
    ----------
    properties
        ARM properties in the body that was sent.
    sent_at
        Time at which the body was sent, with a UTC offset.
    """
    broken = violations(properties, sent_at)
    if broken:
        return "the body that was sent breaks a rule of Azure Backup: " + "; ".join(
            f"{violation} (source: {violation.source})" for violation in broken
        )
    return (
        f"the body that was sent breaks none of the {len(policy_body_rows())} rules of Azure Backup that are known "
        "(time on the half hour and in the past, equal retention times, lengths of retention and of snapshots); "
        "change the policy in the portal by hand, which says more, and report what it says"
    )


def schedule_part(properties: Mapping[str, Any]) -> Any:
    """The part of a schedule that contains times and days."""
    schedule = _at(properties, "schedulePolicy")
    if SUB_TYPES.get(word(_at(schedule, "schedulePolicyType"))) is SubType.ENHANCED:
        return _at(schedule, f"{word(_at(schedule, 'scheduleRunFrequency')).key}Schedule")
    return schedule


def nominal_times(properties: Mapping[str, Any]) -> list[str]:
    """All times in a policy's schedule and retention, as text."""
    part = schedule_part(properties)
    scheduled = [*_listed(_at(part, "scheduleRunTimes")), *_listed(_at(part, "scheduleWindowStartTime"))]
    return [str(text) for text in (*scheduled, *retention_times(_at(properties, "retentionPolicy")))]


def retention_times(value: object) -> Iterator[object]:
    """All entries of ``retentionTimes`` at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "retentionTimes":
                yield from _listed(inner)
            else:
                yield from retention_times(inner)


class _Body:
    """A policy body that is checked row by row."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        schedule = _at(properties, "schedulePolicy")
        self._sub_type = SUB_TYPES.get(word(_at(schedule, "schedulePolicyType")))
        self._frequency = word(_at(schedule, "scheduleRunFrequency"))
        self._interval = _at(schedule_part(properties), "interval")

    def concerns(self, row: Mapping[str, Any]) -> bool:
        """Whether a row applies to the body."""
        stated = {"sub_types": self._sub_type, "frequencies": self._frequency, "intervals": self._interval}
        return all(value in row[key] for key, value in stated.items() if key in row)

    def fault(self, row: Mapping[str, Any], sent_at: datetime | None) -> str | None:
        """The value that violates a row, as text for users; None if the body satisfies the row."""
        if row["check"] not in {"past", "not_later"}:
            return self._broken(row)
        return None if sent_at is None else self._untimely(row, sent_at)

    def _broken(self, row: Mapping[str, Any]) -> str | None:
        value = self._value(row["field"])
        if row["check"] == "not_longer":
            return _broken_order(value, self._value(row["than"]))
        if row["check"] == "same_time":
            return self._broken_retention_times(_listed(value), row)
        return _CHECKS[row["check"]](value, row)

    def _untimely(self, row: Mapping[str, Any], sent_at: datetime) -> str | None:
        """First time in the body that is too late in the day, or not in the past when read as UTC; None if none is."""
        if row["check"] == "not_later":
            times = [str(text) for text in _listed(self._value(row["field"]))]
            return next((text for text in times if (_time_of_day(text) or "") > row["latest"]), None)
        now = f"{sent_at.astimezone(UTC):%Y-%m-%dT%H:%M}"
        return next((text for text in nominal_times(self._properties) if text[:16] > now), None)

    def _value(self, path: str) -> Any:
        value: Any = schedule_part(self._properties) if path.startswith("schedule.") else self._properties
        for key in path.removeprefix("schedule.").split("."):
            value = _at(value, key)
        return value

    def _broken_retention_times(self, scheduled: list[object], row: Mapping[str, Any]) -> str | None:
        kept = list(retention_times(_at(self._properties, "retentionPolicy")))
        if not kept:
            return "missing" if row.get("required") else None
        times = {_time_of_day(text) for text in scheduled}
        return next((str(text) for text in kept if _time_of_day(text) not in times - {None}), None)


def _at(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _listed(value: object) -> list[object]:
    """Entries of a list; a single value counts as a list of one, and null as an empty list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _broken_choice(value: object, row: Mapping[str, Any]) -> str | None:
    return None if word(value) in row["allowed"] else _shown(value)


def _broken_presence(value: object, row: Mapping[str, Any]) -> str | None:
    if row["check"] == "present":
        return "missing" if value is None else None
    return None if value is None else "there"


def _broken_weekdays(value: object, row: Mapping[str, Any]) -> str | None:
    del row
    names = {str(day).strip().capitalize() for day in _listed(value)}
    return None if isinstance(value, list) and names and names <= set(WEEKDAYS) else _shown(value)


def _broken_order(days: Any, longer: object) -> str | None:
    most = _days_of(longer)
    return f"{days} days, and that one {most}" if is_whole_number(days) and most is not None and days > most else None


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)


def _broken_number(value: Any, row: Mapping[str, Any]) -> str | None:
    if value is None:
        return None if row.get("optional") else "missing"
    if not is_whole_number(value):
        return repr(value)
    fits = value in row["allowed"] if "allowed" in row else row["least"] <= value <= row["most"]
    return None if fits else str(value)


def _days_of(schedule: object) -> int | None:
    """Length of a retention in days; None if it is unreadable."""
    duration = _at(schedule, "retentionDuration")
    count, unit = _at(duration, "count"), _DAYS.get(word(_at(duration, "durationType")))
    return count * unit if is_whole_number(count) and unit is not None else None


def _broken_days(schedule: object, row: Mapping[str, Any]) -> str | None:
    if schedule is None:
        return None
    days = _days_of(schedule)
    if days is None:
        return _shown(_at(schedule, "retentionDuration"))
    return None if row["least"] <= days <= row["most"] else f"{days} day{'' if days == 1 else 's'}"


def _time_of_day(text: object) -> str | None:
    """``HH:MM`` of a nominal time on a valid date; None for anything else."""
    match = NOMINAL_TIME.fullmatch(str(text))
    if match is None:
        return None
    try:
        date.fromisoformat(match["date"][:10])
    except ValueError:
        return None
    return match["time"]


def _broken_times(texts: Iterable[object], row: Mapping[str, Any]) -> str | None:
    shown = list(texts)
    if len(shown) != 1:
        return f"{len(shown)} times" if shown else "missing"
    time = _time_of_day(shown[0])
    if time is None or int(time[3:]) not in row["minutes"]:
        return repr(shown[0])
    return None


_CHECKS: Mapping[str, Callable[[Any, Mapping[str, Any]], str | None]] = {
    "choice": _broken_choice,
    "number": _broken_number,
    "days": _broken_days,
    "present": _broken_presence,
    "absent": _broken_presence,
    "weekdays": _broken_weekdays,
    "times": lambda value, row: _broken_times(_listed(value), row),
}
