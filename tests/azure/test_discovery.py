"""Vaults and VMs from Resource Graph, in either format of its answers."""

from __future__ import annotations

import pytest

from optimizer.azure.discovery import SUBSCRIPTIONS_PER_QUERY, GraphDirectory
from optimizer.errors import UncertainError
from optimizer.ports import Resource
from tests.azure.wire import SUBSCRIPTION, VAULT, VM, Answer, Wire

GRAPH = "/providers/Microsoft.ResourceGraph/resources"


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


def test_vaults_are_found_once_in_every_scope(wire: Wire) -> None:
    """Subscriptions are asked in parts, each management group alone, and a vault in several scopes is one vault."""
    vault = {"id": VAULT, "name": "rsv-1", "tags": None}
    wire.on("POST", GRAPH, Answer(200, {"count": 1, "totalRecords": 1, "resultTruncated": "false", "data": [vault]}))
    many = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(SUBSCRIPTIONS_PER_QUERY + 1)]
    with wire.connection.graph() as client:
        assert GraphDirectory(client).find_vaults(many, ["one", "two"]) == [{"id": VAULT, "name": "rsv-1"}]
    scopes = [(request.json.get("subscriptions"), request.json.get("managementGroups")) for request in wire.requests]
    assert scopes == [(many[:-1], None), (many[-1:], None), (None, ["one"]), (None, ["two"])]


def test_an_answer_that_was_cut_short_is_refused(wire: Wire) -> None:
    """Resource Graph states that rows are missing; they must not pass for VMs that do not exist."""
    wire.on("POST", GRAPH, Answer(200, {"count": 0, "totalRecords": 9, "resultTruncated": "true", "data": []}))
    with wire.connection.graph() as client, pytest.raises(UncertainError, match="cut its answer short"):
        GraphDirectory(client).find_vms([SUBSCRIPTION])
