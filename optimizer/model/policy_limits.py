"""How many VMs one policy may protect: the one place that solver, bound, diff, verifier, roll-out and judge ask."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.inventory import Inventory
from optimizer.model.rules import PolicyLimits

NEW_POLICY_VMS = 100
"""Target size of new policies: what the portal allows (Azure Backup FAQ, 2025-12-30)."""

MOST_POLICY_VMS = 1000
"""Most that Microsoft's own clients allow (azure-cli PR #15563, azure-powershell PR #12816)."""


@dataclass(frozen=True, slots=True)
class VmLimit:
    """Most VMs in one policy.

    Parameters
    ----------
    new
        Of a policy that the plan creates or edits.
    existing
        Of a policy that is there already.
    """

    new: int
    existing: int


def vm_limit(limits: PolicyLimits, *inventories: Inventory | None) -> VmLimit:
    """Limit of VMs per policy in an estate.

    An explicit ``max_vms_per_policy`` wins.  Otherwise new policies hold 100 VMs.  The limit of the service itself is
    not documented, and a policy that holds more shows that this estate may: policies that exist hold as many as the
    largest one does, at least 100 and at most 1,000.

    Parameters
    ----------
    limits
        Of the rules.
    inventories
        States of the estate that are known to be possible, such as the one before the first write; None is skipped.
    """
    if limits.max_vms_per_policy is not None:
        return VmLimit(limits.max_vms_per_policy, limits.max_vms_per_policy)
    sizes = (inventory.policy_sizes.values() for inventory in inventories if inventory is not None)
    largest = max((size for of_one in sizes for size in of_one), default=0)
    return VmLimit(NEW_POLICY_VMS, min(max(NEW_POLICY_VMS, largest), MOST_POLICY_VMS))
