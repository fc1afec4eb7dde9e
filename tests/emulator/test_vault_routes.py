"""Vaults, what they contain and what is attached to them: lists, objects, writes and operations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from optimizer.emulator import EmulatorSettings
from optimizer.emulator.refusal import Refusal
from optimizer.emulator.vault_routes import (
    get_config,
    get_guard,
    get_item,
    get_job,
    get_operation,
    get_policy,
    get_result,
    put_item,
    put_policy,
)
from tests.emulator.cloud import GROUP, NOW, SUBSCRIPTION, VAULT, assignment, call, estate, item_id, serving, state_of
from tests.plan.estates import item, policy_id, standard_policy

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


def test_policies_are_paged_too() -> None:
    """More policies than a page holds are all listed."""
    policies = [standard_policy(f"p-{number}", "20:00") for number in range(7)]
    with serving(estate(policies=policies, items=[]), settings=EmulatorSettings(page_size=3)) as cloud:
        found = [one.id for one in cloud.backup.backup_policies.list("rsv-one", GROUP)]
    assert found == [policy_id(f"p-{number}") for number in range(7)]
    assert cloud.emulator.requests["policies.list"] == 3


def test_a_write_needs_an_object_as_its_body() -> None:
    """A list or no body at all is a 400 that says so."""
    for handler, path in ((put_policy, policy_id("p-1")), (put_item, item_id("vm-1"))):
        for body in (None, [], "x"):
            with pytest.raises(Refusal, match="400 BadRequest: The request has no JSON object"):
                handler(call(state_of(), path, body))


def test_an_accepted_write_names_its_operation() -> None:
    """Status and result of the operation are below the object, with the API version of the request."""
    state = state_of(operation_retry_after=2)
    body = {"properties": assignment("vm-1", "daily-2200")}
    answer = put_item(call(state, item_id("vm-1"), body, **{"api-version": "7"}))
    operation = next(iter(state.operations.due(NOW + timedelta(hours=1)))).id
    assert answer.status == 202 and answer.content is None
    assert answer.headers["Azure-AsyncOperation"].endswith(f"/operationsStatus/{operation}?api-version=7")
    assert answer.headers["Location"].endswith(f"/operationResults/{operation}?api-version=7")
    assert answer.headers["Retry-After"] == "2"
    parts = {"operation": operation, "object_id": item_id("VM-1")}
    result = call(state, item_id("vm-1") + "/x", parts=parts, **{"api-version": "7"})
    assert get_result(result).status == 202
    assert get_operation(result).content["status"] == "Succeeded"
    assert get_result(result).content["properties"]["policyName"] == "daily-2200"


def test_the_result_of_a_failed_operation_is_a_refusal() -> None:
    """A result has no status of its own, so the failure is the answer."""
    state = state_of(operation_reads=0, failing_operations=frozenset({item_id("vm-1")}))
    put_item(call(state, item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")}))
    operation = next(iter(state.operations.due(NOW + timedelta(hours=1)))).id
    with pytest.raises(Refusal, match="400 BMSUserErrorOperationFailed"):
        get_result(call(state, "/x", parts={"operation": operation, "object_id": item_id("vm-1")}))


def test_a_vault_without_a_configuration_has_the_usual_one() -> None:
    """Soft delete is on unless the estate states something else."""
    assert get_config(call(state_of())).content["properties"]["softDeleteFeatureState"] == "Enabled"
    own = {"id": f"{VAULT}/backupconfig/vaultconfig", "type": "Microsoft.RecoveryServices/vaults/backupconfig"}
    assert get_config(call(state_of(estate(settings=[own])))).content == own


def test_objects_that_do_not_exist_are_404() -> None:
    """Policies, items, jobs and guards are found by their ids only."""
    for handler in (get_policy, get_item, get_guard):
        with pytest.raises(Refusal, match=r"^404 "):
            handler(call(state_of(), VAULT + "/x"))
    with pytest.raises(Refusal, match=r"^404 "):
        get_job(call(state_of(), "/x", parts={"job": "unknown"}))
