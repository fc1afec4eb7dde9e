"""Schedules of equal cost, and the one that stays closest to another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.ascent import ascend
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.closest import ANYWHERE, stay_close, usable_start
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.prices import FIXED_PRICES
from tests.solve.examples import Problem, every_schedule, obvious_feasible, problems
from tests.solve.small_instances import Row, Shape, priced, small_instance


@settings(max_examples=30)
@given(problems(), st.integers(0, 2**16), st.sampled_from([0.0, 0.005, 0.5]))
def test_staying_close_is_paid_only_with_vms_that_stay(problem: Problem, seed: int, gap: float) -> None:
    """The schedule keeps every rule and no fewer VMs; it costs more, within the gap, only if it keeps more of them."""
    instance = problem.instance()
    schedules = [o for o in every_schedule(problem) if obvious_feasible(problem, o)]
    assume(schedules)
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
    assume(start is not None and isinstance(result, Solved))
    assert start is not None and isinstance(result, Solved)
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


def solved(instance: Instance, options: list[int]) -> Solved:
    """An answer with a schedule, today's as the reference, and a bound of 0."""
    cost = evaluate(instance, np.array(options))
    today = evaluate(instance, instance.today)
    return Solved(np.array(options), cost, 0.0, "today", today, "effort", 0.0, ascend(instance, 1).best)


def test_vms_go_back_where_that_costs_nothing() -> None:
    """VM 0 has moved for nothing, VM 1 for a gain."""
    prices = {(0, 4): 1.0, (0, 9): 1.0, (1, 4): 2.0, (1, 9): 1.0}
    instance = small_instance([4, 4], priced(2, prices))
    near = stay_close(instance, solved(instance, [9, 9]), np.array([4, 4]))
    assert near.options.tolist() == [4, 9]


def test_groups_go_back_together() -> None:
    """A policy at 9 costs 1: one VM alone saves nothing by going back, both together do not pay for it any more."""
    prices = {(v, t): 1.0 for v in range(2) for t in (4, 9)}
    instance = small_instance([4, 4], priced(2, prices), shape=Shape(write_price=1.0, policies=[(0, 9, (), False)]))
    near = stay_close(instance, solved(instance, [9, 9]), np.array([20, 20]))
    assert near.options.tolist() == [9, 9]
    free = small_instance([4, 4], priced(2, prices), shape=Shape(policies=[(0, 9, (), False)]))
    assert stay_close(free, solved(free, [9, 9]), np.array([4, 4])).options.tolist() == [4, 4]


def test_a_gap_pays_for_vms_that_stay() -> None:
    """Staying costs 0.1 of a possible improvement of 2: within a gap of a tenth, but not for nothing."""
    prices = {(0, 4): 1.1, (0, 9): 1.0, (0, 20): 2.0}
    instance = small_instance([20], priced(1, prices))
    result, other = solved(instance, [9]), np.array([4])
    assert stay_close(instance, result, other).options.tolist() == [9]
    assert stay_close(instance, replace(result, bound=1.0), other, gap=0.11).options.tolist() == [4]
    assert stay_close(instance, replace(result, bound=1.0), other, gap=0.09).options.tolist() == [9]


def test_vms_that_are_not_part_of_the_other_schedule_stay_where_they_are() -> None:
    """Only VM 0 is; without any VM, the answer is what the search found."""
    prices = {(v, t): 1.0 for v in range(2) for t in (4, 9)}
    instance = small_instance([4, 4], priced(2, prices))
    result = solved(instance, [9, 9])
    assert stay_close(instance, result, np.array([4, ANYWHERE])).options.tolist() == [4, 9]
    assert stay_close(instance, result, np.array([ANYWHERE, ANYWHERE])) is result


def test_a_start_that_is_not_allowed_is_not_followed() -> None:
    """Nor one that a cap forbids."""
    instance = small_instance([4, 4], rows=[Row((0, 1), (9,), cap=1)], allowed={0: [4, 20]})
    assert stay_close(instance, solved(instance, [4, 4]), np.array([9, 4])).options.tolist() == [4, 4]
    near = stay_close(instance, solved(instance, [4, 9]), np.array([20, 9]))
    assert near.options.tolist() == [20, 9]


def test_a_start_is_repaired_or_refused() -> None:
    """What is not allowed becomes today's; what breaks a cap is moved; where nothing fits, there is no start."""
    rows = [Row((0, 1), (9,), cap=1)]
    instance = small_instance([4, 4], rows=rows, allowed={1: [4, 9]})
    start = usable_start(instance, np.array([9, 33]))
    assert start is not None and start.tolist() == [9, 4]
    repaired = usable_start(instance, np.array([9, 9]))
    assert repaired is not None and is_feasible(instance, repaired)
    full = small_instance([4, 4], rows=[Row((0, 1), range(48), cap=1)])
    assert usable_start(full, np.array([4, 9])) is None
