"""Objects that a write relies on besides its own; they are read right before the write is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from optimizer.arm import parse_time, policy_of, source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import properties_of
from optimizer.ports import BackupReader, Resource
from optimizer.rollout.writes.states import policy_state
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True, slots=True)
class Around:
    """State around the object of a write.

    Parameters
    ----------
    points
        Last recovery points of the write's VMs, as their items state them, by VM id.
    changed
        Message about what has changed since the plan was made; empty if nothing has.
    full
        Message about what others have filled so that the write would exceed a limit; empty if there is room.
    """

    points: Mapping[ArmId, datetime] = field(default_factory=dict)
    changed: str = ""
    full: str = ""


def _any_number(object_id: ArmId) -> float:
    """No limit."""
    del object_id
    return inf


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Objects that the writes of a run rely on.

    A reassignment relies on the policy that it leads to: the policy's retention governs the existing recovery points,
    and others may have filled it. An edit relies on the items of the policy: a new item would be moved with them.
    A creation relies on the number of policies in the vault.

    Parameters
    ----------
    targets
        State that each policy must be in when an item is assigned to it, by policy id.
    most_vms, most_policies
        Maximum number of VMs per policy and of policies per vault, by id.
    """

    targets: Mapping[ArmId, bytes] = field(default_factory=dict)
    most_vms: Callable[[ArmId], float] = _any_number
    most_policies: Callable[[ArmId], float] = _any_number

    def look(self, service: BackupReader, write: Write, current: Resource | None) -> Around:
        """Read the objects that a write relies on.

        Parameters
        ----------
        service
            Service to read from.
        write
            Write that is about to be sent.
        current
            Object of the write as it is now; None if it does not exist.

        Raises
        ------
        CloudError
            The service cannot be read.
        """
        match write.kind:
            case "create_policy":
                return self._of_creation(service, write, current)
            case "edit_policy":
                return _of_edit(service, write)
            case "reassign_item":
                return self._of_reassignment(service, write, current)
            case "delete_policy":
                return Around()

    def _of_creation(self, service: BackupReader, write: Write, current: Resource | None) -> Around:
        most = self.most_policies(write.vault_id)
        if current is not None or most == inf:
            return Around()
        held = len(service.list_policies(write.vault_id))
        return Around(full=_no_room(f"vault {write.vault_id.name} holds {held} policies", held, most))

    def _of_reassignment(self, service: BackupReader, write: Write, current: Resource | None) -> Around:
        points = _last_points([properties_of(current)] if current else [])
        name, key = write.policy_after.name, write.policy_after
        target = service.get_policy(write.policy_after)
        if target is None:
            return Around(points, changed=f"policy {name} is gone; make the plan again")
        properties, wanted = properties_of(target), self.targets.get(key)
        if wanted is not None and policy_state(properties) != wanted:
            changed = f"policy {name} was changed by somebody else since the plan was made; make the plan again"
            return Around(points, changed=changed)
        held = properties.get("protectedItemsCount")
        if not isinstance(held, int):
            return Around(points)
        return Around(points, full=_no_room(f"policy {name} protects {held} VMs", held, self.most_vms(key)))


def _of_edit(service: BackupReader, write: Write) -> Around:
    key = write.object_id
    items = [properties_of(item) for item in service.list_items(write.vault_id)]
    members = [item for item in items if policy_of(item) == key]
    points = _last_points(members)
    if set(map(source_vm, members)) == set(write.vms):
        return Around(points)
    changed = f"policy {write.name} has other VMs than when the plan was made; make the plan again"
    return Around(points, changed=changed)


def _no_room(state: str, held: int, most: float) -> str:
    """Message that a policy or vault is full; empty if it has room."""
    if held < most:
        return ""
    return (
        f"{state} now, and the limit is {most:.0f}: others have filled it since the plan was made. Make room and run "
        "the same command with --resume, or make the plan again"
    )


def _last_points(items: Iterable[Mapping[str, Any]]) -> dict[ArmId, datetime]:
    """Time of the last recovery point of each VM whose item states it, by VM id.

    Parameters
    ----------
    items
        Properties of protected items.
    """
    stated = ((source_vm(item), parse_time(item.get("lastRecoveryPoint"))) for item in items)
    return {vm: point for vm, point in stated if point is not None}
