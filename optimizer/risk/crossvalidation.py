"""How many days of history the fleet's profile is worth: cross-validation of the choice, a block of days held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.timegrid import HORIZON_DAYS
from optimizer.risk.folds import Folds
from optimizer.risk.seasonal import FloatArray

PRIOR_DAYS = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
"""Candidates for ``k``; the last leaves the VM's own month a quarter of the weight."""

DEFAULT_PRIOR_DAYS = 8
"""``k`` where history is too short to choose it, and what the choice leans to.

With 8 and 12 the Bitbrains trace closes the same share of the regret; copies with shifted clocks close 1 to 3 points
more with 8, whatever the length of the history.
"""

MAX_VMS = 2000
"""VMs that are looked at to choose the one ``k`` of the fleet; of more, evenly spaced ones are taken."""


@dataclass(frozen=True)
class CrossValidation:
    """What the choices made with each ``k`` would have cost in the blocks held out.

    Parameters
    ----------
    prior_days
        The candidates for ``k``, length K.
    cost
        Shape (num_blocks, K): at-risk backups per 30 days in the held-out block, if every VM ran daily at the time
        that looked best on the other blocks.
    """

    prior_days: tuple[int, ...]
    cost: FloatArray

    @property
    def mean_cost(self) -> FloatArray:
        """Shape (K,): mean over the folds."""
        return np.asarray(self.cost.mean(axis=0))

    @property
    def standard_error(self) -> FloatArray:
        """Shape (K,): standard error of the difference to the best candidate, paired by fold."""
        excess = self.cost - self.cost[:, [int(self.mean_cost.argmin())]]
        return np.asarray(excess.std(axis=0, ddof=1) / np.sqrt(len(self.cost)))

    @property
    def chosen(self) -> int:
        """The candidate nearest to the default (in the logarithm) among those within one standard error of the best.

        The usual rule takes the simplest of those, here the largest ``k``.  On the Bitbrains trace, whose VMs share a
        clock, that closes 2 to 3 points more of the regret; on copies with clocks shifted at random it closes up to 10
        fewer.  Leaning to the middle was never far from the best, with histories of 8 to 41 days.
        """
        excess = self.mean_cost - self.mean_cost.min()
        near = np.flatnonzero(excess <= self.standard_error + 1e-9)
        distance = np.abs(np.log1p(np.array(self.prior_days)[near]) - np.log1p(DEFAULT_PRIOR_DAYS))
        return self.prior_days[int(near[distance.argmin()])]


def cross_validate(folds: Folds, believed: float = 1.0) -> CrossValidation | None:
    """Hold out each block of days in turn and see what the choices made without it would have cost in it.

    Every fold learns from all blocks but one, seven eighths of the days where there are 16 or more, so it needs the
    fleet's profile hardly more than the whole history does.  (With two folds, each learns from half of the days and
    overrates the profile.)

    Parameters
    ----------
    folds
        The history of the busy VMs.
    believed
        What every candidate is multiplied by: how far the fleet's profile is believed at all.

    Returns
    -------
    CrossValidation or None
        None where there are fewer than three blocks, or no VM was ever at risk.
    """
    if not folds.enough:
        return None
    step = -(-len(folds) // MAX_VMS)
    rows = np.arange(0, len(folds), step, dtype=np.intp)
    cost = np.zeros((folds.num_blocks, len(PRIOR_DAYS)))
    for _, part in folds.parts(rows):
        vms = np.arange(len(part.rows))
        for block in range(folds.num_blocks):
            season, realised = part.season(block), np.nan_to_num(part.observed[block])
            for column, prior_days in enumerate(PRIOR_DAYS):
                # Rounded, so that a tie is a tie on every machine.
                choice = season.probability(prior_days * believed).round(9).argmin(axis=1)
                cost[block, column] += HORIZON_DAYS * realised[vms, choice].sum()
    return CrossValidation(PRIOR_DAYS, cost)
