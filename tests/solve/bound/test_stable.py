"""Bounds with one decision forced, and what they decide, against all schedules of tiny instances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import FloatArray
from optimizer.model.rules import Rules
from optimizer.solve.bound.ascent import ascend, dual_value, forced_bounds
from optimizer.solve.bound.dual import dual_arrays
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.bound.stable import Verdict, stable_assignments
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.prices import FIXED_PRICES
from tests.solve.examples import Problem, every_schedule, flat_risk, inventory, obvious_feasible, policy, problems


def true_forced(problem: Problem, instance: Instance) -> tuple[FloatArray, dict[tuple[int, ...], float]]:
    """Cheapest feasible schedule with each VM at each option (infinite: none), and the cost of all feasible ones."""
    best = np.full((instance.num_vms, 48), np.inf)
    costs = {}
    for options in every_schedule(problem):
        if obvious_feasible(problem, options):
            costs[options] = evaluate(instance, np.array(options)).total
            for v, t in enumerate(options):
                best[v, t] = min(best[v, t], costs[options])
    return best, costs


@settings(max_examples=50)
@given(problems(), st.sampled_from([1, 5, 60]), st.integers(0, 2**16))
def test_a_forced_bound_is_never_above_the_restricted_optimum(problem: Problem, steps: int, seed: int) -> None:
    """With any VM forced to any option no schedule is cheaper than the bound, at good and at arbitrary multipliers."""
    instance = problem.instance()
    truth, _ = true_forced(problem, instance)
    at = ascend(instance, steps).best
    random = np.random.default_rng(seed)
    shaken = at.copy()
    shaken.lam = shaken.lam + random.normal(0, 0.3, len(shaken.lam))
    shaken.mu = np.where(shaken.mu > 0, random.uniform(0, 2, len(shaken.mu)) * shaken.mu, random.uniform(0, 0.05))
    shaken.alpha = random.uniform(0, 1, len(shaken.alpha))
    shaken.tau = random.uniform(0, 0.2, len(shaken.tau))
    shaken.kappa = shaken.kappa + random.normal(0, 0.2, shaken.kappa.shape)
    shaken.sigma = 0.0 if instance.max_moves is None else random.uniform(0, 0.2)
    for multipliers in (at, shaken):
        forced = sharp_forced_bounds(instance, multipliers)
        assert (forced <= truth + 1e-6).all()
        assert (forced >= forced_bounds(instance, multipliers)).all()
        value = dual_value(dual_arrays(instance), multipliers)
        assert (forced >= value - 1e-5).all()  # never weaker than the bound itself
        assert np.isinf(forced[~instance.allowed]).all()


@pytest.mark.thorough
@settings(max_examples=30)
@given(problems(), st.sampled_from([0.01, 0.1]))
def test_what_is_decided_holds_in_every_good_schedule(problem: Problem, tolerance: float) -> None:
    """A fixed VM is at its option, and no VM at an excluded one, in every schedule within the tolerance."""
    instance = problem.instance()
    _, costs = true_forced(problem, instance)
    assume(costs)
    result = solve(instance, Search(effort=5))
    assert isinstance(result, Solved)
    forced = sharp_forced_bounds(instance, ascend(instance, 100).best)
    stable = stable_assignments(result.cost.total, forced, result.options, tolerance)
    optimum = min(costs.values())
    good = [options for options, cost in costs.items() if cost <= (1 + tolerance) * optimum]
    for options in good:
        assert stable.possible[np.arange(len(options)), list(options)].all()
        assert (np.array(options)[stable.fixed] == result.options[stable.fixed]).all()


def large_cells(seed: int) -> Instance:
    """Many VMs at few starts: policies with and without room, more than one policy in a cell, one over its limit."""
    random = np.random.default_rng(seed)
    policies = [policy("p0", "v", 46), policy("p1", "v", 46), policy("p2", "v", 4)]
    vms = [(f"s{random.integers(2)}", f"p{min(2, n // 6)}") for n in range(14)]
    found = inventory(policies, vms)
    risk = flat_risk(len(vms), 9.0)
    for v, item in enumerate(found.items):
        today = found.policy(item).start
        risk[v, today] = random.choice([0.0, 0.5, 2.0])
        for t in (46, 4, 10):
            risk[v, t] = min(risk[v, today] + 0.1, random.choice([0.0, 0.05, 0.3]))
    return Problem(found, Rules(policies={"max_vms_per_policy": 5}), risk).instance()


@pytest.mark.parametrize("seed", range(12))
def test_forced_bounds_hold_where_cells_need_several_policies(seed: int) -> None:
    """Random schedules of an instance whose starts need several policies cost at least the bound of each decision."""
    instance = large_cells(seed)
    random = np.random.default_rng(seed)
    forced = sharp_forced_bounds(instance, ascend(instance, 200).best)
    rows = np.arange(instance.num_vms)
    best = solve(instance, Search(effort=2)).options
    assert best is not None
    for _ in range(400):
        options = best.copy()
        for v in random.choice(rows, random.integers(1, 6), replace=False):
            options[v] = random.choice(np.flatnonzero(instance.allowed[v]))
        if is_feasible(instance, options):
            assert (forced[rows, options] <= evaluate(instance, options).total + 1e-6).all()


def test_a_worked_example_is_decided() -> None:
    """Of two VMs one is busy everywhere but at 02:00 and is fixed there; the other does not care and is open."""
    found = inventory([policy("p0", "v", 46), policy("p1", "w", 46)], [("a", "p0"), ("b", "p1")])
    risk = flat_risk(2, 0.0)
    risk[0] = 5.0
    risk[0, 4] = 0.0
    instance = Problem(found, Rules(prices={**FIXED_PRICES, "policy_write": 0.0, "move": 0.0}), risk).instance()
    result = solve(instance, Search(effort=20))
    assert isinstance(result, Solved)
    forced = sharp_forced_bounds(instance, ascend(instance, 400).best)
    stable = stable_assignments(result.cost.total, forced, result.options)
    assert stable.fixed.tolist() == [True, False]
    assert stable.verdict(0, 4) is Verdict.FIXED
    assert stable.verdict(0, 46) is Verdict.EXCLUDED
    assert stable.verdict(1, 46) is Verdict.NOT_DECIDED
    assert stable.possible[1].all()


def test_bounds_that_are_none_are_refused() -> None:
    """A forced bound of the plan's own option above its cost can only be a bug, and is not reported as knowledge."""
    with pytest.raises(ValueError, match="is above the cost"):
        stable_assignments(1.0, np.full((1, 48), 2.0), np.array([3]))
    with pytest.raises(ValueError, match="must not be negative"):
        stable_assignments(-1.0, np.zeros((1, 48)), np.array([3]))
