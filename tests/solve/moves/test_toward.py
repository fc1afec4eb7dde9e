"""First steps toward rules that need more moves than are allowed, against every schedule of small problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.toward import (
    FirstStep,
    Steps,
    best_step,
    counting_moves,
    gravity,
    in_small_edits,
    not_worse_than_today,
    tolerant,
)
from optimizer.solve.problem.breaches import broken_at
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import Problem
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance
from tests.solve.toward_examples import after, best_of_all_steps, broken_problem, keeping, limits_of

SEED = 5


def fewest(instance: Instance) -> IntArray | None:
    """A schedule that keeps every rule with the fewest moves."""
    most = instance.max_moves or 0
    answer = solve(counting_moves(in_small_edits(instance, most)), Search(effort=3, gap=0.0))
    return answer.options if isinstance(answer, Solved) else None


def step_of(problem: Problem, instance: Instance, target: IntArray) -> tuple[int, FirstStep | None]:
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


def test_breaches_weigh_as_much_as_their_vms() -> None:
    """A VM that breaks two rules counts twice."""
    instance = replace(small_instance([4, 4]), weight=np.array([2.0, 0.5]))
    assert gravity(instance, {("a", 0), ("b", 0), ("a", 1)}) == pytest.approx(4.5)
    assert gravity(instance, set()) == 0.0


def test_todays_breaches_are_tolerated_but_not_more() -> None:
    """VM 0 may stay outside its window, and three VMs under a cap of two; a fourth may not join."""
    rows = [Row(range(4), (4,), cap=2)]
    instance = small_instance([4, 4, 4, 9], rows=rows, allowed={0: [20]})
    relaxed = tolerant(instance)
    assert relaxed.allowed[0, [4, 20, 9]].tolist() == [True, True, False]
    assert relaxed.rows.cap.tolist() == [3]
    for options, fine in (([4, 4, 4, 9], True), ([20, 4, 4, 4], True), ([4, 4, 4, 4], False), ([9, 4, 4, 9], False)):
        assert not_worse_than_today(instance, np.array(options)) is fine
    assert instance.rows.cap.tolist() == [2]


def test_vms_that_clash_today_may_go_on_clashing() -> None:
    """VMs 0 and 1 are at the same start, which the rule forbids; a new clash is not tolerated."""
    together = small_instance([4, 4], shape=Shape(gates=apart(0, 1, 2, same_start())))
    assert not_worse_than_today(together, np.array([4, 4]))
    assert not_worse_than_today(together, np.array([9, 9]))
    separate = small_instance([4, 9], shape=Shape(gates=apart(0, 1, 2, same_start())))
    assert not_worse_than_today(separate, np.array([4, 20]))
    assert not not_worse_than_today(separate, np.array([9, 9]))


def test_limits_of_moves_and_writes_are_never_exceeded() -> None:
    """They are not breaches of today's schedule."""
    instance = small_instance([4, 4], shape=Shape(max_moves=1))
    assert not_worse_than_today(instance, np.array([9, 4]))
    assert not not_worse_than_today(instance, np.array([9, 9]))


@pytest.mark.parametrize(("most", "editable"), [(1, [False, True]), (2, [True, True]), (0, [False, False])])
def test_policies_of_more_vms_than_may_move_are_not_edited(most: int, editable: list[bool]) -> None:
    """An edit moves all VMs of a policy."""
    policies = [(0, 4, (0, 1), True), (0, 9, (2,), True)]
    instance = small_instance([4, 4, 9], shape=Shape(policies=policies))
    assert [policy.editable for policy in in_small_edits(instance, most).policies] == editable


def test_counting_moves_prices_nothing_else() -> None:
    """Risk, rows and policies cost nothing; each move costs 1."""
    rows = [Row((0, 1), (9,), pair_price=5.0), Row((0, 1), (9,), peak_price=5.0), Row((0, 1), (9,), cap=2)]
    shape = Shape(write_price=3.0, move_price=0.1, max_moves=1)
    instance = counting_moves(small_instance([4, 4], priced(2, {(0, 4): 7.0}), rows, shape))
    assert instance.max_moves is None
    for options, moves in (([4, 4], 0), ([9, 4], 1), ([9, 9], 2)):
        cost = evaluate(instance, np.array(options))
        assert cost.total == pytest.approx(moves)
    assert instance.rows.cap.tolist()[2] == 2


def test_steps_have_the_moves_of_a_month() -> None:
    """They are those of the problem."""
    problem = broken_problem(np.random.default_rng([SEED, 0]))
    instance = problem.instance()
    steps = Steps(limits_of(problem, instance), 3)
    assert steps.instance is instance
    assert steps.moves_per_month == instance.max_moves
