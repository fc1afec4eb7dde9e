"""Takes ARM ids apart and puts them together."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GROUP_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_SUBSCRIPTION_ID = re.compile(r"/subscriptions/[^/]+", re.IGNORECASE)
_LOCK_TYPE = "microsoft.authorization/locks"
"""The only resource type that may belong to a whole subscription."""

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
"""Subscription in ids that the import makes up."""

VM_TYPE = "Microsoft.Compute/virtualMachines"


def segment(name: str) -> str:
    """Escape a name so that it forms one segment of an id."""
    return name.replace("/", "%2F")


def is_group_id(text: str) -> bool:
    """Whether a text is the ARM id of a resource group."""
    return _GROUP_ID.fullmatch(text) is not None


def is_vm_id(text: str) -> bool:
    """Whether a text is the ARM id of a VM."""
    return type_of_id(text) == "microsoft.compute/virtualmachines"


def type_of_id(arm_id: str) -> str:
    """Type of the resource with this id in lower case, such as ``microsoft.compute/virtualmachines``.

    Empty if the text is not the ARM id of a resource in a resource group or of a lock on a subscription.
    """
    group, _, rest = arm_id.lower().rpartition("/providers/")
    namespace, *pairs = rest.split("/")
    if not pairs or len(pairs) % 2 or not all((namespace, *pairs)):
        return ""
    kind = "/".join([namespace, *pairs[::2]])
    return kind if _may_hold(group, kind) else ""


def _may_hold(scope: str, kind: str) -> bool:
    """Whether resources of a type may belong to a scope: a resource group, or for locks also a subscription."""
    if _GROUP_ID.match(scope):
        return True
    return kind == _LOCK_TYPE and _SUBSCRIPTION_ID.fullmatch(scope) is not None


def join_id(group_id: str, kind: str, names: Sequence[str]) -> str:
    """ARM id of a resource of type ``kind``; ``names`` has one name for each part of the type after the first."""
    namespace, *types = kind.split("/")
    return "/".join(
        [group_id, "providers", namespace, *(part for pair in zip(types, names, strict=True) for part in pair)]
    )
