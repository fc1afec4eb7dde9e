"""Estimates how few of a plan's moves give most of its gain if the best moves are made first.

This is the knee of the glossary, ``summary.knee`` in ``plan.json``. ``moves_curve.knee`` is another number: the point
of the curve farthest from its chord (:func:`optimizer.solve.moves.curve.farthest_from_chord`).

Nothing is searched: every VM goes where the plan has it, or stays at today's start. So the number is sufficient; the
moves curve (:mod:`optimizer.solve.moves.curve`), in which VMs may also go elsewhere, may need fewer moves.

Rules may force moves that gain little or nothing. If the moves that gain most do not keep the rules on their own, the
number is found from the other end: moves of the plan are taken back, those that gain least first, as long as the rest
keeps every rule and enough of the gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.cost import evaluate, is_feasible, policy_counts, policy_writes, row_counts
from optimizer.solve.problem.instance import Instance

ROUNDS = 32
"""Number of times that the remaining moves are priced while they are ordered; gains change as other VMs move."""

CHUNK = 4096
"""Number of VMs whose rows are compared at once, to limit memory."""

MOST_TRIALS = 256
"""Maximum number of trials of taking moves back; each evaluates the whole schedule, 50 ms for 100,000 VMs."""

LEAST_GAIN = 1e-6
"""Minimum gain of a plan, in at-risk backups per 30 days, for which a knee is worth reporting."""


@dataclass(frozen=True, slots=True)
class FewestMoves:
    """A part of a plan's moves.

    Parameters
    ----------
    moves
        Number of VMs that move; the schedule in which all others stay keeps every rule and limit.
    share
        Gain of these moves as a share of the gain of all moves.
    """

    moves: int
    share: float


def find_knee(instance: Instance, options: IntArray, share: float) -> FewestMoves | None:
    """Find the fewest of a plan's moves that give a share of its gain, with the best moves first.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): the plan, feasible.
    share
        Share of the plan's gain, which is the cost of today's schedule minus the cost of the plan.

    Returns
    -------
    FewestMoves or None
        None if the plan gains nothing.
    """
    today = instance.today
    first = evaluate(instance, today).total
    gain = first - evaluate(instance, options).total
    if gain <= LEAST_GAIN:
        return None
    order = _in_order(instance, options)

    def schedule(vms: IntArray) -> IntArray:
        chosen = today.copy()
        chosen[vms] = options[vms]
        return chosen

    def gained(vms: IntArray) -> float:
        return (first - evaluate(instance, schedule(vms)).total) / gain

    too_few, enough = 0, len(order)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if gained(order[:middle]) >= share else (middle, enough)
    chosen = order[:enough]
    if gained(chosen) < share or not is_feasible(instance, schedule(chosen)):
        chosen = _without_needless(
            order,
            order[instance.allowed[order, today[order]]],
            gains_enough=lambda vms: gained(vms) >= share,
            keeps_rules=lambda vms: is_feasible(instance, schedule(vms)),
        )
    return FewestMoves(len(chosen), gained(chosen))


def _without_needless(
    order: IntArray,
    candidates: IntArray,
    *,
    gains_enough: Callable[[IntArray], bool],
    keeps_rules: Callable[[IntArray], bool],
) -> IntArray:
    """Remove the moves of a plan that neither the rules nor the gain need.

    Moves are taken back from the end of the order, many at once where possible. The first move that the rules could do
    without but the gain could not ends this, because all moves that are left gain more.

    Parameters
    ----------
    order
        VMs that move in the plan, those that gain most first.
    candidates
        VMs that may stay at today's start, in the same order.
    gains_enough, keeps_rules
        Whether the schedule in which only the given VMs move gains enough, and whether it keeps every rule and limit.
    """
    kept, parts, trials = order, [candidates], 0
    while parts and trials < MOST_TRIALS:
        part = parts.pop()
        left = kept[~np.isin(kept, part)]
        trials += 1
        enough = gains_enough(left)
        if enough and keeps_rules(left):
            kept = left
        elif len(part) > 1:
            half = len(part) // 2
            parts += [part[:half], part[half:]]
        elif not enough and keeps_rules(left):
            break
    return kept


def _in_order(instance: Instance, options: IntArray) -> IntArray:
    """VMs that move, those that gain most first; VMs that share a new policy come together.

    In each round, every remaining move is priced as if it were the next one, and the best moves are taken.
    """
    left = np.flatnonzero(options != instance.today)
    prices = _MovePrices(instance, options, left)
    current, order = instance.today.copy(), []
    quota = max(1, -(-len(left) // ROUNDS))
    while len(left):
        taken = left[np.argsort(-prices.scores(current, left), kind="stable")[:quota]]
        current[taken] = options[taken]
        order.append(taken)
        left = left[~np.isin(left, taken)]
    return np.concatenate(order)


class _MovePrices:
    """Gain of each move of a plan after some of the other moves have been made.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): the plan.
    vms
        VMs that move, ascending.
    """

    def __init__(self, instance: Instance, options: IntArray, vms: IntArray) -> None:
        self._instance = instance
        self._vms = vms
        self._option = options[vms]
        self._cell = instance.key[vms] * NUM_OPTIONS + self._option
        today = instance.today[vms]
        self._old, self._new = (instance.touched[instance.vm_class[vms], t] for t in (today, self._option))
        self._left, self._entered = _unshared(self._old, self._new), _unshared(self._new, self._old)
        self._alone = instance.linear[vms, today] - instance.linear[vms, self._option]
        rows = instance.rows
        self._pair_price, self._peak_price = np.append(rows.pair_price, 0.0), np.append(rows.peak_price, 0.0)
        self._fair_share = np.append(rows.fair_share, 0)

    def scores(self, current: IntArray, left: IntArray) -> FloatArray:
        """Gain of each remaining move or, if it helps to pay for a new policy, the mean gain of those that do.

        Parameters
        ----------
        current
            Shape (V,): present option of every VM.
        left
            VMs that are still at today's start, ascending.
        """
        instance, at = self._instance, np.searchsorted(self._vms, left)
        met = np.append(row_counts(instance, current), 0)
        one_more, last = (
            self._pair_price * others + self._peak_price * (others >= self._fair_share) for others in (met, met - 1)
        )
        gain = self._alone[at]
        gain = gain + np.where(self._left[at], last[self._old[at]], 0.0).sum(axis=1)
        gain -= np.where(self._entered[at], one_more[self._new[at]], 0.0).sum(axis=1)
        return _shared_costs(gain, self._cell[at], self._opening_prices(current))

    def _opening_prices(self, current: IntArray) -> FloatArray:
        """Price of the policy that one more VM would need at each start of each twin key; shape (K * 48,)."""
        counts = policy_counts(self._instance, current)
        more = policy_writes(self._instance, counts + 1) - policy_writes(self._instance, counts)
        return self._instance.policy_write_price * more.ravel().astype(np.float64)


def _unshared(rows: IntArray, others: IntArray) -> BoolArray:
    """Whether each row of a VM is not among its other rows; both have shape (n, W)."""
    unshared = np.empty(rows.shape, dtype=np.bool_)
    for begin in range(0, len(rows), CHUNK):
        part = slice(begin, begin + CHUNK)
        unshared[part] = ~(rows[part, :, None] == others[part, None, :]).any(axis=2)
    return unshared


def _shared_costs(gain: FloatArray, cell: IntArray, opening: FloatArray) -> FloatArray:
    """Score of each move: the best mean gain of the first moves to its start, minus the policy that they need.

    The moves to one start are considered in the order of their gain. A move beyond those with the best mean has its
    own gain, because the policy exists by then.
    """
    order = np.lexsort((-gain, cell))
    cells, gains = cell[order], gain[order]
    begins = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
    sizes = np.diff(np.append(begins, len(cells)))
    first = np.repeat(begins, sizes)
    total = np.cumsum(gains)
    number = np.arange(len(cells)) - first + 1
    mean = (total - np.repeat(total[begins] - gains[begins], sizes) - opening[cells]) / number
    best = np.repeat(np.maximum.reduceat(mean, begins), sizes)
    is_best = mean >= best
    last_of_best = np.repeat(np.maximum.reduceat(np.where(is_best, number, 0), begins), sizes)
    scores = np.empty_like(gain)
    scores[order] = np.where(number <= last_of_best, best, gains)
    return scores
