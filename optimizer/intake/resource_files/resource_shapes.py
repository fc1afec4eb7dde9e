"""Converts a resource as printed by the Azure CLI, Resource Graph or an ARM template to the form of ARM."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from optimizer.intake.arm_ids import type_of_id
from optimizer.intake.json_files import fault_of
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
    by_cli = "resourceGroup" in resource and "subscriptionId" not in resource
    arm: Resource = {key: resource[key] for key in _TOP_LEVEL if key in resource}
    flat = {key: value for key, value in resource.items() if key not in arm and key not in _OF_THE_PRINTER}
    if "properties" not in arm and flat:
        arm["properties"] = flat
    if by_cli:
        arm = _without_cli_spelling(arm)
    properties = arm.get("properties")
    if isinstance(properties, dict):
        if kind == "vms":
            arm["properties"] = {key: value for key, value in properties.items() if key not in _NOT_KEPT}
        elif kind == "protected_items":
            _name_the_vm(properties)
    return arm


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
        values: list[Any] = [one, other]
        for key in path.split("."):
            values = [value.get(key) if isinstance(value, dict) else None for value in values]
        yield from _differences(path, values[0], values[1])


def _differences(path: str, one: object, other: object) -> Iterator[tuple[str, object, object]]:
    if one is None or other is None:
        return  # a field that one copy does not state is not a difference
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (key for key in one if key in other):
            yield from _differences(f"{path}.{key}", one[key], other[key])
    elif _without_case(one) != _without_case(other):
        yield path, one, other


def _without_case(value: object) -> object:
    if isinstance(value, list):
        return [_without_case(inner) for inner in value]
    return value.lower() if isinstance(value, str) else value


def _without_cli_spelling(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            _CLI_SPELLING.get(name, name): _without_cli_spelling(inner, name)
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(value, list):
        return [_without_cli_spelling(inner, key) for inner in value]
    if key in _NOMINAL_TIMES and isinstance(value, str) and (match := _CLI_TIME.fullmatch(value)):
        return match[1] + "Z"
    return value


def _name_the_vm(properties: dict[str, Any]) -> None:
    """Copy the VM id to the usual field if only Resource Graph's field states it."""
    source = properties.get("dataSourceInfo")
    vm_id = source.get("resourceID") if isinstance(source, dict) else None
    if isinstance(vm_id, str) and not (properties.get("sourceResourceId") or properties.get("virtualMachineId")):
        properties["sourceResourceId"] = vm_id
