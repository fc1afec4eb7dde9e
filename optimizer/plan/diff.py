"""Schedule -> changes: which policies are created or edited, which items are reassigned, in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.estate.arm_policy import with_start
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start
from optimizer.plan.document import Change, CreatePolicy, EditPolicy, ReassignItem

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NEVER_WRITTEN = ("protectedItemsCount", "resourceGuardOperationRequests")
"""Properties of a policy that belong to an answer or to one request."""

_LONGEST_BASE = 138
"""What is left of a twin's name before ``-HHMM`` and a number of up to six digits, within 150 characters."""

_SUFFIX = re.compile(r"(?P<base>.+)-(?P<time>([01]\d|2[0-3])[03]0)(-\d+)?")
"""A name that :func:`free_name` may have made."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What has to be changed to get from today's schedule to another.

    Parameters
    ----------
    changes
        In order: new policies, items that go to them or to policies that have room, edits, all other items.
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


def derive_changes(
    inventory: Inventory, rules: Rules, options: IntArray, movable: BoolArray, reserved: Iterable[str] = ()
) -> Diff:
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
    reserved
        ARM ids of further policies, such as those of other workloads: their names are taken.
    """
    names: dict[str, set[str]] = {vault_id: set() for vault_id in inventory.vaults}
    for policy_id in (*inventory.policies, *reserved):
        vault_id, _, name = policy_id.lower().rpartition("/backuppolicies/")
        names.setdefault(vault_id, set()).add(name)
    draft = _Draft(inventory, rules, options, names)
    families: dict[tuple[str, str], list[Policy]] = {}
    for policy in inventory.policies.values():
        families.setdefault((policy.vault_id.lower(), policy.twin_key), []).append(policy)
    for twins in families.values():
        _host_family(draft, twins, movable)
    moves = _moves(draft)
    hosts = [draft.host_of[row] for row in range(len(inventory.items))]
    to_edited = [move for row, move in moves if hosts[row].edited]
    others = [move for row, move in moves if not hosts[row].edited]
    room = _Room(inventory, rules.policies.max_vms_per_policy)
    first, blocked = room.admit(others)
    changes = (*draft.creations, *first, *draft.edits, *room.admit_all([*blocked, *to_edited]))
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
    # The largest first: it spares most reassignments.  The solver counts edits in this order.
    for policy in sorted(twins, key=lambda p: -len(inventory.items_by_policy[p.id.lower()])):
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
                properties=_body(policy, start),
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
    policy_id = f"{twin.id.rpartition('/')[0]}/{name}"
    draft.creations.append(
        CreatePolicy(
            vault_id=twin.vault_id,
            policy=name,
            policy_id=policy_id,
            twin_of=twin.name,
            start=format_start(start),
            properties=_body(twin, start),
        )
    )
    return _Host(policy_id, name, start, draft.rules.policies.max_vms_per_policy)


def _body(policy: Policy, start: int) -> dict[str, Any]:
    """What is written of a policy: its own properties at another time, without what Azure counts or was asked once."""
    properties = with_start(policy.properties, start)
    return {key: value for key, value in properties.items() if key not in NEVER_WRITTEN}


def free_name(twin: Policy, start: int, taken: set[str]) -> str:
    """Name ``<twin>-HHMM`` that Azure accepts and that is not taken in the vault; it is added to ``taken``.

    Accepted are a letter and 2 to 149 of ``-_!a-zA-Z0-9``, as the Terraform provider checks them.  A suffix that
    says the twin's own time, or that follows the name of another policy, is replaced: names do not grow month by
    month.
    """
    base = twin.name
    while (match := _SUFFIX.fullmatch(base)) and _is_ours(match, twin, taken):
        base = match["base"]
    base = re.sub(r"[^-_!a-zA-Z0-9]+", "-", base)
    if not re.match("[a-zA-Z]", base):
        base = f"policy-{base}"
    stem = f"{base[:_LONGEST_BASE]}-{format_start(start).replace(':', '')}"
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return name


def _is_ours(suffixed: re.Match[str], twin: Policy, taken: set[str]) -> bool:
    own = format_start(twin.start).replace(":", "")
    return suffixed["time"] == own or suffixed["base"].lower() in taken


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


class _Room:
    """Items of each policy while they are reassigned one by one.

    Parameters
    ----------
    inventory
        What is there today.
    limit
        Items that one policy may hold.
    """

    def __init__(self, inventory: Inventory, limit: int) -> None:
        self._limit = limit
        self._items = Counter(
            {
                policy_id: len(rows) + inventory.unknown_items[policy_id]
                for policy_id, rows in inventory.items_by_policy.items()
            }
        )

    def admit(self, moves: Iterable[ReassignItem]) -> tuple[list[ReassignItem], list[ReassignItem]]:
        """Moves whose policies have room for the next arrival, in an order that keeps it so, and the others."""
        ordered: list[ReassignItem] = []
        waiting = list(moves)
        while True:
            blocked = []
            for move in waiting:
                if self._items[move.policy_id.lower()] < self._limit:
                    self._take(move)
                    ordered.append(move)
                else:
                    blocked.append(move)
            if len(blocked) == len(waiting):
                return ordered, blocked
            waiting = blocked

    def admit_all(self, moves: Iterable[ReassignItem]) -> list[ReassignItem]:
        """Every move; in a ring of full policies no order helps, and one goes over the limit by one for a moment."""
        ordered, blocked = self.admit(moves)
        while blocked:
            self._take(blocked[0])
            ordered.append(blocked[0])
            more, blocked = self.admit(blocked[1:])
            ordered += more
        return ordered

    def _take(self, move: ReassignItem) -> None:
        self._items[move.policy_id.lower()] += 1
        self._items[move.policy_today_id.lower()] -= 1
