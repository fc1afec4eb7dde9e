"""Which vaults have to wait for each other while writes are made."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.inventory import Inventory
from optimizer.plan.caps import CapCounts


def lanes_of_vaults(inventory: Inventory, caps: CapCounts, vault_ids: Iterable[str]) -> dict[str, int]:
    """Number of the lane of each vault, by lower-case id, in the order of the given vaults.

    Vaults share a lane where a cap counts VMs of both: a write in the one then depends on the state of the other.

    Parameters
    ----------
    inventory
        What is there.
    caps
        Which capped groups each item belongs to.
    vault_ids
        The vaults that are written to, repeated as they come.
    """
    joined: dict[str, str] = {}

    def root(vault: str) -> str:
        while (above := joined.get(vault, vault)) != vault:
            vault = above
        return vault

    vault_of_group: dict[int, str] = {}
    for row, item in enumerate(inventory.items):
        for group in caps.groups_of[row]:
            vault = root(item.vault_id.lower())
            other = root(vault_of_group.setdefault(group, vault))
            if other != vault:
                joined[vault] = other
    number: dict[str, int] = {}
    return {vault: number.setdefault(root(vault), len(number)) for vault in (v.lower() for v in vault_ids)}
