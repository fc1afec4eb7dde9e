"""The dual function at given multipliers: its value by hand, its subgradient, and that it is a lower bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.ascent import dual_value
from optimizer.solve.bound.dual import Multipliers, dual_arrays, empty_answer, price_classes
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance


def at_zero(instance: Instance, **given_: object) -> Multipliers:
    """Multipliers that are all 0 except those given."""
    d = dual_arrays(instance)
    zero = Multipliers(
        lam=np.zeros(len(d.today)),
        mu=np.zeros(len(d.pair_price)),
        alpha=np.zeros(len(d.pair_price)),
        sigma=0.0,
        tau=np.zeros(len(d.group_limit)),
        kappa=np.zeros(d.cuts.level.shape),
    )
    for name, value in given_.items():
        setattr(zero, name, value)
    return zero


def value_at(instance: Instance, at: Multipliers) -> float:
    """Value of the dual function."""
    d = dual_arrays(instance)
    return float(dual_value(d, at, empty_answer(d)))


def test_arrays_of_an_instance() -> None:
    """Forbidden options, room of today's policies without the unplanned items, and the limits on writes."""
    limits = (WriteLimit("few", (0,), 1),)
    shape = Shape(unknown={(0, 4): 2}, per_old=5, per_new=3, write_price=0.5, max_moves=1, write_limits=limits)
    d = dual_arrays(small_instance([4, 4], shape=shape, allowed={0: [4, 9]}))
    assert d.base[0, [4, 9, 10]].tolist() == [0.0, 0.0, FORBIDDEN]
    assert (d.room[0, 4], d.room[0, 9]) == (3, 0)
    assert (d.per_policy[0], d.policy_price[0], d.max_moves[0]) == (3, 0.5, 1)
    assert d.group_limit.tolist()[0] == 1.0
    assert dual_arrays(small_instance([4])).max_moves.tolist() == [-1]


def test_vms_of_a_key_are_listed_with_peers_next_to_one_another() -> None:
    """VMs of one service follow each other."""
    d = dual_arrays(small_instance([4] * 4, shape=Shape(service=[1, 0, 1, 0])))
    assert d.key_vms.tolist() in ([1, 3, 0, 2], [0, 2, 1, 3])


def test_classes_are_priced_by_the_rows_that_they_touch() -> None:
    """VM 0 touches both rows at start 5, VM 1 one of them."""
    rows = [Row((0, 1), (5,), peak_price=1.0), Row((0,), (5, 6), peak_price=1.0)]
    d = dual_arrays(small_instance([4, 4], rows=rows))
    prices = np.zeros(len(d.pair_price))
    prices[:2] = [2.0, 3.0]
    found = price_classes(d, prices).reshape(-1, 48)
    assert found[0, 4:7].tolist() == [0.0, 5.0, 3.0]
    assert found[1, 4:7].tolist() == [0.0, 2.0, 0.0]


def test_at_zero_nothing_is_worth_anything() -> None:
    """All costs are positive, so no cell takes a VM, and no row is entered; the value is rounded down a little."""
    instance = small_instance([4, 9], priced(2, {(0, 4): 1.0}))
    assert -1e-6 < value_at(instance, at_zero(instance)) <= 0.0


def test_at_the_right_values_the_bound_is_the_optimum_without_shared_costs() -> None:
    """Each VM is worth what its best start costs; if VM 0 is worth more than its second best start, it takes both."""
    instance = small_instance([4, 4], priced(2, {(0, 4): 3.0, (0, 9): 1.0, (1, 4): 2.0}))
    best = np.array([1.0, 2.0])
    assert value_at(instance, at_zero(instance, lam=best)) == pytest.approx(3.0)
    assert value_at(instance, at_zero(instance, lam=best + 1.0)) == pytest.approx(3.0)
    assert value_at(instance, at_zero(instance, lam=best + 3.0)) == pytest.approx(9.0 - (1.0 + 3.0) - 3.0)


def test_a_cell_opens_only_where_its_vms_are_worth_the_policies() -> None:
    """Two VMs at 9 save 2 each, and a policy costs 3: worth it for both, not for one."""
    prices = {(v, t): price for v in range(2) for t, price in ((4, 5.0), (9, 3.0))}
    instance = small_instance([4, 4], priced(2, prices), shape=Shape(write_price=3.0))
    both = at_zero(instance, lam=np.array([5.0, 5.0]))
    assert value_at(instance, both) == pytest.approx(10.0 - 4.0 + 3.0)
    one = at_zero(instance, lam=np.array([5.0, 0.0]))
    assert value_at(instance, one) == pytest.approx(5.0)


def test_each_policy_beyond_the_room_is_paid() -> None:
    """Three VMs at 9, policies of two: two policies; worth it only if the third VM brings its price too."""
    prices = {(v, 9): 0.0 for v in range(3)}
    instance = small_instance([4] * 3, priced(3, prices), shape=Shape(write_price=1.0, per_new=2))
    worth = at_zero(instance, lam=np.array([4.0, 4.0, 3.0]))
    assert value_at(instance, worth) == pytest.approx(11.0 - (11.0 - 2.0))
    little = at_zero(instance, lam=np.array([4.0, 4.0, 0.5]))
    assert value_at(instance, little) == pytest.approx(8.5 - (8.0 - 1.0))


@pytest.mark.parametrize(("mu", "most", "value"), [(0.0, 3, 0.0), (1.0, 3, -1.0), (2.5, 3, -4.5), (9.0, 2, -17.0)])
def test_rows_take_as_many_vms_as_pay(mu: float, most: int, value: float) -> None:
    """Pairs cost 1 each: the n-th VM costs n - 1 and brings mu; a cap limits n."""
    rows = [Row((0, 1, 2), (9,), pair_price=1.0, cap=most, group=0)]
    instance = small_instance([4] * 3, priced(3, {}), rows, Shape(service=[0, 1, 2]))
    at = at_zero(instance)
    at.mu[0] = mu
    assert value_at(instance, at) == pytest.approx(value, abs=1e-5)


def test_rows_with_a_peak_are_free_up_to_the_fair_share() -> None:
    """Above the fair share of one, each costs 2: at 1.5 one VM pays, at 2.5 all three do."""
    rows = [Row((0, 1, 2), (9,), peak_price=2.0, fair_share=1)]
    instance = small_instance([4] * 3, priced(3, {}), rows)
    for mu, value in ((1.5, -1.5), (2.5, 4.0 - 7.5)):
        at = at_zero(instance)
        at.mu[0] = mu
        assert value_at(instance, at) == pytest.approx(value, abs=1e-5)


def test_moves_and_writes_pay_their_prices_and_get_the_limit_back() -> None:
    """One VM moves at a price of 2, one move is allowed; one policy is written at a price of 1, none is allowed."""
    limits = (WriteLimit("none", (0,), 0),)
    shape = Shape(max_moves=1, write_limits=limits)
    instance = small_instance([4, 4], priced(2, {(0, 9): 0.0, (0, 4): 9.0, (1, 4): 0.0}), shape=shape)
    number = dual_arrays(instance).group_limit.tolist().index(0.0)
    at = at_zero(instance, lam=np.array([5.0, 0.0]), sigma=2.0)
    at.tau[number] = 1.0
    assert value_at(instance, at) == pytest.approx(5.0 - (5.0 - 2.0 - 1.0) - 2.0)


def test_a_vm_of_an_overfull_policy_needs_no_open_cell_where_it_is() -> None:
    """It stays for nothing; the VM beside it has to pay for the policy."""
    shape = Shape(uncounted=[0], policies=[(0, 4, (0,), False)], write_price=5.0)
    instance = small_instance([4, 9], priced(2, {(0, 4): 1.0, (1, 4): 1.0}), shape=shape)
    lam = np.array([3.0, 3.0])
    assert value_at(instance, at_zero(instance, lam=lam)) == pytest.approx(6.0 - 2.0)


@settings(max_examples=25)
@given(st.data())
def test_the_value_is_a_bound_and_its_slopes_are_subgradients(data: st.DataObject) -> None:
    """At any two points: no schedule costs less than the value, and the function lies below its tangent."""
    starts = (4, 9, 20)
    prices = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.5])) for v in range(3) for t in starts}
    rows = [
        Row((0, 1), (9, 20), pair_price=0.7),
        Row((0, 1, 2), (9,), peak_price=0.6, fair_share=1),
        Row((1, 2), (4, 20), cap=1),
    ]
    shape = Shape(
        service=[0, 0, 1],
        per_new=1,
        per_old=2,
        write_price=0.4,
        max_moves=data.draw(st.sampled_from([None, 1, 2])),
        write_limits=(WriteLimit("few", (0,), data.draw(st.integers(0, 2))),),
    )
    instance = small_instance([4, 4, 9], priced(3, prices), rows, shape, dict.fromkeys(range(3), starts))
    d = dual_arrays(instance)

    def point() -> Multipliers:
        def draw(shape_: tuple[int, ...], low: float, high: float) -> np.ndarray:
            size = int(np.prod(shape_))
            return np.array(data.draw(st.lists(st.floats(low, high), min_size=size, max_size=size))).reshape(shape_)

        at = at_zero(instance, lam=draw((3,), -1.0, 4.0), mu=draw((len(d.pair_price),), 0.0, 2.0))
        at.alpha = draw((len(d.pair_price),), 0.0, 1.0)
        at.tau = draw((len(d.group_limit),), 0.0, 2.0)
        at.sigma = data.draw(st.floats(0.0, 2.0)) if d.max_moves[0] >= 0 else 0.0
        return at

    here, there, answer = point(), point(), empty_answer(d)
    value = dual_value(d, here, answer)
    costs = [
        evaluate(instance, options).total for options in every_schedule(instance) if is_feasible(instance, options)
    ]
    assert not costs or value <= min(costs) + 1e-6
    tangent = value + answer.lam @ (there.lam - here.lam) + answer.mu @ (there.mu - here.mu)
    tangent += answer.alpha @ (there.alpha - here.alpha) + answer.tau @ (there.tau - here.tau)
    tangent += float(answer.moves[0]) * (there.sigma - here.sigma)
    assert dual_value(d, there, empty_answer(d)) <= tangent + 1e-6


def test_multipliers_are_copied_deeply() -> None:
    """A change of the copy leaves the first as it is."""
    at = at_zero(small_instance([4, 9], rows=[Row((0, 1), (4,), pair_price=1.0)]))
    other = at.copy()
    other.lam[0] = other.mu[0] = other.alpha[0] = 7.0
    assert (at.lam[0], at.mu[0], at.alpha[0]) == (0.0, 0.0, 0.0)
