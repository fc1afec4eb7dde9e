"""Parts of a large instance that are searched separately: whole vaults, with all shared limits held fixed.

Everything that couples VMs of one vault lies within a part. Parts are coupled by services and caps over several
vaults, limits on moves and writes, and rules between VMs. A part sees the VMs of other parts where they are now. What
is left of a shared cap or limit is divided evenly among the parts, and VMs under a rule between VMs stay. So parts
that are searched at the same time and then merged keep every rule. Only their total cost can differ from the sum, by
new overlaps between VMs of a service, and :func:`merge` takes care of that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.effort.search_settings import PART_VMS
from optimizer.solve.problem.arrays import Arrays, Counts, price_of_one_more
from optimizer.solve.problem.executable import Families, part_of, whole_policies
from optimizer.solve.problem.instance import NO_CAP, Instance
from optimizer.solve.search.anneal import CHUNK_ROUNDS, LIMITED_CHUNK_ROUNDS, anneal_counts
from optimizer.solve.search.kernels import IMPROVEMENT, move_together


@dataclass(frozen=True, slots=True)
class Work:
    """How much a part is searched.

    Parameters
    ----------
    num_rounds, seed
        Number of rounds, and random seed.
    seconds
        Wall-clock limit in seconds, or None.
    """

    num_rounds: int
    seed: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an instance, ready to be sent to a worker.

    Parameters
    ----------
    arrays, counts
        The part, with its own numbering.
    movable
        Movable VMs of the part, in its own numbering.
    vms
        Index of each VM of the part in the whole instance.
    work
        How much it is searched.
    """

    arrays: Arrays
    counts: Counts
    movable: IntArray
    vms: IntArray
    work: Work


def vault_groups(instance: Instance, order: Sequence[int], part_vms: int = PART_VMS) -> list[IntArray]:
    """VMs of the parts: vaults in the given order, collected until a part is full."""
    vault = instance.key_vault[instance.key]
    sizes = np.bincount(vault, minlength=len(instance.vault_room))
    groups: list[list[int]] = [[]]
    filled = 0
    for number in order:
        if filled and filled + sizes[number] > part_vms:
            groups.append([])
            filled = 0
        groups[-1].append(int(number))
        filled += int(sizes[number])
    return [vms for group in groups if len(vms := np.flatnonzero(np.isin(vault, group)))]


def cut(a: Arrays, c: Counts, vms: IntArray, share: float, movable: BoolArray, work: Work) -> Part:
    """Extract a part from an instance.

    Parameters
    ----------
    a, c
        The whole instance, and the counts of its present schedule.
    vms
        VMs of the part, ascending: those of whole vaults.
    share
        Share of what is left of shared caps and limits: 1 divided by the number of parts searched at the same time.
    movable
        Shape (V,): whether each VM of the whole instance may move.
    work
        How much the part is searched.
    """
    chosen = _choose(a, vms)
    keys, vaults, rows = chosen.keys, chosen.vaults, chosen.rows
    slack = np.floor(np.maximum(0, a.cap[rows] - c.met[rows]) * share).astype(np.int64)
    cap = np.where(_within_reach_of_others(a, chosen.classes)[rows], c.met[rows] + slack, a.cap[rows])
    vm_gate_begin, vm_gate = _sublists(a.vm_gate_begin, a.vm_gate, vms)
    group_begin, group = _sublists(a.group_begin, a.group, keys)
    may_move = movable[vms] & (np.diff(vm_gate_begin) == 0)
    assert a.families is not None
    families = part_of(a.families, vms, keys, vaults)
    key_begin, key_vms = _grouped(chosen.key, may_move, len(keys))
    service_begin, service_vms = _grouped(chosen.service, may_move, len(chosen.services))
    return Part(
        arrays=a._replace(
            base=a.base[vms],
            today=a.today[vms],
            key=chosen.key,
            vm_class=chosen.vm_class,
            service=chosen.service,
            counted_today=a.counted_today[vms],
            touched_begin=chosen.touched_begin,
            touched=chosen.touched,
            pair_price=a.pair_price[rows],
            peak_price=a.peak_price[rows],
            fair_share=a.fair_share[rows],
            cap=cap,
            existing=a.existing[keys],
            key_vault=chosen.key_vault,
            vault_room=a.vault_room[vaults],
            policy_price=a.policy_price[keys],
            key_begin=key_begin,
            key_vms=key_vms,
            service_begin=service_begin,
            service_vms=service_vms,
            group_begin=group_begin,
            group=group,
            group_limit=_left(c.group_writes, a.group_limit, share),
            vm_gate_begin=vm_gate_begin,
            vm_gate=vm_gate,
            families=families,
            whole=whole_policies(families, may_move),
            max_moves=_left(c.moves, a.max_moves, share),
        ),
        counts=_counts_of_part(a, c, vms, chosen, cap),
        movable=np.flatnonzero(may_move),
        vms=vms,
        work=work,
    )


class _Chosen(NamedTuple):
    """Selection of the whole instance that forms a part.

    Parameters
    ----------
    classes, keys, services, vaults, rows
        Indices in the whole instance, ascending; the part numbers them in this order.
    vm_class, key, service
        Shape (V of the part,): class, key and service of each VM, in the numbering of the part.
    key_vault
        Vault of each key, in the numbering of the part.
    touched_begin, touched
        Rows that each class touches at each option, in the numbering of the part.
    """

    classes: IntArray
    keys: IntArray
    services: IntArray
    vaults: IntArray
    rows: IntArray
    vm_class: IntArray
    key: IntArray
    service: IntArray
    key_vault: IntArray
    touched_begin: IntArray
    touched: IntArray


def _choose(a: Arrays, vms: IntArray) -> _Chosen:
    classes, vm_class = _renumbered(a.vm_class[vms])
    keys, key = _renumbered(a.key[vms])
    services, service = _renumbered(a.service[vms])
    vaults, key_vault = _renumbered(a.key_vault[keys])
    lists = (classes[:, None] * NUM_OPTIONS + np.arange(NUM_OPTIONS)[None, :]).ravel()
    touched_begin, touched_whole = _sublists(a.touched_begin, a.touched, lists)
    rows, touched = _renumbered(touched_whole)
    return _Chosen(classes, keys, services, vaults, rows, vm_class, key, service, key_vault, touched_begin, touched)


def _renumbered(numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct numbers in ascending order, and the position of each given number among them."""
    present, position = np.unique(numbers, return_inverse=True)
    return present, position.astype(np.int64)


def _counts_of_part(a: Arrays, c: Counts, vms: IntArray, chosen: _Chosen, cap: IntArray) -> Counts:
    rows, met = chosen.rows, c.met[chosen.rows]
    return Counts(
        options=c.options[vms],
        met=met,
        marginal=price_of_one_more(a.pair_price[rows], a.peak_price[rows], a.fair_share[rows], cap, met),
        policies=c.policies[chosen.keys],
        vault_writes=c.vault_writes[chosen.vaults],
        group_writes=c.group_writes.copy(),
        shut=c.shut.copy(),
        moves=c.moves.copy(),
        extra=c.extra[chosen.keys],
        beyond=c.beyond[chosen.vaults],
    )


def _within_reach_of_others(a: Arrays, classes: IntArray) -> BoolArray:
    """Capped rows that VMs of other classes could enter; shape (num_rows,)."""
    reach = np.zeros(len(a.cap), dtype=np.bool_)
    capped = a.cap != NO_CAP
    if capped.any():
        own = np.zeros(len(a.touched_begin) // NUM_OPTIONS, dtype=np.bool_)
        own[classes] = True
        of_own = np.repeat(np.repeat(own, NUM_OPTIONS), np.diff(a.touched_begin))
        reach[a.touched[~of_own]] = True
    return np.asarray(reach & capped)


def _left(used: IntArray, limit: IntArray, share: float) -> IntArray:
    """Part's share of a limit, including the use by others: the present use plus a share of what is left."""
    left: IntArray = used + np.floor(np.maximum(0, limit - used) * share).astype(np.int64)
    return left


def _sublists(begin: IntArray, values: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """Select some of many lists; return where each of them begins, and their values one after the other."""
    lengths = begin[wanted + 1] - begin[wanted]
    new_begin = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    at = np.arange(new_begin[-1]) + np.repeat(begin[wanted] - new_begin[:-1], lengths)
    return new_begin, values[at]


def _grouped(group_of: IntArray, wanted: BoolArray, count: int) -> tuple[IntArray, IntArray]:
    """Group the wanted members; return where each list begins, and the lists."""
    members = np.flatnonzero(wanted)
    order = members[np.argsort(group_of[members], kind="stable")]
    return np.searchsorted(group_of[order], np.arange(count + 1)).astype(np.int64), order.astype(np.int64)


def search_part(part: Part) -> tuple[IntArray, bool]:
    """Anneal a part; return the options of its VMs, feasible and never more expensive, and whether time ended it."""
    # Arrays from another process may be read-only, and everything would be compiled once more for read-only arrays.
    assert part.arrays.families is not None
    families = Families._make(map(np.array, part.arrays.families))
    plain = part.arrays._replace(families=families)
    arrays = Arrays._make(array if array is families else np.array(array) for array in plain)
    counts = Counts._make(map(np.array, part.counts))
    work = part.work
    ends = math.inf if work.seconds is None else time.monotonic() + work.seconds
    best, _ = anneal_counts(
        arrays,
        counts,
        np.array(part.movable),
        work.num_rounds,
        work.seed,
        lambda *_: time.monotonic() < ends,
        CHUNK_ROUNDS if work.seconds is None else LIMITED_CHUNK_ROUNDS,
    )
    return best, time.monotonic() >= ends


def merge(a: Arrays, c: Counts, searched: Sequence[tuple[Part, IntArray]]) -> float:
    """Merge parts that were searched at the same time, each only if it still gains; return the change of the cost."""
    total = 0.0
    for part, options in searched:
        before = part.counts.options
        moved = np.flatnonzero(options != before)
        change = move_together(a, c, part.vms[moved], options[moved])
        if change > -IMPROVEMENT:
            move_together(a, c, part.vms[moved], before[moved])
            continue
        total += change
    return total
