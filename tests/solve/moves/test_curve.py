"""Ways between schedules and the moves curve: priced exactly, feasible at every mark, bounded, never rising."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.bounds import slopes_at
from optimizer.solve.moves.curve import best_moves, farthest_from_chord, fewest_for, grid, never, trace_moves
from optimizer.solve.moves.path import Walk
from optimizer.solve.moves.tally import Tally
from optimizer.solve.problem.arrays import BLOCKED
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.benchmarks.bound_parts import all_schedules
from tests.benchmarks.tight_problems import keeps_every_rule, tight_problem
from tests.prices import fixed_prices
from tests.solve.examples import (
    Problem,
    best_of_all,
    every_schedule,
    flat_risk,
    inventory,
    obvious_cost,
    obvious_feasible,
    policy,
    problems,
)

EFFORT = 2


def crowded(num_vms: int = 12, **rules: object) -> Problem:
    """VMs of three services in one policy, all at risk where they are, each with a better hour of its own service."""
    found = inventory([policy("p0", "east", 46)], [(f"s{v % 3}", "p0") for v in range(num_vms)])
    risk = flat_risk(num_vms, 1.0)
    for v in range(num_vms):
        risk[v, 46] = 0.4 + 0.1 * (v % 5)
        risk[v, [4 + v % 3, 20, 30]] = [0.05, 0.1, 0.2]
    return Problem(found, Rules(max_risk_increase=2.0, **rules), risk)  # type: ignore[arg-type]  # named by the caller


def first_feasible(problem: Problem) -> np.ndarray | None:
    """Today's schedule, else the first that keeps the rules; None where there is none."""
    today = problem.instance().today
    if is_feasible(problem.instance(), today):
        return today
    found = next((o for o in every_schedule(problem) if obvious_feasible(problem, o)), None)
    return None if found is None else np.array(found)


@settings(deadline=None, max_examples=60)
@given(problems(), st.integers(0, 2**16))
def test_a_tally_prices_every_move_exactly(problem: Problem, seed: int) -> None:
    """After any moves the cost is that of the schedule, and each difference is what the VM's move would cost."""
    instance, random = problem.instance(), np.random.default_rng(seed)
    tally = Tally(instance, instance.today)
    for _ in range(6):
        v = int(random.integers(instance.num_vms))
        k = int(instance.key[v])
        differences, opening = tally.differences(np.array([v]))[0], tally.opening_prices(k)
        here, to_close, before = int(tally.options[v]), tally.leaving_to_close(k), tally.options.copy()
        option = int(random.choice(np.flatnonzero(instance.allowed[v] | (np.arange(48) == instance.today[v]))))
        one = tally.difference(np.array([v]), np.array([option]))
        assert one[0] == pytest.approx(differences[option], abs=1e-9)
        predicted = tally.cost + differences[option]
        if option != here:
            predicted += opening[option] if instance.counted(v, option) else 0.0
            predicted -= instance.policy_write_price * bool(instance.counted(v, here) and to_close[here] == 1)
        tally.move(v, option)
        assert tally.cost == pytest.approx(evaluate(instance, tally.options).total, abs=1e-9)
        broken = not is_feasible(instance, before) or not is_feasible(instance, tally.options)
        if not broken and abs(predicted) < BLOCKED / 2:  # neither from nor to a place that a rule or limit forbids
            assert tally.cost == pytest.approx(predicted, abs=1e-9)
        assert tally.num_moves == int((tally.options != instance.today).sum())


@settings(deadline=None, max_examples=30)
@given(problems())
def test_every_mark_of_a_walk_is_a_feasible_schedule(problem: Problem) -> None:
    """Forth, back and forth again each mark keeps every rule and limit and costs what it says."""
    problem = replace(problem, rules=problem.rules.model_copy(update={"max_moves": None}))
    instance, start = problem.instance(), first_feasible(problem)
    assume(start is not None)
    assert start is not None
    walk = Walk(instance, start, never)
    for moves in (2, 0, instance.num_vms):
        walk.extend(moves)
        walk.settle()
        walk.shrink(moves // 2)
    assert walk.path.marks
    for mark in walk.path.marks:
        options = walk.path.options(mark)
        assert is_feasible(instance, options)
        assert mark.cost == pytest.approx(evaluate(instance, options).total, abs=1e-9)
        assert mark.num_moves == int((options != instance.today).sum())


@pytest.mark.thorough
@settings(deadline=None, max_examples=40)
@given(problems())
def test_points_lie_between_their_bound_and_brute_force_never_above_fewer_moves(problem: Problem) -> None:
    """For each number of moves: bound <= best of all schedules <= point, feasible within it; costs do not rise."""
    problem = replace(problem, rules=problem.rules.model_copy(update={"max_moves": None}))
    best = best_of_all(problem)
    assume(best is not None)
    assert best is not None
    instance = problem.instance()
    points = trace_moves(instance, np.array(best[1]), best[0] - 0.01, Search(effort=EFFORT))
    schedules = [
        (sum(np.array(o) != instance.today), obvious_cost(problem, o))
        for o in every_schedule(problem)
        if obvious_feasible(problem, o)
    ]
    for point in points:
        optimum = min(cost for moves, cost in schedules if moves <= point.max_moves)
        assert is_feasible(replace(instance, max_moves=point.max_moves), point.options)
        assert point.cost == pytest.approx(obvious_cost(problem, point.options.tolist()), abs=1e-9)
        assert point.bound <= optimum + 1e-6
        assert optimum <= point.cost + 1e-9
    costs = [point.cost for point in points]
    assert costs == sorted(costs, reverse=True)
    assert [p.max_moves for p in points] == sorted({p.max_moves for p in points})
    assert points[-1].cost == pytest.approx(best[0], abs=1e-9)
    assert points[0].max_moves == min(moves for moves, _ in schedules)
    if is_feasible(instance, instance.today):
        assert points[0].bound == points[0].cost


def test_vms_that_pay_for_a_policy_only_together_go_together() -> None:
    """A policy dearer than what any one VM gains is opened for several: the first point with any move has them all."""
    problem = crowded(prices=fixed_prices(policy_write=1.0, snapshot_overlap=0.0, all_at_once=0.0))
    instance = problem.instance()
    walk = Walk(instance, instance.today, never)
    walk.extend(instance.num_vms)
    first = walk.path.marks[1]
    assert first.num_moves > 1
    assert first.cost < walk.path.marks[0].cost
    alone = Walk(instance, instance.today, never)
    alone.extend(1)
    assert alone.num_moves == 0


def test_the_curve_of_a_crowded_service() -> None:
    """From today to the solver's plan costs fall with the moves, and the bounds are close."""
    problem = crowded()
    instance = problem.instance()
    result = solve(instance, Search(effort=5))
    assert isinstance(result, Solved)
    points = trace_moves(instance, result.options, result.bound, Search(effort=20))
    costs = [point.cost for point in points]
    assert costs == sorted(costs, reverse=True)
    assert points[0].max_moves == 0
    assert {1, 2, 5} <= {point.max_moves for point in points}
    assert costs[-1] <= result.cost.total + 1e-9
    assert all(point.bound <= point.cost for point in points)
    assert max((point.cost - point.bound) / point.cost for point in points) < 0.1


def test_the_same_curve_twice() -> None:
    """Equal input, equal points."""
    instance = crowded().instance()
    plan = solve(instance, Search(effort=1)).options
    assert plan is not None
    one, two = (trace_moves(instance, plan, 0.0, Search(effort=3, seed=4)) for _ in range(2))
    assert [(p.max_moves, p.cost, p.bound, p.options.tolist()) for p in one] == [
        (p.max_moves, p.cost, p.bound, p.options.tolist()) for p in two
    ]


def test_a_curve_that_is_stopped_at_once_still_holds() -> None:
    """With no time left there are points, feasible and not rising, from what was met by then."""
    instance = crowded().instance()
    plan = solve(instance, Search(effort=1)).options
    assert plan is not None
    points = trace_moves(instance, plan, 0.0, Search(effort=3, time_limit_seconds=0.0))
    costs = [point.cost for point in points]
    assert costs == sorted(costs, reverse=True)
    assert all(is_feasible(replace(instance, max_moves=p.max_moves), p.options) for p in points)


def test_where_nobody_moves_the_curve_is_one_point() -> None:
    """A plan without moves has one point, today's schedule."""
    problem = crowded(prices=fixed_prices(move=50.0))
    instance = problem.instance()
    (point,) = trace_moves(instance, instance.today, 0.0, Search(effort=1))
    assert (point.max_moves, point.cost) == (0, evaluate(instance, instance.today).total)


def test_where_today_breaks_a_rule_the_curve_begins_with_the_fewest_moves_found() -> None:
    """A cap that today exceeds leaves no point without moves; all points keep it."""
    problem = crowded(6, rule=(Rule(name="two at once", max_concurrent=1),))
    instance = problem.instance()
    result = solve(instance, Search(effort=3))
    assert isinstance(result, Solved)
    points = trace_moves(instance, result.options, result.bound, Search(effort=EFFORT))
    assert points[0].max_moves > 0
    assert all(is_feasible(instance, point.options) for point in points)


@pytest.mark.parametrize("number", [5, 16, 40, 106, 115, 119])
def test_the_curve_begins_below_where_the_way_back_from_the_plan_ends(number: int) -> None:
    """Of all schedules none has fewer moves than the first point, and with so many none is cheaper."""
    problem = tight_problem(np.random.default_rng([31, number]))
    instance = problem.instance()
    schedules = all_schedules(problem, instance, keeps_every_rule)
    assert schedules is not None
    moves = (schedules.options != instance.today).sum(axis=1)
    back = Walk(instance, schedules.options[0], never)
    back.shrink(0)
    assert moves.min() < min(mark.num_moves for mark in back.path.marks)
    points = trace_moves(instance, schedules.options[0], 0.0, Search(effort=5))
    assert points[0].max_moves == moves.min()
    for point in points:
        assert is_feasible(replace(instance, max_moves=point.max_moves), point.options)
        assert point.bound <= float(schedules.costs[moves <= point.max_moves].min()) + 1e-6
    assert points[0].cost == pytest.approx(float(schedules.costs[moves <= moves.min()].min()), abs=1e-6)


def test_a_curve_of_a_plan_that_is_stopped_begins_at_the_way_back() -> None:
    """With no time for a search of fewer moves, the curve has the schedules that were met."""
    problem = tight_problem(np.random.default_rng([31, 119]))
    instance = problem.instance()
    schedules = all_schedules(problem, instance, keeps_every_rule)
    assert schedules is not None
    points = trace_moves(instance, schedules.options[0], 0.0, Search(effort=5, time_limit_seconds=0.0))
    assert all(is_feasible(replace(instance, max_moves=p.max_moves), p.options) for p in points)


def test_limits_on_writes_hold_at_every_point() -> None:
    """With one policy write for all of the estate no point has two."""
    instance = crowded(max_policy_writes=1).instance()
    assert instance.write_limits == (WriteLimit("max_policy_writes", (0,), 1),)
    result = solve(instance, Search(effort=3))
    assert isinstance(result, Solved)
    points = trace_moves(instance, result.options, result.bound, Search(effort=EFFORT))
    assert len(points) > 1
    assert all(evaluate(instance, point.options).writes <= 1 for point in points)


def separated(instance: Instance) -> Instance:
    """VMs 0 and 1 must not stand at the same option."""
    clashes = np.eye(48, dtype=np.bool_)[None, :, :]
    ends = np.minimum(np.arange(instance.num_vms + 1), 2)
    gates = SetConstraints(
        ends, np.array([0, 1]), np.array([0, 1, 2]), np.array([1, 0]), np.zeros(2, np.int64), clashes, ("a", "a")
    )
    return replace(instance, gates=gates)


def test_a_walk_keeps_what_gates_demand() -> None:
    """Two VMs that must not start together never do, wherever the walk passes, though one option suits both best."""
    problem = crowded(6, prices=fixed_prices(snapshot_overlap=0.0, all_at_once=0.0))
    problem.risk[:2] = 1.0
    problem.risk[:2, 20] = 0.0
    instance = separated(problem.instance())
    start = instance.today.copy()
    start[1] = 30
    assert not is_feasible(instance, instance.today)
    assert is_feasible(instance, start)
    walk = Walk(instance, start, never)
    walk.extend(instance.num_vms)
    walk.settle()
    walk.shrink(0)
    assert len(walk.path.marks) > 2
    assert all(is_feasible(instance, walk.path.options(mark)) for mark in walk.path.marks)


@pytest.mark.parametrize("most", [0, 1, 3, 4])
def test_the_best_moves_under_a_limit_are_within_it_and_better_than_today(most: int) -> None:
    """So many moves at most, and whatever they gain."""
    instance = replace(crowded().instance(), max_moves=most)
    options = best_moves(instance, instance.today, Search(effort=EFFORT))
    assert is_feasible(instance, options)
    gained = evaluate(instance, instance.today).total - evaluate(instance, options).total
    assert gained >= (0.3 if most else 0.0)


def test_the_grid_is_one_two_five() -> None:
    """0, 1, 2, 5 and their multiples of ten below a number, then the number."""
    assert grid(0) == [0]
    assert grid(1) == [0, 1]
    assert grid(7) == [0, 1, 2, 5, 7]
    assert grid(100) == [0, 1, 2, 5, 10, 20, 50, 100]


def test_elbow_and_most_of_the_gain_of_a_curve_with_a_corner() -> None:
    """The elbow is the corner; most of the gain is where 80 % is reached, not before."""
    corner = [(0, 100.0), (5, 60.0), (10, 20.0), (20, 18.0), (100, 10.0)]
    assert farthest_from_chord(corner) == 10
    assert fewest_for(corner) == 10
    assert fewest_for(corner, 0.4) == 5
    assert fewest_for([(0, 10.0), (1, 8.0), (2, 2.1), (3, 0.0)]) == 3
    assert farthest_from_chord([(0, 3.0)]) == 0


def test_slopes_are_those_of_the_convex_hull() -> None:
    """A point above the hull gets the slope of the chord below it, a corner the mean of its two sides."""
    curve = [(0, 100.0), (2, 99.0), (4, 60.0), (8, 40.0)]
    assert slopes_at(curve, [2]) == [10.0]
    assert slopes_at(curve, [4]) == [7.5]
    assert slopes_at(curve, [1, 3, 6]) == [5.0, 10.0]
    assert slopes_at([(0, 1.0)], [0]) == []


def test_recent_moves_stay_unless_the_gain_is_worth_it() -> None:
    """A gain between the two prices moves the VM that was not moved lately and leaves the one that was."""
    found = inventory([policy("p0", "east", 46), policy("p1", "east", 4)], [("a", "p0"), ("b", "p0"), ("c", "p0")])
    risk = flat_risk(3, 1.0)
    risk[:, 46], risk[:, 4] = [0.25, 0.25, 0.4], 0.1
    rules = Rules(
        max_risk_increase=0.0,
        prices=fixed_prices(snapshot_overlap=0.0, all_at_once=0.0, vault_peak=0.0),
        policies=PolicyLimits(edit=False),
    )
    problem = Problem(found, rules, risk)
    instance = problem.instance()
    recent = replace(
        instance,
        move_price=np.array([0.02, 0.2, 0.2]),
        linear=instance.linear + (np.array([0.0, 0.18, 0.18])[:, None] * (np.arange(48) != 46)),
    )
    result = solve(recent, Search(effort=1))
    assert isinstance(result, Solved)
    assert result.options.tolist() == [4, 46, 4]
