"""Raw ARM resources, as their source returned them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self

from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource

Absence = Literal["gone", "hidden"]
"""How a VM is missing: the service says that it does not exist (gone), or this account may not read it (hidden)."""

Source = Literal["import", "resources", "demo", "azure"]
"""Origin of an estate: ``vms.csv`` (``import``), ARM resources in files, a demo, or a pull from Azure."""


@dataclass(frozen=True)
class ArmResources:
    """Raw ARM resources of an estate at one time.

    Parameters
    ----------
    as_of
        Time at which the resources were read, with a UTC offset.
    source
        Where they come from. Resources of ``import`` have names instead of ARM ids.
    vaults, policies, protected_items, vms
        Resources in the form of ARM.
    vault_settings
        Resources attached to vaults: Resource Guard proxies, backup configuration and locks, distinguished by
        ``type``.
    missing_vms
        VMs that were looked for and not found, by id, and how each is missing.
    services
        Services by VM id that the source states outright; they take precedence over every other source of a service.
    """

    as_of: datetime
    source: Source
    vaults: Sequence[Resource] = ()
    policies: Sequence[Resource] = ()
    protected_items: Sequence[Resource] = ()
    vms: Sequence[Resource] = ()
    vault_settings: Sequence[Resource] = ()
    missing_vms: Mapping[ArmId, Absence] = field(default_factory=dict)
    services: Mapping[ArmId, str] = field(default_factory=dict)

    def as_fields(self) -> dict[str, Any]:
        """The resources by the names of their fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, holder: object) -> Self:
        """Resources of an object that has fields with the same names."""
        return cls(**{field.name: getattr(holder, field.name) for field in fields(cls)})
