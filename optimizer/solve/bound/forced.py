"""Forced bounds: a lower bound on the cost of schedules in which one VM starts at one time.

:func:`optimizer.solve.bound.ascent.forced_bounds` only adds the reduced cost of the forced option. That says nothing
about a VM with one good start whose value ``lam`` has stayed high: the bound is equally good at any ``lam`` between
the VM's best and second best option. This module also looks into the cells that lose the VM, so that ``lam`` cancels
out.

Proof of validity. At fixed multipliers, the relaxation of :mod:`optimizer.solve.bound.ascent` splits into cells (twin
key ``k``, start ``t``), rows and cuts. A schedule in which VM ``v`` starts at ``t`` satisfies all that the relaxation
demands, and three things more: no other cell of its key takes ``v``, cell ``(k, t)`` does, and the copies of ``v`` in
cuts are at ``t``. Demanding these of cells and cuts keeps the split. So, with ``L`` the bound and ``rho`` the values
of the cells,

    ``forced[v, t] = L + sum over u != t of (without[v, u] - rho[k, u]) + (with[v, t] - rho[k, t]) + cuts[v, t]``

where ``without`` and ``with`` are the minimum values of a cell that must not, or must, take ``v``, and ``cuts`` is the
additional cost of the cuts of ``v`` with its copies at ``t``. The differences are never negative, because there are
fewer choices. So any lower bounds of ``without``, ``with`` and ``cuts`` keep the formula valid, with differences cut
off at 0.

*Values.* Among peers (VMs of one service and weight), those taken, in ascending order of their reduced costs ``r``,
cost ``r + j * charge`` (``j = 0, 1, ...``). Without ``v``, the VMs after it move up one rank, and their marginal costs
fall by one charge. With ``v`` forced, ``v`` is taken as if it had rank 0, and all others come one rank later; the cost
of the pairs is the same in whatever order they are counted. The marginals never fall, so the negative ones are the
ones to take.
*Left out*, which makes the bound lower: charges for peaks, and policies beyond the first one that a cell has to open.

Beasley, "Lagrangean heuristics for location problems", European Journal of Operational Research 65 (1993), fixes
variables by the same argument, one reduced cost at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound.ascent import SAFETY, dual_value, forced_bounds, reduced_costs
from optimizer.solve.bound.dual import DualArrays, Multipliers, dual_arrays, empty_answer, price_classes
from optimizer.solve.bound.dual_gates import forced_increases
from optimizer.solve.problem.instance import Instance


def sharp_forced_bounds(instance: Instance, at: Multipliers) -> FloatArray:
    """Lower bounds on the cost of every feasible schedule in which one VM starts at one time.

    Parameters
    ----------
    instance
        The problem.
    at
        Any point of the dual; the better its bound, the stronger these bounds.

    Returns
    -------
    numpy.ndarray
        Shape (V, 48), in at-risk backups per 30 days; infinite (no schedule exists) where the option is not allowed.
    """
    d = dual_arrays(instance)
    answer = empty_answer(d)
    bound = dual_value(d, at, answer)
    reduced = reduced_costs(instance, at) - at.lam[:, None]
    charge = price_classes(d, at.alpha * d.pair_price).reshape(-1, NUM_OPTIONS)[instance.vm_class]
    opening = _opening_prices(d, at)
    shut_out, taken_in = np.zeros_like(reduced), np.zeros_like(reduced)
    for t in range(NUM_OPTIONS):
        price = np.where(d.room[:, t] > 0, 0.0, opening)
        shut_out[:, t], taken_in[:, t] = _increases(
            instance, t, reduced[:, t], charge[:, t], price, answer.cells[:, t]
        )
    forced: FloatArray = bound + (shut_out.sum(axis=1)[:, None] - shut_out) + taken_in
    forced_increases(d.cuts, at.kappa, forced)
    forced -= SAFETY * (1 + np.abs(forced))
    return np.where(instance.allowed, np.maximum(forced, forced_bounds(instance, at)), np.inf)


def _opening_prices(d: DualArrays, at: Multipliers) -> FloatArray:
    """Price of a policy of each key, including the prices of the limits on writes; shape (K,)."""
    of_key = np.repeat(np.arange(len(d.group_begin) - 1), np.diff(d.group_begin))
    limits = np.bincount(of_key, weights=at.tau[d.group], minlength=len(d.group_begin) - 1)
    return np.asarray(d.policy_price[0] + limits)


@dataclass(frozen=True, slots=True)
class _Worth:
    """Best sums of marginal costs of each VM's group (its peers at one cell); every array has shape (V,).

    Parameters
    ----------
    free
        Sum if the cell may take any of its VMs.
    without, including
        Sum without the VM, and with the VM forced in.
    """

    free: FloatArray
    without: FloatArray
    including: FloatArray


def _increases(
    instance: Instance, t: int, reduced: FloatArray, charge: FloatArray, opening: FloatArray, cells: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """By how much the cells of one start become more expensive without each VM, and with it; both have shape (V,).

    Parameters
    ----------
    instance
        The problem.
    t
        The start.
    reduced, charge
        Shape (V,): reduced cost of the option, and charge for each pair.
    opening
        Shape (K,): minimum that a cell pays to take any VM.
    cells
        Shape (K,): value of the cells, including the VMs that stay in policies over their limit.
    """
    stays = ~instance.counted_today & (instance.today == t)  # takes no place in a policy, so it needs no open cell
    group, leader = _groups(instance, stays)
    worth, key = _worth(reduced, charge, group), instance.key
    counted, staying = leader & ~stays, leader & stays
    of_cell = np.bincount(key[counted], weights=worth.free[counted], minlength=instance.num_keys)[key]
    of_staying = np.bincount(key[staying], weights=worth.free[staying], minlength=instance.num_keys)
    rho, price = (cells - of_staying)[key], opening[key]
    without = np.minimum(0.0, of_cell - worth.free + worth.without + price)
    including = of_cell - worth.free + worth.including + price
    shut_out = np.where(stays, worth.without - worth.free, without - rho)
    taken_in = np.where(stays, worth.including - worth.free, including - rho)
    return np.maximum(shut_out, 0.0), np.maximum(taken_in, 0.0)


def _groups(instance: Instance, stays: BoolArray) -> tuple[IntArray, BoolArray]:
    """Index of each VM's group, and whether the VM is the first of its group; both have shape (V,)."""
    peers = instance.peers
    label = (instance.key * (int(peers.max(initial=0)) + 1) + peers) * 2 + stays
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    leader = np.zeros(instance.num_vms, dtype=np.bool_)
    leader[first] = True
    return group, leader


def _worth(reduced: FloatArray, charge: FloatArray, group: IntArray) -> _Worth:
    """Sums over each group: with ranks unchanged, with those after the VM lowered, and with those before it raised."""
    order = np.lexsort((reduced, group))
    value, price, of_group = reduced[order], charge[order], group[order]
    first = np.searchsorted(of_group, np.arange(int(group.max(initial=-1)) + 1))
    marginal = value + (np.arange(len(order)) - first[of_group]) * price
    asis, lower, higher = (np.minimum(0.0, marginal + shift * price) for shift in (0, -1, 1))
    sorted_worth = (
        _total(asis, of_group),
        _before(asis, first, of_group) + _total(lower, of_group) - _before(lower, first, of_group) - lower,
        value + _before(higher, first, of_group) + _total(asis, of_group) - _before(asis, first, of_group) - asis,
    )
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    free, without, including = (part[back] for part in sorted_worth)
    return _Worth(free, without, including)


def _total(part: FloatArray, of_group: IntArray) -> FloatArray:
    """Sum over the VM's group; shape (V,)."""
    return np.asarray(np.bincount(of_group, weights=part)[of_group])


def _before(part: FloatArray, first: IntArray, of_group: IntArray) -> FloatArray:
    """Sum over the VMs of the group that come before; shape (V,), exact except for rounding."""
    before = np.concatenate(([0.0], np.cumsum(part)))
    return np.asarray(before[:-1] - before[first][of_group])
