"""VMs: sizes with their memory, and power states."""

from __future__ import annotations

import pytest
from azure.core.rest import HttpRequest

from optimizer.emulator import EmulatorSettings
from optimizer.emulator.machines import get_vm, groups_of, list_sizes, memory_bytes, size_of
from optimizer.emulator.refusal import Refusal
from tests.emulator.cloud import SUBSCRIPTION, VMS_QUERY, call, graph_rows, serving, state_of
from tests.plan.estates import vm_id


def test_sizes_tell_their_memory() -> None:
    """Sizes of VMs of a location with their memory, other kinds of resources among them."""
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus"
    with serving() as cloud:
        request = HttpRequest("GET", path, params={"$filter": "location eq 'westeurope'"})
        rows = cloud.backup.send_request(request).json()["value"]
    memory = {row["name"]: {one["name"]: one["value"] for one in row["capabilities"]} for row in rows}
    assert memory["Standard_E8s_v5"]["MemoryGB"] == "64"
    assert {row["resourceType"] for row in rows} == {"virtualMachines", "disks"}


def test_a_vm_shows_its_power_state() -> None:
    """In its instance view, alone or with the VM, and in Resource Graph."""
    settings = EmulatorSettings(stopped_vms=frozenset({vm_id("vm-2")}))
    with serving(settings=settings) as cloud:
        whole = cloud.backup.send_request(HttpRequest("GET", f"{vm_id('vm-1')}?$expand=instanceView")).json()
        alone = cloud.backup.send_request(HttpRequest("GET", f"{vm_id('vm-2')}/instanceView")).json()
        rows = graph_rows(cloud, VMS_QUERY)[0]
    assert whole["properties"]["instanceView"]["statuses"][1]["code"] == "PowerState/running"
    assert alone["statuses"][1]["code"] == "PowerState/deallocated"
    assert "deallocated" in str(rows[1]["properties"]) and "running" in str(rows[0]["properties"])


def test_an_unknown_size_has_the_usual_memory() -> None:
    """Sizes in the table have their own memory; a VM without a size has none that is stated."""
    assert memory_bytes("Standard_E8s_v5") == 64 * 1024**3
    assert memory_bytes("Standard_New") == 16 * 1024**3
    assert size_of({"properties": {"hardwareProfile": {"vmSize": "x"}}}) == "x" and size_of({}) == ""


def test_vms_are_grouped_by_a_reference() -> None:
    """VMs without the reference are in no group."""
    vms = [{"properties": {"availabilitySet": {"id": name}}} if name else {} for name in ("a", "b", "a", "")]
    assert groups_of(vms, "availabilitySet") == {"a": [vms[0], vms[2]], "b": [vms[1]]}


def test_sizes_are_listed_for_every_location() -> None:
    """Without a filter, every location that has VMs is listed; a VM that does not exist is a 404."""
    state = state_of()
    state.contents.vms["/x"] = {"location": "EastUS", "properties": {"hardwareProfile": {"vmSize": "Standard_New"}}}
    rows = list_sizes(call(state)).content["value"]
    assert {row["locations"][0] for row in rows} == {"eastus", "westeurope"}
    assert sum(row["name"] == "Standard_New" for row in rows) == 2
    with pytest.raises(Refusal, match="404 ResourceNotFound"):
        get_vm(call(state, vm_id("missing")))
