"""Lower bounds for all numbers of moves at once, against every schedule of small instances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.moves.bounds import ROUNDING, Bounds, slopes_at
from optimizer.solve.problem.cost import evaluate
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance


def test_slopes_of_a_convex_curve() -> None:
    """The curve falls by 4 per move up to 1, and by 1 up to 3; a corner has the mean of its sides."""
    curve = [(0, 10.0), (1, 6.0), (3, 4.0)]
    assert slopes_at(curve, [0]) == [4.0]
    assert slopes_at(curve, [1]) == [2.5]
    assert slopes_at(curve, [2]) == [1.0]
    assert slopes_at(curve, [0, 2, 3]) == [1.0, 4.0]
    assert slopes_at(curve, [7]) == []


def test_points_above_the_hull_have_no_slope_of_their_own() -> None:
    """The second point lies above the line between its neighbors."""
    assert slopes_at([(0, 10.0), (1, 9.0), (2, 2.0)], [1]) == [4.0]
    assert slopes_at([(0, 10.0)], [0]) == []


def test_without_moves_the_bound_is_the_cost() -> None:
    """There is one schedule only."""
    instance = small_instance([4])
    assert Bounds(instance, -5.0, (), 1, {}, lambda: False).at(0, 3.5) == 3.5


def test_the_best_of_all_lines_and_proven_bounds_holds() -> None:
    """A proven bound holds for its number of moves and for all smaller ones; the global bound always does."""
    bounds = Bounds(small_instance([4]), 1.0, (), 1, {3: 6.0, 5: 4.0}, lambda: False)
    assert [bounds.at(m, 9.0) for m in (1, 3, 4, 5, 6)] == [6.0, 6.0, 4.0, 4.0, 1.0]


def test_a_bound_above_the_cost_by_rounding_is_the_cost() -> None:
    """What exceeds the cost by more than rounding is left as it is, so that the verifier sees it."""
    bounds = Bounds(small_instance([4]), 5.0, (), 1, {}, lambda: False)
    assert bounds.at(1, 5.0 - ROUNDING) == 5.0 - ROUNDING
    assert bounds.at(1, 4.9) == 5.0


def test_a_price_per_move_bounds_few_moves() -> None:
    """Three VMs gain 4 each by moving: with one move, the bound is near 3 * 5 - 4; the bound of all moves is 3."""
    prices = {(v, t): price for v in range(3) for t, price in ((4, 5.0), (9, 1.0))}
    instance = small_instance([4, 4, 4], priced(3, prices))
    bounds = Bounds(instance, 3.0, [4.0], 5, {}, lambda: False)
    assert bounds.at(1, 11.0) == pytest.approx(11.0, abs=0.05)
    assert bounds.at(3, 3.0) == pytest.approx(3.0, abs=0.05)


def test_without_time_only_the_global_bound_is_left() -> None:
    """No line is computed once the search has to stop."""
    prices = {(v, t): price for v in range(3) for t, price in ((4, 5.0), (9, 1.0))}
    bounds = Bounds(small_instance([4, 4, 4], priced(3, prices)), 3.0, [4.0], 10, {}, lambda: True)
    assert bounds.at(1, 11.0) == 3.0


@settings(max_examples=12)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0, 3.0, 4.0]), min_size=3, max_size=3), min_size=3, max_size=3),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([0.5, 2.0, 3.5]),
)
def test_bounds_hold_for_every_schedule(prices: list[list[float]], pair: float, sigma: float) -> None:
    """No schedule with at most ``m`` moves costs less than the bound at ``m``, whatever the price per move."""
    starts = (4, 9, 20)
    linear = priced(3, {(v, t): prices[v][n] for v in range(3) for n, t in enumerate(starts)})
    rows = [Row((0, 1, 2), (9,), pair_price=pair)]
    allowed = dict.fromkeys(range(3), starts)
    instance = small_instance([4, 4, 9], linear, rows, Shape(move_price=0.1), allowed)
    costs = [(int((o != instance.today).sum()), evaluate(instance, o).total) for o in every_schedule(instance)]
    bounds = Bounds(instance, min(cost for _, cost in costs), [sigma], 2, {}, lambda: False)
    for m in range(4):
        best = min(cost for moves, cost in costs if moves <= m)
        assert bounds.at(m, best) <= best + 1e-9
    assert np.isfinite(bounds.at(2, 100.0))
