"""Schedule -> changes: which policies are created or edited, which items are reassigned, in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from optimizer.estate.arm_policy import with_start
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start
from optimizer.plan.document import Change, CreatePolicy, EditPolicy, ReassignItem

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NAME = re.compile(r"[a-zA-Z][-_!a-zA-Z0-9]{2,149}")
"""Names that Azure accepts for a policy, as the Terraform provider checks them."""

_LONGEST_BASE = 140


@dataclass(frozen=True, slots=True)
class Diff:
    """What has to be changed to get from today's schedule to another.

    Parameters
    ----------
    changes
        In order: new policies, items that go to them or to policies that stay, edits, items that go to edited ones.
    policy_ids, policy_names
        Length V: the policy of each item afterwards.
    """

    changes: tuple[Change, ...]
    policy_ids: tuple[str, ...]
    policy_names: tuple[str, ...]

    def count(self, kind: str) -> int:
        """Number of changes of one kind."""
        return sum(change.kind == kind for change in self.changes)


@dataclass(slots=True)
class _Host:
    """A policy as it will be: its start and the room it has left."""

    id: str
    name: str
    start: int
    room: int
    created: bool = False
    edited: bool = False


@dataclass(slots=True)
class _Draft:
    inventory: Inventory
    rules: Rules
    options: IntArray
    names: dict[str, set[str]]
    host_of: dict[int, _Host] = field(default_factory=dict)
    creations: list[Change] = field(default_factory=list)
    edits: list[Change] = field(default_factory=list)


def derive_changes(inventory: Inventory, rules: Rules, options: IntArray, movable: BoolArray) -> Diff:
    """Changes that bring every item to its start option with the fewest policy writes.

    Parameters
    ----------
    inventory
        What is there today.
    rules
        Limits of VMs per policy, and whether policies may be edited.
    options
        Shape (V,): start option of each item.
    movable
        Shape (V,): False for items that must not be touched.
    """
    names: dict[str, set[str]] = {}
    for policy in inventory.policies.values():
        names.setdefault(policy.vault_id.lower(), set()).add(policy.name.lower())
    draft = _Draft(inventory, rules, options, names)
    families: dict[tuple[str, str], list[Policy]] = {}
    for policy in inventory.policies.values():
        families.setdefault((policy.vault_id.lower(), policy.twin_key), []).append(policy)
    for twins in families.values():
        _host_family(draft, twins, movable)
    moves = _moves(draft)
    hosts = [draft.host_of[row] for row in range(len(inventory.items))]
    to_edited = [move for row, move in moves if hosts[row].edited]
    others = [(row, move) for row, move in moves if not hosts[row].edited]
    changes = (*draft.creations, *_with_room(draft, others), *draft.edits, *to_edited)
    return Diff(changes, tuple(host.id for host in hosts), tuple(host.name for host in hosts))


def _host_family(draft: _Draft, twins: list[Policy], movable: BoolArray) -> None:
    """Find a policy for every item of a twin key."""
    limit = draft.rules.policies.max_vms_per_policy
    inventory, options = draft.inventory, draft.options
    hosts: dict[str, _Host] = {}
    arriving: Counter[int] = Counter()
    for policy in twins:
        rows = inventory.items_by_policy[policy.id.lower()]
        staying = [row for row in rows if options[row] == policy.start]
        arriving.update(int(options[row]) for row in rows if options[row] != policy.start)
        strangers = inventory.unknown_items[policy.id.lower()]
        over = len(rows) + strangers > limit
        host = _Host(policy.id, policy.name, policy.start, 0 if over else limit - strangers - len(staying))
        hosts[policy.id.lower()] = host
        for row in staying:
            draft.host_of[row] = host
    _edit(draft, twins, hosts, arriving, movable)
    for start in sorted(arriving):
        waiting = [
            row
            for policy in twins
            for row in inventory.items_by_policy[policy.id.lower()]
            if options[row] == start and row not in draft.host_of
        ]
        _place(draft, hosts, start, waiting)


def _edit(
    draft: _Draft, twins: list[Policy], hosts: dict[str, _Host], arriving: Counter[int], movable: BoolArray
) -> None:
    """Edit policies all of whose items go to one start that lacks room, where nobody needs them at their own."""
    if not draft.rules.policies.edit:
        return
    inventory, limit = draft.inventory, draft.rules.policies.max_vms_per_policy
    for policy in sorted(twins, key=lambda p: (-len(inventory.items_by_policy[p.id.lower()]), p.name)):
        rows = inventory.items_by_policy[policy.id.lower()]
        targets = {int(draft.options[row]) for row in rows}
        untouchable = inventory.unknown_items[policy.id.lower()] > 0 or not movable[list(rows)].all()
        if len(targets) != 1 or policy.start in targets or untouchable or len(rows) > limit:
            continue
        start = targets.pop()
        room_there = sum(host.room for host in hosts.values() if host.start == start)
        others_here = [h for key, h in hosts.items() if h.start == policy.start and key != policy.id.lower()]
        lacking = arriving[start] > room_there
        needed_here = arriving[policy.start] > sum(host.room for host in others_here)
        if not lacking or needed_here:
            continue
        host = hosts[policy.id.lower()]
        host.start, host.room, host.edited = start, limit - len(rows), True
        arriving[start] -= len(rows)
        for row in rows:
            draft.host_of[row] = host
        draft.edits.append(
            EditPolicy(
                vault_id=policy.vault_id,
                policy=policy.name,
                policy_id=policy.id,
                start_today=format_start(policy.start),
                start=format_start(start),
                properties=with_start(policy.properties, start),
            )
        )


def _place(draft: _Draft, hosts: dict[str, _Host], start: int, rows: list[int]) -> None:
    """Put items into policies that have room, the fullest first, then into new ones."""
    waiting = list(rows)
    open_hosts = sorted((h for h in hosts.values() if h.start == start and h.room > 0), key=lambda h: (h.room, h.name))
    for host in open_hosts:
        taken, waiting = waiting[: host.room], waiting[host.room :]
        host.room -= len(taken)
        draft.host_of.update((row, host) for row in taken)
    while waiting:
        host = _create(draft, start, waiting)
        hosts[host.id.lower()] = host
        taken, waiting = waiting[: host.room], waiting[host.room :]
        host.room -= len(taken)
        draft.host_of.update((row, host) for row in taken)


def _create(draft: _Draft, start: int, rows: Iterable[int]) -> _Host:
    """A new twin of the policy that most of the items come from."""
    origins = Counter(draft.inventory.policy(draft.inventory.items[row]).id for row in rows)
    commonest = max(origins.items(), key=lambda pair: (pair[1], pair[0]))[0]
    twin = draft.inventory.policies[commonest.lower()]
    name = free_name(twin, start, draft.names[twin.vault_id.lower()])
    policy_id = twin.id[: len(twin.id) - len(twin.name)] + name
    properties = {
        key: value for key, value in with_start(twin.properties, start).items() if key != "protectedItemsCount"
    }
    draft.creations.append(
        CreatePolicy(
            vault_id=twin.vault_id,
            policy=name,
            policy_id=policy_id,
            twin_of=twin.name,
            start=format_start(start),
            properties=properties,
        )
    )
    return _Host(policy_id, name, start, draft.rules.policies.max_vms_per_policy, created=True)


def free_name(twin: Policy, start: int, taken: set[str]) -> str:
    """Name ``<twin>-HHMM`` that Azure accepts and that is not taken in the vault; it is added to ``taken``.

    A suffix that says the twin's own time is replaced, so that names do not grow month by month.
    """
    own = f"-{format_start(twin.start).replace(':', '')}"
    base = re.sub(rf"{own}(-\d+)?$", "", twin.name) or twin.name
    base = re.sub(r"[^-_!a-zA-Z0-9]+", "-", base)[:_LONGEST_BASE]
    if not _NAME.fullmatch(base + own):
        base = f"policy-{base}"
    stem = f"{base}-{format_start(start).replace(':', '')}"
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return name


def _moves(draft: _Draft) -> list[tuple[int, ReassignItem]]:
    """Items that change their policy."""
    moves = []
    for row, item in enumerate(draft.inventory.items):
        host, policy = draft.host_of[row], draft.inventory.policy(item)
        if host.id.lower() != policy.id.lower():
            moves.append(
                (
                    row,
                    ReassignItem(
                        vault_id=item.vault_id,
                        item_id=item.id,
                        vm=item.vm_id,
                        policy_today=policy.name,
                        policy_today_id=policy.id,
                        policy=host.name,
                        policy_id=host.id,
                    ),
                )
            )
    return moves


def _with_room(draft: _Draft, moves: list[tuple[int, ReassignItem]]) -> list[ReassignItem]:
    """Order in which every policy has room for the next arrival as long as there is such an order."""
    limit = draft.rules.policies.max_vms_per_policy
    items = {
        policy_id: len(rows) + draft.inventory.unknown_items[policy_id]
        for policy_id, rows in draft.inventory.items_by_policy.items()
    }
    ordered: list[ReassignItem] = []
    waiting = [move for _, move in moves]
    while waiting:
        blocked = []
        for move in waiting:
            target, source = move.policy_id.lower(), move.policy_today_id.lower()
            if items.get(target, 0) < limit:
                items[target] = items.get(target, 0) + 1
                items[source] -= 1
                ordered.append(move)
            else:
                blocked.append(move)
        if len(blocked) == len(waiting):
            # A ring of full policies: no order helps, the first goes over the limit by one for a moment.
            move = blocked.pop(0)
            items[move.policy_id.lower()] += 1
            items[move.policy_today_id.lower()] -= 1
            ordered.append(move)
        waiting = blocked
    return ordered
