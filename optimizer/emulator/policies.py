"""Which policies the service accepts: an independent reading of azure-facts 1.2 and 1.4."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from optimizer.emulator.refusal import invalid_policy
from optimizer.model.raw import mapping
from optimizer.model.timegrid import WEEKDAYS, resolve_zone

STANDARD, ENHANCED = "simpleschedulepolicy", "simpleschedulepolicyv2"

_NAME = re.compile(r"[a-zA-Z][-_!a-zA-Z0-9]{2,149}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_FREQUENCIES = {STANDARD: {"daily", "weekly"}, ENHANCED: {"hourly", "daily", "weekly"}}
_MOST_INSTANT_DAYS = {STANDARD: 5, ENHANCED: 30}
_INTERVALS = {4, 6, 8, 12}
_LAST_WINDOW = "19:30"
_KEPT = ("daily", "weekly", "monthly", "yearly")
_DAYS = {"days": 1, "weeks": 7, "months": 30, "years": 365}


def sub_type(properties: Mapping[str, Any]) -> str:
    """Sub-type of a VM policy, by its schedule, as ``policyType`` may be absent; empty for what is none."""
    kind = str(mapping(properties.get("schedulePolicy")).get("schedulePolicyType") or "").lower()
    return kind if kind in _FREQUENCIES else ""


def frequency(properties: Mapping[str, Any]) -> str:
    """``daily``, ``weekly`` or ``hourly``; whatever is written where it is none of them."""
    return str(mapping(properties.get("schedulePolicy")).get("scheduleRunFrequency") or "").lower()


def schedule_part(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a schedule that holds its times and days."""
    schedule = properties.get("schedulePolicy") or {}
    if sub_type(properties) == ENHANCED:
        return schedule.get(f"{frequency(properties)}Schedule") or {}
    return schedule


def run_time(properties: Mapping[str, Any]) -> str:
    """``HH:MM`` of the first run of a policy that was accepted."""
    part = schedule_part(properties)
    text = part.get("scheduleWindowStartTime") if frequency(properties) == "hourly" else part["scheduleRunTimes"][0]
    match = _MOMENT.fullmatch(str(text))
    assert match is not None
    return f"{match[2]}:{match[3]}"


def check_name(name: str) -> None:
    """Refuse a name that no new policy may have.

    Raises
    ------
    Refusal
        400.
    """
    if not _NAME.fullmatch(name):
        raise invalid_policy()


def check_policy(properties: Mapping[str, Any], today: date) -> None:
    """Refuse a VM policy that is not in proper format.

    Parameters
    ----------
    properties
        As they were sent.
    today
        Dates of times must not lie after it.

    Raises
    ------
    Refusal
        400, with a message that does not say why, as the real one does not.
    """
    try:
        fine = _is_fine(properties, today)
    except (AttributeError, KeyError, TypeError, ValueError):
        fine = False
    if not fine:
        raise invalid_policy()


def _is_fine(properties: Mapping[str, Any], today: date) -> bool:
    kind, often = sub_type(properties), frequency(properties)
    if str(properties["backupManagementType"]).lower() != "azureiaasvm" or often not in _FREQUENCIES.get(kind, set()):
        return False
    resolve_zone(properties.get("timeZone") or "UTC")
    days = properties.get("instantRpRetentionRangeInDays")
    if days is not None and not 1 <= days <= _MOST_INSTANT_DAYS[kind]:
        return False
    part = schedule_part(properties)
    if often == "hourly":
        times = [part["scheduleWindowStartTime"]]
        if not _window_is_fine(part):
            return False
    else:
        times = part["scheduleRunTimes"]
    if often == "weekly" and not _days_are_fine(part["scheduleRunDays"]):
        return False
    kept = list(_retention_times(properties["retentionPolicy"]))
    if len(times) != 1 or not kept:
        return False
    moment = _moment(times[0], today)
    return all(_moment(text, today) == moment for text in kept)


def _moment(text: object, today: date) -> str:
    """Time of day on the grid, of a date that is not to come.

    Raises
    ------
    ValueError
        It is none.
    """
    match = _MOMENT.fullmatch(str(text))
    if match is None or match[3] not in {"00", "30"} or int(match[2]) > 23 or int(match[4] or 0):
        raise ValueError(f"{text!r} is not on the grid")
    if date.fromisoformat(match[1]) > today:
        raise ValueError(f"{text!r} is to come")
    return f"{match[2]}:{match[3]}"


def _window_is_fine(part: Mapping[str, Any]) -> bool:
    interval, duration = part["interval"], part["scheduleWindowDuration"]
    match = _MOMENT.fullmatch(str(part["scheduleWindowStartTime"]))
    start_is_fine = match is not None and f"{match[2]}:{match[3]}" <= _LAST_WINDOW
    return start_is_fine and interval in _INTERVALS and interval <= duration <= 24


def _days_are_fine(days: list[str]) -> bool:
    return bool(days) and {day.capitalize() for day in days} <= set(WEEKDAYS)


def _retention_times(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "retentionTimes":
                yield from inner
            else:
                yield from _retention_times(inner)


def kept_days(properties: Mapping[str, Any]) -> dict[str, int]:
    """For how many days daily, weekly, monthly and yearly points are kept; those that are kept only."""
    found = {}
    for name in _KEPT:
        length = mapping(mapping(properties.get("retentionPolicy")).get(f"{name}Schedule")).get("retentionDuration")
        if length:
            found[name] = int(length["count"]) * _DAYS.get(str(length["durationType"]).lower(), 1)
    return found


def keeps_less(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether any kind of recovery point is kept for a shorter time."""
    now = kept_days(after)
    return any(now.get(name, 0) < days for name, days in kept_days(before).items())


def tidied(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A policy completed and spelt as the recorded answers are."""
    changed: dict[str, Any] = copy.deepcopy(dict(properties))
    if sub_type(changed) == STANDARD:
        changed["schedulePolicy"].setdefault("scheduleWeeklyFrequency", 0)
    _drop_fractions(changed)
    return changed


def _drop_fractions(value: Any) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in list(pairs):
        if isinstance(inner, dict | list):
            _drop_fractions(inner)
        elif isinstance(inner, str) and _MOMENT.fullmatch(inner):
            value[name] = re.sub(r"\.0+(?=Z|[+-]|$)", "", inner)
