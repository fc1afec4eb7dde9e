"""What is protected and how: vaults, policies, protected items and VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import NOTHING, Caseless, hold
from optimizer.model.job_owners import JobOwners
from optimizer.model.pattern import Pattern
from optimizer.model.raw import word
from optimizer.model.snapshot_timing import USUAL_TIMING, SnapshotTiming, common_timing
from optimizer.model.timegrid import WEEKDAYS, Frequency, Horizon, Recurrence, resolve_zone

MAX_POLICIES_PER_VAULT = 200
"""Number of policies that one vault may hold (Azure Backup FAQ, 2025-12-30; the support matrix states more)."""


DEFAULT_POLICY_NAMES = frozenset({Caseless("DefaultPolicy"), Caseless("EnhancedPolicy")})
"""Names of policies that Azure creates in every vault and manages itself (Azure Backup FAQ,
2026-01-07)."""


class SubType(StrEnum):
    """Sub-type of a VM policy; the program never changes it."""

    STANDARD = "Standard"
    ENHANCED = "Enhanced"


@dataclass(frozen=True, slots=True)
class Vault:
    """A Recovery Services vault.

    Parameters
    ----------
    id
        ARM id, as Azure returned it.
    other_policies
        Number of policies for other workloads (SQL, files ...), which also count toward the vault's limit.
    timing
        Start delay of the vault's backups, and length of their snapshots.
    """

    id: ArmId
    name: str
    subscription: Caseless = NOTHING
    resource_group: str = ""
    location: str = ""
    other_policies: int = 0
    timing: SnapshotTiming = USUAL_TIMING

    def __post_init__(self) -> None:
        hold(self, ArmId, ["id"])
        hold(self, Caseless, ["subscription"])


@dataclass(frozen=True)
class Policy:
    """A VM backup policy.

    Parameters
    ----------
    id, vault_id
        ARM ids, as Azure returned them.
    recurrence
        Frequency, days and interval, which the program never changes.
    start
        Current start option in ``timezone``.
    timezone
        Windows or IANA name, as Azure returned it; UTC if absent.
    twin_key
        Digest of everything except name and time; policies of one vault with equal keys are twins.
    properties
        ARM properties as Azure returned them, including unknown fields.
    items_reported
        Number of items that the policy protects according to Azure, including VMs that the estate does not contain.
        None if Azure did not state it.
    refused
        Why Azure would refuse the policy's body if it were written, although Azure runs the policy; empty if it would
        not. The program never writes VMs of such a policy.
    one_way
        Whether Azure would refuse the policy's present body because of a date that is not in the past, or an hourly
        window that starts after 19:30. An edit of its time could then not be reverted, so its VMs are assigned to a
        twin instead.
    """

    id: ArmId
    name: str
    vault_id: ArmId
    sub_type: SubType
    recurrence: Recurrence
    start: int
    timezone: str
    twin_key: str
    properties: Mapping[str, Any] = field(repr=False, hash=False, compare=False)
    items_reported: int | None = None
    refused: str = ""
    one_way: bool = False

    def __post_init__(self) -> None:
        hold(self, ArmId, ["id", "vault_id"])

    @property
    def may_be_edited(self) -> bool:
        """Whether the time may be edited: not for default policies, nor if the edit could not be reverted."""
        return not (self.is_default or self.one_way)

    @property
    def is_default(self) -> bool:
        """Whether Azure manages the policy: its time is never edited, but its VMs may be assigned to a twin."""
        return Caseless(self.name) in DEFAULT_POLICY_NAMES

    @property
    def is_agentless(self) -> bool:
        """Whether snapshots are crash-consistent and involve no VM agent, extension, VSS or fsfreeze."""
        return word(self.properties.get("snapshotConsistencyType")) == "OnlyCrashConsistent"

    def pattern(self, horizon: Horizon, timing: SnapshotTiming) -> Pattern:
        """Position in the week of the start windows of each start option; see :meth:`Inventory.pattern`."""
        return Pattern(self.recurrence, horizon.offsets(resolve_zone(self.timezone)), timing)


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine.

    Parameters
    ----------
    id
        ARM id, or the name in an imported file.
    service
        Group of VMs whose snapshots must not overlap; see ``service_from`` in the rules.
    """

    id: ArmId
    name: str
    service: str = ""
    subscription: Caseless = NOTHING
    resource_group: str = ""
    location: str = ""
    os: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    availability_set: str = ""
    scale_set: str = ""

    def __post_init__(self) -> None:
        hold(self, ArmId, ["id"])
        hold(self, Caseless, ["subscription"])

    @property
    def service_name(self) -> str:
        """Name of the service; the VM's id if it has none, because it is then a service of its own."""
        return self.service or str(self.id)


@dataclass(frozen=True, slots=True)
class ProtectedItem:
    """The protection of one VM by one policy of one vault.

    Parameters
    ----------
    vm_id, policy_id, vault_id
        ARM ids (or names in an imported file), as written.
    unwritable
        Why the item must never be written (stopped, soft-deleted, initial backup pending ...); empty if it may be.
    runs
        False if the item has no scheduled backups (stopped, suspended, soft-deleted).
    container, friendly_name
        How jobs refer to the item, according to its own properties; empty if these do not say.
    """

    id: ArmId
    vm_id: ArmId
    policy_id: ArmId
    vault_id: ArmId
    unwritable: str = ""
    runs: bool = True
    container: str = ""
    friendly_name: str = ""

    def __post_init__(self) -> None:
        hold(self, ArmId, ["id", "vm_id", "policy_id", "vault_id"])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A resource of the estate that could not be read.

    Parameters
    ----------
    what
        The resource, such as ``policy /subscriptions/...``.
    reason
        What is wrong with it.
    """

    what: str
    reason: str


@dataclass(frozen=True)
class Inventory:
    """Vaults, policies, items and VMs of an estate at one time; every reference resolves.

    Like Azure, the inventory ignores case in ids; see :mod:`optimizer.model.caseless`.

    Parameters
    ----------
    as_of
        Time at which the estate was read, with a UTC offset.
    items
        One item for each VM with a schedule, in a fixed order. The item index ``v`` refers to ``items[v]`` in every
        array.
    idle_items
        Items without scheduled backups. They only count toward the size of their policy.
    left_out
        Resources that could not be read. A policy is listed only if no item reports its fault.
    """

    as_of: datetime
    vaults: Mapping[ArmId, Vault]
    policies: Mapping[ArmId, Policy]
    vms: Mapping[ArmId, Vm]
    items: tuple[ProtectedItem, ...]
    idle_items: tuple[ProtectedItem, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def horizon(self) -> Horizon:
        """The 30 days that plans are made for."""
        return Horizon(self.as_of)

    @cached_property
    def job_owners(self) -> JobOwners:
        """Index of the VMs that backup jobs belong to, including VMs without scheduled backups."""
        return JobOwners.of((*self.items, *self.idle_items))

    def vm(self, item: ProtectedItem) -> Vm:
        """The VM of an item."""
        return self.vms[item.vm_id]

    def policy(self, item: ProtectedItem) -> Policy:
        """The policy of an item."""
        return self.policies[item.policy_id]

    def vault(self, protected: ProtectedItem | Policy) -> Vault:
        """The vault of an item or a policy."""
        return self.vaults[protected.vault_id]

    def timing(self, protected: ProtectedItem | Policy) -> SnapshotTiming:
        """Start delay and snapshot length of the backups of an item or a policy."""
        return self.vaults[protected.vault_id].timing

    def pattern(self, policy: Policy) -> Pattern:
        """Position in the week of the start windows of each start option of a policy."""
        return policy.pattern(self.horizon, self.timing(policy))

    @cached_property
    def service_timing(self) -> Mapping[str, SnapshotTiming]:
        """Timing of the snapshots of each service, by the service's name.

        Raises
        ------
        DataError
            The VMs of a service are in vaults with different timings.
        """
        timings: dict[str, dict[SnapshotTiming, None]] = {}
        for item in self.items:
            timings.setdefault(self.vm(item).service_name, {})[self.timing(item)] = None
        return {name: common_timing(name, of_service) for name, of_service in timings.items()}

    @cached_property
    def row_of_vm(self) -> Mapping[ArmId, int]:
        """Index of the item of each VM with a schedule."""
        return {item.vm_id: row for row, item in enumerate(self.items)}

    def item_of_vm(self, vm_id: str) -> ProtectedItem | None:
        """The item of a VM; None if the VM has no scheduled backups here."""
        row = self.row_of_vm.get(ArmId(vm_id))
        return None if row is None else self.items[row]

    @cached_property
    def items_by_policy(self) -> Mapping[ArmId, tuple[int, ...]]:
        """Item indexes of each policy; empty policies are included."""
        rows: dict[ArmId, list[int]] = {key: [] for key in self.policies}
        for row, item in enumerate(self.items):
            rows[item.policy_id].append(row)
        return {key: tuple(value) for key, value in rows.items()}

    @cached_property
    def unknown_items(self) -> Mapping[ArmId, int]:
        """Number of unplanned items of each policy: idle items, and items that only Azure counted."""
        idle = dict.fromkeys(self.policies, 0)
        for item in self.idle_items:
            if item.policy_id in idle:
                idle[item.policy_id] += 1
        return {
            key: max(idle[key], (policy.items_reported or 0) - len(self.items_by_policy[key]))
            for key, policy in self.policies.items()
        }

    @cached_property
    def policy_sizes(self) -> Mapping[ArmId, int]:
        """Number of items of each policy, including items that only Azure counted."""
        return {key: len(rows) + self.unknown_items[key] for key, rows in self.items_by_policy.items()}

    def policies_in_vault(self, vault_id: str) -> int:
        """Number of policies that count toward the vault's limit, including those for other workloads."""
        own = sum(policy.vault_id == vault_id for policy in self.policies.values())
        return own + self.vaults[ArmId(vault_id)].other_policies


def describe_recurrence(recurrence: Recurrence) -> str:
    """Text that describes a recurrence, e.g. ``every 4 h for 12 h``."""
    if recurrence.frequency is Frequency.HOURLY:
        return f"every {recurrence.interval_hours} h for {recurrence.duration_hours} h"
    if recurrence.frequency is Frequency.WEEKLY:
        return "weekly on " + ", ".join(WEEKDAYS[day] for day in recurrence.days)
    return "daily"
