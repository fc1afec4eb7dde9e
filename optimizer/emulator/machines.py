"""VMs: their sizes, power states, and groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.filters import parse_filter, same
from optimizer.emulator.ids import key
from optimizer.emulator.refusal import not_found
from optimizer.model.raw import id_of, mapping, properties_of

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import Resource

MEMORY_GB = {
    "Standard_B1s": 1.0,
    "Standard_B2s": 4.0,
    "Standard_B2ms": 8.0,
    "Standard_D2s_v5": 8.0,
    "Standard_D4s_v5": 16.0,
    "Standard_D8s_v5": 32.0,
    "Standard_E4s_v5": 32.0,
    "Standard_E8s_v5": 64.0,
    "Standard_F4s_v2": 8.0,
}
USUAL_MEMORY_GB = 16.0
"""Memory in GB of sizes that are not in the table."""


def size_of(vm: Resource) -> str:
    """Size of a VM; empty if not stated."""
    return str(mapping(properties_of(vm).get("hardwareProfile")).get("vmSize") or "")


def memory_bytes(size: str) -> float:
    """Memory of a VM size, in bytes."""
    return MEMORY_GB.get(size, USUAL_MEMORY_GB) * 1024**3


def power_state(state: CloudState, vm_id: str) -> str:
    """Code of a VM's power state."""
    return "PowerState/deallocated" if key(vm_id) in state.settings.stopped_vms else "PowerState/running"


def get_vm(call: Call) -> Response:
    """Answer with a VM, including its instance view on request."""
    vm = _vm(call, call.path)
    if same("instanceView", call.query.get("$expand", "")):
        view = {"instanceView": _instance_view(call.state, vm)}
        return Response(200, {**vm, "properties": {**properties_of(vm), **view}})
    return Response(200, vm)


def get_instance_view(call: Call) -> Response:
    """Answer with the instance view of a VM."""
    return Response(200, _instance_view(call.state, _vm(call, call.path.rpartition("/")[0])))


def _vm(call: Call, vm_id: str) -> Resource:
    vm = call.state.contents.vms.get(key(vm_id))
    if vm is None:
        raise not_found(vm_id)
    return vm


def _instance_view(state: CloudState, vm: Resource) -> Resource:
    ready = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready"}
    power = {"code": power_state(state, id_of(vm)), "level": "Info"}
    return {
        "vmAgent": {"vmAgentVersion": "2.7.41491.1145", "statuses": [ready]},
        "statuses": [{**ready, "displayStatus": "Provisioning succeeded"}, power],
    }


def list_sizes(call: Call) -> Response:
    """Answer with VM sizes and their memory, in one location or in all locations with VMs."""
    terms = parse_filter(call.query.get("$filter"))
    vms = list(call.state.contents.vms.values())
    known = {key(vm.get("location") or "") for vm in vms} - {""}
    locations = [key(terms["location"])] if "location" in terms else sorted(known)
    sizes = sorted({*MEMORY_GB, *map(size_of, vms)} - {""})
    rows = [_sku(size, location) for location in locations for size in sizes]
    return call.paged([*rows, *map(_disk_sku, locations)], 1000)


def _sku(size: str, location: str) -> Resource:
    memory = f"{MEMORY_GB.get(size, USUAL_MEMORY_GB):g}"
    return {
        "resourceType": "virtualMachines",
        "name": size,
        "locations": [location],
        "capabilities": [{"name": "vCPUs", "value": "4"}, {"name": "MemoryGB", "value": memory}],
    }


def _disk_sku(location: str) -> Resource:
    return {"resourceType": "disks", "name": "Premium_LRS", "locations": [location], "capabilities": []}


def groups_of(vms: Iterable[Resource], field: str) -> dict[str, list[Resource]]:
    """VMs by the id that one of their fields refers to (``availabilitySet``, ``virtualMachineScaleSet``)."""
    groups: dict[str, list[Resource]] = {}
    for vm in vms:
        reference = str(mapping(properties_of(vm).get(field)).get("id") or "")
        if reference:
            groups.setdefault(reference, []).append(vm)
    return groups
