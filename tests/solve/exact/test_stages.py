"""Schedules whose order of writes is part of the problem, against all schedules and all orders of tiny estates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rule, Rules
from optimizer.plan.case import Case
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.stages import cheapest_in_stages
from optimizer.solve.problem.cost import evaluate, is_feasible
from tests.plan.estates import item, standard_policy
from tests.plan.make.test_carried_out import case_of
from tests.plan.make.test_diff import document_of, inventory_of

SEARCH = Search(effort=25)

WINDOW = 5
"""Half hours that a start window of 2 h 15 min touches."""


def crowded(random: np.random.Generator, cap: int) -> Case:
    """Three policies with as many VMs each as the cap allows at once; VMs would rather start where others do today."""
    starts = random.choice(np.arange(0, 48, 8), size=3, replace=False).tolist()
    policies = [standard_policy(f"p{n}", f"{t // 2:02}:00") for n, t in enumerate(starts)]
    vms = [item(f"vm{n}{m}", f"p{n}") for n in range(3) for m in range(cap)]
    risk = np.full((len(vms), 48), 30.0)
    for v in range(len(vms)):
        start = starts[v // cap]
        others = [other for other in starts if other != start]
        risk[v, random.choice(others, size=3 - cap, replace=False)] = random.uniform(0, 3, size=3 - cap)
        risk[v, random.integers(48)] = random.uniform(2, 6)
        risk[v, start] = 6.0
    rule = Rule(name="crowded", max_concurrent=cap, per="vault")
    moves = int(random.integers(2, 5))
    return case_of(inventory_of(document_of(policies, vms)), Rules(rule=(rule,), max_moves=moves), risk)


def has_order(case: Case, options: IntArray, cap: int) -> bool:
    """Whether VMs can move one by one, or all of a policy at once, without more windows than the cap or today's."""
    today = case.problem.instance.today

    def is_within(moved: frozenset[int]) -> bool:
        at = np.where([v in moved for v in range(len(today))], options, today)
        taken = [(start + k) % 48 for start in at.tolist() for k in range(WINDOW)]
        return bool((np.bincount(taken, minlength=48) <= cap).all())

    units = [frozenset([v]) for v in range(len(today))]
    policies = [frozenset(range(first, first + cap)) for first in range(0, len(today), cap)]
    units += [vms for vms in policies if len({int(options[v]) for v in vms}) == 1]
    everyone = frozenset(np.flatnonzero(options != today).tolist())
    reached, new = set[frozenset[int]](), {frozenset[int]()}
    while new:
        reached |= new
        after = {moved | unit for moved in new for unit in units if unit <= everyone - moved} - reached
        new = {moved for moved in after if is_within(moved)}
    return everyone in reached


def schedules(case: Case) -> list[IntArray]:
    """Every schedule that keeps the limits, with or without an order of writes."""
    allowed = [np.flatnonzero(of_vm).tolist() for of_vm in case.problem.instance.allowed]
    return [
        options
        for options in map(np.array, itertools.product(*allowed))
        if is_feasible(case.problem.instance, options)
    ]


@pytest.mark.parametrize("seed", range(24))
def test_the_cheapest_schedule_with_an_order_of_writes_is_found(seed: int) -> None:
    """It costs what the cheapest of all schedules with an order costs, its bound is no higher, and it has an order."""
    random = np.random.default_rng(seed)
    cap = 1 + seed % 2
    case = crowded(random, cap)
    instance = case.problem.instance
    best = min(evaluate(instance, options).total for options in schedules(case) if has_order(case, options, cap))
    found = cheapest_in_stages(instance, instance.today, [], SEARCH)
    assert found.options is not None
    assert found.bound is not None
    assert evaluate(instance, found.options).total == pytest.approx(best, abs=1e-6)
    assert best - 1e-5 <= found.bound <= best + 1e-6
    assert has_order(case, found.options, cap)
    assert CaseWrites(case).changes_to(found.options).stuck == ()


def test_the_order_matters_in_these_estates() -> None:
    """In some of them, a schedule without an order of writes costs less: the stages are what these tests are about."""
    without = 0
    for seed in range(24):
        case = crowded(np.random.default_rng(seed), 1 + seed % 2)
        instance = case.problem.instance
        found = cheapest_in_stages(instance, instance.today, [], SEARCH)
        assert found.bound is not None
        without += min(evaluate(instance, options).total for options in schedules(case)) < found.bound - 1e-3
    assert without >= 4
