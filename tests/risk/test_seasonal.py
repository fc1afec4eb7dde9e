"""The seasonal estimate: its smoothing, its prior, and how much weight a fleet gets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from optimizer.risk.crossvalidation import PRIOR_DAYS
from optimizer.risk.seasonal import (
    divide_known,
    estimate_season,
    fleet_profile,
    scale_profile,
    share_believed,
    smooth_time_of_day,
)

SHARES = hnp.arrays(np.float64, (3, 48), elements=st.floats(0, 1))


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
    """With k toward infinity the hours are the fleet's, at the VM's own mean level."""
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
    """An hour that is known on few days hardly moves its neighbors."""
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


def test_unknown_quotients_are_nan() -> None:
    """Nothing is divided by a count of zero, or by a negative one."""
    assert divide_known([1.0, 2.0, 3.0], [2, 0, -1]).tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


def test_a_fleet_that_is_never_busy_has_a_flat_profile() -> None:
    """Without a busy VM, no hour is worse than another."""
    assert (fleet_profile(np.zeros((3, 48)), np.ones((3, 48))) == 1).all()
