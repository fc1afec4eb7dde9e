"""Conversion of a schedule to changes: policies to create or edit, items to reassign, and their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from optimizer.arm import with_start
from optimizer.documents import FIELDS_NOT_SENT, Change, CreatePolicy, EditPolicy, ReassignItem
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.policy_limits import VmLimit, vm_limit
from optimizer.model.policy_names import free_name
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start
from optimizer.ordering import CapCounts, ClashCounts, EstateState, Move, PlannedMove, order_of_moves
from optimizer.solve import choose_policies


@dataclass(frozen=True, slots=True)
class Diff:
    """Changes that lead from today's schedule to another one.

    Parameters
    ----------
    changes
        Changes in order: new policies, items that go to them or to policies with room, edits, all other items.
        Limits and rules between VMs hold after each change, except for those of ``stuck``, which come last.
    policy_ids, policy_names
        Length V: id and name of the policy of each item after the changes.
    detours
        Number of policies created beyond those that the schedule needs, so that full policies can exchange items.
    stuck
        Rows of the items for which no order was found that keeps every limit and rule.
    """

    changes: tuple[Change, ...]
    policy_ids: tuple[str, ...]
    policy_names: tuple[str, ...]
    detours: int = 0
    stuck: tuple[int, ...] = ()

    def count(self, kind: str) -> int:
        """Number of changes of one kind."""
        return sum(change.kind == kind for change in self.changes)


@dataclass(slots=True)
class _Host:
    """A policy after the changes: its start, and the room that is left in it."""

    id: ArmId
    name: str
    start: int
    room: int
    edited: bool = False


@dataclass(slots=True)
class _Draft:
    """The changes so far: the policy that each item goes to, and the policies that are created and edited."""

    inventory: Inventory
    rules: Rules
    options: IntArray
    names: dict[ArmId, dict[Caseless, int | None]]
    limit: VmLimit
    cloned: frozenset[ArmId]
    host_of: dict[int, _Host] = field(default_factory=dict)
    family_of: dict[int, dict[ArmId, _Host]] = field(default_factory=dict)
    creations: list[CreatePolicy] = field(default_factory=list)
    edits: list[PlannedMove] = field(default_factory=list)
    edited: set[ArmId] = field(default_factory=set)
    detours: dict[str, list[int]] = field(default_factory=dict)

    def families(self) -> Iterable[dict[ArmId, _Host]]:
        """The policies of each twin key that has items, after the changes."""
        return {id(hosts): hosts for hosts in self.family_of.values()}.values()


def derive_changes(
    inventory: Inventory,
    rules: Rules,
    options: IntArray,
    movable: BoolArray,
    reserved: Iterable[str] = (),
) -> Diff:
    """Changes that move every item to its start option with the fewest policy writes, in an order that keeps limits.

    Parameters
    ----------
    inventory
        State of today.
    rules
        Rules, for the limits of VMs per policy and for whether policies may be edited.
    options
        Shape (V,): start option of each item.
    movable
        Shape (V,): False for items that must not be touched.
    reserved
        ARM ids of other policies, such as those of other workloads, whose names are taken.
    """
    derive = partial(_derive, inventory, rules, options, movable, tuple(reserved))
    diff = derive(frozenset())
    if not rules.policies.clone_misnamed:
        return diff
    return _with_clones(diff, inventory, rules.policies.max_policies_per_vault, derive)


def _with_clones(
    diff: Diff, inventory: Inventory, max_policies: int, derive: Callable[[frozenset[ArmId]], Diff]
) -> Diff:
    """Changes to the same schedule, with twins in place of edits that would make the name of a policy wrong.

    A twin takes the policy write that the edit took, so the cost stays the same. It also takes a place in the vault.
    Policies are edited where their vault has no place left, and where twins would take other numbers of writes.
    """
    wanted = _worth_cloning(diff, inventory, max_policies)
    cheapest = derive(frozenset(wanted)) if wanted else diff
    if _is_as_good(cheapest, diff):
        return cheapest
    best, cloned = diff, frozenset[ArmId]()
    for key in wanted:
        attempt = derive(cloned | {key})
        if _is_as_good(attempt, diff):
            best, cloned = attempt, cloned | {key}
    return best


def _worth_cloning(diff: Diff, inventory: Inventory, max_policies: int) -> list[ArmId]:
    """Policies whose edit would make their name wrong, and whose vault has room for a twin."""
    room = {vault_id: max_policies - inventory.policies_in_vault(vault_id) for vault_id in inventory.vaults}
    for change in diff.changes:
        room[change.vault_id] -= isinstance(change, CreatePolicy)
    wanted = []
    for edit in diff.changes:
        if isinstance(edit, EditPolicy) and edit.is_misnamed and room[edit.vault_id] > 0:
            wanted.append(edit.policy_id)
            room[edit.vault_id] -= 1
    return wanted


def _is_as_good(diff: Diff, other: Diff) -> bool:
    """Whether changes take as many policy writes as others, and leave as few items without an order."""
    writes, expected = (changes.count("create_policy") + changes.count("edit_policy") for changes in (diff, other))
    return writes == expected and len(diff.stuck) <= len(other.stuck)


def _derive(
    inventory: Inventory,
    rules: Rules,
    options: IntArray,
    movable: BoolArray,
    reserved: tuple[str, ...],
    cloned: frozenset[ArmId],
) -> Diff:
    """Changes as :func:`derive_changes` makes them, without editing some policies, given by id."""
    names = _names_taken(inventory, reserved)
    draft = _Draft(inventory, rules, options, names, vm_limit(rules.policies, inventory), cloned)
    _choose_writes(draft, movable)
    for twins in _families(inventory):
        _host_family(draft, twins)
    ordered = _order(draft)
    hosts = [draft.host_of[row] for row in range(len(inventory.items))]
    return Diff(
        changes=(*draft.creations, *(move.change for move in ordered.taken)),
        policy_ids=tuple(host.id for host in hosts),
        policy_names=tuple(host.name for host in hosts),
        detours=sum(map(len, draft.detours.values())),
        stuck=tuple(sorted(row for move in ordered.stuck for row in move.rows)),
    )


def _names_taken(inventory: Inventory, reserved: Iterable[str]) -> dict[ArmId, dict[Caseless, int | None]]:
    """Names of the policies of each vault, with their starts; None for those of other workloads."""
    names: dict[ArmId, dict[Caseless, int | None]] = {vault_id: {} for vault_id in inventory.vaults}
    starts = {policy_id: policy.start for policy_id, policy in inventory.policies.items()}
    for policy_id in (*inventory.policies, *map(ArmId, reserved)):
        names.setdefault(policy_id.vault, {})[Caseless(policy_id.name)] = starts.get(policy_id)
    return names


def _families(inventory: Inventory) -> Iterable[list[Policy]]:
    """Policies of each twin key of each vault."""
    families: dict[tuple[ArmId, str], list[Policy]] = {}
    for policy in inventory.policies.values():
        families.setdefault((policy.vault_id, policy.twin_key), []).append(policy)
    return families.values()


def _choose_writes(draft: _Draft, movable: BoolArray) -> None:
    """Record the policies to edit, and those to create for rings of full policies."""
    inventory = draft.inventory
    chosen = choose_policies(inventory, draft.rules, draft.limit, draft.options, movable)
    for row in chosen.edited:
        key = inventory.items[row].policy_id
        if key not in draft.cloned:
            draft.edited.add(key)
    for row, start in chosen.detours:
        draft.detours.setdefault(_family(inventory.policy(inventory.items[row])), []).append(start)


def _family(policy: Policy) -> str:
    return f"{policy.vault_id.key} {policy.twin_key}"


def _host_family(draft: _Draft, twins: list[Policy]) -> None:
    """Find a policy for every item of a twin key."""
    inventory, options = draft.inventory, draft.options
    everyone = [row for policy in twins for row in inventory.items_by_policy[policy.id]]
    hosts: dict[ArmId, _Host] = {}
    draft.family_of.update(dict.fromkeys(everyone, hosts))
    for policy in twins:
        staying = [row for row in inventory.items_by_policy[policy.id] if options[row] == policy.start]
        hosts[policy.id] = host = _host(draft, policy, len(staying))
        if policy.id in draft.edited:
            _edit(draft, policy, host)
        else:
            draft.host_of.update(dict.fromkeys(staying, host))
    _place_movers(draft, hosts, [row for row in everyone if row not in draft.host_of])
    for start in draft.detours.get(_family(twins[0]), ()):
        host = _create(draft, start, _arrivals(draft, everyone, start))
        hosts[host.id] = host


def _place_movers(draft: _Draft, hosts: dict[ArmId, _Host], rows: list[int]) -> None:
    """Find a policy for every item that leaves its own, start by start."""
    for start in sorted({int(draft.options[row]) for row in rows}):
        _place(draft, hosts, start, [row for row in rows if draft.options[row] == start])


def _arrivals(draft: _Draft, rows: Iterable[int], start: int) -> list[int]:
    """Items that move to a start."""
    inventory = draft.inventory
    return [row for row in rows if draft.options[row] == start != inventory.policy(inventory.items[row]).start]


def _host(draft: _Draft, policy: Policy, staying: int) -> _Host:
    """A policy with the room that it has besides the items that stay; no room if it is over its limit."""
    limit = draft.limit.existing
    over = draft.inventory.policy_sizes[policy.id] > limit
    room = 0 if over else limit - draft.inventory.unknown_items[policy.id] - staying
    return _Host(policy.id, policy.name, policy.start, room)


def _edit(draft: _Draft, policy: Policy, host: _Host) -> None:
    """Give a policy the start that all its items move to."""
    rows = draft.inventory.items_by_policy[policy.id]
    start = int(draft.options[rows[0]])
    host.start, host.room, host.edited = start, draft.limit.new - len(rows), True
    draft.host_of.update(dict.fromkeys(rows, host))
    edit = EditPolicy(
        vault_id=policy.vault_id,
        policy=policy.name,
        policy_id=policy.id,
        start_today=format_start(policy.start),
        start=format_start(start),
        properties=_body(policy, start, draft.inventory.as_of),
    )
    draft.edits.append(PlannedMove(edit, rows, policy.start, start, policy.id, policy.id))


def _place(draft: _Draft, hosts: dict[ArmId, _Host], start: int, rows: list[int]) -> None:
    """Put items into policies with room, the fullest policy first, then into new policies."""
    waiting = list(rows)
    open_hosts = sorted((h for h in hosts.values() if h.start == start and h.room > 0), key=lambda h: (h.room, h.name))
    for host in open_hosts:
        taken, waiting = waiting[: host.room], waiting[host.room :]
        host.room -= len(taken)
        draft.host_of.update((row, host) for row in taken)
    while waiting:
        host = _create(draft, start, waiting)
        hosts[host.id] = host
        taken, waiting = waiting[: host.room], waiting[host.room :]
        host.room -= len(taken)
        draft.host_of.update((row, host) for row in taken)


def _create(draft: _Draft, start: int, rows: Iterable[int]) -> _Host:
    """Create a twin of the policy that most of the items come from."""
    origins = Counter(draft.inventory.policy(draft.inventory.items[row]).id for row in rows)
    commonest = max(origins.items(), key=lambda pair: (pair[1], str(pair[0])))[0]
    twin = draft.inventory.policies[commonest]
    name = free_name(twin, start, draft.names[twin.vault_id], draft.rules.policies.name)
    policy_id = ArmId(f"{twin.id.rpartition('/')[0]}/{name}")
    draft.creations.append(
        CreatePolicy(
            vault_id=twin.vault_id,
            policy=name,
            policy_id=policy_id,
            twin_of=twin.name,
            start=format_start(start),
            properties=_body(twin, start, draft.inventory.as_of),
        )
    )
    return _Host(policy_id, name, start, draft.limit.new)


def _body(policy: Policy, start: int, as_of: datetime) -> dict[str, Any]:
    """Properties to write: the policy's own at another time, without Azure's counts and one-time requests."""
    properties = with_start(policy.properties, start, as_of)
    return {key: value for key, value in properties.items() if key not in FIELDS_NOT_SENT}


def _order(draft: _Draft) -> EstateState:
    """Order of reassignments and edits in which limits and rules hold after each of them.

    The first attempt takes each move as soon as it is possible, in the order of the items. That may use up room that
    a ring of full policies needs. If moves are left, the second attempt follows the trails of
    :func:`optimizer.ordering.trails.order_of_moves`, which do not use up that room.
    """
    moves = [_move(draft, row) for row in _leavers(draft)]
    at_new_time = {move.target for move in draft.edits}
    first = _todays_state(draft)
    waiting = first.admit([move for move in moves if move.target not in at_new_time])
    waiting = first.admit([*draft.edits, *waiting, *(move for move in moves if move.target in at_new_time)])
    first.finish(waiting)
    best = first
    if waiting:
        other = _todays_state(draft)
        other.finish(other.admit([*draft.edits, *_along_trails(draft, moves)]))
        best = min(first, other, key=lambda state: len(state.stuck))
    for number, move in enumerate(best.taken):
        if isinstance(move.change, ReassignItem) and move.change.policy_id != move.target:
            (row,) = move.rows
            draft.host_of[row] = draft.family_of[row][move.target]
            best.taken[number] = replace(move, change=_move(draft, row).change)
    return best


def _todays_state(draft: _Draft) -> EstateState:
    twins: dict[ArmId, list[ArmId]] = {}
    by_start: dict[tuple[int, int], list[ArmId]] = {}
    for hosts in draft.families():
        for key, host in hosts.items():
            by_start.setdefault((id(hosts), host.start), []).append(key)
    for keys in by_start.values():
        twins.update(dict.fromkeys(keys, keys))
    return EstateState(
        draft.inventory,
        CapCounts(draft.inventory, draft.rules),
        ClashCounts(draft.inventory, draft.rules),
        draft.limit,
        twins,
        {move.target for move in draft.edits},
    )


def _along_trails(draft: _Draft, moves: list[PlannedMove]) -> list[PlannedMove]:
    """Reassignments in an order that needs no more room than there is; those without such an order come last."""
    over = {key for key, size in draft.inventory.policy_sizes.items() if size > draft.limit.existing}
    trails = []
    for move in moves:
        (row,) = move.rows
        cell = id(draft.family_of[row])
        trails.append(Move(row, None if move.source in over else (cell, move.before), (cell, move.after)))
    rank = {row: number for number, row in enumerate(order_of_moves(trails, _room_by_start(draft, over)))}
    return sorted(moves, key=lambda move: rank.get(move.rows[0], len(moves)))


def _room_by_start(draft: _Draft, over: Container[ArmId]) -> Counter[Hashable]:
    """Number of items for which the policies of each twin key have room at each start, today's items counted."""
    inventory, room = draft.inventory, Counter[Hashable]()
    for hosts in draft.families():
        for key, host in hosts.items():
            as_today = key in inventory.policies and not host.edited
            limit = draft.limit.existing if as_today else draft.limit.new
            free = 0 if key in over else max(0, limit - inventory.policy_sizes.get(key, 0))
            room[id(hosts), host.start] += free
    return room


def _leavers(draft: _Draft) -> list[int]:
    """Rows of the items that change their policy."""
    items = draft.inventory.items
    return [row for row, item in enumerate(items) if draft.host_of[row].id != item.policy_id]


def _move(draft: _Draft, row: int) -> PlannedMove:
    """Reassignment of an item to its policy in the draft."""
    item, host = draft.inventory.items[row], draft.host_of[row]
    policy = draft.inventory.policy(item)
    change = ReassignItem(
        vault_id=item.vault_id,
        item_id=item.id,
        vm=item.vm_id,
        policy_today=policy.name,
        policy_today_id=policy.id,
        policy=host.name,
        policy_id=host.id,
    )
    return PlannedMove(change, (row,), policy.start, int(draft.options[row]), policy.id, host.id)
