"""The table of policy bodies, as the emulator reads it; its agreement with the planner is in test_agreement.py."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from optimizer.emulator.policy_table import is_accepted
from tests.emulator.cloud import NOW, properties_of
from tests.plan.estates import hourly_policy

DAILY = properties_of("p", "21:00")
HOURLY = hourly_policy("p", "08:00", 0)["properties"]


def changed(properties: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a policy with another value at a path."""
    copied = copy.deepcopy(properties)
    *steps, last = path.split(".")
    target: Any = copied
    for step in steps:
        target = target[step]
    target[last] = value
    return copied


def test_plain_policies_are_accepted() -> None:
    """A daily and an hourly policy as Azure returns them."""
    assert is_accepted(DAILY, NOW) and is_accepted(HOURLY, NOW)


@pytest.mark.parametrize(
    ("properties", "path", "value"),
    [
        (DAILY, "instantRpRetentionRangeInDays", 6),
        (DAILY, "instantRpRetentionRangeInDays", True),
        (DAILY, "retentionPolicy.dailySchedule.retentionDuration.count", 6),
        (DAILY, "retentionPolicy.dailySchedule.retentionTimes", ["2019-05-01T22:00:00Z"]),
        (HOURLY, "schedulePolicy.hourlySchedule.interval", 5),
        (HOURLY, "schedulePolicy.hourlySchedule.scheduleWindowStartTime", "2022-03-01T20:00:00+00:00"),
    ],
)
def test_a_value_outside_the_table_is_refused(properties: dict[str, Any], path: str, value: Any) -> None:
    """Each kind of check refuses what is not allowed; true is not a number."""
    assert not is_accepted(changed(properties, path, value), NOW)


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("schedulePolicy", None, TypeError),
        ("schedulePolicy.scheduleRunTimes", ["nine o'clock"], ValueError),
        ("schedulePolicy.scheduleRunTimes", ["2019-02-30T21:00:00Z"], ValueError),
        ("retentionPolicy.dailySchedule.retentionDuration", {"count": "7", "durationType": "Days"}, TypeError),
        ("retentionPolicy.dailySchedule.retentionDuration", {"count": 7, "durationType": "Moons"}, KeyError),
    ],
)
def test_an_unreadable_body_raises(path: str, value: Any, error: type[Exception]) -> None:
    """The caller treats these errors as a refusal."""
    with pytest.raises(error):
        is_accepted(changed(DAILY, path, value), NOW)


def test_times_must_be_past_in_both_readings() -> None:
    """A time in two hours is refused; in the zone of Tokyo, nine hours ahead of UTC, the reading as UTC decides."""
    soon = f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:00:00Z}"
    properties = changed(DAILY, "schedulePolicy.scheduleRunTimes", [soon])
    properties = changed(properties, "retentionPolicy.dailySchedule.retentionTimes", [soon])
    for zone in ("UTC", "Tokyo Standard Time"):
        properties["timeZone"] = zone
        assert not is_accepted(properties, NOW)
        assert is_accepted(properties, NOW + timedelta(hours=3))
