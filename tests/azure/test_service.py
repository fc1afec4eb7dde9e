"""Writes of backup objects: exactly one request each, as given, and none if a check fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.azure.service import AzureBackupService
from optimizer.errors import (
    ConflictError,
    DataError,
    NotSentError,
    RejectedError,
    ThrottledError,
    UncertainError,
)
from tests.azure.wire import (
    HANG_UP,
    ITEM,
    POLICY,
    POLICY_STATUS,
    SUCCEEDED,
    VAULT,
    Answer,
    Wire,
    accepted,
    failure,
    item_body,
    look_after,
    serve,
    vm_policy,
)


def test_a_policy_is_sent_as_it_is(wire: Wire, service: AzureBackupService) -> None:
    """The body of the PUT holds the properties and nothing else, unknown fields, nulls and letters included."""
    properties = vm_policy(unknownField={"a": [1, None, "ü"]}, tieringPolicy=None, protectedItemsCount=7)
    wire.on("PUT", POLICY, Answer(200, {"id": POLICY, "properties": properties}))
    service.put_policy(POLICY, properties)
    (request,) = wire.sent("PUT")
    assert request.json == {"properties": properties}
    assert "if-match" not in {name.lower() for name in request.headers}


def test_what_is_done_at_once_has_no_operation(wire: Wire, service: AzureBackupService) -> None:
    """200 and 204 mean that the write is done."""
    wire.on("PUT", ".*", Answer(200, {}))
    wire.on("DELETE", POLICY, Answer(204))
    assert service.put_policy(POLICY, vm_policy()) is None
    assert service.put_item(ITEM, item_body()) is None
    assert service.delete_policy(POLICY) is None


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry_After": "7"}, 7.0), ({"Retry_After": "86400"}, 86400.0), ({}, None)]
)
def test_a_write_that_was_turned_away_is_not_sent_again(
    wire: Wire, service: AzureBackupService, headers: dict[str, str], seconds: float | None
) -> None:
    """After a 429 nothing is sent again: the caller looks first, and is told how long to wait."""
    wire.on("PUT", POLICY, failure(429, "Throttled", **headers))
    with pytest.raises(ThrottledError) as caught:
        service.put_policy(POLICY, vm_policy())
    assert caught.value.retry_after_seconds == seconds
    assert len(wire.sent("PUT")) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        failure(500, "CloudInternalError"),
        failure(502, "BadGateway"),
        failure(503, "Busy", Retry_After="1"),
        failure(504, "GatewayTimeout"),
        failure(408, "Timeout"),
        HANG_UP,
        Answer(200, {"id": POLICY, "properties": {"a": "b" * 4000}}, drop="half"),
    ],
)
@pytest.mark.parametrize("kind", ["policy", "item", "deletion"])
def test_a_write_that_may_have_arrived_is_never_repeated(
    wire: Wire, service: AzureBackupService, trouble: Answer, kind: str
) -> None:
    """After a 5xx, a lost connection or half an answer one request was sent, and the outcome is unknown."""
    wire.on("PUT", ".*", trouble)
    wire.on("DELETE", ".*", trouble)
    with pytest.raises(UncertainError):
        {
            "policy": lambda: service.put_policy(POLICY, vm_policy()),
            "item": lambda: service.put_item(ITEM, item_body()),
            "deletion": lambda: service.delete_policy(POLICY),
        }[kind]()
    assert len(wire.requests) == 1


def test_an_answer_that_is_none_leaves_it_open(wire: Wire, service: AzureBackupService) -> None:
    """A page of a proxy with status 200 is not taken for success."""
    wire.on("PUT", POLICY, Answer(200, b"<html>proxy</html>"))
    with pytest.raises(UncertainError):
        service.put_policy(POLICY, vm_policy())
    assert len(wire.requests) == 1


def test_a_write_that_found_nobody_was_not_sent(certificate: tuple[Path, Path]) -> None:
    """Where no connection comes about the error says that nothing was sent; it is not tried again."""
    with serve(*certificate) as other:
        dead = other.connection
    with AzureBackupService(dead) as service, pytest.raises(NotSentError, match="nothing answers at this address"):
        service.put_policy(POLICY, vm_policy())


def test_a_locked_object_is_a_conflict(wire: Wire, service: AzureBackupService) -> None:
    """ObjectLocked is a conflict although it arrives as 400, and is left to the caller."""
    wire.on("PUT", ITEM, failure(400, "BMSUserErrorObjectLocked", "Another operation is in progress"))
    with pytest.raises(ConflictError, match="Another operation"):
        service.put_item(ITEM, item_body())
    assert len(wire.requests) == 1


def test_an_item_is_written_under_its_own_id(wire: Wire, service: AzureBackupService) -> None:
    """Fabric, container and item are those of the id; the body has the fields given, exclusions and guard included."""
    wire.on("PUT", ".*", Answer(200, {}))
    disks = {"diskExclusionProperties": {"diskLunList": [1], "isInclusionList": False}}
    guard = [
        "/subscriptions/x/providers/Microsoft.DataProtection/resourceGuards/g/updateProtectedItemRequests/default"
    ]
    body = item_body(extendedProperties=disks, resourceGuardOperationRequests=guard)
    service.put_item(ITEM, body)
    (request,) = wire.requests
    assert request.path == ITEM
    assert request.json == {"properties": body}


@pytest.mark.parametrize(
    "change",
    [
        {"policyId": ""},
        {"policyId": None},
        {"policyId": POLICY.replace("rsv-1", "rsv-2")},
        {"protectionState": "ProtectionStopped"},
        {"friendlyName": "x"},
        {"protectedItemType": "AzureIaaSVMProtectedItem"},
    ],
)
def test_what_must_not_be_written_is_not_sent(wire: Wire, service: AzureBackupService, change: dict[str, Any]) -> None:
    """An empty policy, one of another vault and further fields are refused before anything is sent."""
    with pytest.raises(RejectedError, match=r"not sent: .*vm-1"):
        service.put_item(ITEM, item_body(**change))
    assert wire.requests == []


@pytest.mark.parametrize(
    "change", [{"policyId": f"{VAULT}/backupPolicies/../x"}, {"sourceResourceId": "vm-1"}, {"sourceResourceId": None}]
)
def test_ids_of_an_item_are_checked(wire: Wire, service: AzureBackupService, change: dict[str, Any]) -> None:
    """Nothing that is no id of its kind is sent."""
    with pytest.raises(RejectedError, match="not sent"):
        service.put_item(ITEM, item_body(**change))
    assert wire.requests == []


def test_only_vm_policies_are_written(wire: Wire, service: AzureBackupService) -> None:
    """Properties of another workload's policy are refused."""
    with pytest.raises(RejectedError, match="VM policy"):
        service.put_policy(POLICY, {"backupManagementType": "AzureWorkload", "workLoadType": "SQLDataBase"})
    assert wire.requests == []


@pytest.mark.parametrize("path", [f"{POLICY}/../../x", f"{POLICY}?a=b", f"{POLICY}%2e", "/x", POLICY + "\n"])
def test_strange_ids_go_nowhere(wire: Wire, service: AzureBackupService, path: str) -> None:
    """An id that is none becomes no URL, of a read or a write."""
    with pytest.raises(DataError):
        service.get_policy(path)
    for write in (service.delete_policy, lambda at: service.put_policy(at, vm_policy())):
        with pytest.raises(RejectedError, match="not sent"):
            write(path)
    assert wire.requests == []


def test_a_policy_is_deleted(wire: Wire, service: AzureBackupService) -> None:
    """A deletion may take an operation like a write; one that is refused says so."""
    wire.on("DELETE", POLICY, accepted(wire, POLICY_STATUS), failure(400, "BMSUserErrorPolicyInUse", "in use"))
    wire.on("GET", POLICY_STATUS, SUCCEEDED)
    assert look_after(service, service.delete_policy(POLICY)).ended
    with pytest.raises(RejectedError, match="in use"):
        service.delete_policy(POLICY)
