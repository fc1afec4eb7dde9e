"""The VM of a plan that a user means by a name or an ARM id."""

from __future__ import annotations

from optimizer.errors import DataError
from optimizer.model.arm_id import ArmId
from optimizer.model.html_table import counted
from optimizer.model.inventory import Inventory

MOST_NAMED = 5
"""Maximum number of VMs of one name that a message lists."""


def find_vm(inventory: Inventory, vm: str) -> int:
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
    wanted = ArmId(vm)
    rows = [row for row, item in enumerate(inventory.items) if wanted in (item.vm_id, inventory.vm(item).name)]
    if len(rows) == 1:
        return rows[0]
    if rows:
        ids = ", ".join(inventory.items[row].vm_id for row in rows[:MOST_NAMED])
        raise DataError(f"{vm!r} is the name of {len(rows)} VMs; give the id of one: {ids}")
    if idle := _why_idle(inventory, wanted):
        raise DataError(f"{vm!r} is {idle}")
    names = [inventory.vm(item).name for item in inventory.items]
    count = counted(len(names), "VM", "VMs")
    raise DataError(f"none of the {count} of the plan has the name or ARM id {vm!r}; {_hint(vm, names)}")


def _hint(vm: str, names: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(vm, names, n=3)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else "'report' lists every VM of the plan"


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
