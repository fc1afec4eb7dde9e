"""Lists all limits on policy writes that a schedule has to keep: those of the rules, and the room of the vaults."""

from __future__ import annotations

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.instance import Instance, WriteLimit


def write_groups(instance: Instance) -> list[WriteLimit]:
    """Limits on policy writes: those of the rules, and the room of each vault.

    The room of a vault is the number of policies that it may create, plus the number that could be edited instead. It
    is left out if the vault can never reach it.
    """
    groups = list(instance.write_limits)
    editable = np.zeros(len(instance.vault_room), dtype=np.int64)
    for policy in instance.policies:
        editable[instance.key_vault[policy.key]] += policy.editable
    vms = np.bincount(instance.key_vault[instance.key[instance.movable]], minlength=len(instance.vault_room))
    for vault, room in enumerate((instance.vault_room + editable).tolist()):
        keys = np.flatnonzero(instance.key_vault == vault).tolist()
        if room < min(int(vms[vault]), NUM_OPTIONS * len(keys)):
            groups.append(WriteLimit(f"policies of vault {vault}", tuple(keys), room))
    return groups
