"""Reads a moves curve: where the gain begins, its elbow, and the fewest moves for a share of it."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.solve.moves.curve import farthest_from_chord, fewest_for
from optimizer.solve.moves.path import IMPROVEMENT
from optimizer.solve.moves.pool import is_dearer_than_last


class Gains:
    """Gain at each point of a moves curve.

    Parameters
    ----------
    today
        Cost of today's schedule, which need not keep the rules.
    points
        Numbers of moves, ascending, each with the cost of its schedule, falling.
    """

    def __init__(self, today: float, points: Sequence[tuple[int, float]]) -> None:
        self.fewest = points[0][0]
        self.from_today = is_dearer_than_last(today, points)
        self._points = [(0, today), *points] if self.from_today and self.fewest > 0 else list(points)
        self._first, self._all = self._points[0][1], self._points[0][1] - self._points[-1][1]

    @property
    def any(self) -> bool:
        """Whether moving gains anything."""
        return self._all > IMPROVEMENT

    def share(self, cost: float) -> float:
        """Share of the full gain that a schedule of this cost has; 0 if moving gains nothing."""
        return (self._first - cost) / self._all if self.any else 0.0

    @property
    def elbow(self) -> int | None:
        """The number of moves beyond which a move brings less than average; None if moving gains nothing.

        It is ``moves_curve.knee`` in ``plan.json``, and not ``summary.knee``, the number of moves for 80 % of the
        gain; see :func:`optimizer.solve.moves.curve.farthest_from_chord`.
        """
        return max(farthest_from_chord(self._points), self.fewest) if self.any else None

    def fewest_for(self, share: float) -> int | None:
        """The fewest moves that reach a share of the full gain; None if moving gains nothing."""
        return fewest_for(self._points, share) if self.any else None
