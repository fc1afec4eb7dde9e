"""Log Analytics: load and jobs by table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.monitor.query import LogsQueryPartialResult, LogsQueryStatus

from optimizer.emulator import EmulatorSettings
from optimizer.emulator.logs import LOAD_COLUMNS, logs_routes
from optimizer.emulator.refusal import Refusal
from optimizer.estate.folder import Estate
from tests.emulator.cloud import VAULT, Cloud, call, estate, frame, serving, state_of
from tests.emulator.known_load import DAY, serving_load
from tests.plan.estates import vm_id

WORKSPACE = "cccccccc-0000-4000-8000-000000000000"


def _logs(cloud: Cloud, query: str) -> Any:
    with cloud.connection.logs() as client:
        return client.query_workspace(WORKSPACE, query, timespan=None)


def _load_query(table: str) -> str:
    ids = f'["{vm_id("vm-1").lower()}", "{vm_id("vm-3").lower()}"]'
    span = "T >= datetime(2026-11-01T01:00:00+01:00) and T < datetime(2026-11-01T01:00:00Z)"
    return f"{table}\n| where {span} and tolower(_ResourceId) in (dynamic({ids}))"


def test_a_workspace_knows_the_load(truth: Estate) -> None:
    """Rows by VM, metric and 5 minutes, from the tables that the workspace has."""
    with serving_load(truth, workspaces={WORKSPACE: frozenset({"InsightsMetrics"})}) as cloud:
        answer = _logs(cloud, _load_query("InsightsMetrics"))
        with pytest.raises(HttpResponseError) as raised:
            _logs(cloud, _load_query("Perf"))
    rows = answer.tables[0].rows
    assert answer.status == LogsQueryStatus.SUCCESS
    assert list(answer.tables[0].columns) == [name for name, _ in LOAD_COLUMNS]
    assert len(rows) == 24
    assert list(rows[1]) == [vm_id("vm-1").lower(), "cpu", DAY + timedelta(minutes=5), 0.25, 10.25]
    assert list(rows[12])[3:] == [75.0, 75.0]
    assert raised.value.error is not None and raised.value.error.code == "SemanticError"


def test_logs_may_come_in_part(truth: Estate) -> None:
    """An answer in part carries its error, which the client tells apart."""
    workspaces = {WORKSPACE: frozenset({"InsightsMetrics"})}
    with serving_load(truth, workspaces=workspaces, partial_logs=True) as cloud:
        answer = _logs(cloud, _load_query("InsightsMetrics"))
    assert isinstance(answer, LogsQueryPartialResult)
    assert len(answer.partial_data[0].rows) == 12


def test_an_unknown_workspace_is_not_found(cloud: Cloud) -> None:
    """A workspace that was not set up is a 404."""
    with pytest.raises(HttpResponseError) as raised:
        _logs(cloud, _load_query("Perf"))
    assert raised.value.status_code == 404


def test_a_workspace_knows_the_jobs(truth: Estate) -> None:
    """Backups that have ended, with the code of their failure."""
    jobs = frame(
        {"start": DAY, "end": DAY + timedelta(minutes=5), "status": "Failed", "error_code": "UserErrorX"},
        {"start": DAY + timedelta(hours=1), "end": DAY + timedelta(days=9), "status": "Completed"},
    )
    query = "AddonAzureBackupJobs | where T >= datetime(2026-11-01T00:00:00Z) and T < datetime(2026-11-09T00:00:00Z)"
    settings = EmulatorSettings(workspaces={WORKSPACE: frozenset({"AddonAzureBackupJobs"})})
    with serving(estate(), jobs=jobs, load=truth.load, settings=settings) as cloud:
        rows = _logs(cloud, query).tables[0].rows
    assert [list(row) for row in rows] == [
        [VAULT.lower(), "iaasvmcontainerv2;rg-app;vm-1", "vm-1", "Scheduled", DAY, 300, "Failed", "UserErrorX"]
    ]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("InsightsMetrics | where T >= datetime(2026-11-01)", "two datetime"),
        ("InsightsMetrics | where T >= datetime(2026-11-01) and T < datetime(2026-11-02)", "ids in dynamic"),
        ("InsightsMetrics | where T >= datetime(soon) and T < datetime(2026-11-02)", "The time is not valid: soon"),
        ("", "Failed to resolve table"),
    ],
)
def test_queries_of_another_form_are_refused(query: str, reason: str) -> None:
    """The emulator recognizes queries by their table, times and ids, and states what is missing."""
    state = state_of(workspaces={WORKSPACE: frozenset({"InsightsMetrics"})})
    handler = logs_routes(state, None)[0].handler
    with pytest.raises(Refusal, match=reason):
        handler(call(state, body={"query": query}, parts={"workspace": WORKSPACE.upper()}))
