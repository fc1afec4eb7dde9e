"""Protections of a vault that affect changes of backup times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from optimizer.model.caseless import Caseless
from optimizer.model.raw import mapping, objects, properties_of, word
from optimizer.ports import Resource

_IAC_TAGS = ("terraform", "bicep", "pulumi", "managed-by", "managedby", "managed_by", "iac", "provisioner")
"""Tags that teams use to mark resources deployed by code."""

_OPERATIONS = {
    Caseless("Microsoft.RecoveryServices/vaults/backupPolicies/write"): "policy",
    Caseless("Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"): "item",
}
"""Operations of this program that a Resource Guard can protect."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Protections of a vault.

    Parameters
    ----------
    immutability
        ``Disabled``, ``Unlocked`` or ``Locked``. All of them allow changes of time.
    read_only_lock
        Name of a lock that refuses every write; empty without such a lock.
    guard_requests
        Requests that a Resource Guard may require, by ``policy`` or ``item``; empty without a guard.
    code_tags
        Tags that show that the vault is deployed by code, which may set the old times again.
    """

    immutability: str = "Disabled"
    read_only_lock: str = ""
    guard_requests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    code_tags: tuple[str, ...] = ()

    def remarks(self, vault: str) -> list[str]:
        """Remarks shown before the confirmation."""
        remarks = []
        if self.read_only_lock:
            remarks.append(
                f"vault {vault} has the read-only lock {self.read_only_lock!r}: Azure will refuse every write. Have "
                "it removed during the roll-out, or leave the vault out with --only"
            )
        if Caseless(self.immutability) in {Caseless("Unlocked"), Caseless("Locked")}:
            remarks.append(f"vault {vault} is immutable ({self.immutability}): only changes of time are allowed")
        if self.guard_requests:
            remarks.append(
                f"vault {vault} is under a Resource Guard: by its documentation a change of time needs no approval; "
                "where it is refused, get the role Backup MUA Operator and apply with --guard-request"
            )
        if self.code_tags:
            remarks.append(
                f"vault {vault} is deployed by code ({', '.join(self.code_tags)}): change the code too, or its next "
                "run sets the old policies again"
            )
        return remarks


def read_protection(settings: Iterable[Resource]) -> Protection:
    """Read the protections from a vault and the resources attached to it.

    Parameters
    ----------
    settings
        Result of :meth:`optimizer.ports.BackupReader.vault_settings`.
    """
    protection = Protection()
    requests: dict[str, list[str]] = {}
    for resource in settings:
        kind = word(resource.get("type"))
        if kind == "Microsoft.RecoveryServices/vaults":
            protection = _with_vault(protection, resource)
        elif kind == "Microsoft.Authorization/locks":
            protection = _with_lock(protection, resource)
        elif kind.key.endswith("/backupresourceguardproxies"):
            for operation, request in _guard_requests(resource):
                requests.setdefault(operation, []).append(request)
    return replace(protection, guard_requests={key: tuple(value) for key, value in requests.items()})


def _with_vault(protection: Protection, vault: Resource) -> Protection:
    """Add the immutability and the tags of a vault."""
    security = mapping(properties_of(vault).get("securitySettings"))
    state = mapping(security.get("immutabilitySettings")).get("state")
    tags = mapping(vault.get("tags")).items()
    return replace(
        protection,
        immutability=str(state or protection.immutability),
        code_tags=tuple(f"{key}={value}" for key, value in tags if _is_code(key, value)),
    )


def _with_lock(protection: Protection, lock: Resource) -> Protection:
    """Add a lock, if it refuses every write."""
    if word(properties_of(lock).get("level")) != "ReadOnly":
        return protection
    return replace(protection, read_only_lock=str(lock.get("name")))


def _guard_requests(proxy: Resource) -> Iterator[tuple[str, str]]:
    """Operations that a Resource Guard protects, as ``policy`` or ``item``, each with its approved request."""
    for detail in objects(properties_of(proxy).get("resourceGuardOperationDetails")):
        operation = _OPERATIONS.get(word(detail.get("vaultCriticalOperation")))
        if operation and detail.get("defaultResourceRequest"):
            yield operation, str(detail["defaultResourceRequest"])


def advice_on_refusal(code: str) -> str:
    """Advice on a refusal that a remark announced before the run, by the service's code; empty for other codes."""
    if "resourceguard" not in Caseless(code).key:
        return ""
    return "; the vault is under a Resource Guard: get the role Backup MUA Operator and apply with --guard-request"


def _is_code(key: object, value: object) -> bool:
    text = Caseless(f"{key} {value}").key
    return Caseless(str(key)) in _IAC_TAGS or any(tool in text for tool in ("terraform", "bicep", "pulumi"))
