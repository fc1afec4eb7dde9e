"""Whether a schedule can be carried out write by write, and how many policies have to be written for that.

Writes are: create a policy, change the start of a policy together with all its VMs (an edit), assign one VM to another
policy.  Each VM is written once, straight to its new start: parked at a third start, it would be backed up at a time
that nobody planned.  After every single write no policy may hold more VMs than its limit, and no vault more policies.

Condition.  Look at one twin key.  Its *cells* are the starts; a cell has *room* for as many VMs as its policies of
today could still take.  Suppose that the edits and creations are chosen.  Nothing stands in their way, so make them
first and count the room after them: an edited policy takes its free places away from its old start, where nobody may
arrive before the edit, and brings ``limit of a new policy - its VMs`` to the new one; a new policy brings its limit.
What is left are VMs that are assigned one by one.  Draw an arrow from the old to the new start of each.  An order of
these writes exists if and only if

1. every cell holds its VMs in the end: ``room + departures - arrivals >= 0``, and
2. every connected group of arrows in which each cell has as many departures as arrivals, a *ring*, has a cell with
   room.

Proof.  Necessary: 1 is the last state.  In a ring without room nothing can be assigned first: every cell that a VM of
the ring goes to is full, and only VMs of the ring leave these cells.  Sufficient: turn the arrows round.  A free place
at a cell is filled by a VM that arrives there, and is then where that VM was.  So a free place walks along a trail of
turned arrows, and a trail from a cell with room is a legal sequence of writes, whatever else is full.  The arrows of a
connected group can be divided into trails: into one closed trail from any of its cells if it is a ring (Euler), else
into ``arrivals - departures`` trails from each cell where that is positive (add an arrow for each missing departure,
and cut the closed trail there).  By 1 such a cell has at least that much room.  Walk the trails one after the other;
:func:`order_of_moves` does so.

VMs of a policy that is over its limit today leave no place that another may take: their arrows only arrive.

Writes.  A cell lacks ``ceil((VMs in the end - what its policies hold) / limit of a new policy)`` policies.  Each needs
a write, and a ring without room needs one more, at any of its cells.  Groups of arrows share no cell, and a policy
that is edited lies in one group, so with enough places in the vault the fewest writes are the lacking policies plus
the rings.  Where the vault has no place for so many creations, policies of today are edited instead, if all their VMs
go to one new start.  That may cost more writes (a ring of full policies that change places is as many edits as
policies), or be impossible.  :func:`choose_writes` tries all sets of edits of a vault if these are few, else the
largest first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.compiled import compiled, inner
from optimizer.solve.instance import BoolArray, ExistingPolicy, Instance, IntArray

MOST_ENUMERATED = 8
"""Policies of a vault that could be edited, up to which every set of edits is tried."""


class Families(NamedTuple):
    """What decides whether a schedule can be carried out.

    Parameters
    ----------
    today, key, counted_today, vm_policy
        Shape (V,): option today, twin key, whether the VM takes a place in its policy of today, and the number of that
        policy where it may be edited, else -1.
    existing, room_today
        Shape (K, 48): policies of today, and VMs that they could still take.
    tight, vault_tight
        Shapes (K,) and (num_vaults,): whether a ring without room is possible at all, without edits.
    key_item_begin, key_item
        VMs of each key.
    vault_key_begin, vault_keys
        Keys of each vault.
    vault_room
        Shape (num_vaults,): policies that may still be created.
    vault_policy_begin, policy_key, policy_option, policy_vm_begin, policy_vm
        Policies of today that may be edited, by vault, the largest first, with their VMs.
    vms_per_policy
        Shape (2,): most VMs in a policy that is created or edited, and in one of today.
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


def make_families(
    *,
    today: IntArray,
    key: IntArray,
    key_vault: IntArray,
    counted_today: BoolArray,
    existing: IntArray,
    unknown: IntArray,
    policies: Sequence[ExistingPolicy],
    vault_room: IntArray,
    vms_per_policy: tuple[int, int],
) -> Families:
    """Flatten what decides whether a schedule can be carried out; parameters as of ``Instance`` and ``Families``."""
    editable = sorted(
        (policy for policy in policies if policy.editable),
        key=lambda policy: (int(key_vault[policy.key]), -len(policy.vms)),
    )
    vaults = np.array([key_vault[policy.key] for policy in editable], dtype=np.int64)
    policy_vm_begin = _int(np.concatenate(([0], np.cumsum([len(policy.vms) for policy in editable]))))
    policy_vm = _int([v for policy in editable for v in policy.vms])
    cells = key[counted_today] * NUM_OPTIONS + today[counted_today]
    items = np.bincount(cells, minlength=len(key_vault) * NUM_OPTIONS).reshape(-1, NUM_OPTIONS) + unknown
    room = np.maximum(0, vms_per_policy[1] * existing - items)
    full = ((existing > 0) & (room == 0)).sum(axis=1)
    key_item_begin, key_item = _lists(key, len(key_vault))
    vault_key_begin, vault_keys = _lists(key_vault, len(vault_room))
    return Families(
        today=_int(today),
        key=_int(key),
        counted_today=np.ascontiguousarray(counted_today),
        vm_policy=policy_of_vm(len(today), policy_vm_begin, policy_vm),
        existing=_int(existing),
        room_today=_int(room),
        tight=full > 1,
        vault_tight=np.bincount(key_vault, weights=full > 1, minlength=len(vault_room)) > 0,
        key_item_begin=key_item_begin,
        key_item=key_item,
        vault_key_begin=vault_key_begin,
        vault_keys=vault_keys,
        vault_room=_int(vault_room),
        vault_policy_begin=_int(np.searchsorted(vaults, np.arange(len(vault_room) + 1))),
        policy_key=_int([policy.key for policy in editable]),
        policy_option=_int([policy.option for policy in editable]),
        policy_vm_begin=policy_vm_begin,
        policy_vm=policy_vm,
        vms_per_policy=_int(vms_per_policy),
    )


def policy_of_vm(num_vms: int, policy_vm_begin: IntArray, policy_vm: IntArray) -> IntArray:
    """Number of the policy in whose list each VM is; -1 where it is in none; shape (V,)."""
    found = np.full(num_vms, -1, dtype=np.int64)
    found[policy_vm] = np.repeat(np.arange(len(policy_vm_begin) - 1), np.diff(policy_vm_begin))
    return found


def whole_policies(f: Families, movable: BoolArray) -> IntArray:
    """Policies whose VMs may move together, in vaults that have not room for a new policy for each of them."""
    count = np.diff(f.vault_policy_begin)
    first = np.repeat(f.vault_room < count, count)
    return _int([p for p in np.flatnonzero(first).tolist() if movable[_vms_of(f, p)].all()])


def _vms_of(f: Families, p: int) -> IntArray:
    return f.policy_vm[f.policy_vm_begin[p] : f.policy_vm_begin[p + 1]]


def part_of(f: Families, vms: IntArray, keys: IntArray, vaults: IntArray) -> Families:
    """Families of whole vaults with a numbering of their own; all of ``vms``, ``keys`` and ``vaults`` ascend."""
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
    """Families of an instance; flattened once."""
    if not instance.families:
        instance.families.append(
            make_families(
                today=instance.today,
                key=instance.key,
                key_vault=instance.key_vault,
                counted_today=instance.counted_today,
                existing=instance.existing,
                unknown=instance.unknown,
                policies=instance.policies,
                vault_room=instance.vault_room,
                vms_per_policy=(instance.vms_per_new_policy, instance.vms_per_existing_policy),
            )
        )
    found: Families = instance.families[0]
    return found


def _int(values: object) -> IntArray:
    return np.ascontiguousarray(values, dtype=np.int64)


def _lists(of: IntArray, count: int) -> tuple[IntArray, IntArray]:
    order = np.argsort(of, kind="stable")
    return _int(np.searchsorted(of[order], np.arange(count + 1))), _int(order)


def without_impossible_options(instance: Instance) -> Instance:
    """The instance without options that no order of writes leads to, which makes bounds tighter.

    Where all policies of a twin key are full and the vault has no room for another, nobody can ever be assigned to
    another policy: edits of full policies make no room.  So all VMs of a policy stay together, and start only where
    each of them may; those of a policy that must not be edited stay.  Where that leaves a VM no option at all, its
    policy keeps its options, so that the search for a reason finds one.
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


class Move(NamedTuple):
    """A VM that is assigned to another policy.

    Parameters
    ----------
    row
        The VM.
    before, after
        Cells that it leaves and goes to; None where it leaves no place that another may take.
    """

    row: int
    before: Hashable | None
    after: Hashable


def order_of_moves(moves: Sequence[Move], room: Mapping[Hashable, int]) -> list[int]:
    """Rows in an order in which each finds room; those of rings without room are left out.

    The proof above as an algorithm (Hierholzer, 1873): all open trails are one tour through a cell of its own that
    stands for everywhere else, then each ring is a tour from one of its cells that has room.

    Parameters
    ----------
    moves
        VMs that are assigned one by one, of one or several keys: cells of different keys differ.
    room
        VMs that each cell could take before the first of them, edits and creations made.
    """
    outside = object()
    surplus: Counter[Hashable] = Counter()
    arrows: defaultdict[Hashable, list[tuple[Hashable, int]]] = defaultdict(list)
    for move in reversed(moves):  # so that the first is taken first
        surplus[move.after] += 1
        if move.before is not None:
            surplus[move.before] -= 1
        arrows[move.after].append((outside if move.before is None else move.before, move.row))
    for cell, more in surplus.items():
        arrows[outside if more > 0 else cell].extend([(cell if more > 0 else outside, -1)] * abs(more))
    found = _tour(arrows, outside)
    for cell in [move.after for move in moves] if any(arrows.values()) else ():
        if room.get(cell, 0) > 0:
            found += _tour(arrows, cell)
    return [row for row in found if row >= 0]


def _tour(arrows: Mapping[Hashable, list[tuple[Hashable, int]]], begin: Hashable) -> list[int]:
    """A closed trail from a cell over all arrows that it can reach, as the rows of its arrows; they are used up."""
    path, tour = [(begin, -1)], list[int]()
    while path:
        cell, row = path[-1]
        if arrows.get(cell):
            path.append(arrows[cell].pop())
        else:
            tour.append(row)
            path.pop()
    return tour[::-1]


class VaultWrites(NamedTuple):
    """Policies that one vault has to write so that a schedule can be carried out.

    Parameters
    ----------
    possible
        Whether it can be carried out.
    keys
        Twin keys of the vault.
    extra
        Writes of each of these keys beyond the policies that it lacks.
    rings
        Shape (number of keys, 48): the first cell of the ring without room that each cell is in, else -1.  A policy is
        created for each ring.
    edited
        Numbers of the policies of today that are edited, in ``Families``.
    created
        Policies that are created.
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
        Shape (V,): start option of each VM in the end.
    items
        Shape (K, 48): items at each cell in the end.
    vault
        Number of the vault.
    prefer_edits
        Also edit where that costs no more writes than a creation; else only where the vault lacks the room.
    """
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    keys = f.vault_keys[f.vault_key_begin[vault] : f.vault_key_begin[vault + 1]]
    edited, extra = np.zeros(last - first, dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    rings = np.empty((len(keys), NUM_OPTIONS), dtype=np.int64)
    created = choose_writes(f, options, items, vault, prefer_edits, edited, extra, rings)
    return VaultWrites(created >= 0, keys, extra, rings, first + np.flatnonzero(edited), max(0, int(created)))


def extra_writes(instance: Instance, options: IntArray, items: IntArray) -> tuple[IntArray, BoolArray]:
    """Writes of each key beyond the policies that it lacks, and the vaults in which a schedule cannot be carried out.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): start option of each VM.
    items
        Shape (K, 48): items at each cell.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        Shapes (K,) and (num_vaults,).
    """
    extra = np.zeros(instance.num_keys, dtype=np.int64)
    stuck = np.zeros(len(instance.vault_room), dtype=np.bool_)
    for vault, writes in _writes_of_vaults(instance, options, items, prefer_edits=False):
        stuck[vault] = not writes.possible
        if writes.possible:
            extra[writes.keys] = writes.extra
    return extra, stuck


def rings_without_room(instance: Instance, options: IntArray, items: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Twin key and cells of each ring of full policies in vaults in which a schedule cannot be carried out.

    Of the sets of edits that leave a ring, the one that lacks fewest policies is looked at.
    """
    room = families_of(instance).room_today
    for _, writes in _writes_of_vaults(instance, options, items, prefer_edits=False):
        for k, ring in zip(writes.keys.tolist(), writes.rings, strict=True):
            for t in np.unique(ring[ring >= 0]).tolist() if not writes.possible else ():
                if not room[k, ring == t].any():
                    yield k, np.flatnonzero(ring == t)


def edits_and_creations(instance: Instance, options: IntArray, items: IntArray) -> tuple[IntArray, IntArray]:
    """Policies that are edited, as many as cost no more than creations, and that are created; by vault."""
    edits, created = np.zeros((2, len(instance.vault_room)), dtype=np.int64)
    for vault, writes in _writes_of_vaults(instance, options, items, prefer_edits=True):
        edits[vault], created[vault] = len(writes.edited), writes.created
    return edits, created


def _writes_of_vaults(
    instance: Instance, options: IntArray, items: IntArray, *, prefer_edits: bool
) -> Iterator[tuple[int, VaultWrites]]:
    """Vaults in which more than counting lacking policies is needed."""
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


@inner
def _root(parent: IntArray, t: int) -> int:
    """Representative of a cell's group."""
    while parent[t] != t:
        parent[t] = parent[parent[t]]
        t = parent[t]
    return t


@inner
def _key_state(
    f: Families,
    options: IntArray,
    items: IntArray,
    k: int,
    edited: IntArray,
    first: int,
    last: int,
    ring: IntArray,
) -> tuple[int, int]:
    """Policies that a key lacks and rings without room, with some of its policies edited.

    Parameters
    ----------
    edited
        1 for each policy from ``first`` to ``last`` that is edited.
    ring
        Shape (48,): gets the representative of each cell's ring without room, else -1.
    """
    per_new, per_old = f.vms_per_policy[0], f.vms_per_policy[1]
    scratch = np.empty((4, NUM_OPTIONS), dtype=np.int64)
    holds, room, surplus, parent = scratch[0], scratch[1], scratch[2], scratch[3]
    for t in range(NUM_OPTIONS):
        holds[t], room[t] = per_old * f.existing[k, t], f.room_today[k, t]
        surplus[t], parent[t] = 0, t
    for p in range(first, last):
        if edited[p - first] and f.policy_key[p] == k:
            size = f.policy_vm_begin[p + 1] - f.policy_vm_begin[p]
            here, there = f.policy_option[p], options[f.policy_vm[f.policy_vm_begin[p]]]
            holds[here] -= per_old
            holds[there] += per_new
            room[here] -= per_old - size
            room[there] += per_new - size
    lacking = 0
    for t in range(NUM_OPTIONS):
        missing = max(0, (items[k, t] - holds[t] + per_new - 1) // per_new)
        lacking += missing
        room[t] += missing * per_new
        ring[t] = -1
    for at in range(f.key_item_begin[k], f.key_item_begin[k + 1]):
        v = f.key_item[at]
        here, there = f.today[v], options[v]
        if here == there or (f.vm_policy[v] >= 0 and edited[f.vm_policy[v] - first]):
            continue
        surplus[there] += 1
        ring[there] = there
        if f.counted_today[v]:
            surplus[here] -= 1
            ring[here] = here
            parent[_root(parent, here)] = _root(parent, there)
    return lacking, _close_rings(room, surplus, parent, holds, ring)


@inner
def _close_rings(room: IntArray, surplus: IntArray, parent: IntArray, opened: IntArray, ring: IntArray) -> int:
    """Set ``ring`` to -1 where a group of arrows has an open trail or room; return how many groups are left."""
    for t in range(NUM_OPTIONS):
        opened[t] = 0
    for t in range(NUM_OPTIONS):
        if surplus[t] != 0 or room[t] > 0:
            opened[_root(parent, t)] = 1
    stuck = 0
    for t in range(NUM_OPTIONS):
        if ring[t] >= 0:
            ring[t] = -1 if opened[_root(parent, t)] else _root(parent, t)
            stuck += 1 if ring[t] == t else 0
    return stuck


@inner
def _could_be_edited(f: Families, options: IntArray, p: int) -> bool:
    """Whether all VMs of a policy go to one new start."""
    begin, end = f.policy_vm_begin[p], f.policy_vm_begin[p + 1]
    target = options[f.policy_vm[begin]]
    if target == f.policy_option[p]:
        return False
    for at in range(begin, end):  # noqa: SIM110  # compiled, which all() over a generator is not
        if options[f.policy_vm[at]] != target:
            return False
    return True


@compiled
def choose_writes(
    f: Families,
    options: IntArray,
    items: IntArray,
    vault: int,
    prefer_edits: bool | np.bool_,  # compiled functions take no keywords
    edited: IntArray,
    extra: IntArray,
    rings: IntArray,
) -> int:
    """Choose edits and creations of a vault; the number of creations, or -1 where no choice can be carried out.

    Parameters
    ----------
    f, options, items, vault, prefer_edits
        As of :func:`vault_writes`.
    edited
        Shape (editable policies of the vault,), 0: gets 1 for those that are edited.
    extra
        Shape (keys of the vault,): gets the writes of each beyond the policies that it lacks.
    rings
        Shape (keys of the vault, 48): gets the first cell of the ring without room that each cell is in, else -1.
    """
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    key_first, room = f.vault_key_begin[vault], f.vault_room[vault]
    num_keys = f.vault_key_begin[vault + 1] - key_first
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    needs = np.empty(num_keys, dtype=np.int64)
    for n in range(num_keys):
        k = f.vault_keys[key_first + n]
        lacking, stuck = _key_state(f, options, items, k, edited, first, last, ring)
        needs[n], extra[n] = lacking + stuck, -lacking
    created = _sum(needs)
    if created > room or (prefer_edits and created > 0):
        candidates = np.empty(last - first, dtype=np.int64)
        count = 0
        for p in range(first, last):
            if _could_be_edited(f, options, p):
                candidates[count] = p
                count += 1
        if count <= MOST_ENUMERATED:
            _try_all_edits(f, options, items, vault, candidates[:count], edited, needs)
        else:
            _edit_largest_first(f, options, items, vault, candidates[:count], edited, needs)
        created = _sum(needs)
        for p in range(first, last):
            if edited[p - first]:
                extra[_place(f, vault, f.policy_key[p])] += 1
    for n in range(num_keys):
        extra[n] += needs[n]
        if needs[n] > 0:
            _key_state(f, options, items, f.vault_keys[key_first + n], edited, first, last, ring)
        for t in range(NUM_OPTIONS):
            rings[n, t] = ring[t] if needs[n] > 0 else -1
    return int(created) if created <= room else -1


@inner
def _sum(values: IntArray) -> int:
    total = 0
    for at in range(len(values)):
        total += values[at]
    return total


@inner
def _copy(values: IntArray, copy: IntArray) -> None:
    for at in range(len(values)):
        copy[at] = values[at]


@inner
def _place(f: Families, vault: int, k: int) -> int:
    """Place of a key among those of its vault."""
    for at in range(f.vault_key_begin[vault], f.vault_key_begin[vault + 1]):
        if f.vault_keys[at] == k:
            return int(at - f.vault_key_begin[vault])
    return -1


@inner
def _creations(
    f: Families, options: IntArray, items: IntArray, vault: int, k: int, edited: IntArray, ring: IntArray
) -> int:
    """Policies of a key that are created for what it lacks and for rings."""
    first, last = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1]
    lacking, stuck = _key_state(f, options, items, k, edited, first, last, ring)
    return int(lacking + stuck)


@inner
def _try_all_edits(
    f: Families,
    options: IntArray,
    items: IntArray,
    vault: int,
    candidates: IntArray,
    edited: IntArray,
    needs: IntArray,
) -> None:
    """Find the set of edits with the fewest writes, the fewest creations among these, and then the most VMs.

    Sets follow each other in Gray code: from one to the next a single policy changes, and with it a single key.
    """
    first, room = f.vault_policy_begin[vault], f.vault_room[vault]
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    best, best_needs = np.zeros(len(edited), dtype=np.int64), np.empty(len(needs), dtype=np.int64)
    _copy(needs, best_needs)
    best_created = _sum(needs)
    best_writes, best_vms, edits, vms = best_created, 0, 0, 0
    for number in range(1, 1 << len(candidates)):
        bit = 0
        while not number >> bit & 1:
            bit += 1
        p = candidates[bit]
        sign = 1 - 2 * edited[p - first]
        edited[p - first] += sign
        edits += sign
        vms += sign * (f.policy_vm_begin[p + 1] - f.policy_vm_begin[p])
        k = f.policy_key[p]
        needs[_place(f, vault, k)] = _creations(f, options, items, vault, k, edited, ring)
        created = _sum(needs)
        writes = created + edits
        nearer = created < best_created or (created == best_created and vms > best_vms)
        if created > room:  # the nearest miss tells which rings stand in the way
            better = best_created > room and nearer
        else:
            better = best_created > room or writes < best_writes or (writes == best_writes and nearer)
        if better:
            _copy(edited, best)
            _copy(needs, best_needs)
            best_created, best_writes, best_vms = created, writes, vms
    _copy(best, edited)
    _copy(best_needs, needs)


@inner
def _edit_largest_first(
    f: Families,
    options: IntArray,
    items: IntArray,
    vault: int,
    candidates: IntArray,
    edited: IntArray,
    needs: IntArray,
) -> None:
    """Edit policies that spare a creation each, then whole rings of policies where the vault still lacks room."""
    first, last, room = f.vault_policy_begin[vault], f.vault_policy_begin[vault + 1], f.vault_room[vault]
    ring = np.empty(NUM_OPTIONS, dtype=np.int64)
    for p in candidates:
        n = _place(f, vault, f.policy_key[p])
        edited[p - first] = 1
        fewer = _creations(f, options, items, vault, f.policy_key[p], edited, ring)
        if fewer < needs[n]:
            needs[n] = fewer
        else:
            edited[p - first] = 0
    before = np.empty(len(edited), dtype=np.int64)
    for n in range(len(needs)):
        k = f.vault_keys[f.vault_key_begin[vault] + n]
        for t in range(NUM_OPTIONS):
            if _sum(needs) <= room:
                return
            _key_state(f, options, items, k, edited, first, last, ring)
            if ring[t] != t:
                continue
            _copy(edited, before)
            for p in candidates:
                if f.policy_key[p] == k and ring[f.policy_option[p]] == t:
                    edited[p - first] = 1
            fewer = _creations(f, options, items, vault, k, edited, ring)
            if fewer < needs[n]:
                needs[n] = fewer
            else:
                _copy(before, edited)
