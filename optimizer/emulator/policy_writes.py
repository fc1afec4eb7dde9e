"""Creates, changes and deletes policies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optimizer.emulator.contents import Contents, with_properties
from optimizer.emulator.ids import key, vault_key
from optimizer.emulator.operations import Operations, RateCounter
from optimizer.emulator.policies import check_name, check_policy, frequency, keeps_less, sub_type, tidied
from optimizer.emulator.protections import POLICY_WRITE, check_guard, check_immutability
from optimizer.emulator.refusal import Refusal, not_found, throttled
from optimizer.emulator.settings import EmulatorSettings
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import properties_of

if TYPE_CHECKING:
    from optimizer.ports import Resource

TYPE = "Microsoft.RecoveryServices/vaults/backupPolicies"

_NOT_STORED = ("resourceGuardOperationRequests", "protectedItemsCount")
"""Fields of a request that the service does not store as sent."""


class PolicyWrites:
    """Checks writes of policies, and stores those that are accepted.

    Parameters
    ----------
    contents
        Resources of the service.
    operations
        Operations of the service, including those that move items to a policy.
    settings
        Behavior of the service.

    Attributes
    ----------
    flags
        Changes that Azure allows but that should not be made.
    """

    def __init__(self, contents: Contents, operations: Operations, settings: EmulatorSettings) -> None:
        self._contents, self._operations, self._settings = contents, operations, settings
        self._recent = RateCounter()
        self.flags: list[str] = []

    def check(self, policy_id: str, properties: Mapping[str, Any], now: datetime) -> None:
        """Refuse a policy that must not be written; otherwise, count the write.

        Raises
        ------
        Refusal
            400, 404, 409 or 429.
        """
        vault = self._contents.vaults.get(vault_key(policy_id))
        if vault is None:
            raise not_found(policy_id)
        check_policy(properties, now)
        current = self._contents.policies.get(key(policy_id))
        less = self._check_new(policy_id) if current is None else _check_change(properties_of(current), properties)
        check_immutability(vault, keeps_less=less)
        if self._settings.guards_ask(keeps_less=less):
            check_guard(self._contents.guards(policy_id), POLICY_WRITE, properties)
        self._count(policy_id, now)
        if current is not None:
            self._flag(policy_id, frequency(properties_of(current)), frequency(properties))

    def _check_new(self, policy_id: str) -> bool:
        """Refuse a policy that must not be created; returns False, because nothing is kept for a shorter time."""
        check_name(ArmId(policy_id).name)
        number, most = len(self._contents.policies_in(vault_key(policy_id))), self._settings.max_policies_per_vault
        if number >= most:
            raise Refusal(
                400,
                "BMSUserErrorMaxPolicyLimitReached",
                f"The vault has {number} backup policies; the limit is {most}.",
            )
        return False

    def _count(self, policy_id: str, now: datetime) -> None:
        scope = vault_key(policy_id)
        if self._settings.policy_writes_scope == "subscription":
            scope = ArmId(scope).subscription.key
        most = self._settings.policy_writes_per_day
        if self._recent.count(scope, now) >= most:
            raise throttled(
                "BMSUserErrorPolicyOperationsLimitReached",
                f"More than {most} backup policies were added or edited in 24 hours.",
            )
        self._recent.add(scope, now)

    def _flag(self, policy_id: str, before: str, after: str) -> None:
        if before != after:
            self.flags.append(f"{policy_id}: from {before} to {after}")

    def store(self, policy_id: str, properties: Mapping[str, Any], etag: str) -> None:
        """Store a policy; unknown fields are kept."""
        kept = {name: value for name, value in properties.items() if name not in _NOT_STORED}
        kept["protectedItemsCount"] = self._contents.item_count(policy_id)
        if self._settings.tidy_policies:
            kept = tidied(kept)
        before = self._contents.policies.get(key(policy_id)) or self._new(policy_id)
        self._contents.policies[key(policy_id)] = {**with_properties(before, kept), "eTag": etag}

    def _new(self, policy_id: str) -> Resource:
        name, vault = ArmId(policy_id).name, self._contents.vaults[vault_key(policy_id)]
        return {"id": f"{vault['id']}/backupPolicies/{name}", "name": name, "type": TYPE}

    def delete(self, policy_id: str) -> None:
        """Delete a policy, unless it protects any item.

        Raises
        ------
        Refusal
            400.
        """
        number = self._contents.item_count(policy_id) + self._operations.toward(policy_id)
        if number:
            items = "1 protected item" if number == 1 else f"{number} protected items"
            raise Refusal(
                400,
                "BMSUserErrorPolicyInUse",
                f"The backup policy cannot be deleted: it is associated with {items}.",
            )
        del self._contents.policies[key(policy_id)]


def _check_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Refuse a change of the sub-type, and return whether any recovery point is kept for a shorter time.

    Raises
    ------
    Refusal
        400.
    """
    if sub_type(before) != sub_type(after):
        raise Refusal(
            400, "BMSUserErrorPolicySubTypeChangeNotSupported", "The sub-type of a backup policy cannot be changed."
        )
    return keeps_less(before, after)
