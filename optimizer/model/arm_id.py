"""Ids of Azure resources.

An :class:`ArmId` is any id, right or wrong, as it was read; it compares without regard to case. The classes with
``parse`` are strict, so that no part of an id from a file enters a path or URL unchecked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from optimizer.errors import DataError
from optimizer.model.caseless import Caseless, key_of

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
            "them; read the estate again and make a new plan"
        )
    return match.groupdict()


class ArmId(Caseless):
    """Id of a resource, or the name that stands for one in an imported file.

    Every text is accepted. Parts that the text does not have are empty.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """Last segment as written, or the whole text if it has no segments."""
        return str(self.rpartition("/")[2])

    @property
    def vault(self) -> ArmId:
        """Vault that holds this policy or protected item; empty for other ids."""
        return self.above("backupPolicies") or self.above("backupFabrics")

    @property
    def subscription(self) -> Caseless:
        """Id of the subscription, as written."""
        return self.segment("subscriptions")

    @property
    def resource_group(self) -> Caseless:
        """Name of the resource group, as written."""
        return self.segment("resourceGroups")

    def segment(self, name: str) -> Caseless:
        """Value of the first segment that follows a segment called ``name``."""
        wanted = key_of(name)
        values = (value for part, value in pairwise(self.split("/")) if key_of(part) == wanted)
        return Caseless(next(values, ""))

    def above(self, collection: str) -> ArmId:
        """Id of the resource that holds a collection, such as the vault above ``backupPolicies``."""
        wanted, parts = key_of(collection), self.split("/")
        places = [n for n, part in enumerate(parts[:-1]) if n and key_of(part) == wanted]
        return ArmId("/".join(parts[: places[-1]]) if places else "")

    def is_below(self, other: str) -> bool:
        """Whether the id continues another one."""
        return self.key.startswith(key_of(other) + "/")


NO_ID = ArmId()
"""Absence of an id."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Parts that every parsed id has.

    Parameters
    ----------
    text
        The id as it was written.
    subscription
        GUID of the subscription.
    resource_group, name
        Names as they were written.
    """

    text: ArmId
    subscription: str
    resource_group: str
    name: str

    def __str__(self) -> str:
        return str(self.text)


@dataclass(frozen=True, slots=True)
class VaultId(_Parsed):
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
        parts = _take_apart(_VAULT_ID, text, "vault", form)
        return cls(ArmId(str(text)), parts["subscription"], parts["resource_group"], parts["vault"])


@dataclass(frozen=True, slots=True)
class PolicyId(_Parsed):
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
        parts = _take_apart(_POLICY_ID, text, "backup policy", "{vault id}/backupPolicies/{policy}")
        vault = VaultId.parse(parts["vault_id"])
        return cls(ArmId(str(text)), vault.subscription, vault.resource_group, parts["policy"], vault)


@dataclass(frozen=True, slots=True)
class ItemId(_Parsed):
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
        parts = _take_apart(_ITEM_ID, text, "protected item", form)
        vault = VaultId.parse(parts["vault_id"])
        return cls(
            ArmId(str(text)),
            vault.subscription,
            vault.resource_group,
            parts["item"],
            vault,
            parts["fabric"],
            parts["container"],
        )


@dataclass(frozen=True, slots=True)
class VmId(_Parsed):
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
        parts = _take_apart(_VM_ID, text, "virtual machine", form)
        return cls(ArmId(str(text)), parts["subscription"], parts["resource_group"], parts["vm"])


_VAULT_ID = _pattern(_IN_VAULT)
_POLICY_ID = _pattern(rf"{_IN_VAULT}/backupPolicies/(?P<policy>{_POLICY})")
_ITEM_ID = _pattern(
    rf"{_IN_VAULT}/backupFabrics/(?P<fabric>[a-z0-9 ]+)/protectionContainers/(?P<container>{_BELOW})"
    rf"/protectedItems/(?P<item>{_BELOW})"
)
_VM_ID = _pattern(rf"{_IN_GROUP}Microsoft\.(?:Classic)?Compute/virtualMachines/(?P<vm>{_VM})")
