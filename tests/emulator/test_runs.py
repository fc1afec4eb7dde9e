"""Nominal times of policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from optimizer.emulator.runs import next_run, runs_between
from tests.plan.estates import hourly_policy, sql_policy, standard_policy


def test_other_schedules() -> None:
    """Weekly on its days; hourly from the start of the window to its end; by the clock of the zone, or not."""
    weekly = standard_policy("p", "23:00", zone="W. Europe Standard Time")["properties"]
    weekly["schedulePolicy"] |= {"scheduleRunFrequency": "Weekly", "scheduleRunDays": ["Saturday", "Sunday"]}
    first, last = datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)
    assert [f"{run:%a %H}" for run in runs_between(weekly, first, last, "follow")] == ["Sat 21", "Sun 22"]
    assert [f"{run:%a %H}" for run in runs_between(weekly, first, last, "ignore")] == ["Sat 22", "Sun 22"]
    hourly = hourly_policy("p", "08:00", 0)["properties"]
    runs = runs_between(hourly, first, first + timedelta(days=1), "follow")
    assert [run.hour for run in runs] == [8, 12, 16, 20]


def test_a_policy_that_cannot_be_read_never_runs() -> None:
    """Other workloads, and VM policies that the service would refuse, have no next run; a daily policy has one."""
    daily = standard_policy("p", "23:00")["properties"]
    now = datetime(2026, 10, 23, 23, tzinfo=UTC)
    assert next_run(daily, now, "follow") == now + timedelta(days=1)
    assert next_run(sql_policy("p")["properties"], now, "follow") is None
    daily["schedulePolicy"] |= {"scheduleRunTimes": []}
    assert next_run(daily, now, "follow") is None


def test_the_last_hourly_run_may_end_the_window() -> None:
    """A window of 12 hours has a run at its very end; one of 24 hours ends at 04:00 of the next day."""
    hourly = hourly_policy("p", "08:00", 0)["properties"]
    first = datetime(2026, 10, 23, tzinfo=UTC)
    for hours, expected in ((12, [8, 12, 16, 20]), (24, [8, 12, 16, 20, 24, 28])):
        hourly["schedulePolicy"]["hourlySchedule"]["scheduleWindowDuration"] = hours
        runs = runs_between(hourly, first + timedelta(hours=7), first + timedelta(hours=31), "follow")
        assert [(run - first) // timedelta(hours=1) for run in runs] == expected
