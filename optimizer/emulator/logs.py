"""Log Analytics with a few tables; queries are recognized by table, and the query language is not implemented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.ids import key
from optimizer.emulator.moments import stamp
from optimizer.emulator.refusal import Refusal
from optimizer.emulator.routes import Route, route
from optimizer.emulator.series import CPU, MEMORY_PERCENT, Grid, Loads
from optimizer.model.caseless import Caseless

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import LoadSource

INSIGHTS, PERF, JOBS = "InsightsMetrics", "Perf", "AddonAzureBackupJobs"

_PATHS = (r"/v1/workspaces/(?P<workspace>[^/]+)/query", r"/logs/v1/workspaces/(?P<workspace>[^/]+)/query")
_DATES = re.compile(r"datetime\(([^)]+)\)")
_IDS = re.compile(r"dynamic\((\[.*?\])\)", re.DOTALL)

LOAD_COLUMNS = (
    ("ResourceId", "string"),
    ("Metric", "string"),
    ("Bin", "datetime"),
    ("Average", "real"),
    ("Maximum", "real"),
)
JOB_COLUMNS = (
    ("_ResourceId", "string"),
    ("BackupItemUniqueId", "string"),
    ("BackupItemFriendlyName", "string"),
    ("AdhocOrScheduledJob", "string"),
    ("JobStartDateTime", "datetime"),
    ("JobDurationInSecs", "int"),
    ("JobStatus", "string"),
    ("JobFailureCode", "string"),
)

Row = list[Any]


def logs_routes(state: CloudState, load: LoadSource | None) -> tuple[Route, ...]:
    """Routes of Log Analytics; the client drops the part of the path before ``/v1``.

    Parameters
    ----------
    state
        State of the service.
    load
        Load of the estate; None means no load.
    """
    del state
    logs = _Logs(Loads(load))
    action = "Microsoft.OperationalInsights/workspaces/query/read"
    return tuple(route("logs", "POST", path, action, logs.post_query) for path in _PATHS)


class _Logs:
    """Handler that answers from the load and jobs of an estate."""

    def __init__(self, loads: Loads) -> None:
        self._loads = loads

    def post_query(self, call: Call) -> Response:
        """Rows of a query, recognized by its table: load per VM, metric and 5 minutes, or jobs."""
        query = str((call.body if isinstance(call.body, dict) else {}).get("query") or "")
        table = query.partition("|")[0].strip()
        _check_table(call, table)
        times = [_time(text) for text in _DATES.findall(query)]
        if len(times) < 2:
            raise Refusal(400, "BadArgumentError", "The emulator only supports queries with two datetime(...).")
        start, end = times[0], min(times[1], call.state.clock.now())
        if table == JOBS:
            return _table(call, JOB_COLUMNS, list(_job_rows(call.state, start, end)))
        match = _IDS.search(query)
        if match is None:
            raise Refusal(400, "BadArgumentError", "The emulator only supports queries with ids in dynamic([...]).")
        vm_ids = [key(text) for text in json.loads(match[1])]
        return _table(call, LOAD_COLUMNS, list(self._load_rows(call.state, vm_ids, start, end)))

    def _load_rows(self, state: CloudState, vm_ids: Sequence[str], start: datetime, end: datetime) -> Iterator[Row]:
        grid = Grid(start.replace(minute=start.minute - start.minute % 5, second=0, microsecond=0), end, 1)
        for vm_id in vm_ids:
            for name, metric in ((CPU, "cpu"), (MEMORY_PERCENT, "memory")):
                average = self._loads.values(vm_id, name, "average", grid, 0.0)
                extreme = "maximum" if metric == "cpu" else "minimum"
                most = self._loads.values(vm_id, name, extreme, grid, 0.0)
                if vm_id not in state.contents.vms or average is None or most is None:
                    continue
                if metric == "memory":
                    average, most = 100 - average, 100 - most
                for moment, mean, peak in zip(grid.stamps, average.tolist(), most.tolist(), strict=True):
                    if mean == mean:  # noqa: PLR0124  # not NaN
                        yield [vm_id, metric, moment, mean, peak]


def _check_table(call: Call, table: str) -> None:
    """Refuse a workspace or table that does not exist.

    Raises
    ------
    Refusal
        400 or 404.
    """
    workspaces = {Caseless(name): tables for name, tables in call.state.settings.workspaces.items()}
    workspace = Caseless(call.parts["workspace"])
    if workspace not in workspaces:
        raise Refusal(404, "WorkspaceNotFoundError", "The workspace could not be found")
    if Caseless(table) not in set(map(Caseless, workspaces[workspace])):
        message = f"'where' operator: Failed to resolve table or column expression named '{table}'"
        raise Refusal(400, "SemanticError", message)


def _job_rows(state: CloudState, start: datetime, end: datetime) -> Iterator[Row]:
    now = state.advance()
    for job in state.book.started(now):
        if job.operation == "Backup" and job.end is not None and job.end <= now and start <= job.start < end:
            yield [
                key(job.vault_id),
                job.container,
                job.vm,
                "AdHoc" if job.on_demand else "Scheduled",
                stamp(job.start),
                int((job.end - job.start) / timedelta(seconds=1)),
                job.status,
                job.error or "Success",
            ]


def _table(call: Call, columns: Sequence[tuple[str, str]], rows: list[Row]) -> Response:
    content: dict[str, Any] = {
        "tables": [
            {
                "name": "PrimaryResult",
                "columns": [{"name": name, "type": kind} for name, kind in columns],
                "rows": rows,
            }
        ]
    }
    if call.state.settings.partial_logs:
        content["tables"][0]["rows"] = rows[: len(rows) // 2]
        content["error"] = {"code": "PartialError", "message": "There were some errors when processing your query."}
    return Response(200, content)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise Refusal(400, "SyntaxError", f"The time is not valid: {text}") from exc
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
