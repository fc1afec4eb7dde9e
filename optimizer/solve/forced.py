"""What a schedule must cost at least if one VM starts at one time: the bound with a single decision forced.

Proof of validity.  At fixed multipliers the relaxation of :mod:`optimizer.solve.bound` splits into cells (twin key
``k``, start ``t``) and rows, and its value is ``L = constants + sum of rho[k, t] + free stays + rows``.  A schedule
in which VM ``v`` starts at ``t`` satisfies all that the relaxation asks, and two things more: no other cell of its
key takes ``v``, and cell ``(k, t)`` does.  Asking these of the cells keeps the split, hence

    ``forced[v, t] = L + sum over u != t of (without[v, u] - rho[k, u]) + (with[v, t] - rho[k, t])``

with ``without`` and ``with`` the least values of a cell that must not, or must, take ``v``.  Both differences are
never negative, as the cell has fewer choices; any lower bounds of ``without`` and ``with`` and any upper bound of
``rho`` keep the formula valid, since each difference is then understated, and is cut off at 0.

*Values.*  Within a service the VMs taken, in ascending order of their reduced costs ``r``, cost ``r + j * charge``
(``j = 0, 1, ...``).  Without ``v`` those after it move up one rank: their marginal costs fall by one charge.  With
``v`` forced, ``v`` is taken as if of rank 0 and all others come one rank later: the cost of the pairs is the same
in whichever order they are counted.  The marginals do not fall, so the negative ones are the ones to take.
*Opening.*  Where no policy with room exists, a cell that takes anybody opens one at least; where one does, none at
least: the further policies that more than a hundred VMs need are left out, which understates.  ``rho`` is overstated
by the cheaper of taking nobody and taking everybody wanted with all the policies that these need.

Beasley, "Lagrangean heuristics for location problems", European Journal of Operational Research 65 (1993), fixes
variables by the same argument, one reduced cost at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound import SAFETY, Dual, Multipliers
from optimizer.solve.instance import BoolArray, FloatArray, Instance, IntArray


def forced_bounds(instance: Instance, multipliers: Multipliers) -> FloatArray:
    """Lower bounds on the cost of every feasible schedule in which one VM starts at one time.

    Parameters
    ----------
    instance
        The problem.
    multipliers
        Any point of the dual; the better its bound, the more these tell.

    Returns
    -------
    numpy.ndarray
        Shape (V, 48), in at-risk backups per 30 days; infinite (the least of no schedule at all) where the option is
        not allowed.
    """
    dual = Dual(instance)
    bound = dual.evaluate(multipliers).value
    reduced = dual.reduced_costs(multipliers) - multipliers.lam[:, None]
    charged = np.append(multipliers.alpha * instance.rows.pair_price, 0.0)
    charge = charged[instance.touched].sum(axis=2)[instance.vm_class]
    shut_out, taken_in = np.zeros_like(reduced), np.zeros_like(reduced)
    for t in range(NUM_OPTIONS):
        shut_out[:, t], taken_in[:, t] = _increases(instance, t, reduced[:, t], charge[:, t])
    forced: FloatArray = bound + (shut_out.sum(axis=1)[:, None] - shut_out) + taken_in
    forced -= SAFETY * (1 + abs(bound) + np.abs(forced))
    return np.where(instance.allowed, forced, np.inf)


@dataclass(frozen=True, slots=True)
class _Worth:
    """Of each VM's group (one service at one cell): the best sums of marginal costs; every array of shape (V,).

    Parameters
    ----------
    free
        Taking whom it wants.
    without, including
        The same without the VM, and with it forced in.
    wanted
        How many the group wants.
    """

    free: FloatArray
    without: FloatArray
    including: FloatArray
    wanted: FloatArray


def _increases(instance: Instance, t: int, reduced: FloatArray, charge: FloatArray) -> tuple[FloatArray, FloatArray]:
    """By how much the cells of one start rise without each VM, and with it; shapes (V,)."""
    stays = ~instance.counted_today & (instance.today == t)  # needs no place in a policy: no cell to open
    group, leader = _groups(instance, stays)
    worth = _worth(reduced, charge, group)
    counts = leader & ~stays
    key, num_keys = instance.key, instance.num_keys
    of_cell = np.bincount(key[counts], weights=worth.free[counts], minlength=num_keys)
    wanted = np.bincount(key[counts], weights=worth.wanted[counts], minlength=num_keys)
    room = np.maximum(instance.existing[:, t] * instance.max_vms_per_policy - instance.unknown[:, t], 0)
    policies = np.ceil(np.maximum(wanted - room, 0) / instance.max_vms_per_policy)
    rho = np.minimum(0.0, of_cell + instance.policy_write_price * policies)[key]
    opening = np.where(room > 0, 0.0, instance.policy_write_price)[key]
    without = np.minimum(0.0, of_cell[key] - worth.free + worth.without + opening)
    including = of_cell[key] - worth.free + worth.including + opening
    shut_out = np.where(stays, worth.without - worth.free, without - rho)
    taken_in = np.where(stays, worth.including - worth.free, including - rho)
    return np.maximum(shut_out, 0.0), np.maximum(taken_in, 0.0)


def _groups(instance: Instance, stays: BoolArray) -> tuple[IntArray, BoolArray]:
    """Number of each VM's group, and whether it is the first of its group; shapes (V,)."""
    num_services = int(instance.service.max(initial=0)) + 1
    label = (instance.key * num_services + instance.service) * 2 + stays
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    leader = np.zeros(instance.num_vms, dtype=np.bool_)
    leader[first] = True
    return group, leader


def _worth(reduced: FloatArray, charge: FloatArray, group: IntArray) -> _Worth:
    """Sums over each group with ranks as they are, one lower behind the VM, and one higher before it."""
    order = np.lexsort((reduced, group))
    value, price, of_group = reduced[order], charge[order], group[order]
    first = np.searchsorted(of_group, np.arange(int(group.max(initial=-1)) + 1))
    marginal = value + (np.arange(len(order)) - first[of_group]) * price
    asis, lower, higher = (np.minimum(0.0, marginal + shift * price) for shift in (0, -1, 1))
    sorted_worth = (
        _total(asis, of_group),
        _before(asis, first, of_group) + _total(lower, of_group) - _before(lower, first, of_group) - lower,
        value + _before(higher, first, of_group) + _total(asis, of_group) - _before(asis, first, of_group) - asis,
        _total((marginal < 0).astype(np.float64), of_group),
    )
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    free, without, including, wanted = (part[back] for part in sorted_worth)
    return _Worth(free, without, including, wanted)


def _total(part: FloatArray, of_group: IntArray) -> FloatArray:
    """Sum over the member's group; shape (V,)."""
    return np.asarray(np.bincount(of_group, weights=part)[of_group])


def _before(part: FloatArray, first: IntArray, of_group: IntArray) -> FloatArray:
    """Sum over the members of the group that come before; shape (V,), exact to rounding."""
    before = np.concatenate(([0.0], np.cumsum(part)))
    return np.asarray(before[:-1] - before[first][of_group])
