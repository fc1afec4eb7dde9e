"""The scheduled time of a job is known only if all jobs of its VM fit the policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.arm.read_inventory import build_inventory
from optimizer.intake.pull.job_slots import MIN_JOBS, add_scheduled, find_slot
from optimizer.intake.vm_list.vm_line import VmRow
from optimizer.intake.vm_list.vm_resources import to_resources
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.timegrid import Frequency

NOW = datetime(2026, 3, 31, tzinfo=UTC)


def inventory(frequency: Frequency = Frequency.DAILY, zone: str = "UTC", time: int = 46, **more: Any) -> Inventory:
    row = VmRow(2, "web", "shop", "v", "p", frequency, more.pop("days", ()), time, zone, 30, **more)
    return build_inventory(to_resources([row]).resources(NOW), ())


def policy(*args: Any, **more: Any) -> Policy:
    (found,) = inventory(*args, **more).policies.values()
    return found


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "slot"),
    [
        (utc(10, 23), utc(10, 23)),
        (utc(11, 0, 59), utc(10, 23)),
        (utc(11, 1), None),
        (utc(10, 22, 59), None),
        (utc(10, 12), None),
    ],
)
def test_a_job_starts_within_two_hours(start: datetime, slot: datetime | None) -> None:
    """A daily policy at 23:00 starts jobs until 01:00, also on the next day."""
    assert find_slot(policy(), start) == slot


@pytest.mark.parametrize(
    ("start", "slot"),
    [(utc(10, 22, 30), utc(10, 22)), (utc(28, 22, 30), utc(28, 22)), (utc(30, 21, 30), utc(30, 21))],
)
def test_times_are_those_of_the_zone(start: datetime, slot: datetime) -> None:
    """23:00 in Berlin is 22:00 UTC in winter and 21:00 in summer."""
    assert find_slot(policy(zone="Europe/Berlin"), start) == slot


@pytest.mark.parametrize(("day", "fits"), [(8, True), (9, False), (15, True)])
def test_weekly_policies_run_on_their_days(day: int, fits: bool) -> None:
    """A policy of Sundays starts no job on a Monday."""
    assert (find_slot(policy(Frequency.WEEKLY, days=(6,)), utc(day, 23, 30)) is not None) is fits


def test_the_latest_of_several_times_counts() -> None:
    """An hourly policy has several times a day; the last one before the start counts."""
    hourly = policy(Frequency.HOURLY, time=16, interval_hours=4, duration_hours=12)
    assert find_slot(hourly, utc(10, 13, 59)) == utc(10, 12)
    assert find_slot(hourly, utc(10, 14, 1)) is None


def rows(*starts: datetime, operation: str = "Backup") -> list[dict[str, Any]]:
    return [{"vm": "WEB", "operation": operation, "start": start, "scheduled": None} for start in starts]


def nights(*minutes: int) -> list[datetime]:
    return [utc(10 + night, 23) + timedelta(minutes=late) for night, late in enumerate(minutes)]


def scheduled(jobs: list[dict[str, Any]]) -> list[datetime | None]:
    add_scheduled(jobs, inventory())
    return [job["scheduled"] for job in jobs]


def test_jobs_that_all_fit_get_their_times() -> None:
    """Each job gets the time of its night."""
    assert scheduled(rows(*nights(5, 90, 30))) == [utc(10, 23), utc(11, 23), utc(12, 23)]


def test_one_job_that_does_not_fit_spoils_all() -> None:
    """A job at noon shows that the VM had another policy at some time."""
    assert scheduled(rows(*nights(5, 90, 30), utc(13, 12))) == [None] * 4


def test_a_few_jobs_show_nothing() -> None:
    """Two jobs that fit may do so by chance."""
    assert scheduled(rows(*nights(*[5] * (MIN_JOBS - 1)))) == [None] * (MIN_JOBS - 1)


def test_other_operations_do_not_count() -> None:
    """A restore at noon says nothing about the schedule, and gets no time."""
    jobs = rows(*nights(5, 90, 30)) + rows(utc(13, 12), operation="Restore")
    assert scheduled(jobs)[:3] == [utc(10, 23), utc(11, 23), utc(12, 23)] and jobs[3]["scheduled"] is None


def test_vms_without_a_policy_are_skipped() -> None:
    """Jobs of a VM that the estate does not contain keep no time."""
    jobs = [{**job, "vm": "gone"} for job in rows(*nights(5, 90, 30))]
    assert scheduled(jobs) == [None] * 3
