"""Traces the moves curve: one good schedule and a bound for each maximum number of moves.

If today's schedule keeps the rules, nothing is solved again. One :class:`~optimizer.solve.moves.path.Walk` leads from
today's schedule to half of the moves, another from the full plan back to today's. Each passes hundreds of schedules,
and the cheapest with at most ``m`` moves is the first answer for ``m``. It is improved by strategic oscillation around
the limit (some moves are taken back and others made, or the other way around: Glover, "Tabu search", ORSA Journal on
Computing 1, 1989) and by annealing. An answer for ``m`` is also an answer for every larger number, so costs never rise
with the number of moves.

If today's schedule breaks a rule, the first walk begins at the schedule that keeps every rule with the fewest moves
(:mod:`optimizer.solve.moves.fewest`). The way back from the plan may end above that number. The solver then searches
schedules in between.

The bound. With a price ``sigma`` on every move, the Lagrangian relaxation of the limit gives ``cost >= L(sigma) -
sigma m`` for every ``m``. So a few ascents, at prices that are slopes of the curve, bound the whole curve: it lies
above the upper envelope of their lines, which is convex in ``m``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.documents import MOST_OF_GAIN
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress, no_progress
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.bounds import Bounds, slopes_at
from optimizer.solve.moves.fewest import cheapest_within, with_fewest_moves
from optimizer.solve.moves.path import IMPROVEMENT, Mark, Path, Walk
from optimizer.solve.moves.pool import Pool
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.anneal import anneal
from optimizer.solve.search.baselines import todays
from optimizer.solve.search.finisher import WHOLE_MODEL_VMS

OSCILLATIONS = (32, 8, 3)
"""Divisors of the limit; the quotients are the numbers of moves that an oscillation takes back or makes beyond it."""

MOST_IN_OSCILLATION = 200
"""Maximum number of moves in an oscillation, so that large estates do not take longer than necessary."""

MANY_BOUNDS_VMS = 2000
"""Number of VMs up to which a bound is ascended for every number of moves of the grid; above, for a few of them."""

FEW_BOUNDS = 5

ROUNDS_PER_EFFORT = 40
"""Rounds of annealing per unit of effort, at each point."""

MOST_OSCILLATIONS = 40
"""Maximum number of improvements by oscillation at one number of moves; most numbers need fewer."""

MOST_SETTLING = 5
"""Maximum number of times that the elbow (or the point of ``MOST_OF_GAIN``) is located; improving it shifts it."""

ShouldStop = Callable[[], bool]


def never() -> bool:
    """Never stop; a :data:`ShouldStop`."""
    return False


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best schedule found with a number of moves.

    Parameters
    ----------
    max_moves
        Maximum number of moves; the schedule may have fewer.
    options
        Shape (V,): start option of each VM.
    cost
        Cost of the schedule.
    bound
        Proven lower bound on the cost of every schedule with at most ``max_moves`` moves.
    """

    max_moves: int
    options: IntArray
    cost: float
    bound: float


def best_moves(instance: Instance, start: IntArray, search: Search) -> IntArray:
    """Find a schedule within the limit on moves, in the same way as the points of the curve.

    Parameters
    ----------
    instance
        The problem, with ``max_moves``.
    start
        Shape (V,): a schedule that keeps every rule and the limit, such as today's.
    search
        See :func:`trace_moves`.

    Returns
    -------
    numpy.ndarray
        Shape (V,): a schedule that is not worse than ``start``.
    """
    assert instance.max_moves is not None
    clock = search.clock()
    walk = Walk(instance, start, clock.over)
    walk.extend(instance.max_moves)
    walk.settle()
    pool = Pool(evaluate(instance, todays(instance)).total)
    pool.add(walk.path)
    _Improvement(instance, pool, search, clock).improve(instance.max_moves)
    entry = pool.best(instance.max_moves)
    assert entry is not None  # the start itself
    return entry[1]


def trace_moves(
    instance: Instance, plan: IntArray, bound: float, search: Search, progress: Progress = no_progress
) -> tuple[CurvePoint, ...]:
    """Trace the curve from the fewest moves to those of a plan.

    Parameters
    ----------
    instance
        The problem; if it limits the moves, the plan keeps that limit.
    plan
        Shape (V,): the best known schedule. It is the last point, unless a cheaper one is found on the way.
    bound
        Proven lower bound on the cost of every schedule of the problem.
    search
        Seed of the annealing and of the solver, and the work: ``12 * effort`` steps of each bound, and ``40 * effort``
        rounds of annealing at each point; where the solver is used, its effort. When the time limit ends the search,
        the points found by then are returned.
    progress
        Called after each point.

    Returns
    -------
    tuple of CurvePoint
        Points in ascending order of ``max_moves``. The first has 0 moves if today's schedule keeps the rules,
        otherwise the fewest moves for which a schedule was found. Costs never rise.
    """
    clock = search.clock()
    should_stop = clock.over
    most = int((plan != instance.today).sum())
    pool = Pool(evaluate(instance, todays(instance)).total)
    back = Walk(instance, plan, should_stop)
    back.shrink(0)
    pool.add(back.path)
    reached = pool.envelope()[0][0]
    ahead = Walk(instance, _first_schedule(instance, back, search, clock, progress), should_stop)
    ahead.extend(-(-most // 2))
    pool.add(ahead.path)
    fewest = pool.envelope()[0][0]
    improvement = _Improvement(instance, pool, search, clock, reached)
    wanted = sorted({m for m in grid(most) if m > fewest} | {fewest, most})
    for done, m in enumerate(reversed(wanted[:-1])):
        improvement.improve(m)
        progress("moves", done, len(wanted) + 1, f"{m} moves")
    for number_of in (farthest_from_chord, fewest_for):
        improvement.settle(number_of)
    if instance.num_vms <= WHOLE_MODEL_VMS:
        improvement.settle_with_solver(fewest_for)
    progress("moves", len(wanted), len(wanted) + 1, "bounds")
    envelope = pool.envelope()
    last = envelope[-1][0]  # fewer than planned if fewer moves were found to gain as much
    named = {max(fewest, number_of(pool.gains())) for number_of in (farthest_from_chord, fewest_for)}
    numbers = sorted({m for m in {*wanted, *named} if m < last} | {last})
    slopes = _few(slopes_at(envelope, numbers[1:-1]), instance.num_vms)
    points = improvement.points(
        numbers, Bounds(instance, bound, slopes, search.effort, improvement.proven, should_stop)
    )
    progress("moves", len(wanted) + 1, len(wanted) + 1)
    return points


def _first_schedule(instance: Instance, back: Walk, search: Search, clock: SolveClock, progress: Progress) -> IntArray:
    """Today's schedule if it keeps the rules, otherwise one that does with as few moves as possible."""
    if is_feasible(instance, todays(instance)):
        return todays(instance)
    progress("fewest moves", 0, 1)
    known = min(back.path.marks, key=lambda mark: mark.num_moves)
    first = with_fewest_moves(instance, back.path.options(known), search, clock)
    progress("fewest moves", 1, 1)
    return first


def _few(slopes: list[float], num_vms: int) -> list[float]:
    """At most as many slopes, evenly spread, as there is time for bounds."""
    if num_vms <= MANY_BOUNDS_VMS or len(slopes) <= FEW_BOUNDS:
        return slopes
    return [slopes[number] for number in np.linspace(0, len(slopes) - 1, FEW_BOUNDS).round().astype(int).tolist()]


def grid(most: int) -> list[int]:
    """The numbers 0, 1, 2, 5, 10, 20, 50 ... below ``most``, and ``most``."""
    steps, scale = [0], 1
    while scale < most:
        steps += [scale, 2 * scale, 5 * scale]
        scale *= 10
    return [*(m for m in steps if m < most), most]


def farthest_from_chord(envelope: Sequence[tuple[int, float]]) -> int:
    """The number of moves whose point lies farthest above the straight line from first to last: the curve's elbow.

    More moves than this bring less than moves do on average. ``plan.json`` calls it ``moves_curve.knee``. It is not
    ``summary.knee``, the number of moves for 80 % of the gain (:func:`fewest_for`,
    :mod:`optimizer.solve.moves.knee`).

    It has the largest ``gain(m) / gain(all) - m / all``, the distance to the chord from first to last, as in Satopaa,
    Albrecht, Irwin, Raghavan, "Finding a 'kneedle' in a haystack", ICDCS Workshops 2011, without smoothing.

    Parameters
    ----------
    envelope
        Numbers of moves, ascending, with their costs, falling.
    """
    moves, cost = np.array(envelope, dtype=np.float64).T
    span, gain = moves[-1] - moves[0], cost[0] - cost[-1]
    if span <= 0 or gain <= IMPROVEMENT:
        return int(moves[-1])
    return int(moves[np.argmax((cost[0] - cost) / gain - (moves - moves[0]) / span)])


def fewest_for(envelope: Sequence[tuple[int, float]], share: float = MOST_OF_GAIN) -> int:
    """The fewest moves that reach a share of the gain from first to last."""
    first, last = envelope[0][1], envelope[-1][1]
    target = first - share * (first - last)
    return next(moves for moves, cost in envelope if cost <= target + IMPROVEMENT)


class _Improvement:
    """Improves the best known schedule of single numbers of moves.

    Parameters
    ----------
    instance, pool, search, clock
        The problem, the schedules known so far, and how long to work.
    reached
        Number of moves below which schedules are too rare to be found move by move, so that the solver is used.

    Attributes
    ----------
    proven
        Numbers of moves that the solver was used for, each with its lower bound on the cost.
    """

    def __init__(self, instance: Instance, pool: Pool, search: Search, clock: SolveClock, reached: int = 0) -> None:
        self.instance = instance
        self.pool = pool
        self.improved: set[int] = set()
        self.proven: dict[int, float] = {}
        self._search = search
        self._clock = clock
        self._should_stop = clock.over
        self._reached = reached

    def improve(self, m: int) -> None:
        """Look for a cheaper schedule with at most ``m`` moves, and add it to the pool."""
        entry = self.pool.best(m)
        if entry is None or m in self.improved or self._should_stop():
            return
        self.improved.add(m)
        cost, options = self._solved(entry[1], m) if m < self._reached else self._oscillated(*entry, m)
        self._add(cost, options, m)

    def _add(self, cost: float, options: IntArray, m: int) -> None:
        """Add a schedule with at most ``m`` moves to the pool, and those on the way back from it."""
        self.pool.add(Path(options, marks=[Mark(int((options != self.instance.today).sum()), cost, 0)]))
        down = Walk(self.instance, options, self._should_stop)
        down.shrink(m // 2)
        self.pool.add(down.path)

    def _solved(self, options: IntArray, m: int) -> tuple[float, IntArray]:
        """Cost and options of the best schedule that the solver finds."""
        cheapest, self.proven[m] = cheapest_within(self.instance, m, options, self._search, self._clock)
        return evaluate(self.instance, cheapest).total, cheapest

    def _oscillated(self, cost: float, options: IntArray, m: int) -> tuple[float, IntArray]:
        """Cost and options of the best schedule that oscillation and annealing find."""
        cost, options = _oscillate(self.instance, cost, options, m, self._should_stop)
        annealed = self._anneal(options, m)
        if (annealed_cost := evaluate(self.instance, annealed).total) < cost - IMPROVEMENT:
            cost, options = _oscillate(self.instance, annealed_cost, annealed, m, self._should_stop)
        return cost, options

    def settle(self, number_of: Callable[[Sequence[tuple[int, float]]], int]) -> None:
        """Improve the number of moves read from the envelope, and the number below it, until it no longer changes."""
        for _ in range(MOST_SETTLING):
            m = number_of(self.pool.gains())
            for near in (m, m - 1):
                if near > 0:
                    self.improve(near)
            if number_of(self.pool.gains()) == m:
                return

    def settle_with_solver(self, number_of: Callable[[Sequence[tuple[int, float]]], int]) -> None:
        """Ask the solver whether one move less is enough, until it is not: in a small instance, this takes seconds."""
        for _ in range(MOST_SETTLING):
            m = number_of(self.pool.gains()) - 1
            entry = self.pool.best(m)
            if m <= 0 or entry is None or m in self.proven or self._should_stop():
                return
            self._add(*self._solved(entry[1], m), m)

    def _anneal(self, options: IntArray, m: int) -> IntArray:
        limited, rounds = replace(self.instance, max_moves=m), ROUNDS_PER_EFFORT * self._search.effort
        return anneal(limited, options, rounds, self._search.seed, lambda *_: not self._should_stop())

    def points(self, numbers: Sequence[int], bounds: Bounds) -> tuple[CurvePoint, ...]:
        """The best schedule for each number of moves."""
        points = []
        for m in numbers:
            entry = self.pool.best(m)
            assert entry is not None  # the numbers begin with the fewest moves of the pool
            cost = evaluate(self.instance, entry[1]).total
            points.append(CurvePoint(m, entry[1], cost, bounds.at(m, cost)))
        return tuple(points)


def _oscillate(
    instance: Instance, cost: float, options: IntArray, m: int, should_stop: ShouldStop
) -> tuple[float, IntArray]:
    """Take moves back and make others, or the other way around, as long as that gains within ``m`` moves."""
    for _ in range(MOST_OSCILLATIONS if m > 0 else 0):
        better = _first_better(instance, cost, options, m, should_stop)
        if better is None:
            break
        cost, options = better
    return cost, options


def _first_better(
    instance: Instance, cost: float, options: IntArray, m: int, should_stop: ShouldStop
) -> tuple[float, IntArray] | None:
    """The first cheaper schedule that an oscillation finds, with its cost; None if none does."""
    sizes = sorted({min(MOST_IN_OSCILLATION, max(1, m // part)) for part in OSCILLATIONS})
    for size, first_back in itertools.product(sizes, (True, False)):
        if should_stop():
            return None
        walk = Walk(instance, options, should_stop)
        if first_back:
            walk.shrink(max(0, walk.num_moves - size))
        else:
            walk.extend(m + size)
        walk.settle()
        walk.extend(m)
        walk.shrink(m)
        walk.settle()
        within = [mark for mark in walk.path.marks if mark.num_moves <= m]
        best = min(within, key=lambda mark: mark.cost, default=None)
        if best is not None and best.cost < cost - IMPROVEMENT:
            return best.cost, walk.path.options(best)
    return None
