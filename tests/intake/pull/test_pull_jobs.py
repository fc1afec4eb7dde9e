"""Jobs of a pull become those of the estate: with the VMs and policies that were pulled, and without known ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from optimizer.intake.pull.pull_inventory import Found
from optimizer.intake.pull.pull_jobs import _without, read_new_jobs
from optimizer.model.arm_id import ArmId
from tests.intake.resource_files.resource_inputs import (
    NAMES,
    VAULT,
    rest_item,
    rest_policy,
    rest_vault,
    rest_vm,
    vm_id,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def job(number: int, start: datetime, name: str = NAMES[0], **properties: Any) -> dict[str, Any]:
    """A finished backup of a VM."""
    usual = {
        "jobType": "AzureIaaSVMJob",
        "containerName": f"iaasvmcontainerv2;rg-app;{name}",
        "operation": "Backup",
        "status": "Completed",
        "startTime": start.isoformat(),
        "duration": "PT30M",
    }
    return {"id": f"{VAULT}/backupJobs/{number}", "properties": usual | properties}


def found(*jobs: dict[str, Any]) -> Found:
    """Two VMs that a policy backs up at 23:00 UTC, with jobs."""
    return Found(
        vaults=[rest_vault()],
        policies=[rest_policy()],
        protected_items=[rest_item(name) for name in NAMES],
        vms=[rest_vm(name) for name in NAMES],
        jobs={ArmId(VAULT): list(jobs)},
    )


def nights(count: int) -> list[datetime]:
    """Starts of backups ten minutes after 23:00, one for each of the last nights."""
    return [datetime(2026, 2, 28, 23, 10, tzinfo=UTC) - timedelta(days=n) for n in range(count)]


def test_jobs_have_the_spelling_of_the_vm_and_their_scheduled_time() -> None:
    """Three jobs that all fit the policy show which run each belongs to."""
    new = read_new_jobs(found(*(job(n, start) for n, start in enumerate(nights(3)))), NOW, None)
    assert new.unassigned == {}
    assert new.frame["vm"].unique().to_list() == [vm_id(NAMES[0])]
    assert new.frame["start"].to_list() == sorted(nights(3))
    assert [time.hour for time in new.frame["scheduled"].to_list()] == [23, 23, 23]


def test_jobs_of_other_vms_are_counted_by_reason() -> None:
    """A job whose VM is not certain is left out, and the pull reports how many there were."""
    new = read_new_jobs(found(job(1, nights(1)[0]), job(2, nights(1)[0], name="stranger")), NOW, None)
    assert len(new.frame) == 1
    assert list(new.unassigned.values()) == [1]


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        ({}, False),
        ({"vm": vm_id(NAMES[0]).upper()}, False),
        ({"vm": vm_id(NAMES[1])}, True),
        ({"start": nights(2)[1]}, True),
        ({"operation": "Backup (on demand)"}, True),
    ],
    ids=["the same", "another spelling", "another VM", "another time", "another operation"],
)
def test_known_jobs_are_left_out(change: dict[str, Any], is_new: bool) -> None:
    """A job is known if the estate has one of the same VM, start and operation."""
    frame = read_new_jobs(found(job(1, nights(1)[0])), NOW, None).frame
    values = [pl.lit(value, frame.schema[name]).alias(name) for name, value in change.items()]
    assert _without(frame.with_columns(values), frame).height == int(is_new)
