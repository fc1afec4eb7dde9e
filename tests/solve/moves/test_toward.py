"""First steps toward rules that need more moves than are allowed, against every schedule of small problems."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.toward import (
    Step,
    Steps,
    best_step,
    counting_moves,
    gravity,
    in_small_edits,
    not_worse_than_today,
)
from optimizer.solve.problem.breaches import broken_at
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import Problem
from tests.solve.toward_examples import after, best_of_all_steps, broken_problem, keeping, limits_of

SEED = 5


def fewest(instance: Instance) -> IntArray | None:
    """A schedule that keeps every rule with the fewest moves."""
    most = instance.max_moves or 0
    answer = solve(counting_moves(in_small_edits(instance, most)), Search(effort=3, gap=0.0))
    return answer.options if isinstance(answer, Solved) else None


def step_of(problem: Problem, instance: Instance, target: IntArray) -> tuple[int, Step | None]:
    """Months that a target takes, and the first step toward it; None where one month is enough."""
    most = instance.max_moves or 0
    months = max(1, -(-int((target != instance.today).sum()) // most))
    if months == 1:
        return months, None
    stay = np.zeros(instance.num_vms, dtype=np.bool_)
    steps = Steps(limits_of(problem, instance), months)
    return months, best_step(steps, [target], Search(effort=10), SolveClock(None), stay)


@pytest.mark.thorough
def test_steps_are_the_best_of_all() -> None:
    """The fewest moves are the fewest, and no step leaves less violations, or as few for less, than the one found."""
    looked_at = 0
    for number in range(60):
        problem = broken_problem(np.random.default_rng([SEED, number]))
        instance = problem.instance()
        target, possible = fewest(instance), keeping(instance)
        if target is None:
            assert possible == []
            continue
        moves = int((target != instance.today).sum())
        assert moves == min(int((one != instance.today).sum()) for one in possible)
        months, step = step_of(problem, instance, target)
        if months == 1:
            continue
        assert step is not None
        assert not_worse_than_today(instance, step.options)
        best = best_of_all_steps(problem, instance, months)
        left = gravity(instance, broken_at(limits_of(problem, instance), step.options))
        assert (left, evaluate(instance, step.options).total) == pytest.approx(best, abs=1e-5)
        looked_at += 1
    assert looked_at >= 10


@pytest.mark.thorough
def test_steps_of_every_month_keep_the_promise() -> None:
    """Made month by month, steps reach a schedule that keeps every rule in the months that the first one named."""
    looked_at = 0
    for number in range(60):
        problem = broken_problem(np.random.default_rng([SEED + 1, number]))
        if problem.rules.policies.max_policies_per_vault < 200:
            continue
        instance = problem.instance()
        target = fewest(instance)
        if target is None or -(-int((target != instance.today).sum()) // (instance.max_moves or 1)) < 2:
            continue
        promised, taken, broken = None, 0, len(broken_at(limits_of(problem, instance), instance.today))
        while not is_feasible(instance, instance.today):
            target = fewest(instance)
            assert target is not None
            months, step = step_of(problem, instance, target)
            promised = months if promised is None else promised
            problem = after(problem, target if step is None else step.options)
            instance, taken = problem.instance(), taken + 1
            left = len(broken_at(limits_of(problem, instance), instance.today))
            assert left <= broken
            broken = left
            assert taken <= promised
        looked_at += 1
    assert looked_at >= 6
