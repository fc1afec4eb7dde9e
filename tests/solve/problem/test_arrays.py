"""The flat arrays of an instance, and the counts of a schedule, against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.problem.arrays import BLOCKED, FORBIDDEN, count, pack, price_of_one_more, touched_lists
from optimizer.solve.problem.instance import WriteLimit
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance


def lists(begin: np.ndarray, values: np.ndarray) -> list[list[int]]:
    """Lists of lists as Python has them."""
    return [values[first:last].tolist() for first, last in itertools.pairwise(begin.tolist())]


def test_rows_are_listed_by_class_and_option_without_padding() -> None:
    """Padding is the number of rows; every list begins where the one before ends."""
    touched = np.full((2, 48, 2), 3)
    touched[0, 0] = [2, 3]
    touched[0, 1] = [0, 1]
    touched[1, 47] = [3, 1]
    found = lists(*touched_lists(touched, 3))
    assert len(found) == 96
    assert {at: rows for at, rows in enumerate(found) if rows} == {0: [2], 1: [0, 1], 95: [1]}


def test_forbidden_options_have_a_price_above_all_others() -> None:
    """The linear cost stays where an option is allowed; elsewhere the price rules it out."""
    a = pack(small_instance([4, 9], priced(2, {(0, 4): 1.5}), allowed={0: [4, 5]}))
    assert a.base[0, [4, 5, 6]].tolist() == [1.5, 9.0, FORBIDDEN]
    assert (a.base[1] == 9.0).all()
    assert FORBIDDEN > 1000 * BLOCKED


def test_only_movable_vms_are_listed_by_key_and_service() -> None:
    """A VM that must not move is in no list; each list is ascending."""
    shape = Shape(key=[0, 1, 0, 1], key_vault=(0, 0), service=[1, 0, 1, 1], immovable=[3])
    a = pack(small_instance([4, 4, 5, 6], shape=shape))
    assert lists(a.key_begin, a.key_vms) == [[0, 2], [1]]
    assert lists(a.service_begin, a.service_vms) == [[1], [0, 2]]


def test_each_key_lists_the_write_limits_that_count_its_writes() -> None:
    """A limit over two keys is in both lists, and the maxima are in the order of the limits."""
    limits = (WriteLimit("both", (0, 1), 3), WriteLimit("second", (1,), 2))
    a = pack(small_instance([4, 4], shape=Shape(key=[0, 1], key_vault=(0, 0), write_limits=limits)))
    assert lists(a.group_begin, a.group) == [[0], [0, 1]]
    assert a.group_limit.tolist() == [3, 2]


@pytest.mark.parametrize(("max_moves", "stored"), [(None, 3), (0, 0), (2, 2)])
def test_without_a_limit_every_vm_may_move(max_moves: int | None, stored: int) -> None:
    """No limit is stored as the number of VMs, which never binds."""
    assert pack(small_instance([1, 2, 3], shape=Shape(max_moves=max_moves))).max_moves.tolist() == [stored]


def test_gates_of_an_instance_without_vms_behind_them() -> None:
    """Every VM has a list of gates, an empty one without rules between sets."""
    a = pack(small_instance([1, 2]))
    assert lists(a.vm_gate_begin, a.vm_gate) == [[], []]
    gated = pack(small_instance([1, 2], shape=Shape(gates=apart(0, 1, 2, same_start()))))
    assert lists(gated.vm_gate_begin, gated.vm_gate) == [[0], [1]]
    assert lists(gated.gate_begin, gated.opponent) == [[1], [0]]


def test_whole_policies_are_those_of_vaults_without_room_for_a_new_one_each() -> None:
    """Two editable policies and room for one: both may move as a whole; with room for two, neither needs to."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True)]
    for room, whole in ((1, [0, 1]), (2, [])):
        made = small_instance([4, 9], shape=Shape(policies=policies, room=(room,)))
        assert sorted(pack(made).whole.tolist()) == whole


@pytest.mark.parametrize(
    ("met", "price"),
    [(0, 0.0), (1, 0.5), (2, 1.0 + 2.0), (3, 1.5 + 2.0 + BLOCKED), (4, 2.0 + 2.0 + BLOCKED)],
)
def test_price_of_one_more_vm_in_a_row(met: int, price: float) -> None:
    """Pairs with those who are there, a peak from the fair share of 2 on, and a block from the cap of 3 on."""
    one = np.ones(1)
    found = price_of_one_more(0.5 * one, 2.0 * one, np.array([2]), np.array([3]), np.array([met]))
    assert found.tolist() == pytest.approx([price])


def test_counts_of_a_schedule_by_hand() -> None:
    """VMs 0 and 1 share a row at start 5; three VMs at start 5 need a second policy of two VMs there."""
    rows = [Row(vms=(0, 1), starts=(5,), pair_price=2.0), Row(vms=(0, 1, 2), starts=(5, 6), cap=2)]
    limits = (WriteLimit("few", (0,), 1),)
    shape = Shape(per_new=2, per_old=2, write_limits=limits, gates=apart(0, 2, 3, same_start()))
    instance = small_instance([4, 4, 5], rows=rows, shape=shape)
    options = np.array([5, 5, 5])
    c = count(instance, options)
    assert c.met.tolist() == [2, 3]
    assert c.marginal.tolist() == pytest.approx([4.0, BLOCKED])
    assert c.policies[0, 4:6].tolist() == [0, 3]
    assert (c.vault_writes.tolist(), c.group_writes.tolist()) == ([1], [1])
    assert c.moves.tolist() == [2]
    assert np.flatnonzero(c.shut[0]).tolist() == [5] == np.flatnonzero(c.shut[1]).tolist()
    assert (c.extra.tolist(), c.beyond.tolist()) == ([0], [0])
    c.options[0] = 7
    assert options.tolist() == [5, 5, 5]


def test_writes_that_only_the_order_needs_are_counted_apart() -> None:
    """Two full policies swap their VMs: nothing lacks, but one write is needed, and two if edits replace it."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True)]
    swap = np.array([9, 4])
    for room, extra, beyond in ((1, [1], [1]), (0, [2], [2])):
        limits = (WriteLimit("all", (0,), 5),)
        shape = Shape(policies=policies, per_new=1, per_old=1, room=(room,), write_limits=limits)
        c = count(small_instance([4, 9], shape=shape), swap)
        assert c.group_writes.tolist() == extra
        assert (c.vault_writes.tolist(), c.extra.tolist(), c.beyond.tolist()) == ([0], extra, beyond)


def test_a_vault_without_any_order_is_marked() -> None:
    """Policies that must not be edited cannot swap their VMs in a full vault."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    made = small_instance([4, 9], shape=Shape(policies=policies, per_new=1, per_old=1, room=(0,)))
    assert count(made, np.array([9, 4])).beyond.tolist() == [-1]


@settings(max_examples=30)
@given(st.lists(st.integers(4, 7), min_size=4, max_size=4), st.integers(0, 3))
def test_counts_are_those_of_plain_loops(options: list[int], moves: int) -> None:
    """Rows, policies, moves and writes of random schedules of four VMs of two keys."""
    rows = [Row(vms=(0, 1, 3), starts=(4, 6), pair_price=1.0), Row(vms=(2, 3), starts=(5, 6, 7), pair_price=0.5)]
    limit = WriteLimit("all", (0, 1), moves)
    shape = Shape(key=[0, 0, 1, 1], key_vault=(0, 1), room=(9, 9), per_new=1, per_old=1, write_limits=(limit,))
    instance = small_instance([4, 4, 5, 5], rows=rows, shape=shape)
    c = count(instance, np.array(options))
    assert c.met.tolist() == [sum(options[v] in row.starts for v in row.vms) for row in rows]
    assert c.moves.tolist() == [sum(o != t for o, t in zip(options, [4, 4, 5, 5], strict=True))]
    for k, vms, home in ((0, (0, 1), 4), (1, (2, 3), 5)):
        held = [sum(options[v] == t for v in vms) for t in range(48)]
        assert c.policies[k].tolist() == held
        assert c.vault_writes[k] == sum(max(0, n - (t == home)) for t, n in enumerate(held))
    assert c.group_writes.tolist() == [c.vault_writes.sum() + c.extra.sum()]
