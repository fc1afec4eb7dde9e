"""The solver against brute force on tiny instances, and the bound against the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from optimizer.solve.bound.ascent import ascend
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import ScopedModel, SolveStatus, whole
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.search.solved import Unsolvable
from optimizer.solve.search.solver import solve
from tests.solve.examples import Problem, best_of_all, every_schedule, obvious_cost, obvious_feasible, problems


@settings(max_examples=60)
@given(problems())
def test_cost_is_that_of_the_design_page(problem: Problem) -> None:
    """Every term of the objective is priced as the plain loops price it, for every schedule."""
    instance = problem.instance()
    for number, options in enumerate(every_schedule(problem)):
        if number % 7 == 0:
            assert evaluate(instance, np.array(options)).total == pytest.approx(
                obvious_cost(problem, options), abs=1e-9
            )


@settings(max_examples=60)
@given(problems())
def test_violations_are_those_of_the_rules(problem: Problem) -> None:
    """A schedule is feasible for the instance exactly where the plain loops say that it keeps caps and moves."""
    instance = problem.instance()
    for number, options in enumerate(every_schedule(problem)):
        if number % 5 == 0:
            assert (is_feasible(instance, np.array(options))) == obvious_feasible(problem, options)


@pytest.mark.thorough
@settings(max_examples=60)
@given(problems())
def test_solver_equals_brute_force(problem: Problem) -> None:
    """On tiny instances status and cost are those of trying every schedule."""
    best = best_of_all(problem)
    result = solve(problem.instance(), Search(effort=25))  # less leaves CP-SAT too little work to prove every one
    if best is None:
        assert isinstance(result, Unsolvable)
    else:
        assert result.is_optimal
        assert result.cost.total == pytest.approx(best[0], abs=1e-4 * max(1.0, best[0]) + 1e-6)
        assert result.bound <= best[0] + 1e-6
        assert result.stopped == "gap"


@pytest.mark.thorough
@settings(max_examples=100)
@given(problems())
def test_bound_is_never_above_the_optimum(problem: Problem) -> None:
    """The relaxation is a lower bound at every stage of its ascent."""
    best = best_of_all(problem)
    assume(best is not None)
    assert best is not None
    seen = []
    ascent = ascend(problem.instance(), 150, lambda _step, bound: seen.append(bound) is None)
    assert max(seen) <= best[0] + 1e-9
    assert ascent.bound <= best[0]


@settings(max_examples=60)
@given(problems())
def test_whole_model_equals_brute_force(problem: Problem) -> None:
    """CP-SAT alone, with every family of constraints, finds the optimum and a bound that is not above it."""
    best = best_of_all(problem)
    instance = problem.instance()
    answer = ScopedModel(instance, whole(instance, instance.today)).solve(20.0, 0)
    if best is None:
        assert answer.outcome is SolveStatus.INFEASIBLE
    else:
        assert answer.outcome is SolveStatus.OPTIMAL
        assert answer.options is not None
        assert answer.bound is not None
        assert is_feasible(instance, answer.options)
        assert evaluate(instance, answer.options).total == pytest.approx(best[0], abs=1e-5)
        assert answer.bound <= best[0] + 1e-9
