"""Resources as several tools print them are brought to the form of ARM, and compared."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.intake.resource_files.resource_shapes import Kind, fault_in, find_differences, kind_of, to_arm

GROUP = "/subscriptions/s/resourceGroups/rg/providers"
VAULT = f"{GROUP}/Microsoft.RecoveryServices/vaults/one"
VM = f"{GROUP}/Microsoft.Compute/virtualMachines/web"
ITEM = f"{VAULT}/backupFabrics/Azure/protectionContainers/c/protectedItems/i"


@pytest.mark.parametrize(
    ("arm_id", "kind"),
    [
        (VAULT, "vaults"),
        (f"{VAULT}/backupPolicies/daily", "policies"),
        (ITEM.upper(), "protected_items"),
        (VM, "vms"),
        (f"{VAULT}/backupconfig/vaultconfig", "vault_settings"),
        (f"{VAULT}/providers/Microsoft.Authorization/locks/keep", "vault_settings"),
        (f"{GROUP}/Microsoft.Compute/disks/d", None),
    ],
)
def test_the_kind_follows_from_the_id(arm_id: str, kind: Kind | None) -> None:
    """The type in the id decides, in any case; other types have no kind."""
    assert kind_of({"id": arm_id})[0] == kind
    assert kind_of({"id": arm_id})[1]


@pytest.mark.parametrize("bad", [None, 5, "web", "", ["x"]])
def test_without_an_arm_id_there_is_no_type(bad: object) -> None:
    """A resource without the id of a resource has neither kind nor type."""
    assert kind_of({"id": bad}) == (None, "")


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"properties": {}, "tags": None}, ""),
        ({}, ""),
        ({"properties": []}, "its properties are list; allowed: an object or null"),
        ({"tags": "env=prod"}, "its tags are str; allowed: an object or null"),
        ({"name": "\udfff"}, "its text holds half of a surrogate pair, which is not a character"),
    ],
)
def test_faults_of_a_resource(resource: dict[str, Any], expected: str) -> None:
    """Properties and tags are objects or missing, and the resource can be written to a file."""
    assert fault_in(resource) == expected


def test_the_cli_flattens_properties() -> None:
    """What the CLI prints beside the id goes back into properties; what it adds is dropped."""
    printed = {"id": VM, "resourceGroup": "rg", "hardwareProfile": {"vmSize": "D2"}, "tags": {"env": "prod"}}
    assert to_arm("vms", printed) == {
        "id": VM, "tags": {"env": "prod"}, "properties": {"hardwareProfile": {"vmSize": "D2"}},
    }  # fmt: skip


def test_the_cli_spells_names_and_times_in_its_own_way() -> None:
    """Nulls are dropped, and names and nominal times get ARM's spelling, at any depth."""
    schedule = {"scheduleRunTimes": ["2024-01-01T23:00:00+00:00"], "hourlySchedule": None}
    printed = {"id": "p", "resourceGroup": "rg", "properties": {"instantRpDetails": {}, "schedulePolicy": schedule}}
    assert to_arm("policies", printed)["properties"] == {
        "instantRPDetails": {},
        "schedulePolicy": {"scheduleRunTimes": ["2024-01-01T23:00:00Z"]},
    }


def test_other_tools_are_taken_at_their_word() -> None:
    """Resource Graph prints a resource group as well, but ARM's own names and nulls."""
    printed = {"id": "p", "resourceGroup": "rg", "subscriptionId": "s", "properties": {"instantRpDetails": None}}
    assert to_arm("policies", printed)["properties"] == {"instantRpDetails": None}


def test_private_parts_of_vms_are_not_kept() -> None:
    """Accounts, keys and networks of VMs never enter an estate."""
    properties = {"osProfile": {"adminUsername": "a"}, "networkProfile": {}, "userData": "x", "vmId": "1"}
    assert to_arm("vms", {"id": VM, "properties": properties})["properties"] == {"vmId": "1"}


@pytest.mark.parametrize(
    ("properties", "vm"),
    [
        ({"dataSourceInfo": {"resourceID": VM}}, VM),
        ({"dataSourceInfo": {"resourceID": VM}, "sourceResourceId": "other"}, "other"),
        ({"dataSourceInfo": {"resourceID": VM}, "virtualMachineId": "other"}, None),
        ({"dataSourceInfo": {"resourceID": 5}}, None),
        ({"dataSourceInfo": None}, None),
        ({}, None),
    ],
)
def test_the_vm_of_an_item_of_resource_graph(properties: dict[str, Any], vm: str | None) -> None:
    """Resource Graph names the VM in a field of its own, which counts if no other field does."""
    before = dict(properties)
    assert (
        to_arm("protected_items", {"id": ITEM, "properties": properties})["properties"].get("sourceResourceId") == vm
    )
    assert properties == before, "the resource that was read does not change"


@pytest.mark.parametrize(
    ("kind", "one", "other", "expected"),
    [
        ("vaults", {"location": "westeurope"}, {"location": "WestEurope"}, []),
        ("vaults", {"location": "a"}, {"location": "b"}, [("location", "a", "b")]),
        ("vaults", {"location": "a"}, {}, []),
        ("vaults", {"sku": 1}, {"sku": 2}, []),
        ("vms", {"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "2", "c": "3"}}, [("tags.a", "1", "2")]),
        ("vms", {"tags": {"a": ["X"]}}, {"tags": {"a": ["x"]}}, []),
        (
            "protected_items",
            {"properties": {"policyId": "/P", "protectionState": "Protected"}},
            {"properties": {"policyId": "/p", "protectionState": "IRPending"}},
            [("properties.protectionState", "Protected", "IRPending")],
        ),
        ("policies", {"properties": None}, {"properties": {"timeZone": "UTC"}}, []),
    ],
)
def test_differences(
    kind: Kind, one: dict[str, Any], other: dict[str, Any], expected: list[tuple[str, object, object]]
) -> None:
    """Two copies differ in what both state and plans use; case and other fields do not matter."""
    assert list(find_differences(kind, one, other)) == expected
    assert [(path, b, a) for path, a, b in find_differences(kind, other, one)] == expected
