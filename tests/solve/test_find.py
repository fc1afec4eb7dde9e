"""Where the search for a schedule begins, and what it stays close to."""

from __future__ import annotations

import numpy as np

from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.find import Near, find_schedule
from optimizer.solve.questions import Problem
from optimizer.solve.search.solved import Solved, Unsolvable
from tests.solve.examples import Problem as Example
from tests.solve.examples import flat_risk, inventory, only, policy


def problem_of(*rules: Rule, **settings_: object) -> Problem:
    """Two VMs that start at 23:00, which is far riskier than any other time."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    risk = flat_risk(2)
    risk[:, 46] = 5.0
    example = Example(found, Rules(rule=rules, **settings_), risk)
    return Problem(example.instance(), example.restrictions, example.rules)


def test_a_kept_schedule_wins_within_the_gap() -> None:
    """With keep, a schedule within the gap stays as it is; without it, its VMs move where that pays."""
    problem = problem_of()
    today = problem.instance.today
    kept = find_schedule(problem, Search(effort=2, gap=1.0), near=Near(today, keep=True))
    left = find_schedule(problem, Search(effort=2, gap=1.0), near=Near(today, keep=False))
    assert isinstance(kept, Solved) and isinstance(left, Solved)
    assert kept.options.tolist() == today.tolist()
    assert (left.options != today).all()


def test_vms_outside_the_other_schedule_go_anywhere() -> None:
    """Only the VMs that the other schedule knows are put back to its starts."""
    problem = problem_of()
    answer = find_schedule(problem, Search(effort=2, gap=0.0), near=Near(np.array([10, Near.ANYWHERE]), keep=False))
    assert isinstance(answer, Solved)
    assert answer.options[0] == 10
    assert answer.options[1] != 46


def test_a_limit_of_moves_begins_at_the_best_moves_from_today() -> None:
    """With one move allowed, the search makes one."""
    answer = find_schedule(problem_of(max_moves=1), Search(effort=2, gap=0.0))
    assert isinstance(answer, Solved)
    assert answer.cost.num_moves == 1


def test_rules_that_contradict_each_other_have_no_schedule() -> None:
    """That no schedule exists is an answer of its own, without a schedule."""
    answer = find_schedule(problem_of(only("03:00"), only("05:00")), Search(effort=2))
    assert isinstance(answer, Unsolvable)
    assert not hasattr(answer, "options")
