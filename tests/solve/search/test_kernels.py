"""The compiled inner loops: what they say a change costs, against the cost of whole schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.problem.arrays import BLOCKED, Counts, count, pack
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.search.kernels import (
    Cooling,
    gains,
    move_if_no_dearer,
    move_together,
    place,
    ruin_and_recreate,
    settle_writes,
    sweep_single_moves,
    take_out,
)
from tests.solve.small_instances import Row, Shape, apart, every_schedule, priced, same_start, small_instance

STARTS = (4, 9, 20)
COLD = Cooling(0.05, 0.001, 300)


def mixed(**more: object) -> Instance:
    """Four VMs of two keys with every kind of row, small policies, and a rule between VMs 0 and 3."""
    rows = [
        Row((0, 1, 2), (9, 20), pair_price=0.7),
        Row((0, 1, 2, 3), (9,), peak_price=0.9, fair_share=1),
        Row((1, 3), (20,), cap=1),
    ]
    made = {
        "key": [0, 0, 1, 1],
        "key_vault": (0, 0),
        "service": [0, 0, 0, 1],
        "per_new": 1,
        "per_old": 2,
        "write_price": 0.3,
        "move_price": 0.11,
        "gates": apart(0, 3, 4, same_start()),
    }
    shape = Shape(**{**made, **more})  # type: ignore[arg-type]  # named by the caller
    prices = {(v, t): 0.1 * v + 0.07 * t for v in range(4) for t in STARTS}
    return small_instance([4, 4, 4, 20], priced(4, prices), rows, shape, dict.fromkeys(range(4), STARTS))


def same(one: Counts, other: Counts) -> bool:
    """Whether two counts agree in everything."""
    return all(np.allclose(a, b) for a, b in zip(one, other, strict=True))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(STARTS)), min_size=1, max_size=5))
def test_moves_cost_the_difference_of_two_schedules(moves: list[tuple[int, int]]) -> None:
    """After any moves, the sum of what they cost is the difference, and the counts are those made anew."""
    instance = mixed()
    a, c = pack(instance), count(instance, instance.today)
    change, possible = 0.0, True
    for v, t in moves:
        change += move_together(a, c, np.array([v]), np.array([t])) % BLOCKED
    assert same(c, count(instance, c.options))
    possible = not (c.beyond < 0).any()
    if possible:
        difference = evaluate(instance, c.options).total - evaluate(instance, instance.today).total
        assert change % BLOCKED == pytest.approx(difference % BLOCKED, abs=1e-4)


def test_vms_that_move_together_are_priced_together() -> None:
    """Two VMs of one service that go to 9 form a pair there, and need two policies of one VM."""
    instance = mixed()
    a, c = pack(instance), count(instance, instance.today)
    change = move_together(a, c, np.array([0, 1]), np.array([9, 9]))
    assert change == pytest.approx(
        evaluate(instance, np.array([9, 9, 4, 20])).total - evaluate(instance, instance.today).total
    )
    assert c.options.tolist() == [9, 9, 4, 20]
    assert c.vault_writes.tolist() == [2]


def test_a_swap_without_an_order_of_writes_is_blocked() -> None:
    """Full policies in a full vault cannot trade their VMs; with room, the trade costs one write."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    for room, cost in ((0, BLOCKED), (1, 0.4)):
        shape = Shape(policies=policies, per_new=1, per_old=1, room=(room,), write_price=0.4)
        instance = small_instance([4, 9], shape=shape)
        a, c = pack(instance), count(instance, instance.today)
        assert move_together(a, c, np.array([0, 1]), np.array([9, 4])) == pytest.approx(cost)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(STARTS), min_size=4, max_size=4))
def test_gains_are_those_of_the_best_single_move(options: list[int]) -> None:
    """Each VM alone, with the others where they are; nothing changes."""
    instance = mixed(room=(50,))
    a, c = pack(instance), count(instance, np.array(options))
    found = gains(a, c, np.arange(4))
    assert same(c, count(instance, np.array(options)))
    before = evaluate(instance, np.array(options))
    for v in range(4):
        others = [o for o in every_schedule(instance) if all(o[w] == options[w] for w in range(4) if w != v)]
        if is_feasible(instance, np.array(options)):
            best = min(evaluate(instance, o).total for o in others if is_feasible(instance, o))
            assert found[v] >= before.total - best - 1e-6
    assert (found >= -1e-9).all()


def test_a_sweep_moves_each_vm_to_its_cheapest_start() -> None:
    """Without anything shared, one sweep is enough; what it returns is what it saves."""
    instance = small_instance([4, 4], priced(2, {(0, 4): 3.0, (0, 9): 1.0, (1, 4): 2.0, (1, 20): 2.0}))
    a, c = pack(instance), count(instance, instance.today)
    assert sweep_single_moves(a, c, np.arange(2)) == pytest.approx(-2.0)
    assert c.options.tolist() == [9, 4]
    assert sweep_single_moves(a, c, np.arange(2)) == 0.0


def test_a_sweep_keeps_the_limit_of_moves() -> None:
    """One move is allowed, and the first VM in order takes it."""
    prices = {(v, t): p for v in range(2) for t, p in ((4, 3.0), (9, 1.0))}
    instance = small_instance([4, 4], priced(2, prices), shape=Shape(max_moves=1))
    a, c = pack(instance), count(instance, instance.today)
    sweep_single_moves(a, c, np.array([1, 0]))
    assert c.options.tolist() == [4, 9]


def test_a_sweep_does_not_open_a_policy_that_one_vm_does_not_pay_for() -> None:
    """Each of two VMs gains 2 at 9, where a policy costs 3."""
    prices = {(v, t): p for v in range(2) for t, p in ((4, 3.0), (9, 1.0))}
    instance = small_instance([4, 4], priced(2, prices), shape=Shape(write_price=3.0))
    a, c = pack(instance), count(instance, instance.today)
    assert sweep_single_moves(a, c, np.arange(2)) == 0.0
    assert c.options.tolist() == [4, 4]


@pytest.mark.parametrize("blocked", ["cap", "gate", "room", "writes"])
def test_a_sweep_does_not_go_where_a_limit_blocks(blocked: str) -> None:
    """VM 0 gains at 9, but the cap is full there, or VM 1 is kept apart, or no policy may be written."""
    shapes = {
        "cap": Shape(),
        "gate": Shape(gates=apart(0, 1, 2, same_start())),
        "room": Shape(key=[0, 1], key_vault=(0, 1), room=(0, 5)),
        "writes": Shape(key=[0, 1], key_vault=(0, 0), write_limits=(WriteLimit("none", (0,), 0),)),
    }
    rows = [Row((0, 1), (9,), cap=1)] if blocked == "cap" else []
    prices = {(0, 4): 3.0, (0, 9): 1.0, (1, 9): 0.0}
    instance = small_instance([4, 9], priced(2, prices), rows, shapes[blocked])
    a, c = pack(instance), count(instance, instance.today)
    assert sweep_single_moves(a, c, np.array([0])) == 0.0
    free = small_instance([4, 9], priced(2, prices), shape=Shape(key=[0, 1], key_vault=(0, 0)))
    a, c = pack(free), count(free, free.today)
    assert sweep_single_moves(a, c, np.array([0])) == pytest.approx(-2.0)


@pytest.mark.parametrize(("price", "moves"), [(3.0, True), (2.0, True), (3.5, False)])
def test_a_vm_moves_where_that_costs_no_more(price: float, moves: bool) -> None:
    """Equal cost is enough; the counts follow."""
    instance = small_instance([4], priced(1, {(0, 4): 3.0, (0, 9): price}))
    a, c = pack(instance), count(instance, instance.today)
    assert move_if_no_dearer(a, c, 0, 9) is moves
    assert c.options.tolist() == [9 if moves else 4]
    assert same(c, count(instance, c.options))


def test_a_move_that_would_need_a_detour_is_taken_back() -> None:
    """VM 0 would cost no more at 9, but its swap with VM 1, which has moved, needs a write."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,), write_price=0.0)
    instance = small_instance([4, 9], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    assert not move_if_no_dearer(a, c, 0, 9)
    assert c.options.tolist() == [4, 9]
    assert same(c, count(instance, c.options))


def test_vms_that_were_taken_out_are_put_back_by_regret() -> None:
    """Only one VM fits at 9. VM 1 loses more without it, so it goes first, although VM 0 is listed first."""
    prices = {(0, 4): 2.0, (0, 9): 1.0, (1, 4): 8.0, (1, 9): 1.0}
    instance = small_instance([4, 4], priced(2, prices, 50.0), [Row((0, 1), (9,), cap=1)])
    a, c = pack(instance), count(instance, instance.today)
    take_out(a, c, np.arange(2))
    assert c.policies.sum() == 0
    place(a, c, np.arange(2))
    assert c.options.tolist() == [4, 9]
    assert same(c, count(instance, c.options))


def test_writes_of_the_order_are_settled_in_the_vaults_of_the_vms() -> None:
    """After a swap made behind its back, the extra write is counted, priced and part of the limit."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    limits = (WriteLimit("all", (0,), 9),)
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(3,), write_price=0.4, write_limits=limits)
    instance = small_instance([4, 9], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    c.options[:] = [9, 4]
    assert settle_writes(a, c, np.array([0])) == pytest.approx(0.4)
    assert (c.extra.tolist(), c.beyond.tolist(), c.group_writes.tolist()) == ([1], [1], [1])
    c.options[:] = [4, 9]
    assert settle_writes(a, c, np.array([0])) == pytest.approx(-0.4)
    assert settle_writes(a, c, np.array([], dtype=np.int64)) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_ruin_and_recreate_keeps_its_books(seed: int) -> None:
    """Costs of the best and the last schedule are relative to the first; both keep every limit, counts are right."""
    instance = mixed(max_moves=3, write_limits=(WriteLimit("few", (0, 1), 2),))
    a, c = pack(instance), count(instance, instance.today)
    first, best = evaluate(instance, instance.today).total, instance.today.copy()
    random = np.random.default_rng(seed)
    to_best, to_last = ruin_and_recreate(a, c, np.arange(4), random, Cooling(0.5, 0.01, 200), best)
    assert is_feasible(instance, best) and is_feasible(instance, c.options)
    assert evaluate(instance, best).total - first == pytest.approx(to_best, abs=1e-6)
    assert evaluate(instance, c.options).total - first == pytest.approx(to_last, abs=1e-6)
    assert to_best <= min(0.0, to_last) + 1e-9
    assert same(c, count(instance, c.options))


def test_ruin_and_recreate_opens_a_policy_for_several_vms() -> None:
    """No single VM pays for a policy at 9, but all together do; single moves do not find that."""
    prices = {(v, t): p for v in range(3) for t, p in ((4, 3.0), (9, 1.0))}
    instance = small_instance([4] * 3, priced(3, prices, 50.0), shape=Shape(write_price=4.0))
    a, c = pack(instance), count(instance, instance.today)
    assert sweep_single_moves(a, c, np.arange(3)) == 0.0
    best = instance.today.copy()
    to_best, _ = ruin_and_recreate(a, c, np.arange(3), np.random.default_rng(0), COLD, best)
    assert best.tolist() == [9, 9, 9]
    assert to_best == pytest.approx(-2.0)


def test_whole_policies_move_where_the_vault_is_full() -> None:
    """Policies of one VM in a full vault: the only way is to edit each, which moves its VM."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True)]
    prices = {(0, 4): 3.0, (0, 20): 1.0, (1, 9): 3.0, (1, 20): 1.0}
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,), write_price=0.1)
    instance = small_instance([4, 9], priced(2, prices, 50.0), shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    best = instance.today.copy()
    to_best, _ = ruin_and_recreate(a, c, np.arange(2), np.random.default_rng(0), COLD, best)
    assert best.tolist() == [20, 20]
    assert to_best == pytest.approx(-4.0 + 0.2)
