"""Protections of a vault against changes that matter to a change of backup times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from optimizer.model.caseless import Caseless
from optimizer.model.raw import mapping, properties_of, word
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
        ``Disabled``, ``Unlocked`` or ``Locked``.  All of them allow changes of time.
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
        found = []
        if self.read_only_lock:
            found.append(
                f"vault {vault} has the read-only lock {self.read_only_lock!r}: Azure will refuse every write. Have "
                "it removed during the roll-out, or leave the vault out with --only"
            )
        if Caseless(self.immutability) in {Caseless("Unlocked"), Caseless("Locked")}:
            found.append(f"vault {vault} is immutable ({self.immutability}): only changes of time are allowed")
        if self.guard_requests:
            found.append(
                f"vault {vault} is under a Resource Guard: by its documentation a change of time needs no approval; "
                "where it is refused, get the role Backup MUA Operator and apply with --guard-request"
            )
        if self.code_tags:
            found.append(
                f"vault {vault} is deployed by code ({', '.join(self.code_tags)}): change the code too, or its next "
                "run sets the old policies again"
            )
        return found


def read_protection(settings: Iterable[Resource]) -> Protection:
    """Read the protections from a vault and the resources attached to it.

    Parameters
    ----------
    settings
        Result of :meth:`optimizer.ports.BackupReader.vault_settings`.
    """
    immutability, lock = "Disabled", ""
    tags: tuple[str, ...] = ()
    requests: dict[str, list[str]] = {}
    for resource in settings:
        kind = word(resource.get("type"))
        properties = properties_of(resource)
        if kind == "Microsoft.RecoveryServices/vaults":
            security = properties.get("securitySettings") or {}
            immutability = str(mapping(security.get("immutabilitySettings")).get("state") or immutability)
            tags = tuple(f"{k}={v}" for k, v in mapping(resource.get("tags")).items() if _is_code(k, v))
        elif kind == "Microsoft.Authorization/locks" and word(properties.get("level")) == "ReadOnly":
            lock = str(resource.get("name"))
        elif kind.key.endswith("/backupresourceguardproxies"):
            for detail in properties.get("resourceGuardOperationDetails") or ():
                operation = _OPERATIONS.get(word(detail.get("vaultCriticalOperation")))
                if operation and detail.get("defaultResourceRequest"):
                    requests.setdefault(operation, []).append(str(detail["defaultResourceRequest"]))
    return Protection(immutability, lock, {key: tuple(value) for key, value in requests.items()}, tags)


def advice_on_refusal(code: str) -> str:
    """Advice on a refusal that a remark announced before the run, by the service's code; empty for other codes."""
    if "resourceguard" not in Caseless(code).key:
        return ""
    return "; the vault is under a Resource Guard: get the role Backup MUA Operator and apply with --guard-request"


def _is_code(key: object, value: object) -> bool:
    text = Caseless(f"{key} {value}").key
    return Caseless(str(key)) in _IAC_TAGS or any(tool in text for tool in ("terraform", "bicep", "pulumi"))
