"""Reads of backup objects: as they are, page by page, repeated; odd answers cost only themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.azure.service import AzureBackupReader, AzureBackupService
from optimizer.errors import (
    CloudError,
    ForbiddenError,
    NotFoundError,
    UncertainError,
)
from tests.azure.wire import (
    HANG_UP,
    ITEM,
    POLICY,
    SECRET,
    VAULT,
    Answer,
    Request,
    Wire,
    failure,
    item_body,
    vm_policy,
)

LISTS = [("list_policies", "backupPolicies"), ("list_items", "backupProtectedItems"), ("running_jobs", "backupJobs")]
DEEP = b'{"value": [' + b"[" * 200_000 + b"]" * 200_000 + b"]}"


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


def test_threads_share_a_client(wire: Wire, service: AzureBackupService) -> None:
    """Several threads read at once through one client per subscription."""
    wire.on("GET", POLICY, Answer(200, {"id": POLICY}))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.get_policy(POLICY), range(40)))
    assert found == [{"id": POLICY}] * 40
    assert len(service._backup_clients) == 1
