"""Finds groups of VMs whose risk rises and falls on the same days at the same hours."""

from __future__ import annotations

import numpy as np

from optimizer.risk.folds import Folds
from optimizer.risk.options import IntArray
from optimizer.risk.seasonal import FloatArray, divide_known

SAME_MOVES = 0.7
"""Correlation above which two VMs count as moving together."""

ROWS_AT_A_TIME = 512
"""Number of VMs compared with all others at a time, to limit memory."""


def find_clusters(folds: Folds, rows: IntArray) -> IntArray:
    """Cluster number, from 0, of each VM in ``rows``; shape (n,).

    Each VM's mean profile is subtracted from its blocks. Two VMs are linked if the remainders correlate by more than
    0.7, so VMs that merely have the same hours are not linked. VMs that are connected by a chain of links form a
    cluster.
    """
    if len(rows) == 0:
        return np.zeros(0, dtype=np.intp)
    left = _deviations(folds, rows)
    label = np.arange(len(rows), dtype=np.intp)
    links = [
        (left[first : first + ROWS_AT_A_TIME] @ left.T).round(6) > SAME_MOVES
        for first in range(0, len(rows), ROWS_AT_A_TIME)
    ]
    changed = True
    while changed:  # the smallest number of a cluster spreads along its links until every VM has it
        spread = np.concatenate([np.where(link, label, len(rows)).min(axis=1) for link in links])
        smaller = np.minimum(label, spread)
        changed = bool((smaller != label).any())
        label = smaller
    return np.asarray(np.unique(label, return_inverse=True)[1], dtype=np.intp)


def _deviations(folds: Folds, rows: IntArray) -> FloatArray:
    """Deviation of each VM's blocks from their mean, scaled to length 1; shape (n, num_blocks * num_starts)."""
    history = folds.history
    rates = divide_known(history.risk_sum[:, rows], history.day_count[:, rows])
    known = ~np.isnan(rates)
    mean = np.nan_to_num(divide_known(np.nansum(rates, axis=0), known.sum(axis=0)))
    left = np.where(known, rates - mean, 0.0).transpose(1, 0, 2).reshape(len(rows), -1)
    length = np.sqrt((left**2).sum(axis=1))
    return np.asarray(left / np.maximum(length, 1e-12)[:, None])
