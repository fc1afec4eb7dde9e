"""ARM ids taken apart and put together."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GROUP_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
"""Subscription of made-up ids."""

VM_TYPE = "Microsoft.Compute/virtualMachines"


def segment(name: str) -> str:
    """A name as one segment of an id."""
    return name.replace("/", "%2F")


def is_group_id(text: str) -> bool:
    """Whether a text is the ARM id of a resource group."""
    return _GROUP_ID.fullmatch(text) is not None


def is_vm_id(text: str) -> bool:
    """Whether a text is the ARM id of a VM."""
    return type_of_id(text) == "microsoft.compute/virtualmachines"


def type_of_id(arm_id: str) -> str:
    """Type of the resource that an id names, such as ``microsoft.compute/virtualmachines``, in lower case.

    Empty where the text is not the ARM id of a resource in a resource group.
    """
    group, _, rest = arm_id.lower().rpartition("/providers/")
    namespace, *pairs = rest.split("/")
    if _GROUP_ID.match(group) is None or not namespace or not pairs or len(pairs) % 2 or not all(pairs):
        return ""
    return "/".join([namespace, *pairs[::2]])


def join_id(group_id: str, kind: str, names: Sequence[str]) -> str:
    """ARM id of a resource of type ``kind``; ``names`` holds one name for each part of the type after the first."""
    namespace, *types = kind.split("/")
    return "/".join(
        [group_id, "providers", namespace, *(part for pair in zip(types, names, strict=True) for part in pair)]
    )
