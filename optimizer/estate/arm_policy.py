"""One raw VM policy: what schedule it states, which policies are its twins, the same policy at another time."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.estate.document import canonical_json
from optimizer.model.inventory import SubType
from optimizer.model.raw import mapping, properties_of
from optimizer.model.timegrid import (
    Frequency,
    Recurrence,
    format_start,
    parse_start,
    parse_weekday,
    resolve_zone,
)
from optimizer.ports import Resource

SUB_TYPES = {"simpleschedulepolicy": SubType.STANDARD, "simpleschedulepolicyv2": SubType.ENHANCED}
"""Sub-type by ``schedulePolicyType``: ``policyType`` may be absent (azure-facts 4.3)."""

_TIME = re.compile(r"(?P<date>\d{4}-\d\d-\d\dT)(?P<time>\d\d:\d\d)(?P<rest>(:00(\.0+)?)?(Z|[+-]00:00)?)")
"""A nominal time: whatever zone is written, it is wall-clock time of the policy's ``timeZone`` (azure-facts 0.3)."""

_TIME_KEYS = frozenset({"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"})
_NOT_IN_TWIN_KEY = _TIME_KEYS | {"protectedItemsCount", "resourceGuardOperationRequests"}
_DEFAULTS: Mapping[str, object] = {
    "ArchivedRP": {"tieringMode": "donottier", "duration": 0, "durationType": "invalid"},
    "scheduleWeeklyFrequency": 0,
    "instantAccessSnapshotEnabled": False,
    "instantAccessDurationMinutes": 0,
}
"""Values, text in lower case, that some answers spell out and others leave out.

Today's answers write ``tieringPolicy.ArchivedRP`` in full (azure-cli #33507), older ones do not have it; the service
adds ``scheduleWeeklyFrequency`` to what was sent without it (recorded); the fields for instant access came in 2026.
"""

_SETS = frozenset({"scheduleRunDays", "daysOfTheWeek", "weeksOfTheMonth", "monthsOfYear", "daysOfTheMonth"})
"""Lists whose order says nothing."""


@dataclass(frozen=True)
class Schedule:
    """What a raw policy says about when it runs.

    Parameters
    ----------
    sub_type, recurrence, timezone
        As in :class:`optimizer.model.inventory.Policy`.
    start
        Start option in ``timezone``.
    odd
        Why no VM may be moved off or onto the policy although its schedule is plain; empty where nothing is odd.
    """

    sub_type: SubType
    recurrence: Recurrence
    start: int
    timezone: str
    odd: str = ""


def is_vm_policy(resource: Resource) -> bool:
    """Whether a policy is for Azure VMs and of a sub-type that this program knows."""
    properties = properties_of(resource)
    workload = str(properties.get("backupManagementType") or "AzureIaasVM").lower()
    kind = str(mapping(properties.get("schedulePolicy")).get("schedulePolicyType") or "").lower()
    return workload == "azureiaasvm" and kind in SUB_TYPES


def read_schedule(properties: Mapping[str, Any]) -> Schedule:
    """Schedule of a VM policy.

    Parameters
    ----------
    properties
        ARM properties of a policy for which :func:`is_vm_policy` holds.

    Raises
    ------
    ValueError
        The schedule is none that Azure accepts; the message names field, value and what is allowed.
    """
    policy = properties["schedulePolicy"]
    sub_type = SUB_TYPES[str(policy["schedulePolicyType"]).lower()]
    frequency = _frequency(policy, sub_type)
    part = policy if sub_type is SubType.STANDARD else policy.get(f"{frequency.lower()}Schedule") or {}
    timezone = properties.get("timeZone") or "UTC"
    resolve_zone(timezone)
    if frequency is Frequency.HOURLY:
        field, times = "scheduleWindowStartTime", [part.get("scheduleWindowStartTime")]
        recurrence = Recurrence(
            frequency,
            interval_hours=_hours(part, "interval", 24),
            duration_hours=_hours(part, "scheduleWindowDuration", 24),
        )
    else:
        field, times = "scheduleRunTimes", part.get("scheduleRunTimes") or []
        recurrence = Recurrence(frequency, days=_days(part) if frequency is Frequency.WEEKLY else ())
    if len(times) != 1:
        raise ValueError(f"{field} holds {len(times)} times ({', '.join(map(str, times))}); allowed: exactly one")
    start = _option(field, times[0])
    return Schedule(sub_type, recurrence, start, timezone, _oddity(properties, start))


def _frequency(policy: Mapping[str, Any], sub_type: SubType) -> Frequency:
    allowed = [f for f in Frequency if sub_type is SubType.ENHANCED or f is not Frequency.HOURLY]
    text = policy.get("scheduleRunFrequency")
    for frequency in allowed:
        if str(text).lower() == frequency.lower():
            return frequency
    raise ValueError(f"scheduleRunFrequency is {text!r}; allowed for {sub_type}: {', '.join(allowed)}")


def _hours(part: Mapping[str, Any], field: str, most: int) -> int:
    value = part.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{field} is {value!r}; allowed: a whole number of hours from 1 to {most}")
    return value


def _days(part: Mapping[str, Any]) -> tuple[int, ...]:
    days = part.get("scheduleRunDays") or []
    if not days:
        raise ValueError("scheduleRunDays is empty; a weekly policy needs at least one weekday")
    return tuple(sorted({parse_weekday(str(day)) for day in days}))


def _option(field: str, text: object) -> int:
    match = _TIME.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{field} is {text!r}; allowed: a date and time such as 2024-01-01T23:30:00Z")
    try:
        return parse_start(match["time"])
    except ValueError as exc:
        raise ValueError(f"{field} is {text!r}: {exc}") from exc


def _oddity(properties: Mapping[str, Any], start: int) -> str:
    """Why a move would change more than the time: retention times that are not the schedule's time."""
    for text in _retention_times(properties.get("retentionPolicy")):
        match = _TIME.fullmatch(str(text))
        if match is None or match["time"] != format_start(start):
            return (
                f"its policy keeps recovery points at {text}, not at its schedule's {format_start(start)}; "
                "Azure wants them equal: save the policy once in the portal"
            )
    return ""


def _retention_times(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "retentionTimes":
                yield from inner or []
            else:
                yield from _retention_times(inner)


def twin_key(properties: Mapping[str, Any]) -> str:
    """Digest of everything in a policy but the time of day.

    SHA-256 of the canonical JSON of the properties without times of day, item count and guard requests.  An absent
    field, null and an object or list without content are the same, and so are a default that is spelled out and one
    that is not (:data:`_DEFAULTS`).  The order of days does not matter; an absent zone is UTC and an absent
    ``policyType`` that of the schedule.  Everything else counts, fields that this program does not know included.
    """
    content = _timeless(properties)
    assert isinstance(content, dict)
    kind = str(mapping(properties.get("schedulePolicy")).get("schedulePolicyType") or "").lower()
    content.setdefault("timeZone", "UTC")
    content.setdefault("policyType", "V2" if SUB_TYPES.get(kind) is SubType.ENHANCED else "V1")
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _timeless(value: object, key: str = "") -> object:
    if isinstance(value, Mapping):
        inner = {name: _timeless(item, name) for name, item in value.items() if name not in _NOT_IN_TWIN_KEY}
        return {name: item for name, item in inner.items() if not _says_nothing(name, item)}
    if isinstance(value, list):
        items = [_timeless(item) for item in value]
        return sorted(items, key=canonical_json) if key in _SETS else items
    return value


def _says_nothing(name: str, value: object) -> bool:
    if value is None or value in ({}, [], ""):
        return True
    # As JSON, because False == 0 in Python.
    return name in _DEFAULTS and canonical_json(_folded(value)) == canonical_json(_DEFAULTS[name])


def _folded(value: object) -> object:
    """A value with text in lower case."""
    if isinstance(value, dict):
        return {name: _folded(item) for name, item in value.items()}
    return value.lower() if isinstance(value, str) else value


def with_start(properties: Mapping[str, Any], option: int) -> dict[str, Any]:
    """Deep copy of a policy's properties with another time of day, and nothing else changed.

    The schedule's time (of an hourly policy: the start of its window) and every retention time are set; dates,
    spelling (``Z`` or ``+00:00``, fractions of a second) and unknown fields stay.

    Parameters
    ----------
    properties
        ARM properties of a VM policy.
    option
        Start option in the policy's own zone, 0 to 47.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(properties))
    for section in ("schedulePolicy", "retentionPolicy"):
        _set_times(changed.get(section), format_start(option))
    return changed


def _set_times(value: object, time: str) -> None:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key not in _TIME_KEYS:
            _set_times(inner, time)
        elif isinstance(inner, list):
            value[key] = [_at(text, time) for text in inner]
        elif inner is not None:
            value[key] = _at(inner, time)


def _at(text: object, time: str) -> object:
    """The same nominal date and time at another time of day."""
    match = _TIME.fullmatch(str(text))
    return text if match is None else match["date"] + time + match["rest"]
