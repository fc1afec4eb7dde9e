"""Estimates that leave out blocks of the history, so that a choice is judged on days that did not influence it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.risk.history import RiskHistory
from optimizer.risk.seasonal import (
    FloatArray,
    SeasonalEstimate,
    divide_known,
    fleet_profile,
    season_from_smooth,
    smooth_time_of_day,
)

CHUNK_VMS = 256
"""Number of VMs whose blocks are smoothed at a time; the eight blocks of 256 VMs stay in a core's cache."""

MIN_BLOCKS = 3
"""Minimum number of blocks; with three, one can be left out and at least two remain to learn from."""


class Folds:
    """The history of the busy VMs, from which any blocks can be left out.

    Parameters
    ----------
    history
        History of the VMs that have enough data of their own and were at risk at least once.
    """

    def __init__(self, history: RiskHistory) -> None:
        self.history = history
        self._profiles: dict[tuple[int, ...], FloatArray] = {}

    def __len__(self) -> int:
        """Number of VMs."""
        return len(self.history.vm_ids)

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return self.history.num_blocks

    @property
    def enough(self) -> bool:
        """Whether there are busy VMs and enough blocks to leave one out."""
        return len(self) > 0 and self.num_blocks >= MIN_BLOCKS

    @cached_property
    def _total(self) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        return self.history.total_risk, self.history.total_days

    def profile(self, without: tuple[int, ...]) -> FloatArray:
        """Hour-of-day profile of the fleet, computed without the given blocks; shape (num_starts,)."""
        if without not in self._profiles:
            risk_sum, day_count = self._total
            for block in without:
                risk_sum = risk_sum - self.history.risk_sum[block]
                day_count = day_count - self.history.day_count[block]
            # Subtracting floating-point sums leaves a small residue where the true sum is zero; RESIDUE cuts it off.
            self._profiles[without] = fleet_profile(np.where(risk_sum < RESIDUE, 0, risk_sum), day_count)
        return self._profiles[without]

    def parts(self, rows: npt.NDArray[np.intp]) -> Iterator[tuple[slice, FoldPart]]:
        """Yield the given VMs in chunks, each with the slice of ``rows`` that it covers."""
        for first in range(0, len(rows), CHUNK_VMS):
            chunk = slice(first, first + CHUNK_VMS)
            yield chunk, FoldPart(self, rows[chunk])


RESIDUE = 1e-3
"""Sums of shares below this count as zero: the smallest share of one day is 1/25, so less is only rounding error."""


@dataclass(frozen=True)
class FoldPart:
    """Some of the VMs of a history that is cut into blocks.

    Parameters
    ----------
    folds
        The history of all busy VMs.
    rows
        Shape (n,): rows of the VMs in ``folds``.
    """

    folds: Folds
    rows: npt.NDArray[np.intp]

    @cached_property
    def _smooth(self) -> tuple[FloatArray, FloatArray]:
        """Smoothed risk sums and day counts, each of shape (num_blocks, n, num_starts)."""
        history = self.folds.history
        return smooth_time_of_day(history.risk_sum[:, self.rows]), smooth_time_of_day(history.day_count[:, self.rows])

    @cached_property
    def _days(self) -> FloatArray:
        return self.folds.history.usable_days[:, self.rows].astype(np.float64)

    @cached_property
    def observed(self) -> FloatArray:
        """Share of start delays at risk in each block, NaN where unknown; shape (num_blocks, n, num_starts)."""
        history = self.folds.history
        return divide_known(history.risk_sum[:, self.rows], history.day_count[:, self.rows])

    def season(self, *without: int) -> SeasonalEstimate:
        """Seasonal estimate from all blocks except the given ones."""
        kept = [block for block in range(self.folds.num_blocks) if block not in without]
        sums, counts = self._smooth
        return season_from_smooth(
            sums[kept].sum(axis=0),
            counts[kept].sum(axis=0),
            self._days[kept].sum(axis=0),
            self.folds.profile(tuple(sorted(without))),
        )
