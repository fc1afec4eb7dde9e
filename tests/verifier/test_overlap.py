"""The verifier's own overlap probabilities agree with the model's, which are made in another way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from optimizer.model.snapshot_timing import USUAL_TIMING, SnapshotTiming
from optimizer.verifier.overlap import exact_probabilities, priced_probabilities
from tests.model.test_snapshot_timing import TIMINGS
from tests.model.timings import delays


def padded(values: tuple[float, ...], length: int) -> list[float]:
    """Values with zeros at their end."""
    return [*values, *[0.0] * (length - len(values))]


def test_the_usual_probabilities_are_fractions() -> None:
    """Delays spread over two hours and snapshots of 15 minutes, as the module on snapshot timing derives them."""
    assert exact_probabilities(USUAL_TIMING) == pytest.approx((15 / 64, 3 / 16, 1 / 8, 1 / 16, 1 / 128))
    assert priced_probabilities(USUAL_TIMING) == (0.23, 0.1725, 0.115, 0.0575)


@settings(max_examples=15, deadline=None)
@given(TIMINGS)
def test_both_ways_agree(timing: SnapshotTiming) -> None:
    """Cells of half a minute against integrals, and lines between all points against the lower hull."""
    exact, priced = exact_probabilities(timing), priced_probabilities(timing)
    length = max(len(exact), len(timing.exact_overlap))
    assert padded(exact, length) == pytest.approx(padded(timing.exact_overlap, length), abs=1e-9)
    assert padded(priced, length) == pytest.approx(padded(timing.overlap, length), abs=1e-9)


@pytest.mark.parametrize(("minutes", "together"), [(1, 0.36), (5, 1.0), (30, 1.0)])
def test_delays_on_time_overlap_within_their_five_minutes(minutes: int, together: float) -> None:
    """Two starts within 5 minutes differ by less than one minute in 36 % of all cases, and never by more than five."""
    assert exact_probabilities(SnapshotTiming(minutes, delays(m0=1.0)))[0] == pytest.approx(together)


def test_two_usual_delays_are_priced_below_the_truth_between_them() -> None:
    """Half on time and half an hour late: starts an hour apart meet in a quarter, which no convex price can say."""
    timing = SnapshotTiming(5, delays(m0=0.5, m60=0.5))
    assert exact_probabilities(timing)[:3] == pytest.approx((0.5, 0.0, 0.25))
    assert priced_probabilities(timing)[:3] == pytest.approx((0.5, 0.0, 0.0))
