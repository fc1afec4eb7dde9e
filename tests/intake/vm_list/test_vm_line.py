"""One line of vms.csv: its right values, and each of its faults."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import DataError
from optimizer.intake.problems import Problems
from optimizer.intake.vm_list.vm_line import VmRow, read_row
from optimizer.model.timegrid import Frequency

VM_ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"
DAILY = {
    "vm": "web", "service": "shop", "vault": "v", "policy": "p", "frequency": "Daily", "days": "", "time": "23:30",
    "timezone": "", "retention_days": "30",
}  # fmt: skip
WEEKLY = {**DAILY, "frequency": "weekly", "days": "Sunday; wednesday"}
HOURLY = {**DAILY, "frequency": "HOURLY", "time": "08:00", "interval_hours": "4", "duration_hours": "12"}


def read(fields: dict[str, str], **others: str) -> VmRow | None:
    return read_row(7, {**fields, **others}, {"tag:env": "env"} if "tag:env" in others else {}, Problems("f"))


def faults(fields: dict[str, str], **others: str) -> list[str]:
    """Faults of a line, without their headings and places."""
    problems = Problems("f")
    assert read_row(7, {**fields, **others}, {}, problems) is None
    with pytest.raises(DataError) as refused:
        problems.raise_any()
    lines = [line.strip() for line in str(refused.value).splitlines()]
    return [line.partition(": ")[2] for line in lines if line.startswith("line 7, VM ")]


def row(fields: dict[str, str], **others: str) -> VmRow:
    found = read(fields, **others)
    assert found is not None
    return found


def test_a_daily_line() -> None:
    """A daily line has a start and no days; the time zone is UTC if it is empty."""
    found = row(DAILY)
    assert (found.vm, found.name, found.line) == ("web", "web", 7)
    assert (found.frequency, found.time, found.timezone, found.days) == (Frequency.DAILY, 47, "UTC", ())
    assert (found.retention_days, found.interval_hours, found.duration_hours, found.os) == (30, 0, 0, "")


def test_a_weekly_line() -> None:
    """Weekdays may be in any case and order, with spaces."""
    assert row(WEEKLY).days == (2, 6)
    assert row(WEEKLY, retention_days="36141").retention_days == 36141


def test_an_hourly_line() -> None:
    """An hourly line has an interval and the length of its window."""
    found = row(HOURLY)
    assert (found.time, found.interval_hours, found.duration_hours) == (16, 4, 12)


def test_optional_columns() -> None:
    """Operating system, location, set and tags are kept; an empty tag is no tag."""
    others = {"os": "windows", "location": "weu", "availability_set": "set", "tag:env": "prod"}
    found = row(DAILY, **others)
    assert (found.os, found.location, found.availability_set) == ("Windows", "weu", "set")
    assert found.tags == {"env": "prod"}
    assert row(DAILY, **{"tag:env": ""}).tags == {}


@pytest.mark.parametrize(
    ("others", "vm"),
    [
        ({"vm": VM_ID}, VM_ID),
        ({"vm": VM_ID, "resource_group": "RG", "subscription": "S"}, VM_ID),
        ({"resource_group": "rg", "subscription": "s"}, VM_ID),
        ({"resource_group": "rg"}, VM_ID.replace("/s/", "/00000000-0000-0000-0000-000000000000/")),
        ({"vm": "a/b", "resource_group": "rg", "subscription": "s"}, VM_ID.replace("web", "a%2Fb")),
        ({"resource_group": "", "subscription": ""}, "web"),
    ],
)
def test_the_id_of_a_vm(others: dict[str, str], vm: str) -> None:
    """An id is given, or made from group and subscription; without these, the name stands for it."""
    assert row(DAILY, **others).vm == vm


@pytest.mark.parametrize(
    ("fields", "others", "fault"),
    [
        (DAILY, {"vm": ""}, "vm is empty; give its name"),
        (DAILY, {"vault": ""}, "vault is empty; give its name"),
        (DAILY, {"policy": ""}, "policy is empty; give its name"),
        (DAILY, {"frequency": "Monthly"}, "frequency is 'Monthly'; allowed: Daily, Weekly or Hourly"),
        (DAILY, {"days": "Sunday"}, "days is 'Sunday'; leave it empty for this frequency, or write Weekly"),
        (HOURLY, {"days": "Sunday"}, "days is 'Sunday'; leave it empty for this frequency, or write Weekly"),
        (WEEKLY, {"days": " ; "}, "days is empty; a weekly policy needs weekdays such as Sunday;Wednesday"),
        (DAILY, {"os": "BeOS"}, "os is 'BeOS'; allowed: Windows, Linux or nothing"),
        (
            DAILY,
            {"interval_hours": "4"},
            "interval_hours or duration_hours is 4; leave both empty, or write Hourly",
        ),
        (
            WEEKLY,
            {"interval_hours": "4", "duration_hours": "8"},
            "interval_hours or duration_hours is 4, 8; leave both empty, or write Hourly",
        ),
        (HOURLY, {"interval_hours": "5"}, "interval_hours is '5'; allowed: 4, 6, 8, 12, 24"),
        (HOURLY, {"interval_hours": ""}, "interval_hours is ''; allowed: 4, 6, 8, 12, 24"),
        (HOURLY, {"time": "20:00"}, "time is 20:00; an hourly window starts from 00:00 to 19:30"),
        (DAILY, {"subscription": "s"}, "subscription is 's'; give the resource_group as well"),
        (DAILY, {"resource_group": "/x"}, "resource_group is '/x'; give its name, not a path"),
        (
            DAILY,
            {"vm": VM_ID, "resource_group": "other"},
            "resource_group is 'other', but the ARM id in vm says 'rg'",
        ),
        (DAILY, {"vm": VM_ID, "subscription": "t"}, "subscription is 't', but the ARM id in vm says 's'"),
    ],
)
def test_each_fault_of_a_line(fields: dict[str, str], others: dict[str, str], fault: str) -> None:
    """Each value that cannot be used is named with what is allowed."""
    assert faults(fields, **others) == [fault]


@pytest.mark.parametrize("duration", ["3", "25", "", "4.5", "٤", "-4", "1" * 50])
def test_windows_that_azure_does_not_offer(duration: str) -> None:
    """A window is at least as long as its interval, and at most 24 hours."""
    (fault,) = faults(HOURLY, duration_hours=duration)
    assert fault.endswith("allowed with interval_hours 4: a whole number from 4 to 24")


@pytest.mark.parametrize("duration", ["4", "24", "012"])
def test_windows_at_the_limits(duration: str) -> None:
    """The shortest and the longest window are accepted."""
    assert row(HOURLY, duration_hours=duration).duration_hours == int(duration)


@pytest.mark.parametrize(
    ("text", "most"), [("6", 9999), ("10000", 9999), ("", 9999), ("ten", 9999), ("1e2", 9999), ("٣٠", 9999)]
)
def test_retentions_that_azure_does_not_accept(text: str, most: int) -> None:
    """A retention is a whole number of days within the limits of the frequency."""
    (fault,) = faults(DAILY, retention_days=text)
    assert fault == f"retention_days is {text!r}; allowed: a whole number from 7 to {most:,}"
    (fault,) = faults(WEEKLY, retention_days="36142")
    assert fault.endswith("a whole number from 7 to 36,141")


def test_a_long_wrong_value_is_cut_off() -> None:
    """A value of a thousand characters does not fill the screen."""
    (fault,) = faults(DAILY, retention_days="9" * 1000)
    assert fault.startswith(f"retention_days is '{'9' * 30}'...; allowed")


@pytest.mark.parametrize(
    ("others", "start"),
    [({"time": "23:15"}, "time: "), ({"timezone": "Mars"}, "timezone: "), ({"days": "Someday"}, "days: ")],
)
def test_faults_that_the_time_grid_explains(others: dict[str, str], start: str) -> None:
    """Times, zones and weekdays are explained by the module that knows them, with the column in front."""
    (fault,) = faults(WEEKLY, **others)
    assert fault.startswith(start)


def test_all_faults_of_a_line_are_reported_together() -> None:
    """A line with several faults reports each of them once."""
    found = faults(DAILY, vm="", frequency="x", time="x", retention_days="x", os="x")
    assert len(found) == 5


@pytest.mark.parametrize(
    ("column", "expected"),
    [("days", "Wednesday;Sunday"), ("time", "23:30"), ("policy", "p"), ("retention_days", "30")],
)
def test_values_in_the_notation_of_the_file(column: str, expected: str) -> None:
    """Messages show values as the user writes them."""
    assert row(WEEKLY).as_written(column) == expected
    assert row(DAILY).as_written("days") == "(none)"


def test_the_name_of_a_vm() -> None:
    """The name is the end of an id, and a plain name as a whole, also with a slash."""
    values: dict[str, Any] = {**vars(row(DAILY))}
    assert VmRow(**{**values, "vm": VM_ID}).name == "web"
    assert VmRow(**{**values, "vm": "a/b"}).name == "a/b"
