"""The same two VMs, their vault and their policy, in every form in which Azure's tools print them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-backup"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/rsv-one"
APP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-app"
POLICY = f"{VAULT}/backupPolicies/nightly"
NAMES = ("db-1", "web-1")
ITEM_TYPE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
POLICY_TYPE = "Microsoft.RecoveryServices/vaults/backupPolicies"
VM_TYPE = "Microsoft.Compute/virtualMachines"
TIME = "2019-05-01T23:00:00"


def vm_id(name: str, group: str = APP) -> str:
    return f"{group}/providers/{VM_TYPE}/{name}"


def rest_vault() -> dict[str, Any]:
    return {
        "id": VAULT,
        "name": "rsv-one",
        "type": "Microsoft.RecoveryServices/vaults",
        "location": "westeurope",
        "properties": {},
    }


def rest_policy() -> dict[str, Any]:
    return {
        "id": POLICY,
        "name": "nightly",
        "type": POLICY_TYPE,
        "properties": {
            "protectedItemsCount": 2,
            "backupManagementType": "AzureIaasVM",
            "policyType": "V1",
            "instantRPDetails": {"azureBackupRGNamePrefix": "snapshots-"},
            "instantRpRetentionRangeInDays": 2,
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": [TIME + "Z"],
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [TIME + "Z"],
                    "retentionDuration": {"count": 30, "durationType": "Days"},
                },
            },
            "timeZone": "UTC",
        },
    }


def rest_item(name: str, group: str = APP) -> dict[str, Any]:
    part = f"iaasvmcontainerv2;{group.rpartition('/')[2]};{name}"
    container = f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{part}"
    return {
        "id": f"{container}/protectedItems/VM;{part}",
        "name": f"VM;{part}",
        "type": ITEM_TYPE,
        "properties": {
            "protectedItemType": VM_TYPE,
            "containerName": part,
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "friendlyName": name,
            "sourceResourceId": vm_id(name, group),
            "virtualMachineId": vm_id(name, group),
            "policyId": POLICY,
            "policyName": "nightly",
            "protectionState": "Protected",
        },
    }


def rest_vm(name: str, group: str = APP) -> dict[str, Any]:
    return {
        "id": vm_id(name, group),
        "name": name,
        "type": VM_TYPE,
        "location": "westeurope",
        "tags": {"tier": name.partition("-")[0]},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"osDisk": {"osType": "Linux"}},
        },
    }


def keyed() -> dict[str, Any]:
    """One object with a list for each kind."""
    return {
        "vaults": [rest_vault()],
        "policies": [rest_policy()],
        "protected_items": [rest_item(name) for name in NAMES],
        "vms": [rest_vm(name) for name in NAMES],
    }


def as_rest_pages() -> list[Any]:
    """An object with ``value`` for each request."""
    return [{"value": listed} for listed in keyed().values()]


def as_azure_cli() -> list[Any]:
    """Bare lists with nulls, ``resourceGroup``, Python's names and offsets of time; VMs flattened."""
    policy = rest_policy()
    properties = policy["properties"]
    prefix = properties.pop("instantRPDetails")["azureBackupRGNamePrefix"]
    properties["instantRpDetails"] = {"azureBackupRgNamePrefix": prefix, "azureBackupRgNameSuffix": None}
    properties["tieringPolicy"] = None
    properties["schedulePolicy"]["scheduleRunTimes"] = [TIME + "+00:00"]
    properties["schedulePolicy"]["hourlySchedule"] = None
    properties["retentionPolicy"]["dailySchedule"]["retentionTimes"] = [TIME + "+00:00"]
    properties["retentionPolicy"]["weeklySchedule"] = None
    policy |= {"eTag": None, "location": None, "resourceGroup": "rg-backup", "tags": None}
    items = [rest_item(name) | {"eTag": None, "tags": None, "resourceGroup": "rg-backup"} for name in NAMES]
    for item in items:
        item["properties"]["extendedProperties"] = None
    vms = []
    for name in NAMES:
        vm = rest_vm(name)
        flat = vm.pop("properties") | {"osProfile": {"adminUsername": "somebody"}, "availabilitySet": None}
        vms.append(vm | flat | {"resourceGroup": "RG-APP", "zones": None, "resources": None})
    return [[rest_vault() | {"resourceGroup": "rg-backup", "sku": None}], [policy], items, vms]


def _graph_rows() -> list[dict[str, Any]]:
    rows = [copy.deepcopy(resource) for listed in keyed().values() for resource in listed]
    for row in rows:
        row["type"] = row["type"].lower()
        row |= {"tenantId": "t", "subscriptionId": "s", "resourceGroup": "rg-backup", "kind": "", "managedBy": ""}
    for row in rows:
        if row["type"] == ITEM_TYPE.lower():
            row["properties"]["dataSourceInfo"] = {"resourceID": row["properties"].pop("sourceResourceId")}
            del row["properties"]["virtualMachineId"]
    return rows


def as_graph_objects() -> list[Any]:
    """The answer of ``az graph query``."""
    rows = _graph_rows()
    return [{"count": len(rows), "data": rows, "skip_token": None, "total_records": len(rows)}]


def as_graph_table() -> list[Any]:
    """The answer of Resource Graph in table format."""
    rows = _graph_rows()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = {
        "columns": [{"name": name, "type": "string"} for name in columns],
        "rows": [[row.get(name) for name in columns] for row in rows],
    }
    return [{"count": len(rows), "data": table, "facets": [], "resultTruncated": "false", "totalRecords": len(rows)}]


def as_template() -> list[Any]:
    """A template export of the vault's group, and the VMs as the Azure CLI prints them."""
    vault = rest_vault()
    policy, items = rest_policy(), [rest_item(name) for name in NAMES]
    del vault["id"], policy["id"]
    vault["name"] = "[parameters('vaults_rsv_one_name')]"
    policy["name"] = "[concat(parameters('vaults_rsv_one_name'), '/nightly')]"
    for item in items:
        tail = item.pop("id").partition("/backupFabrics/")[2]
        fabric, _, container, _, name = tail.split("/")
        item["name"] = f"[concat(parameters('vaults_rsv_one_name'), '/{fabric}/{container}/{name}')]"
        properties = item["properties"]
        properties["policyId"] = f"[resourceId('{POLICY_TYPE}', parameters('vaults_rsv_one_name'), 'nightly')]"
        short = properties["friendlyName"].replace("-", "_")
        properties["sourceResourceId"] = f"[parameters('virtualMachines_{short}_externalid')]"
    outside = {f"virtualMachines_{name.replace('-', '_')}_externalid": {"defaultValue": vm_id(name)} for name in NAMES}
    depends = {"apiVersion": "2025-02-01", "dependsOn": []}
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"vaults_rsv_one_name": {"defaultValue": "rsv-one", "type": "String"}, **outside},
        "variables": {},
        "resources": [resource | depends for resource in (vault, policy, *items)],
    }
    return [template, as_azure_cli()[-1]]


FORMS = {
    "keyed": lambda: [keyed()],
    "rest": as_rest_pages,
    "cli": as_azure_cli,
    "graph objects": as_graph_objects,
    "graph table": as_graph_table,
    "template": as_template,
}


def write_json(folder: Path, contents: list[Any], encoding: str = "utf-8") -> list[Path]:
    """One file for each content."""
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"resources-{number}.json")
        files[-1].write_text(json.dumps(content, indent=1), encoding=encoding)
    return files
