"""Operations that continue after a write was accepted, as the real clients follow them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from optimizer.emulator import AcceptedWrite, EmulatorSettings
from optimizer.emulator.operations import Operation, Operations, RateCounter
from tests.emulator.cloud import GROUP, NOW, assignment, item_id, names_of, properties_of, serving
from tests.plan.estates import policy_id


def test_an_item_is_moved_end_to_end() -> None:
    """The client's own poller follows the 202 to its end and reads the item in its new place."""
    with serving() as cloud:
        moved = cloud.put_item("vm-1", "daily-2200").as_dict()
    assert moved["properties"]["policyId"] == policy_id("daily-2200")
    assert cloud.emulator.requests == {"item.put": 1, "operation": 2, "item.get": 1}
    body = {"properties": assignment("vm-1", "daily-2200")}
    assert cloud.emulator.writes == [AcceptedWrite(cloud.clock.now(), "PUT", item_id("vm-1"), body)]


def test_a_policy_with_items_is_written_by_an_operation_of_several_jobs() -> None:
    """202, then a status that names jobs, which the client reads by its own model."""
    with serving() as cloud:
        status, headers = cloud.put_policy("daily-2000", properties_of("daily-2000", "21:30"))
        found = re.search(r"/backupPolicies/daily-2000/operations/([^/?]+)\?", headers["azure-asyncoperation"])
        assert found is not None and "retry-after" not in headers
        place = ("rsv-one", GROUP, "daily-2000", found[1])
        statuses = cloud.backup.protection_policy_operation_statuses
        first, last = statuses.get(*place), statuses.get(*place)
        job = cloud.backup.job_details.get("rsv-one", GROUP, last.properties["jobIds"][0])
        result = cloud.backup.protection_policy_operation_results.get(*place)
    assert (status, first.status, last.status) == (202, "InProgress", "Succeeded")
    assert last.properties["objectType"] == "OperationStatusJobsExtendedInfo"
    assert job.properties["operation"] == "ConfigureBackup"
    assert result.as_dict()["properties"]["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T21:30:00Z"]


def test_an_operation_may_fail() -> None:
    """It is accepted, ends as Failed, the client raises, and nothing was changed."""
    failing = EmulatorSettings(failing_operations=frozenset({item_id("vm-1")}))
    with serving(settings=failing) as cloud:
        with pytest.raises(HttpResponseError, match="BMSUserErrorOperationFailed"):
            cloud.put_item("vm-1", "daily-2200")
        assert cloud.get_item("vm-1")["policyId"] == policy_id("daily-2000")
        assert cloud.emulator.writes == []


def test_the_service_says_how_long_to_wait_where_it_is_told_to() -> None:
    """``Retry-After`` is in the answer of an accepted write only where it is set."""
    with serving(settings=EmulatorSettings(operation_retry_after=1)) as cloud:
        _, headers = cloud.put_policy("daily-2000", properties_of("daily-2000", "21:30"))
    assert headers["retry-after"] == "1"


def test_an_item_can_be_left_inconsistent() -> None:
    """An item that is set to be so says that its policy is inconsistent once it was moved."""
    odd = EmulatorSettings(inconsistent_items=frozenset({item_id("vm-1")}))
    with serving(settings=odd) as cloud:
        flags = []
        for policy in ("", "daily-2200"):
            if policy:
                cloud.put_item("vm-1", policy)
            found = cloud.get_item("vm-1", filter="expand eq 'extendedInfo'")
            flags.append(found["extendedInfo"]["policyInconsistent"])
        assert "extendedInfo" not in cloud.get_item("vm-1")
    assert flags == [False, True]


def test_somebody_else_acts_before_a_write() -> None:
    """A policy can be changed by another hand right before the n-th write from now."""

    def rename(state: object) -> None:
        del state
        acted.append(len(cloud.emulator.writes))

    acted: list[int] = []
    with serving() as cloud:
        cloud.put_item("vm-1", "daily-2200")
        cloud.emulator.interfere(rename, before_write=2)
        cloud.put_item("vm-2", "daily-2200")
        cloud.put_item("vm-3", "daily-2200")
        cloud.put_item("vm-1", "daily-2000")
    assert acted == [2]


def test_other_operations_are_not_found() -> None:
    """An operation is found below its own object only."""
    with serving() as cloud:
        container, name = names_of("vm-1")
        with pytest.raises(HttpResponseError) as raised:
            cloud.backup.protected_item_operation_statuses.get("rsv-one", GROUP, "Azure", container, name, "nothing")
    assert raised.value.status_code == 404


def test_an_operation_runs_until_its_end() -> None:
    """It is found on its object, counts toward its target and is due in time; after its end, only its id is known."""
    operations = Operations(seed=1)
    operation = Operation("O-1", "/VM", NOW, NOW + timedelta(minutes=5), lambda _: ["job"], 1, target="/policy")
    operations.begin(operation)
    assert operations.on("/vm") is operation
    assert operations.toward("/POLICY") == 1
    assert list(operations.due(NOW)) == []
    assert list(operations.due(NOW + timedelta(minutes=5))) == [operation]
    operations.end(operation, NOW)
    assert (operations.on("/vm"), operations.toward("/policy")) == (None, 0)
    assert (operation.status, operation.jobs, operation.ended) == ("Succeeded", ["job"], NOW)
    assert operation.body()["properties"]["jobId"] == "job"


def test_events_are_counted_for_24_hours() -> None:
    """Each scope has its own count, and an event of 24 hours ago no longer counts."""
    counter = RateCounter()
    for hours in (0, 1, 1):
        counter.add("a", NOW + timedelta(hours=hours))
    assert [counter.count("a", NOW + timedelta(hours=hours)) for hours in (2, 24, 25)] == [3, 2, 0]
    assert counter.count("b", NOW) == 0
