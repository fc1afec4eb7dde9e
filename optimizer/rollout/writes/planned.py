"""Conversion of a plan's changes to writes, with the state of each object before and after."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.arm import read_schedule
from optimizer.documents import Change, CreatePolicy, EditPolicy, PlanDocument, ReassignItem
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

    Starts before and after come from the policies themselves. The starts in the plan's schedule are not used, so that
    editing them cannot open a window.

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
    return _Planned(plan, document, inventory).writes()


class _Planned:
    """A plan whose changes become writes."""

    def __init__(self, plan: PlanDocument, document: EstateDocument, inventory: Inventory) -> None:
        self._changes, self._inventory = plan.changes, inventory
        self._policies = {id_of(resource): resource for resource in document.policies}
        self._items = {id_of(resource): resource for resource in document.protected_items}
        self._before = {key: policy.start for key, policy in inventory.policies.items()}
        self._after, self._made_by = dict(self._before), {}
        for number, change in enumerate(plan.changes, start=1):
            if not isinstance(change, ReassignItem):
                self._made_by[change.policy_id] = number
                self._after[change.policy_id] = _start_in(change)

    def writes(self) -> tuple[Write, ...]:
        """Writes in the order of the plan."""
        return tuple(self._write(number, change) for number, change in enumerate(self._changes, start=1))

    def _write(self, number: int, change: Change) -> Write:
        match change:
            case CreatePolicy():
                return _creation(number, change, self._after[change.policy_id])
            case EditPolicy():
                starts = (_known(self._before, change.policy_id), self._after[change.policy_id])
                return _edit(number, change, self._policies[change.policy_id], self._inventory, starts)
            case ReassignItem():
                starts = (_known(self._before, change.policy_today_id), _known(self._after, change.policy_id))
                item = self._items[change.item_id]
                return _reassignment(number, change, item, starts, self._made_by.get(change.policy_id))


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
