"""Estates whose vaults have another timing of snapshots than the usual one."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.inventory import Inventory
from optimizer.model.snapshot_timing import NUM_DELAYS, SnapshotTiming


def delays(**share_of: float) -> tuple[float, ...]:
    """Delays on the 5-minute grid, such as ``delays(m0=0.5, m60=0.5)`` for none or an hour equally often."""
    shares = [0.0] * NUM_DELAYS
    for name, share in share_of.items():
        shares[int(name.removeprefix("m")) // 5] = share
    return tuple(shares)


def with_timing(inventory: Inventory, timing: SnapshotTiming, *vaults: str) -> Inventory:
    """The same estate with another timing in some vaults, by name; without names, in all of them."""
    changed = {
        vault_id: replace(vault, timing=timing) if not vaults or vault.name in vaults else vault
        for vault_id, vault in inventory.vaults.items()
    }
    return replace(inventory, vaults=changed)
