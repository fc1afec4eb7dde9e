"""Handlers for vaults and their contents: policies, items, operations, jobs, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.filters import parse_filter, same
from optimizer.emulator.ids import key, lies_in, segment
from optimizer.emulator.operations import Operation
from optimizer.emulator.protections import CONFIG_TYPE, attached, lock_scope
from optimizer.emulator.refusal import Refusal, not_found
from optimizer.model.raw import properties_of

if TYPE_CHECKING:
    from optimizer.emulator.state import Written
    from optimizer.ports import Resource

_OPERATION_HEADERS = {"policy": ("operations", "operationResults"), "item": ("operationsStatus", "operationResults")}
"""Last parts of the paths for status and result of an operation, by kind of object."""


def list_vaults(call: Call) -> Response:
    """Answer with the vaults of a subscription, or of one of its resource groups."""
    subscription, group = call.parts["subscription"], call.parts.get("group")
    known = (*call.state.contents.vaults, *call.state.contents.vms)
    if not any(same(segment(name, "subscriptions"), subscription) for name in known):
        raise Refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
    vaults = [
        vault
        for name, vault in call.state.contents.vaults.items()
        if same(segment(name, "subscriptions"), subscription) and same(segment(name, "resourceGroups"), group)
    ]
    return call.paged(vaults, call.state.settings.page_size)


def get_vault(call: Call) -> Response:
    """Answer with a vault."""
    return Response(200, _vault(call))


def _vault(call: Call) -> Resource:
    vault = call.state.contents.vaults.get(key(call.vault_id))
    if vault is None:
        raise not_found(call.vault_id)
    return vault


def list_policies(call: Call) -> Response:
    """Answer with the policies of a vault."""
    _vault(call)
    terms = parse_filter(call.query.get("$filter"))
    policies = [
        policy
        for policy in call.state.contents.policies_in(call.vault_id)
        if same(properties_of(policy).get("backupManagementType"), terms.get("backupmanagementtype"))
    ]
    return call.paged(policies, call.state.settings.page_size)


def get_policy(call: Call) -> Response:
    """Answer with a policy."""
    policy = call.state.policy(call.path)
    if policy is None:
        raise not_found(call.path)
    return Response(200, policy)


def put_policy(call: Call) -> Response:
    """Create or replace a policy."""
    return _written(call, call.state.put_policy(call.path, _object(call.body)), "policy")


def delete_policy(call: Call) -> Response:
    """Delete a policy."""
    return Response(call.state.delete_policy(call.path).status)


def list_items(call: Call) -> Response:
    """Answer with the protected items of a vault."""
    _vault(call)
    terms = parse_filter(call.query.get("$filter"))
    items = [item for item in call.state.items_of(call.vault_id) if _is_wanted(properties_of(item), terms)]
    return call.paged(items, call.state.settings.page_size)


def _is_wanted(properties: Any, terms: Any) -> bool:
    return (
        same(properties.get("backupManagementType") or "AzureIaasVM", terms.get("backupmanagementtype"))
        and same(properties.get("workloadType") or "VM", terms.get("itemtype"))
        and same(properties.get("policyName"), terms.get("policyname"))
        and same(properties.get("friendlyName"), terms.get("friendlyname"))
        and same(properties.get("containerName"), terms.get("containername"))
    )


def get_item(call: Call) -> Response:
    """Answer with a protected item, including ``extendedInfo`` on request."""
    terms = parse_filter(call.query.get("$filter"))
    item = call.state.item(call.path, extended=same(terms.get("expand"), "extendedInfo"))
    if item is None:
        raise not_found(call.path)
    return Response(200, item)


def put_item(call: Call) -> Response:
    """Assign a protected item to a policy."""
    return _written(call, call.state.put_item(call.path, _object(call.body)), "item")


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refusal(400, "BadRequest", "The request has no JSON object as its body.")
    return body


def _written(call: Call, written: Written, kind: str) -> Response:
    if written.operation is None:
        return Response(written.status, written.resource)
    version = call.query.get("api-version", "")
    status, result = (
        call.url(f"{call.path}/{name}/{written.operation.id}", **{"api-version": version})
        for name in _OPERATION_HEADERS[kind]
    )
    headers = {"Azure-AsyncOperation": status, "Location": result}
    wait = call.state.settings.operation_retry_after
    if wait is not None:
        headers["Retry-After"] = f"{wait:g}"
    return Response(written.status, None, headers | {"x-ms-ratelimit-remaining-subscription-writes": "1195"})


def get_operation(call: Call) -> Response:
    """Answer with the status of an operation."""
    return Response(200, _operation(call).body())


def get_result(call: Call) -> Response:
    """Answer with the result of an operation."""
    operation = _operation(call)
    if operation.status == "InProgress":
        return Response(202, None, {"Location": call.url(call.path, **{"api-version": call.query["api-version"]})})
    if operation.status == "Failed":
        error = operation.body()["error"]
        raise Refusal(400, error["code"], error["message"])
    name = key(operation.object_id)
    return Response(200, call.state.contents.policies.get(name) or call.state.item(operation.object_id))


def _operation(call: Call) -> Operation:
    operation = call.state.operation(call.parts["operation"])
    if operation is None or key(operation.object_id) != key(call.parts["object_id"]):
        raise not_found(call.path)
    return operation


def list_jobs(call: Call) -> Response:
    """Answer with the jobs of a vault."""
    _vault(call)
    jobs = call.state.book.find(call.vault_id, call.query.get("$filter"), call.state.advance())
    return call.paged(jobs, call.state.settings.page_size)


def get_job(call: Call) -> Response:
    """Answer with a job and its tasks."""
    now = call.state.advance()
    job = call.state.book.get(call.parts["job"], now)
    if job is None or key(job.vault_id) != key(call.vault_id):
        raise not_found(call.path)
    return Response(200, job.resource(now, call.state.book.names, detail=True))


def get_config(call: Call) -> Response:
    """Answer with the backup configuration of a vault."""
    _vault(call)
    known = attached(call.state.contents.attached, call.vault_id, CONFIG_TYPE)
    usual = {
        "id": f"{call.vault_id}/backupconfig/vaultconfig",
        "name": "vaultconfig",
        "type": "Microsoft.RecoveryServices/vaults/backupconfig",
        "properties": {
            "enhancedSecurityState": "Enabled",
            "softDeleteFeatureState": "Enabled",
            "softDeleteRetentionPeriodInDays": 14,
            "isSoftDeleteFeatureStateEditable": True,
        },
    }
    return Response(200, known[0] if known else usual)


def list_guards(call: Call) -> Response:
    """Answer with the Resource Guard proxies of a vault."""
    _vault(call)
    return Response(200, {"value": call.state.contents.guards(call.vault_id)})


def get_guard(call: Call) -> Response:
    """Answer with a Resource Guard proxy."""
    for proxy in call.state.contents.guards(call.vault_id):
        if key(proxy["id"]) == key(call.path):
            return Response(200, proxy)
    raise not_found(call.path)


def list_locks(call: Call) -> Response:
    """Answer with the locks on a vault and above it."""
    _vault(call)
    locks = [lock for lock in call.state.contents.attached if lies_in(call.vault_id, lock_scope(lock) or "nowhere")]
    return Response(200, {"value": locks})
