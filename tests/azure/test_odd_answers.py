"""Answers with null, of another form, or nested without end cost only themselves, and end in a message at worst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.azure.discovery import GraphDirectory
from optimizer.azure.service import AzureBackupService
from optimizer.errors import CloudError, UncertainError
from optimizer.ports import Resource
from tests.azure.wire import POLICY, SUBSCRIPTION, VAULT, VM, Answer, Wire

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
LISTS = [("list_policies", "backupPolicies"), ("list_items", "backupProtectedItems"), ("running_jobs", "backupJobs")]
DEEP = b'{"value": [' + b"[" * 200_000 + b"]" * 200_000 + b"]}"


def vms_of(wire: Wire, data: object) -> list[Resource]:
    """VMs that the directory finds in an answer."""
    wire.on("POST", GRAPH, Answer(200, {"count": 1, "totalRecords": 1, "resultTruncated": "false", "data": data}))
    with wire.connection.graph() as client:
        return GraphDirectory(client).find_vms([SUBSCRIPTION])


def test_resource_graph_may_answer_a_table(wire: Wire) -> None:
    """Columns and rows mean the same as a list of objects; null values, rows and columns are left out."""
    columns = [{"name": name, "type": "string"} for name in ("id", "name", "location", "tags", "properties")]
    row = [VM, "vm-1", "westeurope", {"tier": "web"}, {"hardwareProfile": {"vmSize": "x"}, "osProfile": {"a": 1}}]
    table = {"columns": columns, "rows": [row, None, [None] * 5, [VM + "0", "vm-10", None, None, None], []]}
    assert vms_of(wire, table) == [
        {
            "id": VM,
            "name": "vm-1",
            "location": "westeurope",
            "tags": {"tier": "web"},
            "properties": {"hardwareProfile": {"vmSize": "x"}},
        },
        {"id": VM + "0", "name": "vm-10", "properties": {}},
    ]


@pytest.mark.parametrize(
    "data", [None, [], [None], ["x"], [{}], [{"id": None}], {}, {"columns": None, "rows": None}, {"rows": [[1]]}, "x"]
)
def test_rows_that_are_none_are_left_out(wire: Wire, data: object) -> None:
    """Whatever is no row with an id is no VM."""
    assert vms_of(wire, data) == []


@pytest.mark.parametrize(("method", "path"), LISTS)
def test_null_in_a_list_costs_nothing_else(wire: Wire, service: AzureBackupService, method: str, path: str) -> None:
    """The other objects of the list come as they are, null fields included."""
    objects = [{"id": f"{VAULT}/{path}/1", "properties": None}, None, {"id": f"{VAULT}/{path}/2", "name": None}]
    wire.on("GET", f"{VAULT}/{path}", Answer(200, {"value": objects}), Answer(200, {"value": []}))
    found = getattr(service, method)(VAULT)
    assert [one["id"] for one in found] == [objects[0]["id"], objects[2]["id"]]  # type: ignore[index]


@pytest.mark.parametrize("body", [{"value": None}, {"value": 7}, None, [], "x", 7])
@pytest.mark.parametrize(("method", "path"), LISTS)
def test_what_is_no_list_ends_in_a_message(
    wire: Wire, service: AzureBackupService, method: str, path: str, body: Any
) -> None:
    """No exception of another kind leaves the adapter, whatever the service puts in place of a list."""
    wire.on("GET", f"{VAULT}/{path}", Answer(200, body))
    said = ""
    try:
        found = getattr(service, method)(VAULT)
    except CloudError as exc:
        found, said = [], str(exc)
    assert found == []
    assert not said or said.startswith("cannot list the")


@pytest.mark.parametrize(("method", "path"), LISTS)
def test_an_answer_without_end_ends_in_a_message(
    wire: Wire, service: AzureBackupService, method: str, path: str
) -> None:
    """200,000 levels are too many for any reader of JSON; the vault is named."""
    wire.on("GET", f"{VAULT}/{path}", Answer(200, DEEP))
    wire.on("GET", POLICY, Answer(200, DEEP))
    for call in (lambda: getattr(service, method)(VAULT), lambda: service.get_policy(POLICY)):
        with pytest.raises(UncertainError, match="rsv-1"):
            call()


def test_jobs_without_a_readable_start_are_kept(wire: Wire, service: AzureBackupService) -> None:
    """Whoever reads the jobs counts them: they are not dropped in silence."""
    jobs = [{"id": "/j/1", "properties": {"startTime": None}}, {"properties": None}, {"id": "/j/2"}]
    wire.on("GET", f"{VAULT}/backupJobs", Answer(200, {"value": jobs}))
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert len(service.list_jobs(VAULT, now - timedelta(days=1), now)) == 3
