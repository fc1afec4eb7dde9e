"""Reads raw protected items: which VM each protects, and whether it is planned or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any

from optimizer.arm.resources import Absence
from optimizer.errors import DataError
from optimizer.model.arm_id import ArmId, ItemId, VmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import LeftOut, Policy, ProtectedItem, Vault, Vm
from optimizer.model.raw import arm_id, id_of, properties_of, text, word
from optimizer.ports import Resource

_STOPPED = {
    Caseless("ProtectionStopped"): "protection stopped",
    Caseless("ProtectionPaused"): "protection paused",
    Caseless("BackupsSuspended"): "backups suspended",
}
"""Reasons for items without scheduled backups, by protection state."""

_INITIAL = "initial backup pending"
_PENDING = {
    Caseless("IRPending"): _INITIAL,
    Caseless(
        "ProtectionError"
    ): "protection reports an error; fix its backup in the portal, then read the estate again",
    Caseless("Invalid"): "protection state is invalid; fix its backup in the portal, then read the estate again",
}
"""Reasons for items that must not be written now, by protection state."""

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


WRITABLE_TYPES = frozenset(
    {Caseless("Microsoft.Compute/virtualMachines"), Caseless("Microsoft.ClassicCompute/virtualMachines")}
)
"""Values of ``protectedItemType`` for items that can be assigned to a policy."""


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
        How each VM that was looked for is missing.
    present
        Ids of VMs that count as existing although the estate does not list them.
    vaults, policies, vms
        Resources by id.
    listed
        Ids of the VMs that the estate lists.
    unlisted
        Spelling of the id, and name, of the VMs that only items mention.
    unlisted_vaults
        Vaults that only policies and items mention; the values are the spellings to use.
    refused, faults
        Why Azure would refuse a policy if it were written, and why it cannot be planned at all, by policy id.
    foreign
        Why policies of other workloads or unknown kinds are not planned, by id.
    left_out
        Resources that are not in the inventory, with reasons.
    """

    as_of: datetime
    has_arm_ids: bool
    missing: Mapping[ArmId, Absence]
    present: frozenset[ArmId] = frozenset()
    vaults: dict[ArmId, Vault] = field(default_factory=dict)
    policies: dict[ArmId, Policy] = field(default_factory=dict)
    vms: dict[ArmId, Vm] = field(default_factory=dict)
    listed: frozenset[ArmId] = frozenset()
    unlisted: dict[ArmId, tuple[ArmId, str]] = field(default_factory=dict)
    unlisted_vaults: dict[ArmId, ArmId] = field(default_factory=dict)
    refused: dict[ArmId, str] = field(default_factory=dict)
    faults: dict[ArmId, str] = field(default_factory=dict)
    foreign: dict[ArmId, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    @cached_property
    def listed_subscriptions(self) -> frozenset[Caseless]:
        """Subscriptions of the VMs that the estate lists."""
        return frozenset(vm_id.subscription for vm_id in self.listed) - {Caseless()}

    def leave_out(self, what: str, reason: str) -> None:
        """Record a resource that is not in the inventory."""
        self.left_out.append(LeftOut(what, reason))

    def add_policy(self, policy: Policy) -> None:
        """Add a policy that can be planned."""
        self.policies[policy.id] = policy
        if policy.refused:
            self.refused[policy.id] = f"{REFUSED}: {policy.refused}"

    def stubs(self) -> list[Resource]:
        """Placeholder resources for the VMs that only items mention."""
        return [{"id": vm_id, "name": name} for vm_id, name in self.unlisted.values()]

    def vault_of(self, arm_id: ArmId, collection: str) -> ArmId:
        """Id of the vault that contains a resource; empty if the id names no vault.

        If the estate does not list the vault, its id comes from the resource's id.
        """
        vault_id = arm_id.above(collection)
        if not vault_id:
            return vault_id
        known = self.vaults.get(vault_id)
        return known.id if known is not None else self.unlisted_vaults.setdefault(vault_id, vault_id)

    def vm_of(self, vm_id: ArmId, name: str) -> ArmId:
        """Id of a VM in the estate's spelling; if the estate does not list the VM, the item's spelling is used."""
        if (known := self.vms.get(vm_id)) is not None:
            return known.id
        return self.unlisted.setdefault(vm_id, (vm_id, vm_id.name or name))[0]


def read_items(resources: Iterable[Resource], draft: Draft) -> list[ProtectedItem]:
    """Protected items of VMs, by VM and vault; at most one item of a VM has scheduled backups.

    Parameters
    ----------
    resources
        Raw protected items, each with an id.
    draft
        Inventory with vaults, policies and VMs; resources that only items mention are added.
    """
    items = [item for resource in resources if (item := _read_item(resource, draft)) is not None]
    items.sort(key=lambda item: (item.vm_id, item.vault_id, item.id))
    of_vms = (list(same_vm) for _, same_vm in groupby(items, key=lambda item: item.vm_id))
    return [item for same_vm in of_vms for item in _once(same_vm)]


def _read_item(resource: Resource, draft: Draft) -> ProtectedItem | None:
    """Item of a VM; None for other workloads, and for an item that cannot be placed, which is recorded."""
    item_id, properties = id_of(resource), properties_of(resource)
    if not is_of_a_vm(properties):
        return None
    vm_id, vault_id = source_vm(properties), draft.vault_of(item_id, "backupFabrics")
    if not vault_id:
        draft.leave_out(f"protected item {item_id}", "its id is not that of a protected item of a vault")
        return None
    if not vm_id:
        draft.leave_out(f"protected item {item_id}", "it does not say which VM it protects")
        return None
    friendly_name = text(properties.get("friendlyName"))
    item = ProtectedItem(
        id=item_id,
        vm_id=draft.vm_of(vm_id, friendly_name),
        policy_id=policy_of(properties),
        vault_id=vault_id,
        container=text(properties.get("containerName")),
        friendly_name=friendly_name,
    )
    return _judged(item, properties, draft)


_VM_WORKLOADS = {Caseless(), Caseless("AzureIaasVM")}
"""Values of ``backupManagementType`` for VMs; older answers do not state it."""


def is_of_a_vm(properties: Mapping[str, Any]) -> bool:
    """Whether an item protects a VM, not another workload such as files or databases."""
    return word(properties.get("backupManagementType")) in _VM_WORKLOADS


def source_vm(properties: Mapping[str, Any]) -> ArmId:
    """Id of the VM that an item protects; empty if the item does not state it."""
    return arm_id(properties.get("sourceResourceId")) or arm_id(properties.get("virtualMachineId"))


def policy_of(properties: Mapping[str, Any]) -> ArmId:
    """Id of the policy of an item; empty if the item has none."""
    return arm_id(properties.get("policyId"))


def _judged(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> ProtectedItem:
    """Copy of an item that states whether it has scheduled backups and may be written."""
    if idle := _first(why(item, properties, draft) for why in _WHY_IDLE):
        return replace(item, unwritable=idle, runs=False)
    return replace(item, unwritable=_first(why(item, properties, draft) for why in _WHY_UNWRITABLE))


def _first(reasons: Iterable[str]) -> str:
    return next(filter(None, reasons), "")


# Each of the following states a reason, or returns an empty text.


def _why_stopped(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why an item has no scheduled backups."""
    del item, draft
    if properties.get("isScheduledForDeferredDelete"):
        return "soft-deleted"
    return _STOPPED.get(word(properties.get("protectionState")), "")


def _why_without_policy(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why an item has no policy."""
    del draft
    if item.policy_id:
        return ""
    return "its policyId is not the id of a policy" if properties.get("policyId") else "protection stopped"


def _why_unplanned(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why the policy of an item cannot be planned."""
    del properties
    policy_id = item.policy_id
    if policy_id in draft.faults:
        return f"its policy cannot be planned: {draft.faults[policy_id]}"
    if policy_id in draft.foreign:
        return f"its policy is of a kind that this program does not know ({draft.foreign[policy_id]})"
    if policy_id not in draft.policies:
        return "its policy is not in the estate: neither planned nor counted"
    if draft.policies[policy_id].vault_id != item.vault_id:
        return "its policy is of another vault: neither planned nor counted"
    return ""


def _why_gone(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why a VM counts as gone.

    A VM that the estate does not list counts as gone only if the estate lists other VMs of its subscription. Otherwise
    the list may not cover that subscription.
    """
    del properties
    vm_id = item.vm_id
    if vm_id in draft.missing:
        return GONE if draft.missing[vm_id] == "gone" else ""
    if vm_id in draft.listed | draft.present:
        return ""
    return GONE if vm_id.subscription in draft.listed_subscriptions else ""


def _why_pending(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why Azure would not accept a write now."""
    del item, draft
    if "protectionState" not in properties:
        return ""  # as in answers of older API versions (docs/azure.md, "Planning from exported files")
    stated = properties["protectionState"]
    state = word(stated)
    if state == "Protected":
        return ""
    shown = "null" if stated is None else repr(str(stated)[:60])
    return _PENDING.get(state, f"its protection state is {shown}, which this program does not know")


def _why_refused(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why Azure would refuse the policy of an item if it were written."""
    del properties
    return draft.refused.get(item.policy_id, "")


def _why_hidden(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why nothing is known about the VM of an item."""
    del properties
    return HIDDEN if draft.missing.get(item.vm_id) == "hidden" else ""


def _why_unsendable(item: ProtectedItem, properties: Mapping[str, Any], draft: Draft) -> str:
    """Why no request for an item can be sent, if Azure would not accept a part of it.

    An estate from ``vms.csv`` has names instead of ids: it can be planned, and ``apply`` refuses the plan as a whole.
    """
    if not draft.has_arm_ids:
        return ""
    stated = str(properties.get("protectedItemType") or "")
    if stated and Caseless(stated) not in WRITABLE_TYPES:
        return f"its protectedItemType is {stated[:60]!r}, which this program does not write"
    ids = (("id", ItemId.parse, item.id), ("sourceResourceId", VmId.parse, source_vm(properties)))
    return _first(_why_no_id(name, parse, value) for name, parse, value in ids)


def _why_no_id(name: str, parse: Callable[[object], object], value: str) -> str:
    try:
        parse(value)
    except DataError:
        return f"its {name} is {value[:200]!r}, which is not an id that Azure accepts"
    return ""


_Why = Callable[[ProtectedItem, Mapping[str, Any], Draft], str]

_WHY_IDLE: tuple[_Why, ...] = (_why_stopped, _why_without_policy, _why_unplanned, _why_gone)
"""Reasons for items without scheduled backups; the first that applies is reported."""

_WHY_UNWRITABLE: tuple[_Why, ...] = (_why_pending, _why_refused, _why_hidden, _why_unsendable)
"""Reasons for items that must not be written, as above."""


def _once(items: list[ProtectedItem]) -> list[ProtectedItem]:
    """Items of one VM. If several have scheduled backups, none may be written, and one represents the backups."""
    running = [item for item in items if item.runs]
    if len(running) < 2:
        return items
    vaults = " and in vault ".join(item.vault_id.name for item in running)
    reason = f"VM is protected {len(running)} times, in vault {vaults}: stop all but one of them"
    kept = next((item for item in running if not item.unwritable), running[0])
    return [replace(item, unwritable=reason, runs=item is kept) if item.runs else item for item in items]
