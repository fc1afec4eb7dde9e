"""What the compiled loops do to a schedule: moves, sweeps, the order of writes, draws, and ruin and recreate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.arrays import BLOCKED, count, pack
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.executable import families_of
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.search import kernels
from optimizer.solve.search.kernels import (
    IMPROVEMENT,
    MAX_FROM_CLOSED,
    NEAR,
    Cooling,
    move_if_no_dearer,
    move_together,
    ruin_and_recreate,
    sweep_single_moves,
    take_out,
)
from tests.solve.crowded import STARTS, cost, crowded, full_vault, same_counts, with_vm_at
from tests.solve.small_instances import Row, Shape, apart, every_schedule, priced, same_start, small_instance
from tests.solve.uncompiled import Drawn, uncompiled

SCHEDULES = st.lists(st.sampled_from(STARTS), min_size=4, max_size=4)
OF_THREE = st.lists(st.sampled_from(STARTS), min_size=3, max_size=3)
SEEDS = st.integers(0, 50)


def everyone(instance: Instance) -> IntArray:
    """Indices of all VMs."""
    return np.arange(instance.num_vms)


@settings(max_examples=25)
@given(OF_THREE, OF_THREE, st.integers(0, 3), st.booleans())
def test_moves_in_a_full_vault_cost_what_schedules_do_with_the_order_of_writes(
    first: list[int], second: list[int], room: int, editable: bool
) -> None:
    """Two moves of all VMs: each costs the difference, or a block if no order of writes exists."""
    instance = full_vault(room, editable=editable, write_limits=(WriteLimit("all", (0,), 9),))
    a, c = pack(instance), count(instance, instance.today)
    change = move_together(a, c, everyone(instance), np.array(first))
    assert same_counts(c, count(instance, np.array(first)))
    assert (change >= BLOCKED / 2) == (not is_feasible(instance, np.array(first)))
    assume(change < BLOCKED / 2)
    assert change == pytest.approx(cost(instance, np.array(first)) - cost(instance, instance.today))
    again = move_together(a, c, everyone(instance), np.array(second))
    assert same_counts(c, count(instance, np.array(second)))
    if is_feasible(instance, np.array(second)):
        assert again == pytest.approx(cost(instance, np.array(second)) - cost(instance, np.array(first)))


def test_moves_in_one_vault_leave_the_order_of_another_vault_alone() -> None:
    """Two vaults hold a swap each; only the vault of the VMs that moved is settled, even if they are listed mixed."""
    policies = [(k, t, (v,), False) for v, (k, t) in enumerate([(0, 4), (1, 4), (0, 9), (1, 9)])]
    shape = Shape(key=[0, 1, 0, 1], key_vault=(0, 1), room=(1, 0), policies=policies, per_new=1, per_old=1)
    instance = small_instance([4, 4, 9, 9], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    move_together(a, c, np.array([0, 2]), np.array([9, 4]))
    assert (c.extra.tolist(), c.beyond.tolist()) == ([1, 0], [1, 0])
    assert move_together(a, c, np.array([0, 1, 2, 3]), np.array([9, 9, 4, 4])) >= BLOCKED
    assert (c.extra.tolist(), c.beyond.tolist()) == ([1, 0], [1, -1])
    assert move_together(a, c, np.array([1, 3]), np.array([4, 9])) == 0.0
    assert c.beyond.tolist() == [1, 0]


def test_the_order_of_writes_of_all_keys_of_a_vault_adds_up() -> None:
    """Two keys hold a swap of full policies each: the vault writes two policies more than it lacks."""
    policies = [(k, t, (v,), False) for v, (k, t) in enumerate([(0, 4), (0, 9), (1, 4), (1, 9)])]
    shape = Shape(key=[0, 0, 1, 1], key_vault=(0, 0), policies=policies, per_new=1, per_old=1, write_price=0.5)
    instance = small_instance([4, 9, 4, 9], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    assert move_together(a, c, everyone(instance), np.array([9, 4, 9, 4])) == pytest.approx(1.0)
    assert (c.extra.tolist(), c.beyond.tolist()) == ([1, 1], [2])


@pytest.mark.parametrize("options", [[4, 4, 9], [4, 9, 4], [9, 9, 9], [9, 20, 20], [9, 4, 4]])
def test_vms_of_a_policy_over_its_limit_take_a_place_only_after_they_move(options: list[int]) -> None:
    """There and back, cost and counts are those of whole schedules; a VM that stays or returns causes no write."""
    shape = Shape(
        policies=[(0, 4, (0, 1), False), (0, 9, (2,), False)], uncounted=(0, 1), per_new=1, per_old=1, write_price=0.5
    )
    instance = small_instance([4, 4, 9], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    change = move_together(a, c, everyone(instance), np.array(options))
    assert change == pytest.approx(cost(instance, np.array(options)) - cost(instance, instance.today))
    assert same_counts(c, count(instance, np.array(options)))
    assert move_together(a, c, everyone(instance), instance.today) == pytest.approx(-change)
    assert same_counts(c, count(instance, instance.today))


@settings(max_examples=15)
@given(SCHEDULES, st.integers(0, 3), st.sampled_from(STARTS), SEEDS)
def test_a_vm_moves_exactly_where_the_schedule_costs_no_more(options: list[int], v: int, t: int, seed: int) -> None:
    """The move is made if the schedule after it is feasible and not more expensive; otherwise nothing changes."""
    instance = crowded(seed)
    schedule = np.array(options)
    assume(is_feasible(instance, schedule))
    a, c = pack(instance), count(instance, schedule)
    there = with_vm_at(schedule, v, t)
    moved = move_if_no_dearer(a, c, v, t)
    assert moved == (cost(instance, there) <= cost(instance, schedule) + IMPROVEMENT)
    assert same_counts(c, count(instance, there if moved else schedule))


@settings(max_examples=25)
@given(SCHEDULES, st.permutations(range(4)), SEEDS, st.sampled_from([None, 1, 3]), st.sampled_from([1, 2, 9]))
def test_a_sweep_is_the_plain_loop_over_vms_and_starts(
    options: list[int], order: list[int], seed: int, max_moves: int | None, writes: int
) -> None:
    """One VM after the other goes to the start at which the whole schedule is cheapest."""
    instance = crowded(seed, max_moves=max_moves, write_limits=(WriteLimit("few", (0, 1), writes),))
    schedule = np.array(options)
    assume(is_feasible(instance, schedule))
    a, c = pack(instance), count(instance, schedule)
    change = sweep_single_moves(a, c, np.array(order))
    expected = schedule
    for v in order:
        expected = min((with_vm_at(expected, v, t) for t in STARTS), key=lambda one: cost(instance, one))
    assert c.options.tolist() == expected.tolist()
    assert change == pytest.approx(cost(instance, expected) - cost(instance, schedule))


@pytest.mark.parametrize("room", [0, 1, 3])
@pytest.mark.parametrize("editable", [False, True])
def test_a_sweep_of_a_full_vault_stays_executable_and_never_costs_more(room: int, editable: bool) -> None:
    """Each VM moves only if that pays with the writes of the order; what the sweep returns is what it saved."""
    for seed in range(4):
        instance = full_vault(room, editable=editable, seed=seed)
        a, c = pack(instance), count(instance, instance.today)
        change = sweep_single_moves(a, c, everyone(instance))
        assert change <= 0.0
        assert is_feasible(instance, c.options)
        assert change == pytest.approx(cost(instance, c.options) - cost(instance, instance.today))
        assert same_counts(c, count(instance, c.options))


def test_vms_that_are_taken_out_leave_every_count() -> None:
    """Without them, the rows, policies, gates, moves and writes are those of the other VMs alone."""
    instance = crowded(3)
    options = np.array([9, 20, 9, 20])
    a, c = pack(instance), count(instance, options)
    take_out(a, c, np.array([0, 1]))
    assert c.met.tolist() == [1, 1, 1]
    assert c.policies[0].sum() == 0
    assert np.argwhere(c.policies[1]).ravel().tolist() == [9, 20]
    assert (c.moves.tolist(), c.vault_writes.tolist()) == ([1], [1])
    assert np.argwhere(c.shut).tolist() == [[0, 20]]


@settings(max_examples=40)
@given(SCHEDULES, SEEDS, st.sampled_from([None, 2]), st.sampled_from([1, 9]))
def test_a_schedule_keeps_its_limits_exactly_if_it_is_feasible(
    options: list[int], seed: int, max_moves: int | None, writes: int
) -> None:
    """From a feasible schedule, any VMs may move; looking only at them is enough."""
    instance = crowded(seed, max_moves=max_moves, write_limits=(WriteLimit("few", (0, 1), writes),))
    a, c = pack(instance), count(instance, instance.today)
    chosen = np.flatnonzero(np.array(options) != instance.today)
    move_together(a, c, chosen, np.array(options)[chosen])
    assert uncompiled(kernels._keeps_limits)(a, c, chosen) == is_feasible(instance, np.array(options))


BROKEN_BY_A_MOVE_TO_9 = {
    "nothing": Shape(),
    "moves": Shape(max_moves=0),
    "writes": Shape(key=[0, 1], key_vault=(0, 0), write_limits=(WriteLimit("none", (0,), 0),)),
    "gate": Shape(gates=apart(0, 1, 2, same_start())),
    "room": Shape(key=[0, 1], key_vault=(0, 1), room=(0, 5)),
    "cap": Shape(),
    "option": Shape(),
}


@pytest.mark.parametrize("limit", BROKEN_BY_A_MOVE_TO_9)
def test_each_limit_alone_is_noticed(limit: str) -> None:
    """VM 0 moves to 9, where VM 1 is: each limit alone forbids that, and without limits it is allowed."""
    rows = [Row((0, 1), (9,), cap=1)] if limit == "cap" else []
    allowed = {0: [4]} if limit == "option" else {}
    instance = small_instance([4, 9], rows=rows, shape=BROKEN_BY_A_MOVE_TO_9[limit], allowed=allowed)
    a, c = pack(instance), count(instance, instance.today)
    assert uncompiled(kernels._keeps_limits)(a, c, np.arange(2))
    move_together(a, c, np.array([0]), np.array([9]))
    assert uncompiled(kernels._keeps_limits)(a, c, np.array([0])) == (limit == "nothing")


def from_closed(members: Iterable[int], options: list[int], closed: int, first: float) -> list[int]:
    """VMs that are taken from a start that is closed, in the order in which they are chosen."""
    chosen = np.full(100, -1)
    vms, random = np.array(list(members)), Drawn([first])
    found = uncompiled(kernels._take_from_closed)(vms, np.array(options), closed, random, chosen)
    return chosen[:found].tolist()


def test_vms_of_a_closed_start_are_taken_in_turn_from_a_random_one() -> None:
    """Every VM at the start is taken once, beginning anywhere among the VMs of the key, and no VM of another start."""
    options = [4, 9, 4, 4, 9, 4]
    assert from_closed([0, 1, 2, 3, 5], options, 4, 0.0) == [0, 2, 3, 5]
    assert from_closed([0, 1, 2, 3, 5], options, 4, 0.5) == [2, 3, 5, 0]
    assert from_closed([0, 1, 2, 3, 5], options, 4, 0.99) == [5, 0, 2, 3]
    assert from_closed([0, 2], options, 9, 0.0) == []


def test_no_more_vms_are_taken_from_a_closed_start_than_there_is_space_for() -> None:
    """Of 50 VMs, 30 are taken, and the rest stay where they are."""
    taken = from_closed(range(50), [4] * 50, 4, 0.9)
    assert taken == [(45 + n) % 50 for n in range(MAX_FROM_CLOSED)]


@pytest.mark.parametrize(("size", "first", "taken"), [(3, 0.0, [0, 1, 2]), (3, 0.7, [2, 0, 1]), (40, 0.5, None)])
def test_vms_of_a_service_are_taken_in_turn_from_a_random_one(
    size: int, first: float, taken: list[int] | None
) -> None:
    """VMs of the other service stay, and of a large service only 30 VMs are taken."""
    instance = small_instance([4] * (size + 2), shape=Shape(service=[1] * size + [0, 2]))
    chosen = np.full(MAX_FROM_CLOSED, -1)
    found = uncompiled(kernels._take_service)(pack(instance), 1, Drawn([first]), chosen)
    assert chosen[:found].tolist() == (taken or [(20 + n) % 40 for n in range(MAX_FROM_CLOSED)])


@pytest.mark.parametrize(
    ("closed", "drawn", "opened"),
    [
        pytest.param(-1, [0.5], 24, id="any start if none is closed"),
        pytest.param(20, [0.29, 0.999], 47, id="sometimes a start far from the closed one"),
        pytest.param(20, [0.3, 0.0], 20 - NEAR, id="the earliest one near it"),
        pytest.param(20, [0.9, 0.999], 20 + NEAR, id="the latest one near it"),
        pytest.param(2, [0.9, 0.0], 44, id="near it is also before midnight"),
        pytest.param(45, [0.9, 0.999], 3, id="near it is also after midnight"),
    ],
)
def test_the_start_to_open_is_near_the_one_that_is_closed(closed: int, drawn: list[float], opened: int) -> None:
    """A random start, at most three hours from the closed start in seven of ten draws."""
    random = Drawn(drawn)
    assert uncompiled(kernels._start_to_open)(closed, random) == opened
    assert random.left == 0


@pytest.mark.parametrize(("drawn", "vms"), [(0.0, [1, 2]), (0.4, [0]), (0.9, [4])])
def test_a_policy_to_edit_is_drawn_from_those_that_may_move_as_a_whole(drawn: float, vms: list[int]) -> None:
    """All VMs of one policy are chosen; the policy of an immovable VM is never drawn."""
    policies = [(0, 4, (0,), True), (0, 9, (1, 2), True), (0, 20, (3,), True), (0, 30, (4,), True)]
    shape = Shape(policies=policies, room=(1,), immovable=(3,))
    instance = small_instance([4, 9, 9, 20, 30], shape=shape)
    chosen = np.full(3, -1)
    found = uncompiled(kernels._take_policy)(pack(instance), families_of(instance), Drawn([drawn]), chosen)
    assert chosen[:found].tolist() == vms


@pytest.mark.parametrize("seed", range(3))
def test_ruin_and_recreate_finds_the_best_of_all_schedules(seed: int) -> None:
    """On four VMs with every kind of limit, a few hundred rounds end at the optimum of trying all schedules."""
    instance = crowded(seed, max_moves=3, write_limits=(WriteLimit("few", (0, 1), 2),))
    optimum = min(cost(instance, options) for options in every_schedule(instance))
    a, c, best = pack(instance), count(instance, instance.today), instance.today.copy()
    random = np.random.default_rng(seed)
    to_best, _ = ruin_and_recreate(a, c, everyone(instance), random, Cooling(0.5, 0.01, 600), best)
    assert cost(instance, best) == pytest.approx(optimum)
    assert to_best == pytest.approx(optimum - cost(instance, instance.today))


@pytest.mark.parametrize(("room", "editable"), [(0, True), (1, True), (1, False), (3, False)])
def test_ruin_and_recreate_finds_the_best_schedule_that_can_be_written(room: int, editable: bool) -> None:
    """In a vault with full policies, the best of all schedules for which an order of writes exists is found."""
    instance = full_vault(room, editable=editable, seed=room)
    optimum = min(cost(instance, options) for options in every_schedule(instance))
    a, c, best = pack(instance), count(instance, instance.today), instance.today.copy()
    random = np.random.default_rng(1)
    _, to_last = ruin_and_recreate(a, c, everyone(instance), random, Cooling(0.5, 0.01, 600), best)
    assert cost(instance, best) == pytest.approx(optimum)
    assert evaluate(instance, c.options).total - cost(instance, instance.today) == pytest.approx(to_last)
    assert same_counts(c, count(instance, c.options))


def test_ruin_and_recreate_leaves_vms_that_must_not_move() -> None:
    """VM 1 would gain as much as its twin VM 0, but stays."""
    prices = {(v, t): p for v in range(2) for t, p in ((4, 3.0), (9, 1.0))}
    instance = small_instance([4, 4], priced(2, prices, 50.0), shape=Shape(immovable=(1,)))
    a, c, best = pack(instance), count(instance, instance.today), instance.today.copy()
    ruin_and_recreate(a, c, np.array([0]), np.random.default_rng(0), Cooling(0.5, 0.01, 100), best)
    assert best.tolist() == c.options.tolist() == [9, 4]


def test_no_rounds_change_nothing() -> None:
    """Both costs are 0, and the best schedule is left as it was given."""
    instance = crowded(0)
    a, c, best = pack(instance), count(instance, instance.today), np.full(4, -1)
    costs = ruin_and_recreate(a, c, everyone(instance), np.random.default_rng(0), Cooling(0.5, 0.01, 0), best)
    assert costs == (0.0, 0.0)
    assert best.tolist() == [-1] * 4
    assert same_counts(c, count(instance, instance.today))


def test_equal_seeds_give_equal_schedules() -> None:
    """All randomness comes from the given source, so a run can be repeated."""
    instance = crowded(7)
    ends = []
    for _ in range(2):
        a, c, best = pack(instance), count(instance, instance.today), instance.today.copy()
        random = np.random.default_rng(5)
        costs = ruin_and_recreate(a, c, everyone(instance), random, Cooling(1.0, 0.5, 50), best)
        ends.append((costs, best.tolist(), c.options.tolist(), random.random()))
    assert ends[0] == ends[1]
