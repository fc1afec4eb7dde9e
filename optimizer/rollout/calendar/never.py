"""Writes that no time admits: a plan reports them before anybody tries to apply it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from optimizer.documents import PlanDocument
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.transition import Obstacle, Transition
from optimizer.rollout.writes.write import Write

_NAMED = 3
"""Maximum number of VMs that a note lists."""


@dataclass
class _Group:
    """VMs that cannot be moved, all for the same kind of reason."""

    reason: str
    vms: list[ArmId] = field(default_factory=list)


def notes_on_writes(plan: PlanDocument, document: EstateDocument, inventory: Inventory) -> list[str]:
    """Notes about the moves of a plan that ``apply`` could never make, such as moves under an RPO that no time keeps.

    This checks the gates of each write and, regardless of time, the order in which the writes make way for each other.
    Freezes that leave no day at all are reported elsewhere; see
    :func:`optimizer.plan.notes.rule_notes.notes_on_freeze`.

    Parameters
    ----------
    plan
        Plan to check.
    document, inventory
        Estate of the plan.
    """
    writes = writes_of(plan, document, inventory)
    gates = WriteWindows(inventory, plan.rules)
    reasons: dict[Hashable, str] = {}
    groups: dict[Hashable, _Group] = {}
    left = []
    for write in writes:
        key = gates.key(write)
        if key not in reasons:
            reasons[key] = gates.never(write, inventory.horizon.start)
        if reasons[key]:
            limits = tuple(dict.fromkeys(str(gates.rpo(row)) for row in gates.rows_of(write.vms)))
            groups.setdefault(limits, _Group(reasons[key])).vms.extend(write.vms)
        else:
            left.append(write)
    for write, obstacle in _stuck(left, inventory, plan):
        if write.vms:
            groups.setdefault(obstacle.key[0], _Group(obstacle.text)).vms.extend(write.vms)
    total = len({vm for write in writes for vm in write.vms})
    return [_note(group, total) for group in groups.values()]


def _stuck(writes: Sequence[Write], inventory: Inventory, plan: PlanDocument) -> Iterator[tuple[Write, Obstacle]]:
    """Writes that stay impossible after all possible writes are made, each with its obstacle."""
    state = Transition(inventory, plan.rules)
    waiting, progress = list(writes), True
    while waiting and progress:
        stuck = []
        for write in waiting:
            if state.obstacles(write):
                stuck.append(write)
            else:
                state.make(write)
        waiting, progress = stuck, len(stuck) < len(waiting)
    for write in waiting:
        yield write, state.obstacles(write)[0]


def _note(group: _Group, total: int) -> str:
    names = ", ".join(vm.name for vm in group.vms[:_NAMED])
    more = f" and {len(group.vms) - _NAMED} more" if len(group.vms) > _NAMED else ""
    return (
        f"{len(group.vms)} of the {total} VMs that the plan moves can never be moved ({names}{more}): {group.reason}; "
        "'apply' will report these writes as blocked; loosen the rule or the limit, and make the plan again"
    )
