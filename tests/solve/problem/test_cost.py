"""The cost of a schedule with every term, what of it falls to each VM, and what a schedule has too much of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rules
from optimizer.solve.problem.cost import (
    cost_shares,
    count_creations,
    count_edits,
    evaluate,
    excess_of,
    gate_counts,
    is_feasible,
    overfull_caps,
    policy_counts,
    policy_writes,
    row_counts,
    shut_gates,
)
from optimizer.solve.problem.instance import WriteLimit
from tests.prices import FIXED_PRICES
from tests.solve.examples import Problem, flat_risk, inventory, policy, problems
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance


@settings(max_examples=50, deadline=None)
@given(problems(), st.integers(0, 2**16))
def test_shares_add_up_to_what_is_shared(problem: Problem, seed: int) -> None:
    """All shares together are the risk, overlap, vault peak and working hours; policies and moves are nobody's."""
    instance = problem.instance()
    options = np.random.default_rng(seed).integers(0, 48, instance.num_vms)
    cost = evaluate(instance, options)
    shared = cost.risk + cost.overlap + cost.vault_peak + cost.working_hours
    assert cost_shares(instance, options).sum() == pytest.approx(shared)


def test_those_who_meet_bear_it_alike() -> None:
    """Two of three VMs of a service overlap 6.9 times a month at 0.0145: half of it each, nothing for the third."""
    vms = [("web", "p"), ("web", "p"), ("web", "q")]
    found = inventory([policy("p", "v", 46), policy("q", "w", 10)], vms)
    instance = Problem(
        found, Rules(prices={**FIXED_PRICES, "vault_peak": 0.0, "all_at_once": 0.0}), flat_risk(3)
    ).instance()
    assert cost_shares(instance, instance.today).tolist() == pytest.approx([0.0145 * 6.9 / 2] * 2 + [0.0])


def test_every_term_by_hand() -> None:
    """Two of three VMs meet at 9, where a policy is written and one start is above the fair share; two move."""
    rows = [
        Row((0, 1, 2), (9,), pair_price=0.5, overlaps=4.0),
        Row((0, 1, 2), (9,), peak_price=0.25, fair_share=1),
    ]
    shape = Shape(move_price=0.125, write_price=2.0)
    linear = priced(3, {(0, 9): 1.0, (1, 9): 2.0, (2, 4): 3.0})
    cost = evaluate(small_instance([4, 4, 4], linear, rows, shape), np.array([9, 9, 4]))
    assert (cost.risk, cost.overlap, cost.vault_peak) == pytest.approx((6.0, 0.5, 0.25))
    assert (cost.policy_writes, cost.moves, cost.working_hours) == pytest.approx((2.0, 0.25, 0.0))
    assert (cost.overlaps, cost.writes, cost.num_moves) == (4.0, 1, 2)
    assert cost.total == pytest.approx(9.0)


def test_counts_of_some_vms_only() -> None:
    """Rows and policies of the given VMs; unplanned items are always counted."""
    rows = [Row((0, 1, 2), (4, 9), pair_price=1.0)]
    instance = small_instance([4, 4, 9], rows=rows, shape=Shape(unknown={(0, 4): 2}))
    options = np.array([4, 9, 9])
    assert row_counts(instance, options).tolist() == [3]
    assert row_counts(instance, options, np.array([0, 2])).tolist() == [2]
    assert policy_counts(instance, options)[0, [4, 9]].tolist() == [3, 2]
    assert policy_counts(instance, options, np.array([1]))[0, [4, 9]].tolist() == [2, 1]


@pytest.mark.parametrize(("items", "writes"), [(0, 0), (3, 0), (4, 1), (5, 1), (6, 2)])
def test_policies_that_are_lacking(items: int, writes: int) -> None:
    """One policy of three exists, and a new one takes two."""
    instance = small_instance([4], shape=Shape(per_new=2, per_old=3))
    counts = np.zeros((1, 48), dtype=np.int64)
    counts[0, 4] = items
    assert policy_writes(instance, counts)[0, 4] == writes


@pytest.mark.parametrize(
    ("options", "excess"),
    [
        pytest.param([4, 4, 9], {}, id="today"),
        pytest.param(
            [4, 4, 20], {"forbidden": [2], "write_limits": [0]}, id="a start that is not allowed, and a write"
        ),
        pytest.param([9, 4, 9], {"rows": [0], "shut": [0, 2]}, id="a full cap and a shut gate"),
        pytest.param([9, 20, 4], {"moves": True, "write_limits": [0]}, id="three moves and a write"),
        pytest.param([4, 30, 9], {"write_limits": [0]}, id="a write"),
    ],
)
def test_what_a_schedule_has_too_much_of(options: list[int], excess: dict[str, object]) -> None:
    """Each limit by itself: allowed starts, a cap, a rule between VMs 0 and 2, two moves, no writes."""
    rows = [Row((0, 2), (9,), cap=1)]
    shape = Shape(max_moves=2, write_limits=(WriteLimit("none", (0,), 0),), gates=apart(0, 2, 3, same_start()))
    instance = small_instance([4, 4, 9], rows=rows, shape=shape, allowed={2: [4, 9]})
    found = excess_of(instance, np.array(options))
    assert found.forbidden.tolist() == excess.get("forbidden", [])
    assert found.rows.tolist() == excess.get("rows", [])
    assert sorted(v for v, _ in found.shut) == excess.get("shut", [])
    assert found.moves is excess.get("moves", False)
    assert list(found.write_limits) == excess.get("write_limits", [])
    assert not len(found.stuck)
    assert is_feasible(instance, np.array(options)) is (not excess)


def test_a_vault_whose_writes_have_no_order_is_stuck() -> None:
    """Full policies in a full vault cannot trade; nothing else is wrong."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    instance = small_instance([4, 9], shape=Shape(policies=policies, per_new=1, per_old=1, room=(0,)))
    found = excess_of(instance, np.array([9, 4]))
    assert found.stuck.tolist() == [0]
    assert not is_feasible(instance, np.array([9, 4]))


def test_edits_and_creations_of_each_vault() -> None:
    """The policy whose only VM moves is edited; the one whose VMs part needs a creation."""
    policies = [(0, 4, (0,), True), (1, 4, (1, 2), True)]
    shape = Shape(key=[0, 1, 1], key_vault=(0, 1), room=(9, 9), policies=policies)
    instance = small_instance([4, 4, 4], shape=shape)
    options = np.array([9, 9, 4])
    assert count_edits(instance, options).tolist() == [1, 0]
    assert count_creations(instance, options).tolist() == [0, 1]


@pytest.mark.parametrize(("num_vms", "cap", "overfull"), [(2, 1, False), (3, 1, True), (4, 2, False), (5, 2, True)])
def test_caps_that_are_too_small_are_found_by_counting(num_vms: int, cap: int, overfull: bool) -> None:
    """A day of eight half hours has room for two windows of four, times the cap."""
    rows = [Row(range(num_vms), range(max(0, t - 3), t + 1), cap=cap) for t in range(8)]
    instance = small_instance([0] * num_vms, rows=rows, allowed=dict.fromkeys(range(num_vms), range(5)))
    assert overfull_caps(instance, instance.allowed) == (["cap"] if overfull else [])


def test_gates_count_the_vms_that_shut_each_option() -> None:
    """VM 0 at 9 shuts 9 for VM 2, and the other way round."""
    instance = small_instance([4, 4, 4], shape=Shape(gates=apart(0, 2, 3, same_start())))
    counts = gate_counts(instance.gates, np.array([9, 4, 20]))
    assert [np.flatnonzero(row).tolist() for row in counts] == [[20], [9]]
    assert shut_gates(instance, np.array([9, 4, 20])) == []
    assert {v for v, _ in shut_gates(instance, np.array([9, 9, 9]))} == {0, 2}
