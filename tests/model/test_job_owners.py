"""Whose backup a job is: by its container, by its name, or not certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import ProtectedItem
from optimizer.model.job_owners import JobOwners, Owner, container_key, container_of

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
VAULT, OTHER_VAULT = (
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/{v}" for v in "ab"
)
NO_OWNER = Owner(frozenset(), named=False)


def vm_id(group: str, name: str) -> ArmId:
    """Id of a VM."""
    return ArmId(f"{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}")


def item(
    group: str, name: str, *, vault: str = VAULT, container: str | None = None, friendly_name: str = ""
) -> ProtectedItem:
    """A protected VM whose id has the usual container, or another one."""
    usual = f"IaasVMContainer;iaasvmcontainerv2;{group};{name}"
    inside = f"/backupFabrics/Azure/protectionContainers/{usual if container is None else container}"
    made = ProtectedItem(f"{vault}{inside}/protectedItems/x", vm_id(group, name), f"{vault}/p", vault)
    return replace(made, friendly_name=friendly_name)


def test_a_job_names_its_container() -> None:
    """In any capitals, with or without the first prefix, which item ids have and jobs do not."""
    owners = JobOwners.of([item("rg-1", "vm"), item("rg-2", "vm")])
    for name in ("iaasvmcontainerv2;rg-1;vm", "IaasVMContainer;iaasvmcontainerv2;RG-1;VM"):
        assert owners.find(VAULT, {"containerName": name}) == Owner(frozenset({vm_id("rg-1", "vm")}), named=True)
        assert owners.find(VAULT.upper(), {"containerName": name}).vm == vm_id("rg-1", "vm")


def test_a_name_alone_is_certain_if_one_vm_has_it() -> None:
    """Two VMs of one name leave both possible, and none certain."""
    owners = JobOwners.of([item("rg-1", "vm"), item("rg-2", "vm"), item("rg-1", "other")])
    assert owners.find(VAULT, {"entityFriendlyName": " Other "}).vm == vm_id("rg-1", "other")
    both = owners.find(VAULT, {"entityFriendlyName": "vm"})
    assert both.vms == {vm_id("rg-1", "vm"), vm_id("rg-2", "vm")}
    assert both.vm == ""


def test_a_strange_container_leaves_its_name_possible_but_not_certain() -> None:
    """The spelling of containers is not documented, so a VM of that name may be meant."""
    owners = JobOwners.of([item("rg-1", "vm")])
    found = owners.find(VAULT, {"containerName": "iaasvmcontainerv2;rg-9;vm"})
    assert found == Owner(frozenset({vm_id("rg-1", "vm")}), named=True, exact=False)
    assert found.vm == ""


@pytest.mark.parametrize(
    "job",
    [{}, {"containerName": 7, "entityFriendlyName": None}, {"containerName": "x;y"}, {"entityFriendlyName": " "}],
)
def test_a_job_that_names_no_vm_has_no_owner(job: dict[str, object]) -> None:
    """Values of the wrong type, containers of another form and blank names say nothing."""
    assert JobOwners.of([item("rg-1", "vm")]).find(VAULT, job) == NO_OWNER


def test_names_count_within_their_vault() -> None:
    """The same container in another vault is another VM."""
    owners = JobOwners.of([item("rg-1", "vm"), item("rg-1", "vm", vault=OTHER_VAULT)])
    assert owners.find(VAULT, {"containerName": "iaasvmcontainerv2;rg-1;vm"}).vms == {vm_id("rg-1", "vm")}
    assert not owners.find(VAULT + "-9", {"containerName": "iaasvmcontainerv2;rg-1;vm"}).vms


def test_an_item_states_its_container_and_name() -> None:
    """Both the id and the properties count; the VM's own name remains known."""
    renamed = item("rg-1", "vm", container="strange", friendly_name="Old Name")
    owners = JobOwners.of([renamed])
    for job in (
        {"entityFriendlyName": "old name"},
        {"entityFriendlyName": "VM"},
        {"containerName": "iaasvmcontainerv2;rg-1;vm"},
    ):
        assert owners.find(VAULT, job).vm == vm_id("rg-1", "vm")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("iaasvmcontainerv2;RG;vm", "rg;vm"),
        ("IaasVMContainer;IaasVMContainerV2;rg;vm", "rg;vm"),
        ("iaasvmcontainer;rg;vm", "rg;vm"),
        ("sqlcontainer;rg;vm", ""),
        ("iaasvmcontainerv2;;vm", ""),
        ("iaasvmcontainerv2;vm", ""),
        (None, ""),
    ],
)
def test_containers_of_vms_have_a_group_and_a_name(name: object, key: str) -> None:
    """Containers of other workloads, and those without group or name, are none of a VM."""
    assert container_key(name) == key


def test_the_container_of_an_id() -> None:
    """As written; empty in an id without one."""
    assert container_of(item("rg-1", "vm").id) == "IaasVMContainer;iaasvmcontainerv2;rg-1;vm"
    assert container_of(ArmId(VAULT)) == ""
