"""From UTC start times to the start options of policies: what a set of runs risks in 30 days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import HORIZON_DAYS, MINUTES_PER_DAY, NUM_OPTIONS, SLOT_MINUTES, Pattern
from optimizer.risk.folds import FoldPart, Folds
from optimizer.risk.seasonal import BoolArray, FloatArray, divide_known

RISK_DECIMALS = 6
"""Risks are rounded, so that the same plan comes out of machines that differ in the last bits."""

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class OptionRuns:
    """The UTC starts that each start option of a pattern means.

    Parameters
    ----------
    starts
        Shape (num_offsets, num_runs_a_day, 48): number of the UTC start of each run, at each offset of the zone.
    days_per_month
        Days in 30 on which the pattern runs.
    """

    starts: IntArray
    days_per_month: float

    @classmethod
    def of(cls, pattern: Pattern, step_minutes: int) -> OptionRuns:
        """The runs of a pattern, with UTC starts every ``step_minutes``.

        Raises
        ------
        ValueError
            The spacing is too coarse for an offset of the zone.
        """
        if any(offset % step_minutes for offset in pattern.offsets):
            raise ValueError(
                f"a forecast every {step_minutes} minutes is too coarse for offsets of {pattern.offsets} minutes"
            )
        offsets = np.array(pattern.offsets)[:, None, None]
        runs = np.array(pattern.recurrence.runs_after_start)[None, :, None]
        minutes = (np.arange(NUM_OPTIONS) * SLOT_MINUTES + runs - offsets) % MINUTES_PER_DAY
        days = len(pattern.recurrence.weekdays) * (HORIZON_DAYS / 7)
        return cls((minutes // step_minutes).astype(np.intp), days)

    def expected(self, probability: FloatArray) -> FloatArray:
        """At-risk backups per 30 days of each option, the worst over the zone's offsets; shape (V, 48)."""
        by_offset = (probability[:, runs].sum(axis=1) for runs in self.starts)
        worst = np.zeros((len(probability), NUM_OPTIONS))
        for weekly in by_offset:
            np.maximum(worst, weekly, out=worst)
        return np.asarray(worst * self.days_per_month)

    def observed(self, rates: FloatArray) -> FloatArray:
        """At-risk backups per 30 days that observed rates amount to; NaN where no run of an option is known.

        The mean over the zone's offsets: which of them will hold is not known, and the worst of two noisy rates would
        be too high.

        Parameters
        ----------
        rates
            Shape (..., num_starts), NaN where unknown.
        """
        starts = self.starts.reshape(-1, NUM_OPTIONS)
        total = np.zeros((*rates.shape[:-1], NUM_OPTIONS))
        known = np.zeros_like(total)
        for run in starts:
            rate = rates[..., run]
            is_known = ~np.isnan(rate)
            total += np.where(is_known, rate, 0.0)
            known += is_known
        return np.asarray(divide_known(total, known) * (self.starts.shape[1] * self.days_per_month))


def by_pattern(inventory: Inventory, items: IntArray) -> dict[Pattern, IntArray]:
    """Some items by the pattern of their policies, in the order of the items."""
    patterns = {key: policy.pattern(inventory.horizon) for key, policy in inventory.policies.items()}
    found: defaultdict[Pattern, list[int]] = defaultdict(list)
    for row in items.tolist():
        found[patterns[inventory.items[row].policy_id.lower()]].append(row)
    return {pattern: np.array(rows, dtype=np.intp) for pattern, rows in found.items()}


@dataclass(frozen=True)
class OptionPart:
    """Some items with one pattern, whose risk can be estimated without any block of the history.

    Parameters
    ----------
    items
        Shape (n,): rows of the inventory.
    today
        Shape (n,): start options of today.
    possible
        Shape (n, 48): options that Azure has.
    """

    items: IntArray
    today: IntArray
    possible: BoolArray
    part: FoldPart
    runs: OptionRuns
    prior_days: float

    def expected(self, *without: int) -> FloatArray:
        """Shape (n, 48): risk of each option, estimated without some blocks."""
        probability = self.part.season(*without).probability(self.prior_days)
        return self.runs.expected(probability).round(RISK_DECIMALS)

    @cached_property
    def observed(self) -> FloatArray:
        """Shape (num_blocks, n, 48): what each option would have risked in each block; NaN where unknown."""
        return self.runs.observed(self.part.observed)


def option_parts(
    inventory: Inventory, folds: Folds, fold_row: IntArray, items: IntArray, step_minutes: int, prior_days: float
) -> Iterator[OptionPart]:
    """The busy items of an inventory, a chunk with one pattern at a time.

    Parameters
    ----------
    fold_row
        Shape (num_items,): row of each item in ``folds``.
    items
        Rows of the inventory that are wanted; each has a row in ``folds``.
    """
    for pattern, members in by_pattern(inventory, items).items():
        runs = OptionRuns.of(pattern, step_minutes)
        for chunk, part in folds.parts(fold_row[members]):
            rows = members[chunk]
            today = np.array([inventory.policy(inventory.items[row]).start for row in rows.tolist()], dtype=np.intp)
            possible = np.zeros((len(rows), NUM_OPTIONS), dtype=np.bool_)
            for place, start in enumerate(today.tolist()):
                possible[place, list(pattern.recurrence.options(start))] = True
            yield OptionPart(rows, today, possible, part, runs, prior_days)
