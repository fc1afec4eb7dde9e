"""Content of policies, the names and bodies that the service accepts, and how it writes policies."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optimizer.emulator.policy_table import ENHANCED, MOMENT, STANDARD, is_accepted
from optimizer.emulator.refusal import invalid_policy
from optimizer.model.caseless import Caseless
from optimizer.model.raw import mapping, word

_NAME = re.compile(r"[a-zA-Z][-_!a-zA-Z0-9]{2,149}")
_KEPT = ("daily", "weekly", "monthly", "yearly")
"""Kinds of recovery points with their own retention."""

_DAYS = {Caseless("Days"): 1, Caseless("Weeks"): 7, Caseless("Months"): 30, Caseless("Years"): 365}
"""Days per unit of a retention; months and years are rounded, which is enough to compare retentions."""


def sub_type(properties: Mapping[str, Any]) -> str:
    """Sub-type of a VM policy by its schedule, because ``policyType`` may be absent; empty for other policies."""
    kind = word(mapping(properties.get("schedulePolicy")).get("schedulePolicyType")).key
    return kind if kind in {STANDARD, ENHANCED} else ""


def frequency(properties: Mapping[str, Any]) -> str:
    """``daily``, ``weekly`` or ``hourly``; any other stated frequency is returned in lower case."""
    return word(mapping(properties.get("schedulePolicy")).get("scheduleRunFrequency")).key


def schedule_part(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a schedule that contains its times and days."""
    schedule = properties.get("schedulePolicy") or {}
    if sub_type(properties) == ENHANCED:
        return schedule.get(f"{frequency(properties)}Schedule") or {}
    return schedule


def run_time(properties: Mapping[str, Any]) -> str:
    """``HH:MM`` of the first run of an accepted policy."""
    part = schedule_part(properties)
    text = part.get("scheduleWindowStartTime") if frequency(properties) == "hourly" else part["scheduleRunTimes"][0]
    match = MOMENT.fullmatch(str(text))
    assert match is not None
    return f"{match[2]}:{match[3]}"


def check_name(name: str) -> None:
    """Refuse a name that a new policy must not have.

    Raises
    ------
    Refusal
        400.
    """
    if not _NAME.fullmatch(name):
        raise invalid_policy()


def check_policy(properties: Mapping[str, Any], now: datetime) -> None:
    """Refuse a VM policy that does not have the proper format.

    Parameters
    ----------
    properties
        ARM properties as they were sent.
    now
        Present time; every date and time in the properties must be before it.

    Raises
    ------
    Refusal
        400, with a message that does not state the reason, like that of the real service.
    """
    try:
        fine = bool(sub_type(properties)) and is_accepted(properties, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        fine = False
    if not fine:
        raise invalid_policy()


def kept_days(properties: Mapping[str, Any]) -> dict[str, int]:
    """Number of days for which daily, weekly, monthly and yearly points are kept, for the kinds that are kept."""
    schedules = mapping(properties.get("retentionPolicy"))
    lengths = {name: mapping(schedules.get(f"{name}Schedule")).get("retentionDuration") for name in _KEPT}
    return {
        name: int(length["count"]) * _DAYS.get(word(length["durationType"]), 1)
        for name, length in lengths.items()
        if length
    }


def keeps_less(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether any kind of recovery point is kept for a shorter time than before."""
    now = kept_days(after)
    return any(now.get(name, 0) < days for name, days in kept_days(before).items())


def tidied(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A policy completed and spelled as in recorded answers."""
    changed: dict[str, Any] = copy.deepcopy(dict(properties))
    if sub_type(changed) == STANDARD:
        changed["schedulePolicy"].setdefault("scheduleWeeklyFrequency", 0)
    changed.setdefault("policyType", "V2" if sub_type(changed) == ENHANCED else "V1")
    not_tiered = {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}
    changed.setdefault("tieringPolicy", {"ArchivedRP": not_tiered})
    _drop_fractions(changed)
    return changed


def _drop_fractions(value: Any) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in list(pairs):
        if isinstance(inner, dict | list):
            _drop_fractions(inner)
        elif isinstance(inner, str) and MOMENT.fullmatch(inner):
            value[name] = re.sub(r"\.0+(?=Z|[+-]|$)", "", inner)
