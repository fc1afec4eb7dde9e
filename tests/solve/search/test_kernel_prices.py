"""Prices that the compiled loops give to the options of a VM, against whole schedules and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import FloatArray
from optimizer.solve.problem.arrays import BLOCKED, FORBIDDEN, Arrays, Counts, count, pack
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.search import kernels
from optimizer.solve.search.kernels import NOWHERE, gains, take_out
from tests.solve.crowded import STARTS, cost, crowded, same_counts, with_vm_at
from tests.solve.small_instances import Row, Shape, apart, priced, small_instance
from tests.solve.uncompiled import uncompiled

SCHEDULES = st.lists(st.sampled_from(STARTS), min_size=4, max_size=4)
SEEDS = st.integers(0, 50)


def taken_out(instance: Instance, options: list[int], v: int) -> tuple[Arrays, Counts]:
    """The arrays and counts of a schedule from which a VM was taken out."""
    a, c = pack(instance), count(instance, np.array(options))
    take_out(a, c, np.array([v]))
    return a, c


def option_prices(a: Arrays, c: Counts, v: int) -> FloatArray:
    """Price of each option of a VM that was taken out, without policies that have to be opened."""
    price = np.full(48, np.nan)
    uncompiled(kernels._price_options)(a, c, v, price)
    return price


def opening_prices(a: Arrays, c: Counts, v: int, free: int = NOWHERE) -> FloatArray:
    """Price of the policies that have to be opened for a VM at each option."""
    price = np.zeros(48)
    uncompiled(kernels._price_openings)(a, c, v, price, free)
    return price


@settings(max_examples=30)
@given(SCHEDULES, st.integers(0, 3), SEEDS)
def test_prices_of_options_differ_as_whole_schedules_do(options: list[int], v: int, seed: int) -> None:
    """Between two starts of a VM, the price changes by what the whole schedule costs more."""
    instance = crowded(seed)
    assume(is_feasible(instance, np.array(options)))
    a, c = taken_out(instance, options, v)
    price = option_prices(a, c, v) + opening_prices(a, c, v)
    here = options[v]
    for t in STARTS:
        there = cost(instance, with_vm_at(np.array(options), v, t))
        if price[t] >= BLOCKED:
            assert there == np.inf
        else:
            assert price[t] - price[here] == pytest.approx(there - cost(instance, np.array(options)))


def test_forbidden_options_cost_the_same_whatever_is_full_there() -> None:
    """A row without any place adds nothing to the price of an option that is not allowed."""
    instance = small_instance([4, 9], rows=[Row((0,), (9, 20), cap=0)], allowed={0: [4, 20]})
    price = option_prices(*taken_out(instance, [4, 9], 0), 0)
    assert price[9] == FORBIDDEN
    assert price[20] == BLOCKED
    assert price[4] == 0.0


def test_the_last_allowed_move_may_be_made_but_none_after_it() -> None:
    """With every move spent, each option but today's is blocked; a VM that is taken out gives its move back."""
    instance = small_instance([4, 4], shape=Shape(max_moves=1))
    price = option_prices(*taken_out(instance, [4, 9], 0), 0)
    assert price[4] == 0.0
    assert (np.delete(price, 4) == BLOCKED).all()
    assert (option_prices(*taken_out(instance, [4, 9], 1), 1) == 0.0).all()


@pytest.mark.parametrize(("v", "blocked"), [(0, range(9, 48)), (1, range(5))])
def test_a_gate_that_demands_an_order_blocks_each_side_on_its_own_side(v: int, blocked: range) -> None:
    """VM 0 has to start before VM 1: VM 0 not from 9 on, where VM 1 starts, and VM 1 not until 4."""
    hours = np.arange(48)
    instance = small_instance([4, 9], shape=Shape(gates=apart(0, 1, 2, hours[:, None] >= hours)))
    price = option_prices(*taken_out(instance, [4, 9], v), v)
    assert np.flatnonzero(price == BLOCKED).tolist() == list(blocked)
    assert (np.delete(price, list(blocked)) == 0.0).all()


def test_each_limit_that_blocks_an_option_adds_to_its_price() -> None:
    """A start that a cap, a gate and the number of moves forbid costs three times as much as one that moves forbid."""
    gates = apart(0, 1, 2, np.eye(48, dtype=np.bool_))
    instance = small_instance([4, 4], rows=[Row((0, 1), (9,), cap=1)], shape=Shape(max_moves=1, gates=gates))
    price = option_prices(*taken_out(instance, [4, 9], 0), 0)
    assert (price[9], price[20]) == (3 * BLOCKED, BLOCKED)


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(1, 4), st.integers(1, 5))
def test_a_policy_is_opened_exactly_when_every_place_is_taken(existing: int, per_new: int, per_old: int) -> None:
    """For each number of items at a start, the next VM pays for a policy if more policies are then needed."""
    a, c = taken_out(small_instance([47], shape=Shape(write_price=2.5)), [47], 0)
    a = a._replace(existing=np.full((1, 48), existing), vms_per_policy=np.array([per_new, per_old]))
    c.policies[0] = np.arange(48)

    def needed(items: int) -> int:
        return next(n for n in itertools.count() if existing * per_old + n * per_new >= items)

    price = opening_prices(a, c, 0)
    assert price.tolist() == [2.5 * (needed(items + 1) - needed(items)) for items in range(48)]
    found = [uncompiled(kernels._needed)(items, existing, a.vms_per_policy) for items in range(48)]
    assert found == [needed(items) for items in range(48)]


def test_the_opened_start_costs_nothing_while_it_is_empty() -> None:
    """The first VM at the free start pays nothing; once full policies are there, the next VM pays."""
    a, c = taken_out(small_instance([4], shape=Shape(write_price=2.5, per_new=1)), [4], 0)
    price = opening_prices(a, c, 0, 9)
    assert (price[9], price[20]) == (0.0, 2.5)
    c.policies[0, 9] = 1
    assert opening_prices(a, c, 0, 9)[9] == 2.5


def test_the_opened_start_is_blocked_where_no_policy_may_be_written() -> None:
    """A start that is free of charge still needs room in the vault."""
    a, c = taken_out(small_instance([4], shape=Shape(write_price=2.5, room=(0,))), [4], 0)
    assert opening_prices(a, c, 0, 9)[9] == BLOCKED + 2.5


@pytest.mark.parametrize(("written", "blocked"), [(1, 0), (2, 1), (3, 2)])
def test_openings_are_blocked_from_the_last_allowed_write_on(written: int, blocked: int) -> None:
    """The vault has room for two policies and a limit allows three writes; each that is used up blocks once."""
    limits = (WriteLimit("three", (0,), 3), WriteLimit("other key", (1,), 0))
    shape = Shape(key=[0, 1], key_vault=(0, 1), room=(2, 9), write_limits=limits)
    a, c = taken_out(small_instance([4, 4], shape=shape), [4, 4], 0)
    c.vault_writes[0], c.group_writes[0] = written, written
    assert opening_prices(a, c, 0)[9] == blocked * BLOCKED


def test_a_vm_that_is_not_counted_returns_to_its_policy_without_an_opening() -> None:
    """The policy exceeds its limit: its VMs may stay there, but a twin that comes needs a policy."""
    policies = [(0, 4, (0, 1), False), (0, 9, (2,), False)]
    shape = Shape(policies=policies, uncounted=(0, 1), per_new=1, per_old=1, write_price=2.5)
    instance = small_instance([4, 4, 9], shape=shape)
    assert opening_prices(*taken_out(instance, [4, 4, 9], 0), 0)[4] == 0.0
    assert opening_prices(*taken_out(instance, [4, 4, 9], 2), 2)[4] == 2.5


@settings(max_examples=30)
@given(SCHEDULES, SEEDS, st.sampled_from([None, 2]), st.sampled_from([2, 9]))
def test_gains_are_what_the_best_schedule_with_one_other_start_saves(
    options: list[int], seed: int, max_moves: int | None, writes: int
) -> None:
    """The gain of each VM is that of trying all its starts, and 0 if none is cheaper than the present one."""
    instance = crowded(seed, max_moves=max_moves, write_limits=(WriteLimit("few", (0, 1), writes),))
    schedule = np.array(options)
    assume(is_feasible(instance, schedule))
    a, c = pack(instance), count(instance, schedule)
    best = [min(cost(instance, with_vm_at(schedule, v, t)) for t in STARTS) for v in range(4)]
    assert gains(a, c, np.arange(4)) == pytest.approx(cost(instance, schedule) - np.array(best))
    assert same_counts(c, count(instance, schedule))


@given(st.lists(st.integers(0, 4), min_size=48, max_size=48))
@settings(max_examples=20)
def test_the_cheapest_option_is_the_first_of_the_least_price(values: list[int]) -> None:
    """Equal prices go to the earlier start; the two cheapest prices are the first two in order."""
    price = np.array(values, dtype=np.float64)
    assert uncompiled(kernels._cheapest)(price) == values.index(min(values))
    assert uncompiled(kernels._two_cheapest)(price) == tuple(sorted(values)[:2])


@pytest.mark.parametrize("free", [[], [7], [7, 30]])
def test_blocked_options_all_cost_the_same_in_a_regret(free: list[int]) -> None:
    """However many limits block an option, a VM without a second option loses exactly the price of a block."""
    price = np.where(np.arange(48) % 2, 2 * BLOCKED, FORBIDDEN)
    price[free] = 1.5
    best = [1.5] * len(free) + [BLOCKED] * 2
    assert uncompiled(kernels._two_cheapest)(price) == tuple(best[:2])


@given(st.lists(st.integers(0, 5), max_size=12))
@settings(max_examples=20)
def test_positions_are_sorted_by_value_and_equal_values_keep_their_order(values: list[int]) -> None:
    """The order is that of a stable sort."""
    order = np.full(len(values), -1)
    uncompiled(kernels._ascending)(np.array(values, dtype=np.float64), order)
    assert order.tolist() == sorted(range(len(values)), key=values.__getitem__)


def test_a_vm_that_would_be_left_without_any_start_is_placed_first() -> None:
    """VM 2 may only start at 9, where one VM fits; the others gain much there, but have somewhere else to go."""
    prices = {(v, 9): 0.0 for v in range(3)}
    instance = small_instance([4, 4, 9], priced(3, prices, 50.0), [Row((0, 1, 2), (9,), cap=1)], allowed={2: [9]})
    a, c = pack(instance), count(instance, instance.today)
    take_out(a, c, np.arange(3))
    kernels.place(a, c, np.arange(3))
    assert is_feasible(instance, c.options)
    assert c.options[2] == 9
    assert same_counts(c, count(instance, c.options))
