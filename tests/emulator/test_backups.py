"""Jobs that the schedules of the emulated service start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from optimizer.emulator.state import CloudState
from tests.emulator.cloud import NOW, assignment, estate, item_id, state_of
from tests.plan.estates import hourly_policy, item, standard_policy, vm_id


def backups(state: CloudState) -> list[dict[str, Any]]:
    """Properties of the backups that have started, by start."""
    jobs = [job["properties"] for job in state.jobs if job["properties"]["operation"] == "Backup"]
    return sorted(jobs, key=lambda job: str(job["startTime"]))


def starts(state: CloudState) -> list[datetime]:
    return [datetime.fromisoformat(job["startTime"]) for job in backups(state)]


def test_a_job_starts_within_two_hours_of_its_time() -> None:
    """Each item has one job a day, somewhere in the two hours, which is in progress and then completed."""
    state = state_of()
    state.clock.sleep(3600 * 8)  # 20:00
    state.clock.sleep(3600 * 2)
    assert len(starts(state)) == 3
    assert all(NOW + timedelta(hours=8) <= start < NOW + timedelta(hours=10) for start in starts(state))
    assert len(set(starts(state))) == 3
    statuses = {job["status"] for job in backups(state)}
    state.clock.sleep(3600)
    assert "InProgress" in statuses
    assert {job["status"] for job in backups(state)} == {"Completed"}


def test_the_same_seed_gives_the_same_jobs() -> None:
    """However often one looks in between, the jobs are the same."""
    often, once = state_of(failure_rate=0.3), state_of(failure_rate=0.3)
    for _ in range(300):
        often.clock.sleep(3600)
        often.advance()
    once.clock.sleep(300 * 3600)
    assert often.jobs == once.jobs
    assert {job["status"] for job in backups(once)} == {"Completed", "Failed"}


def test_a_backup_leaves_a_recovery_point() -> None:
    """Time and status of the last backup, and the count of points, follow the jobs of an item."""
    state = state_of(failing_vms=frozenset({vm_id("vm-2")}), missed_vms=frozenset({vm_id("VM-3")}))
    state.clock.sleep(86400)
    good, bad, none = (state.item(item_id(vm), extended=True) for vm in ("vm-1", "vm-2", "vm-3"))
    assert good is not None and bad is not None and none is not None
    assert good["properties"]["lastBackupStatus"] == "Completed"
    assert good["properties"]["lastRecoveryPoint"] > good["properties"]["lastBackupTime"]
    assert good["properties"]["extendedInfo"]["recoveryPointCount"] == 1
    assert bad["properties"]["lastBackupStatus"] == "Failed" and "lastRecoveryPoint" not in bad["properties"]
    assert "lastBackupTime" not in none["properties"]
    assert backups(state)[0]["entityFriendlyName"] in {"vm-1", "vm-2"}


def test_a_moved_item_runs_at_its_new_time() -> None:
    """The next job of an item is that of the policy that it has when the time comes."""
    state = state_of(estate(items=[item("vm-1", "daily-2000")]))
    operation = state.put_item(item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")}).operation
    assert operation is not None
    state.operation(operation.id)
    state.operation(operation.id)
    state.clock.sleep(86400)
    assert [NOW + timedelta(hours=10) <= start < NOW + timedelta(hours=12) for start in starts(state)] == [True]


def test_a_run_that_meets_the_last_one_fails() -> None:
    """A backup that would start while the one before is in progress fails at once, as on Azure."""
    document = estate(policies=[hourly_policy("hourly", "08:00", 1)], items=[item("vm-1", "hourly")])
    state = state_of(document, now=NOW.replace(hour=7), job_minutes=10 * 60)
    state.clock.sleep(86400)
    errors = [job.get("errorDetails", [{}])[0].get("errorTitle") for job in backups(state)]
    assert errors == [None, "UserErrorBackupOperationInProgress", "UserErrorBackupOperationInProgress", None]


def test_stopped_items_have_no_jobs() -> None:
    """Nothing is started for items that are stopped, suspended or deleted."""
    items = [
        item("vm-1", "daily-2000", protectionState="ProtectionStopped"),
        item("vm-2", "daily-2000", protectionState="BackupsSuspended"),
        item("vm-3", "daily-2000", isScheduledForDeferredDelete=True),
    ]
    state = state_of(estate(items=items))
    state.clock.sleep(86400)
    assert backups(state) == []


@pytest.mark.parametrize("vm", ["vm-1", "vm-2", "vm-3"])
def test_a_policy_replaced_by_hand_is_followed(vm: str) -> None:
    """A test that puts another policy in place of one sees its times kept."""
    state = state_of(estate(items=[item(vm, "daily-2000")]))
    state.advance()
    policy = standard_policy("daily-2000", "14:00")
    state.contents.policies[str(policy["id"]).lower()] = policy
    state.clock.sleep(4 * 3600)
    assert len(backups(state)) == 1
