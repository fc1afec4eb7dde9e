"""Conversion of a plan's changes to writes, with the state of each object before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.estate.arm_items import policy_of, source_vm
from optimizer.estate.arm_policy import essence, read_schedule
from optimizer.estate.document import EstateDocument, canonical_json
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory
from optimizer.model.raw import id_of, properties_of, word
from optimizer.model.timegrid import format_start
from optimizer.plan.diff import NEVER_WRITTEN
from optimizer.plan.document import CreatePolicy, EditPolicy, PlanDocument, ReassignItem
from optimizer.plan.errors import PlanFormatError
from optimizer.ports import Resource
from optimizer.rollout.stages import Write


def writes_of(plan: PlanDocument, document: EstateDocument, inventory: Inventory) -> tuple[Write, ...]:
    """Writes that carry out a plan, in its order.

    Starts before and after come from the policies themselves.  The starts in the plan's schedule are not used, so that
    editing them cannot open a gate.

    Parameters
    ----------
    plan
        Plan to carry out.
    document, inventory
        Estate of the plan.

    Raises
    ------
    PlanFormatError
        A policy in a change has no readable schedule.
    """
    policies = {id_of(resource): resource for resource in document.policies}
    items = {id_of(resource): resource for resource in document.protected_items}
    before = {key: policy.start for key, policy in inventory.policies.items()}
    after, made_by = dict(before), {}
    for number, change in enumerate(plan.changes, start=1):
        if not isinstance(change, ReassignItem):
            key = change.policy_id
            made_by[key], after[key] = number, _start_in(change)
    writes = []
    for number, change in enumerate(plan.changes, start=1):
        match change:
            case CreatePolicy():
                writes.append(_creation(number, change, after[change.policy_id]))
            case EditPolicy():
                key = change.policy_id
                starts = (_known(before, key), after[key])
                writes.append(_edit(number, change, policies[key], inventory, starts))
            case ReassignItem():
                key = change.policy_id
                starts = (_known(before, change.policy_today_id), _known(after, key))
                item = items[change.item_id]
                writes.append(_reassignment(number, change, item, starts, made_by.get(key)))
    return tuple(writes)


def _start_in(change: CreatePolicy | EditPolicy) -> int:
    try:
        return read_schedule(change.properties).start
    except ValueError as exc:
        raise PlanFormatError(f"policy {change.policy!r} in the plan: {exc}; make the plan again") from exc


def _known(starts: Mapping[ArmId, int], key: ArmId) -> int:
    if key not in starts:
        raise PlanFormatError(f"policy {key.name!r} has no schedule that can be changed; make the plan again")
    return starts[key]


def _creation(number: int, change: CreatePolicy, start: int) -> Write:
    return Write(
        number=number,
        kind=change.kind,
        vault_id=change.vault_id,
        object_id=change.policy_id,
        name=change.policy,
        body=change.properties,
        before=None,
        start_after=format_start(start),
    )


def _edit(number: int, change: EditPolicy, policy: Resource, inventory: Inventory, starts: tuple[int, int]) -> Write:
    rows = inventory.items_by_policy[change.policy_id]
    return Write(
        number=number,
        kind=change.kind,
        vault_id=change.vault_id,
        object_id=change.policy_id,
        name=change.policy,
        body=change.properties,
        before=policy,
        vms=tuple(inventory.items[row].vm_id for row in rows),
        start_before=format_start(starts[0]),
        start_after=format_start(starts[1]),
    )


def _reassignment(
    number: int, change: ReassignItem, item: Resource, starts: tuple[int, int], maker: int | None
) -> Write:
    """Assign a VM to another policy, after the write that creates or edits that policy, if there is one.

    Parameters
    ----------
    starts
        Start options before and after.
    maker
        Number of the write that creates or edits the policy.
    """
    return Write(
        number=number,
        kind=change.kind,
        vault_id=change.vault_id,
        object_id=change.item_id,
        name=change.vm.name,
        body=item_body(item, change.policy_id),
        before=item,
        vms=(change.vm,),
        start_before=format_start(starts[0]),
        start_after=format_start(starts[1]),
        policy_before=change.policy_today_id,
        policy_after=change.policy_id,
        needs=() if maker is None else (maker,),
    )


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
    return {key: value for key, value in properties_of(policy).items() if key not in NEVER_WRITTEN}


def policy_state(properties: Mapping[str, Any]) -> bytes:
    """Properties of a policy that matter in a comparison: all except counts, guard requests and spelling.

    The service adds defaults that were not sent (``tieringPolicy``, ``scheduleWeeklyFrequency``), and has its own
    spelling of times.
    times in its own way.
    """
    return canonical_json(essence(properties, left_out=NEVER_WRITTEN))


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
