"""Notes on policies that a scenario needs, and on limits of vaults that it exceeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optimizer.model.inventory import Vault
from optimizer.model.rules import Rules
from optimizer.whatif.places import Places

MAX_VMS_PER_VAULT = 1000
"""Maximum number of VMs that one vault protects (Azure Backup support matrix for VMs, 2025)."""


def made_note(made: int) -> list[str]:
    """Note on policies that must exist before any plan; none if nothing is created.

    Parameters
    ----------
    made
        Number of policies to create.
    """
    if not made:
        return []
    policies, they = ("1 policy", "it is") if made == 1 else (f"{made:,} policies", "they are")
    return [f"{policies} must be created before any plan, to protect the VMs at all; {they} not counted as writes"]


def limit_notes(places: Places, vaults: Iterable[Vault], rules: Rules, arriving: int) -> list[str]:
    """Notes on limits of vaults that a change exceeds; the plan assumes that this is possible.

    Parameters
    ----------
    places
        Policies of the estate after the change.
    vaults
        Vaults that VMs are added to.
    rules
        Rules with the limit of policies per vault.
    arriving
        Number of VMs that are added to one of the vaults, or to all of them together.
    """
    return [note for vault in vaults for note in _exceeded(places, vault, rules, arriving)]


def _exceeded(places: Places, vault: Vault, rules: Rules, arriving: int) -> Iterator[str]:
    inventory, limit = places.inventory, rules.policies.max_policies_per_vault
    policies = inventory.policies_in_vault(vault.id) + places.made[vault.id]
    if policies > limit and places.made[vault.id]:
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
