"""The forecast: its limits, its fallbacks, its cross-validation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from optimizer.model.rules import Threshold
from optimizer.model.timegrid import Horizon
from optimizer.risk.crossvalidation import DEFAULT_PRIOR_DAYS, PRIOR_DAYS, CrossValidation, cross_validate
from optimizer.risk.folds import Folds
from optimizer.risk.forecast import Evidence, Forecast, forecast_history, forecast_load
from optimizer.risk.history import RiskHistory, count_blocks
from optimizer.risk.seasonal import (
    estimate_season,
    fleet_profile,
    scale_profile,
    share_believed,
    smooth_time_of_day,
)
from optimizer.risk.snapshots import SnapshotGrid
from tests.risk.sources import FIRST_DAY, make_days

SHARES = hnp.arrays(np.float64, (3, 48), elements=st.floats(0, 1))


def make_history(shares: np.ndarray, num_days: int = 28) -> RiskHistory:
    """Days on each of which a VM has the same share at risk; shares of shape (V, 48), NaN unknown."""
    known = ~np.isnan(shares)
    num_blocks = count_blocks(num_days)
    days = np.bincount(np.arange(num_days) * num_blocks // num_days).astype(np.uint8)
    return RiskHistory(
        vm_ids=tuple(f"vm-{row}" for row in range(len(shares))),
        dates=tuple(FIRST_DAY + timedelta(days=n) for n in range(num_days)),
        grid=SnapshotGrid(),
        risk_sum=(days[:, None, None] * np.nan_to_num(shares)).astype(np.float32),
        day_count=days[:, None, None] * known.astype(np.uint8),
        usable_days=days[:, None] * (known.mean(axis=1) >= 0.5).astype(np.uint8),
        varies=np.ones(len(shares), dtype=np.bool_),
    )


@given(SHARES)
def test_smoothing_keeps_means_and_bounds(shares: np.ndarray) -> None:
    """The circular smooth keeps each VM's mean and stays within its extremes."""
    smooth = smooth_time_of_day(shares)
    np.testing.assert_allclose(smooth.mean(axis=1), shares.mean(axis=1), atol=1e-12)
    assert (smooth <= shares.max(axis=1, keepdims=True) + 1e-12).all()
    assert (smooth >= shares.min(axis=1, keepdims=True) - 1e-12).all()


@pytest.mark.parametrize("num_starts", [48, 96, 288])
def test_smoothing_is_circular_and_a_gaussian_of_ninety_minutes(num_starts: int) -> None:
    """A peak at midnight spreads alike to both sides, and 90 minutes away has fallen by exp(-1/2)."""
    peak = np.zeros(num_starts)
    peak[0] = 1
    smooth = smooth_time_of_day(peak)
    steps = num_starts // 16
    assert smooth[steps] == pytest.approx(smooth[-steps])
    assert smooth[steps] / smooth[0] == pytest.approx(np.exp(-0.5))


@given(SHARES)
def test_no_prior_days_leave_the_smooth_of_own_history(shares: np.ndarray) -> None:
    """With k = 0 the forecast is the smoothed frequency."""
    season = estimate_season(7 * shares, np.full((3, 48), 7), np.full(3, 7), np.ones(48))
    np.testing.assert_allclose(season.probability(0), smooth_time_of_day(shares), atol=1e-12)


@given(SHARES)
def test_many_prior_days_leave_the_fleet_at_the_own_level(shares: np.ndarray) -> None:
    """With k towards infinity the hours are the fleet's, at the VM's own mean level."""
    profile = fleet_profile(shares, np.ones((3, 48)))
    season = estimate_season(7 * shares, np.full((3, 48), 7), np.full(3, 7), profile)
    expected = scale_profile(shares.mean(axis=1), profile)
    np.testing.assert_allclose(season.probability(1e15), expected, atol=1e-9)


@given(SHARES, st.sampled_from(PRIOR_DAYS))
def test_the_blend_lies_between_its_parts(shares: np.ndarray, prior_days: int) -> None:
    """Whatever k is, the forecast is a probability between own history and prior."""
    profile = fleet_profile(shares, np.ones((3, 48)))
    season = estimate_season(7 * shares, np.full((3, 48), 7), np.full(3, 7), profile)
    probability = season.probability(prior_days)
    assert (probability >= np.minimum(season.own, season.prior) - 1e-12).all()
    assert (probability <= np.maximum(season.own, season.prior) + 1e-12).all()
    assert probability.min() >= 0
    assert probability.max() <= 1 + 1e-12


def test_twelve_days_of_history_and_twelve_of_prior_weigh_alike() -> None:
    """The blend is (n * own + k * prior) / (n + k)."""
    rng = np.random.default_rng(3)
    season = estimate_season(12 * rng.random((2, 48)), np.full((2, 48), 12), np.full(2, 12), np.ones(48))
    np.testing.assert_allclose(season.probability(12), (season.own + season.prior) / 2)
    np.testing.assert_allclose(season.probability(36), (season.own + 3 * season.prior) / 4)


def test_smoothing_weighs_hours_by_their_days() -> None:
    """An hour that is known on few days hardly moves its neighbours."""
    sums, counts = np.zeros((1, 48)), np.full((1, 48), 100)
    counts[0, 10] = sums[0, 10] = 1
    season = estimate_season(sums, counts, np.array([28]), np.ones(48))
    assert 0 < season.own[0, 10] < 0.01


def test_fleet_profile_counts_each_busy_vm_alike() -> None:
    """The profile has mean 1 and leaves out the VMs that are never at risk; unknown hours do not count as quiet."""
    shares = np.zeros((3, 48))
    shares[0, :24] = 0.2
    shares[1, 24:] = 0.2
    counts = np.full((3, 48), 5)
    counts[1, :24] = 0
    profile = fleet_profile(5 * shares, counts)
    assert profile.mean() == pytest.approx(1)
    assert profile[0] / profile[30] == pytest.approx(2)


def test_a_small_level_follows_the_plain_product_and_a_high_one_stays_a_probability() -> None:
    """A VM at risk 0.1 % of the time follows the fleet's hours; one that always is gains nothing at any hour."""
    profile = np.repeat([0.5, 1.5], 24)
    scaled = scale_profile([0.001, 1.0, 0.0], profile)
    np.testing.assert_allclose(scaled[0], 0.001 * profile, rtol=1e-3)
    np.testing.assert_allclose(scaled[1], 1, atol=1e-8)
    assert (scaled[2] == 0).all()


def test_who_is_credited_with_own_history() -> None:
    """Six usable days, a stuck counter and no samples at all are told apart, and the fleet stands in for each."""
    rng = np.random.default_rng(1)
    shares = rng.random((5, 48)) * np.linspace(0, 1, 48)
    shares[3] = np.nan
    history = make_history(shares)
    history.usable_days[:, 1] = [0, 0, 0, 0, 0, 0, 3, 3]
    history.varies[2] = False
    history.usable_days[:, 4] = [0, 0, 0, 0, 0, 0, 3, 4]
    forecast = forecast_history(history)
    own, little, none = Evidence.OWN_HISTORY, Evidence.TOO_LITTLE_DATA, Evidence.NO_DATA
    assert forecast.evidence == (own, little, little, none, own)
    assert forecast.num_days.tolist() == [28, 6, 28, 0, 7]
    trusted = smooth_time_of_day(shares[[0, 4]]).mean()
    np.testing.assert_allclose(
        forecast.probability[3],
        scale_profile([trusted], fleet_profile(shares[[0, 4]], np.ones((2, 48))))[0],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(forecast.probability[1], forecast.probability[3])
    np.testing.assert_array_equal(forecast.probability[2], forecast.probability[3])
    assert (forecast.probability[4] != forecast.probability[3]).any()


def test_a_vm_that_is_never_at_risk_is_forecast_none() -> None:
    """A VM with a quiet month of its own does not inherit the fleet's troubles."""
    shares = np.zeros((2, 48))
    shares[0, 10:20] = 0.5
    forecast = forecast_history(make_history(shares))
    assert (forecast.probability[1] == 0).all()
    assert forecast.evidence[1] is Evidence.OWN_HISTORY


def test_an_estate_without_load_is_forecast_none() -> None:
    """Without any sample every VM has no data, and no risk is made up."""
    forecast = forecast_history(make_history(np.full((2, 48), np.nan)))
    assert forecast.evidence == (Evidence.NO_DATA,) * 2
    assert (forecast.probability == 0).all()
    assert forecast.validation is None


def test_a_few_days_of_the_whole_estate_give_the_fleet_to_all() -> None:
    """Where no VM has seven days, what there is makes the profile that stands in for everyone."""
    shares = np.zeros((2, 48))
    shares[0, 10:20] = 0.5
    history = make_history(shares, num_days=7)
    history.usable_days[:] = 1
    forecast = forecast_history(history)
    assert forecast.evidence == (Evidence.TOO_LITTLE_DATA,) * 2
    np.testing.assert_array_equal(forecast.probability[0], forecast.probability[1])
    assert forecast.probability[0, 15] > forecast.probability[0, 30]


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


def test_a_month_of_own_evidence_beats_the_hours_of_a_neighbor() -> None:
    """In an office of 12 VMs, a server that is busy at night only is not forecast its neighbor's noon."""
    shares = np.zeros((12, 48))
    shares[0, 2:8] = 0.4
    shares[1, 22:28] = 0.9
    forecast = forecast_history(make_history(shares, 31))
    assert 30 * forecast.probability[0, 24] < 0.001
    assert forecast.prior_days == 0


def test_the_fleet_is_believed_more_the_larger_it_is() -> None:
    """One busy VM has no fleet to learn from; with eleven of them and two weeks the fleet gets half of its weight."""
    assert share_believed(0, 14) == share_believed(1, 14) == 0
    assert share_believed(11, 14) == share_believed(11, 7) == 0.5
    assert share_believed(1000, 14) == share_believed(1000, 42) > 0.98


def test_a_small_fleet_is_believed_less_the_more_days_its_vms_have() -> None:
    """With four weeks, up to 17 busy VMs believe only themselves; there is no jump in days or in the size."""
    assert share_believed(17, 28) == share_believed(17, 42) == share_believed(2, 28) == 0
    assert share_believed(11, 21) == 0.25
    assert share_believed(33, 28) == share_believed(33, 14)
    by_days = [share_believed(12, days) for days in range(7, 43)]
    by_size = [share_believed(size, 28) for size in range(1, 200)]
    assert by_days == sorted(by_days, reverse=True)
    assert by_size == sorted(by_size)
    assert max(np.abs(np.diff(by_days)).max(), np.abs(np.diff(by_size)).max()) < 0.06


def test_a_vm_that_was_never_busy_at_an_hour_has_no_risk_there() -> None:
    """Eight busy VMs, seven of which are busy at night every day: the eighth, busy at noon, has none at night."""
    shares = np.zeros((12, 48))
    shares[:7, 44:48] = 1.0
    shares[7, 22:26] = 0.6
    forecast = forecast_history(make_history(shares, 28))
    assert 30 * forecast.probability[7, 46] < 0.001


def test_the_choice_leans_to_the_default_within_one_standard_error() -> None:
    """Of the candidates that cannot be told from the best, the nearest to the default is taken."""
    grid = (0, 4, 8, 96)
    clear = CrossValidation(grid, np.array([[1.0, 5, 5, 5], [1.0, 5.1, 5, 5], [1.0, 5, 5, 5.1]]))
    assert clear.chosen == 0
    flat = CrossValidation(grid, np.array([[9.0, 5, 6, 1], [9.0, 5, 4, 9], [9.0, 5, 5.1, 9]]))
    assert flat.chosen == 8
    not_default = CrossValidation(grid, np.array([[9.0, 5, 9, 5], [9.0, 5, 9, 6], [9.0, 5, 9.1, 4.1]]))
    assert not_default.chosen == 4


def forecast_of(cpu: np.ndarray, as_of_day: int) -> Forecast:
    source = make_days(cpu)
    as_of = datetime.combine(FIRST_DAY + timedelta(days=as_of_day), time.min, UTC)
    return forecast_load(source, [f"vm-{row}" for row in range(len(cpu))], Horizon(as_of), Threshold())


def test_the_future_is_not_looked_at() -> None:
    """Load from 2 h 10 min before the estate was taken on has no influence."""
    rng = np.random.default_rng(11)
    cpu = rng.uniform(0, 100, (4, 12, 288)).cumsum(axis=2) % 100
    changed = cpu.copy()
    changed[:, 9, 288 - 26 :] = 99
    changed[:, 10:] = 99
    np.testing.assert_array_equal(forecast_of(cpu, 10).probability, forecast_of(changed, 10).probability)
    changed[:, 9, 288 - 36 :] = 99
    assert (forecast_of(cpu, 10).probability != forecast_of(changed, 10).probability).any()


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_vms_only_permutes_the_forecast(order: list[int]) -> None:
    """Rows follow the caller's order; the values change by no more than the rounding of sums."""
    cpu = np.random.default_rng(2).uniform(0, 100, (6, 8, 288)).cumsum(axis=2) % 100
    source = make_days(cpu)
    horizon = Horizon(datetime(2026, 4, 1, tzinfo=UTC))
    straight = forecast_load(source, [f"vm-{row}" for row in range(6)], horizon, Threshold())
    mixed = forecast_load(source, [f"VM-{row}" for row in order], horizon, Threshold())
    np.testing.assert_allclose(mixed.probability, straight.probability[order], atol=1e-12)
