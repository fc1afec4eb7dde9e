"""What is protected and how: vaults, policies, protected items, VMs, services, twin keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from optimizer.model.job_owners import JobOwners
from optimizer.model.timegrid import WEEKDAYS, Frequency, Horizon, Pattern, Recurrence, resolve_zone

MAX_POLICIES_PER_VAULT = 200
"""Policies that one vault may hold (Azure Backup FAQ, 2025-12-30; the support matrix says more)."""


DEFAULT_POLICY_NAMES = frozenset({"defaultpolicy", "enhancedpolicy"})
"""Policies that Azure makes in every vault and manages itself (Azure Backup FAQ, 2026-01-07), in lower case."""


class SubType(StrEnum):
    """Sub-type of a VM policy; never changed."""

    STANDARD = "Standard"
    ENHANCED = "Enhanced"


@dataclass(frozen=True, slots=True)
class Vault:
    """A Recovery Services vault.

    Parameters
    ----------
    id
        ARM id, as Azure wrote it.
    other_policies
        Policies of other workloads (SQL, files ...): they count towards the vault's limit.
    """

    id: str
    name: str
    subscription: str = ""
    resource_group: str = ""
    location: str = ""
    other_policies: int = 0


@dataclass(frozen=True)
class Policy:
    """A VM backup policy.

    Parameters
    ----------
    id, vault_id
        ARM ids, as Azure wrote them.
    recurrence
        Frequency, days, interval: what is never changed.
    start
        Start option of today in ``timezone``.
    timezone
        Windows or IANA name, as Azure wrote it; UTC where absent.
    twin_key
        Digest of everything but name and time; policies of one vault with equal keys are twins.
    properties
        ARM properties as they came, unknown fields included.
    items_reported
        Number of items that Azure says the policy protects, of any VM, known to the estate or not; None if unsaid.
    refused
        Why Azure, which runs the policy, would refuse its body if it were written; empty where it would not.  VMs of
        such a policy are never written.
    one_way
        Whether Azure would refuse its body as it stands, for a date that is not past or an hourly window that starts
        after 19:30: an edit of its time could not be taken back, so its VMs are assigned to a twin instead.
    """

    id: str
    name: str
    vault_id: str
    sub_type: SubType
    recurrence: Recurrence
    start: int
    timezone: str
    twin_key: str
    properties: Mapping[str, Any] = field(repr=False, hash=False, compare=False)
    items_reported: int | None = None
    refused: str = ""
    one_way: bool = False

    @property
    def may_be_edited(self) -> bool:
        """Whether the time may be edited: not that of a default policy, nor one that could not be put back."""
        return not (self.is_default or self.one_way)

    @property
    def is_default(self) -> bool:
        """Whether Azure manages the policy itself: its time is never edited; its VMs may be assigned to a twin."""
        return self.name.lower() in DEFAULT_POLICY_NAMES

    @property
    def is_agentless(self) -> bool:
        """Whether its snapshots are crash-consistent and use neither VM agent nor extension, VSS or fsfreeze."""
        return str(self.properties.get("snapshotConsistencyType") or "").lower() == "onlycrashconsistent"

    def pattern(self, horizon: Horizon) -> Pattern:
        """Where the windows of this policy's start options lie in the week."""
        return Pattern(self.recurrence, horizon.offsets(resolve_zone(self.timezone)))


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine.

    Parameters
    ----------
    id
        ARM id, or the name as imported.
    service
        The VMs that must not be snapshotted together; see ``service_from`` of the rules.
    """

    id: str
    name: str
    service: str = ""
    subscription: str = ""
    resource_group: str = ""
    location: str = ""
    os: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    availability_set: str = ""
    scale_set: str = ""


@dataclass(frozen=True, slots=True)
class ProtectedItem:
    """The protection of one VM by one policy of one vault.

    Parameters
    ----------
    vm_id, policy_id, vault_id
        ARM ids (or imported names), as written.
    unwritable
        Why the item must never be written (stopped, soft-deleted, initial backup pending ...); empty where it may.
    runs
        False where no scheduled backup takes place (stopped, suspended, soft-deleted).
    container, friendly_name
        How jobs name the item, as its own properties state it; empty where they do not.
    """

    id: str
    vm_id: str
    policy_id: str
    vault_id: str
    unwritable: str = ""
    runs: bool = True
    container: str = ""
    friendly_name: str = ""


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

    Ids are compared without regard to case, as Azure does: the mappings are keyed by ``id.lower()``.

    Parameters
    ----------
    as_of
        Aware time at which the estate was taken.
    items
        One item per VM that has a schedule, in a fixed order: row ``v`` of every array is ``items[v]``.
    idle_items
        Items without scheduled backups; they hold a place in their policy, nothing more.
    left_out
        Resources that could not be read; a policy only where no item states its fault.
    """

    as_of: datetime
    vaults: Mapping[str, Vault]
    policies: Mapping[str, Policy]
    vms: Mapping[str, Vm]
    items: tuple[ProtectedItem, ...]
    idle_items: tuple[ProtectedItem, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def horizon(self) -> Horizon:
        """The 30 days that plans are made for."""
        return Horizon(self.as_of)

    @cached_property
    def job_owners(self) -> JobOwners:
        """Tells which VM a backup job belongs to; items without scheduled backups have jobs too."""
        return JobOwners.of((*self.items, *self.idle_items))

    def vm(self, item: ProtectedItem) -> Vm:
        """The VM of an item."""
        return self.vms[item.vm_id.lower()]

    def policy(self, item: ProtectedItem) -> Policy:
        """The policy of an item."""
        return self.policies[item.policy_id.lower()]

    def vault(self, of: ProtectedItem | Policy) -> Vault:
        """The vault of an item or a policy."""
        return self.vaults[of.vault_id.lower()]

    @cached_property
    def items_by_policy(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of the scheduled items of each policy, by ``policy.id.lower()``; empty policies included."""
        rows: dict[str, list[int]] = {key: [] for key in self.policies}
        for row, item in enumerate(self.items):
            rows[item.policy_id.lower()].append(row)
        return {key: tuple(value) for key, value in rows.items()}

    @cached_property
    def unknown_items(self) -> Mapping[str, int]:
        """Items of each policy that are not scheduled rows of this estate: idle ones and ones never seen."""
        idle = dict.fromkeys(self.policies, 0)
        for item in self.idle_items:
            if item.policy_id.lower() in idle:
                idle[item.policy_id.lower()] += 1
        return {
            key: max(idle[key], (policy.items_reported or 0) - len(self.items_by_policy[key]))
            for key, policy in self.policies.items()
        }

    @cached_property
    def policy_sizes(self) -> Mapping[str, int]:
        """Items of each policy, by ``policy.id.lower()``: scheduled, idle, and those that only Azure's count knows."""
        return {key: len(rows) + self.unknown_items[key] for key, rows in self.items_by_policy.items()}

    def policies_in_vault(self, vault_id: str) -> int:
        """Policies that count towards the vault's limit, those of other workloads included."""
        own = sum(policy.vault_id.lower() == vault_id.lower() for policy in self.policies.values())
        return own + self.vaults[vault_id.lower()].other_policies


def describe_recurrence(recurrence: Recurrence) -> str:
    """A recurrence in words for people, e.g. ``every 4 h for 12 h``."""
    if recurrence.frequency is Frequency.HOURLY:
        return f"every {recurrence.interval_hours} h for {recurrence.duration_hours} h"
    if recurrence.frequency is Frequency.WEEKLY:
        return "weekly on " + ", ".join(WEEKDAYS[day] for day in recurrence.days)
    return "daily"
