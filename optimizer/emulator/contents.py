"""Resources of the emulated service: vaults, policies, items and VMs, now and at earlier times."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.emulator.ids import container_of, key, vault_key
from optimizer.emulator.protections import GUARD_TYPE, attached
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of

if TYPE_CHECKING:
    from optimizer.estate import EstateDocument
    from optimizer.ports import Resource


class Contents:
    """Everything that the service stores.

    Resources are never changed in place, so a resource that was read stays as it was at that time. Tests may replace
    resources.

    Parameters
    ----------
    document
        The estate at the start.

    Attributes
    ----------
    vaults, policies, items, vms
        Raw resources by id in lower case.
    attached
        Raw resources that are attached to vaults.
    """

    def __init__(self, document: EstateDocument) -> None:
        self._document = document
        self.vaults = _unlisted_vaults((*document.policies, *document.protected_items)) | _by_key(document.vaults)
        self.policies = _by_key(document.policies)
        self.items = _by_key(document.protected_items)
        self.vms = _by_key(document.vms)
        self.attached = list(document.vault_settings)

    def document(self) -> EstateDocument:
        """The estate as it is now."""
        return self._document.model_copy(
            update={
                "vaults": tuple(self.vaults.values()),
                "policies": tuple(self.policies.values()),
                "protected_items": tuple(self.items.values()),
                "vms": tuple(self.vms.values()),
                "vault_settings": tuple(self.attached),
            }
        )

    def guards(self, object_id: str) -> list[Resource]:
        """Resource Guard proxies of the vault that contains an object."""
        return attached(self.attached, vault_key(object_id), GUARD_TYPE)

    def policies_in(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        return [policy for name, policy in self.policies.items() if vault_key(name) == key(vault_id)]

    def items_in(self, vault_id: str) -> Iterator[tuple[str, Resource]]:
        """Items of a vault with their keys."""
        return ((name, item) for name, item in self.items.items() if vault_key(name) == key(vault_id))

    def policy_of(self, item: Resource) -> Resource | None:
        """Policy of an item; None if the item has none, or if the policy does not exist."""
        return self.policies.get(policy_key(item))

    def item_count(self, policy_id: str) -> int:
        """Number of items of a policy, including those that only the service's own count contains."""
        known = sum(policy_key(item) == key(policy_id) for item in self.items.values())
        return max(known, _stated_count(self.policies.get(key(policy_id))))

    def largest_policy(self) -> int:
        """Number of items in the largest policy, by the service's own count or by the known items."""
        known = Counter(map(policy_key, self.items.values()))
        return max((max(known[name], _stated_count(policy)) for name, policy in self.policies.items()), default=0)

    def containers(self) -> dict[str, str]:
        """Name of the container of each VM that an item protects, by the key of the VM's id."""
        pairs = ((key(properties_of(item).get("sourceResourceId") or ""), item) for item in self.items.values())
        return {vm_id: container for vm_id, item in pairs if vm_id and (container := container_of(item))}

    def change_policy(self, policy_id: str, **properties: Any) -> None:
        """Replace some properties of a policy; a policy that does not exist is ignored."""
        policy = self.policies.get(key(policy_id))
        if policy is not None:
            self.policies[key(policy_id)] = with_properties(policy, {**properties_of(policy), **properties})

    def change_item(self, item_id: str, **properties: Any) -> None:
        """Replace some properties of an item.

        Raises
        ------
        KeyError
            The item does not exist.
        """
        item = self.items[key(item_id)]
        self.items[key(item_id)] = with_properties(item, {**properties_of(item), **properties})


@dataclass(frozen=True, slots=True)
class View:
    """Resources at one time, by key."""

    vaults: Mapping[str, Resource]
    policies: Mapping[str, Resource]
    items: Mapping[str, Resource]
    vms: Mapping[str, Resource]

    @classmethod
    def of(cls, contents: Contents) -> View:
        """Resources as they are now."""
        return cls(dict(contents.vaults), dict(contents.policies), dict(contents.items), dict(contents.vms))


class Views:
    """Contents as Resource Graph knows them, with a delay.

    Parameters
    ----------
    contents
        Resources of the service.
    lag_seconds
        Age, in seconds, of what Resource Graph knows.
    now
        Time from which on the contents are known.
    """

    def __init__(self, contents: Contents, lag_seconds: float, now: datetime) -> None:
        self._contents, self._lag = contents, timedelta(seconds=lag_seconds)
        self._past: deque[tuple[datetime, View]] = deque([(now, View.of(contents))])

    def remember(self, at: datetime) -> None:
        """Keep the resources as they are at a time, if they are needed later."""
        if self._lag:
            self._past.append((at, View.of(self._contents)))

    def at(self, now: datetime) -> View:
        """Resources that Resource Graph shows at a time."""
        if not self._lag:
            return View.of(self._contents)
        while len(self._past) > 1 and self._past[1][0] <= now - self._lag:
            self._past.popleft()
        return self._past[0][1]


def policy_key(item: Resource) -> str:
    """Key of an item's policy; empty if the item has none."""
    return key(properties_of(item).get("policyId") or "")


def with_properties(resource: Resource, properties: Mapping[str, Any]) -> Resource:
    """A copy of a resource with other properties."""
    return {**resource, "properties": dict(properties)}


def _stated_count(policy: Resource | None) -> int:
    """The service's own count of a policy's items; 0 if it does not state one."""
    stated = properties_of(policy).get("protectedItemsCount")
    return stated if isinstance(stated, int) else 0


def _unlisted_vaults(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Vaults by key that occur only in the ids of the objects in them."""
    vaults = {}
    for resource in resources:
        arm_id = id_of(resource)
        if name := vault_key(arm_id):
            vault_id = arm_id[: len(name)]
            vaults[name] = {"id": vault_id, "name": ArmId(vault_id).name, "type": "Microsoft.RecoveryServices/vaults"}
    return vaults


def _by_key(resources: Sequence[Resource]) -> dict[str, Resource]:
    """Resources by key; resources without an id cannot be served and are dropped."""
    return {key(id_of(resource)): resource for resource in resources if id_of(resource)}
