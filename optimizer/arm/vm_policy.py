"""Reads one raw VM policy: its schedule, its twin key, and a copy of it at another time."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optimizer.arm.policy_bodies import NOMINAL_TIME, SUB_TYPES, violations
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import SubType
from optimizer.model.raw import canonical_json, is_whole_number, mapping, properties_of, word
from optimizer.model.timegrid import (
    NOMINAL_MARGIN,
    Frequency,
    Recurrence,
    format_start,
    parse_start,
    parse_weekday,
    resolve_zone,
    settled_date,
)
from optimizer.ports import Resource

_TIME_KEYS = frozenset({"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"})
"""Fields of a policy that contain times of day."""

_NOT_IN_TWIN_KEY = _TIME_KEYS | {"protectedItemsCount", "resourceGuardOperationRequests"}
"""Fields that may differ between twins."""

_DEFAULTS: Mapping[str, object] = {
    "ArchivedRP": {"tieringMode": "donottier", "duration": 0, "durationType": "invalid"},
    "scheduleWeeklyFrequency": 0,
    "isLast": False,
    "instantAccessSnapshotEnabled": False,
    "instantAccessDurationMinutes": 0,
}
"""Default values, with text in lower case, that some answers state and others omit.

Current answers contain ``tieringPolicy.ArchivedRP`` in full (azure-cli #33507), older ones omit it. The service adds
``scheduleWeeklyFrequency`` if it was not sent (recorded). A day of a month may state that it is not the last one. The
fields for instant access were added in 2026.
"""

_SETS = frozenset({"scheduleRunDays", "daysOfTheWeek", "weeksOfTheMonth", "monthsOfYear", "daysOfTheMonth"})
"""Lists whose order has no meaning."""


@dataclass(frozen=True)
class Schedule:
    """Schedule that a raw policy states.

    Parameters
    ----------
    sub_type, recurrence, timezone
        As in :class:`optimizer.model.inventory.Policy`.
    start
        Start option in ``timezone``.
    refused
        Why Azure would refuse the policy if it were created or changed, so that no VM may be moved to or from it;
        empty if it would not.
    one_way
        Whether Azure would refuse the present body, so that an edit of its time could not be reverted.
    """

    sub_type: SubType
    recurrence: Recurrence
    start: int
    timezone: str
    refused: str = ""
    one_way: bool = False


def is_vm_policy(resource: Resource) -> bool:
    """Whether a policy is for Azure VMs and has a sub-type that this program knows."""
    properties = properties_of(resource)
    return _workload(properties) == "AzureIaasVM" and _kind(properties) in SUB_TYPES


def _workload(properties: Mapping[str, Any]) -> Caseless:
    return Caseless(str(properties.get("backupManagementType") or "AzureIaasVM"))


def _kind(properties: Mapping[str, Any]) -> Caseless:
    return word(mapping(properties.get("schedulePolicy")).get("schedulePolicyType"))


def why_foreign(resource: Resource) -> str:
    """Value that makes :func:`is_vm_policy` False for a policy."""
    properties = properties_of(resource)
    workload = _workload(properties)
    if workload != "AzureIaasVM":
        return f"backupManagementType is {str(workload)[:60]!r}"
    kind = mapping(properties.get("schedulePolicy")).get("schedulePolicyType")
    return f"schedulePolicyType is {repr(str(kind)[:60]) if kind else 'missing'}"


def read_schedule(properties: Mapping[str, Any], as_of: datetime | None = None) -> Schedule:
    """Read the schedule of a VM policy.

    Parameters
    ----------
    properties
        ARM properties of a policy for which :func:`is_vm_policy` is True.
    as_of
        Time at which the estate was read, with a UTC offset; None leaves ``one_way`` False.

    Raises
    ------
    ValueError
        Azure does not accept the schedule; the message names field, value and what is allowed.
    """
    policy = properties["schedulePolicy"]
    sub_type = SUB_TYPES[_kind(properties)]
    frequency = _frequency(policy, sub_type)
    part = policy if sub_type is SubType.STANDARD else policy.get(f"{frequency.lower()}Schedule") or {}
    timezone = properties.get("timeZone") or "UTC"
    resolve_zone(timezone)
    recurrence = _recurrence(frequency, part)
    start = _start(frequency, part)
    refused = "; ".join(map(str, violations(properties)))
    one_way = as_of is not None and bool(violations(properties, as_of - NOMINAL_MARGIN))
    return Schedule(sub_type, recurrence, start, timezone, refused, one_way)


def _recurrence(frequency: Frequency, part: Mapping[str, Any]) -> Recurrence:
    match frequency:
        case Frequency.HOURLY:
            interval, duration = _hours(part, "interval", 24), _hours(part, "scheduleWindowDuration", 24)
            return Recurrence(frequency, interval_hours=interval, duration_hours=duration)
        case Frequency.WEEKLY:
            return Recurrence(frequency, days=_days(part))
        case Frequency.DAILY:
            return Recurrence(frequency)


def _start(frequency: Frequency, part: Mapping[str, Any]) -> int:
    if frequency is Frequency.HOURLY:
        return _option("scheduleWindowStartTime", part.get("scheduleWindowStartTime"))
    times = part.get("scheduleRunTimes") or []
    if len(times) != 1:
        listed = ", ".join(map(str, times))
        raise ValueError(f"scheduleRunTimes holds {len(times)} times ({listed}); allowed: exactly one")
    return _option("scheduleRunTimes", times[0])


def _frequency(policy: Mapping[str, Any], sub_type: SubType) -> Frequency:
    allowed = [f for f in Frequency if sub_type is SubType.ENHANCED or f is not Frequency.HOURLY]
    text = policy.get("scheduleRunFrequency")
    for frequency in allowed:
        if word(text) == frequency:
            return frequency
    raise ValueError(f"scheduleRunFrequency is {text!r}; allowed for {sub_type}: {', '.join(allowed)}")


def _hours(part: Mapping[str, Any], field: str, most: int) -> int:
    value = part.get(field)
    if not is_whole_number(value) or not 1 <= value <= most:
        raise ValueError(f"{field} is {value!r}; allowed: a whole number of hours from 1 to {most}")
    return value


def _days(part: Mapping[str, Any]) -> tuple[int, ...]:
    days = part.get("scheduleRunDays") or []
    if not days:
        raise ValueError("scheduleRunDays is empty; a weekly policy needs at least one weekday")
    return tuple(sorted({parse_weekday(str(day)) for day in days}))


def _option(field: str, text: object) -> int:
    match = NOMINAL_TIME.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{field} is {text!r}; allowed: a date and time such as 2024-01-01T23:30:00Z")
    try:
        return parse_start(match["time"])
    except ValueError as exc:
        raise ValueError(f"{field} is {text!r}: {exc}") from exc


def twin_key(properties: Mapping[str, Any]) -> str:
    """Digest of everything in a policy except the time of day.

    It is the SHA-256 of the canonical JSON of the properties without times of day, item count and guard requests. An
    absent field, null, and an empty object or list are equal, as are a stated and an omitted default
    (:data:`_DEFAULTS`). The order of days does not matter. An absent time zone means UTC, and an absent ``policyType``
    means that of the schedule. Everything else counts, including fields that this program does not know.
    """
    return hashlib.sha256(canonical_json(essence(properties, left_out=_NOT_IN_TWIN_KEY))).hexdigest()


def essence(properties: Mapping[str, Any], left_out: Collection[str]) -> dict[str, object]:
    """Content of a policy, independent of how it is written.

    Parameters
    ----------
    properties
        ARM properties of a policy.
    left_out
        Names of fields to ignore, at any depth.
    """
    content = _said(properties, left_out)
    assert isinstance(content, dict)
    content.setdefault("timeZone", "UTC")
    content.setdefault("policyType", "V2" if SUB_TYPES.get(_kind(properties)) is SubType.ENHANCED else "V1")
    return content


def _said(value: object, left_out: Collection[str], key: str = "") -> object:
    if isinstance(value, Mapping):
        return _said_in_object(value, left_out)
    if isinstance(value, list):
        items = [_said(item, left_out, key) for item in value]
        return sorted(items, key=canonical_json) if key in _SETS else items
    return _nominal(value) if key in _TIME_KEYS else value


def _said_in_object(value: Mapping[str, object], left_out: Collection[str]) -> dict[str, object]:
    inner = {name: _said(item, left_out, name) for name, item in value.items() if name not in left_out}
    return {name: item for name, item in inner.items() if not _says_nothing(name, item)}


def _nominal(value: object) -> object:
    """Date and time of a nominal time, however its offset is written; other values as they are."""
    match = NOMINAL_TIME.fullmatch(str(value))
    return match["date"] + match["time"] if match else value


def _says_nothing(name: str, value: object) -> bool:
    if value is None or value in ({}, [], ""):
        return True
    # Compare as JSON, because False == 0 in Python.
    return name in _DEFAULTS and canonical_json(_folded(value)) == canonical_json(_DEFAULTS[name])


def _folded(value: object) -> object:
    """Convert the text in a value to lower case."""
    if isinstance(value, dict):
        return {name: _folded(item) for name, item in value.items()}
    return value.lower() if isinstance(value, str) else value


def with_start(properties: Mapping[str, Any], option: int, as_of: datetime | None = None) -> dict[str, Any]:
    """Deep copy of a policy's properties with another time of day and no other change.

    The schedule's time (for an hourly policy, the start of its window) and all retention times are set. Their notation
    (``Z`` or ``+00:00``, fractions of a second) and unknown fields are kept. Azure accepts only dates and times in the
    past. A recent or future date is therefore replaced by one that is past at every time of day. Other dates are kept.

    Parameters
    ----------
    properties
        ARM properties of a VM policy.
    option
        Start option in the policy's own time zone, 0 to 47.
    as_of
        Time at which the estate was read, with a UTC offset; None keeps every date.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(properties))
    latest = "9999-12-31T" if as_of is None else f"{settled_date(as_of):%Y-%m-%d}T"
    for section in ("schedulePolicy", "retentionPolicy"):
        _set_times(changed.get(section), format_start(option), latest)
    return changed


def _set_times(value: object, time: str, latest: str) -> None:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in _TIME_KEYS:
            value[key] = _moved(inner, time, latest)
        else:
            _set_times(inner, time, latest)


def _moved(value: object, time: str, latest: str) -> object:
    """A nominal time, or a list of them, at another time of day."""
    return [_at(text, time, latest) for text in value] if isinstance(value, list) else _at(value, time, latest)


def _at(text: object, time: str, latest: str) -> object:
    """Nominal time at another time of day, with the date limited to the latest one."""
    match = NOMINAL_TIME.fullmatch(str(text))
    return text if match is None else min(match["date"], latest) + time + match["rest"]
