"""Raw resources become an inventory: what runs, what may be written, and which VMs belong together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.estate.document import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, SubType
from optimizer.model.rules import DEFAULT_SERVICE_FROM

PAYLOADS = Path(__file__).parents[3] / "shared" / "azure-payloads"
SUBSCRIPTION = "/subscriptions/11111111-0000-0000-0000-000000000000"
MEND = "; fix its backup in the portal, then read the estate again"
VAULT = f"{SUBSCRIPTION}/resourceGroups/rg-backup/providers/Microsoft.RecoveryServices/vaults/vault-a"
SET = f"{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.Compute/availabilitySets/web"


def _policy(name: str = "nightly", time: str = "2024-01-01T23:00:00Z", **properties: Any) -> dict[str, Any]:
    return {
        "id": f"{VAULT}/backupPolicies/{name}",
        "name": name,
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": [time],
            },
            "retentionPolicy": {
                "dailySchedule": {
                    "retentionTimes": [time],
                    "retentionDuration": {"count": 30, "durationType": "Days"},
                }
            },
            **properties,
        },
    }


def _vm_id(name: str, group: str = "rg-shop", subscription: str = SUBSCRIPTION) -> str:
    return f"{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"


def _vm(name: str, group: str = "rg-shop", **fields: Any) -> dict[str, Any]:
    return {"id": _vm_id(name, group), "name": name, "location": "westeurope", "properties": {}, **fields}


def _item(vm_id: str, policy: str = "nightly", vault: str = VAULT, **properties: Any) -> dict[str, Any]:
    name = vm_id.rpartition("/")[2]
    return {
        "id": f"{vault}/backupFabrics/Azure/protectionContainers/c;{name}/protectedItems/vm;{name}",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "sourceResourceId": vm_id,
            "policyId": f"{vault}/backupPolicies/{policy}" if policy else "",
            "protectionState": "Protected",
            **properties,
        },
    }


def _inventory(service_from: tuple[str, ...] = DEFAULT_SERVICE_FROM, **resources: Any) -> Inventory:
    content: dict[str, Any] = {"vaults": [{"id": VAULT, "name": "vault-a"}], "policies": [_policy()]} | resources
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return EstateDocument(created_at=now, as_of=now, source="azure", **content).inventory(service_from)


@pytest.mark.parametrize(
    ("properties", "runs", "unwritable"),
    [
        ({}, True, ""),
        ({"policyId": ""}, False, "protection stopped"),
        ({"protectionState": "ProtectionStopped"}, False, "protection stopped"),
        ({"protectionState": "BackupsSuspended"}, False, "backups suspended"),
        ({"protectionState": "ProtectionPaused"}, False, "protection paused"),
        ({"isScheduledForDeferredDelete": True}, False, "soft-deleted"),
        ({"protectionState": "IRPending"}, True, "initial backup pending"),
        ({"protectionState": None}, True, "its protection state is null, which this program does not know"),
        ({"protectionState": ""}, True, "its protection state is '', which this program does not know"),
        ({"protectionState": 7}, True, "its protection state is '7', which this program does not know"),
        ({"protectionState": "ProtectionError"}, True, f"protection reports an error{MEND}"),
        ({"protectionState": "Invalid"}, True, f"protection state is invalid{MEND}"),
    ],
)
def test_state_decides_what_runs_and_what_may_be_written(
    properties: dict[str, Any], *, runs: bool, unwritable: str
) -> None:
    """Stopped, suspended and deleted items are idle; a pending first backup runs but is not touched."""
    inventory = _inventory(protected_items=[_item(_vm_id("web-1"), **properties)], vms=[_vm("web-1")])
    items = inventory.items if runs else inventory.idle_items
    assert [(item.vm_id, item.runs, item.unwritable) for item in items] == [(_vm_id("web-1"), runs, unwritable)]
    assert len(inventory.items) + len(inventory.idle_items) == 1


def test_ids_are_compared_without_case() -> None:
    """Azure spells one id in several ways; each reference resolves nevertheless."""
    item = _item(_vm_id("web-1").upper())
    item["properties"]["policyId"] = item["properties"]["policyId"].upper()
    item["id"] = item["id"].replace("resourceGroups", "resourcegroups")
    inventory = _inventory(protected_items=[item], vms=[_vm("web-1")])
    (scheduled,) = inventory.items
    assert inventory.vm(scheduled).id == scheduled.vm_id == _vm_id("web-1")
    assert inventory.policy(scheduled).name == "nightly"
    assert inventory.vault(scheduled).id == VAULT
    assert len(inventory.vaults) == 1


def test_other_workloads_count_toward_the_vault() -> None:
    """Policies of SQL, of files and of schedules from the future are counted, not read."""
    sql = {"id": f"{VAULT}/backupPolicies/sql", "properties": {"backupManagementType": "AzureWorkload"}}
    future = _policy("future", schedulePolicy={"schedulePolicyType": "SimpleSchedulePolicyV3"})
    inventory = _inventory(
        policies=[_policy(), sql, future],
        protected_items=[_item(_vm_id("web-1")), _item(_vm_id("web-2"), "future")],
        vms=[],
    )
    assert [policy.name for policy in inventory.policies.values()] == ["nightly"]
    assert inventory.vaults[VAULT.lower()].other_policies == 2
    assert inventory.policies_in_vault(ArmId(VAULT)) == 3
    (idle,) = inventory.idle_items
    assert idle.vm_id == _vm_id("web-2")
    assert "does not know" in idle.unwritable


def test_what_azure_did_not_list_is_taken_from_ids() -> None:
    """A VM or vault that the reader may not see still has a name, a group and a place in the inventory."""
    inventory = _inventory(vaults=[], protected_items=[_item(_vm_id("gone"))])
    vm = inventory.vm(inventory.items[0])
    assert (vm.name, vm.resource_group, vm.subscription) == ("gone", "rg-shop", SUBSCRIPTION.rpartition("/")[2])
    vault = inventory.vault(inventory.items[0])
    assert (vault.name, vault.resource_group) == ("vault-a", "rg-backup")


def test_item_of_unlisted_policy_is_idle() -> None:
    """Without its policy nothing is known of an item's schedule: it is not planned, and that is said."""
    inventory = _inventory(protected_items=[_item(_vm_id("web-1"), "unseen")])
    assert [item.unwritable for item in inventory.idle_items] == [
        "its policy is not in the estate: neither planned nor counted"
    ]


def test_policy_that_keeps_points_at_another_time_is_not_touched() -> None:
    """Moving such a policy would change more than the time; nobody is moved onto it either."""
    odd = _policy("odd")
    odd["properties"]["retentionPolicy"]["dailySchedule"]["retentionTimes"] = ["2024-01-01T02:00:00Z"]
    inventory = _inventory(
        policies=[_policy(), odd], protected_items=[_item(_vm_id("a")), _item(_vm_id("b"), "odd")], vms=[]
    )
    plain, strange = inventory.items
    assert plain.unwritable == ""
    assert strange.unwritable.startswith(
        "Azure refuses its policy when it is created or changed: times of the retention is 2024-01-01T02:00:00Z; "
        "allowed: the time of the schedule"
    )
    assert inventory.policy(plain).twin_key != inventory.policy(strange).twin_key


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2024-01-01T03:15:00Z", "scheduleRunTimes is '2024-01-01T03:15:00Z'"),
        ("soon", "scheduleRunTimes is 'soon'"),
        (None, "scheduleRunTimes is None"),
    ],
)
def test_a_policy_off_the_grid_costs_only_its_own_vms(time: Any, said: str) -> None:
    """Its VMs are idle and state the field, the value and what is allowed; the others are planned."""
    policies = [_policy(), _policy("odd", time)]
    items = [_item(_vm_id("fine")), _item(_vm_id("held"), "odd")]
    inventory = _inventory(policies=policies, protected_items=items)
    assert [item.vm_id for item in inventory.items] == [_vm_id("fine")]
    (idle,) = inventory.idle_items
    assert idle.unwritable.startswith(f"its policy cannot be planned: {said}")
    assert "allowed: " in idle.unwritable
    assert not inventory.left_out, "the item states the fault"
    assert inventory.vaults[VAULT.lower()].other_policies == 1
    unused = _inventory(policies=policies).left_out
    assert [(one.what, said in one.reason) for one in unused] == [(f"policy {VAULT}/backupPolicies/odd", True)]


@pytest.mark.parametrize("state", ["Protected", "ProtectionError"])
def test_a_vm_in_two_vaults_is_written_in_neither(state: str) -> None:
    """Both items name both vaults; the backups of one of them, the healthy one, are counted; a stopped one is none."""
    second = VAULT.replace("vault-a", "vault-b")
    policy = _policy()
    policy["id"] = f"{second}/backupPolicies/nightly"
    items = [
        _item(_vm_id("web-1"), protectionState=state),
        _item(_vm_id("WEB-1"), vault=second),
        _item(_vm_id("web-2")),
    ]
    inventory = _inventory(policies=[_policy(), policy], protected_items=items)
    assert {str(item.vm_id): item.unwritable for item in inventory.items} == {
        _vm_id("web-1"): "VM is protected 2 times, in vault vault-a and in vault vault-b: stop all but one of them",
        _vm_id("web-2"): "",
    }
    (idle,) = inventory.idle_items
    assert idle.unwritable == inventory.items[0].unwritable
    kept = "vault-a" if state == "Protected" else "vault-b"
    assert inventory.vault(inventory.items[0]).name == kept
    items[0]["properties"]["protectionState"] = "ProtectionStopped"
    inventory = _inventory(policies=[_policy(), policy], protected_items=items)
    assert [(inventory.vault(item).name, item.unwritable) for item in inventory.items] == [
        ("vault-b", ""),
        ("vault-a", ""),
    ]


def test_a_vm_that_its_subscription_does_not_list_is_gone() -> None:
    """Its item is idle and says what to do; where no VM of the subscription is listed, nobody looked for it."""
    other = _vm_id("far", subscription=SUBSCRIPTION.replace("1111", "9999"))
    items = [_item(_vm_id("here")), _item(_vm_id("gone")), _item(other)]
    inventory = _inventory(vms=[_vm("here")], protected_items=items)
    assert [item.vm_id for item in inventory.items] == [_vm_id("here"), other]
    (idle,) = inventory.idle_items
    assert idle.unwritable.startswith("VM not found: deleted, moved, or not visible; if it was deleted, stop its")
    assert len(_inventory(protected_items=items).items) == 3, "an estate without VMs"
    imported = [{"id": "here", "name": "here"}]
    assert len(_inventory(vms=imported, protected_items=items).items) == 3, "an estate of another source"


def test_what_a_pull_found_out_about_a_vm_goes_before_the_list() -> None:
    """A VM that may not be read keeps running and is never written; one that is gone is idle, listed or not."""
    items = [_item(_vm_id(name)) for name in ("here", "gone", "hidden")]
    missing = {_vm_id("GONE"): "gone", _vm_id("hidden"): "hidden"}
    inventory = _inventory(vms=[_vm("here"), _vm("gone")], protected_items=items, missing_vms=missing)
    assert {str(item.vm_id): item.unwritable[:14] for item in inventory.items} == {
        _vm_id("here"): "",
        _vm_id("hidden"): "VM not visible",
    }
    assert [item.vm_id for item in inventory.idle_items] == [_vm_id("gone")]


def test_services_come_from_the_first_rule_that_finds_one() -> None:
    """Tag, availability set, scale set, resource group in this order; else the VM is alone."""
    in_set = {"availabilitySet": {"id": SET}}
    vms = [
        _vm("a", tags={"APP": "shop"}, properties=in_set),
        _vm("b", tags={"app": "shop", "Backup-Service": "till"}),
        _vm("c", tags=None, properties=in_set),
        _vm("d", properties={"virtualMachineScaleSet": {"id": SET.replace("availabilitySets/web", "x/scale")}}),
        _vm("e"),
        {"id": "imported", "name": "imported"},
    ]
    found = {vm.name: vm.service for vm in _inventory(vms=vms).vms.values()}
    assert found == {"a": "shop", "b": "till", "c": "web", "d": "scale", "e": "rg-shop", "imported": "imported"}
    by_group = {vm.name: vm.service for vm in _inventory(("resource_group",), vms=vms).vms.values()}
    assert set(by_group.values()) == {"rg-shop", "imported"}
    explicit = _inventory(vms=vms, services={_vm_id("C"): "told"})
    assert explicit.vms[_vm_id("c").lower()].service == "told"


def test_one_name_in_two_places_is_two_services() -> None:
    """Resource groups of one name in two subscriptions are kept apart; one group in two spellings is not."""
    other = {"id": _vm_id("c", "rg-shop", "/subscriptions/2"), "name": "c"}
    vms = [_vm("a"), _vm("b", "RG-SHOP"), other]
    services = {vm.name: vm.service for vm in _inventory(vms=vms).vms.values()}
    assert services["a"] == services["b"] != services["c"]
    assert services["c"] == "rg-shop (resource group, 2)"


def test_vms_keep_what_rules_ask_for() -> None:
    """Operating system, location, group and tags are those of the resource."""
    disk = {"storageProfile": {"osDisk": {"osType": "Windows"}}}
    (vm,) = _inventory(vms=[_vm("a", tags={"tier": "db"}, properties=disk)]).vms.values()
    assert (vm.os, vm.location, vm.resource_group, vm.tags) == ("Windows", "westeurope", "rg-shop", {"tier": "db"})


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the shared payloads are not beside this checkout")
def test_payloads_of_azure_make_an_inventory() -> None:
    """Recorded and documented policies and items are read together."""

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((PAYLOADS / name).read_text(encoding="utf-8"))
        return content

    policies = [read(path.name) for path in sorted(PAYLOADS.glob("policy-v*.json"))]
    policies = [policy for policy in policies if "id" in policy]
    pending = read("protected-item-irpending.msdocs.json")
    inventory = _inventory(
        vaults=[],
        policies=policies,
        protected_items=[*read("protected-items-list.recorded.json")["value"], pending],
    )
    assert {vault.name for vault in inventory.vaults.values()} >= {"clitest-vault000002", "NetSDKTestRsVault"}
    assert {policy.sub_type for policy in inventory.policies.values()} == set(SubType)
    (item,) = inventory.items
    assert (inventory.vm(item).name, inventory.policy(item).name) == ("clitest-vm000003", "DefaultPolicy")
    assert item.unwritable == ""
    assert [idle.vm_id for idle in inventory.idle_items] == [pending["properties"]["sourceResourceId"]]


VALUES = st.none() | st.booleans() | st.integers(-3, 99) | st.text(max_size=4) | st.lists(st.none(), max_size=2)
POLICY_FIELDS = ["backupManagementType", "schedulePolicy", "retentionPolicy", "timeZone", "protectedItemsCount",
                 "policyType", "instantRpRetentionRangeInDays"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(POLICY_FIELDS), VALUES), VALUES, VALUES)
def test_no_field_of_a_policy_stops_the_inventory(properties: dict[str, Any], name: object, schedule: object) -> None:
    """A policy with missing fields, nulls and wrong types is planned, counted or left out, and costs no other."""
    vault = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/one"
    nested = {"schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": schedule}
    odd = [
        {"id": f"{vault}/backupPolicies/a", "name": name, "properties": {"schedulePolicy": nested, **properties}},
        {"id": name, "properties": properties},
        {"id": f"{vault}/backupPolicies/c", "properties": name},
    ]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    document = EstateDocument(created_at=now, as_of=now, source="azure", vaults=({"id": vault},), policies=tuple(odd))
    found = document.inventory(())
    planned, others = len(found.policies), sum(vault.other_policies for vault in found.vaults.values())
    assert 2 <= planned + others <= 3
    assert all(part.reason for part in found.left_out)
