"""Protected items: which VM each protects, whether it is planned, and why not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.arm.protected_items import GONE, HIDDEN, Draft, is_of_a_vm, policy_of, read_items, source_vm
from optimizer.arm.resources import Absence
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Policy, ProtectedItem, SubType, Vm
from optimizer.model.timegrid import Frequency, Recurrence

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers"
VAULT = ArmId(f"{GROUP}/Microsoft.RecoveryServices/vaults/one")
OTHER_VAULT = ArmId(f"{GROUP}/Microsoft.RecoveryServices/vaults/two")
POLICY = ArmId(f"{VAULT}/backupPolicies/daily")
VM = ArmId(f"{GROUP}/Microsoft.Compute/virtualMachines/web")


def draft(*, has_arm_ids: bool = True, missing: dict[ArmId, Absence] | None = None, **more: Any) -> Draft:
    """An inventory with one policy and one listed VM."""
    made = Draft(datetime(2026, 3, 1, tzinfo=UTC), has_arm_ids, missing or {}, listed=frozenset({VM}), **more)
    made.add_policy(policy())
    made.vms[VM] = Vm(id=VM, name="web", subscription=VM.subscription, resource_group="rg", location="weu")
    return made


def policy(policy_id: ArmId = POLICY, refused: str = "") -> Policy:
    recurrence = Recurrence(Frequency.DAILY)
    return Policy(
        policy_id, policy_id.name, policy_id.vault, SubType.STANDARD, recurrence, 46, "UTC", "key", {}, refused=refused
    )


def item(vault: ArmId = VAULT, **properties: object) -> dict[str, Any]:
    usual: dict[str, object] = {
        "backupManagementType": "AzureIaasVM", "sourceResourceId": str(VM), "policyId": str(POLICY),
        "protectionState": "Protected", "protectedItemType": "Microsoft.Compute/virtualMachines",
        "friendlyName": "web", "containerName": "iaasvmcontainerv2;rg;web",
    }  # fmt: skip
    name = "iaasvmcontainerv2;rg;web"
    path = f"{vault}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}/protectedItems/VM;{name}"
    return {"id": path, "properties": {**usual, **properties}}


def read(where: Draft | None = None, **properties: object) -> ProtectedItem:
    (found,) = read_items([item(**properties)], where or draft())
    return found


def test_an_item_that_can_be_planned() -> None:
    """A protected VM with a known policy runs and may be written."""
    found = read()
    assert (found.vm_id, found.policy_id, found.vault_id) == (VM, POLICY, VAULT)
    assert (found.runs, found.unwritable) == (True, "")
    assert (found.friendly_name, found.container) == ("web", "iaasvmcontainerv2;rg;web")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"isScheduledForDeferredDelete": True}, "soft-deleted"),
        ({"protectionState": "ProtectionStopped"}, "protection stopped"),
        ({"protectionState": "protectionpaused"}, "protection paused"),
        ({"protectionState": "BackupsSuspended"}, "backups suspended"),
        ({"policyId": ""}, "protection stopped"),
        ({"policyId": None}, "protection stopped"),
        ({"policyId": 5}, "its policyId is not the id of a policy"),
        ({"policyId": f"{VAULT}/backupPolicies/none"}, "its policy is not in the estate: neither planned nor counted"),
    ],
)
def test_items_without_scheduled_backups(properties: dict[str, object], reason: str) -> None:
    """An item that was stopped, or has no policy of the estate, does not run, and states the reason."""
    found = read(**properties)
    assert (found.runs, found.unwritable) == (False, reason)


def test_policies_that_cannot_be_planned() -> None:
    """The reason of the policy is the reason of its items."""
    broken = draft()
    del broken.policies[POLICY]
    broken.faults[POLICY] = "timeZone is odd"
    assert read(broken).unwritable == "its policy cannot be planned: timeZone is odd"
    foreign = draft()
    foreign.foreign[POLICY] = "schedulePolicyType is 'X'"
    assert read(foreign).unwritable.startswith("its policy is of a kind that this program does not know (sched")
    elsewhere = draft()
    elsewhere.add_policy(policy(ArmId(f"{OTHER_VAULT}/backupPolicies/p")))
    found = read(elsewhere, policyId=f"{OTHER_VAULT}/backupPolicies/p")
    assert found.unwritable == "its policy is of another vault: neither planned nor counted"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"protectionState": "IRPending"}, "initial backup pending"),
        ({"protectionState": "ProtectionError"}, "protection reports an error; fix its backup in the portal"),
        ({"protectionState": "Invalid"}, "protection state is invalid; fix its backup in the portal"),
        ({"protectionState": "New"}, "its protection state is 'New', which this program does not know"),
        ({"protectionState": None}, "its protection state is null, which this program does not know"),
        ({"protectedItemType": "Some.Other/type"}, "its protectedItemType is 'Some.Other/type', which this program"),
        ({"protectedItemType": 5}, "its protectedItemType is '5', which this program does not write"),
        ({"sourceResourceId": "/web", "virtualMachineId": ""}, "its sourceResourceId is '/web', which is not an id"),
    ],
)
def test_items_that_run_and_must_not_be_written(properties: dict[str, object], reason: str) -> None:
    """The item counts, and states why no request for it would succeed."""
    found = read(**properties)
    assert found.runs and found.unwritable.startswith(reason)


@pytest.mark.parametrize("stated", [None, "", "microsoft.classiccompute/VIRTUALMACHINES"])
def test_types_that_are_written(stated: object) -> None:
    """Classic VMs are VMs as well, in any case, and some answers do not state the type."""
    assert read(protectedItemType=stated).unwritable == ""


def test_an_answer_without_a_state() -> None:
    """Older answers do not state the protection state, which is no reason."""
    raw = item()
    del raw["properties"]["protectionState"]
    assert read_items([raw], draft())[0].unwritable == ""


def test_names_instead_of_ids_can_be_planned() -> None:
    """An estate from vms.csv has names: apply refuses its plan as a whole, not each of its items."""
    assert read(draft(has_arm_ids=False), sourceResourceId="web").unwritable == ""


def test_a_policy_that_azure_would_refuse() -> None:
    """Azure still runs the policy, but no item of it may be written."""
    refused = draft()
    refused.add_policy(policy(refused="retention is 3"))
    found = read(refused)
    assert found.runs
    assert found.unwritable == "Azure refuses its policy when it is created or changed: retention is 3"


@pytest.mark.parametrize(
    ("where", "runs", "reason"),
    [
        (draft(missing={VM: "gone"}), False, GONE),
        (draft(missing={VM: "hidden"}), True, HIDDEN),
        (draft(), True, ""),
    ],
    ids=["gone", "hidden", "listed"],
)
def test_vms_that_were_looked_for(where: Draft, runs: bool, reason: str) -> None:
    """A VM that is gone has no backups; one that may not be read stays where it is."""
    found = read(where)
    assert (found.runs, found.unwritable) == (runs, reason)


def test_vms_that_the_estate_does_not_list() -> None:
    """A VM is gone if others of its subscription are listed, unless it counts as present."""
    other = str(VM).replace("web", "new")
    assert not read(sourceResourceId=other).runs
    assert read(draft(present=frozenset({ArmId(other)})), sourceResourceId=other).runs
    elsewhere = str(VM).replace("11111111", "99999999")
    where = draft()
    assert read(where, sourceResourceId=elsewhere).runs, "nothing is known of that subscription"
    assert where.stubs() == [{"id": elsewhere, "name": "web"}]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"id": "/x/backupFabrics", "properties": {"sourceResourceId": str(VM)}}, "its id is not that of a protected"),
        (item(sourceResourceId=None), "it does not say which VM it protects"),
        (item(sourceResourceId=7, virtualMachineId=[]), "it does not say which VM it protects"),
    ],
)
def test_items_that_cannot_be_placed(raw: dict[str, Any], reason: str) -> None:
    """An item without a vault or without a VM is left out and recorded."""
    where = draft()
    assert read_items([raw], where) == []
    assert where.left_out[0].reason.startswith(reason)


@pytest.mark.parametrize(
    ("workload", "expected"), [("AzureIaasVM", True), ("azureiaasvm", True), (None, True), ("AzureWorkload", False)]
)
def test_workloads(workload: object, expected: bool) -> None:
    """Items of databases and files protect no VM; they are neither read nor recorded."""
    assert is_of_a_vm({"backupManagementType": workload}) is expected
    where = draft()
    assert bool(read_items([item(backupManagementType=workload)], where)) is expected
    assert where.left_out == []


def test_a_vm_that_is_protected_twice() -> None:
    """No item of it may be written, and one of them stands for its backups."""
    where = draft()
    second = ArmId(f"{OTHER_VAULT}/backupPolicies/daily")
    where.add_policy(policy(second))
    found = read_items([item(), item(OTHER_VAULT, policyId=str(second))], where)
    assert [one.runs for one in found] == [True, False]
    reasons = {one.unwritable for one in found}
    assert reasons == {"VM is protected 2 times, in vault one and in vault two: stop all but one of them"}
    stopped = item(OTHER_VAULT, protectionState="ProtectionStopped")
    assert [one.unwritable for one in read_items([item(), stopped], draft())] == ["", "protection stopped"]


def test_the_spelling_of_the_vault_and_the_vm_is_kept() -> None:
    """Ids of items are spelled like the resources that they name."""
    found = read(sourceResourceId=VM.upper(), policyId=POLICY.upper())
    assert str(found.vm_id) == str(VM)
    assert draft().vault_of(ArmId(f"{VAULT}/none"), "backupFabrics") == ""


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.none()) | st.just({})
FIELDS = ["sourceResourceId", "policyId", "protectionState", "protectedItemType", "friendlyName", "containerName",
          "backupManagementType", "isScheduledForDeferredDelete"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_no_field_stops_the_reading(properties: dict[str, object]) -> None:
    """Whatever the fields of an item contain, it is planned, idle, left out, or of another workload."""
    where = draft()
    found = read_items([item(**properties)], where)
    assert len(found) + len(where.left_out) <= 1
    assert all(one.runs or one.unwritable for one in found)


@given(VALUES)
def test_ids_are_read_defensively(value: object) -> None:
    """A value of another type than text is no id."""
    expected = value if isinstance(value, str) else ""
    assert policy_of({"policyId": value}) == expected
    assert source_vm({"virtualMachineId": value}) == expected
