"""Reads load and backup jobs that metrics and vaults lack from Log Analytics workspaces."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.arm import parse_time
from optimizer.azure.errors import redact, translated
from optimizer.azure.limiter import Pacer
from optimizer.azure.metrics_answer import Floats
from optimizer.azure.traffic import RETRIES
from optimizer.errors import AuthError, CloudError, DataError, RejectedError, UncertainError
from optimizer.intake import LoadChunk, LoadTarget, MissingLoad
from optimizer.model.arm_id import ArmId, VmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import arm_id
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY

if TYPE_CHECKING:
    from azure.monitor.query import LogsQueryClient

VMS_PER_QUERY = 100
"""VMs per query: two metrics of one day are then 57,600 rows; Log Analytics allows 500,000 in one answer."""

QUERIES, SECONDS = 200, 30.0
"""Number of queries that one user may send in this many seconds (docs/azure.md, "What `pull` reads")."""

_TIMEOUT_SECONDS = 600
"""Time in seconds that Log Analytics may spend on a query; this is the maximum of the service."""

_NO_TABLE = "semanticerror"
"""Error code of a query that uses a table that the workspace does not have."""


INSIGHTS = """InsightsMetrics
| where TimeGenerated >= datetime({start}) and TimeGenerated < datetime({end}) and Origin == "vm.azm.ms"
| where tolower(_ResourceId) in (dynamic({vms}))
| where (Namespace == "Processor" and Name == "UtilizationPercentage")
    or (Namespace == "Memory" and Name == "AvailableMB")
| extend memoryMB = todouble(parse_json(Tags)["vm.azm.ms/memorySizeMB"])
| extend Metric = iff(Namespace == "Memory", "memory", "cpu")
| extend Value = iff(Namespace == "Memory", 100.0 * (1 - Val / memoryMB), Val)
| summarize Average = avg(Value), Maximum = max(Value)
    by ResourceId = tolower(_ResourceId), Metric, Bin = bin(TimeGenerated, 5m)"""
"""Query for load recorded by VM insights."""

PERF = """Perf
| where TimeGenerated >= datetime({start}) and TimeGenerated < datetime({end})
| where tolower(_ResourceId) in (dynamic({vms}))
| where (ObjectName == "Processor" and CounterName == "% Processor Time" and InstanceName == "_Total")
    or (ObjectName == "Memory" and CounterName in ("% Used Memory", "% Committed Bytes In Use"))
| extend Metric = iff(ObjectName == "Memory", "memory", "cpu")
| summarize Average = avg(CounterValue), Maximum = max(CounterValue)
    by ResourceId = tolower(_ResourceId), Metric, Bin = bin(TimeGenerated, 5m)"""
"""Query for load recorded by the classic agent, for use where VM insights has none."""

JOBS = """AddonAzureBackupJobs
| where TimeGenerated >= datetime({start}) and TimeGenerated < datetime({end}) and JobOperation == "Backup"
| summarize arg_max(TimeGenerated, *) by JobUniqueId
| join kind=leftouter (CoreAzureBackup | where OperationName == "BackupItem"
    | summarize arg_max(TimeGenerated, BackupItemFriendlyName) by BackupItemUniqueId) on BackupItemUniqueId
| project _ResourceId, BackupItemUniqueId, BackupItemFriendlyName, AdhocOrScheduledJob, JobStartDateTime,
    JobDurationInSecs, JobStatus, JobFailureCode"""
"""Query for backup jobs, with the name of the protected item, which is in another table."""


class Workspaces:
    """Log Analytics workspaces as a ``LoadReader`` and ``JobLog`` of :mod:`optimizer.intake.pull.pull_source`.

    Parameters
    ----------
    client
        Client for Log Analytics.
    workspaces
        Ids of the workspaces, in the order of the queries.
    maxima
        Whether to read maxima in addition to averages.
    """

    def __init__(self, client: LogsQueryClient, workspaces: Sequence[str], *, maxima: bool = False) -> None:
        self._client = client
        self._workspaces = tuple(workspaces)
        self._maxima = maxima
        self._pacer = Pacer(QUERIES, SECONDS)

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """Load of VMs on a day, from the first workspace that has it.

        Raises
        ------
        AuthError
            The sign-in was refused.
        """
        midnight = datetime.combine(day, time.min, UTC)
        wanted = [target for target in targets if _is_vm(target.vm_id)]
        for first in range(0, len(wanted), VMS_PER_QUERY):
            part = wanted[first : first + VMS_PER_QUERY]
            start = max(midnight, min(target.start for target in part))
            yield self._load(part, day, start, min(end, midnight + timedelta(days=1)))

    def _load(self, targets: Sequence[LoadTarget], day: date, start: datetime, end: datetime) -> LoadChunk:
        vm_ids = tuple(target.vm_id for target in targets)
        metrics = ("cpu_percent", "mem_percent", *(("cpu_max", "mem_max") if self._maxima else ()))
        values = {metric: np.full((len(vm_ids), BINS_PER_DAY), np.nan, dtype=np.float32) for metric in metrics}
        names = {"vms": json.dumps([ArmId(vm_id).key for vm_id in vm_ids]), "start": _text(start), "end": _text(end)}
        what = f"read the load of {len(vm_ids)} {'VM' if len(vm_ids) == 1 else 'VMs'} on {day}"
        failed: dict[ArmId, MissingLoad] = {}
        points = 0
        for workspace, query in product(self._workspaces, (INSIGHTS, PERF)):
            rows, complaint = self._load_rows(what, workspace, query.format(**names), (start, end))
            points += _fill(values, rows, vm_ids, day)
            if complaint:
                failed = dict.fromkeys(vm_ids, MissingLoad(f"request failed: {complaint}", final=False))
            if not np.isnan(values["cpu_percent"]).all(axis=1).any():
                break
        return LoadChunk(vm_ids, values, failed, points)

    def _load_rows(
        self, what: str, workspace: str, query: str, timespan: tuple[datetime, datetime]
    ) -> tuple[list[dict[str, Any]], str]:
        """Rows of a query, and a message if they are missing or incomplete; a table may be absent without one."""
        try:
            return self._query(what, workspace, query, timespan)
        except AuthError:
            raise
        except CloudError as exc:
            is_absent = isinstance(exc, RejectedError) and _NO_TABLE in Caseless(exc.code).key
            return [], "" if is_absent else str(exc)

    def read_jobs(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Backup jobs that the workspaces recorded.

        Raises
        ------
        CloudError
            A workspace cannot answer, or returned only a part of its answer.
        """
        query = JOBS.format(start=_text(since), end=_text(until))
        jobs = []
        for workspace in self._workspaces:
            rows, complaint = self._query("read the backup jobs", workspace, query, (since, until))
            if complaint:
                raise UncertainError(complaint)
            jobs += [{key: _plain(value) for key, value in row.items()} for row in rows]
        return jobs

    def _query(
        self, what: str, workspace: str, query: str, timespan: tuple[datetime, datetime]
    ) -> tuple[list[dict[str, Any]], str]:
        """Rows of a query, and a message if they are incomplete (otherwise empty)."""
        self._pacer.wait()
        what = f"{what} from workspace {workspace}"
        with translated(what):
            answer: Any = self._client.query_workspace(
                workspace, query, timespan=timespan, server_timeout=_TIMEOUT_SECONDS, **RETRIES
            )
        error = getattr(answer, "partial_error", None)
        tables = answer.tables if error is None else answer.partial_data
        rows = [dict(zip(table.columns, row, strict=True)) for table in tables[:1] for row in table.rows]
        if error is None:
            return rows, ""
        return rows, redact(f"cannot {what}: only a part of the answer arrived ({error.code}: {error.message})")


def _fill(
    values: Mapping[str, Floats],
    rows: Sequence[Mapping[str, Any]],
    vm_ids: Sequence[str],
    day: date,
) -> int:
    """Fill values that are still unknown from a workspace's rows, and return the number of filled averages."""
    index = {ArmId(vm_id): number for number, vm_id in enumerate(vm_ids)}
    points = 0
    for row in rows:
        vm, stamp = index.get(arm_id(row["ResourceId"])), _instant(row["Bin"])
        if vm is None or stamp is None or stamp.date() != day:
            continue
        cell = vm, (stamp.hour * 60 + stamp.minute) // BIN_MINUTES
        prefix = "cpu" if row["Metric"] == "cpu" else "mem"
        points += _fill_cell(values.get(f"{prefix}_percent"), cell, row["Average"])
        _fill_cell(values.get(f"{prefix}_max"), cell, row["Maximum"])
    return points


def _fill_cell(values: Floats | None, cell: tuple[int, int], value: object) -> bool:
    """Fill one value if it is wanted and still unknown, and return whether it was filled."""
    number = _number(value)
    if values is None or number is None or not np.isnan(values[cell]):
        return False
    values[cell] = min(100.0, max(0.0, number))
    return True


def _number(value: object) -> float | None:
    """Parse a number; None for other values, and for ``NaN`` and ``Infinity``, which workspaces return as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    """Convert a value to one that JSON supports."""
    return value.isoformat() if isinstance(value, datetime) else value


def _is_vm(vm_id: str) -> bool:
    """Whether an id is a valid VM id, so that it may be part of a query."""
    try:
        return bool(VmId.parse(vm_id))
    except DataError:
        return False


def _instant(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else parse_time(value)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
