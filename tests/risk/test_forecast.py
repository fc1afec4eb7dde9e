"""The forecast: its limits, its fallbacks, its cross-validation."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from optimizer.model.rules import Threshold
from optimizer.model.timegrid import Horizon
from optimizer.risk.forecast import Evidence, Forecast, forecast_history, forecast_load
from optimizer.risk.seasonal import (
    fleet_profile,
    scale_profile,
    smooth_time_of_day,
)
from tests.risk.sources import FIRST_DAY, make_days, make_history

SHARES = hnp.arrays(np.float64, (3, 48), elements=st.floats(0, 1))


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


def test_a_month_of_own_evidence_beats_the_hours_of_a_neighbor() -> None:
    """In an office of 12 VMs, a server that is busy at night only is not forecast its neighbor's noon."""
    shares = np.zeros((12, 48))
    shares[0, 2:8] = 0.4
    shares[1, 22:28] = 0.9
    forecast = forecast_history(make_history(shares, 31))
    assert 30 * forecast.probability[0, 24] < 0.001
    assert forecast.prior_days == 0


def test_a_vm_that_was_never_busy_at_an_hour_has_no_risk_there() -> None:
    """Eight busy VMs, seven of which are busy at night every day: the eighth, busy at noon, has none at night."""
    shares = np.zeros((12, 48))
    shares[:7, 44:48] = 1.0
    shares[7, 22:26] = 0.6
    forecast = forecast_history(make_history(shares, 28))
    assert 30 * forecast.probability[7, 46] < 0.001


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
