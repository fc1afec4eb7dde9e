"""The problem as other packages see it, and the door through which they get it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import optimizer.solve
from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.questions import Problem
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import Problem as Example
from tests.solve.examples import (
    every_schedule,
    flat_risk,
    inventory,
    obvious_cost,
    obvious_feasible,
    policy,
    problems,
)

MOST_NAMES = 20
"""Number of names that the package may offer to others."""


def problem_of(example: Example) -> Problem:
    """The problem of an example."""
    return Problem(example.instance(), example.restrictions, example.rules)


def pair(*rules: Rule, **settings_: object) -> Example:
    """Two VMs of one service that start at 23:00, in a vault with one policy."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    return Example(found, Rules(rule=rules, **settings_), flat_risk(2))


def test_the_door_is_narrow() -> None:
    """The package offers at most twenty names, and every one of them exists."""
    names = optimizer.solve.__all__
    assert len(names) <= MOST_NAMES
    assert all(getattr(optimizer.solve, name).__module__.startswith("optimizer.solve.") for name in names)


@settings(max_examples=30, deadline=None)
@given(problems())
def test_a_problem_prices_and_judges_schedules(example: Example) -> None:
    """Cost, the quick check and the breaches agree with the obvious loops."""
    problem = problem_of(example)
    for schedule in list(every_schedule(example))[:40]:
        options = np.array(schedule)
        kept = obvious_feasible(example, schedule)
        assert problem.is_kept_by(options) == kept == (problem.breaches(options) == ())
        if kept:
            assert problem.cost(options).total == pytest.approx(obvious_cost(example, schedule), abs=1e-6)


def test_a_problem_is_made_of_an_estate() -> None:
    """The estate, the risk of its starts and the rules are enough; earlier moves are optional."""
    example = pair(Rule(name="one at a time", max_concurrent=1, per="vault"))
    problem = Problem.of(example.inventory, example.table, example.rules)
    assert problem.rules is example.rules
    assert {breach.limit.name for breach in problem.breaches(problem.instance.today)} == {"one at a time"}
    assert problem.broken_at(problem.instance.today) == {("one at a time", 0), ("one at a time", 1)}


def test_other_arrays_keep_rules_and_restrictions() -> None:
    """A problem with other arrays still knows which rule forbids what."""
    problem = problem_of(pair(Rule(name="one at a time", max_concurrent=1, per="vault")))
    other = problem.with_instance(problem.instance)
    assert other is not problem
    assert (other.rules, other.restrictions) == (problem.rules, problem.restrictions)


def test_a_better_schedule_is_stable_at_its_own_starts() -> None:
    """What an answer proves about good schedules always contains the answer's own starts."""
    example = pair()
    answer = solve(example.instance(), Search(effort=2))
    assert isinstance(answer, Solved)
    found = problem_of(example).stability(answer, answer.cost.total, 0.01)
    assert found.possible[np.arange(2), answer.options].all()
