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
