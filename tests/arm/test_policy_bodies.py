"""The planner's reading of the table of bodies that Azure accepts, against recorded answers and by hand."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.arm.policy_bodies import explain_invalid_input, violations
from optimizer.emulator.policies import check_policy
from optimizer.emulator.refusal import Refusal
from optimizer.model import policy_bodies
from optimizer.model.policy_bodies import policy_body_rows

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
AT = "2024-01-01T21:00:00Z"
EVENING = "2024-01-01T19:30:00Z"


def kept(count: Any, unit: str = "Days", at: str = AT, **more: Any) -> dict[str, Any]:
    return {"retentionTimes": [at], "retentionDuration": {"count": count, "durationType": unit}, **more}


def body(schedule: dict[str, Any], retention: dict[str, Any], snapshots: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": copy.deepcopy(schedule),
        "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", **copy.deepcopy(retention)},
        "timeZone": "UTC",
        "instantRpRetentionRangeInDays": snapshots,
        **more,
    }


V1_DAILY = {"schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": "Daily", "scheduleRunTimes": [AT]}
V1_WEEKLY = {**V1_DAILY, "scheduleRunFrequency": "Weekly", "scheduleRunDays": ["Sunday", "Wednesday"]}
V2 = {"schedulePolicyType": "SimpleSchedulePolicyV2"}
V2_DAILY = {**V2, "scheduleRunFrequency": "Daily", "dailySchedule": {"scheduleRunTimes": [AT]}}
V2_WEEKLY = {
    **V2,
    "scheduleRunFrequency": "Weekly",
    "weeklySchedule": {"scheduleRunTimes": [AT], "scheduleRunDays": ["Sunday"]},
}
DAYS = {"dailySchedule": kept(30)}
WEEKS = {"weeklySchedule": kept(4, "Weeks", daysOfTheWeek=["Sunday"])}


def hourly(
    interval: int, duration: int, days: Any = 60, snapshots: Any = None, start: str = EVENING
) -> dict[str, Any]:
    window = {"interval": interval, "scheduleWindowDuration": duration, "scheduleWindowStartTime": start}
    schedule = {**V2, "scheduleRunFrequency": "Hourly", "hourlySchedule": window}
    return body(schedule, {"dailySchedule": kept(days, at=start)}, snapshots)


RECORDED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "azure-sdk-for-go #2822: seconds, an offset, snapshots for 10 days": (
        body(
            {**V1_DAILY, "scheduleRunTimes": ["2019-08-06T19:19:24+08:00"], "scheduleWeeklyFrequency": 0},
            {"dailySchedule": kept(10, at="2019-08-06T19:19:24+08:00")},
            10,
        ),
        {"run time", "times of the retention", "retention of snapshots"},
    ),
    "azure-powershell #9490: three daily points": (body(V1_DAILY, {"dailySchedule": kept(3)}), {"daily retention"}),
    "azure/bicep #1286: no frequency, a time without a date": (
        body({"schedulePolicyType": "SimpleSchedulePolicy"}, {"dailySchedule": kept(7, at="19:00")}),
        {"schedule frequency"},
    ),
    "terraform-azurerm PR #24539: weekly, snapshots for 2 days": (
        body(V1_WEEKLY, WEEKS, 2),
        {"retention of snapshots"},
    ),
    "terraform-azurerm PR #24539: weekly V2, snapshots for 2 days": (
        body(V2_WEEKLY, WEEKS, 2),
        {"retention of snapshots"},
    ),
    "terraform-azurerm #27619: moved to a later hour of today": (
        body(
            {**V1_DAILY, "scheduleRunTimes": ["2026-11-02T23:00:00Z"]},
            {"dailySchedule": kept(7, at="2026-11-02T23:00:00Z")},
            2,
        ),
        {"date"},
    ),
}
"""Bodies that the service answered with 400 BMSUserErrorInvalidPolicyInput, as far as the reports show them."""

REFUSED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "6 daily points": (body(V1_DAILY, {"dailySchedule": kept(6)}), {"daily retention"}),
    "6 daily points, hourly": (hourly(4, 12, 6), {"daily retention"}),
    "10,000 daily points": (body(V2_DAILY, {"dailySchedule": kept(10_000)}), {"daily retention"}),
    "no number of points": (body(V1_DAILY, {"dailySchedule": kept("30")}), {"daily retention"}),
    "an unknown unit": (body(V1_DAILY, {"dailySchedule": kept(30, "Fortnights")}), {"daily retention"}),
    "daily without daily points": (body(V1_DAILY, WEEKS), {"daily retention"}),
    "weekly with daily points": (body(V1_WEEKLY, {**WEEKS, **DAYS}), {"daily retention"}),
    "weekly without weekly points": (body(V1_WEEKLY, {"monthlySchedule": kept(3, "Months")}), {"weekly retention"}),
    "0 monthly points": (body(V1_DAILY, {**DAYS, "monthlySchedule": kept(0, "Months")}), {"monthly retention"}),
    "100 years": (body(V1_DAILY, {**DAYS, "yearlySchedule": kept(100, "Years")}), {"yearly retention"}),
    "weekly V1, snapshots for 4 days": (body(V1_WEEKLY, WEEKS, 4), {"retention of snapshots"}),
    "weekly V2, snapshots for 21 days": (body(V2_WEEKLY, WEEKS, 21), {"retention of snapshots"}),
    "daily V1, snapshots for 6 days": (body(V1_DAILY, DAYS, 6), {"retention of snapshots"}),
    "daily V1, snapshots for 0 days": (body(V1_DAILY, DAYS, 0), {"retention of snapshots"}),
    "daily V2, snapshots for 31 days": (body(V2_DAILY, {"dailySchedule": kept(60)}, 31), {"retention of snapshots"}),
    "daily V2, snapshots longer than the vault": (
        body(V2_DAILY, {"dailySchedule": kept(7)}, 8),
        {"retention of snapshots"},
    ),
    "every 4 h, snapshots for 18 days": (hourly(4, 12, snapshots=18), {"retention of snapshots"}),
    "every 6 h, snapshots for 23 days": (hourly(6, 12, snapshots=23), {"retention of snapshots"}),
    "every 12 h, snapshots for 31 days": (hourly(12, 12, snapshots=31), {"retention of snapshots"}),
    "every 5 h": (hourly(5, 12), {"interval of the hourly schedule"}),
    "a window shorter than its interval": (hourly(12, 8), {"length of the hourly window"}),
    "a window of 25 h": (hourly(4, 25), {"length of the hourly window"}),
    "a window from 20:00": (hourly(4, 12, start="2024-01-01T20:00:00Z"), {"start of the hourly window"}),
    "daily without retention times": (
        body(V1_DAILY, {"dailySchedule": {"retentionDuration": {"count": 30, "durationType": "Days"}}}),
        {"times of the retention"},
    ),
    "points kept at another time": (
        body(V1_DAILY, {"dailySchedule": kept(30, at=EVENING)}),
        {"times of the retention"},
    ),
    "two run times": (body({**V1_DAILY, "scheduleRunTimes": [AT, EVENING]}, DAYS), {"run time"}),
    "a day that does not exist": (
        body({**V1_DAILY, "scheduleRunTimes": ["2023-02-30T21:00:00Z"]}, DAYS),
        {"run time", "times of the retention"},
    ),
    "a weekday that does not exist": (
        body({**V1_WEEKLY, "scheduleRunDays": ["Caturday"]}, WEEKS),
        {"weekdays of the schedule"},
    ),
    "no workload": (body(V1_DAILY, DAYS, backupManagementType=None), {"backupManagementType"}),
}
"""By hand, at least one for each row."""

ACCEPTED: dict[str, dict[str, Any]] = {
    "daily V1": body(V1_DAILY, DAYS, 5),
    "daily V1 without a word on snapshots": body(V1_DAILY, {"dailySchedule": kept(7)}),
    "weekly V1 as Microsoft documents it": body(V1_WEEKLY, WEEKS),
    "weekly V1": body(V1_WEEKLY, WEEKS, 5),
    "weekly V2": body(V2_WEEKLY, WEEKS, 20),
    "daily V2": body(V2_DAILY, DAYS, 30),
    "every 4 h": hourly(4, 24, snapshots=17),
    "every 6 h": hourly(6, 6, snapshots=22),
    "every 8 h": hourly(8, 23, snapshots=30),
    "every 24 h": hourly(24, 24, snapshots=2),
    "every kind of retention": body(
        V1_DAILY,
        {
            "dailySchedule": kept(9999),
            "weeklySchedule": kept(5163, "Weeks", daysOfTheWeek=["Sunday"]),
            "monthlySchedule": kept(1188, "Months"),
            "yearlySchedule": kept(99, "Years"),
        },
    ),
}


@pytest.mark.parametrize(("properties", "names"), [*RECORDED.values(), *REFUSED.values()], ids=[*RECORDED, *REFUSED])
def test_what_azure_refuses_is_found_by_both(properties: dict[str, Any], names: set[str]) -> None:
    """The planner names the rows, and the emulator answers 400 by its own reading of the same table."""
    assert {one.name for one in violations(properties, NOW)} >= names
    with pytest.raises(Refusal, match="BMSUserErrorInvalidPolicyInput"):
        check_policy(properties, NOW)


@pytest.mark.parametrize(("properties", "names"), REFUSED.values(), ids=REFUSED)
def test_nothing_else_is_found(properties: dict[str, Any], names: set[str]) -> None:
    """A body with one fault breaks the rows of that fault only."""
    assert {one.name for one in violations(properties, NOW)} == names


@pytest.mark.parametrize("properties", ACCEPTED.values(), ids=ACCEPTED)
def test_what_azure_accepts_is_accepted_by_both(properties: dict[str, Any]) -> None:
    """No row speaks against ordinary policies, at the limits of each row."""
    assert violations(properties, NOW) == []
    check_policy(properties, NOW)


def test_the_answer_of_the_service_is_explained() -> None:
    """The message for ``BMSUserErrorInvalidPolicyInput`` has row, value, what is allowed and the source."""
    said = explain_invalid_input(body(V1_DAILY, {"dailySchedule": kept(5)}), NOW)
    assert said == (
        "the body that was sent breaks a rule of Azure Backup: daily retention is 5 days; allowed: 7 to 9,999 days, "
        "as Azure has refused fewer than 7 since 2020 (source: azure-powershell #9490 (R); terraform-azurerm #7792, "
        "PR #7898 (C))"
    )
    unknown = explain_invalid_input(body(V1_DAILY, DAYS), NOW)
    assert f"breaks none of the {len(policy_body_rows())} rules of Azure Backup that are known" in unknown
    assert "portal" in unknown


def test_every_row_has_what_its_check_needs() -> None:
    """Name, field, demand and source stand in each row, and limits where its check compares."""
    needs = {"choice": {"allowed"}, "days": {"least", "most"}, "not_longer": {"than"}, "times": {"minutes"}}
    for row in policy_body_rows():
        assert {"name", "check", "field", "demand", "source"} <= row.keys()
        assert needs.get(row["check"], set()) <= row.keys()
        assert row["check"] != "number" or "allowed" in row or {"least", "most"} <= row.keys()
        assert any(mark in row["source"] for mark in ("(M)", "(R)", "(C)", "(U)"))


def test_the_table_lies_in_the_package() -> None:
    """The data file is beside the module that reads it, so that it is part of the wheel."""
    assert Path(policy_bodies.__file__).with_suffix(".toml").is_file()
