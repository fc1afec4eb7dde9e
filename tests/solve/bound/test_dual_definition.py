"""The dual function against its definition, on random small instances at random multipliers."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.ascent import dual_value, evaluate, forced_bounds
from optimizer.solve.bound.dual import SORTED_RUN, Multipliers, dual_arrays, empty_answer, price_classes
from optimizer.solve.problem import cost
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.bound.plain_dual import (
    answer_at,
    plain_cell,
    plain_cut,
    plain_row,
    plain_value,
    random_instance,
    random_multipliers,
    rows_of,
)
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance

SEEDS = st.integers(0, 2**16)


@settings(max_examples=15)
@given(SEEDS)
def test_each_cell_takes_its_cheapest_subset(seed: int) -> None:
    """No subset of the VMs of a key, with charges for pairs, peaks and policies, costs less than the cell."""
    random = np.random.default_rng(seed)
    instance = random_instance(random)
    at = random_multipliers(random, instance)
    _, answer, _ = answer_at(instance, at)
    plain = [[plain_cell(instance, at, k, t) for t in range(48)] for k in range(2)]
    assert answer.cells == pytest.approx(np.array(plain), abs=1e-9)


@settings(max_examples=15)
@given(SEEDS)
def test_each_row_takes_its_cheapest_number_of_vms(seed: int) -> None:
    """From none to all VMs of the row, or to its cap, no number costs less than the value of the row."""
    random = np.random.default_rng(seed)
    instance = random_instance(random)
    at = random_multipliers(random, instance)
    _, answer, _ = answer_at(instance, at)
    plain = [plain_row(instance, at, r) for r in range(len(instance.rows))]
    assert answer.rows == pytest.approx(np.array(plain), abs=1e-9)


@settings(max_examples=15)
@given(SEEDS, st.booleans())
def test_the_value_is_the_sum_of_all_subproblems_less_the_limits(seed: int, with_order: bool) -> None:
    """Values of the VMs, cells, rows and cuts, minus the prices of moves and writes times their limits."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order)
    at = random_multipliers(random, instance)
    value, _, d = answer_at(instance, at)
    assert not len(d.services.vm_kind)
    assert value == pytest.approx(plain_value(instance, at), abs=1e-9)


@settings(max_examples=10)
@given(SEEDS)
def test_a_cut_of_two_vms_pays_for_the_cheapest_starts_in_order(seed: int) -> None:
    """The value of the cut is that of the cheapest pair of allowed starts that do not clash."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order=True)
    at = random_multipliers(random, instance)
    _, answer, d = answer_at(instance, at)
    assume(len(d.cuts.vm) == 2)
    assert answer.cuts.tolist() == pytest.approx([plain_cut(instance, at.kappa)])


@settings(max_examples=12)
@given(SEEDS, st.booleans())
def test_slopes_are_difference_quotients(seed: int, with_order: bool) -> None:
    """Between kinks the function is linear, so every component of the subgradient is a difference quotient."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order)
    at = random_multipliers(random, instance)
    _, answer, d = answer_at(instance, at)
    step, scratch = 1e-6, empty_answer(d)
    for field in fields(at):
        if field.name == "sigma":
            continue
        slopes = getattr(answer, field.name)
        for place in np.ndindex(slopes.shape):
            above, below = at.copy(), at.copy()
            getattr(above, field.name)[place] += step
            getattr(below, field.name)[place] -= step
            quotient = (evaluate(d, above, scratch) - evaluate(d, below, scratch)) / (2 * step)
            assert quotient == pytest.approx(slopes[place], abs=1e-5), (field.name, place)


@settings(max_examples=12)
@given(SEEDS)
def test_the_slope_of_the_price_of_moves_is_a_difference_quotient(seed: int) -> None:
    """Moves of the relaxed solution minus their limit."""
    random = np.random.default_rng(seed)
    instance = replace(random_instance(random), max_moves=1)
    at = random_multipliers(random, instance)
    _, answer, d = answer_at(instance, at)
    above, below, step = at.copy(), at.copy(), 1e-6
    above.sigma, below.sigma = at.sigma + step, at.sigma - step
    values = [evaluate(d, point, empty_answer(d)) for point in (above, below)]
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(answer.moves[0], abs=1e-5)


@settings(max_examples=20)
@given(SEEDS, st.booleans())
def test_no_schedule_costs_less_than_the_value_or_than_forced_bounds(seed: int, with_order: bool) -> None:
    """At any multipliers of the right sign, for all feasible schedules and for each of their starts."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order)
    points = [random_multipliers(random, instance) for _ in range(4)]
    values = [dual_value(dual_arrays(instance), at) for at in points]
    forced = [forced_bounds(instance, at) for at in points]
    feasible = [options for options in every_schedule(instance) if cost.is_feasible(instance, options)]
    assume(feasible)
    for options in feasible:
        total = cost.evaluate(instance, options).total
        assert max(values) <= total
        assert max(bounds[np.arange(instance.num_vms), options].max() for bounds in forced) <= total + 1e-9


@settings(max_examples=10)
@given(SEEDS)
def test_the_value_is_concave_between_two_points(seed: int) -> None:
    """Halfway between two points, the function is at least the mean of its values there."""
    random = np.random.default_rng(seed)
    instance = random_instance(random, with_order=True)
    one, other = random_multipliers(random, instance), random_multipliers(random, instance)
    middle = Multipliers(*((getattr(one, f.name) + getattr(other, f.name)) / 2 for f in fields(one)))
    values = [answer_at(instance, at)[0] for at in (one, other, middle)]
    assert values[2] >= (values[0] + values[1]) / 2 - 1e-9


@pytest.mark.parametrize("num_vms", [SORTED_RUN, SORTED_RUN + 1, 3 * SORTED_RUN + 7])
@pytest.mark.parametrize("write_price", [0.0, 1.3])
def test_a_cell_of_many_peers_takes_the_cheapest_prefix(num_vms: int, write_price: float) -> None:
    """Lists longer than a sorted run are merged: the value is that of the best number of the cheapest VMs."""
    random = np.random.default_rng(num_vms)
    linear = np.full((num_vms, 48), 9.0)
    linear[:, 9] = random.uniform(0, 5, num_vms)
    rows = [Row(range(num_vms), (9,), pair_price=0.2)]
    instance = small_instance([4] * num_vms, linear, rows, Shape(per_new=3, write_price=write_price))
    at = random_multipliers(random, instance)
    at.lam[:], at.mu[:], at.alpha[:] = 5.0, 0.0, 0.5
    cheapest = np.sort(linear[:, 9] - 5.0)
    plain = [
        cheapest[:n].sum() + 0.5 * 0.2 * n * (n - 1) / 2 + write_price * -(-n // 3) for n in range(len(cheapest) + 1)
    ]
    _, answer, _ = answer_at(instance, at)
    assert answer.cells[0, 9] == pytest.approx(min(plain))
    taken = np.flatnonzero(answer.lam < 1.0)
    assert sorted(linear[taken, 9] - 5.0) == pytest.approx(cheapest[: int(np.argmin(plain))])


def neutral(instance: Instance, **values: float | list[float]) -> Multipliers:
    """Multipliers of 0 for an instance, except those given."""
    d = dual_arrays(instance)
    none = np.zeros(len(d.pair_price))
    at = Multipliers(np.zeros(len(d.today)), none, none.copy(), 0.0, np.zeros(len(d.group_limit)), np.zeros((0, 48)))
    for name, value in values.items():
        setattr(at, name, np.array(value) if isinstance(value, list) else value)
    return at


def test_only_the_limits_of_its_key_make_a_write_dearer() -> None:
    """VM 1 of the second key writes a policy at 9; the limit on the first key costs it nothing."""
    limits = (WriteLimit("first", (0,), 3), WriteLimit("second", (1,), 2))
    shape = Shape(key=(0, 1), key_vault=(0, 0), write_limits=limits)
    instance = small_instance([4, 4], priced(2, {(1, 9): 0.0}), shape=shape)
    value, answer, _ = answer_at(instance, neutral(instance, lam=[0.0, 5.0], tau=[1.0, 1.5]))
    assert answer.cells[1, 9] == pytest.approx(-5.0 + 1.5)
    assert answer.tau.tolist() == [-3.0, 1.0 - 2.0]
    assert value == pytest.approx(5.0 - 3.5 - 3.0 * 1.0 - 2.0 * 1.5)


def test_a_limit_counts_every_policy_that_a_cell_opens() -> None:
    """Five VMs go to a start without policies, two to a policy: three writes, one more than the limit."""
    shape = Shape(per_new=2, write_limits=(WriteLimit("few", (0,), 2),))
    instance = small_instance([4] * 5, priced(5, {(v, 9): 0.0 for v in range(5)}), shape=shape)
    _, answer, _ = answer_at(instance, neutral(instance, lam=[3.0] * 5, tau=[1.0]))
    assert answer.tau.tolist() == [1.0]
    assert answer.cells[0, 9] == pytest.approx(-15.0 + 3.0)


def test_moves_are_those_to_other_starts() -> None:
    """VM 0 is taken where it is and at two other starts: two moves, one more than allowed; its own start is free."""
    instance = small_instance([4], priced(1, {(0, 4): 0.0, (0, 9): 0.0, (0, 20): 0.0}), shape=Shape(max_moves=1))
    value, answer, _ = answer_at(instance, neutral(instance, lam=[3.0], sigma=0.5))
    assert answer.moves[0] == 1.0
    assert answer.lam.tolist() == [-2.0]
    assert value == pytest.approx(3.0 - 3.0 - 2 * 2.5 - 0.5)


def test_a_row_is_entered_less_often_than_the_cells_enter_it() -> None:
    """Both VMs start in the row, which at a price of 0 holds none itself; they form one pair within the cell."""
    rows = [Row((0, 1), (9,), pair_price=2.0)]
    instance = small_instance([4, 4], priced(2, {(0, 9): 0.0, (1, 9): 0.0}), rows)
    _, answer, _ = answer_at(instance, neutral(instance, lam=[5.0, 5.0]))
    assert (answer.mu.tolist(), answer.alpha.tolist()) == ([2.0], [2.0])


def test_pairs_are_charged_among_vms_of_one_weight_only() -> None:
    """With different weights, two VMs of a service are no peers: the cell does not pay for their pair."""
    rows = [Row((0, 1), (9,), pair_price=2.0)]
    alike = small_instance([4, 4], priced(2, {(0, 9): 0.0, (1, 9): 0.0}), rows)
    unlike = replace(alike, weight=np.array([1.0, 2.0]))
    at = neutral(alike, lam=[5.0, 5.0], alpha=[1.0])
    assert answer_at(alike, at)[1].cells[0, 9] == pytest.approx(-10.0 + 2.0)
    assert answer_at(unlike, at)[1].cells[0, 9] == pytest.approx(-10.0)


def test_the_peak_is_charged_beyond_the_fair_share_of_the_cell() -> None:
    """Three VMs at one start, a fair share of one, half of a peak price of 2 charged: the dearest VM stays away."""
    rows = [Row((0, 1, 2), (9,), peak_price=2.0, fair_share=1)]
    instance = small_instance([4] * 3, priced(3, {(0, 9): 4.5, (1, 9): 0.0, (2, 9): 1.0}), rows)
    _, answer, _ = answer_at(instance, neutral(instance, lam=[5.0] * 3, alpha=[0.5]))
    assert answer.cells[0, 9] == pytest.approx(-5.0 - 4.0 + 1.0)
    assert answer.lam.tolist() == [1.0, 0.0, 0.0]
    assert answer.alpha.tolist() == [2.0]


def test_more_unplanned_items_than_places_leave_no_room() -> None:
    """Today's policy for two VMs holds three unplanned items: a VM that stays needs a new policy."""
    shape = Shape(per_old=2, unknown={(0, 4): 3}, write_price=1.0)
    instance = small_instance([4], priced(1, {(0, 4): 0.0}), shape=shape)
    assert dual_arrays(instance).room[0, 4] == 0
    assert answer_at(instance, neutral(instance, lam=[5.0]))[1].cells[0, 4] == pytest.approx(-4.0)


def test_vms_of_an_overfull_policy_pay_for_their_pairs_there() -> None:
    """Both stay without a place, and form a pair that the cell is charged with."""
    rows = [Row((0, 1), (4,), pair_price=2.0)]
    shape = Shape(uncounted=[0, 1], write_price=50.0)
    instance = small_instance([4, 4], priced(2, {(0, 4): 0.0, (1, 4): 1.0}), rows, shape)
    _, answer, _ = answer_at(instance, neutral(instance, lam=[5.0, 5.0], alpha=[0.5]))
    assert answer.cells[0, 4] == pytest.approx(-5.0 - 4.0 + 1.0)
    assert answer.alpha.tolist() == [2.0]


def test_a_vm_that_stays_in_an_overfull_policy_forms_no_pair_with_those_that_come() -> None:
    """VM 0 stays without a place, and VM 1 comes to a policy: two groups, whose pair the cell is not charged with."""
    rows = [Row((0, 1), (4,), pair_price=2.0)]
    instance = small_instance([4, 9], priced(2, {(0, 4): 0.0, (1, 4): 3.5}), rows, Shape(uncounted=[0]))
    _, answer, _ = answer_at(instance, neutral(instance, lam=[5.0, 5.0], alpha=[1.0]))
    assert answer.cells[0, 4] == pytest.approx(-5.0 - 1.5)
    assert answer.alpha.tolist() == [0.0]


def test_a_vault_that_cannot_fill_up_has_no_limit() -> None:
    """Two VMs need two policies at most: room for one is a limit, room for two is none."""
    narrow, wide = (small_instance([4, 4], shape=Shape(room=(room,))) for room in (1, 2))
    assert dual_arrays(narrow).group_limit.tolist() == [1.0]
    assert dual_arrays(wide).group_limit.tolist() == []


def test_a_row_holds_no_more_than_its_vms_and_its_cap() -> None:
    """The smaller of the two counts."""
    rows = [Row((0, 1, 2), (9,), cap=2), Row((0, 1), (4,), cap=5), Row((0,), (20,), peak_price=1.0)]
    assert dual_arrays(small_instance([4] * 3, rows=rows)).most.tolist() == [2, 2, 1]


def test_a_row_with_two_prices_is_refused() -> None:
    """The row's problem is that of pairs or that of a peak."""
    with pytest.raises(AssertionError, match="priced by pairs or by its peak"):
        dual_arrays(small_instance([4], rows=[Row((0,), (4,), pair_price=1.0, peak_price=1.0)]))


def test_answers_have_the_shapes_of_the_multipliers() -> None:
    """Two keys, three rows, three limits and two copies."""
    random = np.random.default_rng(3)
    instance = random_instance(random, with_order=True)
    at, answer = random_multipliers(random, instance), empty_answer(dual_arrays(instance))
    for name in ("lam", "mu", "alpha", "tau", "kappa"):
        assert getattr(answer, name).shape == getattr(at, name).shape
    assert answer.cells.shape == (2, 48)
    assert answer.moves.shape == (1,)


@settings(max_examples=10)
@given(SEEDS)
def test_classes_pay_the_sum_of_the_prices_of_their_rows(seed: int) -> None:
    """Row by row, for every class and option."""
    random = np.random.default_rng(seed)
    instance = random_instance(random)
    prices = random.uniform(0, 1, len(instance.rows))
    found = price_classes(dual_arrays(instance), prices).reshape(-1, 48)
    plain = [[sum(prices[rows_of(instance, v, t)]) for t in range(48)] for v in range(instance.num_vms)]
    assert found == pytest.approx(np.array(plain))


def test_a_second_evaluation_overwrites_the_first() -> None:
    """Nothing of the answer at other multipliers is left."""
    random = np.random.default_rng(8)
    instance = random_instance(random, with_order=True)
    d, at = dual_arrays(instance), random_multipliers(random, instance)
    used, fresh = empty_answer(d), empty_answer(d)
    evaluate(d, random_multipliers(random, instance), used)
    assert evaluate(d, at, used) == evaluate(d, at, fresh)
    for name in ("lam", "mu", "alpha", "tau", "kappa", "cells", "rows", "cuts", "moves"):
        assert getattr(used, name).tolist() == getattr(fresh, name).tolist()
