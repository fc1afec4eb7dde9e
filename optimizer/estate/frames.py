"""Data frames of an inventory: its VMs, policies and services."""

from __future__ import annotations

import polars as pl

from optimizer.model.inventory import Inventory, describe_recurrence
from optimizer.model.timegrid import format_start

VM_COLUMNS: dict[str, pl.DataType] = {
    "name": pl.String(),
    "vm": pl.String(),
    "service": pl.String(),
    "vault": pl.String(),
    "policy": pl.String(),
    "runs": pl.String(),
    "start": pl.String(),
    "timezone": pl.String(),
    "unwritable": pl.String(),
}

POLICY_COLUMNS: dict[str, pl.DataType] = {
    "policy": pl.String(),
    "vault": pl.String(),
    "runs": pl.String(),
    "start": pl.String(),
    "timezone": pl.String(),
    "vms": pl.Int64(),
}


def vms_frame(inventory: Inventory) -> pl.DataFrame:
    """VMs with a scheduled backup, one row each; see :meth:`optimizer.estate.folder.Estate.vms`."""
    rows = []
    for item in inventory.items:
        vm, policy = inventory.vm(item), inventory.policy(item)
        rows.append(
            {
                "name": vm.name,
                "vm": vm.id,
                "service": vm.service or vm.id,
                "vault": inventory.vault(item).name,
                "policy": policy.name,
                "runs": describe_recurrence(policy.recurrence),
                "start": format_start(policy.start),
                "timezone": policy.timezone,
                "unwritable": item.unwritable,
            }
        )
    return pl.DataFrame(rows, schema=VM_COLUMNS)


def policies_frame(inventory: Inventory) -> pl.DataFrame:
    """VM backup policies, those with the most VMs first; see :meth:`optimizer.estate.folder.Estate.policies`."""
    rows = [
        {
            "policy": policy.name,
            "vault": inventory.vault(policy).name,
            "runs": describe_recurrence(policy.recurrence),
            "start": format_start(policy.start),
            "timezone": policy.timezone,
            "vms": len(inventory.items_by_policy[key]),
        }
        for key, policy in inventory.policies.items()
    ]
    return pl.DataFrame(rows, schema=POLICY_COLUMNS).sort("vms", "vault", "policy", descending=[True, False, False])


def services_frame(inventory: Inventory) -> pl.DataFrame:
    """Services, those with the most VMs first; see :meth:`optimizer.estate.folder.Estate.services`."""
    return (
        vms_frame(inventory)
        .group_by("service")
        .agg(
            pl.len().cast(pl.Int64).alias("vms"),
            *(pl.col(name).n_unique().cast(pl.Int64).alias(title) for name, title in _COUNTED.items()),
        )
        .sort("vms", "service", descending=[True, False])
    )


_COUNTED = {"vault": "vaults", "policy": "policies", "start": "starts"}
