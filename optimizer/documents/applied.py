"""Plan applied in memory: the estate as it will be."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from optimizer.documents.plan_document import Change, CreatePolicy, EditPolicy, ReassignItem
from optimizer.estate import EstateDocument
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource

POLICY_TYPE = "Microsoft.RecoveryServices/vaults/backupPolicies"


def apply_in_memory(document: EstateDocument, changes: Iterable[Change]) -> EstateDocument:
    """Estate after every change of a plan; load and jobs stay as they are.

    Raises
    ------
    KeyError
        A change names a policy or an item that the estate does not contain, so it was made for another estate.
    """
    policies = {id_of(resource): copy.deepcopy(resource) for resource in document.policies}
    items = {id_of(resource): copy.deepcopy(resource) for resource in document.protected_items}
    for change in changes:
        match change:
            case CreatePolicy():
                policies[change.policy_id] = _new_policy(change)
            case EditPolicy():
                policy = policies[change.policy_id]
                counted = {k: v for k, v in properties_of(policy).items() if k == "protectedItemsCount"}
                policy["properties"] = {**copy.deepcopy(change.properties), **counted}
            case ReassignItem():
                properties = items[change.item_id]["properties"]
                properties["policyId"] = str(change.policy_id)
                if "policyName" in properties:
                    properties["policyName"] = change.policy
                _count(policies[change.policy_today_id], -1)
                _count(policies[change.policy_id], +1)
    return document.model_copy(update={"policies": tuple(policies.values()), "protected_items": tuple(items.values())})


def _new_policy(change: CreatePolicy) -> Resource:
    properties = copy.deepcopy(change.properties)
    return {"id": str(change.policy_id), "name": change.policy, "type": POLICY_TYPE, "properties": properties}


def _count(policy: Resource, by: int) -> None:
    """Keep the number of items in Azure's form of a policy up to date."""
    properties = policy["properties"]
    if isinstance(properties.get("protectedItemsCount"), int):
        properties["protectedItemsCount"] += by
