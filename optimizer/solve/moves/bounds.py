"""Lower bounds on the cost of every schedule with at most a given number of moves, for all numbers at once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.moves.path import ShouldStop
from optimizer.solve.problem.instance import Instance


class Bounds:
    """Lines below the curve, ``value - sigma m``, one for each slope that the curve has at some numbers of moves.

    ``proven`` contains bounds that hold for a number of moves, and for all smaller ones.
    """

    def __init__(
        self,
        instance: Instance,
        bound: float,
        slopes: Sequence[float],
        effort: int,
        proven: Mapping[int, float],
        should_stop: ShouldStop,
    ) -> None:
        self._proven = proven
        self._lines = [(bound, 0.0)]
        for sigma in slopes:
            if should_stop():
                break
            self._lines.append((_bound_at_price(instance, sigma, 12 * effort, should_stop), sigma))

    def at(self, m: int, cost: float) -> float:
        """Lower bound with at most ``m`` moves; the cost itself if nothing may move."""
        if m == 0:
            return cost
        bounds = [value - sigma * m for value, sigma in self._lines]
        bound = max([*bounds, *(value for most, value in self._proven.items() if most >= m)])
        return min(bound, cost) if bound - cost <= ROUNDING * max(1.0, abs(cost)) else bound


def slopes_at(envelope: Sequence[tuple[int, float]], numbers: Sequence[int]) -> list[float]:
    """Gain of one more move along the lower convex hull of a curve, at some numbers of moves; ascending."""
    hull: list[tuple[int, float]] = []
    for point in envelope:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    slopes = set()
    for m in numbers:
        touching = [-_slope(a, b) for a, b in itertools.pairwise(hull) if a[0] <= m <= b[0]]
        if touching:
            slopes.add(sum(touching) / len(touching))
    return sorted(slopes)


def _slope(a: tuple[int, float], b: tuple[int, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


ROUNDING = 1e-6
"""Relative error of sums of costs; a bound that exceeds a cost by more is wrong, and the verifier must see it."""


def _bound_at_price(instance: Instance, sigma: float, steps: int, should_stop: ShouldStop) -> float:
    """Lower bound on ``cost + sigma * moves`` of every schedule with any number of moves."""
    moved = np.arange(NUM_OPTIONS)[None, :] != instance.today[:, None]
    priced = replace(instance, linear=instance.linear + sigma * moved, max_moves=None)
    return ascend(priced, steps, lambda *_: not should_stop()).bound
