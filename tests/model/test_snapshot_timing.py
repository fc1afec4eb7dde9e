"""Timing of snapshots: how likely two overlap, by formula and by simulation, and what a window of the timing lasts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.model.snapshot_timing import NUM_DELAYS, USUAL_TIMING, SnapshotTiming, common_timing
from tests.model.timings import delays

PROMPT = SnapshotTiming(10, delays(m0=1.0))
"""Backups that start on time, give or take the 5-minute grid, with short snapshots."""

EVEN = SnapshotTiming(15, (0.5 / 24, *[1 / 24] * 23, 0.5 / 24))
"""Delays spread evenly over two hours, as they look on the grid."""

TIMINGS = st.builds(
    lambda minutes, weights: SnapshotTiming(minutes, tuple(np.array(weights) / sum(weights))),
    st.integers(1, 90),
    st.lists(st.integers(0, 9), min_size=NUM_DELAYS, max_size=NUM_DELAYS).filter(any),
)


def closed_form(apart: float) -> float:
    """Probability for uniform delays of 0 to 120 minutes and snapshots of 15, starts this many minutes apart.

    The difference of two delays has the density ``(120 - |x|) / 120^2``; snapshots overlap where it lies within 15
    minutes of the distance.
    """

    def below(x: float) -> float:
        x = min(max(x, -120.0), 120.0)
        return 0.5 + (x * 120 - np.copysign(x * x / 2, x)) / 120**2

    return float(below(apart + 15) - below(apart - 15))


def drawn(timing: SnapshotTiming, random: np.random.Generator, count: int) -> np.ndarray:
    """Start delays in minutes, drawn as a timing states them."""
    if not timing.delays:
        return random.uniform(0, 120, count)
    return 5 * random.choice(NUM_DELAYS, count, p=timing.delays) + random.uniform(-2.5, 2.5, count)


@pytest.mark.parametrize("apart", [0, 30, 60, 90, 120, 150])
def test_the_closed_form_is_what_a_simulation_finds(apart: int) -> None:
    """Two snapshots drawn a million times run at the same time as often as the formula says."""
    random = np.random.default_rng(1)
    one, other = random.uniform(0, 120, (2, 1_000_000))
    assert (abs(one - (apart + other)) < 15).mean() == pytest.approx(closed_form(apart), abs=0.002)


def test_known_probabilities() -> None:
    """23, 19, 12.5, 6 and 0.8 % for starts 0 to 120 minutes apart, as the module states."""
    assert USUAL_TIMING.exact_overlap == pytest.approx((15 / 64, 3 / 16, 1 / 8, 1 / 16, 1 / 128))
    assert USUAL_TIMING.overlap == pytest.approx((0.23, 0.1725, 0.115, 0.0575))


@pytest.mark.parametrize("apart", range(-210, 211, 7))
def test_the_exact_probability_is_the_closed_form(apart: int) -> None:
    """At any number of minutes in both directions, and 0 from two and a quarter hours on."""
    found = USUAL_TIMING.probability_of_overlap(USUAL_TIMING, apart)
    assert found == pytest.approx(closed_form(abs(apart)))
    assert (found == 0) == (abs(apart) >= 135)


@pytest.mark.parametrize("apart", [-90, -20, 0, 30, 65])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (USUAL_TIMING, PROMPT),
        (SnapshotTiming(40, delays(m0=0.3, m45=0.5, m120=0.2)), PROMPT),
        (SnapshotTiming(7, delays(m10=0.5, m60=0.5)), USUAL_TIMING),
    ],
)
def test_two_timings_overlap_as_often_as_in_a_simulation(
    one: SnapshotTiming, other: SnapshotTiming, apart: int
) -> None:
    """A snapshot of one vault and one of another, each with its own delays and length; the order matters."""
    random = np.random.default_rng(2)
    first, second = drawn(one, random, 400_000), apart + drawn(other, random, 400_000)
    meet = (first < second + other.snapshot_minutes) & (second < first + one.snapshot_minutes)
    found = one.probability_of_overlap(other, apart)
    assert found == pytest.approx(meet.mean(), abs=0.004)
    assert found == pytest.approx(other.probability_of_overlap(one, -apart))


def test_even_delays_on_the_grid_are_the_usual_ones() -> None:
    """Rounded to 5 minutes, delays spread over two hours give almost the usual probabilities."""
    assert EVEN.exact_overlap == pytest.approx(USUAL_TIMING.exact_overlap, abs=0.002)
    assert EVEN.overlap[:4] == pytest.approx(USUAL_TIMING.overlap, abs=0.01)


def test_the_box_is_never_wrong_by_more_than_it_says() -> None:
    """Right within 0.005 where backups start together, and within 0.015 at every other distance."""
    priced = (*USUAL_TIMING.overlap, 0.0, 0.0)
    errors = [abs(probability - closed_form(30 * apart)) for apart, probability in enumerate(priced)]
    assert errors[0] < 0.005
    assert max(errors) == pytest.approx(0.015)


@settings(max_examples=30)
@given(TIMINGS)
def test_boxes_are_the_largest_convex_function_below(timing: SnapshotTiming) -> None:
    """The price is convex and never above the truth, equals it at no distance, and touches it where it bends."""
    exact = [*timing.exact_overlap, 0.0, 0.0]
    priced = [*timing.overlap, *[0.0] * (len(exact) - len(timing.overlap))]
    assert all(box.weight > 0 for box in timing.boxes)
    assert priced[0] == pytest.approx(exact[0])
    assert all(low <= high + 1e-9 for low, high in zip(priced, exact, strict=True))
    falls = [before - after for before, after in pairwise(priced)]
    assert all(before >= after - 1e-9 for before, after in pairwise(falls))
    assert all(priced[box.width] == pytest.approx(exact[box.width], abs=1e-9) for box in timing.boxes)


def test_backups_on_time_overlap_only_at_the_same_time() -> None:
    """With prompt starts, half an hour keeps two snapshots apart, and the same start makes them meet every time."""
    assert PROMPT.exact_overlap[:2] == pytest.approx((1.0, 0.0))
    assert [(box.width, round(box.weight, 9)) for box in PROMPT.boxes] == [(1, 1.0)]
    assert PROMPT.daily_pair == pytest.approx(30)


def test_the_window_is_whole_whatever_delays_are_usual() -> None:
    """Rules count the two hours that Azure may take, and only the snapshot's length changes the window."""
    assert USUAL_TIMING.window_minutes == EVEN.window_minutes == 135
    assert PROMPT.window_minutes == 130


def test_the_share_started_rises_from_nothing_to_all() -> None:
    """Usually by 1/120 a minute; a delay on the grid is spread over the 5 minutes around it."""
    minutes = np.array([-10, 0, 30, 60, 120, 500])
    assert USUAL_TIMING.share_started(minutes).tolist() == [0, 0, 0.25, 0.5, 1, 1]
    late = SnapshotTiming(15, delays(m30=0.25, m60=0.75))
    assert late.share_started(minutes).tolist() == pytest.approx([0, 0, 0.125, 0.625, 1, 1])


def test_a_daily_pair_overlaps_seven_times_a_month() -> None:
    """Two VMs that start together every day: 30 times 23 %, near the 7.03 of the closed form."""
    assert USUAL_TIMING.daily_pair == pytest.approx(6.9)
    assert USUAL_TIMING.daily_pair == pytest.approx(30 * closed_form(0), abs=0.15)


@pytest.mark.parametrize("timing", [USUAL_TIMING, PROMPT])
@pytest.mark.parametrize("num_vms", [2, 3, 5, 40])
def test_a_service_all_at_once_costs_at_least_its_price(num_vms: int, timing: SnapshotTiming) -> None:
    """Small services pay more for each overlap, large ones the plain price."""
    together = timing.daily_pair * num_vms * (num_vms - 1) / 2
    assert together * timing.price_per_overlap(0.0145, 1.0, num_vms) >= 1.0 - 1e-12
    assert timing.price_per_overlap(0.0145, 0.0, num_vms) == 0.0145
    assert timing.price_per_overlap(0.0145, 1.0, 40) == 0.0145


@pytest.mark.parametrize(
    ("minutes", "shares", "message"),
    [
        (0, (), "snapshot_minutes is 0; allowed: 1 to 720"),
        (721, (), "snapshot_minutes is 721; allowed: 1 to 720"),
        (15, (1.0,), "delays has 1 entries; allowed: 25"),
        (15, (1.2, -0.2, *[0.0] * 23), "minimum -0.2"),
        (15, (0.5, *[0.0] * 24), "the sum 0.5"),
        (15, (float("nan"), *[0.0] * 24), "probabilities of at least 0"),
    ],
)
def test_a_timing_that_cannot_be_is_refused(minutes: int, shares: tuple[float, ...], message: str) -> None:
    """Lengths out of range, and delays that are not 25 probabilities, are mistakes of the caller."""
    with pytest.raises(ValueError, match=message):
        SnapshotTiming(minutes, shares)


def test_one_service_has_one_timing() -> None:
    """Equal timings are one; different ones are refused with the name of the service and what to do."""
    assert common_timing("shop", [SnapshotTiming(), USUAL_TIMING]) == USUAL_TIMING
    with pytest.raises(
        DataError, match=r"service 'shop' has VMs in vaults with 2 .* \(snapshots of 15 min and 10 min"
    ):
        common_timing("shop", [USUAL_TIMING, PROMPT])
