"""Parts of an instance: searched on their own, put together, they keep every rule and cost what is said."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.arrays import count, pack
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import NO_CAP
from optimizer.solve.search.parts import Work, cut, merge, search_part, vault_groups
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import PART_VMS, CountingClock, vaults_that_share_services
from tests.solve.small_instances import Row, Shape, priced, small_instance

CAPPED = Rules(rule=(Rule(name="cap", max_concurrent=26),))
RULES = {
    "none": Rules(),
    "few writes": Rules(max_policy_writes=4),
    "few moves": Rules(max_moves=25),
    "a rule between VMs": Rules(rule=(Rule(name="pinned", where={"name": "vm1*"}, pin=True),)),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_parts_put_together_are_feasible_and_cost_what_is_said(rules: Rules) -> None:
    """All parts searched at the same time, then merged: no rule is broken, and the change of cost is exact."""
    instance = vaults_that_share_services(rules).instance()
    assert is_feasible(instance, instance.today)
    a, c = pack(instance), count(instance, instance.today)
    groups = vault_groups(instance, range(6), PART_VMS)
    assert len(groups) > 3
    assert sorted(v for group in groups for v in group.tolist()) == list(range(instance.num_vms))
    parts = [cut(a, c, vms, 1 / len(groups), instance.movable, Work(400, seed)) for seed, vms in enumerate(groups)]
    change = merge(a, c, [(part, search_part(part)[0]) for part in parts])
    assert change < 0
    assert is_feasible(instance, c.options)
    before, after = (evaluate(instance, options).total for options in (instance.today, c.options))
    assert after == pytest.approx(before + change, abs=1e-7)
    np.testing.assert_array_equal(c.met, count(instance, c.options).met)
    np.testing.assert_array_equal(c.policies, count(instance, c.options).policies)


@pytest.mark.thorough
def test_parts_divide_what_a_cap_over_vaults_has_left() -> None:
    """Parts that could all come into the half hours of one cap never overfill it together, empty as they are today."""
    instance = vaults_that_share_services(CAPPED, over_all_vaults=True).instance()
    assert (instance.rows.cap != NO_CAP).any()
    assert is_feasible(instance, instance.today)
    a, c = pack(instance), count(instance, instance.today)
    groups = vault_groups(instance, range(6), PART_VMS)
    parts = [cut(a, c, vms, 1 / len(groups), instance.movable, Work(1500, seed)) for seed, vms in enumerate(groups)]
    assert merge(a, c, [(part, search_part(part)[0]) for part in parts]) < 0
    assert is_feasible(instance, c.options)
    assert is_feasible(instance, solve(instance, Search(effort=5, part_vms=PART_VMS)).options)


def test_a_part_that_gains_nothing_any_more_is_left_out() -> None:
    """A part whose move has been made useless by another part stays where it was."""
    instance = vaults_that_share_services().instance()
    a, c = pack(instance), count(instance, instance.today)
    vms = vault_groups(instance, range(6), PART_VMS)[0]
    part = cut(a, c, vms, 1.0, instance.movable, Work(400, 0))
    worse = np.where(instance.movable[vms], (part.counts.options + 1) % 48, part.counts.options)
    assert merge(a, c, [(part, worse)]) == 0.0
    np.testing.assert_array_equal(c.options, instance.today)


@pytest.mark.thorough
def test_an_instance_of_parts_is_as_good_as_the_whole() -> None:
    """Cut into parts, a solve ends within a percent of one that is not."""
    instance = vaults_that_share_services().instance()
    whole, parts = (solve(instance, Search(effort=4, part_vms=size)) for size in (1000, PART_VMS))
    assert parts.bound == whole.bound
    assert parts.cost.total <= whole.cost.total * 1.01


def test_a_time_limit_ends_the_search_of_parts() -> None:
    """A limit that cuts in while parts are searched leaves a valid schedule, and is said."""
    instance = vaults_that_share_services().instance()
    clock = CountingClock(0.001)
    result = solve(
        instance, Search(effort=100_000, gap=0.0, part_vms=PART_VMS, time_limit_seconds=1.0, monotonic=clock)
    )
    assert result.stopped == "time"
    assert isinstance(result, Solved)
    assert is_feasible(instance, result.options)
    assert 0.8 <= result.seconds <= 1.2


def test_vaults_are_collected_until_a_part_is_full() -> None:
    """Vaults of one, two and three VMs in parts of at most three, in the given order; an empty vault adds nothing."""
    shape = Shape(key=[0, 1, 1, 2, 2, 2], key_vault=(0, 1, 2), room=(1, 1, 1, 1))
    instance = small_instance([4] * 6, shape=shape)
    groups = [group.tolist() for group in vault_groups(instance, [0, 1, 2, 3], 3)]
    assert groups == [[0, 1, 2], [3, 4, 5]]
    assert [group.tolist() for group in vault_groups(instance, [2, 3, 1, 0], 3)] == [[3, 4, 5], [0, 1, 2]]
    assert [group.tolist() for group in vault_groups(instance, [0, 1, 2, 3], 100)] == [[0, 1, 2, 3, 4, 5]]
    assert len(vault_groups(instance, [0, 1, 2, 3], 1)) == 3


def test_a_part_sees_the_others_where_they_are() -> None:
    """The cap over both vaults is taken by the VM of the other vault: nothing is left of it for the part."""
    prices = {(v, t): price for v in range(2) for t, price in ((4, 5.0), (9, 0.0), (20, 1.0))}
    shape = Shape(key=[0, 1], key_vault=(0, 1), room=(9, 9))
    instance = small_instance([4, 9], priced(2, prices, 50.0), [Row((0, 1), (9,), cap=1)], shape)
    a, c = pack(instance), count(instance, instance.today)
    part = cut(a, c, np.array([0]), 1.0, instance.movable, Work(200, 0))
    best, stopped = search_part(part)
    assert (best.tolist(), stopped) == ([20], False)
    change = merge(a, c, [(part, best)])
    assert c.options.tolist() == [20, 9]
    assert change == pytest.approx(-4.0)


def test_moves_that_are_left_are_shared_out() -> None:
    """Three moves in all, one of which is made: each of two parts gets one of the other two."""
    prices = {(v, t): price for v in range(4) for t, price in ((4, 5.0), (9, 0.0))}
    shape = Shape(key=[0, 0, 1, 1], key_vault=(0, 1), room=(9, 9), max_moves=3)
    instance = small_instance([4] * 4, priced(4, prices, 50.0), shape=shape)
    a, c = pack(instance), count(instance, np.array([9, 4, 4, 4]))
    parts = [cut(a, c, np.array(vms), 0.5, instance.movable, Work(200, 0)) for vms in ([0, 1], [2, 3])]
    found = [(part, search_part(part)[0]) for part in parts]
    merge(a, c, found)
    assert c.options.tolist()[:2] == [9, 9]
    assert sorted(c.options.tolist()[2:]) == [4, 9]
    assert c.moves.tolist() == [3]


def test_pinned_vms_of_a_part_stay() -> None:
    """They are not among its movable VMs, by its own numbers."""
    shape = Shape(key=[0, 1, 1], key_vault=(0, 1), room=(9, 9), immovable=[1])
    instance = small_instance([4, 4, 4], shape=shape)
    a, c = pack(instance), count(instance, instance.today)
    part = cut(a, c, np.array([1, 2]), 1.0, instance.movable, Work(1, 0))
    assert part.movable.tolist() == [1]
    assert part.vms.tolist() == [1, 2]
    assert part.counts.options.tolist() == [4, 4]
