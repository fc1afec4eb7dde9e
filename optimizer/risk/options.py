"""Converts risk per UTC start time into risk per start option of a policy, over 30 days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.pattern import Pattern
from optimizer.model.timegrid import HORIZON_DAYS, MINUTES_PER_DAY, NUM_OPTIONS, SLOT_MINUTES
from optimizer.risk.folds import FoldPart, Folds
from optimizer.risk.seasonal import BoolArray, FloatArray, divide_known

RISK_DECIMALS = 6
"""Number of decimals that risks are rounded to, so that machines that differ in the last bits make the same plan."""

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class OptionRuns:
    """UTC starts of the runs at each start option of a pattern.

    Parameters
    ----------
    starts
        Shape (num_offsets, num_runs_a_day, 48): index of the UTC start of each run, at each UTC offset of the time
        zone.
    days_per_month
        Number of days in 30 on which the pattern runs.
    """

    starts: IntArray
    days_per_month: float

    @classmethod
    def of(cls, pattern: Pattern, step_minutes: int) -> OptionRuns:
        """Compute the runs of a pattern, with UTC starts every ``step_minutes``.

        Raises
        ------
        ValueError
            The spacing is too coarse for a UTC offset of the time zone.
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
        """At-risk backups per 30 days of each option, the worst over the time zone's UTC offsets; shape (V, 48)."""
        by_offset = (probability[:, runs].sum(axis=1) for runs in self.starts)
        worst = np.zeros((len(probability), NUM_OPTIONS))
        for weekly in by_offset:
            np.maximum(worst, weekly, out=worst)
        return np.asarray(worst * self.days_per_month)

    def observed(self, rates: FloatArray) -> FloatArray:
        """At-risk backups per 30 days of each option at the observed rates; NaN if no run of an option is known.

        This is the mean over the time zone's UTC offsets: which offset will apply is not known, and the worse of two
        noisy rates would be too high.

        Parameters
        ----------
        rates
            Shape (..., num_starts): share at risk of each UTC start, NaN where unknown.
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
    """Group items by the pattern of their policies, each group in the order of the items."""
    patterns = {key: inventory.pattern(policy) for key, policy in inventory.policies.items()}
    rows_of: defaultdict[Pattern, list[int]] = defaultdict(list)
    for row in items.tolist():
        rows_of[patterns[inventory.items[row].policy_id]].append(row)
    return {pattern: np.array(rows, dtype=np.intp) for pattern, rows in rows_of.items()}


@dataclass(frozen=True)
class OptionPart:
    """Some items with the same pattern, whose risk can be estimated without any block of the history.

    Parameters
    ----------
    items
        Shape (n,): rows of the inventory.
    today
        Shape (n,): today's start options.
    possible
        Shape (n, 48): options that Azure offers.
    part
        History of the items' VMs, in blocks.
    runs
        UTC starts of each option of the pattern.
    prior_days
        Number of days of own history that the fleet's profile is worth.
    """

    items: IntArray
    today: IntArray
    possible: BoolArray
    part: FoldPart
    runs: OptionRuns
    prior_days: float

    def expected(self, *without: int) -> FloatArray:
        """Risk of each option, estimated without the given blocks; shape (n, 48)."""
        probability = self.part.season(*without).probability(self.prior_days)
        return self.runs.expected(probability).round(RISK_DECIMALS)

    @cached_property
    def observed(self) -> FloatArray:
        """Observed risk of each option in each block, NaN where unknown; shape (num_blocks, n, 48)."""
        return self.runs.observed(self.part.observed)


def option_parts(
    inventory: Inventory, folds: Folds, fold_row: IntArray, items: IntArray, step_minutes: int, prior_days: float
) -> Iterator[OptionPart]:
    """Yield the busy items of an inventory, a chunk with the same pattern at a time.

    Parameters
    ----------
    inventory
        The items.
    folds
        The history of the busy VMs.
    fold_row
        Shape (num_items,): row in ``folds`` of each item.
    items
        Rows of the inventory to yield; each has a row in ``folds``.
    step_minutes
        Spacing of the forecast's UTC start times, in minutes.
    prior_days
        Number of days of own history that the fleet's profile is worth.
    """
    for pattern, members in by_pattern(inventory, items).items():
        runs = OptionRuns.of(pattern, step_minutes)
        for chunk, part in folds.parts(fold_row[members]):
            rows = members[chunk]
            today = np.array([inventory.policy(inventory.items[row]).start for row in rows.tolist()], dtype=np.intp)
            possible = np.zeros((len(rows), NUM_OPTIONS), dtype=np.bool_)
            for index, start in enumerate(today.tolist()):
                possible[index, list(pattern.recurrence.options(start))] = True
            yield OptionPart(rows, today, possible, part, runs, prior_days)
