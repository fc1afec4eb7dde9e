"""Assigns protected items to policies, and stops their protection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.emulator.contents import Contents, policy_key, with_properties
from optimizer.emulator.ids import key, vault_key
from optimizer.emulator.operations import Operations, RateCounter
from optimizer.emulator.policies import keeps_less, sub_type
from optimizer.emulator.policy_table import ENHANCED
from optimizer.emulator.protections import ITEM_WRITE, check_guard, check_immutability
from optimizer.emulator.refusal import Refusal, not_found, throttled
from optimizer.emulator.settings import EmulatorSettings
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import properties_of, text, word

if TYPE_CHECKING:
    from optimizer.ports import Resource

_KINDS = {"microsoft.compute/virtualmachines", "microsoft.classiccompute/virtualmachines"}
"""Values of ``protectedItemType``, in lower case, for VMs."""

_STOPPED = {"protectionstopped", "protectionpaused", "backupssuspended"}
"""Protection states, in lower case, that an assignment to a policy changes to ``Protected``."""

MOST_ITEMS = 1000
"""Number of items in one policy that Microsoft's own clients allow."""

_NOT_STORED = "resourceGuardOperationRequests"
"""Field of a request that is not part of the item."""


class ItemWrites:
    """Checks assignments of items to policies, and stores those that are accepted.

    Parameters
    ----------
    contents
        Resources of the service. The policies that it has now may hold as many items as the largest of them.
    operations
        Operations of the service, including those that move items to a policy.
    settings
        Behavior of the service.
    """

    def __init__(self, contents: Contents, operations: Operations, settings: EmulatorSettings) -> None:
        self._contents, self._operations, self._settings = contents, operations, settings
        self._first_policies, self._largest = frozenset(contents.policies), contents.largest_policy()
        self._recent = RateCounter()
        self._reassigned: set[str] = set()

    def check(self, item_id: str, properties: Mapping[str, Any], now: datetime) -> None:
        """Refuse an assignment that is not possible; otherwise, count it.

        Raises
        ------
        Refusal
            400, 404 or 429.
        """
        item = self._contents.items.get(key(item_id))
        if item is None:
            raise not_found(item_id)
        _check_body(properties_of(item), properties)
        # Stopping the protection counts as shorter retention, because no further recovery points are made.
        less = properties["policyId"] == "" or self._check_target(item, properties["policyId"])
        if self._settings.guards_ask(keeps_less=less):
            check_guard(self._contents.guards(item_id), ITEM_WRITE, properties)
        self._count(vault_key(item_id), now)

    def _check_target(self, item: Resource, policy_id: str) -> bool:
        """Refuse a policy to which the item cannot be assigned, and return whether the policy keeps less.

        Raises
        ------
        Refusal
            400.
        """
        policy, before = self._contents.policies.get(key(policy_id)), self._contents.policy_of(item)
        if policy is None:
            raise Refusal(400, "BMSUserErrorPolicyNotFound", f"The backup policy '{policy_id}' was not found.")
        if vault_key(policy_id) != vault_key(item["id"]):
            raise _invalid(f"The backup policy '{policy_id}' belongs to another vault.")
        _check_sub_type(policy_id, properties_of(policy), before)
        less = before is not None and keeps_less(properties_of(before), properties_of(policy))
        check_immutability(self._contents.vaults.get(vault_key(policy_id)) or {}, keeps_less=less)
        self._check_room(item, policy["id"])
        return less

    def _check_room(self, item: Resource, policy_id: str) -> None:
        if policy_key(item) == key(policy_id):
            return
        number = self._contents.item_count(policy_id) + self._operations.toward(policy_id)
        most = self._settings.max_items_per_policy
        if key(policy_id) in self._first_policies:
            most = max(most, min(self._largest, MOST_ITEMS))
        if number >= most:
            raise Refusal(
                400,
                "BMSUserErrorMaxItemsPerPolicyLimitReached",
                f"The backup policy protects {number} items; the limit is {most}.",
            )

    def _count(self, vault: str, now: datetime) -> None:
        most = self._settings.protection_changes_per_day
        if self._recent.count(vault, now) >= most:
            raise throttled(
                "BMSUserErrorProtectionOperationsLimitReached",
                f"More than {most} items of the vault were configured in 24 hours.",
            )
        self._recent.add(vault, now)

    def store(self, item_id: str, properties: Mapping[str, Any]) -> None:
        """Store an assignment.

        Fields that are not sent are kept, except ``extendedProperties``: it is not known whether the service keeps a
        disk exclusion that is not sent again, so the emulator drops it.
        """
        item = self._contents.items[key(item_id)]
        kept = {name: value for name, value in properties_of(item).items() if name != "extendedProperties"}
        changed = kept | {name: value for name, value in properties.items() if name != _NOT_STORED}
        before, after = str(kept.get("policyId") or ""), str(changed["policyId"])
        if key(before) != key(after):
            self._move_count(before, -1)
            self._move_count(after, 1)
        if not after:
            changed |= {"policyName": "", "protectionState": "ProtectionStopped"}
        elif word(kept.get("protectionState")) in _STOPPED:
            changed["protectionState"] = "Protected"
        if after:
            changed |= self._fields_of_policy(after, changed)
        self._contents.items[key(item_id)] = with_properties(item, changed)
        self._reassigned.add(key(item_id))

    def _move_count(self, policy_id: str, change: int) -> None:
        """Update a policy's count of items; the item itself has not been moved yet."""
        count = max(0, self._contents.item_count(policy_id) + change)
        self._contents.change_policy(policy_id, protectedItemsCount=count)

    def _fields_of_policy(self, policy_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of an item that repeat what its policy states."""
        policy = self._contents.policies.get(key(policy_id))
        if policy is None:  # a test removed it in the meantime
            return {"policyName": ArmId(policy_id).name}
        fields = {"policyName": policy["name"]}
        if "policyType" in properties:
            fields["policyType"] = "V2" if sub_type(properties_of(policy)) == ENHANCED else "V1"
        return fields

    def is_inconsistent(self, name: str) -> bool:
        """Whether an item, given by its key, reports ``policyInconsistent``: if set up to, once it is reassigned."""
        return name in self._reassigned and name in self._settings.inconsistent_items


def _check_body(own: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Refuse properties that do not fit an item, given the properties that it has."""
    kind, source = text(sent.get("protectedItemType")), key(sent.get("sourceResourceId") or "")
    if own.get("isScheduledForDeferredDelete"):
        raise Refusal(400, "BMSUserErrorItemSoftDeleted", "The item is in the soft-deleted state; undelete it first.")
    if Caseless(kind) not in _KINDS:
        raise _invalid(f"The protected item type '{kind}' is not that of a virtual machine.")
    if source != key(text(own.get("sourceResourceId")) or text(own.get("virtualMachineId"))):
        raise _invalid(f"The source resource '{sent.get('sourceResourceId')}' is not that of the item.")
    if not isinstance(sent.get("policyId"), str):
        raise _invalid("The policy id is missing.")


def _check_sub_type(policy_id: str, properties: Mapping[str, Any], before: Resource | None) -> None:
    kind = sub_type(properties)
    if not kind:
        raise _invalid(f"The backup policy '{policy_id}' is not for virtual machines.")
    if before is not None and sub_type(properties_of(before)) != kind:
        raise Refusal(400, "BMSUserErrorPolicySubTypeChangeNotSupported", "The item's policy has another sub-type.")


def _invalid(message: str) -> Refusal:
    return Refusal(400, "BMSUserErrorInvalidInput", message)
