"""Converts a resource as printed by the Azure CLI, Resource Graph or an ARM template to the form of ARM."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

from optimizer.intake.arm_ids import type_of_id
from optimizer.intake.json_files import fault_of
from optimizer.model.raw import mapping
from optimizer.ports import Resource

Kind = Literal["vaults", "policies", "protected_items", "vms", "vault_settings"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_KIND_BY_TYPE: dict[str, Kind] = {
    "microsoft.recoveryservices/vaults": "vaults",
    "microsoft.recoveryservices/vaults/backuppolicies": "policies",
    "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems": "protected_items",
    "microsoft.compute/virtualmachines": "vms",
    "microsoft.recoveryservices/vaults/backupconfig": "vault_settings",
    "microsoft.recoveryservices/vaults/backupstorageconfig": "vault_settings",
    "microsoft.recoveryservices/vaults/backupresourceguardproxies": "vault_settings",
    "microsoft.authorization/locks": "vault_settings",
}

_TOP_LEVEL = ("id", "name", "type", "location", "tags", "eTag", "etag", "sku", "identity", "zones", "properties")
"""Fields beside ``properties`` that ARM has and an estate keeps."""

_OF_THE_PRINTER = frozenset(
    {"resourceGroup", "subscriptionId", "tenantId", "kind", "managedBy", "plan", "extendedLocation", "systemData",
     "apiVersion", "dependsOn", "resources"}
)  # fmt: skip
"""Fields that the tools add, or that are irrelevant to backups."""

_NOT_KEPT = ("osProfile", "networkProfile", "diagnosticsProfile", "userData")
"""Properties of VMs that are irrelevant to backups and contain accounts, keys and networks; ``pull`` omits them
too."""

_COMPARED: dict[Kind, tuple[str, ...]] = {
    "vaults": ("location",),
    "policies": (
        "properties.backupManagementType", "properties.timeZone", "properties.schedulePolicy",
        "properties.retentionPolicy", "properties.instantRpRetentionRangeInDays",
        "properties.snapshotConsistencyType",
    ),
    "protected_items": (
        "properties.policyId", "properties.sourceResourceId", "properties.virtualMachineId",
        "properties.protectionState", "properties.isScheduledForDeferredDelete",
    ),
    "vms": ("location", "tags"),
    "vault_settings": ("properties",),
}  # fmt: skip
"""Fields on which two copies of a resource must agree, because plans use them. Other fields change by themselves."""

_CLI_SPELLING = {
    "instantRpDetails": "instantRPDetails",
    "azureBackupRgNamePrefix": "azureBackupRGNamePrefix",
    "azureBackupRgNameSuffix": "azureBackupRGNameSuffix",
    "deferredDeleteTimeInUtc": "deferredDeleteTimeInUTC",
    "existingBasicVmProtection": "existingBasicVMProtection",
}
"""Names that the Azure CLI derives from Python attributes, with ARM's names where they differ (compared with SDK
11.2)."""

_NOMINAL_TIMES = frozenset({"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"})
_CLI_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\+00:00")


def kind_of(resource: Mapping[str, Any]) -> tuple[Kind | None, str]:
    """Kind of a resource and its ARM type in lower case; the type is empty if the resource has no ARM id."""
    arm_id = resource.get("id")
    kind = type_of_id(arm_id) if isinstance(arm_id, str) else ""
    return _KIND_BY_TYPE.get(kind), kind


def fault_in(resource: Mapping[str, Any]) -> str:
    """Why a resource of a known kind cannot be kept; empty if it can."""
    for field, allowed in (("properties", "an object"), ("tags", "an object")):
        if not isinstance(resource.get(field), dict | None):
            return f"its {field} are {type(resource[field]).__name__}; allowed: {allowed} or null"
    return fault_of(resource)


def to_arm(kind: Kind, resource: Mapping[str, Any]) -> Resource:
    """Convert a resource to the form of ARM.

    Parameters
    ----------
    kind
        Kind of the resource.
    resource
        The resource as a tool printed it. Fields that the Azure CLI flattens (``az vm list``, ``az lock list``) are
        moved back into ``properties``. Nulls, names and times that the CLI writes differently are converted to ARM's
        form.
    """
    arm = _nested(resource)
    if "resourceGroup" in resource and "subscriptionId" not in resource:  # as the Azure CLI prints resources
        arm = _without_cli_spelling(arm)
    properties = arm.get("properties")
    if isinstance(properties, dict) and kind in _FINISH:
        arm["properties"] = _FINISH[kind](properties)
    return arm


def _nested(resource: Mapping[str, Any]) -> Resource:
    """Fields that an estate keeps; flattened properties are moved back into ``properties``."""
    arm: Resource = {key: resource[key] for key in _TOP_LEVEL if key in resource}
    flat = {key: resource[key] for key in resource if key not in arm and key not in _OF_THE_PRINTER}
    return arm | {"properties": flat} if flat and "properties" not in arm else arm


def _without_private_parts(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _NOT_KEPT}


def _with_named_vm(properties: dict[str, Any]) -> dict[str, Any]:
    """Copy the VM id to the usual field if only Resource Graph's field states it."""
    vm_id = mapping(properties.get("dataSourceInfo")).get("resourceID")
    stated = properties.get("sourceResourceId") or properties.get("virtualMachineId")
    return {**properties, "sourceResourceId": vm_id} if isinstance(vm_id, str) and not stated else properties


_FINISH: dict[Kind, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "vms": _without_private_parts,
    "protected_items": _with_named_vm,
}
"""Last step of the conversion of properties, by kind."""


def find_differences(kind: Kind, one: Resource, other: Resource) -> Iterator[tuple[str, object, object]]:
    """Fields that two copies of a resource state differently: the path and the two values.

    Parameters
    ----------
    kind
        Kind of both resources.
    one, other
        Resources as returned by :func:`to_arm`. Text is compared without regard to case.
    """
    for path in _COMPARED[kind]:
        yield from _differences(path, _at(one, path), _at(other, path))


def _at(resource: Resource, path: str) -> Any:
    """Value at a path of keys; None if the path does not exist."""
    value: Any = resource
    for key in path.split("."):
        value = mapping(value).get(key)
    return value


def _differences(path: str, one: object, other: object) -> Iterator[tuple[str, object, object]]:
    if one is None or other is None:
        return  # a field that one copy does not state is not a difference
    if isinstance(one, dict) and isinstance(other, dict):
        for key in filter(other.__contains__, one):
            yield from _differences(f"{path}.{key}", one[key], other[key])
    elif _without_case(one) != _without_case(other):
        yield path, one, other


def _without_case(value: object) -> object:
    if isinstance(value, list):
        return [_without_case(inner) for inner in value]
    return value.lower() if isinstance(value, str) else value


def _without_cli_spelling(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        stated = ((name, inner) for name, inner in value.items() if inner is not None)
        return {_CLI_SPELLING.get(name, name): _without_cli_spelling(inner, name) for name, inner in stated}
    if isinstance(value, list):
        return [_without_cli_spelling(inner, key) for inner in value]
    return _with_z(value) if key in _NOMINAL_TIMES else value


def _with_z(value: Any) -> Any:
    """A nominal time as ARM writes it; other values as they are."""
    match = _CLI_TIME.fullmatch(value) if isinstance(value, str) else None
    return f"{match[1]}Z" if match else value
