"""Small estates in the emulator, and the real clients connected to them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import polars as pl
import pytest
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from optimizer.azure.connection import Connection
from optimizer.emulator import CloudState, Emulator, EmulatorSettings, Refusal
from optimizer.emulator.calls import Call
from optimizer.estate.document import EstateDocument
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.model.clock import VirtualClock
from optimizer.ports import Resource
from tests.plan.estates import VAULT, hourly_policy, item, machine, policy_id, sql_policy, standard_policy, vm_id

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""A Monday."""

SUBSCRIPTION = VAULT.split("/")[2]
GROUP = VAULT.split("/")[4]
OTHER_VAULT = VAULT.replace("rsv-one", "rsv-two")
ONCE: dict[str, Any] = {"retry_total": 0}
"""Keeps the client from repeating what went wrong."""


def vault(vault_id: str = VAULT, **properties: object) -> Resource:
    return {
        "id": vault_id,
        "name": vault_id.rpartition("/")[2],
        "type": "Microsoft.RecoveryServices/vaults",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded", **properties},
    }


def estate(
    policies: Sequence[Resource] | None = None,
    items: Sequence[Resource] | None = None,
    vaults: Sequence[Resource] | None = None,
    settings: Sequence[Resource] = (),
) -> EstateDocument:
    """Build an estate; by default of two daily twins, an hourly policy, one of SQL, and three VMs in the first."""
    if policies is None:
        policies = (
            standard_policy("daily-2000", "20:00", items=3),
            standard_policy("daily-2200", "22:00", items=0),
            standard_policy("daily-short", "22:00", items=0, count=7),
            standard_policy("elsewhere", "22:00", items=0, vault=OTHER_VAULT),
            hourly_policy("hourly", "08:00", 0),
            sql_policy("sql"),
        )
    if items is None:
        items = tuple(item(name, "daily-2000") for name in ("vm-1", "vm-2", "vm-3"))
    names = {str(one["properties"]["sourceResourceId"]).rpartition("/")[2] for one in items}
    return EstateDocument(
        created_at=NOW,
        as_of=NOW,
        source="azure",
        vaults=tuple(vaults or (vault(), vault(OTHER_VAULT))),
        policies=tuple(policies),
        protected_items=tuple(items),
        vms=tuple(machine(name) for name in sorted(names)),
        vault_settings=tuple(settings),
    )


def state_of(document: EstateDocument | None = None, now: datetime = NOW, **settings: Any) -> CloudState:
    return CloudState(document or estate(), VirtualClock(now), None, EmulatorSettings(**{"seed": 7, **settings}))


@dataclass(frozen=True)
class Cloud:
    """A serving emulator, its clock, and clients of it."""

    emulator: Emulator
    clock: VirtualClock

    @cached_property
    def connection(self) -> Connection:
        """To the emulator."""
        return Connection.to_emulator(self.emulator.endpoint, self.emulator.ca_file)

    @cached_property
    def backup(self) -> RecoveryServicesBackupClient:
        """Of the first vault's subscription."""
        return self.connection.backup(SUBSCRIPTION)

    def put_policy(
        self, name: str, properties: Mapping[str, Any], vault: str = "rsv-one"
    ) -> tuple[int, dict[str, str]]:
        """Send a policy once; status and headers (by name in lower case)."""
        answer: Any = self.backup.protection_policies.create_or_update(
            vault,
            GROUP,
            name,
            io.BytesIO(json.dumps({"properties": properties}).encode()),
            cls=lambda response, _model, _headers: response.http_response,
            **ONCE,
        )
        return answer.status_code, {key.lower(): value for key, value in answer.headers.items()}

    def put_item(self, vm: str, policy: str, **properties: object) -> Any:
        """Send an assignment once and wait for its end with the client's own poller."""
        container, name = names_of(vm)
        body = {"properties": {**assignment(vm, policy), **properties}}
        return self.backup.protected_items.begin_create_or_update(
            "rsv-one",
            GROUP,
            "Azure",
            container,
            name,
            io.BytesIO(json.dumps(body).encode()),
            polling_interval=0.01,  # the SDK's own default is 30 s of real time
            **ONCE,
        ).result()

    def get_item(self, vm: str, **given: Any) -> Mapping[str, Any]:
        """Properties of an item."""
        container, name = names_of(vm)
        properties: Mapping[str, Any] = self.backup.protected_items.get(
            "rsv-one", GROUP, "Azure", container, name, **given
        ).as_dict()["properties"]
        return properties


@contextmanager
def serving(document: EstateDocument | None = None, now: datetime = NOW, **given: Any) -> Iterator[Cloud]:
    """Serve an estate until the end of the block, with what else ``Emulator.of_estate`` takes."""
    clock = VirtualClock(now)
    emulator = Emulator.of_estate(document or estate(), clock=clock, **given)
    with emulator:
        cloud = Cloud(emulator, clock)
        yield cloud
        if "backup" in cloud.__dict__:
            cloud.backup.close()


def names_of(vm: str) -> tuple[str, str]:
    """Container and name of an item."""
    return f"IaasVMContainer;iaasvmcontainerv2;rg-app;{vm}", f"VM;iaasvmcontainerv2;rg-app;{vm}"


def item_id(vm: str) -> str:
    container, name = names_of(vm)
    return f"{VAULT}/backupFabrics/Azure/protectionContainers/{container}/protectedItems/{name}"


def assignment(vm: str, policy: str) -> dict[str, Any]:
    """Properties by which an item goes to a policy."""
    return {
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "sourceResourceId": vm_id(vm),
        "policyId": policy_id(policy),
    }


def properties_of(name: str, start: str, **given: Any) -> dict[str, Any]:
    """Properties of a daily policy, to be sent."""
    properties: dict[str, Any] = standard_policy(name, start, **given)["properties"]
    return properties


def assign(state: CloudState, vm: str, policy: str, **properties: object) -> None:
    """Assign an item to a policy and look until it is done."""
    operation = state.put_item(item_id(vm), {"properties": {**assignment(vm, policy), **properties}}).operation
    assert operation is not None
    while operation.status == "InProgress":
        state.operation(operation.id)


def refused_assignment(state: CloudState, vm: str, policy: str, **properties: object) -> Refusal:
    """Return the refusal of an assignment."""
    with pytest.raises(Refusal) as raised:
        assign(state, vm, policy, **properties)
    return raised.value


VMS_QUERY = "Resources | where type =~ 'Microsoft.Compute/virtualMachines' | project id"


def graph_rows(
    cloud: Cloud, query: str, token: str | None = None, **scope: list[str]
) -> tuple[list[dict[str, object]], str]:
    """Return the rows of a page from Resource Graph, and the token of the next page."""
    options = QueryRequestOptions(top=1000, skip_token=token)
    with cloud.connection.graph() as client:
        answer = client.resources(QueryRequest(query=query, options=options, **scope))
    rows: list[dict[str, object]] = answer.data  # type: ignore[assignment]
    return rows, answer.skip_token or ""


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Jobs of an estate; of the first VM where nothing else is said."""
    usual = {"vm": vm_id("vm-1"), "vault": VAULT, "scheduled": None, "operation": "Backup", "error_code": None}
    return pl.DataFrame([{**usual, **row} for row in rows], schema=JOB_SCHEMA)


def call(
    state: CloudState, path: str = "", body: object = None, parts: Mapping[str, str] | None = None, **query: str
) -> Call:
    """Return a request as the handlers see it, without HTTP; ``parts`` are those that its route finds in the path."""
    named = {"vault_id": VAULT, "subscription": SUBSCRIPTION, **(parts or {})}
    return Call(state, "https://127.0.0.1:1", path, named, query, body)
