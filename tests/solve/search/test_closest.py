"""Schedules of equal cost, and the one that stays closest to another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.search.closest import ANYWHERE, stay_close, usable_start
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.prices import FIXED_PRICES
from tests.solve.examples import Problem, every_schedule, obvious_feasible, problems


@settings(max_examples=30)
@given(problems(), st.integers(0, 2**16), st.sampled_from([0.0, 0.005, 0.5]))
def test_staying_close_is_paid_only_with_vms_that_stay(problem: Problem, seed: int, gap: float) -> None:
    """The schedule keeps every rule and no fewer VMs; it costs more, within the gap, only if it keeps more of them."""
    instance = problem.instance()
    schedules = [o for o in every_schedule(problem) if obvious_feasible(problem, o)]
    if not schedules:
        return
    result = solve(instance, Search(effort=2))
    assert isinstance(result, Solved)
    other = np.array(schedules[seed % len(schedules)])
    near = stay_close(instance, result, other, gap)
    assert isinstance(near, Solved)
    assert is_feasible(instance, near.options)
    assert near.cost == evaluate(instance, near.options)
    kept, kept_before = (int((options == other).sum()) for options in (near.options, result.options))
    assert kept >= kept_before or near.cost.total < result.cost.total
    dearer = near.cost.total > result.cost.total + 1e-7
    assert not dearer or (kept > kept_before and gap > 0 and result.leaves_open_at_most(gap, near.cost.total))


@settings(max_examples=10)
@given(problems())
def test_a_schedule_of_no_vm_changes_nothing(problem: Problem) -> None:
    """Where the other schedule says nothing about any VM, the result is what the search found."""
    instance = problem.instance()
    result = solve(instance, Search(effort=2))
    assert stay_close(instance, result, np.full(instance.num_vms, ANYWHERE), gap=0.5) is result


@pytest.mark.thorough
@settings(max_examples=40)
@given(problems(), st.integers(0, 2**16))
def test_a_start_is_never_lost(problem: Problem, seed: int) -> None:
    """With a start at hand the result is not dearer than the start, and any schedule makes a start or none."""
    instance = problem.instance()
    result = solve(instance, Search(effort=1))
    anywhere = np.random.default_rng(seed).integers(0, 48, instance.num_vms)
    start = usable_start(instance, anywhere)
    if start is None or not isinstance(result, Solved):
        return
    assert is_feasible(instance, start)
    kept = stay_close(instance, result, anywhere)
    assert kept.cost.total <= min(result.cost.total, evaluate(instance, start).total) + 1e-7
    feasible = [o for o in every_schedule(problem) if obvious_feasible(problem, o)]
    assert kept.cost.total >= min(evaluate(instance, np.array(o)).total for o in feasible) - 1e-7


def test_a_schedule_that_is_kept_is_the_other_one() -> None:
    """Two VMs that may go anywhere at one price go where the other schedule has them."""
    from optimizer.model.rules import Rules
    from tests.solve.examples import flat_risk, inventory, policy

    found = inventory([policy("p0", "v", 46), policy("p1", "v", 4)], [("a", "p0"), ("b", "p1")])
    problem = Problem(found, Rules(prices={**FIXED_PRICES, "move": 0.0, "policy_write": 0.0}), flat_risk(2))
    instance = problem.instance()
    result = solve(instance, Search(effort=1))
    near = stay_close(instance, result, np.array([20, 30]))
    assert isinstance(near, Solved)
    assert near.options.tolist() == [20, 30]
    assert near.cost.total == pytest.approx(0.0)
