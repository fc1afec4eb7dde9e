"""Finds the VM that a backup job belongs to.

A job does not contain the id of its VM. It names the container of the protected item. The name of a container is
unique only in its vault, and the VM may be in another subscription than the vault. Older answers of the service
contain only the name of the VM.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import text

_Key = tuple[ArmId, Caseless]

_NONE = Caseless()

_CONTAINERS = {Caseless("IaasVMContainerV2"), Caseless("IaasVMContainer")}
"""First parts of the names of VM containers: Azure Resource Manager and classic."""


class BackedUp(Protocol):
    """Ids of a protected item and its VM, and the names that jobs use for them."""

    @property
    def id(self) -> ArmId:
        """Id of the protected item."""
        ...

    @property
    def vm_id(self) -> ArmId:
        """Id of the VM."""
        ...

    @property
    def vault_id(self) -> ArmId:
        """Id of the vault."""
        ...

    @property
    def container(self) -> str:
        """Name of the container; empty if unknown."""
        ...

    @property
    def friendly_name(self) -> str:
        """Name of the VM in jobs; empty if unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """The VMs that a job may belong to.

    Parameters
    ----------
    vms
        Empty if the job names no VM of the vault.
    named
        Whether the job names a VM at all, known or unknown.
    exact
        Whether the job cannot belong to any other VM.
    """

    vms: frozenset[ArmId]
    named: bool
    exact: bool = True

    @property
    def vm(self) -> ArmId:
        """The VM that the job certainly belongs to; empty if this is not certain."""
        return next(iter(self.vms)) if self.exact and len(self.vms) == 1 else NO_ID


@dataclass(frozen=True)
class JobOwners:
    """Index of VMs by the names that jobs use for them.

    Parameters
    ----------
    by_container, by_name
        VM ids. The keys are the vault id with either the container key or the VM name.
    """

    by_container: Mapping[_Key, frozenset[ArmId]]
    by_name: Mapping[_Key, frozenset[ArmId]]

    @classmethod
    def of(cls, items: Iterable[BackedUp]) -> JobOwners:
        """Build the index from protected items, of one or more vaults."""
        containers: defaultdict[_Key, set[ArmId]] = defaultdict(set)
        names: defaultdict[_Key, set[ArmId]] = defaultdict(set)
        for item in items:
            vault, vm = item.vault_id, item.vm_id
            # The id and 'containerName' name the same container; an item may lack one or both of them.
            stated = {container_key(item.container), container_key(container_of(item.id))} - {_NONE}
            for key in stated or {container_key(_container_of_vm(vm))} - {_NONE}:
                containers[vault, key].add(vm)
            for name in (item.friendly_name, vm.name):
                if name:
                    names[vault, Caseless(name)].add(vm)
        return cls(_frozen(containers), _frozen(names))

    def find(self, vault_id: str, properties: Mapping[str, Any]) -> Owner:
        """VMs that a job of a vault may belong to.

        If the vault does not have the container that the job names, the job may still belong to a VM with the same
        name, because the spelling of containers is not documented. Such an owner is possible but not certain.

        Parameters
        ----------
        vault_id
            Id of the vault that listed the job.
        properties
            Raw properties of the job.
        """
        vault, container = ArmId(vault_id), container_key(properties.get("containerName"))
        name = text(properties.get("entityFriendlyName")).strip()
        if container and (known := self.by_container.get((vault, container))):
            return Owner(known, named=True)
        name = name or container.rpartition(";")[2]
        return Owner(self.by_name.get((vault, Caseless(name)), frozenset()), named=bool(name), exact=not container)


def container_key(container: object) -> Caseless:
    """Key ``group;vm`` of a container's name; empty if the name does not have the expected form.

    Item ids contain the container's name with one more prefix than jobs do.
    """
    parts = text(container).strip().split(";")
    is_one = len(parts) > 2 and Caseless(parts[-3]) in _CONTAINERS and all(parts[-2:])
    return Caseless(";".join(parts[-2:])) if is_one else _NONE


def container_of(item_id: ArmId) -> str:
    """Name of the container in the id of a protected item, as written; empty if the id contains none."""
    return str(item_id.segment("protectionContainers"))


def _container_of_vm(vm_id: ArmId) -> str:
    """Usual container name of a VM, built from the resource group and name in its id; empty for other ids."""
    return f"iaasvmcontainerv2;{vm_id.resource_group};{vm_id.name}" if vm_id.count("/") == 8 else ""


def _frozen(groups: Mapping[_Key, set[ArmId]]) -> dict[_Key, frozenset[ArmId]]:
    return {key: frozenset(vms) for key, vms in groups.items()}
