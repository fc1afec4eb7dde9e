"""Reads raw protected items: which VM each protects, and whether it is planned or why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from optimizer.errors import DataError
from optimizer.estate.document import Absence
from optimizer.model.arm_id import ItemId, VmId, subscription_of
from optimizer.model.inventory import LeftOut, Policy, ProtectedItem, Vault, Vm
from optimizer.model.raw import id_of, properties_of, text
from optimizer.ports import Resource

_STOPPED = {
    "protectionstopped": "protection stopped",
    "protectionpaused": "protection paused",
    "backupssuspended": "backups suspended",
}
"""Reasons for items without scheduled backups, by protection state in lower case."""

_INITIAL = "initial backup pending"
_PENDING = {
    "irpending": _INITIAL,
    "protectionerror": "protection reports an error; fix its backup in the portal, then read the estate again",
    "invalid": "protection state is invalid; fix its backup in the portal, then read the estate again",
}
"""Reasons for items that must not be written now, by protection state in lower case."""

EXPECTED = frozenset({"soft-deleted", _INITIAL, *_STOPPED.values()})
"""Reasons that are part of everyday work and do not indicate a problem with the estate."""

REFUSED = "Azure refuses its policy when it is created or changed"
"""Why an item is never written if Azure still runs its kind of policy but no longer accepts it."""

GONE = (
    "VM not found: deleted, moved, or not visible; if it was deleted, stop its protection in the vault; if it was "
    "moved, protect it again where it is now; if it exists, let this account read it (role Reader) and pull again"
)
"""Why an item is idle if its VM is not among the VMs of its subscription, and what to do."""

HIDDEN = (
    "VM not visible to this account: its tags and load are unknown, so it stays where it is; let this account read it "
    "(role Reader) and pull again"
)
"""Why an item is never written if its VM may not be read: rules that select by tag could be broken unnoticed."""


WRITABLE_TYPES = frozenset({"microsoft.compute/virtualmachines", "microsoft.classiccompute/virtualmachines"})
"""Values of ``protectedItemType``, in lower case, for items that can be assigned to a policy."""


@dataclass
class Draft:
    """An inventory under construction.

    Parameters
    ----------
    as_of
        Time at which the estate was read, with a UTC offset.
    has_arm_ids
        Whether the estate comes from Azure; False for an estate from ``vms.csv``.
    missing
        How each VM that was looked for is missing, by id in lower case.
    present
        Ids in lower case of VMs that count as existing although the estate does not list them.
    vaults, policies, vms
        Resources by id in lower case.
    listed, listed_subscriptions
        Ids of the VMs that the estate lists, and ids of their subscriptions, in lower case.
    unlisted
        Id, as written, and name of the VMs that only items mention, by id in lower case.
    unlisted_vaults
        Ids, as written, of vaults that only policies and items mention, by id in lower case.
    refused, faults
        Why Azure would refuse a policy if it were written, and why it cannot be planned at all, by policy id in lower
        case.
    foreign
        Why policies of other workloads or unknown kinds are not planned, by id in lower case.
    left_out
        Resources that are not in the inventory, with reasons.
    """

    as_of: datetime
    has_arm_ids: bool
    missing: Mapping[str, Absence]
    present: frozenset[str] = frozenset()
    vaults: dict[str, Vault] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    listed_subscriptions: frozenset[str] = frozenset()
    unlisted: dict[str, tuple[str, str]] = field(default_factory=dict)
    unlisted_vaults: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, what: str, reason: str) -> None:
        """Record a resource that is not in the inventory."""
        self.left_out.append(LeftOut(what, reason))

    def vault_of(self, arm_id: str, collection: str) -> str:
        """Id of the vault that contains a resource; empty if the id names no vault.

        If the estate does not list the vault, its id comes from the resource's id.
        """
        position = arm_id.lower().rfind(f"/{collection.lower()}/")
        vault_id = arm_id[:position] if position > 0 else ""
        if not vault_id:
            return ""
        known = self.vaults.get(vault_id.lower())
        return known.id if known is not None else self.unlisted_vaults.setdefault(vault_id.lower(), vault_id)

    def vm_of(self, vm_id: str, name: str) -> str:
        """Id of a VM in the estate's spelling; if the estate does not list the VM, the item's spelling is used."""
        if (known := self.vms.get(vm_id.lower())) is not None:
            return known.id
        return self.unlisted.setdefault(vm_id.lower(), (vm_id, vm_id.rpartition("/")[2] or name))[0]


def read_items(resources: Iterable[Resource], draft: Draft) -> list[ProtectedItem]:
    """Protected items of VMs, by VM and vault; at most one item of a VM has scheduled backups.

    Parameters
    ----------
    resources
        Raw protected items, each with an id.
    draft
        Inventory with vaults, policies and VMs; resources that only items mention are added.
    """
    found = []
    for resource in resources:
        item_id, properties = id_of(resource), properties_of(resource)
        if not is_of_a_vm(properties):
            continue
        vm_id = source_vm(properties)
        vault_id = draft.vault_of(item_id, "backupFabrics")
        if not vault_id:
            draft.leave_out(f"protected item {item_id}", "its id is not that of a protected item of a vault")
        elif not vm_id:
            draft.leave_out(f"protected item {item_id}", "it does not say which VM it protects")
        else:
            item = ProtectedItem(
                id=item_id,
                vm_id=draft.vm_of(vm_id, text(properties.get("friendlyName"))),
                policy_id=text(properties.get("policyId")),
                vault_id=vault_id,
                container=text(properties.get("containerName")),
                friendly_name=text(properties.get("friendlyName")),
            )
            found.append(_judged(item, properties, draft))
    found.sort(key=lambda item: (item.vm_id.lower(), item.vault_id.lower(), item.id.lower()))
    groups = [list(group) for _, group in groupby(found, key=lambda item: item.vm_id.lower())]
    return [item for group in groups for item in _once(group)]


def is_of_a_vm(properties: Mapping[str, Any]) -> bool:
    """Whether an item protects a VM, not another workload such as files or databases."""
    return (text(properties.get("backupManagementType")) or "AzureIaasVM").lower() == "azureiaasvm"


def source_vm(properties: Mapping[str, Any]) -> str:
    """Id of the VM that an item protects; empty if the item does not state it."""
    return text(properties.get("sourceResourceId")) or text(properties.get("virtualMachineId"))


def _judged(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> ProtectedItem:
    """Copy of an item that states whether it has scheduled backups and may be written."""
    vm_key, policy_key = item.vm_id.lower(), item.policy_id.lower()
    if idle := _why_stopped(properties) or _why_unplanned(item, properties, draft) or _why_gone(vm_key, draft):
        return replace(item, unwritable=idle, runs=False)
    hidden = HIDDEN if draft.missing.get(vm_key) == "hidden" else ""
    # An estate from vms.csv has names instead of ids: it can be planned, and `apply` refuses the plan as a whole.
    unsendable = _why_unsendable(item, properties) if draft.has_arm_ids else ""
    why = _why_pending(properties) or draft.refused.get(policy_key, "") or hidden or unsendable
    return replace(item, unwritable=why)


def _why_stopped(properties: Mapping[str, Any]) -> str:
    """Why an item has no scheduled backups; empty if it has them."""
    if properties.get("isScheduledForDeferredDelete"):
        return "soft-deleted"
    return _STOPPED.get(text(properties.get("protectionState")).lower(), "")


def _why_unplanned(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why the policy of an item cannot be planned; empty if it can."""
    key, stated = item.policy_id.lower(), properties.get("policyId")
    if not key:
        return "its policyId is not the id of a policy" if stated else "protection stopped"
    if key in draft.faults:
        return f"its policy cannot be planned: {draft.faults[key]}"
    if key in draft.foreign:
        return f"its policy is of a kind that this program does not know ({draft.foreign[key]})"
    policy = draft.policies.get(key)
    if policy is None:
        return "its policy is not in the estate: neither planned nor counted"
    if policy.vault_id.lower() != item.vault_id.lower():
        return "its policy is of another vault: neither planned nor counted"
    return ""


def _why_pending(properties: Mapping[str, Any]) -> str:
    """Why Azure would not accept a write now; empty if it would."""
    if "protectionState" not in properties:
        return ""  # as in answers of older API versions (docs/azure.md, "Planning from exported files")
    stated = properties["protectionState"]
    state = text(stated).lower()
    if state == "protected":
        return ""
    shown = "null" if stated is None else repr(str(stated)[:60])
    return _PENDING.get(state) or f"its protection state is {shown}, which this program does not know"


def _why_unsendable(item: ProtectedItem, properties: Mapping[str, Any]) -> str:
    """Why no request for an item can be sent, if Azure would not accept a part of it; empty otherwise."""
    stated = properties.get("protectedItemType")
    if stated and str(stated).lower() not in WRITABLE_TYPES:
        return f"its protectedItemType is {str(stated)[:60]!r}, which this program does not write"
    for name, parse, value in (("id", ItemId.parse, item.id), ("sourceResourceId", VmId.parse, source_vm(properties))):
        try:
            parse(value)
        except DataError:
            return f"its {name} is {value[:200]!r}, which is not an id that Azure accepts"
    return ""


def _why_gone(vm_key: str, draft: Draft) -> str:
    """Why a VM counts as gone; empty if it may exist.

    A VM that the estate does not list counts as gone only if the estate lists other VMs of its subscription. Otherwise
    the list may not cover that subscription.
    """
    if vm_key in draft.missing:
        return GONE if draft.missing[vm_key] == "gone" else ""
    looked_for = subscription_of(vm_key) in draft.listed_subscriptions
    return GONE if looked_for and vm_key not in draft.listed and vm_key not in draft.present else ""


def _once(items: list[ProtectedItem]) -> list[ProtectedItem]:
    """Items of one VM. If several have scheduled backups, none may be written, and one represents the backups."""
    running = [item for item in items if item.runs]
    if len(running) < 2:
        return items
    vaults = [item.vault_id.rpartition("/")[2] for item in running]
    why = f"VM is protected {len(running)} times, in vault {' and in vault '.join(vaults)}: stop all but one of them"
    kept = next((item for item in running if not item.unwritable), running[0])
    return [replace(item, unwritable=why, runs=item is kept) if item.runs else item for item in items]
