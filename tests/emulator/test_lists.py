"""Lists of the emulated service, page by page, and what is attached to vaults."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from optimizer.emulator import EmulatorSettings
from tests.emulator.cloud import GROUP, SUBSCRIPTION, VAULT, Cloud, estate, item_id, serving
from tests.plan.estates import item, machine, policy_id, standard_policy, vm_id

VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
LOCK = {
    "id": f"{VAULT}/providers/Microsoft.Authorization/locks/keep",
    "name": "keep",
    "type": "Microsoft.Authorization/locks",
    "properties": {"level": "CanNotDelete"},
}
PROXY = {
    "id": f"{VAULT}/backupResourceGuardProxies/VaultProxy",
    "name": "VaultProxy",
    "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
    "properties": {"resourceGuardResourceId": "/guards/g1"},
}
VMS = "Resources | where type =~ 'Microsoft.Compute/virtualMachines' | project id"


def graph(
    cloud: Cloud, query: str, token: str | None = None, **scope: list[str]
) -> tuple[list[dict[str, object]], str]:
    """Rows of a page, and the token of the next."""
    options = QueryRequestOptions(top=1000, skip_token=token)
    with cloud.connection.graph() as client:
        answer = client.resources(QueryRequest(query=query, options=options, **scope))
    rows: list[dict[str, object]] = answer.data  # type: ignore[assignment]
    return rows, answer.skip_token or ""


def test_items_come_in_pages_of_two_hundred() -> None:
    """450 items are three requests, of which the client makes one list; each item is there once."""
    items = [item(f"vm-{number}", "daily-2000") for number in range(450)]
    with serving(estate(items=items)) as cloud:
        found = [one.id for one in cloud.backup.backup_protected_items.list("RSV-one", GROUP.upper(), filter=VM_ITEMS)]
    assert found == [str(one["id"]) for one in items]
    assert cloud.emulator.requests["items.list"] == 3


def test_lists_are_filtered() -> None:
    """Items by the name of their policy, policies by their workload."""
    items = [item("vm-1", "daily-2000"), item("vm-2", "daily-2200")]
    with serving(estate(items=items)) as cloud:
        wanted = f"{VM_ITEMS} and policyName eq 'daily-2200'"
        found = [one.id for one in cloud.backup.backup_protected_items.list("rsv-one", GROUP, filter=wanted)]
        policies = cloud.backup.backup_policies
        sql = [one.name for one in policies.list("rsv-one", GROUP, filter="backupManagementType eq 'AzureWorkload'")]
        everything = [one.name for one in policies.list("rsv-one", GROUP)]
    assert found == [item_id("vm-2")]
    assert sql == ["sql"]
    assert len(everything) == 5


def test_a_filter_that_is_none_is_refused() -> None:
    """What is not of the form ``name eq 'value'`` is a 400."""
    with serving() as cloud, pytest.raises(HttpResponseError) as raised:
        list(cloud.backup.backup_policies.list("rsv-one", GROUP, filter="everything"))
    assert raised.value.status_code == 400


def test_vaults_are_found_by_subscription_group_and_name() -> None:
    """The client of vaults sees them all ways; an unknown subscription or vault is a 404."""
    with serving() as cloud, cloud.connection.vaults(SUBSCRIPTION) as client:
        assert [one.name for one in client.vaults.list_by_subscription_id()] == ["rsv-one", "rsv-two"]
        assert len(list(client.vaults.list_by_resource_group(GROUP))) == 2
        assert len(list(client.vaults.list_by_resource_group("other"))) == 0
        assert client.vaults.get(GROUP, "RSV-TWO").id.endswith("/rsv-two")
        with pytest.raises(HttpResponseError):
            client.vaults.get(GROUP, "rsv-three")
        elsewhere = cloud.connection.vaults("99999999-2222-4333-8444-555555555555")
        with elsewhere, pytest.raises(HttpResponseError, match="SubscriptionNotFound"):
            list(elsewhere.vaults.list_by_subscription_id())


def test_what_is_attached_to_a_vault_is_shown() -> None:
    """Guard proxies, the backup configuration and locks of the vault, and of no other."""
    with serving(estate(settings=[LOCK, PROXY])) as cloud:
        backup = cloud.backup
        assert [one.name for one in backup.resource_guard_proxies.get("rsv-one", GROUP)] == ["VaultProxy"]
        assert list(backup.resource_guard_proxies.get("rsv-two", GROUP)) == []
        assert backup.resource_guard_proxy.get("rsv-one", GROUP, "VaultProxy").as_dict() == PROXY
        config = backup.backup_resource_vault_configs.get("rsv-one", GROUP).as_dict()
        locks = [
            backup.send_request(HttpRequest("GET", f"{vault}/providers/Microsoft.Authorization/locks")).json()["value"]
            for vault in (VAULT, VAULT.replace("one", "two"))
        ]
    assert config["properties"]["softDeleteFeatureState"] == "Enabled"
    assert locks == [[LOCK], []]


def test_graph_gives_a_thousand_rows_at_a_time() -> None:
    """2,300 VMs are three pages, linked by tokens, each VM once."""
    document = estate().model_copy(update={"vms": tuple(machine(f"vm-{number}", app="a") for number in range(2300))})
    with serving(document) as cloud:
        rows, token = graph(cloud, VMS)
        pages = [len(rows)]
        while token:
            more, token = graph(cloud, VMS, token)
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
            query: len(graph(cloud, query)[0])
            for query in (
                "resources | where type =~ 'microsoft.recoveryservices/vaults'",
                f"resources | where type in~ ('{compute}availabilitysets', '{compute}virtualmachinescalesets')",
                f"{below}backupfabrics/protectioncontainers/protecteditems'",
                f"{below}backuppolicies'",
                f"{below}backupjobs'",
                f"{VMS} | where id in~ ('{vm_id('VM-2')}')",
                f"{VMS} | where location in~ ('northeurope')",
            )
        }
        scope = {"subscriptions": [SUBSCRIPTION.upper()]}
        assert len(graph(cloud, VMS, **scope)[0]) == 2
        assert graph(cloud, VMS, subscriptions=["99999999-2222-4333-8444-555555555555"])[0] == []
        with pytest.raises(HttpResponseError):
            graph(cloud, "resources | count")
        with pytest.raises(HttpResponseError):
            graph(cloud, "patchresources | where type =~ 'a'")
    assert list(counts.values()) == [2, 2, 3, 6, 0, 1, 0]


def test_management_groups_hold_their_subscriptions() -> None:
    """A group shows what is in its subscriptions; one that is not known is refused."""
    settings = EmulatorSettings(management_groups={"here": frozenset({SUBSCRIPTION}), "there": frozenset()})
    with serving(settings=settings) as cloud:
        found = [len(graph(cloud, VMS, management_groups=[group])[0]) for group in ("HERE", "there")]
        with pytest.raises(HttpResponseError) as raised:
            graph(cloud, VMS, management_groups=["nowhere"])
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
            properties = graph(cloud, query)[0][0]["properties"]
            assert isinstance(properties, dict)
            policies.append(properties["policyName"])
            cloud.clock.sleep(60)
    assert policies == ["daily-2000", "daily-2000", "daily-2200"]


def test_sizes_tell_their_memory() -> None:
    """Sizes of VMs of a location with their memory, other kinds of resources among them."""
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus"
    with serving() as cloud:
        request = HttpRequest("GET", path, params={"$filter": "location eq 'westeurope'"})
        rows = cloud.backup.send_request(request).json()["value"]
    memory = {row["name"]: {one["name"]: one["value"] for one in row["capabilities"]} for row in rows}
    assert memory["Standard_E8s_v5"]["MemoryGB"] == "64"
    assert {row["resourceType"] for row in rows} == {"virtualMachines", "disks"}


def test_a_vm_shows_its_power_state() -> None:
    """In its instance view, alone or with the VM, and in Resource Graph."""
    settings = EmulatorSettings(stopped_vms=frozenset({vm_id("vm-2")}))
    with serving(settings=settings) as cloud:
        whole = cloud.backup.send_request(HttpRequest("GET", f"{vm_id('vm-1')}?$expand=instanceView")).json()
        alone = cloud.backup.send_request(HttpRequest("GET", f"{vm_id('vm-2')}/instanceView")).json()
        rows = graph(cloud, VMS)[0]
    assert whole["properties"]["instanceView"]["statuses"][1]["code"] == "PowerState/running"
    assert alone["statuses"][1]["code"] == "PowerState/deallocated"
    assert "deallocated" in str(rows[1]["properties"]) and "running" in str(rows[0]["properties"])


def test_policies_are_paged_too() -> None:
    """More policies than a page holds are all listed."""
    policies = [standard_policy(f"p-{number}", "20:00") for number in range(7)]
    with serving(estate(policies=policies, items=[]), settings=EmulatorSettings(page_size=3)) as cloud:
        found = [one.id for one in cloud.backup.backup_policies.list("rsv-one", GROUP)]
    assert found == [policy_id(f"p-{number}") for number in range(7)]
    assert cloud.emulator.requests["policies.list"] == 3
