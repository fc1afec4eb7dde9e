"""All limits on policy writes that a schedule has to keep: those of the rules, and what vaults have room for."""

from __future__ import annotations

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.instance import Instance


def write_groups(instance: Instance) -> list[tuple[str, tuple[int, ...], int]]:
    """Limits on policy writes: name, keys, limit.

    Besides those that the rules state, each vault has one: what it may create, and what could at the most be edited
    instead; left out where the vault can never get there.
    """
    found = [(limit.name, limit.keys, limit.limit) for limit in instance.write_limits]
    editable = np.zeros(len(instance.vault_room), dtype=np.int64)
    for policy in instance.policies:
        editable[instance.key_vault[policy.key]] += policy.editable
    vms = np.bincount(instance.key_vault[instance.key[instance.movable]], minlength=len(instance.vault_room))
    for vault, room in enumerate((instance.vault_room + editable).tolist()):
        keys = np.flatnonzero(instance.key_vault == vault).tolist()
        if room < min(int(vms[vault]), NUM_OPTIONS * len(keys)):
            found.append((f"policies of vault {vault}", tuple(keys), room))
    return found
