"""Policies for VMs that a scenario brings to a vault: a policy with room, or a twin created for them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.policy_limits import vm_limit
from optimizer.model.policy_names import free_name
from optimizer.model.raw import id_of
from optimizer.model.rules import Rules
from optimizer.ports import Resource


@dataclass(slots=True)
class _Host:
    """A policy that VMs may join: its resource, its number of items, and the maximum number."""

    resource: Resource
    items: int
    limit: int


class PolicyRoom:
    """Policies of an estate with their items, kept up to date while VMs arrive.

    Parameters
    ----------
    document, inventory
        Estate to start from.
    rules
        Rules, for the limit of VMs per policy.
    """

    def __init__(self, document: EstateDocument, inventory: Inventory, rules: Rules) -> None:
        self.inventory = inventory
        self._limit = vm_limit(rules.policies, inventory)
        self._resources = {id_of(resource): copy.deepcopy(resource) for resource in document.policies}
        self._hosts: dict[tuple[ArmId, str, int], list[_Host]] = {}
        self._template = rules.policies.name
        self._names: dict[ArmId, dict[Caseless, int | None]] = {}
        for key in self._resources:
            policy = inventory.policies.get(key)
            self._names.setdefault(key.vault, {})[Caseless(key.name)] = None if policy is None else policy.start
        for key, policy in inventory.policies.items():
            twins = self._hosts.setdefault((policy.vault_id, policy.twin_key, policy.start), [])
            twins.append(_Host(self._resources[key], inventory.policy_sizes[key], self._limit.existing))
        self.created: Counter[ArmId] = Counter()
        """Number of policies created in each vault, by its id."""

    def join(self, policy: Policy, vault_id: ArmId) -> Resource:
        """Put one more item into a policy or a twin of it with the same start; creates a twin if none has room.

        Parameters
        ----------
        policy
            Policy in this vault or another. The policy itself is tried first, then the fullest of its twins.
        vault_id
            Id of the item's vault.
        """
        hosts = self._hosts.setdefault((vault_id, policy.twin_key, policy.start), [])
        with_room = [host for host in hosts if host.items < host.limit]
        host = min(with_room, key=lambda host: (host.resource["id"] != policy.id, -host.items), default=None)
        if host is None:
            host = _Host(self._create(policy, vault_id), 0, self._limit.new)
            hosts.append(host)
        host.items += 1
        properties = host.resource["properties"]
        if isinstance(properties.get("protectedItemsCount"), int):
            properties["protectedItemsCount"] += 1
        return host.resource

    def _create(self, policy: Policy, vault_id: ArmId) -> Resource:
        taken = self._names.setdefault(vault_id, {})
        name = policy.name
        if Caseless(name) in taken:
            name = free_name(policy, policy.start, taken, self._template)
        taken[Caseless(name)] = policy.start
        model = self._resources[policy.id]
        properties = copy.deepcopy(model["properties"])
        if "protectedItemsCount" in properties:
            properties["protectedItemsCount"] = 0
        twin = {**model, "id": f"{vault_id}/backupPolicies/{name}", "name": name, "properties": properties}
        self._resources[id_of(twin)] = twin
        self.created[vault_id] += 1
        return twin

    def resources(self) -> Mapping[ArmId, Resource]:
        """Every policy by id, in the order of the estate; new policies come last."""
        return self._resources


def assign(properties: dict[str, Any], policy: Resource) -> None:
    """Give the properties of a protected item another policy."""
    properties["policyId"] = policy["id"]
    if "policyName" in properties:
        properties["policyName"] = policy["name"]
