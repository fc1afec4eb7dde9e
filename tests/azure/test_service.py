"""Tests of the adapter: the real clients against a scripted server on loopback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.azure.service import AzureBackupReader, AzureBackupService
from optimizer.errors import (
    CloudError,
    ConflictError,
    DataError,
    ForbiddenError,
    NotFoundError,
    NotSentError,
    RejectedError,
    ThrottledError,
    UncertainError,
)
from optimizer.ports import Accepted, Look
from tests.azure.wire import (
    ITEM,
    POLICY,
    SECRET,
    VAULT,
    Answer,
    Request,
    Wire,
    item_body,
    serve,
    vm_policy,
)

OPERATION = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
POLICY_STATUS = f"{POLICY}/operations/{OPERATION}"
ITEM_STATUS = f"{ITEM}/operationsStatus/{OPERATION}"
ITEM_RESULT = f"{ITEM}/operationResults/{OPERATION}"
RUNNING = Answer(200, {"id": OPERATION, "name": OPERATION, "status": "InProgress"})
SUCCEEDED = Answer(200, {"id": OPERATION, "name": OPERATION, "status": "Succeeded", "properties": None})
HANG_UP = Answer(drop="before")


def failure(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message}}, named)


def accepted(wire: Wire, path: str, header: str = "azure-asyncoperation") -> Answer:
    return Answer(202, None, {header: f"{wire.endpoint}{path}?api-version=2021-10-01"})


# Writing a policy


def test_a_policy_is_sent_as_it_is(wire: Wire, service: AzureBackupService) -> None:
    """The body of the PUT holds the properties and nothing else, unknown fields, nulls and letters included."""
    properties = vm_policy(unknownField={"a": [1, None, "ü"]}, tieringPolicy=None, protectedItemsCount=7)
    wire.on("PUT", POLICY, Answer(200, {"id": POLICY, "properties": properties}))
    service.put_policy(POLICY, properties)
    (request,) = wire.sent("PUT")
    assert request.json == {"properties": properties}
    assert "if-match" not in {name.lower() for name in request.headers}


def look_after(service: AzureBackupService, accepted: Accepted | None) -> Look:
    """One look at what was accepted."""
    assert accepted is not None
    return service.look_at_operation(accepted.operation)


@pytest.mark.parametrize("header", ["azure-asyncoperation", "Azure-AsyncOperation", "Operation-Location"])
def test_an_accepted_policy_can_be_looked_at(wire: Wire, service: AzureBackupService, header: str) -> None:
    """A 202 is handed on at once; each look is one request, whatever the header's case."""
    wire.on("PUT", POLICY, accepted(wire, POLICY_STATUS, header))
    wire.on("GET", POLICY_STATUS, RUNNING, SUCCEEDED)
    operation = service.put_policy(POLICY, vm_policy())
    assert operation == Accepted(f"{POLICY_STATUS}?api-version=2021-10-01")
    assert wire.sent("GET") == []
    assert look_after(service, operation) == Look(ended=False)
    assert look_after(service, operation) == Look(ended=True)
    assert len(wire.sent("PUT")) == 1
    assert len(wire.sent("GET", POLICY_STATUS)) == 2
    assert wire.sent("GET")[0].query["api-version"] == "2021-10-01"


def test_what_is_done_at_once_has_no_operation(wire: Wire, service: AzureBackupService) -> None:
    """200 and 204 mean that the write is done."""
    wire.on("PUT", ".*", Answer(200, {}))
    wire.on("DELETE", POLICY, Answer(204))
    assert service.put_policy(POLICY, vm_policy()) is None
    assert service.put_item(ITEM, item_body()) is None
    assert service.delete_policy(POLICY) is None


def test_a_result_stands_in_for_a_status(wire: Wire, service: AzureBackupService) -> None:
    """Without Azure-AsyncOperation, Location is asked: 202 means in progress, a refusal is the operation's own."""
    wire.on("PUT", ITEM, accepted(wire, ITEM_RESULT, "Location"))
    wire.on("GET", ITEM_RESULT, Answer(202), Answer(204), failure(400, "UserErrorX", "refused"), failure(503, "Busy"))
    operation = service.put_item(ITEM, item_body())
    assert [look_after(service, operation).ended for _ in range(2)] == [False, True]
    look = look_after(service, operation)
    assert look.ended
    assert isinstance(look.failure, RejectedError)
    with pytest.raises(UncertainError):
        look_after(service, operation)


def test_the_token_goes_to_nobody_else(wire: Wire, service: AzureBackupService) -> None:
    """The operation is looked at where the write was sent, even where the answer names another host."""
    wire.on("PUT", POLICY, Answer(202, None, {"Azure-AsyncOperation": f"https://evil.example{POLICY_STATUS}?a=1"}))
    wire.on("GET", POLICY_STATUS, SUCCEEDED)
    assert look_after(service, service.put_policy(POLICY, vm_policy())).ended
    assert wire.sent("GET", POLICY_STATUS)[0].query["a"] == "1"


@pytest.mark.parametrize(
    "operation",
    [
        "https://evil.example" + POLICY_STATUS,
        "//evil.example" + POLICY_STATUS,
        f"{POLICY}/../../x/operations/1",
        "/providers/Microsoft.Authorization/locks/x",
        "",
    ],
)
def test_a_journal_cannot_send_the_token_elsewhere(wire: Wire, service: AzureBackupService, operation: str) -> None:
    """What a journal names as an operation is a path below a subscription, or is not looked at."""
    with pytest.raises(ValueError, match="not the path of an operation"):
        service.look_at_operation(operation)
    assert wire.requests == []


def test_waits_of_an_operation_are_handed_on(wire: Wire, service: AzureBackupService) -> None:
    """Retry-After of the 202 and of each look goes to the caller."""
    first = accepted(wire, POLICY_STATUS)
    wire.on("PUT", POLICY, Answer(202, None, {**first.headers, "Retry-After": "60"}))
    wire.on("GET", POLICY_STATUS, Answer(200, RUNNING.body, {"Retry-After": "9000"}))
    operation = service.put_policy(POLICY, vm_policy())
    assert operation is not None
    assert operation.retry_after_seconds == 60.0
    assert look_after(service, operation) == Look(ended=False, retry_after_seconds=9000.0)


@pytest.mark.parametrize("location", [None, "/elsewhere/operations/1", "not a url {x}"])
def test_an_accepted_write_may_not_say_where_to_look(
    wire: Wire, service: AzureBackupService, location: str | None
) -> None:
    """A 202 without a usable header is accepted all the same, and not taken for success."""
    wire.on("PUT", POLICY, Answer(202, None, {"Location": location} if location else {}))
    assert service.put_policy(POLICY, vm_policy()) == Accepted("")


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (failure(503, "Busy"), UncertainError),
        (failure(502, "BadGateway"), UncertainError),
        (failure(429, "Slow", Retry_After="9"), ThrottledError),
        (failure(404, "ResourceNotFound"), NotFoundError),
        (failure(403, "AuthorizationFailed"), ForbiddenError),
        (failure(400, "BadRequest"), RejectedError),
        (HANG_UP, UncertainError),
    ],
)
def test_a_look_that_fails_says_nothing_of_the_operation(
    wire: Wire, service: AzureBackupService, trouble: Answer, kind: type[Exception]
) -> None:
    """The error is the look's own, it is not repeated, and a later look may succeed."""
    wire.on("PUT", ITEM, accepted(wire, ITEM_STATUS))
    wire.on("GET", ITEM_STATUS, trouble, SUCCEEDED)
    operation = service.put_item(ITEM, item_body())
    with pytest.raises(kind):
        look_after(service, operation)
    assert len(wire.sent("GET")) == 1
    assert look_after(service, operation).ended


def ended(status: str, **more: Any) -> Answer:
    return Answer(200, {"id": OPERATION, "name": OPERATION, "status": status, **more})


LIMIT = "Operation is blocked as you have reached the limit on number of operations permitted in 24 hours"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("UserErrorVmNotFoundV2", "gone", RejectedError),
        ("BMSUserErrorObjectLocked", "busy", ConflictError),
        ("BMSUserErrorLimit", LIMIT, ThrottledError),
    ],
)
def test_an_operation_may_fail(
    wire: Wire, service: AzureBackupService, code: str, message: str, kind: type[CloudError]
) -> None:
    """A final status Failed carries the service's code, and locks and limits are told from a refusal."""
    wire.on("PUT", ITEM, accepted(wire, ITEM_STATUS))
    wire.on("GET", ITEM_STATUS, ended("Failed", error={"code": code, "message": message}))
    look = look_after(service, service.put_item(ITEM, item_body()))
    assert look.ended
    assert isinstance(look.failure, kind)
    assert look.failure.code == code


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Canceled"])
def test_failed_jobs_of_an_operation_are_not_passed_over(wire: Wire, service: AzureBackupService, status: str) -> None:
    """A policy that was edited for some of its items only, or was cancelled, must be looked at."""
    info = {"objectType": "OperationStatusJobsExtendedInfo", "jobIds": ["j1"], "failedJobsError": {"j1": "UserErrorX"}}
    wire.on("PUT", POLICY, accepted(wire, POLICY_STATUS))
    wire.on("GET", POLICY_STATUS, ended(status, properties=info))
    look = look_after(service, service.put_policy(POLICY, vm_policy()))
    assert look.ended
    assert isinstance(look.failure, UncertainError)
    assert "job j1: UserErrorX" in str(look.failure)


# Each write is sent once


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


# Writing an item


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


# Reading


def test_a_reader_cannot_write() -> None:
    """Commands that only read are given a class without the means."""
    assert not [name for name in dir(AzureBackupReader) if name.startswith(("put", "delete", "create"))]


def test_resources_come_as_they_are(wire: Wire, service: AzureBackupService) -> None:
    """Unknown fields, nulls and odd times survive; an item is asked for with its extended info."""
    item = {
        "id": ITEM,
        "eTag": None,
        "properties": {**item_body(), "lastBackupTime": "2001-01-01T00:00:00Z", "new": {"x": [None, 1.5]}},
    }
    policy = {"id": POLICY, "odd": 1, "properties": vm_policy("2018-01-24T10:00:00.0000000Z", new=None)}
    wire.on("GET", ITEM, Answer(200, item))
    wire.on("GET", POLICY, Answer(200, policy))
    assert service.get_item(ITEM) == item
    assert service.get_policy(POLICY) == policy
    assert wire.sent("GET", ITEM)[0].query["$filter"] == "expand eq 'extendedInfo'"


def test_what_is_not_there_is_none(service: AzureBackupService) -> None:
    """404 for one object is None; for a list it is an error, as the vault is gone."""
    assert service.get_policy(POLICY) is None
    assert service.get_item(ITEM) is None
    with pytest.raises(NotFoundError, match="rsv-1"):
        service.list_policies(VAULT)


def test_lists_are_read_page_by_page(wire: Wire, service: AzureBackupService) -> None:
    """Every page of a list is fetched; items are filtered to VMs, policies are not filtered."""
    pages = {None: ("a", "p2"), "p2": ("b", None)}

    def page(request: Request) -> Answer:
        name, following = pages[request.query.get("$skipToken")]
        link = f"{wire.endpoint}{request.path}?$skipToken={following}" if following else None
        return Answer(200, {"value": [{"id": name, "properties": {"x": None}}], "nextLink": link})

    wire.on("GET", f"{VAULT}/backupPolicies", page)
    wire.on("GET", f"{VAULT}/backupProtectedItems", page)
    assert [policy["id"] for policy in service.list_policies(VAULT)] == ["a", "b"]
    assert [item["id"] for item in service.list_items(VAULT)] == ["a", "b"]
    assert "AzureIaasVM" in wire.sent("GET", f"{VAULT}/backupProtectedItems")[0].query["$filter"]
    assert "$filter" not in wire.sent("GET", f"{VAULT}/backupPolicies")[0].query


@pytest.mark.parametrize("trouble", [failure(503, "Busy"), failure(429, "Slow", Retry_After="0"), HANG_UP])
def test_reads_are_repeated(wire: Wire, service: AzureBackupService, trouble: Answer) -> None:
    """What is transient is retried by the SDK, more often than its own three times."""
    wire.on("GET", POLICY, *[trouble] * 5, Answer(200, {"id": POLICY}))
    assert service.get_policy(POLICY) == {"id": POLICY}


def test_reads_do_not_wait_for_hours(wire: Wire, service: AzureBackupService) -> None:
    """A Retry-After beyond five minutes ends the read with the wait in the error."""
    wire.on("GET", POLICY, failure(429, "Slow", Retry_After="7200"))
    with pytest.raises(ThrottledError) as caught:
        service.get_policy(POLICY)
    assert caught.value.retry_after_seconds == 7200.0


def test_jobs_are_asked_for_in_months(wire: Wire, service: AzureBackupService) -> None:
    """A long time is asked for in stretches that the service allows; jobs outside or seen twice are left out."""
    starts = ["2026-08-31T23:59:59Z", "2026-09-01T00:00:00Z", "2026-10-20T12:00:00.1234567Z", "2026-11-01T00:00:00Z"]
    jobs = [{"id": f"/j/{n}", "properties": {"startTime": start}} for n, start in enumerate(starts)]
    jobs.append({"id": "/j/odd", "properties": {"startTime": "0001-01-01T00:00:00"}})
    wire.on("GET", f"{VAULT}/backupJobs", Answer(200, {"value": jobs}))
    found = service.list_jobs(VAULT, datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert [job["id"] for job in found] == ["/j/1", "/j/2"]
    filters = [request.query["$filter"] for request in wire.requests]
    assert len(filters) == 3
    assert filters[0].startswith("startTime eq '2026-09-01 12:00:00 AM' and endTime eq '2026-10-01 12:00:00 AM'")
    assert all("operation eq 'Backup'" in text and "'AzureIaasVM'" in text for text in filters)


def test_running_jobs_are_of_every_operation(wire: Wire, service: AzureBackupService) -> None:
    """Whatever is in progress, or being cancelled, which may begin between the two lists, counts."""
    wire.on("GET", f"{VAULT}/backupJobs", Answer(200, {"value": [{"id": "/j/1"}]}), Answer(200, {"value": []}))
    assert service.running_jobs(VAULT) == [{"id": "/j/1"}]
    assert [request.query["$filter"].partition(" and ")[0] for request in wire.requests] == [
        "status eq 'InProgress'",
        "status eq 'Cancelling'",
    ]


def test_settings_of_a_vault_have_types(wire: Wire, service: AzureBackupService) -> None:
    """Vault, guard, configuration and locks come in one list and are told by their type."""
    wire.on("GET", VAULT, Answer(200, {"id": VAULT, "type": "Microsoft.RecoveryServices/vaults", "tags": {"a": "b"}}))
    wire.on("GET", f"{VAULT}/backupResourceGuardProxies", Answer(200, {"value": [{"id": "g"}]}))
    wire.on("GET", f"{VAULT}/backupconfig/vaultconfig", Answer(200, {"id": "c", "properties": {"x": 1}}))
    wire.on(
        "GET",
        f"{VAULT}/providers/Microsoft.Authorization/locks",
        Answer(200, {"value": [{"id": "l", "properties": {"level": "ReadOnly"}}]}),
    )
    assert [(setting["id"], setting["type"].rpartition("/")[2]) for setting in service.vault_settings(VAULT)] == [
        (VAULT, "vaults"),
        ("g", "backupResourceGuardProxies"),
        ("c", "backupconfig"),
        ("l", "locks"),
    ]


def test_a_missing_right_is_named(wire: Wire, service: AzureBackupService) -> None:
    """403 says which right is missing, on what, and which role has it; the token is in no message."""
    text = (
        f"The client 'x' with object id 'y' does not have authorization to perform action "
        f"'Microsoft.RecoveryServices/vaults/backupPolicies/read' over scope '{POLICY}' or the scope is invalid. "
        f"Authorization: Bearer {SECRET}"
    )
    wire.on("GET", POLICY, failure(403, "AuthorizationFailed", text))
    with pytest.raises(ForbiddenError) as caught:
        service.get_policy(POLICY)
    message = str(caught.value)
    assert "missing right: Microsoft.RecoveryServices/vaults/backupPolicies/read on" in message
    assert "Backup Schedule Optimizer Reader" in message
    assert SECRET not in message


def test_no_provider_is_registered(wire: Wire, service: AzureBackupService) -> None:
    """The SDK would register a missing provider, which is a write: it is kept from that."""
    wire.on(
        "GET",
        POLICY,
        failure(409, "MissingSubscriptionRegistration", "not registered to use 'Microsoft.RecoveryServices'"),
    )
    with pytest.raises(RejectedError, match=r"not registered for Microsoft\.RecoveryServices"):
        service.get_policy(POLICY)
    assert wire.sent("POST") == []


def test_threads_share_a_client(wire: Wire, service: AzureBackupService) -> None:
    """Several threads read at once through one client per subscription."""
    wire.on("GET", POLICY, Answer(200, {"id": POLICY}))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.get_policy(POLICY), range(40)))
    assert found == [{"id": POLICY}] * 40
    assert len(service._backup_clients) == 1
