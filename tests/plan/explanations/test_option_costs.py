"""Differences between options, and the limits that rule out better ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.plan.explanations.option_costs import difference_of, limit_costs, limits_in_the_way
from tests.plan.three_vms import WEB_1, WEB_2, the_case

CASE = the_case()
TODAY = CASE.problem.instance.today
COSTS = CASE.problem.marginals(TODAY).of(WEB_1)


def test_a_difference_is_by_part_and_adds_up_to_what_the_schedule_costs_more() -> None:
    """Moving ``web-1`` to 02:00 saves 12 at-risk backups and all overlaps, and costs a policy and a move."""
    difference = difference_of(COSTS, 4, 46)
    assert difference.risk == pytest.approx(-12.0)
    assert difference.overlap < 0 < difference.move
    moved = TODAY.copy()
    moved[WEB_1] = 4
    assert difference.total == pytest.approx(CASE.problem.cost(moved).total - CASE.problem.cost(TODAY).total)
    assert difference_of(COSTS, 46, 46).total == 0


def test_a_limit_is_in_the_way_while_the_others_stay() -> None:
    """With one window at a time, ``web-1`` cannot start near ``web-2``; far from it, it can."""
    problem = CASE.changed(rules=Rules(rule=(Rule(name="one by one", separate=True, per="service"),))).problem
    options = TODAY.copy()
    options[WEB_1] = 4
    near, far = (limits_in_the_way(problem, options, WEB_1, t) for t in (44, 20))
    assert [limit.name for limit in near] == ["one by one"]
    assert all(reasons for reasons in near.values())
    assert far == {}
    assert options[WEB_2] == TODAY[WEB_2]


def test_only_a_limit_that_stands_alone_costs_something() -> None:
    """Of two starts that one limit rules out, the cheapest counts; one that two limits rule out counts for none."""
    forbid_all = Rules(rule=(Rule(name="stay", separate=True, per="service"),))
    problem = CASE.changed(rules=forbid_all).problem
    options = TODAY.copy()
    options[WEB_1] = 20
    (limit,) = limits_in_the_way(problem, options, WEB_1, 46)
    costs = limit_costs(COSTS, 46, {0: {limit: None}, 4: {limit: None}})
    assert [(cost.name, cost.start) for cost in costs] == [("stay", "00:00")]
    assert costs[0].saves == pytest.approx(-difference_of(COSTS, 0, 46).total)
    other = replace(limit, name="another")
    assert limit_costs(COSTS, 46, {0: {limit: None, other: None}}) == []
