"""Result of an import without its load: the resources, and the names by which the load may refer to their VMs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from optimizer.arm import Absence, ArmResources
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of
from optimizer.ports import Resource


@dataclass(frozen=True)
class Listing:
    """An inventory as ARM resources.

    Parameters
    ----------
    source
        Kind of the input files, as in :class:`optimizer.estate.document.EstateDocument`.
    vaults, policies, protected_items, vms, vault_settings
        Resources in the form of ARM.
    vm_ids
        Ids of the VMs whose load is read, sorted, in the estate's spelling.
    missing_vms
        Protected VMs that no file lists, by id, and how they are missing: ``gone`` if other VMs of the subscription
        are listed, otherwise ``hidden``. Empty if no file lists VMs at all.
    namesakes
        Ids of VMs whose load is not read. A name that one of them shares with another VM is ambiguous.
    left_out
        Sentences about objects that were not used, with reasons.
    notes
        Sentences about unexpected input that was accepted.
    """

    source: Literal["import", "resources"]
    vaults: tuple[Resource, ...]
    policies: tuple[Resource, ...]
    protected_items: tuple[Resource, ...]
    vms: tuple[Resource, ...]
    vm_ids: tuple[ArmId, ...]
    vault_settings: tuple[Resource, ...] = ()
    missing_vms: dict[ArmId, Absence] = field(default_factory=dict)
    namesakes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def resources(self, as_of: datetime) -> ArmResources:
        """Resources of an estate that was read at ``as_of``."""
        return ArmResources(
            as_of=as_of,
            source=self.source,
            vaults=self.vaults,
            policies=self.policies,
            protected_items=self.protected_items,
            vms=self.vms,
            vault_settings=self.vault_settings,
            missing_vms=self.missing_vms,
        )

    @cached_property
    def _ids(self) -> dict[ArmId, ArmId]:
        return {vm_id: vm_id for vm_id in self.vm_ids}

    @cached_property
    def _by_name(self) -> dict[Caseless, str | None]:
        return by_name({"id": str(vm_id)} for vm_id in (*self.vm_ids, *self.namesakes))

    @cached_property
    def _by_place(self) -> dict[Caseless, list[ArmId]]:
        """VM ids by ``group/name``."""
        found: dict[Caseless, list[ArmId]] = {}
        for key, vm_id in self._ids.items():
            if group := key.resource_group:
                found.setdefault(Caseless(f"{group}/{key.name}"), []).append(vm_id)
        return found

    def find(self, name: str) -> ArmId | None:
        """VM id for a name in the load: an id, ``group/name``, or a name that only one VM has.

        A name with a group also matches a VM without a group, but never one in another group.
        """
        key = ArmId(name)
        if key in self._ids or key.startswith("/"):
            return self._ids.get(key)
        group, _, short = name.rpartition("/")
        return self._find_in_group(key, short) if group else self._find_by_name(short)

    def _find_by_name(self, name: str) -> ArmId | None:
        """VM that alone has a name, if its load is read."""
        vm_id = self._by_name.get(Caseless(name))
        return self._ids.get(ArmId(vm_id)) if vm_id else None

    def _find_in_group(self, place: ArmId, name: str) -> ArmId | None:
        """VM at ``group/name``, or else one that is known by its name only."""
        if inside := self._by_place.get(place):
            return inside[0] if len(inside) == 1 else None
        vm_id = self._ids.get(ArmId(name))
        return vm_id if vm_id and "/" not in vm_id else None

    def ambiguous(self, names: Iterable[str]) -> list[str]:
        """Names that several VMs have."""
        return [name for name in names if self.find(name) is None and self._by_name.get(Caseless(name), "") is None]


def by_name(resources: Iterable[Mapping[str, object]]) -> dict[Caseless, str | None]:
    """Ids by their last part; None for a name that several resources have."""
    found: dict[Caseless, str | None] = {}
    for resource in resources:
        name = Caseless(id_of(resource).name)
        found[name] = None if name in found else str(resource["id"])
    return found
