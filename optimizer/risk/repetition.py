"""A randomization test for a whole estate: whether the busy hours of its VMs repeat at all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from optimizer.risk.folds import Folds
from optimizer.risk.seasonal import FloatArray, divide_known, smooth_time_of_day

SIGNIFICANT = 0.01
"""Largest p-value at which profiles count as repeating.

At 0.01, one in a hundred estates without repeating profiles passes by chance. All VMs of such an estate may then be
moved for their risk, and over many such estates this must not add up to more than 1 % of their VMs.
"""

NUM_ROTATIONS = 9999
"""Number of random rotations that the estate is compared with."""

CHUNK_VMS = 512
"""Number of VMs worked on at a time."""


@dataclass(frozen=True)
class Repetition:
    """Result of the test for repetition.

    Parameters
    ----------
    p_value
        Probability that profiles agree at least this much if none of them repeats. None if there is nothing to
        compare: fewer than three blocks of days, or no busy VM.
    num_vms
        Number of busy VMs.
    num_days
        Number of days of history.
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
    where ``F[v, b]`` is the smoothed profile of VM ``v`` in block ``b`` minus its mean. All VMs have the same weight,
    so a few very busy ones do not decide. Under the null hypothesis, the hours of one block tell nothing about those
    of another, so each block may be rotated around the clock by any number of starts. One rotation is drawn for each
    block and applied to all VMs together. This preserves whatever they do at the same time, so the test is exact even
    if all VMs move together. The test needs no forecast, only the inner products at every rotation, so it takes a
    single pass.
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
    """Inner products of each pair of blocks, the first one rotated, summed over VMs; shape (num_pairs, num_starts)."""
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
        for pair, (block, other) in enumerate(pairs):
            total[pair] += np.fft.irfft((waves[block].conj() * waves[other]).sum(axis=0), num_starts)
    return total
