"""Schedules that rules between VMs leave no order for: others are found, and it is said where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.plan.case import Case
from optimizer.plan.make.carried_out import solve_in_order
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.notes.search_notes import notes_on_order
from optimizer.risk.forecast import Forecast
from optimizer.risk.table import RiskTable
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.stages import NUM_STAGES
from optimizer.solve.questions import Problem
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.no_schedule import NotFoundWithinEffortError
from tests.plan.estates import item, standard_policy
from tests.plan.make.test_diff import document_of, inventory_of
from tests.prices import fixed_prices

SEARCH = Search(effort=5, gap=0)

ONE_AT_A_TIME = Rule(name="one at a time", max_concurrent=1, per="vault")


def case_of(inventory: Inventory, rules: Rules, risk: np.ndarray) -> Case:
    """The case of an inventory with made-up risks."""
    today = np.array([inventory.policy(one).start for one in inventory.items])
    own = np.ones(len(today), dtype=np.bool_)
    table = RiskTable(risk, risk[np.arange(len(today)), today], own.astype(np.float64), own)
    forecast = Forecast.__new__(Forecast)  # nothing here looks at it
    return Case(inventory, rules, forecast, table, Problem.of(inventory, table, rules), np.full(len(today), 30))


def swap(third: bool = True) -> Inventory:
    """VMs at 02:00 and 10:00, and one at 18:00."""
    policies = [standard_policy("early", "02:00"), standard_policy("later", "10:00"), standard_policy("last", "18:00")]
    vms = [item("a", "early"), item("b", "later"), *([item("c", "last")] if third else [])]
    return inventory_of(document_of(policies, vms))


def wishes(*cheap: int) -> np.ndarray:
    """The risk of VMs each of which wants one start, and can bear another beside today's."""
    risk = np.full((len(cheap), NUM_OPTIONS), 30.0)
    for v, (t, today) in enumerate(zip(cheap, (4, 20, 36), strict=False)):
        risk[v, today], risk[v, t] = 5.0, 0.0
    return risk


def solved(case: Case) -> Solved:
    """The solver's answer."""
    return solve(case.problem.instance, SEARCH)


def test_vms_that_would_have_to_change_places_stay_and_the_rest_moves() -> None:
    """Under a cap of one two VMs cannot swap, whichever goes first; a third goes, which is proven to be the best."""
    case = case_of(swap(), Rules(rule=(ONE_AT_A_TIME,)), wishes(20, 4, 40))
    first = solved(case)
    assert isinstance(first, Solved)
    assert first.options.tolist() == [20, 4, 40]
    assert CaseWrites(case).changes_to(first.options).stuck == (0, 1)
    result = solve_in_order(CaseWrites(case), solved, SEARCH)
    assert isinstance(result, Solved)
    assert result.options.tolist() == [4, 20, 40]
    assert CaseWrites(case).changes_to(result.options).stuck == ()
    assert (result.is_optimal, result.stopped) == (True, "gap")
    assert result.bound > first.bound + 5


def test_an_order_that_makes_room_under_a_cap_is_found() -> None:
    """A VM that goes to a free half hour opens the way for the one that wants its place: all move, proven optimal."""
    case = case_of(swap(third=False), Rules(rule=(ONE_AT_A_TIME,)), wishes(20, 30))
    result = solve_in_order(CaseWrites(case), solved, SEARCH)
    assert isinstance(result, Solved)
    assert result.options.tolist() == [20, 30]
    assert result.is_optimal


def test_it_is_said_that_cheaper_schedules_have_no_order_of_writes() -> None:
    """Where more VMs can move than stages can prove, the work ends by the order of writes, and a note says so."""
    policies = [standard_policy("early", "02:00"), standard_policy("later", "10:00"), standard_policy("last", "18:00")]
    still = [item(f"still-{n}", "last") for n in range(NUM_STAGES)]
    found = inventory_of(document_of(policies, [item("move-a", "early"), item("move-b", "later"), *still]))
    risk = np.full((2 + NUM_STAGES, NUM_OPTIONS), 30.0)
    risk[:2] = wishes(20, 4)
    risk[2:, 36] = 0.0
    rules = Rules(rule=(ONE_AT_A_TIME.model_copy(update={"where": Selector(name="move-*")}),))
    case = case_of(found, rules, risk)
    result = solve_in_order(CaseWrites(case), solved, SEARCH)
    assert result.options.tolist() == [4, 20, *[36] * NUM_STAGES]
    assert (result.is_optimal, result.stopped) == (False, "order")
    assert result.gap > 5
    (note,) = notes_on_order(rules, result)
    assert "no order of writes for them that keeps rule 'one at a time' after every single write" in note
    assert f"the gap of {result.gap:.2f} may be impossible to close" in note
    assert notes_on_order(rules, replace(result, ended_by="effort")) == []


def test_it_is_said_where_no_schedule_can_be_carried_out() -> None:
    """Rules that force two VMs to swap under a cap of one leave no order: the message says so."""
    elsewhere = {"a": ("10:00", "12:15"), "b": ("02:00", "04:15")}
    only = [
        Rule(name=f"{vm} elsewhere", where=Selector(name=vm), allow=(Window.model_validate({"from": a, "to": b}),))
        for vm, (a, b) in elsewhere.items()
    ]
    rules = Rules(rule=(ONE_AT_A_TIME, *only), max_risk_increase=100.0)
    case = case_of(swap(third=False), rules, wishes(20, 4))
    with pytest.raises(NotFoundWithinEffortError, match="VMs would have to change places"):
        solve_in_order(CaseWrites(case), solved, SEARCH)


def test_swaps_of_full_policies_are_no_business_of_the_rules() -> None:
    """A schedule of the solver that only needs a policy for a swap has an order at once."""
    policies = [standard_policy("one", "02:00"), standard_policy("two", "10:00")]
    inventory = inventory_of(document_of(policies, [item("a", "one"), item("b", "two")]))
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=1, edit=False), prices=fixed_prices(policy_write=0.5))
    case = case_of(inventory, rules, wishes(20, 4))
    asked: list[Case] = []

    def once(one: Case) -> Solved:
        asked.append(one)
        return solved(one)

    result = solve_in_order(CaseWrites(case), once, SEARCH)
    assert len(asked) == 1
    assert (result.cost.num_moves, result.cost.writes) == (2, 1)
    diff = CaseWrites(case).changes_to(replace(result).options)
    assert (diff.detours, diff.stuck) == (1, ())
