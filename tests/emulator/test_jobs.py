"""Jobs as the service lists them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from optimizer.emulator.jobs import EmulatedJob, JobBook, JobNames
from optimizer.emulator.refusal import Refusal
from tests.emulator.cloud import GROUP, NOW, VAULT, frame, serving

BACKUPS = "operation eq 'Backup' and backupManagementType eq 'AzureIaasVM'"


def test_jobs_of_the_estate_are_listed_as_they_were_recorded() -> None:
    """The shape of the recording, ISO durations, errors by title, a person's backups told; by vault and filter."""
    rows = (
        {
            "start": NOW - timedelta(days=3),
            "end": NOW - timedelta(days=3) + timedelta(minutes=42),
            "status": "Completed",
        },
        {
            "start": NOW - timedelta(days=2),
            "end": NOW - timedelta(days=2, minutes=-7),
            "status": "Failed",
            "error_code": "UserErrorGuestAgentStatusUnavailable",
        },
        {
            "start": NOW - timedelta(days=1),
            "end": NOW - timedelta(hours=23),
            "status": "Completed",
            "operation": "OnDemandBackup",
        },
        {"start": NOW - timedelta(hours=1), "end": None, "status": "InProgress", "operation": "Restore"},
        {"start": NOW + timedelta(hours=1), "end": None, "status": "Completed"},
    )
    span = "startTime eq '2026-10-30 12:00:00 AM' and endTime eq '2026-11-02 12:00:00 PM'"
    with serving(jobs=frame(*rows)) as cloud:
        listing = cloud.backup.backup_jobs.list
        found = [job.as_dict() for job in listing("rsv-one", GROUP, filter=f"{span} and {BACKUPS}")]
        assert [job.name for job in listing("rsv-one", GROUP, filter="status eq 'InProgress'")] != []
        assert list(listing("rsv-two", GROUP, filter=BACKUPS)) == []
        assert len(list(listing("rsv-one", GROUP, filter="startTime eq '2026-11-01 00:00:00 AM'"))) == 2
        detail = cloud.backup.job_details.get("rsv-one", GROUP, found[-1]["name"]).as_dict()
    on_demand, failed, completed = (job["properties"] for job in found)
    assert on_demand["isUserTriggered"] is True
    assert failed["errorDetails"][0]["errorTitle"] == "UserErrorGuestAgentStatusUnavailable"
    assert (completed["duration"], completed["jobType"]) == ("PT42M0S", "AzureIaaSVMJob")
    assert completed["containerName"] == "iaasvmcontainerv2;rg-app;vm-1"
    tasks = detail["properties"]["extendedInfo"]["tasksList"]
    assert [(task["taskId"], task["duration"]) for task in tasks] == [
        ("Take Snapshot", "PT10M0S"),
        ("Transfer data to vault", "PT32M0S"),
    ]


def test_jobs_are_paged() -> None:
    """More jobs than a page holds are all listed, the newest first."""
    rows = [
        {"start": NOW - timedelta(hours=number), "end": NOW - timedelta(hours=number - 0.5), "status": "Completed"}
        for number in range(1, 451)
    ]
    with serving(jobs=frame(*rows)) as cloud:
        times = [job.as_dict()["properties"]["startTime"] for job in cloud.backup.backup_jobs.list("rsv-one", GROUP)]
    assert len(times) == 450
    assert times == sorted(times, reverse=True)
    assert cloud.emulator.requests["jobs.list"] == 3


BEGUN = NOW - timedelta(minutes=30)
JOB = EmulatedJob("j-1", VAULT, "container", "vm-1", BEGUN, NOW, "Backup", "Failed", error="UserErrorX")


def test_a_job_shows_its_result_only_at_its_end() -> None:
    """Before its end, a job that will fail is in progress, lasts until now, and has neither end nor error."""
    early = JOB.resource(BEGUN + timedelta(minutes=5))["properties"]
    assert (early["status"], early["duration"]) == ("InProgress", "PT5M0S")
    assert "endTime" not in early and "errorDetails" not in early
    late = JOB.resource(NOW)["properties"]
    assert (late["status"], late["duration"], late["endTime"]) == ("Failed", "PT30M0S", "2026-11-02T12:00:00.0000000Z")
    assert late["errorDetails"][0]["errorTitle"] == "UserErrorX"


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        ("container", {"containerName": "container", "entityFriendlyName": "vm-1"}),
        ("name", {"entityFriendlyName": "vm-1"}),
        ("none", {}),
    ],
)
def test_a_job_refers_to_its_vm_as_it_is_set(names: JobNames, fields: dict[str, str]) -> None:
    """By container and name, by name, or not at all; a name that is not known is omitted."""
    for job, expected in ((JOB, fields), (replace(JOB, container="", vm=""), {})):
        properties = job.resource(NOW, names)["properties"]
        assert {
            key: properties[key] for key in ("containerName", "entityFriendlyName") if key in properties
        } == expected


@pytest.mark.parametrize(
    ("status", "minutes", "phases"),
    [
        ("Completed", 5, ("InProgress", "NotStarted")),
        ("Completed", 15, ("Completed", "InProgress")),
        ("Completed", 30, ("Completed", "Completed")),
        ("CompletedWithWarnings", 30, ("Completed", "Completed")),
        ("Failed", 30, ("Failed", "NotStarted")),
    ],
)
def test_the_snapshot_comes_before_the_transfer(status: str, minutes: int, phases: tuple[str, str]) -> None:
    """The first ten minutes are the snapshot; a failed snapshot has no transfer."""
    job = replace(JOB, status=status, error="")
    detail = job.resource(BEGUN + timedelta(minutes=minutes), detail=True)
    tasks = detail["properties"]["extendedInfo"]["tasksList"]
    assert tuple(task["status"] for task in tasks) == phases


def test_only_successful_backups_make_a_point() -> None:
    """Restores, and backups that failed, leave no recovery point."""
    made = [
        replace(JOB, operation=operation, status=status).made_a_point
        for operation, status in (("Backup", "completed"), ("Backup", "Failed"), ("Restore", "Completed"))
    ]
    assert made == [True, False, False]


def test_a_job_of_the_future_is_unknown() -> None:
    """The book finds a job from its start on, by its id in any case."""
    book = JobBook()
    book.add_all([JOB, replace(JOB, id="j-2", start=NOW + timedelta(hours=1))])
    book.add(replace(JOB, id="j-0", start=BEGUN - timedelta(hours=1)))
    assert [job.id for job in book.started(NOW)] == ["j-0", "j-1"]
    assert book.get("J-1", NOW) is not None and book.get("j-2", NOW) is None
    assert [job["name"] for job in book.find(VAULT, "status eq 'Failed'", NOW)] == ["j-1", "j-0"]
    with pytest.raises(Refusal, match="The starttime is not valid: soon"):
        book.find(VAULT, "startTime eq 'soon'", NOW)
