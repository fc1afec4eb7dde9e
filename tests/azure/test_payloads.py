"""Payloads as Azure sends them: read without loss by the real clients, policies written back but for the time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.arm.vm_policy import is_vm_policy
from optimizer.azure.service import AzureBackupService
from optimizer.documents import FIELDS_NOT_SENT
from optimizer.errors import CloudError, RejectedError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.timegrid import format_start
from optimizer.plan.make.diff import _body
from tests.azure.wire import ITEM, POLICY, VAULT, Answer, Wire, item_body, vm_policy

PAYLOADS = Path(__file__).parents[3] / "shared" / "azure-payloads"
needs_payloads = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the shared payloads are not beside this checkout")

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STATUS = f"{POLICY}/operations/99999999-aaaa-4bbb-8ccc-dddddddddddd"
TIME_FIELDS = {"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"}


def files(*prefixes: str) -> list[Any]:
    """Payloads whose names begin so; one that says why where there are none."""
    names = sorted(path.name for prefix in prefixes for path in PAYLOADS.glob(f"{prefix}*.json"))
    return [pytest.param(name, id=name) for name in names] or [pytest.param("none", marks=needs_payloads)]


def load(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_text(encoding="utf-8"))


@needs_payloads
def test_every_payload_is_tried() -> None:
    """A payload that is added to the collection is not passed over here."""
    tried = ["policy-", "disk-", "protected-item", "job", "operation-status", "resource-guard", "error-"]
    assert [path.name for path in PAYLOADS.glob("*.json") if not path.name.startswith(tuple(tried))] == []


@pytest.mark.parametrize("name", files("policy-", "disk-"))
def test_policies_are_read_without_loss(wire: Wire, service: AzureBackupService, name: str) -> None:
    """A policy comes out as it went in, alone and in a list, whatever its kind."""
    payload = load(name)
    wire.on("GET", POLICY, Answer(200, payload))
    wire.on("GET", f"{VAULT}/backupPolicies", Answer(200, {"value": [payload, payload]}))
    assert service.get_policy(POLICY) == payload
    assert service.list_policies(VAULT) == [payload, payload]


@pytest.mark.parametrize(
    "name", files("protected-item-get", "protected-item-irp", "protected-items", "protected-item-put")
)
def test_items_are_read_without_loss(wire: Wire, service: AzureBackupService, name: str) -> None:
    """Protected items come out as they went in, although the SDK takes them for a base class."""
    payload = load(name)
    items = payload.get("value", [payload])
    wire.on("GET", ITEM, Answer(200, items[0]))
    wire.on("GET", f"{VAULT}/backupProtectedItems", Answer(200, {"value": items}))
    assert service.get_item(ITEM) == items[0]
    assert service.list_items(VAULT) == items


@pytest.mark.parametrize("name", files("job"))
def test_jobs_are_read_without_loss(wire: Wire, service: AzureBackupService, name: str) -> None:
    """Jobs come out as they went in: durations in both formats, sentinel dates, unknown job types."""
    payload = load(name)
    jobs = payload.get("value", [payload])
    jobs = [{"id": f"{VAULT}/backupJobs/{n}", **job} for n, job in enumerate(jobs)]
    wire.on("GET", f"{VAULT}/backupJobs", Answer(200, {"value": jobs}))
    starts = [datetime.fromisoformat(job["properties"]["startTime"]) for job in jobs]
    found = [job for start in starts for job in service.list_jobs(VAULT, start, start + timedelta(milliseconds=1))]
    assert sorted(found, key=lambda job: str(job["id"])) == sorted(jobs, key=lambda job: str(job["id"]))
    assert service.running_jobs(VAULT)[: len(jobs)] == jobs


@pytest.mark.parametrize("name", files("resource-guard"))
def test_guards_are_read_without_loss(wire: Wire, service: AzureBackupService, name: str) -> None:
    """Guard proxies come out as they went in, none where there is none."""
    guards = load(name)["value"]
    wire.on("GET", VAULT, Answer(200, {"id": VAULT}))
    wire.on("GET", f"{VAULT}/backupResourceGuardProxies", Answer(200, load(name)))
    wire.on("GET", f"{VAULT}/backupconfig/vaultconfig", Answer(200, {"id": "c"}))
    wire.on("GET", f"{VAULT}/providers/Microsoft.Authorization/locks", Answer(200, {"value": []}))
    found = [one for one in service.vault_settings(VAULT) if one["type"].endswith("backupResourceGuardProxies")]
    assert found == guards


@pytest.mark.parametrize("name", files("operation-status"))
def test_statuses_of_operations_are_understood(wire: Wire, service: AzureBackupService, name: str) -> None:
    """Every recorded status means that the operation is in progress, or that it succeeded."""
    wire.on("PUT", POLICY, Answer(202, None, {"azure-asyncoperation": f"{wire.endpoint}{STATUS}"}))
    wire.on("GET", STATUS, Answer(200, load(name)))
    accepted = service.put_policy(POLICY, vm_policy())
    assert accepted is not None
    look = service.look_at_operation(accepted.operation)
    assert (look.ended, look.failure) == (load(name)["status"] != "InProgress", None)


@needs_payloads
def test_the_recorded_answer_to_a_write_is_followed(wire: Wire, service: AzureBackupService) -> None:
    """Headers as recorded (lower case, no Retry-After, another host) lead to the operation."""
    recorded = load("protected-item-put-202-headers.recorded.json")
    path = recorded["headers"]["azure-asyncoperation"].partition(".com")[2].partition("?")[0]
    wire.on("PUT", ITEM, Answer(recorded["status"], None, recorded["headers"]))
    wire.on("GET", path.replace(".", r"\."), Answer(200, load("operation-status-job.msdocs.json")))
    accepted = service.put_item(ITEM, item_body())
    assert accepted is not None
    assert accepted.retry_after_seconds is None
    assert service.look_at_operation(accepted.operation).ended


@needs_payloads
def test_what_stops_a_protection_is_not_sent(wire: Wire, service: AzureBackupService) -> None:
    """The documented way to stop a protection is refused before it leaves."""
    with pytest.raises(RejectedError, match="would stop the protection"):
        service.put_item(ITEM, load("protected-item-put-STOPS-PROTECTION.msdocs.json")["properties"])
    assert wire.requests == []


@needs_payloads
def test_a_recorded_reassignment_is_sent_as_recorded(wire: Wire, service: AzureBackupService) -> None:
    """The body that az CLI sends is the body that is sent here."""
    recorded = load("protected-item-put-request.recorded.json")
    vault = recorded["properties"]["policyId"].partition("/backupPolicies/")[0]
    wire.on("PUT", ".*", Answer(200, {}))
    service.put_item(ITEM.replace(VAULT, vault), recorded["properties"])
    assert wire.requests[0].json == recorded


@needs_payloads
def test_known_errors_are_translated(wire: Wire, service: AzureBackupService) -> None:
    """Every error of the collection becomes one of this package with its code."""
    for code, entry in load("error-429-and-400.examples.json").items():
        text = entry.get("message") or entry.get("message_start") or "text"
        answer = Answer(entry.get("http", 400), {"error": {"code": code, "message": text}}, {"Retry-After": "9999"})
        wire.on("GET", f"{VAULT}/backupPolicies/{code}", answer)
        with pytest.raises(CloudError) as caught:
            service.get_policy(f"{VAULT}/backupPolicies/{code}")
        assert caught.value.code == code


@needs_payloads
def test_policies_of_data_protection_are_foreign(wire: Wire, service: AzureBackupService) -> None:
    """A disk policy of a Backup vault is not a VM backup policy and is never written."""
    payload = load("disk-backup-policy-dataprotection.msdocs.json")
    assert not is_vm_policy({"properties": {"backupManagementType": "AzureIaasVM", **payload["properties"]}})
    with pytest.raises(RejectedError, match="not the properties of a VM policy"):
        service.put_policy(POLICY, payload["properties"])
    assert wire.requests == []


HOURLY = {
    "backupManagementType": "AzureIaasVM",
    "schedulePolicy": {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": "Hourly",
        "hourlySchedule": {
            "interval": 4,
            "scheduleWindowDuration": 12,
            "scheduleWindowStartTime": "2021-12-17T08:00:00+00:00",
            "later": {"x": None},
        },
    },
    "retentionPolicy": {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "dailySchedule": {
            "retentionTimes": ["2021-12-17T08:00:00.0000000Z"],
            "retentionDuration": {"count": 30, "durationType": "Days"},
        },
    },
    "tieringPolicy": {"ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}},
    "instantAccessDurationMinutes": 60,
    "neverSeen": [1, 2.5, None, {"a": "ü"}],
    "timeZone": "W. Europe Standard Time",
}
WEEKLY = vm_policy() | {
    "schedulePolicy": {
        "schedulePolicyType": "SimpleSchedulePolicyV2",
        "scheduleRunFrequency": "Weekly",
        "weeklySchedule": {"scheduleRunDays": ["Sunday", "Wednesday"], "scheduleRunTimes": ["2026-01-04T22:30:00Z"]},
    },
    "retentionPolicy": {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "weeklySchedule": {"daysOfTheWeek": ["Sunday", "Wednesday"], "retentionTimes": ["2026-01-04T22:30:00Z"]},
    },
    "snapshotConsistencyType": "OnlyCrashConsistent",
}
OWN = {"daily": vm_policy(protectedItemsCount=3), "hourly": HOURLY, "weekly": WEEKLY}


@pytest.mark.parametrize("option", [0, 5, 22])
@pytest.mark.parametrize("name", OWN)
def test_own_policies_are_written_back(wire: Wire, service: AzureBackupService, name: str, option: int) -> None:
    """What is read, moved and sent differs from what was read by the time alone."""
    write_back(wire, service, OWN[name], option)


@pytest.mark.parametrize("option", [0, 5, 22])
@pytest.mark.parametrize("name", files("policy-"))
def test_policies_of_azure_are_written_back(wire: Wire, service: AzureBackupService, name: str, option: int) -> None:
    """Every recorded or documented policy is sent back with another time and nothing else changed."""
    write_back(wire, service, load(name)["properties"], option)


def write_back(wire: Wire, service: AzureBackupService, properties: dict[str, Any], option: int) -> None:
    """Read a policy through the clients, give it another start as a plan does, send it, compare what arrived."""
    wire.on("GET", POLICY, Answer(200, {"id": POLICY, "name": "daily-2000", "properties": properties}))
    wire.on("PUT", POLICY, Answer(200, {}))
    read = service.get_policy(POLICY)
    assert read is not None
    document = EstateDocument(created_at=NOW, as_of=NOW, source="azure", policies=(read,))
    policy = Estate(Path(), document).inventory().policies[POLICY.lower()]
    service.put_policy(POLICY, _body(policy, option, NOW))
    (request,) = wire.sent("PUT")
    original = {key: value for key, value in properties.items() if key not in FIELDS_NOT_SENT}
    assert list(request.json) == ["properties"]
    compare(request.json["properties"], original, format_start(option))


def compare(sent: Any, original: Any, time: str, key: str = "") -> None:
    """Assert that two values are equal but for the time of day in the fields that hold one."""
    assert type(sent) is type(original)
    if isinstance(original, dict):
        assert list(sent) == list(original)
        for name in original:
            compare(sent[name], original[name], time, name)
    elif isinstance(original, list):
        assert len(sent) == len(original)
        for one, other in zip(sent, original, strict=True):
            compare(one, other, time, key)
    elif key in TIME_FIELDS and original is not None:
        assert sent == f"{original[:11]}{time}{original[16:]}"
    else:
        assert sent == original
