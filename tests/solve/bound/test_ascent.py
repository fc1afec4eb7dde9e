"""The bound and its ascent: small optima, cycles that go on, and instances that are unusual.

That it is a bound at all is shown in test_optimality.py and by the benchmarks.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.solve.bound.ascent import (
    Climb,
    ascend,
    dual_value,
    evaluate,
    forced_bounds,
    keep_going,
    load_compiled,
    reduced_costs,
    start_multipliers,
)
from optimizer.solve.bound.dual import dual_arrays, empty_answer
from optimizer.solve.problem import cost
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.benchmarks.twin_keys import of_key
from tests.solve.examples import vaults_that_share_services
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance

STARTS = (4, 9, 20)


def optimum(instance: Instance) -> float:
    """Cost of the cheapest of all schedules."""
    schedules = every_schedule(instance)
    return min(cost.evaluate(instance, o).total for o in schedules if cost.is_feasible(instance, o))


def spread(shape: Shape | None = None) -> Instance:
    """Three VMs of one service at 4, with three starts each."""
    prices = {(v, t): 0.2 * ((v + n) % 3) for v in range(3) for n, t in enumerate(STARTS)}
    rows = [Row(range(3), range(*ends), pair_price=1.0) for ends in ((0, 7), (7, 15), (15, 48))]
    return small_instance([4] * 3, priced(3, prices), rows, shape, dict.fromkeys(range(3), STARTS))


def test_rows_of_services_without_vms_do_not_matter() -> None:
    """The VMs of one twin key alone have a bound, although rows of services without VMs are still there."""
    whole = vaults_that_share_services().instance()
    for key in range(whole.num_keys):
        alone = of_key(whole, key)
        assert alone.service.max() <= whole.service.max()
        assert ascend(alone, 50).bound <= cost.evaluate(alone, alone.today).total
    assert any(of_key(whole, key).service.max() < whole.service.max() for key in np.unique(whole.key).tolist())


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(Shape(), id="nothing scarce"),
        pytest.param(Shape(write_price=0.3), id="policies cost"),
        pytest.param(Shape(max_moves=1), id="one move"),
        pytest.param(Shape(max_moves=0), id="no move"),
        pytest.param(Shape(write_limits=(WriteLimit("one", (0,), 1),)), id="one write"),
        pytest.param(Shape(room=(1,)), id="room for one policy"),
    ],
)
def test_the_bound_comes_near_the_optimum_and_never_above(shape: Shape) -> None:
    """Of three VMs that share a service, under each kind of limit."""
    instance = spread(shape)
    best, bound = optimum(instance), ascend(instance, 300).bound
    assert bound <= best
    assert bound >= best - 0.35 * max(1.0, best)


def test_without_shared_costs_the_bound_is_the_optimum() -> None:
    """Each VM has its cheapest start."""
    instance = small_instance([4, 9], priced(2, {(0, 4): 3.0, (0, 9): 1.0, (1, 9): 2.0}))
    assert ascend(instance, 100).bound == pytest.approx(3.0, abs=1e-3)


def test_the_ascent_begins_at_the_second_cheapest_option() -> None:
    """A VM with one allowed option is worth that one; rows with a price charge a share of it."""
    rows = [Row((0, 1), (4,), peak_price=1.0), Row((0, 1), (9,), cap=1)]
    instance = small_instance([4, 9], priced(2, {(0, 4): 3.0, (0, 9): 1.0}), rows, allowed={1: [9]})
    at = start_multipliers(dual_arrays(instance))
    assert at.lam.tolist() == [3.0, 9.0]
    assert at.alpha[0] > 0.0 == at.alpha[1]
    assert not at.mu.any() and not at.tau.any() and at.sigma == 0.0


def test_cycles_go_on_from_the_best_point() -> None:
    """The bound never falls from cycle to cycle, and the best point gives it."""
    instance = spread(Shape(max_moves=0))
    climb, bounds = Climb(instance), list[float]()
    assert climb.bound == -math.inf
    for steps in (3, 3, 100):
        climb.cycle(steps)
        bounds.append(climb.bound)
        assert dual_value(climb.arrays, climb.best) == pytest.approx(climb.bound, abs=1e-6)
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0]


def test_a_listener_hears_every_step_and_ends_the_cycle() -> None:
    """The values are those of the best point so far."""
    instance, heard = spread(), list[tuple[int, float]]()

    def five(step: int, value: float) -> bool:
        heard.append((step, value))
        return step < 5

    bound = ascend(instance, 100, five).bound
    assert [step for step, _ in heard] == [1, 2, 3, 4, 5]
    values = [value for _, value in heard]
    assert values == sorted(values)
    assert bound == pytest.approx(values[-1], abs=1e-5)
    assert keep_going(1, 0.0)


def test_an_ascent_can_begin_at_known_multipliers() -> None:
    """One step from a good point is better than one from the beginning; those of another shape are ignored."""
    instance = spread()
    good = ascend(instance, 200)
    near = ascend(instance, 1, start=good.best)
    assert near.bound == pytest.approx(good.bound, abs=1e-5)
    assert near.bound > ascend(instance, 1).bound
    other = ascend(small_instance([4]), 1).best
    assert ascend(instance, 1, start=other).bound == ascend(instance, 1).bound


def test_the_price_of_moves_is_dropped_with_their_limit() -> None:
    """Multipliers of the problem under a limit of moves give a bound without it too."""
    limited = spread(Shape(max_moves=1))
    at = ascend(limited, 100).best
    free = Climb(spread(), at)
    assert free.best.sigma == 0.0
    free.cycle(1)
    assert free.bound <= optimum(spread())


def test_rates_may_follow_another_measure_than_steps() -> None:
    """If the cycle counts as over from the first step on, all rates are the last one."""
    asked = list[int]()

    def over(step: int) -> float:
        asked.append(step)
        return 1.0

    climb = Climb(spread())
    climb.cycle(5, done=over)
    begin = start_multipliers(climb.arrays)
    assert asked == [1, 2, 3, 4, 5]
    assert np.abs(climb.best.lam - begin.lam).max() < 0.05


def test_the_bound_is_rounded_down() -> None:
    """The value of the dual function in floating point is above the bound, by little."""
    instance = spread()
    d, at = dual_arrays(instance), ascend(instance, 50).best
    value = evaluate(d, at, empty_answer(d))
    assert value - 1e-5 < dual_value(d, at) < value


def test_reduced_costs_are_prices_of_rows_and_moves() -> None:
    """The row at 9 costs 0.5, a move 0.25; a forbidden option stays forbidden."""
    rows = [Row((0, 1), (9,), cap=1)]
    instance = small_instance([4, 9], priced(2, {(0, 4): 1.0, (0, 9): 2.0}), rows, Shape(max_moves=1), {0: [4, 9]})
    at = start_multipliers(dual_arrays(instance))
    at.mu[0], at.sigma = 0.5, 0.25
    found = reduced_costs(instance, at)
    assert found[0, [4, 9]].tolist() == pytest.approx([1.0, 2.75])
    assert found[0, 20] >= FORBIDDEN
    assert found[1, 9] == pytest.approx(9.5)


def test_forced_bounds_add_the_reduced_cost() -> None:
    """Without anything shared: the bound of the others plus the price of the start; infinite if it is forbidden."""
    instance = small_instance([4, 4], priced(2, {(0, 4): 1.0, (0, 9): 3.0, (1, 4): 2.0}), allowed={0: [4, 9]})
    bounds = forced_bounds(instance, ascend(instance, 100).best)
    assert np.isinf(bounds[0]).sum() == 46
    assert bounds[0, 4] == pytest.approx(3.0, abs=1e-3)
    assert 3.0 - 1e-3 <= bounds[0, 9] <= 5.0 + 1e-6


def test_the_smallest_compiled_function_loads() -> None:
    """Without any multipliers, nothing happens."""
    load_compiled()
