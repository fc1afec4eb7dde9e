"""Converts backup jobs, as listed by Azure or recorded by a workspace, to rows of the estate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from optimizer.arm import parse_duration, parse_time
from optimizer.estate import JOB_SCHEMA
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.job_owners import JobOwners
from optimizer.model.raw import arm_id, mapping, objects, properties_of, text, word
from optimizer.ports import Resource

BACKUP = "Backup"
"""Operation of a scheduled backup; in demo estates, of every backup."""

ON_DEMAND_BACKUP = "OnDemandBackup"
"""Operation of a backup that a person started, which says nothing about the schedule."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{5,}", re.ASCII)
_SAME_JOB = timedelta(minutes=2)
"""Two records of one VM that start at most this far apart describe the same job."""

# Reasons for leaving out a job, as the report of a pull states them.
NAMELESS = "without the name of a VM"
STRANGER = "of VMs that the vault does not protect now"
SEVERAL = "with a name that several VMs of the vault have"
UNREADABLE = "without a readable start or status"


def learn_error_titles(items: Iterable[Resource]) -> dict[str, str]:
    """Names of errors by number, as stated in the health details of items.

    Jobs always state the number, but a name such as ``UserErrorGuestAgentStatusUnavailable`` is more useful to people.
    """
    titles: dict[str, str] = {}
    for item in items:
        properties = properties_of(item)
        details = objects(properties.get("healthDetails"))
        for kpi in mapping(properties.get("kpisHealths")).values():
            details += objects(mapping(kpi).get("resourceHealthDetails"))
        for detail in details:
            code, title = detail.get("code"), text(detail.get("title"))
            if code and _CODE.fullmatch(title):
                titles[str(code)] = title
    return titles


@dataclass(frozen=True)
class JobReader:
    """Converter from jobs to rows.

    Parameters
    ----------
    spelling
        Spelling of VM ids in the estate.
    owners
        Index that finds the VM of a job.
    titles
        Names of errors by number.
    unassigned
        Number of jobs without a certain VM, by reason; counted while jobs are read.
    """

    spelling: Mapping[ArmId, str]
    owners: JobOwners
    titles: Mapping[str, str] = field(default_factory=dict)
    unassigned: Counter[str] = field(default_factory=Counter)

    def read(self, vault_id: ArmId, jobs: Iterable[Resource]) -> list[dict[str, Any]]:
        """Rows of ``JOB_SCHEMA`` for the jobs of a vault that have ended, with any operation.

        Jobs that are still running are left for the next pull. ``scheduled`` stays empty;
        :mod:`optimizer.intake.pull.job_slots` fills it in.

        Parameters
        ----------
        vault_id
            Id of the vault in the estate's spelling.
        jobs
            Jobs as the service lists them.
        """
        rows = []
        for job in jobs:
            properties = properties_of(job)
            status = word(properties.get("status"))
            if status in _UNFINISHED:
                continue
            start = parse_time(properties.get("startTime"))
            if not status or start is None:
                self.unassigned[UNREADABLE] += 1
                continue
            vm_id = self.owner(vault_id, properties)
            if vm_id:
                rows.append(self._row(vm_id, vault_id, start, properties))
        return rows

    def owner(self, vault_id: ArmId, properties: Mapping[str, Any]) -> str:
        """Id of the VM that a job certainly belongs to, in the estate's spelling.

        If no VM is certain, the id is empty, and the job is counted in ``unassigned``.
        """
        found = self.owners.find(vault_id, properties)
        if found.vm:
            return self.spelling.get(found.vm, str(found.vm))
        self.unassigned[NAMELESS if not found.named else SEVERAL if found.exact and found.vms else STRANGER] += 1
        return ""

    def _row(self, vm_id: str, vault_id: str, start: datetime, properties: Mapping[str, Any]) -> dict[str, Any]:
        status = word(properties.get("status"))
        return {
            "vm": vm_id,
            "vault": str(vault_id),
            "start": start,
            "end": _end(properties, start),
            "scheduled": None,
            "operation": _operation(properties),
            "status": str(status),
            "error_code": self._error(properties) if status != "Completed" else None,
        }

    def _error(self, properties: Mapping[str, Any]) -> str | None:
        """Name of the error if one is stated, otherwise its number."""
        number = ""
        for detail in objects(properties.get("errorDetails")):
            title, code = text(detail.get("errorTitle")), detail.get("errorCode")
            if _CODE.fullmatch(title):
                return title
            number = number or str(code or "")
        return self.titles.get(number, number) if number else None


def _end(properties: Mapping[str, Any], start: datetime) -> datetime | None:
    end = parse_time(properties.get("endTime"))
    if end is not None and end >= start:
        return end
    duration = parse_duration(properties.get("duration"))
    try:
        return start + duration if duration is not None else None
    except OverflowError:
        return None


_UNFINISHED = {Caseless("InProgress"), Caseless("Cancelling")}


def _operation(properties: Mapping[str, Any]) -> str:
    operation = word(properties.get("operation"))
    if operation != BACKUP:
        return str(operation)
    return ON_DEMAND_BACKUP if properties.get("isUserTriggered") is True else BACKUP


def logged_jobs(
    rows: Iterable[Mapping[str, Any]], reader: JobReader, vaults: Mapping[ArmId, ArmId]
) -> list[dict[str, Any]]:
    """Rows of ``JOB_SCHEMA`` from the rows of a workspace's ``AddonAzureBackupJobs``.

    Parameters
    ----------
    rows
        Rows with ``_ResourceId`` (the vault), ``BackupItemUniqueId``, ``BackupItemFriendlyName``,
        ``AdhocOrScheduledJob``, ``JobStartDateTime``, ``JobDurationInSecs``, ``JobStatus`` and ``JobFailureCode``.
        Rows of other vaults are skipped.
    reader
        Converter that knows the VMs and counts the jobs that it cannot assign.
    vaults
        Spelling of vault ids in the estate.
    """
    found = []
    for row in rows:
        vault_id = vaults.get(arm_id(row.get("_ResourceId")))
        if vault_id is None:
            continue
        start, status = parse_time(row.get("JobStartDateTime")), word(row.get("JobStatus"))
        if status in _UNFINISHED:
            continue
        if not status or start is None:
            reader.unassigned[UNREADABLE] += 1
            continue
        names = {
            "containerName": row.get("BackupItemUniqueId"),
            "entityFriendlyName": row.get("BackupItemFriendlyName"),
        }
        if its_vm := reader.owner(vault_id, names):
            found.append(_logged_job(row, vault_id, its_vm, start))
    return found


def _logged_job(row: Mapping[str, Any], vault_id: ArmId, vm_id: str, start: datetime) -> dict[str, Any]:
    status, code = word(row.get("JobStatus")), word(row.get("JobFailureCode"))
    on_demand = word(row.get("AdhocOrScheduledJob")) in {Caseless("AdHoc"), Caseless("Ad hoc"), Caseless("OnDemand")}
    return {
        "vm": vm_id,
        "vault": str(vault_id),
        "start": start,
        "end": _after_seconds(start, row.get("JobDurationInSecs")),
        "scheduled": None,
        "operation": ON_DEMAND_BACKUP if on_demand else BACKUP,
        "status": str(status),
        "error_code": str(code) if code and code != "Success" and status != "Completed" else None,
    }


def _after_seconds(start: datetime, seconds: object) -> datetime | None:
    try:
        return start + timedelta(seconds=float(str(seconds)))
    except (ValueError, OverflowError):
        return None


def to_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Frame with the columns of ``JOB_SCHEMA``, sorted by start and VM, without duplicates."""
    return pl.DataFrame(list(rows), schema=JOB_SCHEMA).unique().sort("start", "vm", "operation")


def merge_jobs(listed: list[dict[str, Any]], logged: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Jobs of the vaults, plus jobs that only the workspace has, with the workspace's better error names."""
    by_vm: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        by_vm.setdefault(row["vm"], []).append(row)
    added = []
    for row in logged:
        twins = [other for other in by_vm.get(row["vm"], ()) if abs(other["start"] - row["start"]) <= _SAME_JOB]
        if not twins:
            added.append(row)
        for other in filter(_has_no_name_of_error, twins):
            if row["error_code"] and other["status"] == row["status"]:
                other["error_code"] = row["error_code"]
    return listed + added


def _has_no_name_of_error(row: Mapping[str, Any]) -> bool:
    """Whether a job states no error, or only its number."""
    return (row["error_code"] or "0").isdigit()
