"""Start options of two patterns that clash under ``separate`` and ``order``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray
from optimizer.model.pattern import Pattern
from optimizer.model.timegrid import MINUTES_PER_DAY, MINUTES_PER_WEEK, NUM_OPTIONS

Demand = Literal["apart", "before", "after"]
"""Relation that the VMs of one pattern must have to those of another."""

NOON = MINUTES_PER_DAY // 2


class Clashes:
    """Clash matrices, each computed once and numbered."""

    def __init__(self) -> None:
        self._number: dict[tuple[Demand, float | None, Pattern, Pattern], int] = {}
        self._matrices: list[BoolArray] = []
        self._hours: list[FloatArray] = []
        self._occupancy: dict[Pattern, FloatArray] = {}
        self._spans: dict[Pattern, Nights] = {}

    def number(self, demand: Demand, pattern: Pattern, opponent: Pattern, within: float | None = None) -> int:
        """Index of the matrix ``[t, u]``: whether option ``t`` of a pattern clashes with ``u`` of its opponent.

        With ``within``, "before" and "after" only demand that the later VM begins at most this many hours after the
        earlier one has ended.
        """
        question = (demand, within, pattern, opponent)
        if question not in self._number:
            self._number[question] = len(self._matrices)
            hours = np.full((NUM_OPTIONS, NUM_OPTIONS), np.nan)
            if within is not None:
                comes_first = demand == "before"
                hours = self.hours_needed(pattern, opponent) if comes_first else self.hours_needed(opponent, pattern).T
            self._hours.append(hours)
            self._matrices.append(self._clash(demand, pattern, opponent) if within is None else hours > within)
        return self._number[question]

    def matrix(self, number: int) -> BoolArray:
        """Clash matrix with the given index; shape (48, 48)."""
        return self._matrices[number]

    def stacked(self) -> BoolArray:
        """All matrices; shape (num_matrices, 48, 48)."""
        none = np.zeros((0, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_)
        return np.stack(self._matrices) if self._matrices else none

    def stacked_hours(self) -> FloatArray | None:
        """Hours that ``within`` has to allow for every matrix.

        See :class:`~optimizer.model.set_constraints.SetConstraints`.
        """
        hours = np.stack(self._hours) if self._hours else None
        return None if hours is None or np.isnan(hours).all() else hours

    def hours_needed(self, first: Pattern, second: Pattern) -> FloatArray:
        """Smallest ``within``, in hours, that each option of the first and of the second pattern keep; shape (48, 48).

        Minus infinity if the two never run in the same night.
        """
        earlier, later = self._nights(first), self._nights(second)
        gaps = later.begins_at_most[None, :, :] - np.where(earlier.run, earlier.ends_at_least, np.inf)[:, None, :]
        return np.asarray(gaps.max(axis=2) / 60)

    def _clash(self, demand: Demand, pattern: Pattern, opponent: Pattern) -> BoolArray:
        if demand == "apart":
            return np.asarray(self._occupied(pattern) @ self._occupied(opponent).T > 0.5)
        if demand == "after":
            return self._clash("before", opponent, pattern).T.copy()
        first, second = self._nights(pattern), self._nights(opponent)
        return np.asarray((first.ends[:, None, :] > second.begins[None, :, :]).any(axis=2))

    def _occupied(self, pattern: Pattern) -> FloatArray:
        if pattern not in self._occupancy:
            self._occupancy[pattern] = pattern.occupancy().astype(np.float64)
        return self._occupancy[pattern]

    def _nights(self, pattern: Pattern) -> Nights:
        if pattern not in self._spans:
            self._spans[pattern] = nights(pattern)
        return self._spans[pattern]


@dataclass(frozen=True, slots=True)
class Nights:
    """When the first window of each night begins and the last one ends, for each option; all arrays: shape (48, 7).

    Times are minutes in UTC after Monday 00:00 of the week of the night. In time zones with daylight saving, the
    earliest and the latest UTC time of a run differ.

    Parameters
    ----------
    begins, begins_at_most
        Beginning of the first window, at its earliest and at its latest; plus and minus infinity without a run.
    ends, ends_at_least
        End of the last window, at its latest and at its earliest; minus and plus infinity without a run.
    """

    begins: FloatArray
    begins_at_most: FloatArray
    ends: FloatArray
    ends_at_least: FloatArray

    @property
    def run(self) -> BoolArray:
        """Whether the option has a run in the night."""
        return np.asarray(np.isfinite(self.begins))


def nights(pattern: Pattern) -> Nights:
    """Beginning and end of each night of a pattern.

    A night lasts from noon to noon in the pattern's local time and is named after the weekday on which it begins. A
    run belongs to the night in which it starts. The night does not depend on the UTC offset; the instant does.

    Parameters
    ----------
    pattern
        Runs, UTC offsets and timing of the snapshots.
    """
    first = np.full((NUM_OPTIONS, 7), np.inf)
    last = np.full((NUM_OPTIONS, 7), -np.inf)
    for option in range(NUM_OPTIONS):
        for local in pattern.recurrence.run_minutes(option, 0).tolist():
            since_noon = (local - NOON) % MINUTES_PER_WEEK
            night = since_noon // MINUTES_PER_DAY
            wall = since_noon + NOON  # a run before Monday noon belongs to Sunday's night, at the end of the week
            first[option, night] = min(first[option, night], wall)
            last[option, night] = max(last[option, night], wall)
    least, most = min(pattern.offsets), max(pattern.offsets)
    length, run = pattern.timing.window_minutes, np.isfinite(first)
    return Nights(
        begins=first - most,
        begins_at_most=np.where(run, first - least, -np.inf),
        ends=last - least + length,
        ends_at_least=np.where(run, last - most + length, np.inf),
    )
