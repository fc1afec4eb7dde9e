"""Between equal costs, VMs stay where they are, and those that move go into the night."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.rules import Rules
from optimizer.model.timegrid import parse_start
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.build import build_instance
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.restrict import restrict_options
from optimizer.solve.search.single_moves import settle_ties
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.benchmarks.random_problems import tiny_problem
from tests.prices import FIXED_PRICES
from tests.solve.examples import HOURLY, Problem, flat_risk, inventory, policy


def _no_gain() -> Problem:
    """Two VMs that save 0.02 of risk at a start that a move to costs 0.02."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("web", "p"), ("db", "p")])
    risk = flat_risk(2, 0.02)
    risk[:, 20] = 0.0
    return Problem(found, Rules(prices={**FIXED_PRICES, "vault_peak": 0.0}), risk)


def test_a_move_that_gains_nothing_is_taken_back() -> None:
    """Moved or not, both VMs cost the same: they stay."""
    instance = _no_gain().instance()
    moved = np.array([20, 20])
    assert evaluate(instance, moved).total == pytest.approx(evaluate(instance, instance.today).total)
    assert settle_ties(instance, moved).tolist() == [46, 46]
    result = solve(instance, Search(effort=5))
    assert isinstance(result, Solved)
    assert result.options.tolist() == [46, 46]


def test_a_vm_that_moves_goes_far_into_the_night() -> None:
    """Of three starts with the same gain, at noon, in the evening and at midnight, the last is taken."""
    twins = [policy(f"q{start}", "v", start) for start in (24, 38, 0)]
    found = inventory([policy("p", "v", 46), *twins], [("web", "p"), ("db", "p")])
    risk = flat_risk(2, 5.0)
    risk[:, [24, 38, 0]] = 0.0
    instance = Problem(found, Rules(prices={**FIXED_PRICES, "vault_peak": 0.0}), risk).instance()
    assert settle_ties(instance, np.array([24, 38])).tolist() == [0, 0]
    result = solve(instance, Search(effort=5))
    assert isinstance(result, Solved)
    assert result.options.tolist() == [0, 0]


@pytest.mark.parametrize(("price", "start"), [(0.0, "07:30"), (0.01, "06:00")])
def test_a_start_that_a_delay_brings_into_working_hours_is_paid_for(price: float, start: str) -> None:
    """07:30 saves 0.1 more than 06:00, but costs 0.16: three of four starts come after 08:00 from Monday to Friday."""
    twins = [policy(f"q{start}", "v", start) for start in (12, 15)]
    found = inventory([policy("p", "v", 46), *twins], [("web", "p")])
    risk = flat_risk(1, 5.0)
    risk[:, 12], risk[:, 15] = 0.1, 0.0
    rules = Rules(prices={**FIXED_PRICES, "vault_peak": 0.0, "working_hours": price})
    instance = Problem(found, rules, risk).instance()
    assert instance.working_hours[0, [12, 15]] == pytest.approx([0, price * 0.75 * 5 * 30 / 7])
    result = solve(instance, Search(effort=5))
    assert isinstance(result, Solved)
    assert result.options.tolist() == [parse_start(start)]


@pytest.mark.parametrize(("repeats", "start"), [(False, "00:00"), (True, "07:30")])
def test_noise_does_not_outrank_the_night(repeats: bool, start: str) -> None:
    """Of two VMs that are spread, one moves to midnight unless 07:30 looks better in an estate whose hours repeat."""
    twins = [policy(f"q{start}", "v", start) for start in (0, 15)]
    found = inventory([policy("p", "v", 40), *twins], [("web", "p"), ("web", "p")])
    rules = Rules(prices={**FIXED_PRICES, "vault_peak": 0.0, "all_at_once": 5.0})
    risk = flat_risk(2, 5.0)
    risk[:, 0], risk[:, 15] = 3.0, 1.0
    problem = Problem(found, rules, risk)
    table = replace(problem.table, credit=np.zeros(2), repeats=repeats)
    restrictions = restrict_options(found, rules, table)
    result = solve(build_instance(found, table, rules, restrictions), Search(effort=5))
    assert isinstance(result, Solved)
    assert sorted(result.options.tolist()) == sorted([40, parse_start(start)])


def test_the_night_is_what_the_working_hours_leave() -> None:
    """Where people work at night, ties go to the day; a VM that backs up every few hours has no night."""
    found = inventory([policy("p", "v", 46), policy("h", "v", 0, HOURLY)], [("web", "p"), ("db", "h")])
    rules = Rules(working_hours={"from": "20:00", "to": "06:00"})
    rank = Problem(found, rules, flat_risk(2)).instance().tie_rank
    assert rank[0, 24] == 1
    assert rank[0, 4] > rank[0, 16] > rank[0, 24]
    assert set(rank[1].tolist()) == {0, 1}


def test_no_vm_of_a_plan_could_stay_at_no_cost() -> None:
    """On random instances, putting any one moved VM back costs more or breaks a rule."""
    moved = 0
    for number in range(12):
        instance = tiny_problem(np.random.default_rng([31, number])).instance()
        result = solve(instance, Search(effort=2))
        if not isinstance(result, Solved):
            continue
        assert is_feasible(instance, result.options)
        for v in np.flatnonzero(result.options != instance.today).tolist():
            back = result.options.copy()
            back[v] = instance.today[v]
            assert not is_feasible(instance, back) or evaluate(instance, back).total > result.cost.total + 1e-9
            moved += 1
    assert moved > 5
