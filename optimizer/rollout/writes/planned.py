"""Conversion of a plan's changes to writes, with the state of each object before and after."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.arm import read_schedule
from optimizer.documents import CreatePolicy, EditPolicy, PlanDocument, ReassignItem
from optimizer.errors import PlanFormatError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.raw import id_of
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.rollout.writes.states import (
    item_body,
)
from optimizer.rollout.writes.write import Write


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
