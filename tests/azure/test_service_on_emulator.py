"""The adapter against the emulator: what it writes is what it reads afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.arm.vm_policy import with_start
from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.errors import RejectedError
from optimizer.estate.document import EstateDocument
from optimizer.model.clock import VirtualClock
from tests.azure.wire import Token
from tests.plan.estates import VAULT, item, machine, policy_id, sql_policy, standard_policy, vm_id

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def emulated() -> Iterator[tuple[Any, AzureBackupService]]:
    """An emulator of a small estate, and the adapter connected to it."""
    from optimizer.emulator import Emulator

    disks = {"diskExclusionProperties": {"diskLunList": [1, 2], "isInclusionList": False}}
    document = EstateDocument(
        created_at=NOW,
        as_of=NOW,
        source="azure",
        vaults=(
            {"id": VAULT, "name": "rsv-one", "type": "Microsoft.RecoveryServices/vaults", "location": "westeurope"},
        ),
        policies=(standard_policy("nightly", "23:00", items=2), sql_policy("sql")),
        protected_items=(item("vm-1", "nightly"), item("vm-2", "nightly", extendedProperties=disks)),
        vms=(machine("vm-1"), machine("vm-2")),
    )
    with Emulator.of_estate(document, clock=VirtualClock(NOW)) as emulator:
        connection = Connection(
            arm_endpoint=emulator.endpoint,
            metrics_endpoint=emulator.endpoint + "/metrics/{region}",
            logs_endpoint=emulator.endpoint + "/logs/v1",
            ca_file=emulator.ca_file,
            token_credential=Token(),
            backoff_seconds=0.05,
        )
        with AzureBackupService(connection) as service:
            yield emulator, service


def body_of(resource: dict[str, Any], policy: str) -> dict[str, Any]:
    kept = ("protectedItemType", "sourceResourceId", "extendedProperties")
    properties = {name: resource["properties"][name] for name in kept if name in resource["properties"]}
    return {**properties, "policyId": policy_id(policy)}


def test_a_vault_is_read(emulated: tuple[Any, AzureBackupService]) -> None:
    """Policies of every workload, protected VMs, settings and jobs are there."""
    _, service = emulated
    assert {"nightly", "sql"} <= {policy["name"] for policy in service.list_policies(VAULT)}
    assert {one["properties"]["sourceResourceId"] for one in service.list_items(VAULT)} == {
        vm_id("vm-1"),
        vm_id("vm-2"),
    }
    assert service.vault_settings(VAULT)[0]["id"] == VAULT
    assert service.running_jobs(VAULT) == []
    assert service.list_jobs(VAULT, NOW - timedelta(days=1), NOW) == []
    assert service.get_policy(policy_id("none")) is None


def test_a_policy_is_made_used_and_left(emulated: tuple[Any, AzureBackupService]) -> None:
    """A twin is created, a VM goes to it with its disks and back, and the empty twin is deleted."""
    _, service = emulated
    original = service.get_policy(policy_id("nightly"))
    assert original is not None
    twin = with_start(original["properties"], 6)
    twin.pop("protectedItemsCount", None)
    service.put_policy(policy_id("nightly-0300"), twin)
    made = service.get_policy(policy_id("nightly-0300"))
    assert made is not None
    assert {name: made["properties"].get(name) for name in twin} == twin
    item_id = item("vm-2", "nightly")["id"]
    for policy in ("nightly-0300", "nightly"):
        before = service.get_item(item_id)
        assert before is not None
        accepted = service.put_item(item_id, body_of(before, policy))
        assert accepted is not None
        assert not service.look_at_operation(accepted.operation).ended
        assert service.look_at_operation(accepted.operation).ended
        after = service.get_item(item_id)
        assert after is not None
        assert after["properties"]["policyId"].lower() == policy_id(policy).lower()
        assert after["properties"]["extendedProperties"] == before["properties"]["extendedProperties"]
    service.delete_policy(policy_id("nightly-0300"))
    assert service.get_policy(policy_id("nightly-0300")) is None


def test_a_time_off_the_grid_is_refused(emulated: tuple[Any, AzureBackupService]) -> None:
    """What Azure does not accept arrives as a refusal with its code, and nothing is changed."""
    _, service = emulated
    original = service.get_policy(policy_id("nightly"))
    assert original is not None
    wrong = standard_policy("nightly", "23:15")["properties"]
    with pytest.raises(RejectedError) as caught:
        service.put_policy(policy_id("nightly"), wrong)
    assert caught.value.code
    after = service.get_policy(policy_id("nightly"))
    assert after is not None
    assert after["properties"]["schedulePolicy"] == original["properties"]["schedulePolicy"]
