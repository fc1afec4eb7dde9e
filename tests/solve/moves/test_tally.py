"""A schedule that is priced move by move, against whole schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.moves.tally import Tally
from optimizer.solve.problem.arrays import BLOCKED
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.executable import extra_writes
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance


def full_of_everything() -> Instance:
    """Four VMs of two keys with rows of each kind, small policies and a rule between sets."""
    rows = [
        Row((0, 1, 2), (4, 5), pair_price=0.7),
        Row((0, 1, 2, 3), (5,), peak_price=0.9, fair_share=1),
        Row((1, 3), (5, 6), cap=1),
    ]
    shape = Shape(
        key=[0, 0, 1, 1],
        key_vault=(0, 0),
        per_new=1,
        per_old=2,
        write_price=0.3,
        move_price=0.11,
        gates=apart(0, 3, 4, same_start()),
    )
    linear = priced(4, {(v, t): 0.1 * v + 0.01 * t for v in range(4) for t in (4, 5, 6)})
    return small_instance([4, 4, 4, 6], linear, rows, shape, dict.fromkeys(range(4), (4, 5, 6)))


def cost_without_order(instance: Instance, options: np.ndarray) -> float:
    """Cost of a schedule without the writes that only their order needs."""
    cost = evaluate(instance, options)
    tally = Tally(instance, options)
    extra = extra_writes(instance, options, tally._policies)[0].sum()
    return cost.total - instance.policy_write_price * int(extra)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([4, 5, 6])), max_size=6))
def test_cost_and_moves_follow_each_move(moves: list[tuple[int, int]]) -> None:
    """After any moves, cost, number of moves and differences are those of a tally made anew."""
    instance = full_of_everything()
    tally = Tally(instance, instance.today)
    for v, t in moves:
        tally.move(v, t)
    anew = Tally(instance, tally.options)
    assert tally.cost == pytest.approx(cost_without_order(instance, tally.options), abs=1e-9)
    assert tally.num_moves == int((tally.options != instance.today).sum())
    everybody = np.arange(4)
    assert tally.differences(everybody) == pytest.approx(anew.differences(everybody))
    for k in range(2):
        assert tally.opening_prices(k) == pytest.approx(anew.opening_prices(k))
        assert tally.leaving_to_close(k).tolist() == anew.leaving_to_close(k).tolist()
    assert tally.writes_beyond() == anew.writes_beyond()


@settings(max_examples=30)
@given(st.lists(st.sampled_from([4, 5, 6]), min_size=4, max_size=4), st.integers(0, 3), st.sampled_from([4, 5, 6]))
def test_a_difference_is_that_of_two_schedules(options: list[int], v: int, t: int) -> None:
    """Without policies, and unless a cap or a rule blocks it, a move changes the cost by its difference."""
    instance = full_of_everything()
    tally, vm = Tally(instance, np.array(options)), np.array([v])
    found = tally.difference(vm, np.array([t]))[0]
    assert tally.differences(vm)[0, t] == pytest.approx(found)
    before = tally.cost - instance.policy_write_price * tally._writes.sum()
    tally.move(v, t)
    after = tally.cost - instance.policy_write_price * tally._writes.sum()
    if abs(found) < BLOCKED / 2:
        assert after - before == pytest.approx(found, abs=1e-6)


def test_today_is_not_changed_by_moves() -> None:
    """The schedule that the tally begins with is copied."""
    instance = full_of_everything()
    tally = Tally(instance, instance.today)
    tally.move(0, 5)
    assert instance.today.tolist() == [4, 4, 4, 6]
    assert tally.options.tolist() == [5, 4, 4, 6]
    assert tally.num_moves == 1
    tally.move(0, 4)
    assert (tally.num_moves, tally.options.tolist()) == (0, [4, 4, 4, 6])


def test_forbidden_full_and_shut_options_are_blocked() -> None:
    """Nobody may go to 9; VM 3 at 6 fills the cap of VM 1 at 5 and 6, and the rule keeps VM 0 away from 6."""
    instance = full_of_everything()
    differences = Tally(instance, instance.today).differences(np.array([0, 1]))
    blocked = differences[:, [4, 5, 6, 9]] > BLOCKED / 2
    assert blocked.tolist() == [[False, False, True, True], [False, True, True, True]]


@pytest.mark.parametrize(
    ("held", "prices"),
    [
        pytest.param([4, 4, 9], [0.0, 0.0, 0.5], id="a place is left at 4 and in the new policy at 9"),
        pytest.param([4, 4, 4], [0.5, 0.5, 0.5], id="the policy at 4 is full, and there is no other"),
        pytest.param([4, 9, 9], [0.0, 0.5, 0.5], id="the new policy at 9 is full too"),
    ],
)
def test_prices_of_openings(held: list[int], prices: list[float]) -> None:
    """The policy of today, at 4, holds three VMs; a new policy takes two."""
    shape = Shape(policies=[(0, 4, (0, 1, 2), False)], per_new=2, per_old=3, write_price=0.5)
    tally = Tally(small_instance([4, 4, 4], shape=shape), np.array(held))
    assert tally.opening_prices(0)[[4, 9, 20]].tolist() == pytest.approx(prices)


def test_an_opening_is_blocked_where_no_further_policy_may_be_written() -> None:
    """The vault has room for one policy, which the schedule needs already; or the limit of writes is reached."""
    for room, limits in (((1,), ()), ((9,), (WriteLimit("few", (0,), 1),))):
        shape = Shape(per_new=5, per_old=2, room=room, write_limits=limits, write_price=0.5)
        tally = Tally(small_instance([4, 4], shape=shape), np.array([4, 20]))
        assert tally.opening_prices(0)[30] == BLOCKED
        assert tally.opening_prices(0)[20] == 0.0
        tally.move(1, 4)
        assert tally.opening_prices(0)[30] == 0.5


@pytest.mark.parametrize(("at", "leaving"), [(2, 0), (3, 1), (4, 2), (5, 1)])
def test_vms_that_have_to_leave_to_save_a_write(at: int, leaving: int) -> None:
    """Two places exist, and a new policy takes two: the third and the fifth VM each open one."""
    instance = small_instance([4, 4, 30, 30, 30], shape=Shape(policies=[(0, 4, (0, 1), False)], per_new=2, per_old=2))
    options = np.array([4] * at + [30] * (5 - at))
    assert Tally(instance, options).leaving_to_close(0)[4] == leaving


def test_writes_for_the_order_only() -> None:
    """A swap of full policies needs one write more; none is possible in a full vault, nor under a limit of 0."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    swap = np.array([9, 4])
    for room, limits, writes in ((1, (), 1), (0, (), None), (1, (WriteLimit("none", (0,), 0),), None)):
        shape = Shape(policies=policies, per_new=1, per_old=1, room=(room,), write_limits=limits, write_price=0.4)
        tally = Tally(small_instance([4, 9], shape=shape), swap)
        assert tally.writes_beyond() == writes
        assert tally.cost == pytest.approx(0.0)
