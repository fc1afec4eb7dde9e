"""States of policies and items: the content that a write sends, and that is compared before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.arm import essence, policy_of, source_vm
from optimizer.documents import FIELDS_NOT_SENT
from optimizer.model.caseless import Caseless
from optimizer.model.raw import canonical_json, properties_of, word
from optimizer.ports import Resource
from optimizer.rollout.writes.write import Write


def item_body(item: Resource, policy_id: str) -> dict[str, Any]:
    """Properties sent to assign an item to a policy: at most four fields, including the disk exclusion.

    Raises
    ------
    ValueError
        ``policy_id`` is empty, which would stop the protection.
    """
    if not policy_id:
        raise ValueError("an item without a policy is no longer protected")
    properties = properties_of(item)
    body = {
        "protectedItemType": properties.get("protectedItemType") or "Microsoft.Compute/virtualMachines",
        "sourceResourceId": str(source_vm(properties)),
        "policyId": str(policy_id),
    }
    if properties.get("extendedProperties") is not None:
        body["extendedProperties"] = properties["extendedProperties"]
    return body


def policy_body(policy: Resource) -> dict[str, Any]:
    """Properties sent to return a policy to an earlier state."""
    return {key: value for key, value in properties_of(policy).items() if key not in FIELDS_NOT_SENT}


def policy_state(properties: Mapping[str, Any]) -> bytes:
    """Properties of a policy that matter in a comparison: all except counts, guard requests and spelling.

    The service adds defaults that were not sent (``tieringPolicy``, ``scheduleWeeklyFrequency``), and has its own
    spelling of times.
    times in its own way.
    """
    return canonical_json(essence(properties, left_out=FIELDS_NOT_SENT))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        inner = {key: _plain(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None and item != {}}
    return [_plain(item) for item in value] if isinstance(value, list) else value


_STOPPED = {Caseless("ProtectionStopped"), Caseless("ProtectionPaused"), Caseless("BackupsSuspended")}
"""States of an item whose backups have ended."""


def item_state(properties: Mapping[str, Any]) -> bytes:
    """Properties of an item that matter in a comparison: policy, VM, disk exclusion, and whether it is protected."""
    state = word(properties.get("protectionState"))
    return canonical_json(
        {
            "policy": policy_of(properties).key,
            "vm": source_vm(properties).key,
            "extended": _plain(properties.get("extendedProperties") or {}),
            "stopped": state in _STOPPED,
            "deleted": bool(properties.get("isScheduledForDeferredDelete")),
        }
    )


def expected_after(write: Write) -> Resource | None:
    """The object as a write leaves it, without what the service adds by itself; None after a deletion."""
    if write.kind == "delete_policy":
        return None
    if write.kind != "reassign_item":
        return {"id": str(write.object_id), "name": write.name, "properties": dict(write.body)}
    assert write.before is not None
    return {**write.before, "properties": {**write.before["properties"], **write.body}}


def is_as(write: Write, current: Resource | None, wanted: Resource | None) -> bool:
    """Whether an object has the wanted state; both are None if it must not exist."""
    if current is None or wanted is None:
        return current is wanted
    state = item_state if write.kind == "reassign_item" else policy_state
    return state(properties_of(current)) == state(properties_of(wanted))


def is_made(write: Write, current: Resource | None) -> bool:
    """Whether an object is as the write leaves it."""
    if write.kind == "delete_policy":
        return current is None
    if current is None:
        return False
    if write.kind != "reassign_item":
        return policy_state(properties_of(current)) == policy_state(write.body)
    assert write.before is not None
    return item_state(properties_of(current)) == item_state({**properties_of(write.before), **write.body})
