"""Schedule -> changes: which policies are created or edited, which items are reassigned, in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.estate.arm_policy import with_start
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.policy_limits import VmLimit, vm_limit
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, format_start
from optimizer.plan.caps import CapCounts
from optimizer.plan.clashes import ClashCounts
from optimizer.plan.document import Change, CreatePolicy, EditPolicy, ReassignItem
from optimizer.plan.sequence import Progress, Step

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
        In order: new policies, items that go to them or to policies that have room, edits, all other items; limits
        and rules between VMs hold after each wherever there is such an order.
    policy_ids, policy_names
        Length V: the policy of each item afterwards.
    detours
        Policies created beyond those that the schedule needs, because full policies exchange items.
    """

    changes: tuple[Change, ...]
    policy_ids: tuple[str, ...]
    policy_names: tuple[str, ...]
    detours: int = 0

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
    limit: VmLimit
    host_of: dict[int, _Host] = field(default_factory=dict)
    family_of: dict[int, dict[str, _Host]] = field(default_factory=dict)
    creations: list[CreatePolicy] = field(default_factory=list)
    edits: list[Step] = field(default_factory=list)
    detours: int = 0


def derive_changes(
    inventory: Inventory,
    rules: Rules,
    options: IntArray,
    movable: BoolArray,
    reserved: Iterable[str] = (),
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES,
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
    snapshot_minutes
        Length of the snapshot: how long a window counts towards caps and sets of the rules.
    """
    names: dict[str, set[str]] = {vault_id: set() for vault_id in inventory.vaults}
    for policy_id in (*inventory.policies, *reserved):
        vault_id, _, name = policy_id.lower().rpartition("/backuppolicies/")
        names.setdefault(vault_id, set()).add(name)
    draft = _Draft(inventory, rules, options, names, vm_limit(rules.policies, inventory))
    families: dict[tuple[str, str], list[Policy]] = {}
    for policy in inventory.policies.values():
        families.setdefault((policy.vault_id.lower(), policy.twin_key), []).append(policy)
    for twins in families.values():
        _host_family(draft, twins, movable)
    steps = _order(draft, snapshot_minutes)
    hosts = [draft.host_of[row] for row in range(len(inventory.items))]
    return Diff(
        changes=(*draft.creations, *(step.change for step in steps)),
        policy_ids=tuple(host.id for host in hosts),
        policy_names=tuple(host.name for host in hosts),
        detours=draft.detours,
    )


def _host_family(draft: _Draft, twins: list[Policy], movable: BoolArray) -> None:
    """Find a policy for every item of a twin key."""
    limit = draft.limit.existing
    inventory, options = draft.inventory, draft.options
    hosts: dict[str, _Host] = {}
    arriving: Counter[int] = Counter()
    for policy in twins:
        rows = inventory.items_by_policy[policy.id.lower()]
        staying = [row for row in rows if options[row] == policy.start]
        arriving.update(int(options[row]) for row in rows if options[row] != policy.start)
        strangers = inventory.unknown_items[policy.id.lower()]
        over = inventory.policy_sizes[policy.id.lower()] > limit
        host = _Host(policy.id, policy.name, policy.start, 0 if over else limit - strangers - len(staying))
        hosts[policy.id.lower()] = host
        draft.family_of.update(dict.fromkeys(rows, hosts))
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
    inventory, limit = draft.inventory, draft.limit.new
    # The largest first: it spares most reassignments.  The solver counts edits in this order.
    for policy in sorted(twins, key=lambda p: -len(inventory.items_by_policy[p.id.lower()])):
        rows = inventory.items_by_policy[policy.id.lower()]
        targets = {int(draft.options[row]) for row in rows}
        untouchable = inventory.unknown_items[policy.id.lower()] > 0 or not movable[list(rows)].all()
        untouchable |= not policy.may_be_edited or len(rows) > limit
        if len(targets) != 1 or policy.start in targets or untouchable:
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
        edit = EditPolicy(
            vault_id=policy.vault_id,
            policy=policy.name,
            policy_id=policy.id,
            start_today=format_start(policy.start),
            start=format_start(start),
            properties=_body(policy, start, inventory.as_of),
        )
        draft.edits.append(Step(edit, rows, policy.start, start, policy.id.lower(), policy.id.lower()))


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
            properties=_body(twin, start, draft.inventory.as_of),
        )
    )
    return _Host(policy_id, name, start, draft.limit.new)


def _body(policy: Policy, start: int, as_of: datetime) -> dict[str, Any]:
    """What is written of a policy: its own properties at another time, without what Azure counts or was asked once."""
    properties = with_start(policy.properties, start, as_of)
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


def _order(draft: _Draft, snapshot_minutes: int) -> list[Step]:
    """Reassignments and edits, one after the other, with detours where no order keeps the limits."""
    moves = _moves(draft)
    at_new_time = {step.target for step in draft.edits}
    progress = Progress(
        draft.inventory,
        CapCounts(draft.inventory, draft.rules, snapshot_minutes),
        ClashCounts(draft.inventory, draft.rules, snapshot_minutes),
        draft.limit,
        at_new_time,
    )
    waiting = progress.admit([step for step in moves if step.target not in at_new_time])
    waiting = progress.admit([*draft.edits, *waiting, *(step for step in moves if step.target in at_new_time)])
    while waiting:
        number, step = _way_out(draft, progress, waiting)
        progress.take(step)
        waiting = progress.admit(waiting[:number] + waiting[number + 1 :])
    return progress.taken


def _way_out(draft: _Draft, progress: Progress, waiting: list[Step]) -> tuple[int, Step]:
    """A step that breaks a ring of full policies, and the place of the one that it stands for.

    The item goes to another policy at the same start, a new one if need be.  Where there is no such way (a swap under
    a cap, a vault full of policies) the first step is taken as it is: what stands in its way is for the roll-out to
    say.
    """
    for may_create in (False, True):
        for number, step in enumerate(waiting):
            if progress.only_lacks_room(step) and (host := _other_host(draft, progress, step, create=may_create)):
                (row,) = step.rows
                draft.host_of[row].room += 1
                draft.host_of[row] = host
                host.room -= 1
                return number, _move(draft, row)
    return 0, waiting[0]


def _other_host(draft: _Draft, progress: Progress, step: Step, *, create: bool) -> _Host | None:
    """A policy at the start of a step that has room now and in the end."""
    hosts = draft.family_of[step.rows[0]]
    if not create:
        open_hosts = [h for h in hosts.values() if h.start == step.after and h.room > 0 and progress.has_room(h.id)]
        return min(open_hosts, key=lambda host: (host.room, host.name), default=None)
    vault_id = draft.inventory.items[step.rows[0]].vault_id.lower()
    created = sum(change.vault_id.lower() == vault_id for change in draft.creations)
    if draft.inventory.policies_in_vault(vault_id) + created >= draft.rules.policies.max_policies_per_vault:
        return None
    host = _create(draft, step.after, step.rows)
    hosts[host.id.lower()] = host
    draft.detours += 1
    return host


def _moves(draft: _Draft) -> list[Step]:
    """Items that change their policy."""
    moves = []
    for row, item in enumerate(draft.inventory.items):
        if draft.host_of[row].id.lower() != item.policy_id.lower():
            moves.append(_move(draft, row))
    return moves


def _move(draft: _Draft, row: int) -> Step:
    """The reassignment of an item to the policy that it has in the draft."""
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
    return Step(change, (row,), policy.start, int(draft.options[row]), policy.id.lower(), host.id.lower())
