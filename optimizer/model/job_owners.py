"""Which VM of a vault a backup job belongs to, by what the job says about it.

A job does not state the id of its VM.  It names the container of the protected item, and a container's name is unique
in its vault only: the VM may be in another subscription than the vault.  Older answers of the service lack the
container's name and state the VM's name alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.model.raw import text

if TYPE_CHECKING:
    from optimizer.model.inventory import ProtectedItem

_Place = tuple[str, str]

_CONTAINERS = {"iaasvmcontainerv2", "iaasvmcontainer"}
"""Prefixes of containers of VMs: of Resource Manager, and classic ones."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The VMs that a job may belong to.

    Parameters
    ----------
    vms
        VM ids in lower case; empty where the job names no VM of the vault.
    named
        Whether the job names any VM at all, known or not.
    exact
        Whether no other VM than these can be meant.
    """

    vms: frozenset[str]
    named: bool
    exact: bool = True

    @property
    def vm(self) -> str:
        """The one VM that the job belongs to for certain; empty where that is not certain."""
        return next(iter(self.vms)) if self.exact and len(self.vms) == 1 else ""


@dataclass(frozen=True)
class JobOwners:
    """VMs by what jobs call them.

    Parameters
    ----------
    by_container, by_name
        VM ids in lower case, by vault id and container key, or by vault id and name of the VM, in lower case.
    """

    by_container: Mapping[_Place, frozenset[str]]
    by_name: Mapping[_Place, frozenset[str]]

    @classmethod
    def of(cls, items: Iterable[ProtectedItem]) -> JobOwners:
        """Owners among the protected items of any number of vaults."""
        containers: defaultdict[_Place, set[str]] = defaultdict(set)
        names: defaultdict[_Place, set[str]] = defaultdict(set)
        for item in items:
            vault, vm = item.vault_id.lower(), item.vm_id.lower()
            # The id and 'containerName' spell the same container; an item may lack one of them, or both.
            stated = {container_key(item.container), container_key(container_of(item.id))} - {""}
            for key in stated or {container_key(_container_of_vm(vm))} - {""}:
                containers[vault, key].add(vm)
            for name in (item.friendly_name, vm.rpartition("/")[2]):
                if name:
                    names[vault, name.lower()].add(vm)
        return cls(_frozen(containers), _frozen(names))

    def find(self, vault_id: str, properties: Mapping[str, Any]) -> Owner:
        """VMs that a job of a vault may belong to.

        A job whose container is not in the vault may still belong to a VM of the same name, because the spelling of
        containers is not documented: such an owner is possible, never certain.

        Parameters
        ----------
        vault_id
            Vault that the job was listed in.
        properties
            Raw properties of the job.
        """
        vault = vault_id.lower()
        container = container_key(properties.get("containerName"))
        name = text(properties.get("entityFriendlyName")).strip().lower()
        if container and (known := self.by_container.get((vault, container))):
            return Owner(known, named=True)
        name = name or container.rpartition(";")[2]
        return Owner(self.by_name.get((vault, name), frozenset()), named=bool(name), exact=not container)


def container_key(container: object) -> str:
    """``group;vm`` in lower case of a container's name; empty where it has no such form.

    Ids of items spell a container with one prefix more than jobs do.
    """
    parts = text(container).lower().strip().split(";")
    is_one = len(parts) > 2 and parts[-3] in _CONTAINERS and all(parts[-2:])
    return ";".join(parts[-2:]) if is_one else ""


def container_of(item_id: str) -> str:
    """Name of the container in the id of a protected item, as written; empty where there is none."""
    parts = item_id.split("/")
    keys = [part.lower() for part in parts]
    return parts[keys.index("protectioncontainers") + 1] if "protectioncontainers" in keys[:-1] else ""


def _container_of_vm(vm_id: str) -> str:
    """The usual container of a VM, by the resource group and name in its id."""
    parts = vm_id.split("/")
    return f"iaasvmcontainerv2;{parts[4]};{parts[-1]}" if len(parts) == 9 else ""


def _frozen(places: Mapping[_Place, set[str]]) -> dict[_Place, frozenset[str]]:
    return {place: frozenset(vms) for place, vms in places.items()}
