"""Writes that can never be made; a plan reports them before anybody tries to apply it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from optimizer.documents import PlanDocument
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.writes.listing import first_few
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.transition import Obstacle, Transition
from optimizer.rollout.writes.write import Write


@dataclass
class _Group:
    """VMs that cannot be moved, all for the same kind of reason."""

    reason: str
    vms: list[ArmId] = field(default_factory=list)


def notes_on_writes(plan: PlanDocument, document: EstateDocument, inventory: Inventory) -> list[str]:
    """Notes about the moves of a plan that ``apply`` could never make, such as moves under an RPO that no time keeps.

    This checks the windows of each write and, regardless of time, the order in which the writes make way for each
    other.
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
    windows = WriteWindows(inventory, plan.rules)
    reasons = _reasons(writes, windows, inventory)
    groups: dict[Hashable, _Group] = {}
    for write in writes:
        if reason := reasons[windows.key(write)]:
            limits = tuple(dict.fromkeys(str(windows.rpo(row)) for row in windows.rows_of(write.vms)))
            groups.setdefault(limits, _Group(reason)).vms.extend(write.vms)
    left = [write for write in writes if not reasons[windows.key(write)]]
    for write, obstacle in _stuck(left, inventory, plan):
        if write.vms:
            groups.setdefault(obstacle.key[0], _Group(obstacle.text)).vms.extend(write.vms)
    total = len({vm for write in writes for vm in write.vms})
    return [_note(group, total) for group in groups.values()]


def _reasons(writes: Sequence[Write], windows: WriteWindows, inventory: Inventory) -> dict[Hashable, str]:
    """Reasons why no time suits a write, by the key of its windows; empty if some time does."""
    some = {windows.key(write): write for write in writes}
    return {key: windows.never(write, inventory.horizon.start) for key, write in some.items()}


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
    names = first_few([vm.name for vm in group.vms])
    return (
        f"{len(group.vms)} of the {total} VMs that the plan moves can never be moved ({names}): {group.reason}; "
        "'apply' will report these writes as blocked; loosen the rule or the limit, and make the plan again"
    )
