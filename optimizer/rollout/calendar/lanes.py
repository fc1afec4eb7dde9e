"""Lanes: which vaults have to wait for each other while writes are made."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.ordering import CapCounts, ClashCounts


def lanes_of_vaults(
    inventory: Inventory, caps: CapCounts, clashes: ClashCounts, vault_ids: Iterable[ArmId]
) -> dict[ArmId, int]:
    """Lane number of each vault, in the order of the given vaults.

    Two vaults share a lane if a cap counts VMs of both, or if a rule keeps VMs of one apart from, or in order with,
    VMs of the other. In these cases, a write in one vault depends on the state of the other.

    Parameters
    ----------
    inventory
        Inventory with the vaults and their VMs.
    caps
        Counts of the caps, which know the capped groups of each item.
    clashes
        Counts of the clashes, which know the sets of each item and which sets affect each other.
    vault_ids
        Ids of the vaults that are written to; repetitions are fine.
    """
    joined: dict[ArmId, ArmId] = {}

    def root(vault: ArmId) -> ArmId:
        while (above := joined.get(vault, vault)) != vault:
            vault = above
        return vault

    def join(vault: ArmId, other: ArmId) -> None:
        if root(vault) != root(other):
            joined[root(vault)] = root(other)

    vault_of: dict[tuple[str, int], ArmId] = {}
    for row, item in enumerate(inventory.items):
        vault = item.vault_id
        for group in caps.groups_of[row]:
            join(vault, vault_of.setdefault(("cap", group), vault))
        for gate in clashes.gates_of[row]:
            join(vault, vault_of.setdefault(("gate", gate), vault))
    for kind, gate in list(vault_of):
        for other in clashes.coupled(gate) if kind == "gate" else ():
            join(vault_of["gate", gate], vault_of["gate", other])
    number: dict[ArmId, int] = {}
    return {vault: number.setdefault(root(vault), len(number)) for vault in vault_ids}
