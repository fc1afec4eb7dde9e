"""The emulator and the recorded answers of Azure."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.emulator import EmulatorSettings
from tests.emulator.cloud import GROUP, NOW, VAULT, estate, item_id, names_of, serving, state_of
from tests.plan.estates import item, policy_id

POLICIES = (
    "policy-v1-daily.recorded.json",
    "policy-v1-weekly.response.msdocs.json",
    "policy-v2-daily.response.swagger.json",
    "policy-v2-daily-no-policytype.response.swagger.json",
    "policy-v2-hourly.response.swagger.json",
)
REQUESTS = (
    "policy-v1-daily.put-request.recorded.json",
    "policy-v1-weekly.put-request.msdocs.json",
    "policy-v2-weekly.constructed.json",
)


def payload(shared: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((shared / "azure-payloads" / name).read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key != "_note"}


def without(value: Any, *keys: str) -> Any:
    if isinstance(value, dict):
        return {key: without(inner, *keys) for key, inner in value.items() if key not in keys}
    return value


@pytest.mark.parametrize("name", POLICIES)
def test_recorded_policies_are_served_unchanged(shared: Path, name: str) -> None:
    """What Azure answered is what the emulator answers, unknown fields and nulls included."""
    policy = {**payload(shared, name), "id": policy_id("recorded"), "name": "recorded"}
    with serving(estate(policies=[policy], items=[])) as cloud:
        read = cloud.backup.protection_policies.get("rsv-one", GROUP, "recorded").as_dict()
        listed = [one.as_dict() for one in cloud.backup.backup_policies.list("rsv-one", GROUP)]
    assert read == policy
    assert listed == [policy]


@pytest.mark.parametrize("name", REQUESTS)
def test_recorded_requests_are_accepted(shared: Path, name: str) -> None:
    """What was put into Azure can be put into the emulator, and comes back."""
    properties = payload(shared, name)["properties"]
    with serving() as cloud:
        status, _ = cloud.put_policy("recorded", properties)
        read = cloud.backup.protection_policies.get("rsv-one", GROUP, "recorded").as_dict()
    assert status == 200
    assert read["properties"] == {**properties, "protectedItemsCount": 0}


@pytest.mark.parametrize("name", ["policy-v1-daily.recorded.json", "policy-v1-weekly.response.msdocs.json"])
def test_standard_policies_are_written_back(shared: Path, name: str) -> None:
    """An answer can be sent back as a request, over the policy that it came from."""
    policy = {**payload(shared, name), "id": policy_id("recorded"), "name": "recorded"}
    state = state_of(estate(policies=[policy], items=[]))
    state.put_policy(policy_id("recorded"), {"properties": policy["properties"]})
    assert state.snapshot().policies[0]["properties"] == policy["properties"]


def test_a_written_policy_is_completed_as_recorded(shared: Path) -> None:
    """With ``tidy_policies`` the documented request becomes the documented answer, and fractions go."""
    request = payload(shared, "policy-v1-weekly.put-request.msdocs.json")["properties"]
    answer = payload(shared, "policy-v1-weekly.response.msdocs.json")["properties"]
    recorded = payload(shared, "policy-v1-daily.put-request.recorded.json")["properties"]
    with serving(settings=EmulatorSettings(tidy_policies=True)) as cloud:
        cloud.put_policy("weekly", request)
        cloud.put_policy("daily", recorded)
        read = [cloud.backup.protection_policies.get("rsv-one", GROUP, name).as_dict() for name in ("weekly", "daily")]
    added = {name: read[0]["properties"].pop(name) for name in ("policyType", "tieringPolicy")}
    assert added["policyType"] == "V1"
    assert added["tieringPolicy"]["ArchivedRP"]["tieringMode"] == "DoNotTier"
    assert read[0]["properties"] == answer
    assert read[1]["properties"]["schedulePolicy"]["scheduleRunTimes"] == ["2022-05-13T20:00:00Z"]


def test_answers_have_the_recorded_headers_and_statuses(shared: Path) -> None:
    """An assignment is answered with the recorded headers; its operation has the recorded fields."""
    recorded = payload(shared, "protected-item-put-202-headers.recorded.json")
    running = payload(shared, "operation-status-inprogress.recorded.json")
    ended = payload(shared, "operation-status-job.msdocs.json")
    seen: list[Any] = []
    container, name = names_of("vm-1")
    body: Any = payload(shared, "protected-item-put-request.recorded.json")
    body["properties"] |= {
        "policyId": policy_id("daily-2200"),
        "sourceResourceId": item("vm-1", "x")["properties"]["sourceResourceId"],
    }
    with serving() as cloud:
        poller = cloud.backup.protected_items.begin_create_or_update(
            "rsv-one", GROUP, "Azure", container, name, body, raw_response_hook=seen.append, polling_interval=0.01
        )
        poller.result()
    answers = [response.http_response for response in seen]
    assert answers[0].status_code == recorded["status"]
    assert set(recorded["headers"]) <= {header.lower() for header in answers[0].headers}
    for header, where in (("azure-asyncoperation", "operationsStatus"), ("location", "operationResults")):
        address = answers[0].headers[header]
        assert address.startswith(f"{answers[0].request.url.partition('/subscriptions')[0]}{VAULT}")
        assert f"{name}/{where}/" in address and "?api-version=" in address
    assert set(answers[1].json()) == set(running)
    assert (answers[1].json()["status"], answers[1].json()["endTime"]) == ("InProgress", running["endTime"])
    assert without(answers[2].json(), "properties").keys() == without(ended, "properties").keys()
    assert answers[2].json()["properties"].keys() == ended["properties"].keys()


def test_jobs_have_the_recorded_fields(shared: Path) -> None:
    """A job of the emulator has every field that the recorded ones have."""
    recorded = payload(shared, "jobs-list.recorded.json")["value"][0]
    detail = payload(shared, "job-details-completed.msdocs.json")
    state = state_of()
    state.clock.sleep(86400)
    job = state.jobs[0]
    assert recorded.keys() <= job.keys()
    assert recorded["properties"].keys() <= job["properties"].keys()
    found = state.book.get(job["name"], state.clock.now())
    assert found is not None
    whole = found.resource(state.clock.now(), detail=True)["properties"]
    assert detail["properties"].keys() <= whole.keys()
    assert detail["properties"]["extendedInfo"].keys() == whole["extendedInfo"].keys()
    assert datetime.fromisoformat(whole["startTime"]) > NOW


def test_stop_protection_is_understood(shared: Path) -> None:
    """The documented request that ends a protection does so: tests can prove that nobody sends it."""
    body: Any = payload(shared, "protected-item-put-STOPS-PROTECTION.msdocs.json")
    state = state_of()
    body["properties"]["sourceResourceId"] = state.contents.items[item_id("vm-1").lower()]["properties"][
        "sourceResourceId"
    ]
    state.put_item(item_id("vm-1"), body)
    state.clock.sleep(3600)
    state.advance()
    assert state.contents.items[item_id("vm-1").lower()]["properties"]["protectionState"] == "ProtectionStopped"


@pytest.mark.parametrize(
    "name",
    [
        "protected-items-list.recorded.json",
        "protected-item-irpending.msdocs.json",
        "protected-item-get-v2.swagger.json",
    ],
)
def test_recorded_items_are_served_unchanged(shared: Path, name: str) -> None:
    """Items come as they were recorded; extended info only where it is asked for."""
    content = payload(shared, name)
    recorded: Any = content.get("value", [content])[0]
    one = {**recorded, "id": item_id("vm-1")}
    with serving(estate(items=[one])) as cloud:
        read = cloud.get_item("vm-1")
        extended = cloud.get_item("vm-1", filter="expand eq 'extendedInfo'")
    assert read == without(recorded["properties"], "extendedInfo")
    assert extended["extendedInfo"] == {"recoveryPointCount": 0, "policyInconsistent": False}
