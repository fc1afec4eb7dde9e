"""Raw jobs become rows: two formats of durations, dates that mean never, VMs by container, codes with a name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.arm.azure_times import parse_duration, parse_time
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.intake.pull.job_slots import add_scheduled, find_slot
from optimizer.intake.pull.raw_jobs import (
    BACKUP,
    NAMELESS,
    ON_DEMAND_BACKUP,
    SEVERAL,
    STRANGER,
    UNREADABLE,
    JobReader,
    learn_error_titles,
    logged_jobs,
    merge_jobs,
    to_frame,
)
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, Policy, ProtectedItem, SubType
from optimizer.model.job_owners import JobOwners
from optimizer.model.timegrid import Frequency, Recurrence, parse_start

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
VAULT = ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-b/providers/Microsoft.RecoveryServices/vaults/v-1")
VM = ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-App/providers/Microsoft.Compute/virtualMachines/VM-01")
ITEM = ProtectedItem(
    f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;iaasvmcontainerv2;rg-app;vm-01/protectedItems/x",
    VM,
    f"{VAULT}/backupPolicies/p",
    VAULT,
)
READER = JobReader({VM: str(VM)}, JobOwners.of([ITEM]))
START = "2026-11-20T22:31:02.1234567Z"
BEGUN = datetime(2026, 11, 20, 22, 31, 2, 123456, tzinfo=UTC)


def _job(**properties: Any) -> dict[str, Any]:
    usual = {
        "jobType": "AzureIaaSVMJob",
        "containerName": "iaasvmcontainerv2;rg-app;vm-01",
        "operation": "Backup",
        "status": "Completed",
        "startTime": START,
        "duration": "PT30M",
    }
    return {"id": VAULT + "/backupJobs/1", "properties": usual | properties}


def _row(**properties: Any) -> dict[str, Any]:
    rows = READER.read(VAULT, [_job(**properties)])
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT12.5800561S", 12.5800561),
        ("PT42M7.5S", 2527.5),
        ("P1DT2H", 93600),
        ("00:20:23.0896697", 1223.0896697),
        ("1.02:03:04.5", 93784.5),
        ("P", None),
        ("", None),
        (None, None),
        ("soon", None),
    ],
)
def test_durations_in_both_formats(text: str | None, seconds: float | None) -> None:
    """ISO 8601 as recordings have it, .NET as the documentation has it, and nothing else."""
    length = parse_duration(text)
    assert (None if length is None else length.total_seconds()) == (
        None if seconds is None else pytest.approx(seconds)
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (START, BEGUN),
        ("2026-11-20T23:31:02+01:00", datetime(2026, 11, 20, 22, 31, 2, tzinfo=UTC)),
        ("2026-11-20T22:31:02", datetime(2026, 11, 20, 22, 31, 2, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("2001-01-01T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        (None, None),
    ],
)
def test_dates_that_mean_never(text: str | None, instant: datetime | None) -> None:
    """Sentinel dates are no dates; tenths of microseconds and absent zones are read."""
    assert parse_time(text) == instant


def test_job_is_joined_to_its_vm_whatever_the_case() -> None:
    """A job names its VM by resource group and name; the estate's spelling is kept."""
    assert _row(jobType="AzureIaasVMJob")["vm"] == VM
    assert _row(containerName="IaasVMContainer;IAASVMCONTAINERV2;RG-APP;VM-01")["vm"] == VM


def test_jobs_without_a_certain_vm_are_counted() -> None:
    """A job is left out, and counted by reason, where it names no VM, one that is not there, or several."""
    other = VM.replace("RG-App", "RG-Other")
    twin = ProtectedItem(ITEM.id.replace("rg-app", "rg-other"), other, ITEM.policy_id, VAULT)
    one, two = (JobReader({}, JobOwners.of(items)) for items in ([ITEM], [ITEM, twin]))
    named = {"containerName": None, "entityFriendlyName": "vm-01"}
    assert [row["vm"] for row in one.read(VAULT, [_job(**named)])] == [VM]
    assert two.read(VAULT, [_job(**named)]) == []
    strange = [_job(containerName="iaasvmcontainerv2;rg-app;gone"), _job(containerName="iaasvmcontainerv2;rg-x;vm-01")]
    assert one.read(VAULT, strange) == []
    broken = [_job(containerName=7), _job(startTime=None), {"id": "x"}, None, _job(status="InProgress")]
    assert one.read(VAULT, broken) == []  # type: ignore[arg-type]  # what a service might answer
    assert one.unassigned == {STRANGER: 2, NAMELESS: 1, UNREADABLE: 3}
    assert two.unassigned == {SEVERAL: 1}


def test_a_job_belongs_to_a_vm_of_its_own_vault() -> None:
    """Container and name count within a vault only, and the VM may be in another subscription than the vault."""
    elsewhere = VM.replace(SUBSCRIPTION, "99999999-2222-4333-8444-555555555555")
    item = ProtectedItem(ITEM.id, elsewhere, ITEM.policy_id, VAULT)
    owners = JobOwners.of([item])
    for names in ({"containerName": "iaasvmcontainerv2;rg-app;vm-01"}, {"entityFriendlyName": "VM-01"}):
        assert owners.find(ArmId(VAULT.upper()), names).vm == elsewhere
        assert not owners.find(ArmId(VAULT + "-2"), names).vms


def test_end_is_the_start_and_the_duration_where_no_end_is_told() -> None:
    """The end time goes before the duration; a sentinel end is none."""
    assert _row()["end"] == BEGUN + timedelta(minutes=30)
    assert _row(endTime="0001-01-01T00:00:00", duration="00:20:00")["end"] == BEGUN + timedelta(minutes=20)
    assert _row(endTime="2026-11-20T23:00:00Z")["end"] == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert _row(duration=None)["end"] is None


def test_running_job_is_left_for_the_next_pull() -> None:
    """Stored while it runs, a job would be there twice once it has ended."""
    assert READER.read(VAULT, [_job(status="InProgress"), _job(status="Cancelling")]) == []


def test_on_demand_backups_are_told_apart() -> None:
    """What a person started says nothing about the schedule; other operations keep their names."""
    assert _row(isUserTriggered=True)["operation"] == ON_DEMAND_BACKUP
    assert _row(isUserTriggered=False)["operation"] == BACKUP == _row()["operation"]
    assert _row(operation="Restore", isUserTriggered=True)["operation"] == "Restore"


def test_error_has_a_name_where_one_is_known() -> None:
    """The title where it is a code, else the name that an item's health gives the number, else the number."""
    details = [{"errorCode": 400000, "errorTitle": "GuestAgentSnapshotTaskStatusError"}]
    assert _row(status="Failed", errorDetails=details)["error_code"] == "GuestAgentSnapshotTaskStatusError"
    prose = [{"errorCode": 400158, "errorTitle": "The job was cancelled."}]
    assert _row(status="Failed", errorDetails=prose)["error_code"] == "400158"
    health = {"code": 400158, "title": "UserErrorJobSuccessfullyCancelled"}
    items = [{"properties": {"kpisHealths": {"BackupOperationStatusKPI": {"resourceHealthDetails": [health]}}}}, {}]
    reader = JobReader(READER.spelling, READER.owners, learn_error_titles(items))
    rows = reader.read(VAULT, [_job(status="Failed", errorDetails=prose)])
    assert rows[0]["error_code"] == "UserErrorJobSuccessfullyCancelled"
    assert _row(errorDetails=details)["error_code"] is None, "a completed job has no error"
    assert _row(status="Failed")["error_code"] is None


def _logged(**values: Any) -> dict[str, Any]:
    usual = {
        "_ResourceId": VAULT.lower(),
        "BackupItemUniqueId": "weu;1;vm;iaasvmcontainerv2;rg-app;vm-01",
        "BackupItemFriendlyName": "vm-01",
        "AdhocOrScheduledJob": "Scheduled",
        "JobStartDateTime": "2026-11-20T22:31:30+00:00",
        "JobDurationInSecs": 60.0,
        "JobStatus": "Failed",
        "JobFailureCode": "UserErrorGuestAgentStatusUnavailable",
    }
    return usual | values


def test_workspace_fills_in_jobs_and_names_of_errors() -> None:
    """A job that both know keeps the vault's figures and gets the workspace's name of the error; others are added."""
    vaults = {VAULT: VAULT}
    rows = [
        _logged(),
        _logged(
            JobStartDateTime="2026-11-01T22:31:30+00:00", BackupItemUniqueId="opaque", AdhocOrScheduledJob="Adhoc"
        ),
        _logged(BackupItemUniqueId="opaque", BackupItemFriendlyName="stranger"),
        _logged(_ResourceId="/subscriptions/x"),
    ]
    logged = logged_jobs(rows, READER, vaults)
    assert [row["vm"] for row in logged] == [VM, VM]
    listed = READER.read(VAULT, [_job(status="Failed", errorDetails=[{"errorCode": 1, "errorTitle": ""}])])
    merged = merge_jobs(listed, logged)
    assert [(row["start"], row["error_code"], row["operation"]) for row in merged] == [
        (BEGUN, "UserErrorGuestAgentStatusUnavailable", BACKUP),
        (datetime(2026, 11, 1, 22, 31, 30, tzinfo=UTC), "UserErrorGuestAgentStatusUnavailable", ON_DEMAND_BACKUP),
    ]
    assert dict(to_frame(merged).schema) == JOB_SCHEMA


def _policy(start: str, zone: str = "UTC", recurrence: Recurrence | None = None) -> Policy:
    return Policy(
        VAULT + "/backupPolicies/p", "p", VAULT, SubType.STANDARD, recurrence or Recurrence(Frequency.DAILY),
        parse_start(start), zone, "key", {},
    )  # fmt: skip


def test_slot_of_a_job() -> None:
    """The time of the policy in the two hours before the job, over midnight and by the policy's own clock."""
    assert find_slot(_policy("22:30"), BEGUN) == datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
    assert find_slot(_policy("23:30", "W. Europe Standard Time"), BEGUN) == datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
    assert find_slot(_policy("22:30"), datetime(2026, 11, 21, 0, 29, tzinfo=UTC)) == datetime(
        2026, 11, 20, 22, 30, tzinfo=UTC
    )
    assert find_slot(_policy("20:30"), BEGUN) is None
    weekly = Recurrence(Frequency.WEEKLY, days=(6,))
    assert find_slot(_policy("22:30", recurrence=weekly), BEGUN) is None, "a Friday"
    hourly = Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=12)
    assert find_slot(_policy("10:30", recurrence=hourly), BEGUN) == datetime(2026, 11, 20, 22, 30, tzinfo=UTC)


def test_scheduled_time_only_where_every_job_fits() -> None:
    """One job outside of the policy's windows says that the policy was another one: then none is believed."""
    policy = _policy("22:30")
    item = ProtectedItem("i", VM, policy.id, VAULT)
    inventory = Inventory(BEGUN, {}, {policy.id.lower(): policy}, {}, (item,))

    def rows(*hours: float) -> list[dict[str, Any]]:
        starts = [BEGUN.replace(hour=0, minute=0) + timedelta(days=n, hours=hour) for n, hour in enumerate(hours)]
        return [{"vm": VM.lower(), "operation": BACKUP, "start": start, "scheduled": None} for start in starts]

    fitting = rows(22.6, 23.5, 24.2)
    add_scheduled(fitting, inventory)
    assert [row["scheduled"].hour for row in fitting] == [22, 22, 22]
    for few_or_odd in (rows(22.6, 23.5), rows(22.6, 23.5, 24.2, 3.0)):
        add_scheduled(few_or_odd, inventory)
        assert {row["scheduled"] for row in few_or_odd} == {None}


def test_recorded_jobs_are_read(root: Path) -> None:
    """Every recorded job payload is read without error."""
    folder = root.parent / "shared" / "azure-payloads"
    if not folder.exists():
        pytest.skip("needs the folder of recorded payloads beside the checkout")
    jobs = []
    for file in sorted(folder.glob("job*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        jobs += content.get("value", [content])
    assert len(READER.read(VAULT, jobs)) >= 1
