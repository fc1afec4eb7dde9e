"""The number of VMs that one policy may protect, computed in one place for all packages."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.inventory import Inventory
from optimizer.model.rules import PolicyLimits

NEW_POLICY_VMS = 100
"""Target size of new policies, which is what the portal allows (Azure Backup FAQ, 2025-12-30)."""

MOST_POLICY_VMS = 1000
"""Largest number that Microsoft's own clients allow (azure-cli PR #15563, azure-powershell PR #12816)."""


@dataclass(frozen=True, slots=True)
class VmLimit:
    """Maximum number of VMs in one policy.

    Parameters
    ----------
    new
        Limit for a policy that the plan creates or edits.
    existing
        Limit for a policy that already exists.
    """

    new: int
    existing: int


def vm_limit(limits: PolicyLimits, *inventories: Inventory | None) -> VmLimit:
    """Maximum number of VMs per policy in an estate.

    An explicit ``max_vms_per_policy`` takes precedence. Otherwise new policies hold 100 VMs. The limit of the service
    itself is not documented, but a policy with more VMs shows that the estate allows more. Existing policies may
    therefore hold as many VMs as the largest one does, at least 100 and at most 1,000.

    Parameters
    ----------
    limits
        Policy limits from the rules.
    inventories
        States of the estate that are known to be possible, such as that before the first write. None is skipped.
    """
    if limits.max_vms_per_policy is not None:
        return VmLimit(limits.max_vms_per_policy, limits.max_vms_per_policy)
    sizes = (inventory.policy_sizes.values() for inventory in inventories if inventory is not None)
    largest = max((size for of_one in sizes for size in of_one), default=0)
    return VmLimit(NEW_POLICY_VMS, min(max(NEW_POLICY_VMS, largest), MOST_POLICY_VMS))
