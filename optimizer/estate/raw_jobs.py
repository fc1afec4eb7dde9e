"""Backup jobs as Azure lists them, or as a workspace recorded them -> rows of the estate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from optimizer.estate.parts import JOB_SCHEMA
from optimizer.ports import Resource

BACKUP = "Backup"
"""Operation of a scheduled backup; on demo estates of every backup."""

ON_DEMAND_BACKUP = "OnDemandBackup"
"""Operation of a backup that a person started: it says nothing about the schedule."""

_UNSET_YEARS = (1, 1601, 2001)
"""Years of the dates that mean "never" (azure-facts 4.3)."""

_ISO = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_DOT_NET = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{5,}", re.ASCII)
_CONTAINER = re.compile(r"iaasvmcontainerv2;(?P<group>[^;]+);(?P<vm>[^;]+)$", re.IGNORECASE)
_SAME_JOB = timedelta(minutes=2)
"""Two records of one VM that begin so close to each other are of one job."""


def parse_duration(text: object) -> timedelta | None:
    """Length of a job, as ISO 8601 (``PT12.58S``) or as .NET writes it (``1.02:03:04.5``); None for anything else."""
    match = _ISO.fullmatch(str(text)) or _DOT_NET.fullmatch(str(text))
    if match is None or not any(match.groups()):
        return None
    return timedelta(**{unit: float(value or 0) for unit, value in match.groupdict().items()})


def parse_time(text: object) -> datetime | None:
    """An instant in UTC; None where there is none, or where it is one of those that mean "never"."""
    match = _DATE.fullmatch(str(text).strip())
    if match is None:
        return None
    fraction = (match[2] or "")[:7]  # Azure writes tenths of a microsecond
    try:
        instant = datetime.fromisoformat(match[1] + fraction.ljust(7, "0") * bool(fraction) + (match[3] or "Z"))
    except ValueError:
        return None
    return None if instant.year in _UNSET_YEARS else instant.astimezone(UTC)


def container_key(subscription: str, container: object) -> str:
    """Key of the VM that a container's name tells of; empty where it is none of Resource Manager's."""
    match = _CONTAINER.search(str(container))
    return vm_key(subscription, match["group"], match["vm"]) if match else ""


def vm_key(subscription: str, group: str, name: str) -> str:
    """ARM id of a VM in lower case."""
    return (
        f"/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.compute/virtualmachines/{name}"
    ).lower()


def learn_error_titles(items: Iterable[Resource]) -> dict[str, str]:
    """Names of errors by number, as the health details of items tell them.

    Jobs state the number for sure; what helps a person is the name, e.g. ``UserErrorGuestAgentStatusUnavailable``.
    """
    titles: dict[str, str] = {}
    for item in items:
        properties = item.get("properties") or {}
        details = list(properties.get("healthDetails") or ())
        for kpi in (properties.get("kpisHealths") or {}).values():
            details += (kpi or {}).get("resourceHealthDetails") or ()
        for detail in details:
            code, title = detail.get("code"), str(detail.get("title") or "")
            if code and _CODE.fullmatch(title):
                titles[str(code)] = title
    return titles


@dataclass(frozen=True)
class JobReader:
    """Turns jobs into rows.

    Parameters
    ----------
    spelling
        VM id of the estate by the same in lower case.
    titles
        Names of errors by number.
    """

    spelling: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)

    def read(self, vault_id: str, jobs: Iterable[Resource]) -> list[dict[str, Any]]:
        """Rows of ``JOB_SCHEMA`` of the jobs of a vault that have ended, whatever their operation.

        A job that still runs is left for the next pull.  ``scheduled`` stays open, for
        :mod:`optimizer.estate.job_slots`.

        Parameters
        ----------
        vault_id
            As the estate spells it; a job names its VM by resource group and name only.
        jobs
            As the service lists them.
        """
        subscription = vault_id.split("/")[2]
        rows = []
        for job in jobs:
            properties = job.get("properties") or {}
            key = container_key(subscription, properties.get("containerName"))
            start = parse_time(properties.get("startTime"))
            status = str(properties.get("status") or "")
            if not key or start is None or status.lower() in {"inprogress", "cancelling", ""}:
                continue
            rows.append(
                {
                    "vm": self.spelling.get(key, key),
                    "vault": vault_id,
                    "start": start,
                    "end": _end(properties, start),
                    "scheduled": None,
                    "operation": _operation(properties),
                    "status": status,
                    "error_code": self._error(properties) if status.lower() != "completed" else None,
                }
            )
        return rows

    def _error(self, properties: Mapping[str, Any]) -> str | None:
        """The error's name where one is told, else its number."""
        number = ""
        for detail in properties.get("errorDetails") or ():
            title, code = str(detail.get("errorTitle") or ""), detail.get("errorCode")
            if _CODE.fullmatch(title):
                return title
            number = number or str(code or "")
        return self.titles.get(number, number) if number else None


def _end(properties: Mapping[str, Any], start: datetime) -> datetime | None:
    end = parse_time(properties.get("endTime"))
    if end is not None and end >= start:
        return end
    duration = parse_duration(properties.get("duration"))
    return start + duration if duration is not None else None


def _operation(properties: Mapping[str, Any]) -> str:
    operation = str(properties.get("operation") or "")
    if operation.lower() != BACKUP.lower():
        return operation
    return ON_DEMAND_BACKUP if properties.get("isUserTriggered") is True else BACKUP


def logged_jobs(
    rows: Iterable[Mapping[str, Any]], reader: JobReader, vaults: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of ``JOB_SCHEMA`` out of those of a workspace's ``AddonAzureBackupJobs``.

    Parameters
    ----------
    rows
        With ``_ResourceId`` (the vault), ``BackupItemUniqueId``, ``BackupItemFriendlyName``, ``AdhocOrScheduledJob``,
        ``JobStartDateTime``, ``JobDurationInSecs``, ``JobStatus``, ``JobFailureCode``; those that fit no VM of the
        estate are left out.
    reader
        Knows the VMs.
    vaults
        Vault id of the estate by the same in lower case.
    """
    by_name: dict[tuple[str, str], list[str]] = {}
    for key, vm_id in reader.spelling.items():
        parts = key.split("/")
        if len(parts) == 9:
            by_name.setdefault((parts[2], parts[8]), []).append(vm_id)
    found = []
    for row in rows:
        vault_id = vaults.get(str(row.get("_ResourceId") or "").lower())
        if vault_id is None:
            continue
        subscription = vault_id.split("/")[2].lower()
        named = by_name.get((subscription, str(row.get("BackupItemFriendlyName") or "").lower()), [])
        key = container_key(subscription, row.get("BackupItemUniqueId"))
        its_vm = reader.spelling.get(key) or (named[0] if len(named) == 1 else None)
        job = _logged_job(row, vault_id, its_vm) if its_vm else None
        if job:
            found.append(job)
    return found


def _logged_job(row: Mapping[str, Any], vault_id: str, vm_id: str) -> dict[str, Any] | None:
    start, status = parse_time(row.get("JobStartDateTime")), str(row.get("JobStatus") or "")
    if start is None or status.lower() in {"inprogress", ""}:
        return None
    seconds, code = row.get("JobDurationInSecs"), str(row.get("JobFailureCode") or "")
    on_demand = str(row.get("AdhocOrScheduledJob") or "").lower() in {"adhoc", "ad hoc", "ondemand"}
    return {
        "vm": vm_id,
        "vault": vault_id,
        "start": start,
        "end": start + timedelta(seconds=float(seconds)) if seconds is not None else None,
        "scheduled": None,
        "operation": ON_DEMAND_BACKUP if on_demand else BACKUP,
        "status": status,
        "error_code": code if code and code.lower() != "success" and status.lower() != "completed" else None,
    }


def to_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame with the columns of ``JOB_SCHEMA``, by start and VM, each once."""
    return pl.DataFrame(list(rows), schema=JOB_SCHEMA).unique().sort("start", "vm", "operation")


def merge_jobs(listed: list[dict[str, Any]], logged: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Jobs of the vaults, with those that only the workspace has, and with its better names of errors."""
    by_vm: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        by_vm.setdefault(row["vm"], []).append(row)
    added = []
    for row in logged:
        twins = [other for other in by_vm.get(row["vm"], ()) if abs(other["start"] - row["start"]) <= _SAME_JOB]
        if not twins:
            added.append(row)
        for other in twins:
            if row["error_code"] and (other["error_code"] or "0").isdigit() and other["status"] == row["status"]:
                other["error_code"] = row["error_code"]
    return listed + added
