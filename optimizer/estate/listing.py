"""What an import found besides the load: resources, and how the load may name their VMs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from optimizer.ports import Resource


@dataclass(frozen=True)
class Listing:
    """An inventory as ARM resources.

    Parameters
    ----------
    source
        What kind of files it came from, as in :class:`optimizer.estate.document.EstateDocument`.
    vaults, policies, protected_items, vms, vault_settings
        ARM resources.
    vm_ids
        Every VM whose load is wanted, sorted; as the estate spells it.
    left_out
        What was not used and why, in sentences.
    notes
        What was accepted although it was not as expected, in sentences.
    """

    source: Literal["import", "resources"]
    vaults: tuple[Resource, ...]
    policies: tuple[Resource, ...]
    protected_items: tuple[Resource, ...]
    vms: tuple[Resource, ...]
    vm_ids: tuple[str, ...]
    vault_settings: tuple[Resource, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def aliases(self) -> dict[str, str]:
        """VM id by every name that the load may use, in lower case: the id, and the VM's name where it is unique."""
        names = by_name({"id": vm_id} for vm_id in self.vm_ids)
        return {**{name: vm_id for name, vm_id in names.items() if vm_id}, **{key.lower(): key for key in self.vm_ids}}

    def ambiguous(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that several VMs bear."""
        shared = by_name({"id": vm_id} for vm_id in self.vm_ids)
        return [name for name in names if name.lower() not in self.aliases and name.lower() in shared]


def by_name(resources: Iterable[Mapping[str, object]]) -> dict[str, str | None]:
    """Id by the last part of it, in lower case; None for a name that several resources bear."""
    found: dict[str, str | None] = {}
    for resource in resources:
        arm_id = str(resource["id"])
        name = arm_id.rpartition("/")[2].lower()
        found[name] = None if name in found else arm_id
    return found
