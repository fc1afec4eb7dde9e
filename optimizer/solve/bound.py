"""Proven lower bound: a strengthened Lagrangian relaxation, ascended with Adam.

Relaxed are "one option per VM" (``lam``), the link between a VM's option and the rows that it touches (``mu``) and
the limit on moves (``sigma``).  What is left splits into one problem per cell (twin key ``k``, start ``t``), which
decides whether the start is opened and for whom, and one per row.  A plain relaxation is weak because a fraction of
a policy serves a whole service without a single pair; here an opened cell is charged with the share ``alpha[r]`` of
the pairs of everybody it takes.

Proof of validity.  Let ``P(n) = p n (n - 1) / 2``.  For any partition of the VMs that meet in row ``r`` into groups
of sizes ``n_i``, ``P(sum n_i) >= sum P(n_i)``, hence for ``0 <= alpha <= 1``

    ``P(n_r) >= (1 - alpha[r]) P(n_r) + alpha[r] * sum over cells (k, t) that touch r of P(n_r,kt)``

with ``n_r,kt`` the VMs of the row's service at that cell: VMs of one key and one start touch the same rows.  So the
objective is at least the one with the right-hand side, and relaxing equalities of that with any multipliers gives a
lower bound.  The cell problem is solved exactly: within a service the j-th VM taken costs ``j`` times the charge, so
its marginal costs, in ascending order of the reduced costs, do not fall, and the merged marginals of all services
are taken while they are negative.  The row problem is a minimum over ``n`` in ``[0, min(size, cap)]`` of a convex
function.  Dropped altogether, which can only lower the bound: the limit of policies per vault.

Fisher, "The Lagrangian relaxation method for solving integer programming problems", Management Science 27 (1981);
Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, for the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.instance import BoolArray, FloatArray, Instance, IntArray, RowKind

FORBIDDEN = 1e6
"""Reduced cost of a forbidden option: never taken."""

SAFETY = 1e-7
"""Taken off the bound, times 1 + its size: floating-point sums err by far less."""


OnStep = Callable[[int, float], bool]


def keep_going(_step: int, _bound: float) -> bool:
    """An :data:`OnStep` that never stops."""
    return True


@dataclass(slots=True)
class Multipliers:
    """A point of the dual.

    Parameters
    ----------
    lam
        Shape (V,): value of giving the VM an option.
    mu
        Shape (num_rows,), not negative: price of meeting in the row.
    alpha
        Shape (num_rows,), in [0, 1]: share of the row's pairs that the cells are charged with.
    sigma
        Not negative: price of a move beyond the limit of moves.
    """

    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    sigma: float = 0.0

    def copy(self) -> Multipliers:
        """An independent copy."""
        return Multipliers(self.lam.copy(), self.mu.copy(), self.alpha.copy(), self.sigma)


@dataclass(frozen=True, slots=True)
class DualPoint:
    """Value and a subgradient of the dual at one point, with the relaxed solution behind it.

    Parameters
    ----------
    value
        The lower bound.
    lam, mu, alpha, sigma
        Subgradient.
    opened
        Shape (K, 48), bool: cells that the relaxed solution opens.
    """

    value: float
    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    sigma: float
    opened: BoolArray


class Dual:
    """The dual function of one instance, with everything that does not change computed once."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        rows = instance.rows
        self.num_rows = len(rows)
        self.padded_pair_price = np.append(rows.pair_price, 0.0)
        self.most = np.minimum(rows.size, rows.cap)
        self.is_pair = np.array([kind is RowKind.SERVICE for kind in rows.kind], dtype=np.bool_)
        self.class_of = instance.vm_class
        self.moved = np.arange(NUM_OPTIONS)[None, :] != instance.today[:, None]
        self.base = np.where(instance.allowed, instance.linear, FORBIDDEN)
        _, self.segment = np.unique(
            instance.key * (int(instance.service.max(initial=0)) + 1) + instance.service, return_inverse=True
        )
        room = instance.existing * instance.max_vms_per_policy - instance.unknown
        self.room = np.maximum(room, 0).ravel()
        self.free = ~instance.counted_today

    def start(self) -> Multipliers:
        """Where the ascent begins: each VM is worth its second cheapest option."""
        second = np.partition(self.base, 1, axis=1)[:, 1]
        lam = np.where(second >= FORBIDDEN, self.base.min(axis=1), second)
        alpha = np.where(self.is_pair, 0.3, 0.0)
        return Multipliers(lam, np.zeros(self.num_rows), alpha)

    def reduced_costs(self, at: Multipliers) -> FloatArray:
        """Cost of each option under the prices of the rows, before the VM's own value; shape (V, 48)."""
        priced = np.append(at.mu, 0.0)[self.instance.touched].sum(axis=2)
        cost: FloatArray = self.base + priced[self.class_of]
        if at.sigma:
            cost = cost + at.sigma * self.moved
        return cost

    def evaluate(self, at: Multipliers) -> DualPoint:
        """Value and subgradient at a point."""
        instance = self.instance
        v, t, rank, marginal = self._offers(at)
        cell = instance.key[v] * NUM_OPTIONS + t
        taken, rho, opened = self._cells(v, t, cell, marginal)
        v, t, rank = v[taken], t[taken], rank[taken]

        pairs = (1.0 - at.alpha) * instance.rows.pair_price
        met, row_value = self._rows(at.mu, pairs)
        terms = [float(at.lam.sum()), float(rho.sum()), float(row_value.sum())]
        sigma = 0.0
        if instance.max_moves is not None:
            terms.append(-at.sigma * instance.max_moves)
            sigma = float(self.moved[v, t].sum()) - instance.max_moves
        touched = instance.touched[self.class_of[v], t]
        occupied = np.bincount(touched.ravel(), minlength=self.num_rows + 1)[: self.num_rows]
        inner = np.bincount(
            touched.ravel(), weights=np.repeat(rank.astype(np.float64), touched.shape[1]), minlength=self.num_rows + 1
        )[: self.num_rows]
        return DualPoint(
            value=math.fsum(terms),
            lam=1.0 - np.bincount(v, minlength=instance.num_vms).astype(np.float64),
            mu=occupied - met,
            alpha=np.where(self.is_pair, instance.rows.pair_price * (inner - met * (met - 1) / 2), 0.0),
            sigma=sigma,
            opened=opened,
        )

    def _offers(self, at: Multipliers) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        """Options with negative reduced cost: VM, option, rank within service and cell, marginal cost."""
        reduced = self.reduced_costs(at) - at.lam[:, None]
        v, t = np.nonzero(reduced < 0)
        value = reduced[v, t]
        # VMs that may stay in a policy over its limit are a group of their own: they do not need the cell opened.
        group = (self.segment[v] * NUM_OPTIONS + t) * 2 + (self.free[v] & (t == self.instance.today[v]))
        order = np.lexsort((value, group))
        v, t, value, group = v[order], t[order], value[order], group[order]
        begins = np.ones(len(group), dtype=np.bool_)
        begins[1:] = group[1:] != group[:-1]
        first = np.flatnonzero(begins)
        rank = np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
        charge = (np.append(at.alpha, 0.0) * self.padded_pair_price)[self.instance.touched].sum(axis=2)
        return v, t, rank, value + rank * charge[self.class_of[v], t]

    def _cells(
        self, v: IntArray, t: IntArray, cell: IntArray, marginal: FloatArray
    ) -> tuple[BoolArray, FloatArray, BoolArray]:
        """Which offers the cells take, the value of each cell, which cells are open."""
        instance = self.instance
        num_cells = instance.num_keys * NUM_OPTIONS
        wanted = marginal < 0
        free = wanted & self.free[v] & (t == instance.today[v])
        wanted &= ~free
        count = np.bincount(cell[wanted], minlength=num_cells)
        worth = np.bincount(cell[wanted], weights=marginal[wanted], minlength=num_cells)
        price = instance.policy_write_price
        blocks = -(-np.maximum(count - self.room, 0) // instance.max_vms_per_policy)
        value = worth + price * blocks
        # Where taking everybody needs more than one new policy, or one beyond those that exist, taking fewer may be
        # better: try every number of policies, which is exact because the marginals are taken in ascending order.
        for at in np.flatnonzero((blocks > 1) | ((blocks == 1) & (self.room > 0))).tolist():
            members = np.flatnonzero(wanted & (cell == at))
            order = members[np.argsort(marginal[members], kind="stable")]
            prefix = np.concatenate(([0.0], np.cumsum(marginal[order])))
            sizes = np.minimum(self.room[at] + instance.max_vms_per_policy * np.arange(blocks[at] + 1), len(order))
            totals = prefix[sizes] + price * np.arange(blocks[at] + 1)
            best = int(np.argmin(totals))
            value[at] = totals[best]
            wanted[order[sizes[best] :]] = False
        opened = (value < 0) & (count > 0)
        taken = (wanted & opened[cell]) | free
        rho = np.append(np.where(opened, value, 0.0), marginal[free].sum())
        return taken, rho, opened.reshape(instance.num_keys, NUM_OPTIONS)

    def _rows(self, mu: FloatArray, pairs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Best number of VMs in each row under its price, and the value of that."""
        rows = self.instance.rows
        with np.errstate(divide="ignore", invalid="ignore"):
            by_pairs = np.where(pairs > 0, np.ceil(mu / pairs), np.where(mu > 0, np.inf, 0.0))
        by_peak = np.where(mu > rows.peak_price, np.inf, np.where(mu > 0, rows.fair_share, 0))
        met = np.minimum(np.where(self.is_pair, by_pairs, by_peak), self.most)
        value = pairs * met * (met - 1) / 2 + rows.peak_price * np.maximum(0, met - rows.fair_share) - mu * met
        return met, value


@dataclass(frozen=True, slots=True)
class Ascent:
    """Result of :func:`ascend`.

    Parameters
    ----------
    bound
        The best lower bound, rounded down by a safety margin.
    best
        Where it was found.
    opened_share
        Shape (K, 48): share of the later steps in which the relaxed solution opened the cell.
    """

    bound: float
    best: Multipliers
    opened_share: FloatArray


class _Adam:
    """Adam for ascent on one array."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.first = np.zeros(shape)
        self.second = np.zeros(shape)

    def step(self, gradient: FloatArray, rate: FloatArray | float, number: int) -> FloatArray:
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.99 * self.second + 0.01 * gradient * gradient
        first = self.first / (1 - 0.9**number)
        second = self.second / (1 - 0.99**number)
        return np.asarray(rate * first / (np.sqrt(second) + 1e-9))


ALPHA_RATE = 0.1
LAST_RATE = 0.001
"""Rates decay geometrically to this share of the first ones."""


def _first_rates(instance: Instance) -> tuple[FloatArray, FloatArray, float]:
    """First rates of lam, shape (V,), of mu, shape (num_rows,), and of sigma.

    A multiplier must be able to travel as far as its value may lie: a VM of a large service is worth up to the
    pairs that it makes with all the others, and so is meeting in a row.  One rate for all stalls on large services.
    """
    rows = instance.rows
    overlap_price = float((rows.pair_price / rows.weight).max(initial=0.0))
    service_size = np.bincount(instance.service)[instance.service].astype(np.float64)
    lam: FloatArray = 0.05 + 0.5 * overlap_price * service_size
    mu: FloatArray = 0.05 * rows.pair_price * rows.size.astype(np.float64) + 0.2 * np.maximum(
        rows.pair_price, rows.peak_price
    )
    # A cap, or a move where moves are scarce, may be worth what the VM with most to gain would give for it.
    today = instance.linear[np.arange(instance.num_vms), instance.today]
    most_to_gain = float((today - np.where(instance.allowed, instance.linear, np.inf).min(axis=1)).max(initial=0.0))
    scarce = 0.02 * (most_to_gain + 5 * overlap_price * float(service_size.max(initial=0.0)))
    return lam, np.where(mu > 0, mu, max(scarce, 0.01)), max(scarce, 0.01)


def ascend(instance: Instance, num_steps: int, on_step: OnStep = keep_going) -> Ascent:
    """Ascend the dual and keep the best bound.

    Parameters
    ----------
    instance
        The problem; feasible or not.
    num_steps
        Steps; more are slower and tighter.
    on_step
        Called with (step, best bound); the ascent ends early where it returns False.
    """
    dual = Dual(instance)
    at = dual.start()
    lam, mu, alpha, sigma = (_Adam(part.shape) for part in (at.lam, at.mu, at.alpha, np.zeros(1)))
    lam_rate, mu_rate, sigma_rate = _first_rates(instance)
    bound, best = -math.inf, at.copy()
    share = np.zeros((instance.num_keys, NUM_OPTIONS))
    averaged = 0
    for number in range(1, num_steps + 1):
        point = dual.evaluate(at)
        if point.value > bound:
            bound, best = point.value, at.copy()
        if number > num_steps // 2:
            share += point.opened
            averaged += 1
        if not on_step(number, bound):
            break
        decay = LAST_RATE ** (number / num_steps)
        at.lam = at.lam + lam.step(point.lam, lam_rate * decay, number)
        at.mu = np.maximum(0.0, at.mu + mu.step(point.mu, mu_rate * decay, number))
        at.alpha = np.clip(at.alpha + alpha.step(point.alpha, ALPHA_RATE * decay, number), 0.0, 1.0)
        if instance.max_moves is not None:
            at.sigma = max(0.0, at.sigma + float(sigma.step(np.array([point.sigma]), sigma_rate * decay, number)[0]))
    return Ascent(bound - SAFETY * (1 + abs(bound)), best, share / max(1, averaged))
