"""Protections of a vault against writes: locks, immutability and Resource Guard.

They are described in docs/azure.md, "What protects a vault".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from optimizer.emulator.ids import key, lies_in
from optimizer.emulator.refusal import GUARD_EMPTY, Refusal
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, mapping, objects, properties_of, word

if TYPE_CHECKING:
    from optimizer.ports import Resource

GUARD_TYPE = "microsoft.recoveryservices/vaults/backupresourceguardproxies"
CONFIG_TYPE = "microsoft.recoveryservices/vaults/backupconfig"

_BACKUP = "microsoft.recoveryservices/vaults"
POLICY_WRITE = f"{_BACKUP}/backuppolicies/write"
ITEM_WRITE = f"{_BACKUP}/backupfabrics/protectioncontainers/protecteditems/write"


def attached(settings: Iterable[Resource], vault_id: str, kind: str) -> list[Resource]:
    """Resources of a kind that are attached to a vault."""
    return [
        resource for resource in settings if word(resource.get("type")) == kind and lies_in(id_of(resource), vault_id)
    ]


def lock_scope(resource: Resource) -> str:
    """Key of the scope of a lock; empty if the resource is not a lock."""
    scope, _, name = key(resource["id"]).partition("/providers/microsoft.authorization/locks/")
    return scope if name else ""


def check_locks(settings: Iterable[Resource], object_id: str, method: Literal["PUT", "DELETE"]) -> None:
    """Refuse a write to an object that is locked directly or from above.

    Raises
    ------
    Refusal
        409.
    """
    verb, levels = ("write", {"readonly"}) if method == "PUT" else ("delete", {"readonly", "cannotdelete"})
    for lock in settings:
        scope = lock_scope(lock)
        if scope and lies_in(object_id, scope) and word(properties_of(lock).get("level")) in levels:
            raise Refusal(
                409,
                "ScopeLocked",
                f"The scope '{object_id}' cannot perform {verb} operation because following scope(s) are locked: "
                f"'{scope}'. Please remove the lock and try again.",
            )


def check_immutability(vault: Resource, *, keeps_less: bool) -> None:
    """Refuse to shorten the retention of recovery points in an immutable vault.

    Raises
    ------
    Refusal
        400.
    """
    security = properties_of(vault).get("securitySettings") or {}
    state = word(mapping(security.get("immutabilitySettings")).get("state"))
    if keeps_less and state in {Caseless("Locked"), Caseless("Unlocked")}:
        raise Refusal(
            400,
            "UserErrorOperationDeniedOnImmutableItem",
            "The operation is denied because it would reduce the retention of an item of an immutable vault.",
        )


def check_guard(proxies: Sequence[Resource], action: str, properties: Mapping[str, Any]) -> None:
    """Refuse a critical operation without a request from the vault's Resource Guard.

    Parameters
    ----------
    proxies
        Guard proxies of the vault; without any, the vault is not guarded.
    action
        Critical operation.
    properties
        ARM properties as they were sent.

    Raises
    ------
    Refusal
        400.
    """
    if not proxies:
        return
    sent = set(map(key, properties.get("resourceGuardOperationRequests") or ()))
    wanted = {request for proxy in proxies for request in _requests(proxy, action)}
    if not sent or (wanted and not sent & wanted):
        raise Refusal(400, "ResourceGuardOperationRequestEmpty", GUARD_EMPTY)


def _requests(proxy: Resource, action: str) -> Iterator[str]:
    """Keys of the requests with which a guard allows an action."""
    for detail in objects(properties_of(proxy).get("resourceGuardOperationDetails")):
        if word(detail.get("vaultCriticalOperation")) == action:
            yield key(detail.get("defaultResourceRequest") or "")
