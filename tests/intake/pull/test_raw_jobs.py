"""Jobs of vaults and workspaces become rows of the estate, if it is certain which VM they belong to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.pull.raw_jobs import (
    NAMELESS,
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
from optimizer.model.job_owners import JobOwners, Owner

VAULT = ArmId("/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/one")
VM = ArmId("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web")
START = datetime(2026, 3, 1, 23, 7, tzinfo=UTC)


class Owners:
    """Answers every question about a job in the same way."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def find(self, vault_id: ArmId, properties: object) -> Owner:
        """The same answer, for the vault of these tests."""
        assert vault_id == VAULT and properties is not None
        return self.owner


def reader(owner: Owner | None = None, titles: dict[str, str] | None = None) -> JobReader:
    owners: JobOwners = Owners(owner or Owner(frozenset({VM}), named=True))  # type: ignore[assignment]
    return JobReader({VM: "WEB"}, owners, titles or {})


def job(**properties: object) -> dict[str, Any]:
    usual = {"status": "Completed", "operation": "Backup", "startTime": "2026-03-01T23:07:00Z", "duration": "PT30M"}
    return {"id": "/job", "properties": {**usual, **properties}}


def row(titles: dict[str, str] | None = None, **properties: object) -> dict[str, Any]:
    (found,) = reader(titles=titles).read(VAULT, [job(**properties)])
    return found


def test_a_job_becomes_a_row() -> None:
    """The row has the estate's spelling of the VM, and no scheduled time yet."""
    assert row() == {
        "vm": "WEB", "vault": str(VAULT), "start": START, "end": START + timedelta(minutes=30), "scheduled": None,
        "operation": "Backup", "status": "Completed", "error_code": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "end"),
    [
        ({"endTime": "2026-03-02T01:00:00Z"}, datetime(2026, 3, 2, 1, tzinfo=UTC)),
        ({"endTime": "2026-03-01T23:00:00Z"}, START + timedelta(minutes=30)),
        ({"endTime": "0001-01-01T00:00:00"}, START + timedelta(minutes=30)),
        ({"duration": "00:10:00"}, START + timedelta(minutes=10)),
        ({"duration": None}, None),
        ({"duration": "P9999999D"}, None),
    ],
)
def test_the_end_of_a_job(properties: dict[str, object], end: datetime | None) -> None:
    """An end before the start is no end; then the duration counts, and without it the end is unknown."""
    assert row(**properties)["end"] == end


@pytest.mark.parametrize(
    ("properties", "operation"),
    [
        ({}, "Backup"),
        ({"isUserTriggered": True}, "OnDemandBackup"),
        ({"isUserTriggered": "true"}, "Backup"),
        ({"operation": "Restore", "isUserTriggered": True}, "Restore"),
    ],
)
def test_backups_that_people_started(properties: dict[str, object], operation: str) -> None:
    """A backup that a person started says nothing about the schedule."""
    assert row(**properties)["operation"] == operation


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"errorTitle": "UserErrorGuestAgent", "errorCode": 400}], "UserErrorGuestAgent"),
        ([{"errorTitle": "The agent is dead.", "errorCode": 400}], "UserErrorKnown"),
        ([{"errorCode": 500}], "500"),
        ([{"errorCode": 500}, {"errorTitle": "UserErrorSecond"}], "UserErrorSecond"),
        ([{}], None),
        ([], None),
        ([None, 5], None),
        (None, None),
        ("text", None),
    ],
)
def test_the_error_of_a_job(details: object, expected: str | None) -> None:
    """An error has its name if one is stated or known by its number, otherwise its number."""
    titles = {"400": "UserErrorKnown"}
    assert row(titles, status="Failed", errorDetails=details)["error_code"] == expected
    assert row(titles, status="Completed", errorDetails=details)["error_code"] is None


@pytest.mark.parametrize("status", ["InProgress", "inprogress", "Cancelling"])
def test_running_jobs_are_left_for_the_next_pull(status: str) -> None:
    """A job that has not ended is neither a row nor a remark."""
    unfinished = reader()
    assert unfinished.read(VAULT, [job(status=status)]) == [] and not unfinished.unassigned


@pytest.mark.parametrize(
    ("owner", "properties", "reason"),
    [
        (Owner(frozenset(), named=False), {}, NAMELESS),
        (Owner(frozenset(), named=True), {}, STRANGER),
        (Owner(frozenset({VM}), named=True, exact=False), {}, STRANGER),
        (Owner(frozenset({VM, ArmId("other")}), named=True), {}, SEVERAL),
        (Owner(frozenset({VM}), named=True), {"status": None}, UNREADABLE),
        (Owner(frozenset({VM}), named=True), {"startTime": "soon"}, UNREADABLE),
    ],
)
def test_jobs_without_a_certain_vm_are_counted(owner: Owner, properties: dict[str, object], reason: str) -> None:
    """Jobs that cannot be used are counted by reason."""
    counting = reader(owner)
    assert counting.read(VAULT, [job(**properties)]) == []
    assert counting.unassigned == {reason: 1}


@given(st.dictionaries(st.sampled_from(["status", "startTime", "endTime", "duration", "operation", "errorDetails"]),
                       st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=2)))  # fmt: skip
def test_no_job_stops_the_reading(properties: dict[str, object]) -> None:
    """Whatever fields a job has, it becomes a row, waits, or is counted."""
    reading = reader()
    rows = reading.read(VAULT, [job(**properties), {"properties": None}, {}])
    assert len(rows) + reading.unassigned.total() <= 3
    to_frame(rows)


def test_names_of_errors_are_learned_from_items() -> None:
    """Health details of items give numbers their names; sentences are no names."""
    details = [
        {"code": 400, "title": "UserErrorKnown"},
        {"code": 500, "title": "A sentence."},
        {"title": "UserErrorX"},
    ]
    kpis = {"BackupHealth": {"resourceHealthDetails": [{"code": 7, "title": "FromKpis"}]}, "other": None}
    items = [{"properties": {"healthDetails": details, "kpisHealths": kpis}}, {"properties": None}, {}]
    assert learn_error_titles(items) == {"400": "UserErrorKnown", "7": "FromKpis"}


def logged(**values: object) -> list[dict[str, Any]]:
    usual = {
        "_ResourceId": VAULT.upper(), "BackupItemFriendlyName": "web", "JobStartDateTime": "2026-03-01T23:07:00Z",
        "JobDurationInSecs": 60, "JobStatus": "Completed", "AdhocOrScheduledJob": "Scheduled",
    }  # fmt: skip
    return logged_jobs([{**usual, **values}], reader(), {VAULT: VAULT})


def test_jobs_of_a_workspace() -> None:
    """A workspace's record becomes the same kind of row."""
    (found,) = logged()
    assert (found["vm"], found["vault"], found["start"]) == ("WEB", str(VAULT), START)
    assert found["end"] == START + timedelta(minutes=1) and found["operation"] == "Backup"
    assert logged(JobDurationInSecs="soon")[0]["end"] is None
    assert logged(JobDurationInSecs=10**20)[0]["end"] is None


@pytest.mark.parametrize("kind", ["AdHoc", "ad hoc", "OnDemand"])
def test_on_demand_jobs_of_a_workspace(kind: str) -> None:
    """A workspace has several words for a backup that a person started."""
    assert logged(AdhocOrScheduledJob=kind)[0]["operation"] == "OnDemandBackup"


@pytest.mark.parametrize(
    ("values", "number"),
    [({"_ResourceId": "/other"}, 0), ({"JobStatus": "InProgress"}, 0), ({"JobStartDateTime": None}, 0), ({}, 1)],
)
def test_jobs_of_a_workspace_that_are_not_used(values: dict[str, object], number: int) -> None:
    """Jobs of other vaults, running jobs, and jobs without a start are no rows."""
    assert len(logged(**values)) == number


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [("Failed", "UserErrorX", "UserErrorX"), ("Failed", "Success", None), ("Completed", "UserErrorX", None)],
)
def test_errors_of_a_workspace(status: str, code: str, expected: str | None) -> None:
    """Only a job that did not complete has an error, and Success is none."""
    assert logged(JobStatus=status, JobFailureCode=code)[0]["error_code"] == expected


def of_vault(minutes: float, code: str | None, status: str = "Failed") -> dict[str, Any]:
    return {**row(), "start": START + timedelta(minutes=minutes), "status": status, "error_code": code}


def test_a_job_that_only_the_workspace_has_is_added() -> None:
    """Two records of one VM within two minutes are one job; later ones are another."""
    listed = [of_vault(0, None)]
    assert merge_jobs(listed, [of_vault(2, None)]) == listed
    other = of_vault(2.1, None)
    assert merge_jobs(listed, [other]) == [*listed, other]
    assert merge_jobs(listed, [{**of_vault(0, None), "vm": "other"}])[1]["vm"] == "other"


@pytest.mark.parametrize(
    ("known", "status", "expected"),
    [
        (None, "Failed", "UserErrorX"),
        ("400", "Failed", "UserErrorX"),
        ("UserErrorA", "Failed", "UserErrorA"),
        ("400", "Completed", "400"),
    ],
)
def test_a_name_is_better_than_a_number(known: str | None, status: str, expected: str) -> None:
    """The workspace's name of an error replaces a number, if both records agree on the status."""
    assert merge_jobs([of_vault(0, known)], [of_vault(1, "UserErrorX", status)])[0]["error_code"] == expected


def test_a_frame_is_sorted_and_without_repetition() -> None:
    """Rows are sorted by start and VM, each once."""
    frame = to_frame([of_vault(5, None), of_vault(0, None), of_vault(5, None)])
    assert frame["start"].to_list() == [START, START + timedelta(minutes=5)]
    assert to_frame([]).height == 0
