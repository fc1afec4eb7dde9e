"""Whether the hours at which VMs are busy repeat at all: a randomization test on a whole estate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from optimizer.risk.folds import Folds
from optimizer.risk.seasonal import FloatArray, divide_known, smooth_time_of_day

SIGNIFICANT = 0.01
"""Largest p-value at which profiles count as repeating: one estate in a hundred without any is taken for one that has.

Then all of its VMs may be moved for their risk, and this must not add up to more than 1 % of the VMs of such estates.
"""

NUM_ROTATIONS = 9999
"""Random rotations that the estate is compared with."""

CHUNK_VMS = 512
"""VMs worked on at a time."""


@dataclass(frozen=True)
class Repetition:
    """Result of the test.

    Parameters
    ----------
    p_value
        Probability of profiles that agree as much as these where none repeats; None where nothing can be compared:
        fewer than three blocks of days, or no busy VM.
    num_vms
        Number of busy VMs.
    num_days
        Days of history.
    """

    p_value: float | None
    num_vms: int
    num_days: int

    @property
    def is_proven(self) -> bool:
        """Whether the profiles of the estate repeat beyond chance."""
        return self.p_value is not None and self.p_value <= SIGNIFICANT


def look_for_repetition(folds: Folds) -> Repetition:
    """Compare each VM's profile between the blocks of days, pooled over the estate.

    The statistic is the mean over VMs of ``sum over b < c of <F[v, b], F[v, c]> / sum over b of <F[v, b], F[v, b]>``,
    where ``F[v, b]`` is the smoothed profile of VM ``v`` in block ``b`` less its mean: every VM counts alike, so a few
    very busy ones do not decide.  Under the null hypothesis the hours of one block say nothing of those of another, so
    each block may be rotated around the clock by any number of starts.  One rotation is drawn for each block and
    applied to all VMs together, which keeps whatever they do at the same time: the test is exact even if all of them
    move together.  It needs no forecast, only the inner products at every rotation, so it costs one pass.
    """
    num_blocks, num_days = folds.num_blocks, len(folds.history.dates)
    if not folds.enough:
        return Repetition(None, len(folds), num_days)
    pairs = list(combinations(range(num_blocks), 2))
    agreement = _agreement(folds, pairs)
    num_starts = agreement.shape[1]
    rotations = np.random.default_rng(0).integers(0, num_starts, (NUM_ROTATIONS, num_blocks))
    rotated = np.zeros(NUM_ROTATIONS)
    for row, (first, second) in zip(agreement, pairs, strict=True):
        rotated += row[(rotations[:, second] - rotations[:, first]) % num_starts]
    as_it_is = float(agreement[:, 0].sum())
    num_as_high = int((rotated >= as_it_is - 1e-9 * len(folds)).sum())
    return Repetition((1 + num_as_high) / (1 + NUM_ROTATIONS), len(folds), num_days)


def _agreement(folds: Folds, pairs: list[tuple[int, int]]) -> FloatArray:
    """Shape (num_pairs, num_starts): inner products of two blocks, the first rotated, summed over the VMs."""
    history = folds.history
    num_starts = history.grid.num_starts
    total = np.zeros((len(pairs), num_starts))
    for first in range(0, len(folds), CHUNK_VMS):
        vms = slice(first, first + CHUNK_VMS)
        rates = divide_known(history.risk_sum[:, vms], history.day_count[:, vms])
        known = ~np.isnan(rates)
        means = np.nan_to_num(divide_known(np.nansum(rates, axis=2), known.sum(axis=2)))
        smooth = smooth_time_of_day(np.where(known, rates - means[:, :, None], 0.0))
        scale = np.sqrt((smooth**2).sum(axis=(0, 2)))
        waves = np.fft.rfft(smooth / np.maximum(scale, 1e-12)[:, None], axis=2)
        for place, (one, other) in enumerate(pairs):
            total[place] += np.fft.irfft((waves[one].conj() * waves[other]).sum(axis=0), num_starts)
    return total
