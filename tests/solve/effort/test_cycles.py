"""Cycles of a search: more effort continues the same search, and only the ends of cycles decide when it stops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.engine import SERIAL, open_engine
from optimizer.model.rules import Rule, Rules
from optimizer.solve.bound.ascent import Climb
from optimizer.solve.effort.cycles import DEFAULT_EFFORT, cycles
from optimizer.solve.effort.search_settings import DEFAULT_GAP, Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import PART_VMS, vaults_that_share_services
from tests.solve.search.test_solver import fleet

RULES = {
    "none": Rules(),
    "few moves": Rules(max_moves=8),
    "few writes": Rules(max_policy_writes=3),
    "tight policies": Rules(policies={"max_vms_per_policy": 4, "max_policies_per_vault": 8}),
    "a cap that today breaks": Rules(rule=(Rule(name="four at once", max_concurrent=4),)),
}


def _same(one: Solved, other: Solved) -> bool:
    return one.bound == other.bound and np.array_equal(np.asarray(one.options), np.asarray(other.options))


def test_cycles_of_less_effort_are_the_first_of_more() -> None:
    """Whatever the effort, cycles begin at 0, follow one another, double the work, and stay within the effort."""
    longest = cycles(10_000, 300)
    for effort in (1, 3, 4, 12, 25, 99, 100, 101, 10_000):
        found = cycles(effort, 300)
        assert found == longest[: len(found)]
        assert len(found) == 1 or found[-1].end <= effort < 2 * found[-1].end
    assert all(before.end == after.begin for before, after in itertools.pairwise(longest))
    assert all(one.length == one.begin for one in longest[1:])
    assert DEFAULT_EFFORT in [one.end for one in longest]


@pytest.mark.thorough
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_more_effort_is_never_worse(rules: Rules) -> None:
    """With more effort the plan costs no more and the bound is no lower, and the plan still keeps every rule."""
    instance = fleet(44, seed=1, rules=rules).instance()
    found = [solve(instance, Search(effort=effort, gap=0.0)) for effort in (3, 5, 7, 13)]
    costs = [evaluate(instance, np.asarray(one.options)).total for one in found]
    bounds = [one.bound for one in found]
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    assert all(is_feasible(instance, np.asarray(one.options)) for one in found)
    assert _same(found[0], found[1]), "no cycle ends between an effort of 4 and one of 6"


def test_the_search_stops_when_the_gap_is_certified() -> None:
    """A gap that the first cycle closes ends the search there, as if the effort had been that of one cycle."""
    instance = fleet(60).instance()
    one_cycle = solve(instance, Search(effort=3, gap=0.0))
    assert one_cycle.stopped == "effort"
    stopped = solve(instance, Search(effort=100, gap=1 - one_cycle.captured + 1e-9))
    assert stopped.stopped == "gap"
    assert stopped.captured >= one_cycle.captured
    assert _same(one_cycle, stopped)


@pytest.mark.thorough
def test_a_gap_of_zero_goes_on_to_the_end() -> None:
    """Where the default stops before the effort is spent, a gap of 0 proves more."""
    instance = fleet(60, seed=2).instance()
    default, proving = (solve(instance, Search(effort=25, gap=gap)) for gap in (DEFAULT_GAP, 0.0))
    assert default.stopped == "gap"
    assert default.captured >= 1 - DEFAULT_GAP
    assert proving.bound > default.bound
    assert proving.cost.total <= default.cost.total


def test_where_today_breaks_rules_the_gap_is_a_share_of_the_cost() -> None:
    """Against a greedy schedule the possible improvement says little: the share is of what the plan costs."""
    instance = fleet(60, rules=RULES["a cap that today breaks"]).instance()
    result = solve(instance, Search(effort=25, gap=0.2))
    assert result.reference_name == "greedy"
    assert result.stopped == "gap"
    assert result.cost.total - result.bound <= 0.2 * result.cost.total


@pytest.mark.thorough
def test_the_engine_has_no_part_in_when_the_search_stops() -> None:
    """In one process and in two, a large instance stops at the same cycle with the same plan and bound."""
    instance = vaults_that_share_services().instance()
    with open_engine("local", processes=2) as engine:
        assert instance.num_vms > 3 * PART_VMS
        found = [solve(instance, Search(effort=12, part_vms=PART_VMS), engine=one) for one in (SERIAL, engine)]
        assert engine.num_workers == 2
    assert _same(*found)
    assert found[0].stopped == found[1].stopped


def test_no_time_at_all_still_gives_a_plan() -> None:
    """A limit that is over before the first cycle gives a schedule that keeps the rules, and says why it ended."""
    instance = fleet(60).instance()
    result = solve(instance, Search(gap=0.0, time_limit_seconds=1e-6))
    assert result.stopped == "time"
    assert result.cost.total <= result.reference.total
    assert is_feasible(instance, np.asarray(result.options))


def test_the_bound_knows_what_a_scarce_write_is_worth() -> None:
    """With a single write for 60 VMs its price has far to go; the plan is certified all the same."""
    instance = fleet(60, rules=Rules(max_policy_writes=1)).instance()
    result = solve(instance, Search(effort=12))
    assert result.captured > 0.99


@pytest.mark.parametrize("num_vms", [12, 300, 1000, 10_000, 100_000])
def test_the_first_ascent_is_long_enough_to_prove_something(num_vms: int) -> None:
    """Whatever the size, the first cycle has 700 steps, the next ones begin slower, and the default effort has two."""
    found = cycles(100, num_vms)
    rates = [one.rates[0] for one in found]
    assert found[0].steps >= 700
    assert len(found) >= 2
    assert rates[0] == 1.0
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[1] < 0.2


def test_an_ascent_that_has_to_end_early_cools_down_before() -> None:
    """Of two ascents cut after 500 of 5,000 steps, the one that knew proves more."""
    instance = fleet(60).instance()
    cut, cooled = Climb(instance), Climb(instance)
    cut.cycle(5000, lambda step, _: step < 500)
    cooled.cycle(5000, lambda step, _: step < 500, done=lambda step: step / 500)
    assert cooled.bound > cut.bound
