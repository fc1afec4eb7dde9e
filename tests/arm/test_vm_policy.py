"""A policy's time can change and nothing else; twins are policies that differ in their time alone."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.arm.policy_bodies import violations
from optimizer.arm.vm_policy import read_schedule, twin_key, with_start
from optimizer.model.inventory import SubType
from optimizer.model.timegrid import NUM_OPTIONS, WEEKDAYS, Frequency, format_start

PAYLOADS = Path(__file__).parents[3] / "shared" / "azure-payloads"
needs_payloads = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the shared payloads are not beside this checkout")

TIME_KEYS = {"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"}
OPTIONS = st.integers(0, NUM_OPTIONS - 1)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """VM policies of each sub-type and frequency, in each spelling of times, with fields nobody knows."""
    frequency = draw(st.sampled_from(list(Frequency)))
    enhanced = frequency is Frequency.HOURLY or draw(st.booleans())
    spelling = draw(st.sampled_from(["Z", ":00Z", ":00+00:00", ":00.000Z", ":00.0000000Z"]))
    time = f"2024-02-29T{format_start(draw(OPTIONS))}{spelling}"
    days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True))
    schedule: dict[str, Any] = {"scheduleRunTimes": [time]}
    if frequency is Frequency.WEEKLY:
        schedule["scheduleRunDays"] = days
    if frequency is Frequency.HOURLY:
        schedule = {"interval": 4, "scheduleWindowDuration": 12, "scheduleWindowStartTime": time}
    retention: dict[str, Any] = {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "dailySchedule": {
            "retentionTimes": [time],
            "retentionDuration": {"count": draw(st.integers(7, 90)), "durationType": "Days"},
        },
    }
    if draw(st.booleans()):
        retention["monthlySchedule"] = {
            "retentionScheduleFormatType": "Weekly",
            "retentionScheduleDaily": None,
            "retentionScheduleWeekly": {"daysOfTheWeek": days, "weeksOfTheMonth": ["First", "Last"]},
            "retentionTimes": [time],
            "retentionDuration": {"count": 12, "durationType": "Months"},
        }
    properties: dict[str, Any] = {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2" if enhanced else "SimpleSchedulePolicy",
            "scheduleRunFrequency": str(frequency),
            **({f"{frequency.lower()}Schedule": schedule} if enhanced else schedule),
        },
        "retentionPolicy": retention,
        "instantRpRetentionRangeInDays": draw(st.integers(1, 5)),
        "protectedItemsCount": draw(st.integers(0, 100)),
    }
    optional = {
        "policyType": "V2" if enhanced else "V1",
        "timeZone": draw(st.sampled_from(["UTC", "India Standard Time"])),
        "tieringPolicy": {"ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}},
        "instantRPDetails": {"azureBackupRGNamePrefix": "rg-"},
        "someFieldOfTheFuture": {"nested": [3, {"deep": True}], "time": "2024-01-01T12:34:56Z"},
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    return properties | {name: optional[name] for name in sorted(chosen)}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in _leaves(inner, (*path, index))]
    return [(path, value)]


@given(policies(), OPTIONS)
def test_new_start_changes_times_of_day_only(properties: dict[str, Any], option: int) -> None:
    """Every scheduled and retention time gets the new hour; every other byte, and the original, stay."""
    original = copy.deepcopy(properties)
    changed = with_start(properties, option)
    assert properties == original
    for (path, before), (same_path, after) in zip(_leaves(properties), _leaves(changed), strict=True):
        assert path == same_path
        if TIME_KEYS & set(path):
            assert after == before[:11] + format_start(option) + before[16:]
        else:
            assert after == before
    assert read_schedule(changed).start == option
    assert with_start(changed, read_schedule(properties).start) == properties


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2019-05-01", "2019-05-01"),
        ("2026-11-18", "2026-11-18"),
        ("2026-11-19", "2026-11-18"),
        ("2026-11-20", "2026-11-18"),
        ("2026-11-27", "2026-11-18"),
        ("2031-01-01", "2026-11-18"),
    ],
)
def test_a_date_that_is_not_past_is_put_into_the_past(date: str, expected: str) -> None:
    """Two days before the estate was taken every time of day is past in every zone; older dates stay."""
    as_of = datetime(2026, 11, 20, 12, tzinfo=UTC)
    times = [f"{date}T00:30:00Z"]
    kept = {"retentionTimes": times, "retentionDuration": {"count": 30, "durationType": "Days"}}
    policy = {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": times,
        },
        "retentionPolicy": {"dailySchedule": kept},
    }
    changed = with_start(policy, 47, as_of)
    assert changed["schedulePolicy"]["scheduleRunTimes"] == [f"{expected}T23:30:00Z"]
    assert changed["retentionPolicy"]["dailySchedule"]["retentionTimes"] == [f"{expected}T23:30:00Z"]
    assert with_start(policy, 47)["schedulePolicy"]["scheduleRunTimes"] == [f"{date}T23:30:00Z"]
    assert read_schedule(policy, as_of).one_way == (date >= "2026-11-20")
    assert not read_schedule(policy).one_way
    assert read_schedule(policy, as_of).refused == ""


@given(policies(), OPTIONS)
def test_new_start_never_changes_the_twin_key(properties: dict[str, Any], option: int) -> None:
    """The same policy at another time is a twin."""
    assert twin_key(with_start(properties, option)) == twin_key(properties)


@given(policies(), st.data())
def test_any_other_change_changes_the_twin_key(properties: dict[str, Any], data: st.DataObject) -> None:
    """Whatever leaf is changed, known or unknown, the policies are no longer twins."""
    leaves = [
        (path, value)
        for path, value in _leaves(properties)
        if not TIME_KEYS & set(path) and path[0] != "protectedItemsCount" and value is not None
    ]
    path, value = data.draw(st.sampled_from(leaves))
    other = data.draw(st.one_of(st.text(), st.integers(), st.booleans()))
    assume(json.dumps(other) != json.dumps(value))
    changed = copy.deepcopy(properties)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other
    # What is absent has a meaning of its own that may be spelled out.
    assume(not (path == ("timeZone",) and {value, other or "UTC"} == {"UTC"}))
    assert twin_key(changed) != twin_key(properties)


@given(policies())
def test_spelling_does_not_change_the_twin_key(properties: dict[str, Any]) -> None:
    """Null and absent, the order of days and of fields, and what Azure fills in are no difference."""
    other = json.loads(json.dumps(properties, sort_keys=True))
    other["snapshotConsistencyType"] = None
    other["protectedItemsCount"] = 17
    other.setdefault("timeZone", "UTC")
    enhanced = properties["schedulePolicy"]["schedulePolicyType"] == "SimpleSchedulePolicyV2"
    other.setdefault("policyType", "V2" if enhanced else "V1")
    for part in (other["schedulePolicy"], other["schedulePolicy"].get("weeklySchedule", {})):
        if "scheduleRunDays" in part:
            part["scheduleRunDays"] = part["scheduleRunDays"][::-1]
    assert twin_key(other) == twin_key(properties)


SPELLED_OUT: list[dict[str, Any]] = [
    {"tieringPolicy": {"ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}}},
    {"tieringPolicy": {"ArchivedRP": {"tieringMode": "donottier", "duration": 0, "durationType": "INVALID"}}},
    {"tieringPolicy": {}},
    {"tieringPolicy": None},
    {"instantRPDetails": {"azureBackupRGNamePrefix": "", "azureBackupRGNameSuffix": None}},
    {"instantAccessSnapshotEnabled": False, "instantAccessDurationMinutes": 0},
    {"resourceGuardOperationRequests": []},
    {"snapshotConsistencyType": ""},
]


@pytest.mark.parametrize("more", SPELLED_OUT)
@given(policies())
def test_a_default_that_is_spelled_out_is_no_difference(more: dict[str, Any], properties: dict[str, Any]) -> None:
    """Today's answers write out what older ones leave out: the policies stay twins."""
    plain = {key: value for key, value in properties.items() if key not in more}
    assert twin_key({**plain, **copy.deepcopy(more)}) == twin_key(plain)


def test_a_day_of_the_month_that_is_not_the_last_may_say_so() -> None:
    """``isLast`` is false where it is absent; the last day of a month is another day."""

    def monthly(**more: bool) -> dict[str, Any]:
        days = {"retentionScheduleDaily": {"daysOfTheMonth": [{"date": 1, **more}]}}
        return {"retentionPolicy": {"monthlySchedule": {"retentionScheduleFormatType": "Daily", **days}}}

    assert twin_key(monthly(isLast=False)) == twin_key(monthly())
    assert twin_key(monthly(isLast=True)) != twin_key(monthly())


@given(policies())
def test_the_weekly_frequency_that_the_service_adds_is_no_difference(properties: dict[str, Any]) -> None:
    """A policy that was sent without ``scheduleWeeklyFrequency`` comes back with 0."""
    schedule = properties["schedulePolicy"]
    plain = {key: value for key, value in schedule.items() if key != "scheduleWeeklyFrequency"}
    with_it = {**properties, "schedulePolicy": {**plain, "scheduleWeeklyFrequency": 0}}
    assert twin_key(with_it) == twin_key({**properties, "schedulePolicy": plain})


@pytest.mark.parametrize(
    "more",
    [
        {"tieringPolicy": {"ArchivedRP": {"tieringMode": "TierAfter", "duration": 3, "durationType": "Months"}}},
        {
            "tieringPolicy": {
                "ArchivedRP": {"tieringMode": "TierRecommended", "duration": 0, "durationType": "Invalid"}
            }
        },
        {"instantAccessSnapshotEnabled": True, "instantAccessDurationMinutes": 60},
        {"snapshotConsistencyType": "OnlyCrashConsistent"},
        {"instantRPDetails": {"azureBackupRGNamePrefix": "rg-"}},
    ],
)
@given(policies())
def test_what_is_no_default_is_a_difference(more: dict[str, Any], properties: dict[str, Any]) -> None:
    """Tiering, instant access, another consistency and other resource groups make policies differ."""
    plain = {key: value for key, value in properties.items() if key not in more}
    assert twin_key({**plain, **more}) != twin_key(plain)


def test_order_of_unknown_lists_counts() -> None:
    """Only lists that are known to be sets may be reordered."""
    base = {"schedulePolicy": {}, "unknown": [1, 2]}
    assert twin_key(base) != twin_key({"schedulePolicy": {}, "unknown": [2, 1]})


def _payload(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PAYLOADS / name).read_text(encoding="utf-8"))["properties"]
    return content


@needs_payloads
@pytest.mark.parametrize(
    ("name", "sub_type", "frequency", "start", "zone", "refused"),
    [
        ("policy-v1-daily.recorded.json", SubType.STANDARD, Frequency.DAILY, "20:00", "UTC", ()),
        ("policy-v1-daily.put-request.recorded.json", SubType.STANDARD, Frequency.DAILY, "20:00", "UTC", ()),
        (
            "policy-v1-weekly.response.msdocs.json",
            SubType.STANDARD,
            Frequency.WEEKLY,
            "10:00",
            "Pacific Standard Time",
            (),
        ),
        (
            "policy-v2-daily-no-policytype.response.swagger.json",
            SubType.ENHANCED,
            Frequency.DAILY,
            "10:00",
            "Pacific Standard Time",
            ("times of the retention", "daily retention"),
        ),
        (
            "policy-v2-daily.response.swagger.json",
            SubType.ENHANCED,
            Frequency.DAILY,
            "10:00",
            "India Standard Time",
            ("times of the retention",),
        ),
        (
            "policy-v2-hourly.response.swagger.json",
            SubType.ENHANCED,
            Frequency.HOURLY,
            "08:00",
            "India Standard Time",
            ("retention of snapshots",),
        ),
        (
            "policy-v2-weekly.constructed.json",
            SubType.ENHANCED,
            Frequency.WEEKLY,
            "22:30",
            "W. Europe Standard Time",
            (),
        ),
    ],
)
def test_payloads_of_azure_are_read(
    name: str, sub_type: SubType, frequency: Frequency, start: str, zone: str, refused: tuple[str, ...]
) -> None:
    """Sub-type, frequency and nominal time of each documented policy; the samples of Swagger are not accepted."""
    schedule = read_schedule(_payload(name))
    assert (schedule.sub_type, schedule.recurrence.frequency) == (sub_type, frequency)
    assert (format_start(schedule.start), schedule.timezone) == (start, zone)
    assert tuple(one.name for one in violations(_payload(name))) == refused
    assert bool(schedule.refused) == bool(refused)


@needs_payloads
def test_hourly_window_and_days_of_payloads() -> None:
    """Interval, length of the window and weekdays are taken as they stand."""
    hourly = read_schedule(_payload("policy-v2-hourly.response.swagger.json")).recurrence
    assert (hourly.interval_hours, hourly.duration_hours) == (4, 16)
    weekly = read_schedule(_payload("policy-v1-weekly.response.msdocs.json")).recurrence
    assert [WEEKDAYS[day] for day in weekly.days] == ["Monday", "Wednesday", "Thursday"]


@needs_payloads
@pytest.mark.parametrize("name", ["policy-v2-hourly.response.swagger.json", "policy-v1-weekly.response.msdocs.json"])
def test_body_with_new_start_keeps_its_spelling(name: str) -> None:
    """``Z`` stays ``Z``, ``+00:00`` stays ``+00:00``, and only five characters of each time change."""
    before = json.dumps(_payload(name))
    after = json.dumps(with_start(_payload(name), 3))
    old = "08:00:00" if "hourly" in name else "10:00:00"
    assert after == before.replace(f"T{old}", "T01:30:00")
    assert after != before


V1 = {"schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": "Daily"}
V2 = {"schedulePolicyType": "SimpleSchedulePolicyV2", "scheduleRunFrequency": "Hourly"}


@pytest.mark.parametrize(
    ("schedule", "zone", "message"),
    [
        (V1 | {"scheduleRunTimes": ["2024-01-01T23:10:00Z"]}, "UTC", "scheduleRunTimes is '2024-01-01T23:10:00Z'"),
        (V1 | {"scheduleRunTimes": ["2024-01-01T23:00:30Z"]}, "UTC", "scheduleRunTimes is '2024-01-01T23:00:30Z'"),
        (V1 | {"scheduleRunTimes": ["2024-01-01T23:00:00+02:00"]}, "UTC", "allowed: a date and time such as"),
        (V1 | {"scheduleRunTimes": ["2024-01-01T01:00Z", "2024-01-01T02:00Z"]}, "UTC", "holds 2 times .*exactly one"),
        (V1 | {"scheduleRunTimes": []}, "UTC", "holds 0 times"),
        (V1 | {"scheduleRunTimes": ["2024-01-01T23:00:00Z"]}, "Mars", "'Mars' is not a time zone"),
        (V1 | {"scheduleRunFrequency": "Hourly"}, "UTC", "'Hourly'; allowed for Standard: Daily, Weekly"),
        (V1 | {"scheduleRunFrequency": "Weekly"}, "UTC", "scheduleRunDays is empty"),
        (V2 | {"hourlySchedule": {"interval": 0}}, "UTC", "interval is 0; allowed: .* from 1 to 24"),
        (V2 | {"hourlySchedule": {"interval": 4, "scheduleWindowDuration": None}}, "UTC", "Duration is None"),
    ],
)
def test_schedules_that_azure_refuses_are_named(schedule: dict[str, Any], zone: str, message: str) -> None:
    """The message says which field, which value and what is allowed."""
    with pytest.raises(ValueError, match=message):
        read_schedule({"schedulePolicy": schedule, "timeZone": zone})
