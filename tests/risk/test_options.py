"""Risk per start option: runs of the day, UTC offsets, and known hours."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.pattern import Pattern
from optimizer.model.timegrid import Frequency, Recurrence
from optimizer.risk.folds import Folds
from optimizer.risk.options import OptionRuns, by_pattern, option_parts
from tests.risk.sources import make_history
from tests.solve.examples import DAILY, HOURLY, SUNDAYS, inventory, policy


def test_a_daily_option_counts_its_own_start_thirty_times() -> None:
    """In UTC, option t is start t; with starts every 15 minutes it is start 2t."""
    probability = np.linspace(0, 0.47, 48)[None, :]
    runs = OptionRuns.of(Pattern(DAILY, (0,)), 30)
    np.testing.assert_allclose(runs.expected(probability), 30 * probability)
    fine = OptionRuns.of(Pattern(DAILY, (0,)), 15)
    assert fine.starts[0, 0].tolist() == list(range(0, 96, 2))


def test_the_worse_of_two_offsets_counts_and_the_mean_is_observed() -> None:
    """At +01:00 an option at 12:00 runs at 11:00 UTC, at +02:00 at 10:00: expected is the worse, observed the mean."""
    rates = np.zeros((1, 48))
    rates[0, 20] = 0.5
    runs = OptionRuns.of(Pattern(DAILY, (60, 120)), 30)
    assert runs.expected(rates)[0, [22, 24, 26]].tolist() == [15, 15, 0]
    assert runs.observed(rates)[0, [22, 24, 26]].tolist() == [7.5, 7.5, 0]


def test_runs_of_a_day_add_up_and_weekly_ones_count_their_days() -> None:
    """Every 6 hours for 12 hours is three runs a day; on Sundays only, a run counts 30 / 7 times a month."""
    rates = np.zeros((1, 48))
    rates[0, [0, 12, 24, 36]] = 0.1, 0.2, 0.3, 0.4
    assert OptionRuns.of(Pattern(HOURLY, (0,)), 30).expected(rates)[0, [0, 12]] == pytest.approx([30 * 0.6, 30 * 0.9])
    assert OptionRuns.of(Pattern(SUNDAYS, (0,)), 30).expected(rates)[0, 0] == pytest.approx(0.1 * 30 / 7)


def test_unknown_runs_are_left_out_of_the_mean() -> None:
    """Of three runs a day, the known ones stand for all; an option without a known run is unknown."""
    rates = np.full((1, 48), np.nan)
    rates[0, [0, 12]] = 0.1, 0.3
    observed = OptionRuns.of(Pattern(HOURLY, (0,)), 30).observed(rates)
    assert observed[0, 0] == pytest.approx(3 * 30 * 0.2)
    assert np.isnan(observed[0, 1])


def test_a_spacing_that_misses_an_offset_is_refused() -> None:
    """Nepal is 5:45 ahead, so starts every half hour do not cover its options."""
    with pytest.raises(ValueError, match=r"every 30 minutes is too coarse for offsets of \(345,\)"):
        OptionRuns.of(Pattern(DAILY, (345,)), 30)


def test_items_are_grouped_by_pattern_in_order() -> None:
    """Policies of equal runs and offsets are one group, whatever their vault and start."""
    weekly = Recurrence(Frequency.WEEKLY, (2,))
    policies = [policy("p", "v", 4), policy("q", "w", 6), policy("r", "v", 4, weekly)]
    estate = inventory(policies, [("a", "q"), ("a", "r"), ("a", "p")])
    groups = by_pattern(estate, np.array([2, 1, 0]))
    assert {pattern.recurrence: rows.tolist() for pattern, rows in groups.items()} == {DAILY: [2, 0], weekly: [1]}


def test_parts_know_today_and_what_azure_offers() -> None:
    """An hourly policy may start until 19:30 and at today's start; estimates without a block are rounded."""
    estate = inventory([policy("p", "v", 44, HOURLY)], [("a", "p"), ("a", "p")])
    shares = np.zeros((2, 48))
    shares[:, 40:] = 0.5
    folds = Folds(make_history(shares))
    (part,) = option_parts(estate, folds, np.array([1, 0]), np.array([0, 1]), 30, 0.0)
    assert part.items.tolist() == [0, 1]
    assert part.today.tolist() == [44, 44]
    assert np.flatnonzero(part.possible[0]).tolist() == [*range(40), 44]
    assert part.observed.shape == (8, 2, 48)
    assert (part.expected(0) == part.expected(0).round(6)).all()
