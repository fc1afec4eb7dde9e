"""Backup jobs as the service lists them at the present time."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from optimizer.emulator.filters import parse_filter, same
from optimizer.emulator.ids import key, segment
from optimizer.emulator.moments import iso_duration, parse_filter_time, stamp
from optimizer.emulator.refusal import Refusal
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless

if TYPE_CHECKING:
    import polars as pl

    from optimizer.ports import Resource

JobNames = Literal["container", "name", "none"]
"""How jobs refer to their VM: by container and name, by name only (as recorded from 2016 to 2020), or not at all."""

_NAME_FIELDS: Mapping[JobNames, tuple[str, ...]] = {
    "container": ("containerName", "entityFriendlyName"),
    "name": ("entityFriendlyName",),
    "none": (),
}
"""Fields in which jobs refer to their VM."""

_SNAPSHOT = timedelta(minutes=10)
"""Longest snapshot phase of a job; the rest of the job is the transfer to the vault."""

_SUCCESS = {"completed", "completedwithwarnings"}
"""Statuses of jobs that produce a recovery point, in lower case."""

_ON_DEMAND = "OnDemandBackup"
"""Operation that estates use for a backup that a person started."""


@dataclass(frozen=True, slots=True)
class EmulatedJob:
    """A job, including its end, even if the end is in the future.

    Parameters
    ----------
    id
        GUID of the job.
    vault_id, container, vm
        Vault id, container name and name of the VM.
    start, end
        Start and end in UTC; the end is None if unknown.
    operation, status
        Kind of the job, and its final status.
    error
        Title of the error; empty without an error.
    on_demand
        Whether a person started the job.
    """

    id: str
    vault_id: str
    container: str
    vm: str
    start: datetime
    end: datetime | None
    operation: str
    status: str
    error: str = ""
    on_demand: bool = False

    @property
    def made_a_point(self) -> bool:
        """Whether the job produces a recovery point."""
        return self.operation == "Backup" and Caseless(self.status) in _SUCCESS

    def resource(self, now: datetime, names: JobNames = "container", *, detail: bool = False) -> Resource:
        """The job as the service shows it at a time.

        Parameters
        ----------
        now
            Time at which the job is shown.
        names
            How the job refers to its VM; unknown names are omitted.
        detail
            Whether to include the tasks.
        """
        running = self.end is not None and now < self.end
        end = now if running or self.end is None else self.end
        status = "InProgress" if running else self.status
        properties: dict[str, Any] = {
            "jobType": "AzureIaaSVMJob",
            "isUserTriggered": self.on_demand,
            "actionsInfo": [1],
            "duration": iso_duration(end - self.start),
            "virtualMachineVersion": "Compute",
            "backupManagementType": "AzureIaasVM",
            "operation": self.operation,
            "status": status,
            "startTime": stamp(self.start),
            "activityId": guid("activity", self.id),
            **self._names(names),
        }
        if not running:
            properties |= self._result()
        if detail:
            properties["extendedInfo"] = self._tasks(end, status)
        return {
            "id": f"{self.vault_id}/backupJobs/{self.id}",
            "name": self.id,
            "type": "Microsoft.RecoveryServices/vaults/backupJobs",
            "properties": properties,
        }

    def _names(self, names: JobNames) -> dict[str, str]:
        """Fields that refer to the VM; empty names are omitted."""
        shown = {"containerName": self.container, "entityFriendlyName": self.vm}
        return {field: name for field, name in shown.items() if name and field in _NAME_FIELDS[names]}

    def _result(self) -> dict[str, Any]:
        """Fields that a job has only after its end."""
        result: dict[str, Any] = {}
        if self.end is not None:
            result["endTime"] = stamp(self.end)
        if self.error:
            result["errorDetails"] = [_error(self.error)]
        return result

    def _tasks(self, end: datetime, status: str) -> dict[str, Any]:
        snapshot = min(_SNAPSHOT, end - self.start)
        transfer = end - self.start - snapshot
        first, second = _phases(status, has_transfer=bool(transfer))
        tasks = [
            {"taskId": "Take Snapshot", "duration": iso_duration(snapshot), "status": first},
            {"taskId": "Transfer data to vault", "duration": iso_duration(transfer), "status": second},
        ]
        return {"tasksList": tasks, "propertyBag": {"VM Name": self.vm, "Backup Size": "2332 MB"}}


def _phases(status: str, *, has_transfer: bool) -> tuple[str, str]:
    """Status of the snapshot and of the transfer in a job with this status.

    Parameters
    ----------
    has_transfer
        Whether the job has lasted long enough for the transfer to begin.
    """
    if status == "InProgress":
        return ("Completed", "InProgress") if has_transfer else ("InProgress", "NotStarted")
    return ("Completed", "Completed") if Caseless(status) in _SUCCESS else ("Failed", "NotStarted")


def _error(title: str) -> dict[str, Any]:
    number = int(hashlib.sha256(title.encode()).hexdigest()[:4], 16) % 1000 + 400000
    texts = {"errorString": f"The backup failed with {title}.", "recommendations": ["Look at the VM and try again."]}
    return {"errorCode": int(title) if title.isdigit() else number, "errorTitle": title, **texts}


def guid(*parts: object) -> str:
    """GUID derived from some values."""
    text = "\0".join(map(str, parts))
    return str(UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


class JobBook:
    """All jobs by vault and start; jobs that start in the future are not shown.

    Parameters
    ----------
    names
        How jobs refer to their VM.
    """

    def __init__(self, names: JobNames = "container") -> None:
        self.names = names
        self._by_vault: dict[str, list[EmulatedJob]] = {}
        self._by_id: dict[str, EmulatedJob] = {}

    def add(self, job: EmulatedJob) -> None:
        """Add a job."""
        bisect.insort(self._by_vault.setdefault(key(job.vault_id), []), job, key=_start)
        self._by_id[job.id] = job

    def add_all(self, jobs: Iterable[EmulatedJob]) -> None:
        """Add many jobs."""
        for job in jobs:
            self._by_vault.setdefault(key(job.vault_id), []).append(job)
            self._by_id[job.id] = job
        for book in self._by_vault.values():
            book.sort(key=_start)

    def started(self, now: datetime) -> Iterator[EmulatedJob]:
        """Jobs that have started in all vaults, sorted by start in each vault."""
        for book in self._by_vault.values():
            yield from book[: bisect.bisect_right(book, now, key=_start)]

    def get(self, job_id: str, now: datetime) -> EmulatedJob | None:
        """A job by its id; None if it is unknown or has not started yet."""
        job = self._by_id.get(key(job_id))
        return job if job is not None and job.start <= now else None

    def find(self, vault_id: str, wanted: str | None, now: datetime) -> list[Resource]:
        """Jobs of a vault that match a filter, the newest first.

        Raises
        ------
        Refusal
            400: the filter is not valid.
        """
        terms = parse_filter(wanted)
        since, until = (_bound(terms, name) for name in ("starttime", "endtime"))
        book = self._by_vault.get(key(vault_id), [])
        first = bisect.bisect_left(book, since, key=_start) if since else 0
        last = bisect.bisect_right(book, min(until or now, now), key=_start)
        shown = (job.resource(now, self.names) for job in reversed(book[first:last]))
        return [job for job in shown if _matches(job, terms)]


def _start(job: EmulatedJob) -> datetime:
    return job.start


def _matches(job: Resource, terms: Mapping[str, str]) -> bool:
    properties = job["properties"]
    return (
        same(properties["operation"], terms.get("operation"))
        and same(properties["status"], terms.get("status"))
        and same("AzureIaasVM", terms.get("backupmanagementtype"))
        and same(job["name"], terms.get("jobid"))
    )


def _bound(terms: Mapping[str, str], name: str) -> datetime | None:
    if name not in terms:
        return None
    instant = parse_filter_time(terms[name])
    if instant is None:
        raise Refusal(400, "BMSUserErrorInvalidInput", f"The {name} is not valid: {terms[name]}")
    return instant


def jobs_of(frame: pl.DataFrame, containers: Mapping[str, str]) -> Iterator[EmulatedJob]:
    """Convert the jobs of an estate.

    Parameters
    ----------
    frame
        Jobs with the columns of ``JOB_SCHEMA``.
    containers
        Name of the container, by VM id in lower case.
    """
    for number, row in enumerate(frame.iter_rows(named=True)):
        vm_id, operation = row["vm"], row["operation"]
        name = ArmId(vm_id).name
        usual = key(f"iaasvmcontainerv2;{segment(vm_id, 'resourceGroups')};{name}")
        yield EmulatedJob(
            id=guid("job", number, vm_id, row["start"].isoformat()),
            vault_id=row["vault"],
            container=containers.get(key(vm_id), usual),
            vm=name,
            start=row["start"].astimezone(UTC),
            end=row["end"].astimezone(UTC) if row["end"] is not None else None,
            operation="Backup" if operation == _ON_DEMAND else operation,
            status=row["status"],
            error=row["error_code"] or "",
            on_demand=operation == _ON_DEMAND,
        )
