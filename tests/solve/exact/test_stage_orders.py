"""Stages of moves against all orders of moves: caps, and sets of VMs kept apart, after every single write."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import FAMILIES, ScopedModel, whole
from optimizer.solve.exact.stages import MOST_FREE, cheapest_in_stages, stage_constraints
from optimizer.solve.problem.cost import evaluate, is_feasible, row_counts, shut_gates
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import Row, Shape, apart, every_schedule, priced, same_start, small_instance

SEARCH = Search(effort=25)
STARTS = (4, 9, 20)


def one_at_a_time(num_vms: int, starts: Sequence[int] = STARTS, cap: int = 1) -> list[Row]:
    """A cap on each start."""
    return [Row(range(num_vms), (t,), cap=cap) for t in starts]


def passed(instance: Instance, order: Sequence[int], options: np.ndarray) -> Iterator[np.ndarray]:
    """The schedules after each move of an order."""
    at = instance.today.copy()
    for v in order:
        at[v] = options[v]
        yield at.copy()


def has_order(instance: Instance, options: np.ndarray) -> bool:
    """Whether some order of moves never exceeds a cap, or today's count if that is higher, and never shuts a gate."""
    ceiling = np.maximum(instance.rows.cap, row_counts(instance, instance.today))
    moved = np.flatnonzero(options != instance.today).tolist()
    return any(
        all((row_counts(instance, at) <= ceiling).all() and not shut_gates(instance, at) for at in steps)
        for steps in (list(passed(instance, order, options)) for order in itertools.permutations(moved))
    )


def chain(length: int) -> Instance:
    """VMs in a row of starts that hold one VM each; each VM pays 1 unless it goes to the start of the next one."""
    places = range(4, 4 + 3 * length + 1, 3)
    prices = {(v, places[v]): 1.0 for v in range(length)} | {(v, places[v + 1]): 0.0 for v in range(length)}
    allowed = {v: [places[v], places[v + 1]] for v in range(length)}
    return small_instance(places[:length], priced(length, prices), one_at_a_time(length, places), allowed=allowed)


def test_vms_that_would_swap_under_a_cap_stay() -> None:
    """Neither VM can go first, so the cheapest schedule is not the answer, and its price not the bound."""
    prices = {(0, 4): 2.0, (0, 9): 0.0, (1, 9): 2.0, (1, 4): 0.0}
    instance = small_instance([4, 9], priced(2, prices), one_at_a_time(2))
    assert is_feasible(instance, np.array([9, 4]))
    found = cheapest_in_stages(instance, instance.today, [0, 1], SEARCH)
    assert found.options is not None and found.options.tolist() == [4, 9]
    assert found.bound == pytest.approx(4.0, abs=1e-5)


def test_one_vm_gives_way_for_the_other() -> None:
    """If VM 1 finds another start at a small price, VM 0 gets its place."""
    prices = {(0, 4): 5.0, (0, 9): 0.0, (1, 9): 0.0, (1, 4): 0.0, (1, 20): 1.0}
    instance = small_instance([4, 9], priced(2, prices), one_at_a_time(2))
    found = cheapest_in_stages(instance, instance.today, [0], SEARCH)
    assert found.options is not None and found.options.tolist() == [9, 20]


@pytest.mark.parametrize("num_stages", [1, 2, 3, 4])
def test_a_chain_needs_a_stage_for_each_vm(num_stages: int) -> None:
    """The last of three VMs has to leave first: with fewer stages than VMs, those at the beginning stay."""
    instance = chain(3)
    model = ScopedModel(instance, whole(instance, instance.today), (*FAMILIES, stage_constraints(num_stages)))
    answer = model.solve(5.0, 0)
    assert answer.options is not None
    assert (answer.options != instance.today).tolist() == [num_stages >= 3, num_stages >= 2, True]


def test_a_ring_needs_a_start_with_room() -> None:
    """Three VMs that follow each other in a ring cannot begin under a cap of one; under a cap of two they can."""
    prices = {(v, t): float(n != (v + 1) % 3) for v in range(3) for n, t in enumerate(STARTS)}
    for cap, options in ((1, list(STARTS)), (2, [9, 20, 4])):
        instance = small_instance(STARTS, priced(3, prices), one_at_a_time(3, cap=cap))
        found = cheapest_in_stages(instance, instance.today, [], SEARCH)
        assert found.options is not None and found.options.tolist() == options


def test_vms_that_exceed_a_cap_today_may_leave_one_after_the_other() -> None:
    """Three VMs at 4 under a cap of one: two have to go, and no other VM joins before."""
    instance = small_instance([4, 4, 4], rows=one_at_a_time(3, (4,)), shape=Shape(move_price=1.0))
    found = cheapest_in_stages(instance, instance.today, [], SEARCH)
    assert found.options is not None
    assert sorted(found.options == 4) == [False, False, True]
    assert found.bound == pytest.approx(2.0, abs=1e-5)


def test_a_gate_is_passed_only_after_the_other_vm_has_left() -> None:
    """VMs that may not start together cannot swap their starts, but one can follow the other."""
    swap = {(0, 4): 2.0, (0, 9): 0.0, (1, 9): 2.0, (1, 4): 0.0}
    for more, options in (({}, [4, 9]), ({(1, 20): 1.0}, [9, 20])):
        shape = Shape(gates=apart(0, 1, 2, same_start()))
        instance = small_instance([4, 9], priced(2, swap | more), shape=shape)
        found = cheapest_in_stages(instance, instance.today, [], SEARCH)
        assert found.options is not None and found.options.tolist() == options
        assert found.bound is None


@settings(max_examples=10)
@given(st.data())
def test_the_cheapest_schedule_of_all_orders_is_found(data: st.DataObject) -> None:
    """Over all schedules and all orders of their moves, with caps that may be exceeded today, and with gates."""
    num_vms = 3
    today = [data.draw(st.sampled_from(STARTS)) for _ in range(num_vms)]
    prices = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.0, 4.0])) for v in range(num_vms) for t in STARTS}
    rows = [Row(range(num_vms), (4, 9), cap=2), *one_at_a_time(num_vms, (9, 20))]
    gates = apart(0, 2, num_vms, same_start()) if today[0] != today[2] and data.draw(st.booleans()) else None
    shape = Shape(gates=gates, max_moves=data.draw(st.sampled_from([None, 2])), move_price=0.125)
    instance = small_instance(today, priced(num_vms, prices), rows, shape, dict.fromkeys(range(num_vms), STARTS))
    costs = [
        evaluate(instance, options).total
        for options in every_schedule(instance)
        if is_feasible(instance, options) and has_order(instance, options)
    ]
    found = cheapest_in_stages(instance, instance.today, [], SEARCH)
    assert (found.options is None) == (not costs)
    if found.options is not None:
        assert has_order(instance, found.options)
        assert evaluate(instance, found.options).total == pytest.approx(min(costs), abs=1e-5)
        assert (found.bound is None) == (gates is not None)


@pytest.mark.parametrize(
    ("num_vms", "most", "proven"), [(6, None, True), (7, None, False), (7, 6, True), (7, 7, False)]
)
def test_the_bound_holds_only_if_there_is_a_stage_for_every_move(num_vms: int, most: int | None, proven: bool) -> None:
    """Six stages contain every order of six moves, and not of seven."""
    allowed = dict.fromkeys(range(num_vms), (4, 9))
    instance = small_instance([4] * num_vms, shape=Shape(max_moves=most), allowed=allowed)
    assert (cheapest_in_stages(instance, instance.today, [], SEARCH).bound is not None) == proven


def test_without_a_schedule_there_is_no_answer() -> None:
    """Two VMs have one start between them under a cap of one: there are neither options nor a bound."""
    instance = small_instance([4, 9], rows=one_at_a_time(2), allowed={0: [4], 1: [4]})
    found = cheapest_in_stages(instance, instance.today, [1], SEARCH)
    assert (found.options, found.bound) == (None, None)


def test_in_a_large_instance_only_vms_in_the_way_are_free() -> None:
    """VM 0 wants the start of VM 1, which makes room; VM 2 has moved before and stays where the hint has it."""
    num_vms = MOST_FREE + 3
    prices = {(0, 4): 9.0, (0, 9): 0.0, (1, 9): 0.0, (1, 20): 1.0, (2, 4): 0.0, (2, 20): 5.0}
    linear = priced(num_vms, prices, 0.0)
    allowed = dict.fromkeys(range(2, num_vms), (4, 20)) | {0: (4, 9), 1: (9, 20)}
    rows = [Row((0, 1), (9,), cap=1)]
    instance = small_instance([4, 9, *[4] * (num_vms - 2)], linear, rows, Shape(move_price=0.125), allowed)
    hint = instance.today.copy()
    hint[2] = 20
    found = cheapest_in_stages(instance, hint, [0], SEARCH)
    assert found.options is not None and found.options[:3].tolist() == [9, 20, 20]
    assert (found.options[3:] == 4).all()
    assert found.bound is None


def test_a_vm_that_may_not_stay_holds_its_place_until_it_leaves() -> None:
    """Two VMs that must trade places under caps of one have no order, even if neither may stay."""
    instance = small_instance([4, 9], rows=one_at_a_time(2), allowed={0: [9], 1: [4]})
    assert not has_order(instance, np.array([9, 4]))
    found = cheapest_in_stages(instance, instance.today, [0, 1], SEARCH)
    assert (found.options, found.bound) == (None, None)
