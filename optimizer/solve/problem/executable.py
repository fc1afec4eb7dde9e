"""Checks whether a schedule can be carried out write by write, and counts the policy writes that this takes.

There are three kinds of writes: create a policy, change the start of a policy together with all its VMs (an edit), or
assign one VM to another policy. Each VM is written once, straight to its new start: if it were parked at a third
start, it would be backed up at a time that is not part of the plan. After every single write, no policy may hold more
VMs than its limit, and no vault may hold more policies than its limit.

Condition. Consider one twin key. Its *cells* are the starts; the *room* of a cell is the number of VMs that its
policies of today could still take. Suppose that the edits and creations are chosen. Nothing prevents them, so
make them first and count the room after them. An edited policy takes its free places away from its old start, where no
VM may arrive before the edit, and brings ``limit of a new policy - its VMs`` places to the new start. A new policy
brings its limit. What remains are VMs that are assigned one by one. Draw an arrow from the old to the new start of
each. An order of these writes exists if and only if

1. every cell can hold its VMs at the end: ``room + departures - arrivals >= 0``, and
2. every *ring* has a cell with room. A ring is a connected group of arrows in which each cell has as many departures
   as arrivals.

Proof. Necessary: condition 1 describes the last state. In a ring without room, no VM can be assigned first: every cell
that a VM of the ring goes to is full, and only VMs of the ring leave these cells. Sufficient: reverse the arrows. A VM
that arrives at a cell fills a free place there and leaves a free place at its old cell. So a free place walks along a
trail of reversed arrows, and a trail from a cell with room is a legal sequence of writes, whatever else is full. The
arrows of a connected group can be divided into trails: if the group is a ring, into one closed trail from any of its
cells (Euler); otherwise into ``arrivals - departures`` trails from each cell where this difference is positive (add an
arrow for each missing departure, and cut the closed trail there). By condition 1, such a cell has at least that much
room. Walk the trails one after the other; :func:`optimizer.ordering.trails.order_of_moves` does so.

VMs of a policy that exceeds its limit today do not leave a place that another VM may take: their arrows only arrive.

Writes. A cell lacks ``ceil((VMs at the end - what its policies hold) / limit of a new policy)`` policies. Each lacking
policy needs a write, and a ring without room needs one more, at any of its cells. Groups of arrows share no cell, and
an edited policy lies in one group. So if the vault has enough places, the minimum number of writes is the number of
lacking policies plus the number of rings. If the vault does not have places for that many creations, policies of today
are edited instead, provided that all their VMs go to the same new start. That may cost more writes (a ring of full
policies that trade places takes as many edits as it has policies), or it may be impossible. :func:`choose_writes`
tries all sets of edits of a vault if there are few, and otherwise the largest policies first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.compiled import compiled, inlined, inner
from optimizer.solve.problem.instance import ExistingPolicy, Instance

MOST_ENUMERATED = 8
"""Number of editable policies of a vault up to which every set of edits is tried; 8 policies have 256 sets."""


class Families(NamedTuple):
    """Flat arrays that decide whether a schedule can be carried out.

    Parameters
    ----------
    today, key, counted_today, vm_policy
        Shape (V,): today's option; twin key; whether the VM takes a place in its policy of today; and the index of
        that policy if it may be edited, otherwise -1.
    existing, room_today
        Shape (K, 48): number of today's policies, and number of VMs that they could still take.
    tight, vault_tight
        Shapes (K,) and (num_vaults,): whether a ring without room is possible at all, without edits.
    key_item_begin, key_item
        VMs of each key.
    vault_key_begin, vault_keys
        Keys of each vault.
    vault_room
        Shape (num_vaults,): number of policies that may still be created.
    vault_policy_begin, policy_key, policy_option, policy_vm_begin, policy_vm
        Policies of today that may be edited, with their VMs, grouped by vault, the largest first.
    vms_per_policy
        Shape (2,): maximum number of VMs in a policy that is created or edited, and in one of today's policies.
    """

    today: IntArray
    key: IntArray
    counted_today: BoolArray
    vm_policy: IntArray
    existing: IntArray
    room_today: IntArray
    tight: BoolArray
    vault_tight: BoolArray
    key_item_begin: IntArray
    key_item: IntArray
    vault_key_begin: IntArray
    vault_keys: IntArray
    vault_room: IntArray
    vault_policy_begin: IntArray
    policy_key: IntArray
    policy_option: IntArray
    policy_vm_begin: IntArray
    policy_vm: IntArray
    vms_per_policy: IntArray


@dataclass(frozen=True, slots=True)
class Holdings:
    """Places in today's policies, and policies that may still be created; see ``Instance`` for the fields."""

    today: IntArray
    key: IntArray
    key_vault: IntArray
    counted_today: BoolArray
    existing: IntArray
    unknown: IntArray
    policies: Sequence[ExistingPolicy]
    vault_room: IntArray
    vms_per_new_policy: int
    vms_per_existing_policy: int


def make_families(holdings: Holdings) -> Families:
    """Flatten the data that decides whether a schedule can be carried out."""
    num_keys, num_vaults = len(holdings.key_vault), len(holdings.vault_room)
    editable = sorted(
        (policy for policy in holdings.policies if policy.editable),
        key=lambda policy: (int(holdings.key_vault[policy.key]), -len(policy.vms)),
    )
    vaults = np.array([holdings.key_vault[policy.key] for policy in editable], dtype=np.int64)
    policy_vm_begin = _int(np.concatenate(([0], np.cumsum([len(policy.vms) for policy in editable]))))
    policy_vm = _int([v for policy in editable for v in policy.vms])
    cells = holdings.key[holdings.counted_today] * NUM_OPTIONS + holdings.today[holdings.counted_today]
    items = np.bincount(cells, minlength=num_keys * NUM_OPTIONS).reshape(-1, NUM_OPTIONS) + holdings.unknown
    room = np.maximum(0, holdings.vms_per_existing_policy * holdings.existing - items)
    full = ((holdings.existing > 0) & (room == 0)).sum(axis=1)
    key_item_begin, key_item = _lists(holdings.key, num_keys)
    vault_key_begin, vault_keys = _lists(holdings.key_vault, num_vaults)
    return Families(
        today=_int(holdings.today),
        key=_int(holdings.key),
        counted_today=np.ascontiguousarray(holdings.counted_today),
        vm_policy=policy_of_vm(len(holdings.today), policy_vm_begin, policy_vm),
        existing=_int(holdings.existing),
        room_today=_int(room),
        tight=full > 1,
        vault_tight=np.bincount(holdings.key_vault, weights=full > 1, minlength=num_vaults) > 0,
        key_item_begin=key_item_begin,
        key_item=key_item,
        vault_key_begin=vault_key_begin,
        vault_keys=vault_keys,
        vault_room=_int(holdings.vault_room),
        vault_policy_begin=_int(np.searchsorted(vaults, np.arange(num_vaults + 1))),
        policy_key=_int([policy.key for policy in editable]),
        policy_option=_int([policy.option for policy in editable]),
        policy_vm_begin=policy_vm_begin,
        policy_vm=policy_vm,
        vms_per_policy=_int((holdings.vms_per_new_policy, holdings.vms_per_existing_policy)),
    )


def policy_of_vm(num_vms: int, policy_vm_begin: IntArray, policy_vm: IntArray) -> IntArray:
    """Index of the policy whose list contains each VM; -1 if no list does; shape (V,)."""
    policies = np.full(num_vms, -1, dtype=np.int64)
    policies[policy_vm] = np.repeat(np.arange(len(policy_vm_begin) - 1), np.diff(policy_vm_begin))
    return policies


def whole_policies(f: Families, movable: BoolArray) -> IntArray:
    """Policies whose VMs may move together, in vaults without room for a new policy for each of these policies."""
    count = np.diff(f.vault_policy_begin)
    first = np.repeat(f.vault_room < count, count)
    return _int([p for p in np.flatnonzero(first).tolist() if movable[_vms_of(f, p)].all()])


def _vms_of(f: Families, p: int) -> IntArray:
    return f.policy_vm[f.policy_vm_begin[p] : f.policy_vm_begin[p + 1]]


def part_of(f: Families, vms: IntArray, keys: IntArray, vaults: IntArray) -> Families:
    """Families of some whole vaults, with their own numbering; ``vms``, ``keys`` and ``vaults`` are ascending."""
    vault_of_key = np.repeat(np.arange(len(f.vault_room)), np.diff(f.vault_key_begin))[np.argsort(f.vault_keys)]
    vault_of_policy = np.repeat(np.arange(len(f.vault_room)), np.diff(f.vault_policy_begin))
    policies = np.flatnonzero(np.isin(vault_of_policy, vaults))
    sizes = np.diff(f.policy_vm_begin)[policies]
    policy_vm_begin = _int(np.concatenate(([0], np.cumsum(sizes))))
    policy_vm = _int(np.searchsorted(vms, np.concatenate([_vms_of(f, p) for p in policies.tolist()] or [vms[:0]])))
    key = np.searchsorted(keys, f.key[vms])
    key_item_begin, key_item = _lists(key, len(keys))
    vault_key_begin, vault_keys = _lists(np.searchsorted(vaults, vault_of_key[keys]), len(vaults))
    at = np.searchsorted(vaults, vault_of_policy[policies])
    return Families(
        today=f.today[vms],
        key=_int(key),
        counted_today=f.counted_today[vms],
        vm_policy=policy_of_vm(len(vms), policy_vm_begin, policy_vm),
        existing=f.existing[keys],
        room_today=f.room_today[keys],
        tight=f.tight[keys],
        vault_tight=f.vault_tight[vaults],
        key_item_begin=key_item_begin,
        key_item=key_item,
        vault_key_begin=vault_key_begin,
        vault_keys=vault_keys,
        vault_room=f.vault_room[vaults],
        vault_policy_begin=_int(np.searchsorted(at, np.arange(len(vaults) + 1))),
        policy_key=_int(np.searchsorted(keys, f.policy_key[policies])),
        policy_option=f.policy_option[policies],
        policy_vm_begin=policy_vm_begin,
        policy_vm=policy_vm,
        vms_per_policy=f.vms_per_policy,
    )


def families_of(instance: Instance) -> Families:
    """Families of an instance; they are flattened once and then cached in it."""
    if not instance.families:
        shared = {field.name: getattr(instance, field.name) for field in fields(Holdings)}
        instance.families.append(make_families(Holdings(**shared)))
    families: Families = instance.families[0]
    return families


def _int(values: object) -> IntArray:
    return np.ascontiguousarray(values, dtype=np.int64)


def _lists(list_of: IntArray, count: int) -> tuple[IntArray, IntArray]:
    order = np.argsort(list_of, kind="stable")
    return _int(np.searchsorted(list_of[order], np.arange(count + 1))), _int(order)


def without_impossible_options(instance: Instance) -> Instance:
    """Remove the options that no order of writes can reach, which makes bounds tighter.

    If all policies of a twin key are full and the vault has no room for another, no VM can ever be assigned to another
    policy: edits of full policies make no room. So all VMs of a policy stay together, and can start only where each of
    them may. The VMs of a policy that must not be edited stay where they are. If that would leave a VM without any
    option, its policy keeps its options, so that the search for a reason finds one.
    """
    f = families_of(instance)
    full = (f.room_today == 0).all(axis=1) & (f.vault_room[instance.key_vault] == 0)
    if not full.any():
        return instance
    allowed = instance.allowed.copy()
    for policy in instance.policies:
        rows = list(policy.vms)
        if full[policy.key] and rows:
            together = allowed[rows].all(axis=0)
            if not policy.editable:
                together &= np.arange(NUM_OPTIONS) == policy.option
            if together.any():
                allowed[rows] = together
    return replace(instance, allowed=allowed)


class VaultWrites(NamedTuple):
    """Policies that one vault has to write so that a schedule can be carried out.

    Parameters
    ----------
    possible
        Whether the schedule can be carried out.
    keys
        Twin keys of the vault.
    extra
        Number of writes in each of these keys beyond the policies that it lacks.
    rings
        Shape (number of keys, 48): representative of the ring without room that each cell is in, otherwise -1. A
        policy is created for each ring.
    edited
        Indices, in ``Families``, of today's policies that are edited.
    created
        Number of policies that are created.
    """

    possible: bool
    keys: IntArray
    extra: IntArray
    rings: IntArray
    edited: IntArray
    created: int


def vault_writes(f: Families, options: IntArray, items: IntArray, vault: int, *, prefer_edits: bool) -> VaultWrites:
    """Choose the writes of a vault.

    Parameters
    ----------
    f
        The families.
    options
        Shape (V,): start option of each VM at the end.
    items
        Shape (K, 48): number of items at each cell at the end.
    vault
        Index of the vault.
    prefer_edits
        Whether to edit also where that takes no more writes than a creation. False edits only if the vault lacks room.
    """
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    keys = f.vault_keys[f.vault_key_begin[vault] : f.vault_key_begin[vault + 1]]
    edited, extra = np.zeros(last - first, dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    rings = np.empty((len(keys), NUM_OPTIONS), dtype=np.int64)
    created = choose_writes(f, End(options, items), vault, prefer_edits, Choice(edited, extra, rings))
    return VaultWrites(created >= 0, keys, extra, rings, first + np.flatnonzero(edited), max(0, int(created)))


def extra_writes(instance: Instance, options: IntArray, items: IntArray) -> tuple[IntArray, BoolArray]:
    """Writes of each key beyond the policies that it lacks, and vaults in which the schedule cannot be carried out.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): start option of each VM.
    items
        Shape (K, 48): number of items at each cell.

    Returns
    -------
    extra : numpy.ndarray
        Shape (K,): number of writes.
    stuck : numpy.ndarray
        Shape (num_vaults,): whether the vault's part of the schedule cannot be carried out.
    """
    extra = np.zeros(instance.num_keys, dtype=np.int64)
    stuck = np.zeros(len(instance.vault_room), dtype=np.bool_)
    for vault, writes in _writes_of_vaults(instance, options, items, prefer_edits=False):
        stuck[vault] = not writes.possible
        if writes.possible:
            extra[writes.keys] = writes.extra
    return extra, stuck


def rings_without_room(instance: Instance, options: IntArray, items: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield the twin key and the cells of each ring of full policies, in vaults where no order of writes exists.

    Among the sets of edits that leave a ring, the one that lacks the fewest policies is examined.
    """
    room = families_of(instance).room_today
    for _, writes in _writes_of_vaults(instance, options, items, prefer_edits=False):
        for k, ring in zip(writes.keys.tolist(), writes.rings, strict=True):
            for t in np.unique(ring[ring >= 0]).tolist() if not writes.possible else ():
                if not room[k, ring == t].any():
                    yield k, np.flatnonzero(ring == t)


def edits_and_creations(instance: Instance, options: IntArray, items: IntArray) -> tuple[IntArray, IntArray]:
    """Numbers of edited policies (if no more writes than creations) and of created policies, by vault."""
    edits, created = np.zeros((2, len(instance.vault_room)), dtype=np.int64)
    for vault, writes in _writes_of_vaults(instance, options, items, prefer_edits=True):
        edits[vault], created[vault] = len(writes.edited), writes.created
    return edits, created


def _writes_of_vaults(
    instance: Instance, options: IntArray, items: IntArray, *, prefer_edits: bool
) -> Iterator[tuple[int, VaultWrites]]:
    """Yield the vaults in which counting the lacking policies is not enough, with their writes."""
    f = families_of(instance)
    per_new, per_old = f.vms_per_policy
    lacking = np.maximum(0, -(-(items - f.existing * per_old) // per_new)).sum(axis=1)
    moving = np.zeros(instance.num_keys, dtype=np.bool_)
    moving[f.key[options != f.today]] = True
    by_vault = np.bincount(instance.key_vault, weights=lacking, minlength=len(f.vault_room))
    wanted = by_vault > (0 if prefer_edits else f.vault_room)
    wanted[instance.key_vault[f.tight & moving]] = True
    options = _int(options)
    for vault in np.flatnonzero(wanted).tolist():
        yield vault, vault_writes(f, options, _int(items), vault, prefer_edits=prefer_edits)


class End(NamedTuple):
    """State that a schedule leads to.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM.
    items
        Shape (K, 48): number of items at each cell.
    """

    options: IntArray
    items: IntArray


class Choice(NamedTuple):
    """Writes that are chosen for a vault; compiled code fills the arrays in.

    Parameters
    ----------
    edited
        Shape (editable policies of the vault,): 1 for the policies that are edited; all 0 at first.
    extra
        Shape (keys of the vault,): number of writes of each key beyond the policies that it lacks.
    rings
        Shape (keys of the vault, 48): representative of the ring without room that each cell is in, otherwise -1.
    """

    edited: IntArray
    extra: IntArray
    rings: IntArray


class _Cells(NamedTuple):
    """The cells of a key while its writes are worked out; every array has shape (48,).

    Parameters
    ----------
    holds, room
        Number of VMs that the policies can hold, and the number that they can still take.
    surplus
        Arrivals minus departures.
    parent
        Connected groups of arrows, as a union-find forest.
    ring
        Representative of the ring without room that each cell is in, otherwise -1.
    """

    holds: IntArray
    room: IntArray
    surplus: IntArray
    parent: IntArray
    ring: IntArray


@inner
def _root(parent: IntArray, t: int) -> int:
    """Representative of a cell's connected group (union-find, with path halving)."""
    while parent[t] != t:
        parent[t] = parent[parent[t]]
        t = parent[t]
    return t


@inner
def _key_state(f: Families, end: End, vault: int, k: int, edited: IntArray, ring: IntArray) -> tuple[int, int]:
    """Number of policies that a key lacks and of rings without room, if some of its policies are edited.

    Parameters
    ----------
    f, end, vault, k
        The families, the state at the end, the vault, and the key.
    edited
        See :class:`Choice`.
    ring
        Shape (48,): is set to the representative of the ring without room that each cell is in, otherwise -1.
    """
    per_new, per_old = f.vms_per_policy[0], f.vms_per_policy[1]
    scratch = np.empty((4, NUM_OPTIONS), dtype=np.int64)
    cells = _Cells(scratch[0], scratch[1], scratch[2], scratch[3], ring)
    for t in range(NUM_OPTIONS):
        cells.holds[t], cells.room[t] = per_old * f.existing[k, t], f.room_today[k, t]
        cells.surplus[t], cells.parent[t] = 0, t
    _make_edits(f, end.options, vault, k, edited, cells)
    lacking = 0
    for t in range(NUM_OPTIONS):
        missing = max(0, (end.items[k, t] - cells.holds[t] + per_new - 1) // per_new)
        lacking += missing
        # A policy that is created for lack of places brings its whole limit as room, before any VM is assigned.
        cells.room[t] += missing * per_new
        ring[t] = -1
    _draw_arrows(f, end.options, vault, k, edited, cells)
    return lacking, _close_rings(cells)


@inlined
def _make_edits(f: Families, options: IntArray, vault: int, k: int, edited: IntArray, cells: _Cells) -> None:
    """Move the places of a key's edited policies from their old start to the new one."""
    per_new, per_old = f.vms_per_policy[0], f.vms_per_policy[1]
    first = f.vault_policy_begin[vault]
    for p in range(first, f.vault_policy_begin[vault + 1]):
        if edited[p - first] and f.policy_key[p] == k:
            size = f.policy_vm_begin[p + 1] - f.policy_vm_begin[p]
            here, to = f.policy_option[p], options[f.policy_vm[f.policy_vm_begin[p]]]
            # The edit takes a whole policy, full or not, away from its old start. Its VMs move with it, so only its
            # free places are lost there, and the limit of a new policy applies at the new start.
            cells.holds[here] -= per_old
            cells.holds[to] += per_new
            cells.room[here] -= per_old - size
            cells.room[to] += per_new - size


@inlined
def _draw_arrows(f: Families, options: IntArray, vault: int, k: int, edited: IntArray, cells: _Cells) -> None:
    """Connect the cells of a key between which VMs are assigned one by one, and count arrivals and departures."""
    first = f.vault_policy_begin[vault]
    for number in range(f.key_item_begin[k], f.key_item_begin[k + 1]):
        v = f.key_item[number]
        here, to = f.today[v], options[v]
        # VMs of an edited policy move with it and are not assigned: they draw no arrow.
        if here == to or (f.vm_policy[v] >= 0 and edited[f.vm_policy[v] - first]):
            continue
        cells.surplus[to] += 1
        cells.ring[to] = to
        # A VM that is not counted today leaves no place behind, so its arrow only arrives.
        if f.counted_today[v]:
            cells.surplus[here] -= 1
            cells.ring[here] = here
            cells.parent[_root(cells.parent, here)] = _root(cells.parent, to)


@inner
def _close_rings(cells: _Cells) -> int:
    """Set ``ring`` to -1 where a group of arrows has an open trail or room; return the number of rings left."""
    opened, ring, parent = cells.holds, cells.ring, cells.parent  # what the policies hold is no longer needed
    for t in range(NUM_OPTIONS):
        opened[t] = 0
    for t in range(NUM_OPTIONS):
        # Condition 2 of the module's docstring: only a group with balanced cells and without any room is a ring
        # that needs one more policy.
        if cells.surplus[t] != 0 or cells.room[t] > 0:
            opened[_root(parent, t)] = 1
    stuck = 0
    for t in range(NUM_OPTIONS):
        if ring[t] >= 0:
            ring[t] = -1 if opened[_root(parent, t)] else _root(parent, t)
            stuck += 1 if ring[t] == t else 0
    return stuck


@inner
def _could_be_edited(f: Families, options: IntArray, p: int) -> bool:
    """Whether all VMs of a policy go to the same new start."""
    begin, end = f.policy_vm_begin[p], f.policy_vm_begin[p + 1]
    target = options[f.policy_vm[begin]]
    if target == f.policy_option[p]:
        return False
    for number in range(begin, end):  # noqa: SIM110  # Numba does not compile all() over a generator
        if options[f.policy_vm[number]] != target:
            return False
    return True


@compiled
def choose_writes(
    f: Families,
    end: End,
    vault: int,
    prefer_edits: bool | np.bool_,  # positional, because compiled functions take no keywords
    choice: Choice,
) -> int:
    """Choose the edits and creations of a vault; return the number of creations, or -1 if no choice is possible.

    Parameters
    ----------
    f, end
        The families, and the state at the end.
    vault, prefer_edits
        See :func:`vault_writes`.
    choice
        Receives the choice.
    """
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    key_first, room = f.vault_key_begin[vault], f.vault_room[vault]
    num_keys = f.vault_key_begin[vault + 1] - key_first
    edited, extra = choice.edited, choice.extra
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    needs = np.empty(num_keys, dtype=np.int64)
    for n in range(num_keys):
        lacking, stuck = _key_state(f, end, vault, f.vault_keys[key_first + n], edited, ring)
        # `extra` counts writes beyond the lacking policies: they are taken off here, edits and creations are added
        # below.
        needs[n], extra[n] = lacking + stuck, -lacking
    created = _sum(needs)
    # Creations cost no more writes than edits (see the module's docstring), so edits are tried only if the vault lacks
    # room, or if the caller prefers them.
    if created > room or (prefer_edits and created > 0):
        _choose_edits(f, end, vault, edited, needs)
        created = _sum(needs)
        for p in range(first, last):
            if edited[p - first]:
                extra[_place(f, vault, f.policy_key[p])] += 1
    for n in range(num_keys):
        extra[n] += needs[n]
        choice.rings[n, :] = -1
        if needs[n] > 0:
            _key_state(f, end, vault, f.vault_keys[key_first + n], edited, choice.rings[n])
    return int(created) if created <= room else -1


@inner
def _choose_edits(f: Families, end: End, vault: int, edited: IntArray, needs: IntArray) -> None:
    """Choose the policies of a vault to edit; ``needs``, the creations of each of its keys, falls accordingly."""
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    candidates = np.empty(last - first, dtype=np.int64)
    count = 0
    for p in range(first, last):
        if _could_be_edited(f, end.options, p):
            candidates[count] = p
            count += 1
    if count <= MOST_ENUMERATED:
        _try_all_edits(f, end, vault, candidates[:count], edited, needs)
    else:
        _edit_each_that_helps(f, end, vault, candidates[:count], edited, needs)
        _edit_whole_rings(f, end, vault, candidates[:count], edited, needs)


@inner
def _sum(values: IntArray) -> int:
    total = 0
    for number in range(len(values)):
        total += values[number]
    return total


@inner
def _copy(values: IntArray, copy: IntArray) -> None:
    for number in range(len(values)):
        copy[number] = values[number]


@inner
def _place(f: Families, vault: int, k: int) -> int:
    """Position of a key among those of its vault."""
    first = f.vault_key_begin[vault]
    for number in range(first, f.vault_key_begin[vault + 1]):
        if f.vault_keys[number] == k:
            return int(number - first)
    return -1


@inner
def _creations(f: Families, end: End, vault: int, k: int, edited: IntArray, ring: IntArray) -> int:
    """Number of policies of a key that are created, for what it lacks and for its rings."""
    lacking, stuck = _key_state(f, end, vault, k, edited, ring)
    return int(lacking + stuck)


@inner
def _try_all_edits(f: Families, end: End, vault: int, candidates: IntArray, edited: IntArray, needs: IntArray) -> None:
    """Find the set of edits with the fewest writes; ties go to fewer creations, then to more VMs.

    The sets are visited in Gray code: from one set to the next, a single policy changes, and with it a single key.
    """
    first, room = f.vault_policy_begin[vault], f.vault_room[vault]
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    best, best_needs = np.zeros(len(edited), dtype=np.int64), np.empty(len(needs), dtype=np.int64)
    _copy(needs, best_needs)
    edits, vms = 0, 0
    best_sums = (_sum(needs), _sum(needs), 0)
    for number in range(1, 1 << len(candidates)):
        p = candidates[_lowest_bit(number)]
        sign = 1 - 2 * edited[p - first]
        edited[p - first] += sign
        edits += sign
        vms += sign * (f.policy_vm_begin[p + 1] - f.policy_vm_begin[p])
        k = f.policy_key[p]
        needs[_place(f, vault, k)] = _creations(f, end, vault, k, edited, ring)
        created = _sum(needs)
        sums = (created, created + edits, vms)
        if _is_better(sums, best_sums, room):
            _copy(edited, best)
            _copy(needs, best_needs)
            best_sums = sums
    _copy(best, edited)
    _copy(best_needs, needs)


@inner
def _lowest_bit(number: int) -> int:
    """Position of the lowest bit of a positive number that is 1."""
    bit = 0
    while not number >> bit & 1:
        bit += 1
    return bit


@inner
def _is_better(sums: tuple[int, int, int], best: tuple[int, int, int], room: int) -> bool:
    """Whether a set of edits is better than another one; each is given by its creations, its writes, and its VMs."""
    (created, writes, vms), (best_created, best_writes, best_vms) = sums, best
    nearer = created < best_created or (created == best_created and vms > best_vms)
    if created > room:  # not possible, but the nearest miss shows which rings block it
        return bool(best_created > room and nearer)
    return bool(best_created > room or writes < best_writes or (writes == best_writes and nearer))


@inner
def _edit_each_that_helps(
    f: Families, end: End, vault: int, candidates: IntArray, edited: IntArray, needs: IntArray
) -> None:
    """Edit policies that each save a creation, the largest first."""
    first = f.vault_policy_begin[vault]
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    for p in candidates:
        n = _place(f, vault, f.policy_key[p])
        edited[p - first] = 1
        fewer = _creations(f, end, vault, f.policy_key[p], edited, ring)
        if fewer < needs[n]:
            needs[n] = fewer
        else:
            edited[p - first] = 0


@inner
def _edit_whole_rings(
    f: Families, end: End, vault: int, candidates: IntArray, edited: IntArray, needs: IntArray
) -> None:
    """Edit all policies of whole rings while the vault lacks room.

    A ring of full policies only resolves as a whole: editing one of its policies alone saves no creation.
    """
    room = f.vault_room[vault]
    ring, before = np.empty(NUM_OPTIONS, dtype=np.int64), np.empty(len(edited), dtype=np.int64)
    for n in range(len(needs)):
        k = f.vault_keys[f.vault_key_begin[vault] + n]
        for t in range(NUM_OPTIONS):
            if _sum(needs) <= room:
                return
            _key_state(f, end, vault, k, edited, ring)
            if ring[t] != t:
                continue
            _copy(edited, before)
            _edit_ring(f, vault, k, candidates, edited, ring == t)
            fewer = _creations(f, end, vault, k, edited, ring)
            if fewer < needs[n]:
                needs[n] = fewer
            else:
                _copy(before, edited)  # the edits saved no creation: undo them


@inner
def _edit_ring(f: Families, vault: int, k: int, candidates: IntArray, edited: IntArray, cells: BoolArray) -> None:
    """Edit the policies of a key that start at some cells."""
    for p in candidates:
        if f.policy_key[p] == k and cells[f.policy_option[p]]:
            edited[p - f.vault_policy_begin[vault]] = 1
