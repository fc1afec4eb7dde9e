"""The steps of an ascent: where it begins, how far it goes, what it keeps and when it ends."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.ascent import (
    FIRST_SHARE,
    LAST_RATE,
    SAFETY,
    STEPS_PER_SEARCH,
    Climb,
    OnStep,
    ascend,
    dual_value,
    evaluate,
    forced_bounds,
    reduced_costs,
    start_multipliers,
)
from optimizer.solve.bound.dual import Multipliers, dual_arrays, empty_answer
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.bound.plain_dual import plain_reduced, random_instance, random_multipliers, starts_in_order
from tests.solve.small_instances import Row, Shape, apart, priced, small_instance

SEEDS = st.integers(0, 2**16)


def crowded(max_moves: int | None = None) -> Instance:
    """Three VMs that want to start together in a row where pairs cost 1."""
    prices = {(v, t): 0.3 * t for v in range(3) for t in (4, 5, 6)}
    rows = [Row(range(3), (t,), pair_price=1.0) for t in (4, 5)]
    shape = Shape(max_moves=max_moves, write_limits=(WriteLimit("few", (0,), 1),))
    return small_instance([6] * 3, priced(3, prices), rows, shape)


def same(one: Multipliers, other: Multipliers) -> bool:
    """Whether all multipliers are equal."""
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_a_climb_begins_at_a_copy_of_its_start() -> None:
    """Multipliers that fit are taken over, and stay as they are."""
    instance = crowded(max_moves=1)
    start = start_multipliers(dual_arrays(instance))
    start.lam[:], start.mu[:], start.sigma = 7.0, 0.5, 0.25
    climb = Climb(instance, start)
    assert same(climb.best, start)
    climb.cycle(20)
    assert start.lam.tolist() == [7.0] * 3
    assert start.sigma == 0.25


def listener(heard: list[float], last: int = 10**6) -> OnStep:
    """Note the values of all steps, and end the cycle at the given one."""

    def listen(step: int, value: float) -> bool:
        heard.append(value)
        return step < last

    return listen


def other_instances() -> list[object]:
    """Instances that differ from the crowded one in one kind of multipliers each."""
    made, gates = crowded(), apart(0, 1, 3, starts_in_order())
    more_rows = small_instance([6] * 3, rows=[Row(range(3), (t,), cap=2) for t in (4, 5, 6)])
    return [
        pytest.param(replace(more_rows, write_limits=made.write_limits), id="rows"),
        pytest.param(replace(made, write_limits=()), id="limits"),
        pytest.param(replace(made, gates=gates), id="copies"),
        pytest.param(small_instance([6] * 2, rows=[Row((0, 1), (t,), cap=2) for t in (4, 5)]), id="VMs"),
    ]


@pytest.mark.parametrize("other", other_instances())
def test_a_start_of_another_shape_is_ignored(other: Instance) -> None:
    """A single difference in the number of rows, limits, copies or VMs is enough."""
    start = start_multipliers(dual_arrays(other))
    start.lam[:] = 7.0
    instance = crowded()
    assert same(Climb(instance, start).best, start_multipliers(dual_arrays(instance)))


@pytest.mark.parametrize(("max_moves", "sigma"), [(None, 0.0), (2, 0.75)])
def test_moves_keep_their_price_only_if_they_are_limited(max_moves: int | None, sigma: float) -> None:
    """Without a limit, a price of moves would raise the value above what schedules cost."""
    start = start_multipliers(dual_arrays(crowded()))
    start.sigma = 0.75
    climb = Climb(crowded(max_moves), start)
    assert climb.best.sigma == sigma
    climb.cycle(1)
    assert climb.best.sigma == sigma
    assert start.sigma == 0.75


def test_a_cycle_that_is_stopped_at_once_has_the_bound_of_its_start() -> None:
    """The first step evaluates the start, before it goes anywhere."""
    instance = crowded()
    climb = Climb(instance)
    climb.cycle(100, lambda _step, _value: False)
    start = start_multipliers(climb.arrays)
    assert same(climb.best, start)
    assert climb.bound == dual_value(climb.arrays, start)


@pytest.mark.parametrize("last", [1, 3, 8])
def test_a_cycle_ends_after_the_step_at_which_it_is_told_to(last: int) -> None:
    """Each step up to this one is reported once, and none after it."""
    heard = list[float]()
    Climb(crowded()).cycle(8, listener(heard, last))
    assert len(heard) == last


def test_the_best_point_survives_steps_that_are_far_too_long() -> None:
    """Rates a thousand times too high lead astray; the bound stays where it was or rises."""
    climb = Climb(crowded())
    climb.cycle(100)
    bound, best = climb.bound, climb.best
    values = list[float]()
    climb.cycle(30, listener(values), 1000.0, 1000.0)
    assert climb.bound >= bound
    assert values == sorted(values)
    if values[-1] == values[0]:
        assert same(climb.best, best)
    assert climb.bound == pytest.approx(values[-1], abs=1e-5)


def test_the_value_heard_is_the_best_of_all_cycles() -> None:
    """The first step of a second cycle reports what the first cycle has found."""
    climb, heard = Climb(crowded()), list[float]()
    climb.cycle(50, listener(heard))
    reached = heard[-1]
    climb.cycle(1, listener(heard))
    assert heard[-1] == pytest.approx(reached, abs=1e-12)
    assert reached > heard[0]


@pytest.mark.parametrize(("num_steps", "hurry"), [(4000, 1.0), (8000, 1.0), (2000, 2**0.5), (1000, 2.0), (100, 2.0)])
def test_the_first_step_goes_as_far_as_the_first_rate(num_steps: int, hurry: float) -> None:
    """A VM of no service is worth 0.05 more after a step, and up to twice as much (to the power of 0.6) in a hurry."""
    instance = small_instance([4], priced(1, {(0, 4): 3.0}))
    start = start_multipliers(dual_arrays(instance))
    start.lam[:] = 0.0
    climb = Climb(instance, start)
    climb.cycle(num_steps, lambda step, _: step < 2)
    assert climb.best.lam[0] == pytest.approx(0.05 * hurry**0.6 * LAST_RATE ** (1 / num_steps), rel=1e-6)


@pytest.mark.parametrize(("first", "last"), [(1.0, 1.0), (0.5, 0.5), (0.1, 0.4)])
def test_rates_go_from_the_first_to_the_last(first: float, last: float) -> None:
    """Four steps in the same direction, whose lengths form a geometric sequence; the fifth point is the best."""
    instance = small_instance([4], priced(1, {(0, 4): 3.0}))
    start = start_multipliers(dual_arrays(instance))
    start.lam[:] = 0.0
    climb = Climb(instance, start)
    climb.cycle(4000, lambda step, _: step < 5, first, last, lambda step: step / 4)
    lengths = [0.05 * first * (last / first) ** (step / 4) for step in range(1, 5)]
    assert climb.best.lam[0] == pytest.approx(sum(lengths), rel=1e-5)


@pytest.mark.parametrize("rate", [0.3, 5.0, 200.0])
def test_multipliers_keep_their_limits(rate: float) -> None:
    """Prices of rows, moves and writes are never negative, and shares are between 0 and 1, however long the steps."""
    climb, points = Climb(crowded(max_moves=0)), list[Multipliers]()

    def keep(_step: int, _value: float) -> bool:
        points.append(climb.best)
        return True

    climb.cycle(40, keep, rate, rate)
    for at in points:
        assert min(at.mu.min(), at.tau.min(), at.sigma, at.alpha.min()) >= 0.0
        assert at.alpha.max() <= 1.0


def test_a_scarce_move_gets_a_price() -> None:
    """No move is allowed, and VMs would gain from one; without a limit there is no price."""
    limited, free = Climb(crowded(max_moves=0)), Climb(crowded())
    limited.cycle(200)
    free.cycle(200)
    assert limited.best.sigma > 0.1
    assert free.best.sigma == 0.0


def test_services_that_are_placed_together_are_searched_every_few_steps() -> None:
    """Only these steps, and the last one, give values; until the first of them there is none."""
    rows = [Row(range(3), range(48), pair_price=1.0)]
    instance, heard = small_instance([4] * 3, priced(3, {}), rows), list[float]()
    climb = Climb(instance)
    climb.cycle(STEPS_PER_SEARCH + 2, listener(heard))
    assert heard[: STEPS_PER_SEARCH - 1] == [-math.inf] * (STEPS_PER_SEARCH - 1)
    assert heard[STEPS_PER_SEARCH - 1] == heard[STEPS_PER_SEARCH] > -math.inf
    short = list[float]()
    Climb(instance).cycle(2, listener(short))
    assert short[0] == -math.inf < short[1]
    stopped = Climb(instance)
    stopped.cycle(100, lambda step, _: step < 2)
    assert stopped.bound == dual_value(stopped.arrays, start_multipliers(stopped.arrays))


def test_an_ascent_is_one_cycle_of_a_climb() -> None:
    """The bound and the multipliers are the same."""
    instance = crowded(max_moves=1)
    climb = Climb(instance)
    climb.cycle(60)
    ascent = ascend(instance, 60)
    assert ascent.bound == climb.bound
    assert same(ascent.best, climb.best)


@settings(max_examples=10)
@given(SEEDS)
def test_at_the_start_each_vm_costs_its_cheapest_option(seed: int) -> None:
    """Without limits, policies or rows, the first point is the best one, and its value the sum of the minima."""
    random = np.random.default_rng(seed)
    linear = random.uniform(0, 5, (3, 48))
    instance = small_instance([4] * 3, linear)
    d = dual_arrays(instance)
    at = start_multipliers(d)
    assert at.lam == pytest.approx(np.sort(linear, axis=1)[:, 1])
    assert dual_value(d, at) == pytest.approx(linear.min(axis=1).sum(), abs=1e-5)


def test_at_the_start_a_tie_of_the_cheapest_options_is_worth_their_price() -> None:
    """Two options at 1: no option is worth taking, and the move is part of the price."""
    tied = small_instance([4], priced(1, {(0, 9): 1.0, (0, 20): 1.0}))
    moved = small_instance([4], priced(1, {(0, 4): 1.0, (0, 9): 1.0}), shape=Shape(move_price=0.5))
    assert start_multipliers(dual_arrays(tied)).lam.tolist() == [1.0]
    assert start_multipliers(dual_arrays(moved)).lam.tolist() == [1.5]


def test_at_the_start_rows_with_a_price_charge_a_share() -> None:
    """Pairs and peaks do, and caps and rows without a price do not."""
    rows = [
        Row((0, 1), (4,), pair_price=1.0),
        Row((0, 1), (5,)),
        Row((0, 1), (4,), peak_price=1.0),
        Row((0, 1), (9,), cap=1),
    ]
    at = start_multipliers(dual_arrays(small_instance([4, 4], rows=rows)))
    assert at.alpha.tolist() == [FIRST_SHARE, 0.0, FIRST_SHARE, 0.0]


@settings(max_examples=10)
@given(SEEDS)
def test_bounds_are_rounded_down_by_the_safety_margin(seed: int) -> None:
    """By a share of 1 plus the absolute value; with or without an answer at hand."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order=True)
    d, at = dual_arrays(instance), random_multipliers(random, instance)
    value = evaluate(d, at, empty_answer(d))
    assert dual_value(d, at) == pytest.approx(value - SAFETY * (1 + abs(value)), abs=1e-11)
    assert dual_value(d, at, empty_answer(d)) == dual_value(d, at)


@settings(max_examples=10)
@given(SEEDS, st.booleans())
def test_reduced_costs_are_sums_of_prices(seed: int, with_order: bool) -> None:
    """Linear cost, rows, moves and copies of each option, before the VM's own value."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order)
    at = random_multipliers(random, instance)
    found = reduced_costs(instance, at)
    for v, t in np.argwhere(instance.allowed).tolist():
        assert found[v, t] == pytest.approx(plain_reduced(instance, at, v, t) + at.lam[v])
    assert found[~instance.allowed].min() >= FORBIDDEN - 10
    assert np.array_equal(found, reduced_costs(instance, at, dual_arrays(instance)))


@settings(max_examples=10)
@given(SEEDS, st.booleans())
def test_forced_bounds_add_what_an_option_costs_beyond_the_value_of_its_vm(seed: int, with_order: bool) -> None:
    """Nothing is added for an option that a VM is worth, and one that is not allowed has no schedule."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order)
    at = random_multipliers(random, instance)
    bounds, value = forced_bounds(instance, at), dual_value(dual_arrays(instance), at)
    assert np.isinf(bounds).tolist() == (~instance.allowed).tolist()
    for v, t in np.argwhere(instance.allowed).tolist():
        assert bounds[v, t] == pytest.approx(value + max(0.0, plain_reduced(instance, at, v, t)))
