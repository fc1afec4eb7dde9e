"""The dual function of an instance: a lower bound and a subgradient at any multipliers, in compiled code.

:mod:`optimizer.solve.bound.ascent` explains what is relaxed and why the value is a lower bound, and
ascends the function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound.dual_gates import CutArrays, cut_arrays
from optimizer.solve.bound.dual_services import ServiceArrays, place_services
from optimizer.solve.compiled import compiled, inner
from optimizer.solve.problem.arrays import FORBIDDEN, limits_by_key, touched_lists
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.write_groups import write_groups

SORTED_RUN = 40
"""Maximum length of a run of values that is sorted by insertion; longer lists are sorted in runs and then merged."""


@dataclass(slots=True)
class Multipliers:
    """A point of the dual. All multipliers except ``alpha`` are prices, in at-risk backups per 30 days.

    Parameters
    ----------
    lam
        Shape (V,): value of giving the VM an option; relaxes "one option per VM", so it may have either sign.
    mu
        Shape (num_rows,), not negative: price of being in the row; relaxes the link between a VM's option and the rows
        that it touches.
    alpha
        Shape (num_rows,), in [0, 1]: share of the row's cost that the cells are charged with. It is no multiplier of a
        constraint, but any value gives a valid bound.
    sigma
        Not negative: price of each move; relaxes the limit on moves. 0 if there is no limit.
    tau
        Shape (num_groups,), not negative: price of each policy write; relaxes each limit on writes.
    kappa
        Shape (num_copies, 48): amount that a VM receives for an option and that its copy in a cut pays for the same
        option; relaxes that both are at the same option.
    """

    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    sigma: float
    tau: FloatArray
    kappa: FloatArray

    def copy(self) -> Multipliers:
        """Return an independent copy."""
        arrays = (self.lam.copy(), self.mu.copy(), self.alpha.copy(), self.sigma, self.tau.copy(), self.kappa.copy())
        return Multipliers(*arrays)

    def prices(self, base: FloatArray) -> Prices:
        """The point as compiled code reads it; ``base`` is the cost of each option, less the prices of its copies."""
        return Prices(base, self.lam, self.mu, self.alpha, self.sigma, self.tau)


class Prices(NamedTuple):
    """Prices at a point of the dual: the cost of each option for the cells and rows, and the multipliers.

    Parameters
    ----------
    base
        Shape (V, 48): linear cost of each option, less the prices of its copies.
    lam, mu, alpha, sigma, tau
        See :class:`Multipliers`.
    """

    base: FloatArray
    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    sigma: float
    tau: FloatArray


class DualArrays(NamedTuple):
    """Data of an instance that the dual function reads.

    Lists of lists are stored as in :class:`optimizer.solve.problem.arrays.Arrays`.

    Parameters
    ----------
    base
        Shape (V, 48): linear cost, :data:`~optimizer.solve.problem.arrays.FORBIDDEN` where an option is not allowed.
    today, peers, vm_class, free
        Shape (V,): today's option; VMs with equal ``peers`` touch the same rows of services; class; and whether the VM
        may stay where it is without taking a place in a policy.
    key_begin, key_vms
        VMs of each key, with peers next to one another.
    touched_begin, touched
        Rows that class ``c`` touches at option ``t``, as list ``c * 48 + t``.
    pair_price, peak_price, fair_share, most
        Shape (num_rows,): prices, fair share, and maximum number of VMs in the row.
    room
        Shape (K, 48): number of VMs that today's policies can take.
    group_begin, group, group_limit
        Limits on writes that each key counts toward, and their maximum numbers of writes.
    policy_price, per_policy, max_moves
        Shape (1,) each: price of a policy write, maximum number of VMs in a new policy, and maximum number of moves,
        -1 if there is no limit.
    cuts
        Order cuts, for the demands of ``order``.
    services
        Services that are placed together; their rows come last in all arrays of rows.
    """

    base: FloatArray
    today: IntArray
    peers: IntArray
    vm_class: IntArray
    free: BoolArray
    key_begin: IntArray
    key_vms: IntArray
    touched_begin: IntArray
    touched: IntArray
    pair_price: FloatArray
    peak_price: FloatArray
    fair_share: IntArray
    most: IntArray
    room: IntArray
    group_begin: IntArray
    group: IntArray
    group_limit: FloatArray
    policy_price: FloatArray
    per_policy: IntArray
    max_moves: IntArray
    cuts: CutArrays
    services: ServiceArrays


class Answer(NamedTuple):
    """Results of the dual function, which are overwritten at each step.

    Parameters
    ----------
    lam, mu, alpha, tau, kappa
        Subgradient, with the shapes of the multipliers.
    cells, rows, cuts, services
        Shapes (K, 48), (num_rows,), (num_cuts,) and (num_services,): value of each subproblem.
    placed
        Starts of the VMs of services that are placed together; the next search for the cheapest starts begins at them.
    moves
        Shape (1,): subgradient of ``sigma``: moves of the relaxed solution minus their limit.
    """

    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    tau: FloatArray
    kappa: FloatArray
    cells: FloatArray
    rows: FloatArray
    cuts: FloatArray
    services: FloatArray
    placed: IntArray
    moves: FloatArray


def dual_arrays(instance: Instance) -> DualArrays:
    """Flatten an instance for the dual function."""
    rows = instance.rows
    assert not ((rows.pair_price > 0) & (rows.peak_price > 0)).any(), "a row is priced by pairs or by its peak"
    peers = instance.peers
    order = np.lexsort((peers, instance.key))
    placed = place_services(instance)
    touched_begin, touched = touched_lists(placed.touched, len(rows) + len(placed.pair_price))
    no_price, no_room = np.zeros(len(placed.pair_price)), np.zeros(len(placed.pair_price), dtype=np.int64)
    limits = write_groups(instance)
    group_begin, group = limits_by_key(instance.num_keys, [limit.keys for limit in limits])
    return DualArrays(
        base=np.ascontiguousarray(np.where(instance.allowed, instance.linear, FORBIDDEN)),
        today=np.array(instance.today),
        peers=peers,
        vm_class=np.array(instance.vm_class),
        free=~instance.counted_today,
        key_begin=np.searchsorted(instance.key[order], np.arange(instance.num_keys + 1)),
        key_vms=order,
        touched_begin=touched_begin,
        touched=touched,
        pair_price=np.concatenate((rows.pair_price, placed.pair_price)),
        peak_price=np.concatenate((rows.peak_price, no_price)),
        fair_share=np.concatenate((rows.fair_share, no_room)),
        most=np.concatenate((np.minimum(rows.size, rows.cap), no_room)),
        room=np.maximum(instance.existing * instance.vms_per_existing_policy - instance.unknown, 0),
        group_begin=group_begin,
        group=group,
        group_limit=np.array([limit.limit for limit in limits], dtype=np.float64),
        policy_price=np.array([instance.policy_write_price]),
        per_policy=np.array([instance.vms_per_new_policy], dtype=np.int64),
        max_moves=np.array([-1 if instance.max_moves is None else instance.max_moves], dtype=np.int64),
        cuts=cut_arrays(instance),
        services=placed.services,
    )


def empty_answer(d: DualArrays) -> Answer:
    """Allocate the arrays for the results."""
    num_rows, cells = len(d.pair_price), d.room.shape
    return Answer(
        np.empty(len(d.today)),
        np.empty(num_rows),
        np.empty(num_rows),
        np.empty(len(d.group_limit)),
        np.empty(d.cuts.level.shape),
        np.empty(cells),
        np.empty(num_rows),
        np.empty(len(d.cuts.positions)),
        np.empty(len(d.services.vm_begin) - 1),
        np.zeros(len(d.services.vm_kind), dtype=np.int64),
        np.empty(1),
    )


def price_classes(d: DualArrays, per_row: FloatArray) -> FloatArray:
    """Sum of a price per row over the rows that each class touches at each option; shape (C * 48,)."""
    return _price_lists(d.touched_begin, d.touched, per_row)


@compiled
def _price_lists(begin: IntArray, touched: IntArray, per_row: FloatArray) -> FloatArray:
    total = np.zeros(len(begin) - 1)
    for at in range(len(begin) - 1):
        for touch in range(begin[at], begin[at + 1]):
            total[at] += per_row[touched[touch]]
    return total


@compiled
def evaluate_dual(d: DualArrays, at: Prices, out: Answer) -> float:
    """Value of the dual function without the cuts; ``out`` receives the subgradient and the subproblems' values."""
    # The subgradient is what the relaxed solution violates. lam: 1 minus the options that the cells give the VM. mu:
    # the VMs that the cells put in a row, minus those of the row's problem. alpha: the cost that the cells are charged
    # with, minus that of the row. kappa: 1 at the option of the copy, minus 1 at that of the cells. sigma and tau:
    # what is used, minus the limit.
    out.lam[:] = 1.0
    out.cells[:] = 0.0
    out.moves[0] = 0.0
    out.mu[:] = 0.0  # at first what the cells take; the rows complete it to the subgradient, and so for alpha
    out.alpha[:] = 0.0
    out.kappa[:] = 0.0
    for group in range(len(at.tau)):
        out.tau[group] = -d.group_limit[group]
    charged = np.empty(len(at.alpha))
    for r in range(len(at.alpha)):
        charged[r] = at.alpha[r] * d.pair_price[r]
    priced = _price_lists(d.touched_begin, d.touched, at.mu)
    charges = _Charges(at.alpha, _price_lists(d.touched_begin, d.touched, charged))
    value = 0.0
    # Each VM is worth lam once; a cell that gives it an option pays lam back through the reduced cost.
    for v in range(len(at.lam)):
        value += at.lam[v]
    for k in range(len(d.key_begin) - 1):
        value += _evaluate_key(d, k, at, priced, charges, out)
    value += _evaluate_rows(d, at.mu, at.alpha, out)
    # sigma and tau are paid for every move and write, so what the limits allow is paid back.
    if d.max_moves[0] >= 0:
        value -= at.sigma * d.max_moves[0]
        out.moves[0] -= d.max_moves[0]
    for group in range(len(at.tau)):
        value -= at.tau[group] * d.group_limit[group]
    return value


@inner
def _evaluate_rows(d: DualArrays, mu: FloatArray, alpha: FloatArray, out: Answer) -> float:
    """Cheapest number of VMs in each row: ``min over n of (1 - alpha) * cost(n) - mu * n``, ``0 <= n <= most``."""
    pair, peak, fair, most = d.pair_price, d.peak_price, d.fair_share, d.most
    out_alpha, out_mu, out_rows = out.alpha, out.mu, out.rows
    total = 0.0
    for r in range(len(mu)):
        # The n-th VM adds pairs * (n - 1), or peaks above the fair share, and brings mu. Both costs never fall with n,
        # so the cheapest n is the last one at which the VM still costs less than mu.
        pairs, peaks = (1.0 - alpha[r]) * pair[r], (1.0 - alpha[r]) * peak[r]
        met = 0.0
        if mu[r] > 0.0:
            if pairs > 0.0:
                met = min(np.ceil(mu[r] / pairs), float(most[r]))
            elif mu[r] > peaks:
                met = float(most[r])
            else:
                met = float(min(fair[r], most[r]))
        above = max(0.0, met - fair[r])
        # Derivatives of the row's value: alpha shifts the row's cost to the cells, and mu pays for each VM.
        out_alpha[r] -= pair[r] * met * (met - 1) / 2 + peak[r] * above
        out_mu[r] -= met
        out_rows[r] = pairs * met * (met - 1) / 2 + peaks * above - mu[r] * met
        total += out_rows[r]
    return total


@inner
def _sort(value: FloatArray, v: IntArray) -> None:
    """Sort both arrays by value, stably: by insertion in short runs, which are then merged."""
    count = len(value)
    for begin in range(0, count, SORTED_RUN):
        for at in range(begin + 1, min(begin + SORTED_RUN, count)):
            key_value, key_v, to = value[at], v[at], at
            while to > begin and value[to - 1] > key_value:
                value[to], v[to] = value[to - 1], v[to - 1]
                to -= 1
            value[to], v[to] = key_value, key_v
    if count > SORTED_RUN:
        _merge_runs(value, v)


@inner
def _merge_runs(value: FloatArray, v: IntArray) -> None:
    """Merge sorted runs in pairs until one is left."""
    count, width = len(value), SORTED_RUN
    left_value, left_v = np.empty(count), np.empty(count, dtype=np.int64)
    while width < count:
        for begin in range(0, count - width, 2 * width):
            for at in range(width):
                left_value[at], left_v[at] = value[begin + at], v[begin + at]
            left, right, end, to = 0, begin + width, min(begin + 2 * width, count), begin
            while left < width:
                if right < end and value[right] < left_value[left]:
                    value[to], v[to] = value[right], v[right]
                    right += 1
                else:
                    value[to], v[to] = left_value[left], left_v[left]
                    left += 1
                to += 1
        width *= 2


class _Charges(NamedTuple):
    """Part of the rows' cost that the cells are charged with.

    Parameters
    ----------
    share
        Shape (num_rows,): the share of each row's cost, ``alpha``.
    pair
        Shape (C * 48,): charge for each pair of VMs of a class at an option.
    """

    share: FloatArray
    pair: FloatArray


class _Offers(NamedTuple):
    """VMs that are offered to a cell, with peers next to one another, and their reduced costs, all negative."""

    reduced: FloatArray
    v: IntArray


@inner
def _evaluate_key(d: DualArrays, k: int, at: Prices, priced: FloatArray, charges: _Charges, out: Answer) -> float:
    """Value of the cells of a key: which starts are opened and for which VMs."""
    begin, end = d.key_begin[k], d.key_begin[k + 1]
    size = end - begin
    if size == 0:
        return 0.0
    opening = d.policy_price[0]
    # A write also costs the multiplier of every limit that counts it.
    for number in range(d.group_begin[k], d.group_begin[k + 1]):
        opening += at.tau[d.group[number]]
    value, offered = np.empty((NUM_OPTIONS, size)), np.empty((NUM_OPTIONS, size), dtype=np.int64)
    count = np.zeros(NUM_OPTIONS, dtype=np.int64)
    key_vms, base, lam, sigma = d.key_vms, at.base, at.lam, at.sigma
    for number in range(begin, end):
        v = key_vms[number]
        first, worth, today = d.vm_class[v] * NUM_OPTIONS, lam[v], d.today[v]
        for t in range(NUM_OPTIONS):
            reduced = base[v, t] + priced[first + t] - worth
            if t != today:
                reduced += sigma
            # Only VMs with a negative reduced cost can be worth taking: charges for pairs, peaks and openings only add
            # cost.
            if reduced < 0.0:
                value[t, count[t]], offered[t, count[t]] = reduced, v
                count[t] += 1
    total = 0.0
    for t in range(NUM_OPTIONS):
        if count[t]:
            offers = _Offers(value[t, : count[t]], offered[t, : count[t]])
            total += _evaluate_cell(d, (k, t), offers, opening, charges, out)
    return total


@inner
def _evaluate_cell(
    d: DualArrays, cell: tuple[int, int], offers: _Offers, opening: float, charges: _Charges, out: Answer
) -> float:
    """Value of a cell: it takes the VMs with negative marginal cost if they are worth the policies that it opens.

    This is one function because the steps of the bound spend most of their time here: divided into its steps, the
    bound at 1,000 VMs takes a fifth longer, and compiling it a third.
    """
    k, t = cell
    value, offered, count = offers.reduced, offers.v, len(offers.v)
    share, pair = charges.share, charges.pair
    marginal, v, rank = np.empty(count), np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    free, free_rank = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    kept, num_free, total = 0, 0, 0.0
    at = 0
    while at < count:
        # The VMs of a key are sorted by peers, so a run of equal peers is one group whose pairs the cell is charged
        # with.
        run = at
        while run < count and d.peers[offered[run]] == d.peers[offered[at]]:
            run += 1
        if run > at + 1:
            _sort(value[at:run], offered[at:run])
        ranks, ranks_free = 0, 0
        for number in range(at, run):
            w = offered[number]
            each = pair[d.vm_class[w] * NUM_OPTIONS + t]
            if d.free[w] and t == d.today[w]:
                # The VM stays in a policy that exceeds its limit: a group of its own that does not need an open cell.
                if value[number] + ranks_free * each < 0.0:
                    total += value[number] + ranks_free * each
                    free[num_free], free_rank[num_free] = w, ranks_free
                    num_free += 1
                    ranks_free += 1
            elif value[number] + ranks * each < 0.0:
                marginal[kept], v[kept], rank[kept] = value[number] + ranks * each, w, ranks
                kept += 1
                ranks += 1
        at = run
    _take(d, free[:num_free], free_rank, t, out)
    if kept == 0:
        out.cells[k, t] = total
        return total
    room, per_policy = d.room[k, t], d.per_policy[0]
    # All VMs of a key touch the same rows of vault starts at this option, so the rows of the first VM serve for all.
    listed = d.vm_class[v[0]] * NUM_OPTIONS + t
    fewest_fair = kept
    for touch in range(d.touched_begin[listed], d.touched_begin[listed + 1]):
        r = d.touched[touch]
        if d.peak_price[r] > 0.0 and share[r] > 0.0:
            fewest_fair = min(fewest_fair, d.fair_share[r])
    # Up to the fair share and the first policy, the cell takes every VM that it kept, so their order does not matter.
    # Beyond that, the cheapest VMs must come first.
    if kept > fewest_fair or kept > (room if room > 0 else per_policy):
        order, unsorted, unsorted_rank = np.empty(kept, dtype=np.int64), v, rank
        v, rank = np.empty(kept, dtype=np.int64), np.empty(kept, dtype=np.int64)
        for number in range(kept):
            order[number] = number
        _sort(marginal[:kept], order)
        for number in range(kept):
            v[number], rank[number] = unsorted[order[number]], unsorted_rank[order[number]]
        for touch in range(d.touched_begin[listed], d.touched_begin[listed + 1]):
            r = d.touched[touch]
            if d.peak_price[r] > 0.0:
                for number in range(d.fair_share[r], kept):
                    marginal[number] += share[r] * d.peak_price[r]
    # Marginals never fall among peers, and they were sorted above if anything depends on how many VMs are taken.
    best, best_taken, best_opened, running = 0.0, 0, 0, 0.0
    taken = 0
    # Sorted marginals ascend, so the first one that is not negative ends the loop; unsorted ones are all negative.
    # Every prefix is priced with the policies that it opens, and the cheapest one is kept.
    while taken < kept and marginal[taken] < 0.0:
        running += marginal[taken]
        taken += 1
        opened = 0 if taken <= room else (taken - room + per_policy - 1) // per_policy
        if running + opening * opened < best:
            best, best_taken, best_opened = running + opening * opened, taken, opened
    if best_taken:
        _take(d, v[:best_taken], rank, t, out)
        for touch in range(d.touched_begin[listed], d.touched_begin[listed + 1]):
            r = d.touched[touch]
            if d.peak_price[r] > 0.0:
                out.alpha[r] += d.peak_price[r] * max(0, best_taken - d.fair_share[r])
        for group in range(d.group_begin[k], d.group_begin[k + 1]):
            out.tau[d.group[group]] += best_opened
    out.cells[k, t] = total + best
    return total + best


@inner
def _take(d: DualArrays, taken: IntArray, ranks: IntArray, t: int, out: Answer) -> None:
    """Count the VMs that a cell takes: in their rows, and with the pairs that they form within the cell."""
    today, vm_class, begin, touched, pair = d.today, d.vm_class, d.touched_begin, d.touched, d.pair_price
    lam, occupied, inner, copies = out.lam, out.mu, out.alpha, out.kappa
    copy_begin, copy_of = d.cuts.of_vm_begin, d.cuts.of_vm
    moves = 0
    for number in range(len(taken)):
        v, rank = taken[number], ranks[number]
        lam[v] -= 1.0
        moves += t != today[v]
        listed = vm_class[v] * NUM_OPTIONS + t
        for touch in range(begin[listed], begin[listed + 1]):
            occupied[touched[touch]] += 1.0
            inner[touched[touch]] += pair[touched[touch]] * rank
        for copy in range(copy_begin[v], copy_begin[v + 1]):
            copies[copy_of[copy], t] -= 1.0
    out.moves[0] += moves
