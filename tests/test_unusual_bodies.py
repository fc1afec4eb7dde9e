"""One estate with a policy of each unusual kind, through the command line: import, audit, plan and rehearsal."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cases import CASES_END, CaseRun, run_case
from tests.plan.estates import VAULT, item, machine, policy_id

V2 = "SimpleSchedulePolicyV2"
AT = "2019-05-01T23:00:00Z"
TODAY = f"{CASES_END:%Y-%m-%d}T00:30:00Z"
NEXT_WEEK = f"{CASES_END + timedelta(days=7):%Y-%m-%d}T00:30:00Z"
NOT_TIERED = {"ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}}


def daily(at: str = AT, count: int = 30, **more: Any) -> dict[str, Any]:
    """Properties of a Standard daily policy."""
    return {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": [at],
            "scheduleWeeklyFrequency": 0,
        },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": [at],
                "retentionDuration": {"count": count, "durationType": "Days"},
            },
        },
        "instantRpRetentionRangeInDays": 2,
        "timeZone": "UTC",
        **more,
    }


def weekly(snapshots: int) -> dict[str, Any]:
    """Properties of a Standard weekly policy."""
    properties = daily(instantRpRetentionRangeInDays=snapshots)
    properties["schedulePolicy"] |= {"scheduleRunFrequency": "Weekly", "scheduleRunDays": ["Sunday"]}
    kept = properties["retentionPolicy"].pop("dailySchedule")
    duration = {"count": 4, "durationType": "Weeks"}
    properties["retentionPolicy"]["weeklySchedule"] = {
        **kept,
        "daysOfTheWeek": ["Sunday"],
        "retentionDuration": duration,
    }
    return properties


def hourly(interval: int, duration: int, start: str, snapshots: int, *, times: bool = True) -> dict[str, Any]:
    """Properties of an Enhanced hourly policy."""
    at = f"2022-03-01T{start}:00Z"
    kept: dict[str, Any] = {"retentionDuration": {"count": 60, "durationType": "Days"}}
    return {
        "backupManagementType": "AzureIaasVM",
        "policyType": "V2",
        "schedulePolicy": {
            "schedulePolicyType": V2,
            "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {
                "interval": interval,
                "scheduleWindowStartTime": at,
                "scheduleWindowDuration": duration,
            },
        },
        "retentionPolicy": {"dailySchedule": {**kept, **({"retentionTimes": [at]} if times else {})}},
        "instantRpRetentionRangeInDays": snapshots,
        "timeZone": "UTC",
    }


POLICIES: dict[str, dict[str, Any]] = {
    "five-days": daily(count=5),
    "weekly-short": weekly(2),
    "hourly-long": hourly(4, 12, "08:00", 25),
    "today": daily(TODAY, count=31),
    "next-week": daily(NEXT_WEEK, count=32),
    "late-window": hourly(8, 8, "22:00", 2, times=False),
    "every-24": hourly(24, 24, "08:00", 2),
    "around-midnight": hourly(4, 24, "00:00", 2),
    "DefaultPolicy": daily(count=33),
    "tiering": daily(count=34, policyType="V1", tieringPolicy=NOT_TIERED),
    "states": daily(count=35),
}
REFUSED = {
    "five-days": "daily retention",
    "weekly-short": "retention of snapshots",
    "hourly-long": "retention of snapshots",
}


def write_case(folder: Path) -> Path:
    """Write an estate with two VMs in each policy, one of them busy at night."""
    items = [item(f"{name}-{number}".lower(), name) for name in POLICIES for number in range(2)]
    by_name = {one["properties"]["sourceResourceId"].rpartition("/")[2]: one["properties"] for one in items}
    by_name["states-0"]["protectionState"] = "ProtectionError"
    by_name["states-1"].pop("protectionState", None)
    for name, properties in by_name.items():
        if name.endswith("-0"):
            properties.pop("containerName", None)
        else:
            properties["containerName"] = f"iaasvmcontainerv2;rg-app;{name}"
    content = {
        "vaults": [{"id": VAULT, "name": "rsv-one", "location": "westeurope"}],
        "policies": [
            {"id": policy_id(name), "name": name, "properties": properties} for name, properties in POLICIES.items()
        ],
        "protected_items": items,
        "vms": [machine(name) for name in by_name],
    }
    path = folder / "case.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> CaseRun:
    """Return what the commands make of the estate."""
    folder = tmp_path_factory.mktemp("bodies")
    return run_case(write_case(folder), folder / "run", effort=1)


def test_every_command_succeeds(found: CaseRun) -> None:
    """Nothing that the emulator changes by itself is a finding, and the way back leads to the beginning."""
    assert found.codes == {"import": 0, "audit": 0, "plan": 0, "rehearse": 0}, found.errors
    assert found.rehearsal["flawless"], found.rehearsal


def test_vms_of_refused_bodies_are_counted_and_never_written(found: CaseRun) -> None:
    """Audit and plan report them with the reason, and every other VM may move."""
    reasons = {row["vm"].rpartition("/")[2]: row["reason"] for row in found.audit["unwritable"]}
    expected = {f"{name}-{number}" for name in REFUSED for number in range(2)} | {"states-0"}
    assert found.audit["totals"]["vms"] == 2 * len(POLICIES)
    assert reasons.keys() == expected
    assert reasons["states-0"].startswith("protection reports an error")
    for name, what in REFUSED.items():
        start = f"Azure refuses its policy when it is created or changed: {what} is "
        assert reasons[f"{name}-0"].startswith(start)
        assert any(f"2 VMs on policy {name!r}" in note and "never written" in note for note in found.plan["notes"])
    written = {
        change["vm"].rpartition("/")[2] for change in found.plan["changes"] if change["kind"] == "reassign_item"
    }
    assert not expected & written


def test_policies_that_cannot_be_put_back_are_cloned(found: CaseRun) -> None:
    """No default policy is edited, nor one whose date is not past or whose window starts late; clones are past."""
    edited = {change["policy"] for change in found.plan["changes"] if change["kind"] == "edit_policy"}
    assert not edited & {"DefaultPolicy", "today", "next-week", "late-window"}
    created = [change for change in found.plan["changes"] if change["kind"] == "create_policy"]
    assert {"today", "next-week"} <= {change["twin_of"] for change in created}
    dates = re.findall(r"(\d{4}-\d\d-\d\d)T", json.dumps(created))
    assert dates
    assert max(dates) <= f"{CASES_END - timedelta(days=2):%Y-%m-%d}"


def test_an_hourly_policy_uses_the_whole_evening(found: CaseRun) -> None:
    """The window of 24 hours that starts at midnight finds a better start, and no window starts after 19:30."""
    rows = {row["vm"].rpartition("/")[2]: row for row in found.plan["schedule"]}
    assert rows["around-midnight-0"]["start"] != "00:00"
    hourly_rows = [row for row in rows.values() if row["frequency"] == "Hourly" and row["start"] != row["start_today"]]
    assert hourly_rows
    assert all(row["start"] <= "19:30" for row in hourly_rows)


def test_a_refused_body_is_told_once(found: CaseRun) -> None:
    """One note for each reason: with the policy, its vault, the number of VMs, and what to do."""
    told = [note for note in found.plan["notes"] if "Azure refuses" in note]
    assert len(told) == len(REFUSED)
    assert all("Correct the policy in the portal, then read the estate again" in note for note in told)
    assert [note for note in found.audit["notes"] if "Azure refuses" in note] == told
