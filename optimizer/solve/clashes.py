"""Which start options of two patterns cannot stand beside each other under ``separate`` and ``order``."""

from __future__ import annotations

from typing import Literal

import numpy as np

from optimizer.model.timegrid import MINUTES_PER_DAY, MINUTES_PER_WEEK, NUM_OPTIONS, START_WINDOW_MINUTES, Pattern
from optimizer.solve.instance import BoolArray, FloatArray

Demand = Literal["apart", "before", "after"]
"""What the VMs of the one pattern have to be to those of the other."""

NOON = MINUTES_PER_DAY // 2


class Clashes:
    """Clash matrices, each computed once and numbered.

    Parameters
    ----------
    snapshot_minutes
        Length of the snapshot at the end of a start window.
    """

    def __init__(self, snapshot_minutes: int) -> None:
        self._snapshot_minutes = snapshot_minutes
        self._number: dict[tuple[Demand, Pattern, Pattern], int] = {}
        self._matrices: list[BoolArray] = []
        self._occupancy: dict[Pattern, FloatArray] = {}
        self._spans: dict[Pattern, tuple[FloatArray, FloatArray]] = {}

    def number(self, demand: Demand, one: Pattern, other: Pattern) -> int:
        """Number of the matrix ``[t, u]``: option ``t`` of the one clashes with option ``u`` of the other."""
        place = (demand, one, other)
        if place not in self._number:
            self._number[place] = len(self._matrices)
            self._matrices.append(self._clash(demand, one, other))
        return self._number[place]

    def matrix(self, number: int) -> BoolArray:
        """Matrix of a number; shape (48, 48)."""
        return self._matrices[number]

    def stacked(self) -> BoolArray:
        """All matrices; shape (num_matrices, 48, 48)."""
        none = np.zeros((0, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_)
        return np.stack(self._matrices) if self._matrices else none

    def _clash(self, demand: Demand, one: Pattern, other: Pattern) -> BoolArray:
        if demand == "apart":
            return np.asarray(self._occupied(one) @ self._occupied(other).T > 0.5)
        if demand == "after":
            return self._clash("before", other, one).T.copy()
        ends, begins = self._nights(one)[1], self._nights(other)[0]
        return np.asarray((ends[:, None, :] > begins[None, :, :]).any(axis=2))

    def _occupied(self, pattern: Pattern) -> FloatArray:
        if pattern not in self._occupancy:
            self._occupancy[pattern] = pattern.occupancy(self._snapshot_minutes).astype(np.float64)
        return self._occupancy[pattern]

    def _nights(self, pattern: Pattern) -> tuple[FloatArray, FloatArray]:
        if pattern not in self._spans:
            self._spans[pattern] = nights(pattern, self._snapshot_minutes)
        return self._spans[pattern]


def nights(pattern: Pattern, snapshot_minutes: int) -> tuple[FloatArray, FloatArray]:
    """When the first window of each night begins and the last one ends, for each option.

    A night lasts from noon to noon of the pattern's own clock and is called after the weekday on which it begins; a
    run belongs to the night in which it starts.  Which night that is does not depend on how the clock is read, the
    instant does: the earliest and the latest reading count.

    Parameters
    ----------
    pattern
        Runs and offsets.
    snapshot_minutes
        Length of the snapshot at the end of a start window.

    Returns
    -------
    begins, ends
        Shape (48, 7): minutes in UTC after the Monday 00:00 of the week of the night; infinite and minus infinite
        where the option has no run in that night, so that neither is ever in the way.
    """
    recurrence = pattern.recurrence
    begins = np.full((NUM_OPTIONS, 7), np.inf)
    ends = np.full((NUM_OPTIONS, 7), -np.inf)
    for option in range(NUM_OPTIONS):
        for local in recurrence.run_minutes(option, 0).tolist():
            since_noon = (local - NOON) % MINUTES_PER_WEEK
            night = since_noon // MINUTES_PER_DAY
            wall = since_noon + NOON  # Monday's night may hold no run of before Monday noon: these are Sunday's
            begins[option, night] = min(begins[option, night], wall - max(pattern.offsets))
            end = wall - min(pattern.offsets) + START_WINDOW_MINUTES + snapshot_minutes
            ends[option, night] = max(ends[option, night], end)
    return begins, ends
