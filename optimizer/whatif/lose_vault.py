"""The loss of a vault: another vault protects its VMs, in the raw resources of an estate in memory."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence, Sized

from optimizer.errors import ConfigError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Vault
from optimizer.model.phrases import count_vms
from optimizer.model.raw import id_of
from optimizer.ports import Resource
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.changes import LoseVault
from optimizer.whatif.names import resolve_names
from optimizer.whatif.policy_room import PolicyRoom, assign
from optimizer.whatif.vault_limits import created_note, limit_notes


def lose_vault(before: ChangedEstate, change: LoseVault) -> ChangedEstate:
    """Protect the VMs of a lost vault in another vault of the same region and subscription, at today's starts.

    They join twins of their policies there. If no twin has room, one is created, even if that exceeds the vault's
    limit of policies; a note then says so. Items of the lost vault without a schedule are lost with it.

    Parameters
    ----------
    before
        Estate before the change.
    change
        Vault that is lost, and the one that takes over.

    Raises
    ------
    ConfigError
        There is no such vault, or no vault that could take the VMs.
    """
    inventory, document = before.inventory(), before.estate.document
    lost = _find_vault(inventory, change.vault, change)
    target = _target(inventory, lost, change)
    room = PolicyRoom(document, inventory, before.rules)
    moved = {item.id: item for item in inventory.items if item.vault_id == lost.id}

    def rehomed(resource: Resource) -> Resource:
        item = moved.get(id_of(resource))
        if item is None:
            return resource
        return _rehomed_item(resource, lost, target, room.join(inventory.policy(item), target.id))

    kept = [item for item in document.protected_items if id_of(item) in moved or not _belongs_to(item, lost)]
    items = tuple(map(rehomed, kept))  # before the policies are read, because it may create some
    notes = (
        _moved_note(moved, lost, target),
        *_dropped_note(len(document.protected_items) - len(kept), lost),
        *created_note(room.created.total()),
        *limit_notes(room, [target], before.rules, len(moved)),
    )
    return before.with_rehomed(item.vm_id for item in moved.values()).with_resources(
        room.created.total(),
        notes,
        vaults=_without(document.vaults, lost),
        policies=_without(room.resources().values(), lost),
        protected_items=items,
        vault_settings=_without(document.vault_settings, lost),
    )


def _without(resources: Iterable[Resource], lost: Vault) -> tuple[Resource, ...]:
    """Resources that a lost vault does not take with it."""
    return tuple(resource for resource in resources if not _belongs_to(resource, lost))


def _belongs_to(resource: Resource, vault: Vault) -> bool:
    """Whether a resource is a vault or below it."""
    return id_of(resource) == vault.id or id_of(resource).is_below(vault.id)


def _moved_note(moved: Sized, lost: Vault, target: Vault) -> str:
    are = "is" if len(moved) == 1 else "are"
    return (
        f"{count_vms(moved)} of {lost.name} {are} protected by {target.name} at today's starts; the recovery points "
        f"in {lost.name} are lost, and the first backups in {target.name} are assumed to be done"
    )


def _dropped_note(dropped: int, lost: Vault) -> list[str]:
    if not dropped:
        return []
    items, are = ("1 item", "is") if dropped == 1 else (f"{dropped:,} items", "are")
    return [f"{items} of {lost.name} without a schedule that can be planned {are} lost with it"]


def _find_vault(inventory: Inventory, wanted: str, change: LoseVault) -> Vault:
    """Vault with an id or a name."""
    return inventory.vaults.get(ArmId(wanted)) or _vault_named(inventory, wanted, change)


def _vault_named(inventory: Inventory, wanted: str, change: LoseVault) -> Vault:
    vaults = sorted(inventory.vaults.values(), key=lambda vault: vault.name)
    try:
        name = resolve_names("vault", wanted, [vault.name for vault in vaults])
    except ConfigError as exc:
        raise ConfigError(f"what if '{change}': {exc}") from exc
    named = [vault for vault in vaults if vault.name == name]
    if len(named) > 1:
        ids = " or ".join(vault.id for vault in named)
        raise ConfigError(f"what if '{change}': {len(named)} vaults are called {name!r}; give the id of one: {ids}")
    return named[0]


def _target(inventory: Inventory, lost: Vault, change: LoseVault) -> Vault:
    """Vault that takes over: the named one, otherwise the one with the fewest policies, then with the fewest VMs."""
    fitting = [vault for vault in inventory.vaults.values() if _can_take_over(vault, lost)]
    if change.to is not None:
        return _named_target(_find_vault(inventory, change.to, change), fitting, lost, change)
    if not fitting:
        raise ConfigError(
            f"what if '{change}': there is no other vault in region {lost.location or 'unknown'} and subscription "
            f"{lost.subscription or 'unknown'} that could protect its VMs; this needs an estate with such a vault"
        )
    vms = Counter(item.vault_id for item in inventory.items)
    return min(fitting, key=lambda vault: (inventory.policies_in_vault(vault.id), vms[vault.id], vault.name))


def _can_take_over(vault: Vault, lost: Vault) -> bool:
    same_region = Caseless(vault.location) == lost.location
    return vault is not lost and same_region and vault.subscription == lost.subscription


def _named_target(named: Vault, fitting: Sequence[Vault], lost: Vault, change: LoseVault) -> Vault:
    if named in fitting:
        return named
    why = "is the lost one" if named is lost else "is in another region or subscription"
    raise ConfigError(
        f"what if '{change}': vault {named.name!r} {why}; a VM is protected by a vault of its own region and "
        f"subscription: {', '.join(vault.name for vault in fitting) or 'this estate has no other'}"
    )


def _rehomed_item(item: Resource, lost: Vault, target: Vault, policy: Resource) -> Resource:
    """The same protected item below another vault."""
    rehomed = copy.deepcopy(item)
    rehomed["id"] = target.id + id_of(item)[len(lost.id) :]
    assign(rehomed["properties"], policy)
    return rehomed
