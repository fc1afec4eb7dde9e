"""Checks policy bodies against the table of those that the service accepts, independently of the planner.

An unreadable body raises ``AttributeError``, ``KeyError``, ``TypeError`` or ``ValueError``, which the caller treats as
a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from optimizer.model.caseless import Caseless
from optimizer.model.policy_bodies import policy_body_rows
from optimizer.model.timegrid import WEEKDAYS, resolve_zone

Row = Mapping[str, Any]
Json = Any

STANDARD, ENHANCED = Caseless("SimpleSchedulePolicy"), Caseless("SimpleSchedulePolicyV2")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::00(?:\.0+)?)?(?:Z|[+-]00:00)?", re.ASCII)
"""A time in a policy: without seconds, and without a UTC offset other than 0."""

_SUB_TYPES = {STANDARD: "Standard", ENHANCED: "Enhanced"}
_LENGTHS = {Caseless("Days"): 1, Caseless("Weeks"): 7, Caseless("Months"): 30, Caseless("Years"): 365}


def is_accepted(properties: Mapping[str, Any], now: datetime) -> bool:
    """Whether the service accepts a VM policy with this body, new or changed.

    Parameters
    ----------
    properties
        ARM properties as they were sent.
    now
        Present time with a UTC offset; every date and time in the policy must be before it.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        The body is unreadable.
    """
    for row in policy_body_rows():
        if row["check"] == "past":
            if any(instant > now for instant in _instants(properties)):
                return False
        elif _applies(row, properties) and not _CHECKS[row["check"]](properties, row):
            return False
    return True


def _instants(properties: Json) -> list[datetime]:
    """All times in a policy, read both as UTC and in the policy's zone, because it is not known which counts."""
    zone = resolve_zone(properties.get("timeZone") or "UTC")
    part = _part(properties)
    texts = [*(part.get("scheduleRunTimes") or []), part.get("scheduleWindowStartTime")]
    matches = [_parsed(text) for text in [*texts, *_kept_at(properties.get("retentionPolicy"))] if text is not None]
    return [_local(match).replace(tzinfo=tzinfo) for match in matches for tzinfo in (UTC, zone)]


def _parsed(text: object) -> re.Match[str]:
    match = MOMENT.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a time of a policy")
    _local(match)
    return match


def _local(match: re.Match[str]) -> datetime:
    """Date and time of a policy, without a zone."""
    return datetime.fromisoformat(f"{match[1]}T{match[2]}:{match[3]}:00")


def _part(properties: Json) -> Json:
    schedule = properties["schedulePolicy"]
    if str(schedule["schedulePolicyType"]) == ENHANCED:
        return schedule[f"{Caseless(schedule['scheduleRunFrequency']).key}Schedule"]
    return schedule


def _get(properties: Json, path: str) -> Json:
    """Value at a path; None if any step is absent or null."""
    first, _, rest = path.partition(".")
    root = _part(properties) if first == "schedule" else properties
    steps = (rest if first == "schedule" else path).split(".")
    return reduce(lambda value, step: None if value is None else value.get(step), steps, root)


def _applies(row: Row, properties: Json) -> bool:
    schedule = properties["schedulePolicy"]
    if "sub_types" in row and _SUB_TYPES.get(Caseless(str(schedule["schedulePolicyType"]))) not in row["sub_types"]:
        return False
    if "frequencies" in row and schedule["scheduleRunFrequency"].capitalize() not in row["frequencies"]:
        return False
    return "intervals" not in row or _part(properties).get("interval") in row["intervals"]


def _choice(properties: Json, row: Row) -> bool:
    return _get(properties, row["field"]).casefold() in [text.casefold() for text in row["allowed"]]


def _number(properties: Json, row: Row) -> bool:
    value = _get(properties, row["field"])
    if value is None:
        return bool(row.get("optional", False))
    if type(value) is not int:
        return False
    if "allowed" in row:
        return value in row["allowed"]
    return bool(row["least"] <= value <= row["most"])


def _length(schedule: Json) -> int:
    count = schedule["retentionDuration"]["count"]
    if type(count) is not int:
        raise TypeError(f"{count!r} is not a whole number")
    return count * _LENGTHS[Caseless(schedule["retentionDuration"]["durationType"])]


def _days(properties: Json, row: Row) -> bool:
    schedule = _get(properties, row["field"])
    return schedule is None or bool(row["least"] <= _length(schedule) <= row["most"])


def _not_longer(properties: Json, row: Row) -> bool:
    value, than = _get(properties, row["field"]), _get(properties, row["than"])
    return value is None or than is None or bool(value <= _length(than))


def _present(properties: Json, row: Row) -> bool:
    return _get(properties, row["field"]) is not None


def _absent(properties: Json, row: Row) -> bool:
    return _get(properties, row["field"]) is None


def _weekdays(properties: Json, row: Row) -> bool:
    days = _get(properties, row["field"])
    return bool(days) and isinstance(days, list) and all(str(day).strip().capitalize() in WEEKDAYS for day in days)


def _texts(properties: Json, path: str) -> list[Json]:
    value = _get(properties, path)
    return value if isinstance(value, list) else [value]


def _times(properties: Json, row: Row) -> bool:
    (text,) = _texts(properties, row["field"])
    match = _parsed(text)
    return int(match[3]) in row["minutes"]


def _not_later(properties: Json, row: Row) -> bool:
    (text,) = _texts(properties, row["field"])
    return bool(":".join(_parsed(text).group(2, 3)) <= row["latest"])


def _kept_at(value: Json) -> list[Json]:
    """All times at which recovery points are kept."""
    times: list[Json] = []
    waiting = [value]
    while waiting:
        schedule = waiting.pop()
        if isinstance(schedule, dict):
            times += _as_list(schedule.get("retentionTimes"))
            waiting += [inner for name, inner in schedule.items() if name != "retentionTimes"]
    return times


def _as_list(value: Json) -> list[Json]:
    """The value if it is a list, otherwise a list of it; null gives an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _same_time(properties: Json, row: Row) -> bool:
    kept = [_parsed(text).group(2, 3) for text in _kept_at(properties.get("retentionPolicy"))]
    if not kept:
        return not row.get("required", False)
    (scheduled,) = _texts(properties, row["field"])
    return set(kept) == {_parsed(scheduled).group(2, 3)}


_CHECKS: Mapping[str, Callable[[Json, Row], bool]] = {
    "choice": _choice,
    "number": _number,
    "days": _days,
    "not_longer": _not_longer,
    "present": _present,
    "absent": _absent,
    "weekdays": _weekdays,
    "times": _times,
    "not_later": _not_later,
    "same_time": _same_time,
}
