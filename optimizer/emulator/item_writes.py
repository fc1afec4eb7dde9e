"""Assigns protected items to policies, and stops their protection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.emulator.ids import key, vault_key
from optimizer.emulator.policies import keeps_less, sub_type
from optimizer.emulator.policy_table import ENHANCED
from optimizer.emulator.policy_writes import count_item, item_count
from optimizer.emulator.protections import ITEM_WRITE, check_guard, check_immutability
from optimizer.emulator.refusal import Refusal, not_found, throttled
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import properties_of, text, word

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import Resource

_KINDS = {"microsoft.compute/virtualmachines", "microsoft.classiccompute/virtualmachines"}
"""Values of ``protectedItemType``, in lower case, for VMs."""

_STOPPED = {"protectionstopped", "protectionpaused", "backupssuspended"}
"""Protection states that an assignment to a policy changes to ``Protected``."""

MOST_ITEMS = 1000
"""Number of items in one policy that Microsoft's own clients allow."""

_NOT_STORED = "resourceGuardOperationRequests"
"""Field of a request that is not part of the item."""


def check_item_write(state: CloudState, item_id: str, properties: Mapping[str, Any], now: datetime) -> None:
    """Refuse an assignment that is not possible.

    Raises
    ------
    Refusal
        400, 404 or 429.
    """
    item = state.items.get(key(item_id))
    if item is None:
        raise not_found(item_id)
    _check_body(item, properties)
    before = state.policies.get(key(properties_of(item).get("policyId") or ""))
    vault = state.vaults.get(vault_key(item_id)) or {}
    if properties["policyId"] == "":
        less = True  # stopping protection reduces retention: no further recovery points are made
    else:
        policy = _target(state, item, str(properties["policyId"]))
        less = before is not None and keeps_less(properties_of(before), properties_of(policy))
        check_immutability(vault, keeps_less=less)
        _check_room(state, item, policy)
    asks = state.settings.guard_asks
    if asks == "always" or (asks == "retention" and less):
        check_guard(state.guards(item_id), ITEM_WRITE, properties)
    if state.item_writes.count(vault_key(item_id), now) >= state.settings.protection_changes_per_day:
        raise throttled(
            "BMSUserErrorProtectionOperationsLimitReached",
            f"More than {state.settings.protection_changes_per_day} items of the vault were configured in 24 hours.",
        )
    state.item_writes.add(vault_key(item_id), now)


def _check_body(item: Resource, properties: Mapping[str, Any]) -> None:
    own = properties_of(item)
    kind, source = str(properties.get("protectedItemType") or ""), key(properties.get("sourceResourceId") or "")
    if own.get("isScheduledForDeferredDelete"):
        raise Refusal(400, "BMSUserErrorItemSoftDeleted", "The item is in the soft-deleted state; undelete it first.")
    if Caseless(kind) not in _KINDS:
        raise _invalid(f"The protected item type '{kind}' is not that of a virtual machine.")
    if source != key(text(own.get("sourceResourceId")) or text(own.get("virtualMachineId"))):
        raise _invalid(f"The source resource '{properties.get('sourceResourceId')}' is not that of the item.")
    if not isinstance(properties.get("policyId"), str):
        raise _invalid("The policy id is missing.")


def _invalid(message: str) -> Refusal:
    return Refusal(400, "BMSUserErrorInvalidInput", message)


def _target(state: CloudState, item: Resource, policy_id: str) -> Resource:
    """Policy to which an item may be assigned.

    Raises
    ------
    Refusal
        400.
    """
    policy = state.policies.get(key(policy_id))
    if policy is None:
        raise Refusal(400, "BMSUserErrorPolicyNotFound", f"The backup policy '{policy_id}' was not found.")
    if vault_key(policy_id) != vault_key(item["id"]):
        raise _invalid(f"The backup policy '{policy_id}' is of another vault.")
    kind = sub_type(properties_of(policy))
    before = state.policies.get(key(properties_of(item).get("policyId") or ""))
    if not kind:
        raise _invalid(f"The backup policy '{policy_id}' is not for virtual machines.")
    if before is not None and sub_type(properties_of(before)) != kind:
        raise Refusal(400, "BMSUserErrorPolicySubTypeChangeNotSupported", "The item's policy is of another sub-type.")
    return policy


def _check_room(state: CloudState, item: Resource, policy: Resource) -> None:
    if key(properties_of(item).get("policyId") or "") == key(policy["id"]):
        return
    number = item_count(state, policy["id"]) + state.operations.towards(policy["id"])
    most = state.settings.max_items_per_policy
    if key(policy["id"]) in state.first_policies:
        most = max(most, min(state.largest_policy, MOST_ITEMS))
    if number >= most:
        raise Refusal(
            400,
            "BMSUserErrorMaxItemsPerPolicyLimitReached",
            f"The backup policy protects {number} items; the limit is {most}.",
        )


def store_item(state: CloudState, item_id: str, properties: Mapping[str, Any]) -> None:
    """Store an assignment.

    Fields that are not sent are kept, except ``extendedProperties``: it is not known whether the service keeps a disk
    exclusion that is not sent again, so the emulator drops it.
    """
    item = state.items[key(item_id)]
    sent = {name: value for name, value in properties.items() if name != _NOT_STORED}
    kept = {name: value for name, value in properties_of(item).items() if name != "extendedProperties"}
    before, after = str(kept.get("policyId") or ""), str(sent["policyId"])
    changed = {**kept, **sent}
    if key(before) != key(after):
        for policy_id, change in ((before, -1), (after, 1)):
            count_item(state, policy_id, change)
    if after:
        policy = state.policies.get(key(after))  # None if a test removed it in the meantime
        changed["policyName"] = ArmId(after).name if policy is None else policy["name"]
        if policy is not None and "policyType" in changed:
            changed["policyType"] = "V2" if sub_type(properties_of(policy)) == ENHANCED else "V1"
        if word(kept.get("protectionState")) in _STOPPED:
            changed["protectionState"] = "Protected"
    else:
        changed |= {"policyName": "", "protectionState": "ProtectionStopped"}
    state.items[key(item_id)] = {**item, "properties": changed}
    state.reassigned.add(key(item_id))
