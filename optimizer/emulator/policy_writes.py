"""Creates, changes and deletes policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.emulator.ids import key, vault_key
from optimizer.emulator.policies import check_name, check_policy, frequency, keeps_less, sub_type, tidied
from optimizer.emulator.protections import POLICY_WRITE, check_guard, check_immutability
from optimizer.emulator.refusal import Refusal, not_found, throttled
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import properties_of

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import Resource

TYPE = "Microsoft.RecoveryServices/vaults/backupPolicies"

_NOT_STORED = ("resourceGuardOperationRequests", "protectedItemsCount")
"""Fields of a request that the service does not store as sent."""


def item_count(state: CloudState, policy_id: str) -> int:
    """Number of items of a policy, including those that only the service's own count contains."""
    policy = state.policies.get(key(policy_id)) or {}
    stated = properties_of(policy).get("protectedItemsCount")
    known = sum(key(properties_of(item).get("policyId") or "") == key(policy_id) for item in state.items.values())
    return max(known, stated) if isinstance(stated, int) else known


def largest_policy(state: CloudState) -> int:
    """Number of items in the largest policy, by the service's own count or by the known items."""
    known = Counter(key(properties_of(item).get("policyId") or "") for item in state.items.values())
    stated = ((name, properties_of(policy).get("protectedItemsCount")) for name, policy in state.policies.items())
    return max((max(known[name], count if isinstance(count, int) else 0) for name, count in stated), default=0)


def check_policy_write(state: CloudState, policy_id: str, properties: Mapping[str, Any], now: datetime) -> None:
    """Refuse a policy that must not be written.

    Raises
    ------
    Refusal
        400, 404, 409 or 429.
    """
    vault = state.vaults.get(vault_key(policy_id))
    if vault is None:
        raise not_found(policy_id)
    current = state.policies.get(key(policy_id))
    check_policy(properties, now)
    guards, asks = state.guards(policy_id), state.settings.guard_asks
    if current is None:
        _check_new(state, policy_id)
        less = False
    else:
        before = properties_of(current)
        if sub_type(before) != sub_type(properties):
            raise Refusal(
                400,
                "BMSUserErrorPolicySubTypeChangeNotSupported",
                "The sub-type of a backup policy cannot be changed.",
            )
        less = keeps_less(before, properties)
        check_immutability(vault, keeps_less=less)
        if frequency(before) != frequency(properties):
            state.flags.append(f"{policy_id}: from {frequency(before)} to {frequency(properties)}")
    if asks == "always" or (asks == "retention" and less):
        check_guard(guards, POLICY_WRITE, properties)
    place = vault_key(policy_id)
    if state.settings.policy_writes_scope == "subscription":
        place = "/".join(place.split("/")[:3])
    if state.policy_writes.count(place, now) >= state.settings.policy_writes_per_day:
        raise throttled(
            "BMSUserErrorPolicyOperationsLimitReached",
            f"More than {state.settings.policy_writes_per_day} backup policies were added or edited in 24 hours.",
        )
    state.policy_writes.add(place, now)


def _check_new(state: CloudState, policy_id: str) -> None:
    check_name(ArmId(policy_id).name)
    number = sum(vault_key(other) == vault_key(policy_id) for other in state.policies)
    if number >= state.settings.max_policies_per_vault:
        raise Refusal(
            400,
            "BMSUserErrorMaxPolicyLimitReached",
            f"The vault has {number} backup policies; the limit is {state.settings.max_policies_per_vault}.",
        )


def store_policy(state: CloudState, policy_id: str, properties: Mapping[str, Any], etag: str) -> Resource:
    """Store a policy; unknown fields are kept."""
    old = state.policies.get(key(policy_id))
    stored = {name: value for name, value in properties.items() if name not in _NOT_STORED}
    stored["protectedItemsCount"] = item_count(state, policy_id)
    if state.settings.tidy_policies:
        stored = tidied(stored)
    name = ArmId(policy_id).name
    place = {"id": f"{state.vaults[vault_key(policy_id)]['id']}/backupPolicies/{name}", "name": name, "type": TYPE}
    resource = {**(old or place), "properties": stored, "eTag": etag}
    state.policies[key(policy_id)] = resource
    return resource


def count_item(state: CloudState, policy_id: str, change: int) -> None:
    """Update ``protectedItemsCount`` when an item enters or leaves a policy.

    Parameters
    ----------
    policy_id
        Id of the policy; nothing happens if the policy does not exist.
    change
        Change of the count: 1 or -1. The item itself has not been moved yet.
    """
    policy = state.policies.get(key(policy_id))
    if policy is not None:
        count = max(0, item_count(state, policy_id) + change)
        state.policies[key(policy_id)] = {
            **policy,
            "properties": {**properties_of(policy), "protectedItemsCount": count},
        }


def check_deletion(state: CloudState, policy_id: str) -> None:
    """Refuse to delete a policy that protects any item.

    Raises
    ------
    Refusal
        400.
    """
    number = item_count(state, policy_id) + state.operations.towards(policy_id)
    if number:
        raise Refusal(
            400,
            "BMSUserErrorPolicyInUse",
            f"The backup policy cannot be deleted: it is associated with {number} protected items.",
        )
