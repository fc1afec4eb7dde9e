"""Notes on policies that a scenario needs, and on limits of vaults that it exceeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optimizer.model.inventory import Vault
from optimizer.model.rules import Rules
from optimizer.whatif.policy_room import PolicyRoom

MAX_VMS_PER_VAULT = 1000
"""Maximum number of VMs that one vault protects (Azure Backup support matrix for VMs, 2025)."""


def created_note(created: int) -> list[str]:
    """Note on policies that must exist before any plan; none if nothing is created.

    Parameters
    ----------
    created
        Number of policies to create.
    """
    if not created:
        return []
    policies, they = ("1 policy", "it is") if created == 1 else (f"{created:,} policies", "they are")
    return [f"{policies} must be created before any plan, to protect the VMs at all; {they} not counted as writes"]


def limit_notes(room: PolicyRoom, vaults: Iterable[Vault], rules: Rules, arriving: int) -> list[str]:
    """Notes on limits of vaults that a change exceeds; the plan assumes that this is possible.

    Parameters
    ----------
    room
        Policies of the estate after the change.
    vaults
        Vaults that VMs are added to.
    rules
        Rules with the limit of policies per vault.
    arriving
        Number of VMs that are added to one of the vaults, or to all of them together.
    """
    return [note for vault in vaults for note in _exceeded(room, vault, rules, arriving)]


def _exceeded(room: PolicyRoom, vault: Vault, rules: Rules, arriving: int) -> Iterator[str]:
    inventory, limit = room.inventory, rules.policies.max_policies_per_vault
    policies = inventory.policies_in_vault(vault.id) + room.created[vault.id]
    if policies > limit and room.created[vault.id]:
        yield (
            f"Warning: {vault.name} would have {policies:,} policies, {policies - limit:,} more than its limit of "
            f"{limit:,}. The plan assumes that this is possible, and creates no further policy there"
        )
    vms = sum(item.vault_id == vault.id for item in (*inventory.items, *inventory.idle_items)) + arriving
    if vms > MAX_VMS_PER_VAULT:
        yield (
            f"Warning: {vault.name} would protect up to {vms:,} VMs, more than Azure's limit of "
            f"{MAX_VMS_PER_VAULT:,}; some must go to another vault"
        )
