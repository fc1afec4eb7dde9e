"""Proven lower bound: a strengthened Lagrangian relaxation, ascended with Adam.

The relaxation drops these constraints and prices their violation with multipliers: "one option per VM" (``lam``); the
link between a VM's option and the rows that it touches (``mu``); the limit on moves (``sigma``); limits on policy
writes (``tau``); and that a VM and its copies in cuts, which represent ``order``, are at the same option (``kappa``).
What remains splits into one problem per cell (twin key ``k``, start ``t``), which decides whether the start is opened
and for which VMs, one problem per row, and one per cut. A few small services have one problem instead of their rows
(:mod:`optimizer.solve.bound.dual_services`). A plain relaxation is weak, because a fraction of a policy serves a whole
service without a single pair, and a whole vault without a peak. Here, an opened cell is charged with the share
``alpha[r]`` of the cost that its own VMs cause in row ``r``.

Proof of validity. The cost of a row, ``f(n) = p n (n - 1) / 2 + q max(0, n - fair share)``, is convex with
``f(0) = 0`` and so superadditive: for any partition of the VMs in row ``r`` into groups of sizes ``n_i``,
``f(sum n_i) >= sum f(n_i)``. Therefore, for ``0 <= alpha <= 1``,

    ``f(n_r) >= (1 - alpha[r]) f(n_r) + alpha[r] * sum over cells (k, t) that touch r of f(n_r,kt)``

where ``n_r,kt`` is the number of VMs that the row counts at that cell. VMs of one key and one start touch the same
rows: in the rows of services, *peers* (VMs of one service and weight) do; in the rows of a vault's starts, all of them
do. In a row that several kinds of peers touch, each kind is a group of its own. So the objective is at least the one
with the right-hand side, and relaxing constraints of that one with any multipliers of the right sign gives a lower
bound. The cell problem is solved exactly. Among peers, the j-th VM taken (from 0) costs ``j`` times the charge for
pairs, so their marginal costs, in ascending order of the reduced costs, never fall. Merged over all peers in ascending
order, they are increased by the charge for the peak, which never falls with the number taken either. For every number
of policies, the cheapest prefix is tried. The row problem is the minimum of a convex function over ``n`` in
``[0, min(size, cap)]``.

A cut (:mod:`optimizer.solve.bound.cuts`) has two sides of VMs. No VM of one side may be at an option that clashes with
one of a VM of the other side. The options of its first side are nested by what they clash with. So among the options
that a schedule uses there, one clashes with everything that any of them clashes with. Its row in the clash matrix is
some position of the cut, and both sides are at options of that position. Give each VM of a cut a copy of its choice. A
schedule remains a schedule with the copies at the VM's own option, and

    ``sum over copies c of v, options t, of kappa[c, t] * (copy[c, t] - x[v, t])``

adds nothing to its cost, whatever the sign of ``kappa``. The cells get ``-kappa``, the copies ``kappa``. What the
copies pay is at least the minimum that they could pay if each chose an allowed option on its own: the minimum over
positions of the sum over copies of the cheapest option of that position. A side may have many VMs, but each is at one
option, so a cut is as strong as if all its schedules were listed. Constraints on pairs of options would be weaker:
halves of two options satisfy them.

Some constraints are dropped altogether, which can only lower the bound: ``separate`` between sets; clashes of
``order`` that are not nested (between two weekly policies that may cross midnight); and, in a vault's limit on
policies, that edits have to leave their old start (it is counted as if every editable policy were edited). Copies gain
next to nothing for ``separate``: the mean of two schedules in which the sets have traded places keeps it as well, and
costs the relaxation no more.

Fisher, "The Lagrangian relaxation method for solving integer programming problems", Management Science 27 (1981);
Guignard and Kim, "Lagrangean decomposition: a model yielding stronger Lagrangean bounds", Mathematical Programming 39
(1987), for the copies; Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, for the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import FloatArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound.dual import (
    Answer,
    DualArrays,
    Multipliers,
    dual_arrays,
    empty_answer,
    evaluate_dual,
    price_classes,
)
from optimizer.solve.bound.dual_gates import evaluate_cuts, less_copies
from optimizer.solve.bound.dual_services import Placement, evaluate_services
from optimizer.solve.compiled import compiled
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.instance import Instance, RowKind

SAFETY = 1e-7
"""Subtracted from the bound, times 1 + its absolute value; floating-point sums have far smaller errors."""

FIRST_SHARE = 0.3
"""Share of the rows' cost that the cells are charged with at the beginning (initial ``alpha``)."""

VMS_PER_WRITE = 10
"""Factor on the first rate of the price of a write.

A policy serves many VMs, so a scarce write may be worth many times what one VM gains, and its price must get there.
"""

SHARE_RATE = 0.1
"""First rate of ``alpha``, which lies between 0 and 1."""

COPY_RATE = 0.2
"""First rate of the price of a copy's option, as a share of the first rate of the VM's value ``lam``."""

LEISURELY_STEPS, MOST_HURRY = 4000, 2.0
"""Number of steps below which first rates are higher, and the maximum factor.

The factor for ``mu`` is ``sqrt(LEISURELY_STEPS / number of steps)``, up to the maximum; for ``lam``, it is somewhat
smaller.
"""

LAST_RATE = 0.001
"""Last rates as a share of the first ones; rates decay geometrically between them."""

STEPS_PER_SEARCH = 4
"""Number of steps of an ascent per search for the cheapest starts of services that are placed together."""

OnStep = Callable[[int, float], bool]


def keep_going(_step: int, _bound: float) -> bool:
    """Never stop; an :data:`OnStep`."""
    return True


@dataclass(frozen=True, slots=True)
class Ascent:
    """Result of :func:`ascend`.

    Parameters
    ----------
    bound
        The best lower bound found, rounded down by a safety margin.
    best
        Multipliers at which it was found.
    """

    bound: float
    best: Multipliers


def start_multipliers(d: DualArrays) -> Multipliers:
    """Multipliers at which the ascent begins: each VM is worth its second cheapest option."""
    # With lam at the second cheapest option, only the cheapest one has a negative reduced cost.
    second = np.partition(d.base, 1, axis=1)[:, 1]
    lam = np.where(second >= FORBIDDEN, d.base.min(axis=1), second)
    shared = (d.pair_price > 0) | (d.peak_price > 0)
    num_rows = len(d.pair_price)
    tau, kappa = np.zeros(len(d.group_limit)), np.zeros(d.cuts.level.shape)
    return Multipliers(lam, np.zeros(num_rows), np.where(shared, FIRST_SHARE, 0.0), 0.0, tau, kappa)


@dataclass(frozen=True, slots=True)
class _Rates:
    """First rates of the steps, shaped like the multipliers."""

    lam: FloatArray
    mu: FloatArray
    alpha: FloatArray
    sigma: FloatArray
    tau: FloatArray
    kappa: FloatArray


def _first_rates(instance: Instance, d: DualArrays, num_steps: int) -> _Rates:
    """How far each multiplier may travel in one step.

    A multiplier must be able to reach any value it may need: a VM of a large service is worth up to the pairs that it
    forms with all the others, and so is being in a row. A single rate for all multipliers stalls on large services.
    """
    rows = instance.rows
    is_service = np.array([kind is RowKind.SERVICE for kind in rows.kind], dtype=np.bool_)
    # Price of a pair in one half hour of every day; there may be rows of services without VMs.
    num_services = 1 + max(int(instance.service.max(initial=-1)), int(rows.group[is_service].max(initial=-1)))
    dearest = np.zeros(num_services)
    np.maximum.at(dearest, rows.group[is_service], (rows.pair_price / rows.weight)[is_service])
    with_all_others = (dearest * np.bincount(instance.service, minlength=len(dearest)))[instance.service]
    lam: FloatArray = 0.05 + 0.5 * with_all_others
    size = np.concatenate((rows.size, d.services.size)).astype(np.float64)
    mu: FloatArray = 0.05 * d.pair_price * size + 0.2 * np.maximum(d.pair_price, d.peak_price)
    # A cap, or a scarce move or write, may be worth what the VM with the most to gain would pay for it.
    today = instance.linear[np.arange(instance.num_vms), instance.today]
    most_to_gain = float((today - np.where(instance.allowed, instance.linear, np.inf).min(axis=1)).max(initial=0.0))
    scarce = max(0.02 * (most_to_gain + 5 * float(with_all_others.max(initial=0.0))), 0.01)
    extra = len(d.pair_price) - len(rows)
    shared = np.array([kind is not RowKind.CAP for kind in rows.kind] + [True] * extra, dtype=np.bool_)
    # Large instances get few steps, which have to go farther each. Found on three estates of 10,000 VMs.
    hurry = min(MOST_HURRY, max(1.0, math.sqrt(LEISURELY_STEPS / max(1, num_steps))))
    return _Rates(
        lam * hurry**0.6,
        np.where(mu > 0, mu * hurry, scarce),
        np.where(shared, SHARE_RATE, 0.0),
        np.full(1, scarce),
        np.full(len(instance.write_limits) + len(instance.vault_room), VMS_PER_WRITE * scarce),
        np.repeat(COPY_RATE * lam[d.cuts.vm], NUM_OPTIONS),
    )


class _Adam(NamedTuple):
    """Adam for ascent on one array, in place and within limits.

    Parameters
    ----------
    rate
        First rate of each multiplier.
    least, most
        Limits of the multipliers.
    mean, mean_square
        Running means of the gradient and of its square.
    """

    rate: FloatArray
    least: float
    most: float
    mean: FloatArray
    mean_square: FloatArray


def _adam(rate: FloatArray, least: float = -math.inf, most: float = math.inf) -> _Adam:
    return _Adam(rate, least, most, np.zeros(len(rate)), np.zeros(len(rate)))


@compiled
def _adam_step(adam: _Adam, at: FloatArray, gradient: FloatArray, decay: float, number: int) -> None:
    # Adam keeps running means of the gradient (decay 0.9) and of its square (decay 0.99). Both start at 0; these
    # factors correct the bias of the first steps.
    mean, mean_square, rate = adam.mean, adam.mean_square, adam.rate
    first_scale, second_scale = 1.0 / (1.0 - 0.9**number), 1.0 / (1.0 - 0.99**number)
    for n in range(len(at)):
        g = gradient[n]
        mean[n] = 0.9 * mean[n] + 0.1 * g
        mean_square[n] = 0.99 * mean_square[n] + 0.01 * g * g
        # The step has about the size of the rate whatever the scale of the gradient; 1e-9 prevents a division by 0.
        moved = at[n] + decay * rate[n] * mean[n] * first_scale / (np.sqrt(mean_square[n] * second_scale) + 1e-9)
        at[n] = min(max(moved, adam.least), adam.most)


def load_compiled() -> None:
    """Load the smallest compiled function of this module from Numba's cache, or compile it."""
    none = np.zeros(0)
    _adam_step(_adam(none), none, none, 1.0, 1)


def evaluate(d: DualArrays, at: Multipliers, answer: Answer, exact: bool = True) -> float:
    """Value of the dual function; ``answer`` receives the subgradient and the values of the subproblems.

    If ``exact`` is false, services that are placed together keep their starts of the step before. The value is then
    too high, and is not a bound.

    Cuts are evaluated from here, not from the compiled function: Numba caches compiled code by its own file, and would
    miss changes to functions that it calls in other files.
    """
    base = less_copies(d.base, d.cuts, at.kappa)
    value = evaluate_dual(d, at.prices(base), answer)
    if len(at.kappa):
        value += evaluate_cuts(d.cuts, at.kappa, answer.kappa, answer.cuts)
    if len(answer.services):
        placement = Placement(met=answer.mu, pairs=answer.alpha, values=answer.services, starts=answer.placed)
        value += evaluate_services(d.services, at.mu, at.alpha, placement, exact)
    return value


def dual_value(d: DualArrays, at: Multipliers, answer: Answer | None = None) -> float:
    """Lower bound at the given multipliers, summed exactly and rounded down by a safety margin."""
    answer = answer if answer is not None else empty_answer(d)
    evaluate(d, at, answer)
    parts = [math.fsum(at.lam), math.fsum(answer.cells.ravel()), math.fsum(answer.rows), math.fsum(answer.cuts)]
    parts += [math.fsum(answer.services), -at.sigma * max(0, int(d.max_moves[0])), -math.fsum(at.tau * d.group_limit)]
    value = math.fsum(parts)
    return value - SAFETY * (1 + abs(value))


class Climb:
    """An ascent of the dual in cycles. Each cycle continues from the best multipliers so far.

    Parameters
    ----------
    instance
        The problem; feasible or not.
    start
        Multipliers to begin at. They are ignored if the instance has another shape. None: each VM is worth its second
        cheapest option.

    Attributes
    ----------
    bound
        The best lower bound so far, rounded down by a safety margin.
    best
        The multipliers at which it was found.
    arrays
        The instance, flattened.
    """

    def __init__(self, instance: Instance, start: Multipliers | None = None) -> None:
        self._instance = instance
        self.arrays = dual_arrays(instance)
        self._answer = empty_answer(self.arrays)
        fits = start is not None and _fits(start, self.arrays)
        self.best = start.copy() if start is not None and fits else start_multipliers(self.arrays)
        if instance.max_moves is None:
            self.best.sigma = 0.0
        self.bound = -math.inf
        self._value = -math.inf

    def cycle(
        self,
        num_steps: int,
        on_step: OnStep = keep_going,
        first_rate: float = 1.0,
        last_rate: float = LAST_RATE,
        done: Callable[[int], float] | None = None,
    ) -> None:
        """Take steps whose rates decay geometrically.

        Parameters
        ----------
        num_steps
            Number of steps over which the rates decay.
        on_step
            Called with (step, best value); the cycle ends early if it returns False.
        first_rate, last_rate
            Rates at both ends of the cycle, as shares of the first rate of an ascent.
        done
            Share of the cycle that is over after a step; the rates decay with it. By default, the share of the steps.
        """
        d, answer, at, sigma = self.arrays, self._answer, self.best.copy(), np.array([self.best.sigma])
        steppers = self._steppers(num_steps, at, sigma)
        for number in range(1, num_steps + 1):
            # The search for the cheapest starts of services tries all of them. The steps in between reuse the last
            # starts, which gives a subgradient but no bound.
            exact = number % STEPS_PER_SEARCH == 0 or number == num_steps or not len(answer.services)
            value = evaluate(d, at, answer, exact)
            if exact and value > self._value:
                self._value, self.best = value, at.copy()
            if not on_step(number, self._value):
                break
            share = number / num_steps if done is None else done(number)
            decay = first_rate * (last_rate / first_rate) ** share
            for adam, part, gradient in steppers:
                _adam_step(adam, part, gradient, decay, number)
            at.sigma = float(sigma[0])
        # The compiled sums of the steps have rounding errors: the best point is evaluated once more, summed exactly.
        self.bound = max(self.bound, dual_value(d, self.best, answer))

    def _steppers(
        self, num_steps: int, at: Multipliers, sigma: FloatArray
    ) -> tuple[tuple[_Adam, FloatArray, FloatArray], ...]:
        """Step rule, present values and subgradient of each kind of multipliers; ``sigma`` has shape (1,)."""
        answer, rates = self._answer, _first_rates(self._instance, self.arrays, num_steps)
        rate_of_sigma = np.zeros(1) if self._instance.max_moves is None else rates.sigma
        return (
            (_adam(rates.lam), at.lam, answer.lam),
            (_adam(rates.mu, 0.0), at.mu, answer.mu),
            (_adam(rates.alpha, 0.0, 1.0), at.alpha, answer.alpha),
            (_adam(rates.tau[: len(at.tau)], 0.0), at.tau, answer.tau),
            (_adam(rates.kappa), at.kappa.reshape(-1), answer.kappa.reshape(-1)),
            (_adam(rate_of_sigma, 0.0), sigma, answer.moves),
        )


def ascend(
    instance: Instance, num_steps: int, on_step: OnStep = keep_going, start: Multipliers | None = None
) -> Ascent:
    """Ascend the dual in a single cycle and keep the best bound; see :class:`Climb`.

    Parameters
    ----------
    instance, start
        See :class:`Climb`.
    num_steps
        Number of steps; more steps take longer and give a tighter bound.
    on_step
        Called with (step, best bound); the ascent ends early if it returns False.
    """
    climb = Climb(instance, start)
    climb.cycle(num_steps, on_step)
    return Ascent(climb.bound, climb.best)


def _fits(at: Multipliers, d: DualArrays) -> bool:
    """Whether multipliers have the shapes of a dual function."""
    shapes = (at.lam.shape, at.mu.shape, at.tau.shape, at.kappa.shape)
    return shapes == (d.today.shape, d.pair_price.shape, d.group_limit.shape, d.cuts.level.shape)


def reduced_costs(instance: Instance, at: Multipliers, arrays: DualArrays | None = None) -> FloatArray:
    """Cost of each option under the prices of rows, moves and copies, before the VM's own value; shape (V, 48).

    At least :data:`~optimizer.solve.problem.arrays.FORBIDDEN` where an option is not allowed.

    Parameters
    ----------
    instance, at
        The problem, and a point of its dual.
    arrays
        The flattened instance, if available.
    """
    d = arrays if arrays is not None else dual_arrays(instance)
    priced = price_classes(d, at.mu).reshape(-1, NUM_OPTIONS)
    moved = np.arange(NUM_OPTIONS)[None, :] != instance.today[:, None]
    cost: FloatArray = less_copies(d.base, d.cuts, at.kappa) + priced[instance.vm_class] + at.sigma * moved
    return cost


def forced_bounds(instance: Instance, at: Multipliers) -> FloatArray:
    """Lower bound on the cost of every feasible schedule in which VM ``v`` starts at ``t``; shape (V, 48).

    With ``x[v, t] = 1`` added, the relaxed problem costs at least its value without it plus ``max(0, c[v, t] -
    lam[v])``. The cell has to take the VM, which costs at least its reduced cost, because charges for pairs and peaks
    and the opening are not negative, and no cell gains by losing an offer. Rows and cuts stay as they are. The bound
    is infinite where an option is not allowed.
    """
    value = dual_value(dual_arrays(instance), at)
    surplus = np.maximum(0.0, reduced_costs(instance, at) - at.lam[:, None])
    bounds: FloatArray = np.where(instance.allowed, value + surplus, math.inf)
    return bounds
