"""How few of a plan's moves give most of its gain: enough, never fewer than needed, and not many more."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.knee import find_knee
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.benchmarks.random_problems import tiny_problem
from tests.prices import fixed_prices
from tests.solve.examples import Problem, every_schedule, flat_risk, inventory, obvious_cost, obvious_feasible, policy
from tests.solve.moves.test_curve import crowded

SHARE = 0.8


def fewest_by_brute_force(problem: Problem, instance: Instance, target: float) -> int:
    """Fewest moves of any schedule that keeps every rule and costs at most the target."""
    today = instance.today.tolist()
    return min(
        sum(option != home for option, home in zip(schedule, today, strict=True))
        for schedule in every_schedule(problem)
        if obvious_cost(problem, schedule) <= target + 1e-9 and obvious_feasible(problem, schedule)
    )


def forced_problem(number: int) -> Problem:
    """Three services in one policy, risks of very different size; rules force moves that may gain nothing."""
    random = np.random.default_rng([23, number])
    policies = [policy("p46", "v", 46), *(policy(f"p{t}", "v", t) for t in (4, 14, 24, 34))]
    services = ["s0", "s0", "s1", "s1", "s2", "s2", "s2"]
    found = inventory(policies, [(service, "p46") for service in services])
    risk = flat_risk(7, 9.0)
    risk[:, [4, 14, 24, 34]] = random.choice([0.0, 0.1, 0.3], (7, 4))
    risk[:, 46] = random.choice([0.0, 0.0, 1.0, 3.0, 8.0], 7)
    rules = [
        Rule(name="apart", where=Selector(service="s0"), separate=True),
        Rule.model_validate({"name": "in turns", "where": {"service": "s1"}, "order": ["vm2", "vm3"]}),
        Rule(name="two at once", where=Selector(service="s2"), max_concurrent=2),
    ]
    chosen = [rule for rule in rules if random.random() < 0.6] or rules[:1]
    return Problem(found, Rules(rule=tuple(chosen), max_risk_increase=20.0), risk)


def fewest_of_the_plan(instance: Instance, plan: IntArray, target: float) -> int:
    """Fewest of the plan's own moves that keep every rule and cost at most the target, by trying all."""
    moved = np.flatnonzero(plan != instance.today).tolist()
    for count in range(1, len(moved) + 1):
        for vms in map(list, itertools.combinations(moved, count)):
            options = instance.today.copy()
            options[vms] = plan[vms]
            if evaluate(instance, options).total <= target + 1e-9 and is_feasible(instance, options):
                return count
    raise AssertionError("the plan itself does not keep the rules")


@pytest.mark.thorough
def test_moves_that_rules_force_do_not_make_the_knee_of_all_moves() -> None:
    """Compared with all parts of each plan: a forced move that gains nothing counts, those that gain little do not."""
    exact = looked_at = 0
    for number in range(40):
        instance = forced_problem(number).instance()
        result = solve(instance, Search(effort=2))
        assert isinstance(result, Solved)
        found = find_knee(instance, result.options, SHARE)
        if found is None:
            continue
        today = evaluate(instance, instance.today).total
        least = fewest_of_the_plan(instance, result.options, today - SHARE * (today - result.cost.total))
        assert found.share >= SHARE
        assert least <= found.moves <= least + 1
        exact += found.moves == least
        looked_at += bool(not is_feasible(instance, instance.today))
    assert looked_at >= 20
    assert exact >= 0.9 * looked_at


@pytest.mark.thorough
def test_the_knee_is_never_below_what_any_schedule_needs_and_at_most_one_move_above() -> None:
    """On tiny instances, compared with the cheapest way to 80 % of the gain among all schedules."""
    exact = looked_at = 0
    for number in range(40):
        problem = tiny_problem(np.random.default_rng([17, number]))
        instance = problem.instance()
        if int(np.prod(instance.allowed.sum(axis=1), dtype=np.float64)) > 1_500:
            continue
        result = solve(instance, Search(effort=2))
        if not isinstance(result, Solved):
            continue
        found = find_knee(instance, result.options, SHARE)
        today = evaluate(instance, instance.today).total
        if found is None:
            assert result.cost.total >= today - 1e-6
            continue
        assert SHARE <= found.share <= 1 + 1e-9
        assert found.moves <= result.cost.num_moves
        least = fewest_by_brute_force(problem, instance, today - SHARE * (today - result.cost.total))
        assert least <= found.moves <= least + 1
        exact += found.moves == least
        looked_at += 1
    assert looked_at >= 8
    assert exact >= 0.8 * looked_at


def test_the_moves_that_gain_most_come_first() -> None:
    """Of ten VMs, two have nearly all of the risk: they are the knee."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 4)], [(f"s{v}", "p") for v in range(10)])
    risk = flat_risk(10)
    risk[:, 46] = 0.1
    risk[[3, 7], 46] = 5.0
    instance = Problem(found, Rules(prices=fixed_prices(vault_peak=0.0, move=0.01)), risk).instance()
    plan = np.full(10, 4)
    knee = find_knee(instance, plan, SHARE)
    assert knee is not None
    assert knee.moves == 2
    assert knee.share == pytest.approx(2 * 4.99 / (2 * 4.99 + 8 * 0.09))


def test_vms_that_share_a_new_policy_count_together() -> None:
    """A new policy is worth it for three VMs, and for none of them alone: they come before a smaller gain."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 4)], [(f"s{v}", "p") for v in range(4)])
    risk = flat_risk(4, 1.0)
    risk[:3, 20] = 0.0
    risk[3, 4] = 0.5
    prices = fixed_prices(vault_peak=0.0, move=0.0, policy_write=1.2)
    instance = Problem(found, Rules(prices=prices, policies=PolicyLimits(edit=False)), risk).instance()
    knee = find_knee(instance, np.array([20, 20, 20, 4]), 0.75)
    assert knee is not None
    assert knee.moves == 3
    assert knee.share == pytest.approx(1.8 / 2.3)


def test_a_knee_keeps_every_rule() -> None:
    """Where VMs may only move together, all of them are in it."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 46)], [("web", "p"), ("web", "q")])
    risk = flat_risk(2, 1.0)
    risk[0, 10] = 0.0
    risk[1, 20] = 0.9
    apart = Rule.model_validate({"name": "in turns", "order": ["vm0", "vm1"]})
    problem = Problem(found, Rules(rule=(apart,)), risk)
    instance = problem.instance()
    plan = np.array([10, 20])
    assert not is_feasible(instance, instance.today)
    knee = find_knee(instance, plan, SHARE)
    assert knee is not None
    chosen = instance.today.copy()
    assert knee.moves in (1, 2)
    chosen[:] = plan if knee.moves == 2 else [10, 46]
    assert is_feasible(instance, chosen)


def test_a_plan_that_gains_nothing_has_no_knee() -> None:
    """Today's schedule itself, and one that costs more."""
    instance = crowded().instance()
    assert find_knee(instance, instance.today, SHARE) is None
    worse = np.full(instance.num_vms, 12)
    assert evaluate(instance, worse).total > evaluate(instance, instance.today).total
    assert find_knee(instance, worse, SHARE) is None
