"""Cross-validation chooses how many days of own history the profile of the fleet is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.risk.crossvalidation import DEFAULT_PRIOR_DAYS, PRIOR_DAYS, CrossValidation, cross_validate
from optimizer.risk.folds import Folds
from optimizer.risk.forecast import forecast_history
from optimizer.risk.history import RiskHistory
from optimizer.risk.seasonal import estimate_season, fleet_profile
from tests.risk.sources import make_history


def random_fleet(num_days: int, seed: int, num_against: int = 0) -> RiskHistory:
    """VMs that are busy on nine afternoons out of ten; the last few are seldom busy, and rather in the mornings."""
    busy = np.zeros((60, 48))
    busy[:, 24:] = 0.9
    busy[60 - num_against :, :24] = 0.15
    busy[60 - num_against :, 24:] = 0.03
    history = make_history(busy, num_days)
    draws = np.random.default_rng(seed).binomial(history.day_count, busy)
    return replace(history, risk_sum=draws.astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_cross_validation_hears_a_minority_that_goes_against_the_fleet(seed: int) -> None:
    """Where some VMs are busy while the fleet is quiet, much belief in the fleet costs, and a small k is chosen."""
    validation = forecast_history(random_fleet(56, seed, num_against=30)).validation
    assert validation is not None
    assert validation.mean_cost[-1] > 1.5 * validation.mean_cost.min()
    assert validation.chosen <= DEFAULT_PRIOR_DAYS
    unanimous = forecast_history(random_fleet(56, seed)).validation
    assert unanimous is not None
    assert unanimous.chosen == DEFAULT_PRIOR_DAYS


def test_cross_validated_cost_equals_a_slow_loop() -> None:
    """Each cell of the table is 30 days of the held-out share at the start that looks best on the other blocks."""
    history = random_fleet(20, seed=5, num_against=30)
    validation = cross_validate(Folds(history), believed=0.5)
    assert validation is not None
    for block in range(8):
        rest = [other for other in range(8) if other != block]
        sums, counts = history.risk_sum[rest].sum(axis=0), history.day_count[rest].sum(axis=0)
        days = history.usable_days[rest].sum(axis=0)
        season = estimate_season(sums, counts, days, fleet_profile(sums, counts))
        for column, prior_days in enumerate(PRIOR_DAYS):
            probability = season.probability(prior_days / 2).round(9)
            choices = [min(range(48), key=list(row).__getitem__) for row in probability]
            share = history.risk_sum[block] / history.day_count[block]
            expected = sum(30 * share[vm, start] for vm, start in enumerate(choices))
            assert validation.cost[block, column] == pytest.approx(expected)


@pytest.mark.parametrize(("num_days", "num_blocks"), [(5, None), (7, 3), (8, 4), (14, 7), (20, 8)])
def test_k_is_cross_validated_whatever_the_length_of_the_history(num_days: int, num_blocks: int | None) -> None:
    """From six days on, three blocks or more are held out in turn; only below that the default stands in."""
    validation = cross_validate(Folds(random_fleet(num_days, seed=0)))
    assert num_blocks == (None if validation is None else len(validation.cost))


def test_the_choice_leans_to_the_default_within_one_standard_error() -> None:
    """Of the candidates that cannot be told from the best, the nearest to the default is taken."""
    grid = (0, 4, 8, 96)
    clear = CrossValidation(grid, np.array([[1.0, 5, 5, 5], [1.0, 5.1, 5, 5], [1.0, 5, 5, 5.1]]))
    assert clear.chosen == 0
    flat = CrossValidation(grid, np.array([[9.0, 5, 6, 1], [9.0, 5, 4, 9], [9.0, 5, 5.1, 9]]))
    assert flat.chosen == 8
    not_default = CrossValidation(grid, np.array([[9.0, 5, 9, 5], [9.0, 5, 9, 6], [9.0, 5, 9.1, 4.1]]))
    assert not_default.chosen == 4
