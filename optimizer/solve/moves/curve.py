"""What a schedule gains by the number of moves it may take: one good schedule and a bound for each number.

Nothing is solved anew.  One :class:`~optimizer.solve.moves.path.Walk` leads from today to half of the moves, one from
the full plan back to today; each passes hundreds of schedules, and the cheapest with at most ``m`` moves is the
first answer for ``m``.  It is improved by strategic oscillation round the limit: some moves back and others made, some
more made and others taken back (Glover, "Tabu search", ORSA Journal on Computing 1, 1989), and by annealing.  As an
answer for ``m`` is one for every larger number, costs never rise with the number of moves.

The bound.  With a price ``sigma`` on every move, the Lagrangian relaxation of the limit gives for every ``m``
``cost >= L(sigma) - sigma m``, so a few ascents, at prices that are the slopes of the curve, bound the whole of it: it
lies above the upper envelope of their lines, which is convex in ``m``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.ports import Progress, no_progress
from optimizer.solve.anneal import anneal
from optimizer.solve.baselines import todays
from optimizer.solve.bound import ascend
from optimizer.solve.cost import evaluate, violations
from optimizer.solve.instance import Instance, IntArray
from optimizer.solve.moves.path import IMPROVEMENT, Mark, Path, Walk

MOST_OF_GAIN = 0.8
"""The share of the full gain whose fewest moves are a point of the curve."""

OSCILLATIONS = (32, 8, 3)
"""Moves taken back or made beyond the limit: the limit divided by these."""

MOST_IN_OSCILLATION = 200
"""The most of these, so that large estates take no longer than they must."""

MANY_BOUNDS_VMS = 2000
"""Up to this size a bound is ascended for every number of moves of the grid, above for a few of them."""

FEW_BOUNDS = 5

ROUNDS_PER_EFFORT = 40
"""Rounds of annealing at each point."""

MOST_OSCILLATIONS = 40
"""Improvements by oscillation at one number of moves; most need fewer."""

MOST_SETTLING = 5
"""Times that knee and most of the gain are looked for anew: both shift a little when they are improved."""

ShouldStop = Callable[[], bool]


def never() -> bool:
    """A :data:`ShouldStop` that lets everything end by itself."""
    return False


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best schedule that was found with a number of moves.

    Parameters
    ----------
    max_moves
        Moves that were allowed; the schedule may have fewer.
    options
        Shape (V,): start option of each VM.
    cost
        Its cost.
    bound
        Proven lower bound on the cost of every schedule with so many moves.
    """

    max_moves: int
    options: IntArray
    cost: float
    bound: float


class _Pool:
    """Schedules that were met, on paths; the cheapest with at most so many moves is asked for.

    Parameters
    ----------
    today
        Cost of today's schedule, whether or not it keeps the rules.
    """

    def __init__(self, today: float) -> None:
        self._today = today
        self._paths: list[Path] = []
        self._marks: list[tuple[int, float, int, Mark]] = []

    def add(self, path: Path) -> None:
        number = len(self._paths)
        self._paths.append(path)
        self._marks += [(mark.num_moves, mark.cost, number, mark) for mark in path.marks]

    def best(self, max_moves: int) -> tuple[float, IntArray] | None:
        """Cost and options; None where no schedule has so few moves."""
        fitting = (entry for entry in self._marks if entry[0] <= max_moves)
        found = min(fitting, key=lambda entry: (entry[1], entry[0], entry[2]), default=None)
        return None if found is None else (found[1], self._paths[found[2]].options(found[3]))

    def envelope(self) -> list[tuple[int, float]]:
        """Numbers of moves at which the cost falls, with the cost, ascending."""
        lowest: list[tuple[int, float]] = []
        for moves, cost, _, _ in sorted(self._marks, key=lambda entry: entry[:2]):
            if not lowest or cost < lowest[-1][1] - IMPROVEMENT:
                lowest.append((moves, cost))
        return lowest

    def gains(self) -> list[tuple[int, float]]:
        """The same from today's schedule on, also where that breaks a rule and is no schedule of the pool."""
        found = self.envelope()
        if found[0][0] > 0 and is_dearer_than_last(self._today, found):
            return [(0, self._today), *found]
        return found


def best_moves(
    instance: Instance,
    start: IntArray,
    *,
    effort: int,
    seed: int = 0,
    should_stop: ShouldStop = never,
) -> IntArray:
    """A schedule under the limit of moves, found as the points of the curve are.

    Parameters
    ----------
    instance
        The problem, with ``max_moves``.
    start
        Shape (V,): a schedule that keeps every rule and the limit, such as today's.
    effort, seed, should_stop
        As of :func:`trace_moves`.

    Returns
    -------
    numpy.ndarray
        Shape (V,): not worse than the start.
    """
    assert instance.max_moves is not None
    walk = Walk(instance, start, should_stop)
    walk.extend(instance.max_moves)
    walk.settle()
    pool = _Pool(evaluate(instance, todays(instance)).total)
    pool.add(walk.path)
    _Search(instance, pool, effort, seed, should_stop).improve(instance.max_moves)
    found = pool.best(instance.max_moves)
    assert found is not None  # the start itself
    return found[1]


def trace_moves(
    instance: Instance,
    plan: IntArray,
    bound: float,
    *,
    effort: int,
    seed: int = 0,
    should_stop: ShouldStop = never,
    progress: Progress = no_progress,
) -> tuple[CurvePoint, ...]:
    """The curve from the fewest moves to those of a plan.

    Parameters
    ----------
    instance
        The problem; where it limits the moves, the plan keeps to that.
    plan
        Shape (V,): the best schedule that is known: the last point, unless a cheaper one is met on the way.
    bound
        Proven lower bound on the cost of every schedule of the problem.
    effort
        Work: ``12 * effort`` steps of each bound, ``40 * effort`` rounds of annealing at each point.
    seed
        Of the annealing.
    should_stop
        Asked now and then; what is found by then is returned.
    progress
        Told after each point.

    Returns
    -------
    tuple of CurvePoint
        Ascending in ``max_moves``, from 0 where today's schedule keeps the rules, else from the fewest moves with
        which one was found; costs do not rise.
    """
    most = int((plan != instance.today).sum())
    pool = _Pool(evaluate(instance, todays(instance)).total)
    back = Walk(instance, plan, should_stop)
    back.shrink(0)
    pool.add(back.path)
    if not violations(instance, todays(instance)):
        ahead = Walk(instance, todays(instance), should_stop)
        ahead.extend(-(-most // 2))
        pool.add(ahead.path)
    fewest = pool.envelope()[0][0]
    search = _Search(instance, pool, effort, seed, should_stop)
    wanted = sorted({m for m in grid(most) if m > fewest} | {fewest, most})
    for done, m in enumerate(reversed(wanted[:-1])):
        search.improve(m)
        progress("moves", done, len(wanted) + 1, f"{m} moves")
    for number_of in (knee_of, fewest_for):
        search.settle(number_of)
    progress("moves", len(wanted), len(wanted) + 1, "bounds")
    envelope = pool.envelope()
    last = envelope[-1][0]  # fewer than planned where as much was found to be had for less
    named = {max(fewest, number_of(pool.gains())) for number_of in (knee_of, fewest_for)}
    numbers = sorted({m for m in {*wanted, *named} if m < last} | {last})
    slopes = slopes_at(envelope, numbers[1:-1])
    if instance.num_vms > MANY_BOUNDS_VMS and len(slopes) > FEW_BOUNDS:
        slopes = [slopes[at] for at in np.linspace(0, len(slopes) - 1, FEW_BOUNDS).round().astype(int).tolist()]
    points = search.points(numbers, _Bounds(instance, bound, slopes, effort, should_stop))
    progress("moves", len(wanted) + 1, len(wanted) + 1)
    return points


def is_dearer_than_last(today: float, envelope: Sequence[tuple[int, float]]) -> bool:
    """Whether today's schedule costs more than the last point of a curve, so that gains can be measured from it.

    It need not keep the rules.  Where keeping them costs more than all moves save, gains are those over the first
    point.
    """
    return today > envelope[-1][1] + IMPROVEMENT


def grid(most: int) -> list[int]:
    """0, 1, 2, 5, 10, 20, 50 ... below a number, and the number."""
    steps, scale = [0], 1
    while scale < most:
        steps += [scale, 2 * scale, 5 * scale]
        scale *= 10
    return [*(m for m in steps if m < most), most]


def knee_of(envelope: Sequence[tuple[int, float]]) -> int:
    """The number of moves beyond which more of them bring little.

    It is that of the largest ``gain(m) / gain(all) - m / all``, the distance to the chord from first to last, as in
    Satopaa, Albrecht, Irwin, Raghavan, "Finding a 'kneedle' in a haystack", ICDCS Workshops 2011, without smoothing.

    Parameters
    ----------
    envelope
        Number of moves and cost, ascending in the first, falling in the second.
    """
    moves, cost = np.array(envelope, dtype=np.float64).T
    span, gain = moves[-1] - moves[0], cost[0] - cost[-1]
    if span <= 0 or gain <= IMPROVEMENT:
        return int(moves[-1])
    return int(moves[np.argmax((cost[0] - cost) / gain - (moves - moves[0]) / span)])


def fewest_for(envelope: Sequence[tuple[int, float]], share: float = MOST_OF_GAIN) -> int:
    """The fewest moves with which a share of the gain from first to last is reached."""
    first, last = envelope[0][1], envelope[-1][1]
    target = first - share * (first - last)
    return next(moves for moves, cost in envelope if cost <= target + IMPROVEMENT)


class _Search:
    """Improves the best known schedule of single numbers of moves."""

    def __init__(self, instance: Instance, pool: _Pool, effort: int, seed: int, should_stop: ShouldStop) -> None:
        self.instance = instance
        self.pool = pool
        self.improved: set[int] = set()
        self._rounds = ROUNDS_PER_EFFORT * effort
        self._seed = seed
        self._should_stop = should_stop

    def improve(self, m: int) -> None:
        """Look for a cheaper schedule with at most ``m`` moves; the pool gets what is found."""
        found = self.pool.best(m)
        if found is None or m in self.improved or self._should_stop():
            return
        self.improved.add(m)
        cost, options = _oscillate(self.instance, *found, m, self._should_stop)
        annealed = self._anneal(options, m)
        if (annealed_cost := evaluate(self.instance, annealed).total) < cost - IMPROVEMENT:
            cost, options = _oscillate(self.instance, annealed_cost, annealed, m, self._should_stop)
        self.pool.add(Path(options, marks=[Mark(int((options != self.instance.today).sum()), cost, 0)]))
        down = Walk(self.instance, options, self._should_stop)
        down.shrink(m // 2)
        self.pool.add(down.path)

    def settle(self, number_of: Callable[[Sequence[tuple[int, float]]], int]) -> None:
        """Improve the number of moves that is read off the envelope, and the one below, until it stays the same."""
        for _ in range(MOST_SETTLING):
            m = number_of(self.pool.gains())
            for near in (m, m - 1):
                if near > 0:
                    self.improve(near)
            if number_of(self.pool.gains()) == m:
                return

    def _anneal(self, options: IntArray, m: int) -> IntArray:
        limited = replace(self.instance, max_moves=m)
        return anneal(limited, options, self._rounds, self._seed, lambda *_: not self._should_stop())

    def points(self, numbers: Sequence[int], bounds: _Bounds) -> tuple[CurvePoint, ...]:
        """The best schedule of each number of moves."""
        points = []
        for m in numbers:
            found = self.pool.best(m)
            assert found is not None  # the numbers begin with the fewest moves of the pool
            cost = evaluate(self.instance, found[1]).total
            points.append(CurvePoint(m, found[1], cost, bounds.at(m, cost)))
        return tuple(points)


def _oscillate(
    instance: Instance, cost: float, options: IntArray, m: int, should_stop: ShouldStop
) -> tuple[float, IntArray]:
    """Take moves back and make others, or the other way round, as long as that gains within ``m`` moves."""
    sizes = sorted({min(MOST_IN_OSCILLATION, max(1, m // part)) for part in OSCILLATIONS})
    for _ in range(MOST_OSCILLATIONS if m > 0 else 0):
        improved = False
        for size, first_back in ((size, back) for size in sizes for back in (True, False)):
            if should_stop():
                return cost, options
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
                cost, options, improved = best.cost, walk.path.options(best), True
                break
        if not improved:
            break
    return cost, options


class _Bounds:
    """Lines below the curve, ``value - sigma m``, one for each slope that the curve has at some numbers of moves."""

    def __init__(
        self,
        instance: Instance,
        bound: float,
        slopes: Sequence[float],
        effort: int,
        should_stop: ShouldStop,
    ) -> None:
        self._lines = [(bound, 0.0)]
        for sigma in slopes:
            if should_stop():
                break
            self._lines.append((_bound_at_price(instance, sigma, 12 * effort, should_stop), sigma))

    def at(self, m: int, cost: float) -> float:
        """Lower bound with at most ``m`` moves; the cost itself where nothing may move."""
        if m == 0:
            return cost
        bound = max(value - sigma * m for value, sigma in self._lines)
        return min(bound, cost) if bound - cost <= ROUNDING * max(1.0, abs(cost)) else bound


def slopes_at(envelope: Sequence[tuple[int, float]], numbers: Sequence[int]) -> list[float]:
    """What one more move gains along the lower convex hull of a curve, at some numbers of moves; ascending."""
    hull: list[tuple[int, float]] = []
    for point in envelope:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    found = set()
    for m in numbers:
        touching = [-_slope(a, b) for a, b in itertools.pairwise(hull) if a[0] <= m <= b[0]]
        if touching:
            found.add(sum(touching) / len(touching))
    return sorted(found)


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


ROUNDING = 1e-6
"""Relative error of sums of costs; a bound that is above a cost by more is wrong, and the verifier has to see it."""


def _bound_at_price(instance: Instance, sigma: float, steps: int, should_stop: ShouldStop) -> float:
    """A lower bound on ``cost + sigma * moves`` of every schedule, whatever the number of moves."""
    moved = np.arange(NUM_OPTIONS)[None, :] != instance.today[:, None]
    priced = replace(instance, linear=instance.linear + sigma * moved, max_moves=None)
    return ascend(priced, steps, lambda *_: not should_stop()).bound
