"""How likely two snapshots overlap: the boxes against the closed form, and the closed form against a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.overlap import (
    DAILY_PAIR,
    Box,
    exact_overlap_probability,
    overlap_probability,
    price_per_overlap,
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


@pytest.mark.parametrize("apart", [0, 30, 60, 90, 120, 150])
def test_the_closed_form_is_what_a_simulation_finds(apart: int) -> None:
    """Two snapshots drawn a million times run at the same time as often as the formula says."""
    random = np.random.default_rng(1)
    one, other = random.uniform(0, 120, (2, 1_000_000))
    assert (abs(one - (apart + other)) < 15).mean() == pytest.approx(closed_form(apart), abs=0.002)


def test_known_probabilities() -> None:
    """23, 19, 12.5, 6 and 0.8 % for starts 0 to 120 minutes apart, as the module states."""
    found = [round(closed_form(apart), 4) for apart in (0, 30, 60, 90, 120, 135)]
    assert found == [0.2344, 0.1875, 0.125, 0.0625, 0.0078, 0.0]


def test_the_exact_probability_is_the_closed_form() -> None:
    """In both directions, and 0 from two and a half hours on."""
    assert [exact_overlap_probability(apart) for apart in range(-7, 8)] == pytest.approx(
        [closed_form(30 * abs(apart)) for apart in range(-7, 8)]
    )
    assert exact_overlap_probability(5) == 0


def test_the_box_is_never_wrong_by_more_than_it_says() -> None:
    """Right within 0.005 where backups start together, and within 0.015 at every other distance."""
    errors = [abs(overlap_probability(apart) - closed_form(30 * apart)) for apart in range(8)]
    assert errors[0] < 0.005
    assert max(errors) == pytest.approx(0.015)


def test_any_convex_falling_probability_is_a_sum_of_boxes() -> None:
    """Boxes of 1 to 5 half hours, weighted by how the slope changes, give back the closed form exactly."""
    wanted = [closed_form(30 * apart) for apart in range(7)]
    wanted[0] = 2 * wanted[1] - wanted[2]  # convex: the top of the closed form is rounded off
    boxes = tuple(Box(w, wanted[w - 1] - 2 * wanted[w] + wanted[w + 1]) for w in range(1, 6))
    assert all(box.weight >= -1e-12 for box in boxes)
    assert [overlap_probability(apart, boxes) for apart in range(7)] == pytest.approx(wanted)


def test_a_daily_pair_overlaps_seven_times_a_month() -> None:
    """Two VMs that start together every day: 30 times 23 %, near the 7.03 of the closed form."""
    assert pytest.approx(6.9) == DAILY_PAIR
    assert pytest.approx(30 * closed_form(0), abs=0.15) == DAILY_PAIR


@pytest.mark.parametrize("num_vms", [2, 3, 5, 40])
def test_a_service_all_at_once_costs_at_least_its_price(num_vms: int) -> None:
    """Small services pay more for each overlap, large ones the plain price."""
    together = DAILY_PAIR * num_vms * (num_vms - 1) / 2
    assert together * price_per_overlap(0.0145, 1.0, num_vms) >= 1.0 - 1e-12
    assert price_per_overlap(0.0145, 0.0, num_vms) == 0.0145
    assert price_per_overlap(0.0145, 1.0, 40) == 0.0145
