"""What the points of a moves curve gain."""

from __future__ import annotations

import pytest

from optimizer.solve.moves.gains import Gains


def test_gains_are_measured_from_today() -> None:
    """Today's schedule starts the gain if it costs more than the last point, even without a point of 0 moves."""
    gains = Gains(10.0, [(2, 6.0), (4, 2.0), (9, 0.0)])
    assert gains.from_today and gains.any
    assert [gains.share(cost) for cost in (10.0, 6.0, 0.0)] == pytest.approx([0.0, 0.4, 1.0])
    assert gains.fewest_for(0.8) == 4


def test_gains_are_measured_from_the_fewest_moves_if_rules_cost_more() -> None:
    """If keeping the rules costs more than all moves save, the first point is the start of the gain."""
    gains = Gains(1.0, [(3, 9.0), (5, 4.0), (8, 3.0)])
    assert not gains.from_today
    assert gains.share(9.0) == 0.0
    assert gains.share(3.0) == pytest.approx(1.0)
    assert gains.elbow == 5


def test_the_elbow_has_at_least_the_fewest_moves() -> None:
    """The elbow is a point of the curve: no schedule with fewer moves keeps the rules."""
    gains = Gains(100.0, [(6, 2.0), (7, 1.0)])
    assert gains.elbow is not None and gains.elbow >= 6


def test_nothing_is_gained_where_no_move_saves() -> None:
    """A curve that does not fall has neither an elbow nor shares."""
    gains = Gains(5.0, [(0, 5.0)])
    assert not gains.any
    assert (gains.elbow, gains.fewest_for(0.8), gains.share(5.0)) == (None, None, 0.0)
