"""Backup jobs of a vault, and the VMs that they belong to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource
from optimizer.rollout.watch.vault_jobs import BackupJob, read_jobs
from tests.plan.estates import VAULT, vm_id
from tests.rollout.watch.small_watch import GIVEN, at, job

APP = ArmId(vm_id("app"))


def raw(start: datetime, **properties: Any) -> Resource:
    """Build a job as Azure lists it."""
    told = {"operation": "Backup", "status": "Completed", "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}", **properties}
    return {"id": f"{VAULT}/backupJobs/{start:%d%H}", "properties": told}


def test_jobs_are_sorted_by_vm_and_start() -> None:
    """Other operations do not count, and neither does a job without a time."""
    name = {"containerName": "iaasvmcontainerv2;rg-app;app"}
    jobs = [
        raw(at(18, 3), **name),
        raw(at(17, 3), **name, isUserTriggered=True),
        raw(at(18, 5), **name, operation="Restore"),
        {"id": "x", "properties": {"operation": "Backup", "startTime": "soon", **name}},
    ]
    found = read_jobs(ArmId(VAULT), jobs, GIVEN.inventory.job_owners).of(APP, None)
    assert [(one.start, one.scheduled) for one in found] == [(at(17, 3), False), (at(18, 3), True)]


def test_a_job_that_names_nobody_is_claimed_by_the_item_that_states_its_time() -> None:
    """Two minutes apart is the same backup; three minutes is another one."""
    jobs = read_jobs(ArmId(VAULT), [raw(at(18, 3))], GIVEN.inventory.job_owners)
    assert jobs.of(APP, None) == []
    assert jobs.unclear_of(APP) == jobs.unclear_of(ArmId("/another")) != []
    for minutes, number in ((2, 1), (3, 0)):
        stated = (at(18, 3) + timedelta(minutes=minutes)).isoformat()
        assert len(jobs.of(APP, {"properties": {"lastBackupTime": stated}})) == number


def test_the_first_error_explains_a_failed_job() -> None:
    """Its title or, without one, its text."""
    details = [{}, {"errorTitle": "", "errorString": "the agent does not answer"}, {"errorTitle": "later"}]
    (found,) = read_jobs(
        ArmId(VAULT),
        [raw(at(18, 3), containerName="iaasvmcontainerv2;rg-app;app", status="Failed", errorDetails=details)],
        GIVEN.inventory.job_owners,
    ).of(APP, None)
    assert (found.status, found.error) == ("Failed", "the agent does not answer")


@pytest.mark.parametrize(
    ("status", "point", "running"),
    [
        ("Completed", True, False),
        ("completedwithwarnings", True, False),
        ("InProgress", False, True),
        ("Cancelling", False, True),
        ("Failed", False, False),
    ],
)
def test_a_status_says_whether_there_is_a_recovery_point(status: str, point: bool, running: bool) -> None:
    """Whatever its capitals."""
    found: BackupJob = job(at(18, 3), status)
    assert (found.made_a_point, found.running) == (point, running)
