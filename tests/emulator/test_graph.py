"""Resource Graph: pages, types, filters, scopes, and its age."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from optimizer.emulator import EmulatorSettings
from optimizer.emulator.graph import post_query
from optimizer.emulator.refusal import Refusal
from tests.emulator.cloud import SUBSCRIPTION, VMS_QUERY, call, estate, graph_rows, serving, state_of
from tests.plan.estates import item, machine, vm_id


def test_graph_gives_a_thousand_rows_at_a_time() -> None:
    """2,300 VMs are three pages, linked by tokens, each VM once."""
    document = estate().model_copy(update={"vms": tuple(machine(f"vm-{number}", app="a") for number in range(2300))})
    with serving(document) as cloud:
        rows, token = graph_rows(cloud, VMS_QUERY)
        pages = [len(rows)]
        while token:
            more, token = graph_rows(cloud, VMS_QUERY, token)
            pages.append(len(more))
            rows += more
    assert pages == [1000, 1000, 300]
    assert {row["id"] for row in rows} == {vm["id"] for vm in document.vms}
    assert rows[0]["type"] == "microsoft.compute/virtualmachines"
    assert (rows[0]["resourceGroup"], rows[0]["subscriptionId"], rows[0]["tags"]) == (
        "rg-app",
        SUBSCRIPTION,
        {"app": "a"},
    )


def test_graph_knows_vaults_groups_items_and_policies() -> None:
    """The types that discovery asks for, by table; another subscription has none of them."""
    grouped = [
        {**machine("vm-1"), "properties": {"availabilitySet": {"id": "/sets/a"}}},
        {**machine("vm-2"), "properties": {"virtualMachineScaleSet": {"id": "/sets/b"}}},
    ]
    with serving(estate().model_copy(update={"vms": tuple(grouped)})) as cloud:
        compute = "microsoft.compute/"
        below = "RecoveryServicesResources | where type =~ 'microsoft.recoveryservices/vaults/"
        counts = {
            query: len(graph_rows(cloud, query)[0])
            for query in (
                "resources | where type =~ 'microsoft.recoveryservices/vaults'",
                f"resources | where type in~ ('{compute}availabilitysets', '{compute}virtualmachinescalesets')",
                f"{below}backupfabrics/protectioncontainers/protecteditems'",
                f"{below}backuppolicies'",
                f"{below}backupjobs'",
                f"{VMS_QUERY} | where id in~ ('{vm_id('VM-2')}')",
                f"{VMS_QUERY} | where location in~ ('northeurope')",
            )
        }
        scope = {"subscriptions": [SUBSCRIPTION.upper()]}
        assert len(graph_rows(cloud, VMS_QUERY, **scope)[0]) == 2
        assert graph_rows(cloud, VMS_QUERY, subscriptions=["99999999-2222-4333-8444-555555555555"])[0] == []
        with pytest.raises(HttpResponseError):
            graph_rows(cloud, "resources | count")
        with pytest.raises(HttpResponseError):
            graph_rows(cloud, "patchresources | where type =~ 'a'")
    assert list(counts.values()) == [2, 2, 3, 6, 0, 1, 0]


def test_management_groups_hold_their_subscriptions() -> None:
    """A group shows what is in its subscriptions; one that is not known is refused."""
    settings = EmulatorSettings(management_groups={"here": frozenset({SUBSCRIPTION}), "there": frozenset()})
    with serving(settings=settings) as cloud:
        found = [len(graph_rows(cloud, VMS_QUERY, management_groups=[group])[0]) for group in ("HERE", "there")]
        with pytest.raises(HttpResponseError) as raised:
            graph_rows(cloud, VMS_QUERY, management_groups=["nowhere"])
    assert found == [3, 0]
    assert raised.value.status_code == 403


def test_graph_lags_behind() -> None:
    """Resource Graph shows a move only after a while, the service itself at once."""
    kind = "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems"
    query = f"recoveryservicesresources | where type =~ '{kind}'"
    policies = []
    with serving(
        estate(items=[item("vm-1", "daily-2000")]), settings=EmulatorSettings(graph_lag_seconds=120)
    ) as cloud:
        cloud.clock.sleep(600)
        cloud.put_item("vm-1", "daily-2200")
        assert cloud.get_item("vm-1")["policyName"] == "daily-2200"
        for _ in range(3):
            properties = graph_rows(cloud, query)[0][0]["properties"]
            assert isinstance(properties, dict)
            policies.append(properties["policyName"])
            cloud.clock.sleep(60)
    assert policies == ["daily-2000", "daily-2000", "daily-2200"]


def post(query: str, **body: object) -> Any:
    """Return the content of an answer, without HTTP."""
    return post_query(call(state_of(**SETTINGS), body={"query": query, **body})).content


SETTINGS: dict[str, Any] = {
    "denied_actions": frozenset({f"microsoft.compute/virtualmachines/read {vm_id('vm-2')}"}),
    "stopped_vms": frozenset({vm_id("vm-3")}),
}


def test_what_may_not_be_read_is_left_out() -> None:
    """Resource Graph hides a VM without an error; a stopped VM shows as deallocated."""
    rows = post(VMS_QUERY)["data"]
    assert [row["name"] for row in rows] == ["vm-1", "vm-3"]
    states = [row["properties"]["extended"]["instanceView"]["powerState"]["code"] for row in rows]
    assert states == ["PowerState/running", "PowerState/deallocated"]


def test_an_answer_may_be_a_table() -> None:
    """Columns name their type, and rows are lists in the order of the columns."""
    table = post(VMS_QUERY, options={"resultFormat": "table", "$top": 1})
    columns = [column["name"] for column in table["data"]["columns"]]
    assert {"name": "properties", "type": "object"} in table["data"]["columns"]
    assert dict(zip(columns, table["data"]["rows"][0], strict=True))["name"] == "vm-1"
    assert (table["count"], table["totalRecords"]) == (1, 2)


def test_filters_of_a_query_are_all_kept() -> None:
    """Two lists for one column leave only what is in both; columns may be nested."""
    name = "| where name in~ ('{0}', 'vm-1')"
    assert [row["name"] for row in post(VMS_QUERY + name.format("vm-3"))["data"]] == ["vm-1", "vm-3"]
    both = VMS_QUERY + name.format("vm-3") + "| where name in~ ('VM-3')"
    assert [row["name"] for row in post(both)["data"]] == ["vm-3"]
    assert post(VMS_QUERY + "| where properties.nothing in~ ('x')")["data"] == []


@pytest.mark.parametrize("query", ["resources", "elsewhere | where type =~ 'a'"])
def test_other_queries_are_refused(query: str) -> None:
    """A query without a type, or for another table, is a 400."""
    with pytest.raises(Refusal, match=r"^400 "):
        post(query)
