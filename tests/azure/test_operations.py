"""Operations that continue after a write was accepted: where to look, and what a look shows."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.azure.service import AzureBackupService
from optimizer.errors import (
    CloudError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UncertainError,
)
from optimizer.ports import Accepted, Look
from tests.azure.wire import (
    HANG_UP,
    ITEM,
    OPERATION,
    POLICY,
    POLICY_STATUS,
    SUCCEEDED,
    Answer,
    Wire,
    accepted,
    failure,
    item_body,
    look_after,
    vm_policy,
)

ITEM_STATUS = f"{ITEM}/operationsStatus/{OPERATION}"
ITEM_RESULT = f"{ITEM}/operationResults/{OPERATION}"
RUNNING = Answer(200, {"id": OPERATION, "name": OPERATION, "status": "InProgress"})


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


@pytest.mark.parametrize("failed", [{"j1": "UserErrorX"}, "job j1: UserErrorX"])
@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Canceled"])
def test_failed_jobs_of_an_operation_are_not_passed_over(
    wire: Wire, service: AzureBackupService, status: str, failed: object
) -> None:
    """A policy that was edited for some of its items only, or was cancelled, must be looked at."""
    info = {"objectType": "OperationStatusJobsExtendedInfo", "jobIds": ["j1"], "failedJobsError": failed}
    wire.on("PUT", POLICY, accepted(wire, POLICY_STATUS))
    wire.on("GET", POLICY_STATUS, ended(status, properties=info))
    look = look_after(service, service.put_policy(POLICY, vm_policy()))
    assert look.ended
    assert isinstance(look.failure, UncertainError)
    assert "job j1: UserErrorX" in str(look.failure)
