"""The VM of a plan that a user means by a name or an ARM id."""

from __future__ import annotations

from optimizer.errors import DataError
from optimizer.estate import find_vm, no_such_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory


def find_item(inventory: Inventory, vm: str) -> int:
    """Index of the item of a VM.

    Parameters
    ----------
    inventory
        The estate.
    vm
        ARM id or name of the VM; case does not matter.

    Raises
    ------
    DataError
        No VM of the plan has this name or id, or several VMs have this name.
    """
    names = {item.vm_id: inventory.vm(item).name for item in inventory.items}
    vm_id = find_vm(vm, names)
    if vm_id is not None:
        return list(names).index(vm_id)
    if idle := _why_idle(inventory, ArmId(vm)):
        raise DataError(f"{vm!r} is {idle}")
    raise no_such_vm(vm, names.values())


def _why_idle(inventory: Inventory, wanted: ArmId) -> str:
    """Why a VM of the estate is in no schedule; empty if the estate has no such VM.

    Suggesting other names would be misleading for such a VM.
    """
    for item in inventory.idle_items:
        known = inventory.vms.get(item.vm_id)
        if wanted in (item.vm_id, known.name if known else item.vm_id.name):
            policy = inventory.policies.get(item.policy_id)
            by = f" (policy {policy.name!r})" if policy else ""
            return f"protected{by} but not part of the plan: {item.unwritable or 'it has no scheduled backups'}"
    if any(wanted in (known.id, known.name) for known in inventory.vms.values()):
        return "in the estate but not part of the plan: no policy backs it up"
    return ""
