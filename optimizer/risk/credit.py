"""Computes the credit of each VM from the gain of its choice on held-out days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.risk.folds import Folds
from optimizer.risk.options import IntArray, OptionPart, option_parts
from optimizer.risk.seasonal import BoolArray, FloatArray, divide_known
from optimizer.risk.student import upper_tail

FALSE_DISCOVERIES = 0.05
"""Share of the credited VMs that may be credited by chance, if the estate's profiles are not known to repeat."""

MIN_JUDGMENTS = 2
"""Number of blocks on which a VM's choice must have been judged before its own gains count as evidence."""

TIE = 1e-9
"""Difference below which two risks are equal; risks are rounded to 1e-6."""


@dataclass(frozen=True)
class FoldGains:
    """Gain of each VM's best option over today's option, chosen without a block of days and judged on that block.

    Parameters
    ----------
    claimed
        Shape (num_blocks, V): gain in at-risk backups per 30 days, as estimated when the option was chosen.
    realized
        Shape (num_blocks, V): gain observed in the block that was left out; NaN where unknown.
    """

    claimed: FloatArray
    realized: FloatArray

    def without(self, block: int) -> FoldGains:
        """The gains in all other blocks."""
        return FoldGains(np.delete(self.claimed, block, axis=0), np.delete(self.realized, block, axis=0))


def best_option(risk: FloatArray, allowed: BoolArray, today: IntArray) -> IntArray:
    """The allowed option with the lowest risk for each VM; today's option if none is better; shape (V,)."""
    rows = np.arange(len(risk))
    able = np.where(allowed, risk, np.inf)
    best = able.argmin(axis=1)
    return np.where(able[rows, best] < risk[rows, today] - TIE, best, today)


def gains_without(part: OptionPart, blocks: tuple[int, ...]) -> tuple[FloatArray, list[FloatArray]]:
    """Gain of the best options chosen without some blocks: as claimed, and as realized in each of the blocks."""
    risk, rows = part.expected(*blocks), np.arange(len(part.items))
    choice = best_option(risk, part.possible, part.today)
    observed = (part.observed[block] for block in blocks)
    realized = [seen[rows, part.today] - seen[rows, choice] for seen in observed]
    return risk[rows, part.today] - risk[rows, choice], realized


def believe_gains(gains: FoldGains, repeats: bool) -> FloatArray:
    """Share of its estimated gain that each VM is credited with, from 0 to 1; shape (V,).

    Let ``m`` be the mean of a VM's realized gains, ``s`` its standard error over the blocks, and ``c`` the mean of the
    claimed gains. A choice is never judged on days that influenced it, so ``m`` has no winner's curse: its expectation
    is the real gain of a choice made on all blocks but one.

    If the profiles of the estate repeat, the true gain of a VM is modeled as normal around ``pooled * c`` with
    standard deviation ``c``, where ``pooled`` is the ratio of the estate's realized gain to its claimed gain. The
    credit is the posterior mean of the gain divided by ``c``: ``(z * z * m / c + pooled) / (z * z + 1)`` with
    ``z = c / s``. So a VM with consistent blocks is credited by its own evidence, and a VM with noisy blocks gets the
    estate's share.

    If the profiles are not known to repeat, there is no share to borrow: ``pooled`` is 0, and only VMs whose own
    blocks show a gain are credited. Their mean must be above zero by Student's test, at a false discovery rate of 5 %
    over the VMs that have anything to gain (Benjamini and Hochberg). In an estate where no profile repeats, the
    probability that any VM is credited is then about 5 %.

    A VM that has nothing to gain also gets the estate's share.

    Parameters
    ----------
    gains
        Gains by block and VM.
    repeats
        Whether the profiles of the estate are known to repeat.
    """
    known = ~np.isnan(gains.realized)
    count = known.sum(axis=0)
    realized = np.where(known, gains.realized, 0.0)
    mean = realized.sum(axis=0) / np.maximum(count, 1)
    claimed = np.where(known, gains.claimed, 0.0).sum(axis=0) / np.maximum(count, 1)
    spread = np.where(known, (realized - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(spread / np.maximum(count - 1, 1) / np.maximum(count, 1))
    speaks = count >= MIN_JUDGMENTS
    hopes = claimed > TIE
    pooled = 0.0
    if repeats and hopes.any():
        pooled = float(np.clip(mean[hopes & speaks].sum() / max(claimed[hopes & speaks].sum(), TIE), 0.0, 1.0))
    precision = np.where(speaks, (claimed / np.maximum(error, TIE)) ** 2, 0.0)
    ratio = np.nan_to_num(divide_known(mean, claimed))
    credit = np.clip((precision * ratio + pooled) / (precision + 1), 0.0, 1.0)
    if not repeats:
        credit[~_discoveries(mean, error, count, hopes & speaks)] = 0.0
    return np.where(hopes, credit, pooled).round(6)


def _discoveries(mean: FloatArray, error: FloatArray, count: IntArray, tested: BoolArray) -> BoolArray:
    """VMs whose mean gain is above zero by a t test, at the false discovery rate of Benjamini and Hochberg."""
    p_value = np.ones(len(mean))
    t = mean / np.maximum(error, TIE)
    for number in np.unique(count[tested]).tolist():
        rows = tested & (count == number)
        p_value[rows] = upper_tail(t[rows], number - 1)
    p_value[~tested] = 1.0
    order = np.argsort(p_value, kind="stable")
    bound = FALSE_DISCOVERIES * np.arange(1, len(order) + 1) / max(int(tested.sum()), 1)
    passed = np.flatnonzero(p_value[order] <= bound)
    discovered = np.zeros(len(mean), dtype=np.bool_)
    if len(passed):
        discovered[order[: passed[-1] + 1]] = True
    return discovered & tested


def credit_items(
    inventory: Inventory,
    folds: Folds,
    fold_row: IntArray,
    items: IntArray,
    *,
    step_minutes: int,
    prior_days: float,
    repeats: bool,
) -> FloatArray:
    """Credit of the given items; see :func:`believe_gains`.

    Parameters
    ----------
    inventory
        The items.
    folds
        The history of the busy VMs.
    fold_row
        Shape (num_items,): row in ``folds`` of each item of the inventory.
    items
        Rows of the inventory whose credit is computed.
    step_minutes
        Spacing of the forecast's UTC start times, in minutes.
    prior_days
        Number of days of own history that the fleet's profile is worth.
    repeats
        Whether the profiles of the estate are known to repeat.

    Returns
    -------
    numpy.ndarray
        Shape (len(items),): credit from 0 to 1.
    """
    column = np.zeros(len(fold_row), dtype=np.intp)
    column[items] = np.arange(len(items))
    shape = (folds.num_blocks, len(items))
    gains = FoldGains(np.zeros(shape), np.full(shape, np.nan))
    for part in option_parts(inventory, folds, fold_row, items, step_minutes, prior_days):
        columns = column[part.items]
        for block in range(folds.num_blocks):
            gains.claimed[block, columns], (gains.realized[block, columns],) = gains_without(part, (block,))
    return believe_gains(gains, repeats)
