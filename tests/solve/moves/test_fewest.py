"""Schedules of few moves where today breaks a rule, against every schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.fewest import cheapest_within, with_fewest_moves
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import Row, every_schedule, priced, small_instance

SEARCH = Search(effort=8)
STARTS = (4, 9, 20)


def crowded() -> Instance:
    """Three VMs at 4 under a cap of two there, each of which would rather be at 20."""
    prices = {(v, t): price for v in range(3) for t, price in ((4, 3.0), (9, 3.5), (20, 1.0 + v / 10))}
    allowed = dict.fromkeys(range(3), STARTS)
    return small_instance([4, 4, 4], priced(3, prices), [Row((0, 1, 2), (4,), cap=2)], allowed=allowed)


def cheapest(instance: Instance, most: int) -> float:
    """Cost of the cheapest schedule with so many moves at most, by trying all."""
    return min(
        evaluate(instance, options).total
        for options in every_schedule(instance)
        if is_feasible(instance, options) and (options != instance.today).sum() <= most
    )


def test_one_move_is_enough_to_keep_the_cap() -> None:
    """All three VMs want to move, but the cap only asks for one of them."""
    instance, known = crowded(), np.array([20, 20, 20])
    found = with_fewest_moves(instance, known, SEARCH, SolveClock(None))
    assert is_feasible(instance, found)
    assert int((found != instance.today).sum()) == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_cheapest_schedule_within_some_moves(most: int) -> None:
    """The schedule costs what the cheapest of all costs, and the bound is no higher."""
    instance = crowded()
    found, bound = cheapest_within(instance, most, np.array([20, 4, 4]), SEARCH, SolveClock(None))
    assert int((found != instance.today).sum()) <= most
    assert evaluate(instance, found).total == pytest.approx(cheapest(instance, most))
    assert bound <= cheapest(instance, most) + 1e-9


def test_without_time_the_known_schedule_is_kept() -> None:
    """Nothing is proven then."""
    instance, known = crowded(), np.array([9, 4, 4])
    over = SolveClock(0.0)
    found, bound = cheapest_within(instance, 1, known, SEARCH, over)
    assert found is known
    assert bound == -math.inf
    assert with_fewest_moves(instance, known, SEARCH, over) is known
