"""Collects the schedules that are found on the way to a moves curve."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.arrays import IntArray
from optimizer.solve.moves.path import IMPROVEMENT, Mark, Path


def is_dearer_than_last(today: float, envelope: Sequence[tuple[int, float]]) -> bool:
    """Whether today's schedule costs more than the last point of a curve, so that gains can be measured from it.

    Today's schedule need not keep the rules. If keeping them costs more than all moves save, gains are measured from
    the first point.
    """
    return today > envelope[-1][1] + IMPROVEMENT


class Pool:
    """Schedules found on paths; returns the cheapest one with at most a given number of moves.

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
        """Add every schedule of a path."""
        number = len(self._paths)
        self._paths.append(path)
        self._marks += [(mark.num_moves, mark.cost, number, mark) for mark in path.marks]

    def best(self, max_moves: int) -> tuple[float, IntArray] | None:
        """Cost and options of the cheapest schedule with at most ``max_moves`` moves; None if none has so few."""
        fitting = (entry for entry in self._marks if entry[0] <= max_moves)
        best = min(fitting, key=lambda entry: (entry[1], entry[0], entry[2]), default=None)
        return None if best is None else (best[1], self._paths[best[2]].options(best[3]))

    def envelope(self) -> list[tuple[int, float]]:
        """Numbers of moves at which the cost falls, with the cost, ascending."""
        lowest: list[tuple[int, float]] = []
        for moves, cost, _, _ in sorted(self._marks, key=lambda entry: entry[:2]):
            if not lowest or cost < lowest[-1][1] - IMPROVEMENT:
                lowest.append((moves, cost))
        return lowest

    def gains(self) -> list[tuple[int, float]]:
        """The envelope from today's schedule on, even if that breaks a rule and is not in the pool."""
        envelope = self.envelope()
        if envelope[0][0] > 0 and is_dearer_than_last(self._today, envelope):
            return [(0, self._today), *envelope]
        return envelope
