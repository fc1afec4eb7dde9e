"""Strict parsing of ARM ids: no part of an id from a file enters a path or URL unchecked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from optimizer.errors import DataError

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_GROUP = r"(?u:[-\w.()]{0,89}[-\w()])"
_VAULT = r"[a-z0-9][-a-z0-9]{1,49}"
_POLICY = r"[a-z0-9][-_!.a-z0-9 ]{0,148}[-_!a-z0-9]"
_BELOW = r"(?u:[-\w.()]+(?:;[-\w.()]+)*)"
_VM = r"(?u:\w(?:[-\w.]{0,78}[-\w])?)"

_IN_GROUP = rf"/subscriptions/(?P<subscription>{_GUID})/resourceGroups/(?P<resource_group>{_GROUP})/providers/"
_IN_VAULT = rf"(?P<vault_id>{_IN_GROUP}Microsoft\.RecoveryServices/vaults/(?P<vault>{_VAULT}))"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(f"(?a:{text})", re.IGNORECASE)


def _take_apart(pattern: re.Pattern[str], text: object, what: str, form: str) -> dict[str, str]:
    """Named segments of an id.

    Raises
    ------
    DataError
        The id does not have the form.
    """
    match = pattern.fullmatch(text) if isinstance(text, str) else None
    if match is None or any(".." in part for part in match.groups()):
        shown = repr(text)
        shown = shown if len(shown) <= 300 else shown[:300] + "..."
        raise DataError(
            f"{shown} is no id of a {what}; allowed: {form}, with a GUID as subscription and names as Azure takes "
            "them; read the estate again and make the plan anew"
        )
    return match.groupdict()


def subscription_of(arm_id: str) -> str:
    """Subscription of any ARM id, in lower case; empty if the text is not an ARM id."""
    parts = arm_id.lower().split("/")
    return parts[2] if len(parts) > 3 and parts[:2] == ["", "subscriptions"] else ""


@dataclass(frozen=True, slots=True)
class _ArmId:
    """Parts that every ARM id has.

    Parameters
    ----------
    text
        The id as it was written.
    subscription
        GUID of the subscription.
    resource_group, name
        Names as they were written.
    """

    text: str
    subscription: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """Lower-case text for comparisons, because Azure ignores case."""
        return self.text.lower()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class VaultId(_ArmId):
    """A Recovery Services vault."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse the id of a vault.

        Raises
        ------
        DataError
            The text is not the id of a vault.
        """
        form = "/subscriptions/{guid}/resourceGroups/{group}/providers/Microsoft.RecoveryServices/vaults/{vault}"
        found = _take_apart(_VAULT_ID, text, "vault", form)
        return cls(str(text), found["subscription"], found["resource_group"], found["vault"])


@dataclass(frozen=True, slots=True)
class PolicyId(_ArmId):
    """A backup policy of a vault."""

    vault: VaultId

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse the id of a backup policy.

        Raises
        ------
        DataError
            The text is not the id of a backup policy.
        """
        found = _take_apart(_POLICY_ID, text, "backup policy", "{vault id}/backupPolicies/{policy}")
        vault = VaultId.parse(found["vault_id"])
        return cls(str(text), vault.subscription, vault.resource_group, found["policy"], vault)


@dataclass(frozen=True, slots=True)
class ItemId(_ArmId):
    """A protected item. Azure chooses the segments of its id; the program never builds them.

    Parameters
    ----------
    vault
        Vault that protects the item.
    fabric, container
        Segments as they were written; ``name`` is the item's own.
    """

    vault: VaultId
    fabric: str
    container: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse the id of a protected item.

        Raises
        ------
        DataError
            The text is not the id of a protected item.
        """
        form = "{vault id}/backupFabrics/{fabric}/protectionContainers/{container}/protectedItems/{item}"
        found = _take_apart(_ITEM_ID, text, "protected item", form)
        vault = VaultId.parse(found["vault_id"])
        return cls(
            str(text),
            vault.subscription,
            vault.resource_group,
            found["item"],
            vault,
            found["fabric"],
            found["container"],
        )


@dataclass(frozen=True, slots=True)
class VmId(_ArmId):
    """A virtual machine, either of Azure Resource Manager or classic."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Parse the id of a VM.

        Raises
        ------
        DataError
            The text is not the id of a VM.
        """
        form = "/subscriptions/{guid}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}"
        found = _take_apart(_VM_ID, text, "virtual machine", form)
        return cls(str(text), found["subscription"], found["resource_group"], found["vm"])


_VAULT_ID = _pattern(_IN_VAULT)
_POLICY_ID = _pattern(rf"{_IN_VAULT}/backupPolicies/(?P<policy>{_POLICY})")
_ITEM_ID = _pattern(
    rf"{_IN_VAULT}/backupFabrics/(?P<fabric>[a-z0-9 ]+)/protectionContainers/(?P<container>{_BELOW})"
    rf"/protectedItems/(?P<item>{_BELOW})"
)
_VM_ID = _pattern(rf"{_IN_GROUP}Microsoft\.(?:Classic)?Compute/virtualMachines/(?P<vm>{_VM})")
