"""State of an estate while writes are made one by one, and the obstacles to the next write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from optimizer.arm import read_schedule, twin_key
from optimizer.journal import WriteKind
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import DEFAULT_POLICY_NAMES, Inventory, Policy
from optimizer.model.policy_limits import vm_limit
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start, parse_start
from optimizer.ordering import CapCounts, ClashCounts
from optimizer.rollout.writes.vm_rules import VmRules
from optimizer.rollout.writes.write import Write

Key = tuple[str | int, ...]
"""What has to change before a write can be made: a write, a policy, a vault, a half hour of a cap, VMs at a start."""

NEVER: Key = ("never",)
"""Key of an obstacle that no later write can remove."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Reason why a write must not be made in the present state.

    Parameters
    ----------
    key
        What has to change first; :data:`NEVER` if nothing can.
    text
        Reason in words for people.
    """

    key: Key
    text: str


@dataclass(slots=True)
class _PolicyNow:
    """A policy in the present state."""

    name: str
    vault: ArmId
    start: int
    twins: str
    unplanned: int = 0
    members: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.members) + self.unplanned


class Transition:
    """State while the writes of a plan or of a rollback are made.

    Parameters
    ----------
    inventory
        State before the first write.
    rules
        Constraints that must hold after each write.
    tolerated
        Another state whose breaches are tolerated, besides those of ``inventory``. For a rollback, this is the state
        that it leads back to, which may have exceeded a limit or a cap, or broken a rule.
    """

    def __init__(
        self,
        inventory: Inventory,
        rules: Rules,
        *,
        tolerated: Inventory | None = None,
    ) -> None:
        self.caps = CapCounts(inventory, rules, tolerated)
        self.clashes = ClashCounts(inventory, rules, tolerated)
        self._inventory = inventory
        self._limits = rules.policies
        self._most_vms = vm_limit(rules.policies, inventory, tolerated)
        self._policies = {key: _policy_now(inventory, key, policy) for key, policy in inventory.policies.items()}
        self._num_policies = _policies_by_vault(inventory)
        self._at = [item.policy_id for item in inventory.items]
        self._row_of_vm = inventory.row_of_vm
        self._made: set[int] = set()
        self._goes_back = tolerated is not None
        states = [inventory] if tolerated is None else [inventory, tolerated]
        self._most_items = _most(state.policy_sizes for state in states)
        self._most_policies = _most(map(_policies_by_vault, states))
        self._starts_before = [{item.vm_id: state.policy(item).start for item in state.items} for state in states]
        self._windows = VmRules(inventory, rules)

    def blockers(self, write: Write) -> tuple[str, ...]:
        """Reasons why a write must not be made now; empty if it may be."""
        return tuple(obstacle.text for obstacle in self.obstacles(write))

    def obstacles(self, write: Write) -> tuple[Obstacle, ...]:
        """Obstacles to a write now, each with the change that it waits for; empty if the write may be made."""
        missing = [number for number in write.needs if number not in self._made]
        if missing:
            return tuple(Obstacle(("write", number), f"it needs write {number} first") for number in missing)
        against: dict[WriteKind, Callable[[Write], list[Obstacle]]] = {
            "create_policy": self._against_creation,
            "delete_policy": self._against_deletion,
            "edit_policy": self._against_edit,
            "reassign_item": self._against_reassignment,
        }
        return tuple(against[write.kind](write))

    def make(self, write: Write) -> list[Key]:
        """Apply a write, unless its result is already there; returns the keys of the constraints that it loosens.

        Raises
        ------
        ValueError
            The write names a VM or a policy that does not exist.
        """
        self._made.add(write.number)
        made: dict[WriteKind, Callable[[Write], list[Key]]] = {
            "create_policy": self._create,
            "delete_policy": self._delete,
            "edit_policy": self._edit,
            "reassign_item": self._reassign,
        }
        return [("write", write.number), *made[write.kind](write)]

    def room(self, policy_id: ArmId) -> int:
        """Number of further VMs that fit into a policy, which may still have to be created."""
        policy = self._policies.get(policy_id)
        return self.most_vms(policy_id) - (policy.size if policy is not None else 0)

    def most_vms(self, policy_id: ArmId) -> int:
        """Maximum number of VMs of a policy; a policy over the limit may be as large again."""
        before = self._most_items.get(policy_id)
        return self._most_vms.new if before is None else max(self._most_vms.existing, before)

    def most_policies(self, vault_id: ArmId) -> int:
        """Maximum number of policies of a vault; a vault over the limit may hold as many again."""
        return max(self._limits.max_policies_per_vault, self._most_policies.get(vault_id, 0))

    def rows_of(self, vms: Iterable[ArmId]) -> list[int]:
        """Row numbers of the items of some VMs; VMs that are not in the inventory are left out."""
        return [self._row_of_vm[vm] for vm in vms if vm in self._row_of_vm]

    def _against_creation(self, write: Write) -> list[Obstacle]:
        vault, key = write.vault_id, write.object_id
        if key in self._policies:
            return [Obstacle(("policy", key), f"there is a policy {write.name!r} already")]
        most = self.most_policies(vault)
        if self._num_policies.get(vault, 0) >= most:
            return [Obstacle(("vault", vault), f"the vault holds {most} policies, which is the maximum")]
        return []

    def _against_deletion(self, write: Write) -> list[Obstacle]:
        key = write.object_id
        policy = self._policies.get(key)
        if policy is None:
            return [Obstacle(("policy", key), f"there is no policy {write.name!r}")]
        if policy.size:
            return [Obstacle(("policy", key), f"policy {write.name!r} still protects {policy.size} VMs")]
        return []

    def _against_edit(self, write: Write) -> list[Obstacle]:
        key = write.object_id
        policy = self._policies.get(key)
        if policy is None:
            return [Obstacle(("policy", key), f"there is no policy {write.name!r}")]
        if Caseless(write.name) in DEFAULT_POLICY_NAMES and not self._goes_back:
            text = (
                f"policy {write.name!r} is one of Azure's default policies, which are not edited; make the plan again"
            )
            return [Obstacle(NEVER, text)]
        named = {self._row_of_vm.get(vm, -1) for vm in write.vms}
        if named != policy.members:
            others = len(policy.members ^ named)
            return [
                Obstacle(("policy", key), f"policy {write.name!r} protects other VMs than planned ({others} differ)")
            ]
        return self._against_move(sorted(named), policy.start, parse_start(write.start_after))

    def _against_reassignment(self, write: Write) -> list[Obstacle]:
        row = self._row_of_vm.get(write.vms[0]) if len(write.vms) == 1 else None
        if row is None:
            return [Obstacle(NEVER, f"{write.name} is not among the VMs with scheduled backups")]
        source = self._at[row]
        if source != write.policy_before:
            return [Obstacle(("policy", source), f"{write.name} is in another policy than planned: {source.name!r}")]
        target = self._policies.get(write.policy_after)
        if target is None:
            key = write.policy_after
            return [Obstacle(("policy", key), f"there is no policy {key.name!r}")]
        current = self._policies[source]
        return self._against_target(write, current, target) or [
            *self._against_full(write.policy_after, target),
            *self._against_move([row], current.start, target.start),
        ]

    def _against_target(self, write: Write, current: _PolicyNow, target: _PolicyNow) -> list[Obstacle]:
        """Obstacles in the policy that a VM goes to: it is not a twin, or starts at another time than planned."""
        name = write.policy_after.name
        if target.vault != current.vault or target.twins != current.twins:
            return [Obstacle(NEVER, f"policy {name!r} is not a twin of {current.name!r}")]
        if write.start_after and target.start != parse_start(write.start_after):
            text = f"policy {name!r} starts at {format_start(target.start)}, not at {write.start_after}"
            return [Obstacle(("policy", write.policy_after), text)]
        return []

    def _against_full(self, key: ArmId, target: _PolicyNow) -> list[Obstacle]:
        if self.room(key) > 0:
            return []
        return [Obstacle(("policy", key), f"policy {key.name!r} is full: it protects {target.size} VMs")]

    def _against_move(self, rows: list[int], before: int, after: int) -> list[Obstacle]:
        """Obstacles to a move: rules on the windows of single VMs, caps, and sets that are kept apart or in order."""
        if before == after:
            return []
        obstacles = []
        for row in rows:
            vm = self._inventory.items[row].vm_id
            if any(starts.get(vm) == after for starts in self._starts_before):
                continue
            if reason := self._windows.against(row, after):
                obstacles.append(Obstacle(NEVER, f"{vm.name} at {format_start(after)}: {reason}"))
        if place := self.caps.overfull(rows, before, after):
            obstacles.append(Obstacle(("cap", *place), self.caps.describe(place)))
        if stand := self.clashes.in_the_way(rows, after):
            obstacles.append(Obstacle(("gate", *stand), self.clashes.describe(stand)))
        return obstacles

    def _create(self, write: Write) -> list[Key]:
        key, vault = write.object_id, write.vault_id
        if key in self._policies:
            return []
        schedule = read_schedule(write.body)
        self._policies[key] = _PolicyNow(write.name, vault, schedule.start, twin_key(write.body))
        self._num_policies[vault] = self._num_policies.get(vault, 0) + 1
        return [("policy", key)]

    def _delete(self, write: Write) -> list[Key]:
        key, vault = write.object_id, write.vault_id
        if self._policies.pop(key, None) is None:
            return []
        self._num_policies[vault] -= 1
        return [("policy", key), ("vault", vault)]

    def _edit(self, write: Write) -> list[Key]:
        key = write.object_id
        policy, after = self._policy(key), parse_start(write.start_after)
        freed = self.caps.move(sorted(policy.members), policy.start, after)
        left = self.clashes.move(sorted(policy.members), after)
        policy.start = after
        return [("policy", key), *(("cap", *place) for place in freed), *(("gate", *stand) for stand in left)]

    def _reassign(self, write: Write) -> list[Key]:
        row = self._row_of_vm.get(write.vms[0]) if write.vms else None
        if row is None:
            raise ValueError(f"write {write.number} is for {write.name!r}, which is not in the inventory")
        source, key = self._at[row], write.policy_after
        if source == key:
            return []
        current, target = self._policy(source), self._policy(key)
        current.members.remove(row)
        target.members.add(row)
        self._at[row] = key
        freed = self.caps.move([row], current.start, target.start)
        left = self.clashes.move([row], target.start)
        loosened: list[Key] = [("policy", source), ("policy", key)]
        return [*loosened, *(("cap", *place) for place in freed), *(("gate", *stand) for stand in left)]

    def _policy(self, key: ArmId) -> _PolicyNow:
        if key not in self._policies:
            raise ValueError(f"there is no policy {key!r} at this point")
        return self._policies[key]


def _policy_now(inventory: Inventory, key: ArmId, policy: Policy) -> _PolicyNow:
    return _PolicyNow(
        policy.name,
        policy.vault_id,
        policy.start,
        policy.twin_key,
        inventory.unknown_items[key],
        set(inventory.items_by_policy[key]),
    )


def _policies_by_vault(inventory: Inventory) -> dict[ArmId, int]:
    return {vault: inventory.policies_in_vault(vault) for vault in inventory.vaults}


def _most(counts: Iterable[Mapping[ArmId, int]]) -> dict[ArmId, int]:
    most: dict[ArmId, int] = {}
    for counted in counts:
        for key, count in counted.items():
            most[key] = max(count, most.get(key, 0))
    return most
