"""Walks from one schedule to another: the moves that gain most first, and the moves that lose least back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.moves.path import Path, Walk
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.small_instances import Row, Shape, priced, small_instance


def walk(instance: Instance, options: list[int] | None = None) -> Walk:
    """A walk from today's schedule, or from another one, that nothing stops."""
    return Walk(instance, instance.today if options is None else np.array(options), lambda: False)


def wishes(gains: list[float], shape: Shape | None = None, rows: tuple[Row, ...] = ()) -> Instance:
    """VMs at start 4, each of which gains something by moving to 9; all other starts cost much."""
    prices = {(v, 4): 10.0 for v in range(len(gains))} | {(v, 9): 10.0 - gain for v, gain in enumerate(gains)}
    return small_instance([4] * len(gains), priced(len(gains), prices, 50.0), rows, shape)


def test_the_move_that_gains_most_comes_first() -> None:
    """With one move VM 1 goes, with two VM 2 as well; VM 0 loses and stays."""
    for most, options in ((1, [4, 9, 4]), (2, [4, 9, 9]), (3, [4, 9, 9])):
        made = walk(wishes([-1.0, 3.0, 2.0]))
        made.extend(most)
        assert made.options().tolist() == options
        assert made.num_moves == options.count(9)


def test_every_schedule_on_the_way_is_marked_with_its_cost() -> None:
    """The marks have the moves and costs of the schedules that the path passes."""
    instance = wishes([1.0, 3.0, 2.0])
    made = walk(instance)
    made.extend(3)
    assert [mark.num_moves for mark in made.path.marks] == [0, 1, 2, 3]
    for mark in made.path.marks:
        options = made.path.options(mark)
        assert mark.cost == pytest.approx(evaluate(instance, options).total)
        assert mark.num_moves == int((options != instance.today).sum())
    assert [mark.cost for mark in made.path.marks] == pytest.approx([30.0, 27.0, 25.0, 24.0])


def test_a_policy_that_pays_for_several_vms_only_is_opened_for_all_of_them() -> None:
    """A policy at 9 costs 5: no VM gains that alone, but all three together do."""
    made = walk(wishes([2.0, 2.0, 2.0], Shape(write_price=5.0)))
    made.extend(3)
    assert made.options().tolist() == [9, 9, 9]
    alone = walk(wishes([2.0, 2.0], Shape(write_price=5.0)))
    alone.extend(2)
    assert alone.options().tolist() == [4, 4]
    few = walk(wishes([2.0, 2.0, 2.0], Shape(write_price=5.0)))
    few.extend(2)
    assert few.options().tolist() == [4, 4, 4]


def test_a_star_that_does_not_pay_after_all_is_taken_back() -> None:
    """Each VM gains 2 at 9 alone, but a policy costs 3 and the pair that they form there 2."""
    made = walk(wishes([2.0, 2.0], Shape(write_price=3.0), (Row((0, 1), (9,), pair_price=2.0),)))
    made.extend(2)
    assert made.options().tolist() == [4, 4]
    assert made.num_moves == 0
    assert len(made.path.marks) == 1


def test_vms_join_a_star_as_long_as_the_gain_per_move_rises() -> None:
    """VM 2 gains less than the mean of the first two, so it comes in a step of its own."""
    made = walk(wishes([4.0, 4.0, 1.0], Shape(write_price=2.0)))
    made.extend(3)
    assert [mark.num_moves for mark in made.path.marks] == [0, 2, 3]


def test_a_full_cap_keeps_vms_from_moving_together() -> None:
    """Only one VM fits at 9; the one that gains most goes."""
    made = walk(wishes([2.0, 3.0], rows=(Row((0, 1), (9,), cap=1),)))
    made.extend(2)
    assert made.options().tolist() == [4, 9]


def test_the_moves_that_lose_least_are_taken_back_first() -> None:
    """From all three moves, VM 0 goes back first, then VM 2."""
    for most, options in ((2, [4, 9, 9]), (1, [4, 9, 4]), (0, [4, 4, 4])):
        made = walk(wishes([1.0, 3.0, 2.0]), [9, 9, 9])
        made.shrink(most)
        assert made.options().tolist() == options


def test_vms_that_save_a_policy_go_back_together() -> None:
    """VMs 0 and 1 share a policy that costs 5; VM 2 would lose less alone than each of them, but saves nothing."""
    prices = {(v, 4): 10.0 for v in range(3)} | {(0, 9): 8.0, (1, 9): 8.0, (2, 20): 9.0}
    shape = Shape(policies=[(0, 4, (0, 1, 2), False), (0, 20, (), False)], write_price=5.0)
    instance = small_instance([4, 4, 4], priced(3, prices, 50.0), shape=shape)
    made = walk(instance, [9, 9, 20])
    made.shrink(1)
    assert made.options().tolist() == [4, 4, 20]


def test_a_vm_that_does_not_fit_where_it_was_stays() -> None:
    """VM 1 has taken the only place at 4 under the cap, so VM 0 cannot go back before it."""
    instance = small_instance([4, 20], rows=[Row((0, 1), (4,), cap=1)])
    made = walk(instance, [9, 4])
    made.shrink(1)
    assert made.options().tolist() == [9, 20]
    made.shrink(0)
    assert made.options().tolist() == [4, 20]


def test_vms_that_move_anyway_go_where_it_is_cheaper() -> None:
    """VM 0 is away from today, so it goes to its best start; VM 1 stays, because it would be a further move."""
    prices = {(0, 4): 5.0, (0, 9): 4.0, (0, 20): 1.0, (1, 4): 5.0, (1, 20): 1.0}
    made = walk(small_instance([4, 4], priced(2, prices, 50.0)), [9, 4])
    made.settle()
    assert made.options().tolist() == [20, 4]
    assert made.path.marks[-1].num_moves == 1


def test_settling_never_takes_a_move_back() -> None:
    """Today's start would be the cheapest, but giving up a move is not what settling is for."""
    made = walk(small_instance([4], priced(1, {(0, 4): 0.0, (0, 9): 3.0, (0, 20): 2.0}, 50.0)), [9])
    made.settle()
    assert made.options().tolist() == [20]


def test_schedules_whose_writes_break_a_limit_are_passed_without_a_mark() -> None:
    """A swap of full policies is on the way to nothing: its writes have no order in a full vault."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,))
    instance = small_instance([4, 9], shape=shape)
    assert walk(instance, [9, 4]).path.marks == []
    limits = (WriteLimit("none", (0,), 0),)
    limited = small_instance([4, 9], shape=Shape(policies=policies, per_new=1, per_old=1, write_limits=limits))
    assert walk(limited, [9, 4]).path.marks == []
    assert len(walk(instance).path.marks) == 1


def test_immovable_vms_do_not_move() -> None:
    """The pinned VM would gain most."""
    made = walk(wishes([9.0, 1.0], Shape(immovable=[0])))
    made.extend(2)
    assert made.options().tolist() == [4, 9]


def test_a_walk_that_is_stopped_stays_where_it_is() -> None:
    """No step is made once time is over, and after two steps none follows."""
    stopped = Walk(wishes([1.0, 2.0, 3.0]), np.array([4, 4, 4]), lambda: True)
    stopped.extend(3)
    assert stopped.options().tolist() == [4, 4, 4]
    calls = itertools.count()
    some = Walk(wishes([1.0, 2.0, 3.0]), np.array([4, 4, 4]), lambda: next(calls) >= 2)
    some.extend(3)
    assert some.options().tolist() == [4, 9, 9]


def test_a_path_without_steps_is_its_start() -> None:
    """Nothing has moved, and nothing is marked."""
    path = Path(np.array([3, 2]))
    assert (path.steps, path.marks) == ([], [])


@settings(max_examples=15)
@given(st.data())
def test_marked_schedules_keep_every_limit_and_have_their_costs(data: st.DataObject) -> None:
    """Out to some number of moves and back to fewer: each mark is a feasible schedule with its cost and moves."""
    prices = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.0, 4.0])) for v in range(4) for t in (4, 9, 20)}
    rows = [Row((0, 1, 2), (9, 20), pair_price=0.6), Row((1, 3), (9,), cap=1), Row((0, 3), (20,), peak_price=0.5)]
    room = data.draw(st.sampled_from([0, 1, 5]))
    shape = Shape(key=[0, 0, 0, 1], key_vault=(0, 0), per_new=1, per_old=2, write_price=0.4, room=(room,))
    instance = small_instance([4, 4, 9, 20], priced(4, prices, 50.0), rows, shape, dict.fromkeys(range(4), (4, 9, 20)))
    assert is_feasible(instance, instance.today)
    made = walk(instance)
    made.extend(data.draw(st.integers(0, 4)))
    made.settle()
    made.shrink(data.draw(st.integers(0, 3)))
    for mark in made.path.marks:
        options = made.path.options(mark)
        assert is_feasible(instance, options)
        assert mark.cost == pytest.approx(evaluate(instance, options).total)
        assert mark.num_moves == int((options != instance.today).sum())


def test_a_mark_pays_for_writes_that_only_the_order_needs() -> None:
    """Two full policies that swap their VMs need a third one on the way: the marked cost contains its price."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(1,), write_price=0.7)
    instance = small_instance([4, 9], priced(2, {(0, 9): 0.25, (1, 4): 0.5}), shape=shape)
    (mark,) = walk(instance, [9, 4]).path.marks
    assert mark.cost == pytest.approx(0.25 + 0.5 + 0.7)
    assert (mark.num_moves, mark.num_steps) == (2, 0)


def test_vms_that_would_save_a_policy_go_back_as_far_as_they_fit() -> None:
    """Both VMs at 9 share a policy that costs 5, but under the cap at 4 there is a place for only one of them."""
    prices = {(0, 9): 1.0, (1, 9): 2.0} | {(v, 4): 3.0 for v in range(3)}
    rows = [Row(range(3), (4,), cap=2)]
    instance = small_instance([4, 4, 4], priced(3, prices), rows, Shape(write_price=5.0))
    made = walk(instance, [9, 9, 4])
    made.shrink(0)
    assert made.options().tolist() == [9, 4, 4]
    assert [(mark.num_moves, mark.cost) for mark in made.path.marks] == [
        (2, pytest.approx(3.0 + 3.0 + 5.0)),
        (1, pytest.approx(1.0 + 6.0 + 5.0)),
    ]


@pytest.mark.parametrize(("room", "options"), [(0, [9, 20]), (2, [4, 4])])
def test_a_vm_whose_place_is_taken_goes_back_only_if_a_policy_can_be_written(room: int, options: list[int]) -> None:
    """VM 1 has taken the only place at 4: in a full vault it goes back itself, although that costs 90 and not 1."""
    policies = [(0, 4, (0,), False), (0, 9, (), False), (0, 20, (1,), False)]
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(room,), write_price=1.0)
    made = walk(small_instance([4, 20], priced(2, {(1, 20): 90.0, (1, 9): 5.0}, 0.0), shape=shape), [9, 4])
    made.shrink(1)
    assert made.options().tolist() == options


def test_a_star_pays_for_its_policy_once() -> None:
    """Three VMs gain 3 each at 9, where a policy costs 4: after the first pays for it, the others gain in full."""
    instance = wishes([3.0, 3.0, 3.0], Shape(write_price=4.0))
    made = walk(instance)
    made.extend(3)
    assert made.path.marks[-1].cost == pytest.approx(30.0 - 9.0 + 4.0)
    assert made.path.marks[-1].num_steps == 3


def test_a_path_can_be_read_at_each_mark() -> None:
    """Steps after a mark do not change the schedule at the mark, and neither is the start of the path changed."""
    made = walk(wishes([1.0, 3.0]))
    made.extend(2)
    made.shrink(0)
    schedules = [made.path.options(mark).tolist() for mark in made.path.marks]
    assert schedules == [[4, 4], [4, 9], [9, 9], [4, 9], [4, 4]]
    assert made.path.start.tolist() == [4, 4]
