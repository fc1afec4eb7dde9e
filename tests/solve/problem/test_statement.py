"""A problem as others ask it: its arrays, its rules, and what they say of a schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.breaches import BreachKind
from optimizer.solve.problem.statement import Statement
from tests.prices import fixed_prices
from tests.solve.examples import Problem, flat_risk, inventory, only, policy


@pytest.fixture
def made() -> Statement:
    """Two VMs of one service at 23:00, of which one must go to 01:00 and at most one may move."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    leaves = Rule(name="leaves", where={"name": "vm0"}, allow=only("01:00").allow)
    risk = flat_risk(2)
    risk[:, 46] = [3.0, 0.5]
    rules = Rules(rule=(leaves,), max_moves=1, prices=fixed_prices(), max_risk_increase=5.0)
    problem = Problem(found, rules, risk)
    return Statement.of(found, problem.table, rules)


def test_it_is_made_of_estate_risk_and_rules(made: Statement) -> None:
    """Rules restrict the options, and risk and prices are those of the table and of the rules."""
    assert np.flatnonzero(made.instance.allowed[0]).tolist() == [2]
    assert made.instance.allowed[1].all()
    assert made.instance.max_moves == 1
    assert made.restrictions.forbidden_by["leaves"][0, 46]
    assert made.instance.linear[0, 46] == pytest.approx(3.0)


def test_a_recent_move_has_its_own_price() -> None:
    """A VM that was moved a week ago costs the price of a further move, and only this VM does."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    prices = fixed_prices(move=0.1, move_recent=0.7)
    problem = Problem(found, Rules(prices=prices), flat_risk(2))
    vm = found.items[1].vm_id
    made = Statement.of(found, problem.table, problem.rules, {vm: found.as_of.date()})
    assert made.instance.move_price.tolist() == pytest.approx([0.1, 0.7])
    assert Statement.of(found, problem.table, problem.rules).instance.move_price.tolist() == pytest.approx([0.1, 0.1])


def test_what_a_schedule_breaks(made: Statement) -> None:
    """Today breaks the rule at VM 0; moving both breaks the limit of moves; moving VM 0 keeps everything."""
    today, both, one = np.array([46, 46]), np.array([2, 9]), np.array([2, 46])
    assert [made.is_kept_by(options) for options in (today, both, one)] == [False, False, True]
    assert made.breaches(one) == ()
    (broken,) = made.breaches(today)
    assert (broken.limit.name, broken.kind, broken.vms) == ("leaves", BreachKind.START, (0,))
    assert made.rule_breaches(today) == (broken,)
    assert made.broken_at(today) == {("leaves", 0)}
    (moves,) = made.breaches(both)
    assert (moves.limit.name, moves.vms) == ("max_moves", (0, 1))
    assert made.rule_breaches(both) == ()
    assert made.broken_at(both) == set()


def test_costs_and_shares_add_up(made: Statement) -> None:
    """The shares of the VMs are the cost without policies and moves."""
    options = np.array([2, 46])
    cost = made.cost(options)
    assert cost.num_moves == 1
    assert cost.risk == pytest.approx(0.5)
    without = cost.total - cost.policy_writes - cost.moves
    assert made.cost_shares(options).sum() == pytest.approx(without)


def test_marginals_price_single_moves(made: Statement) -> None:
    """The difference between two options of one VM is the difference between two schedules."""
    options = np.array([2, 46])
    costs = made.marginals(options).of(1).total
    moved = made.cost(np.array([2, 20])).total - made.cost(options).total
    assert costs[20] - costs[46] == pytest.approx(moved)


def test_limits_are_made_once_and_follow_the_arrays(made: Statement) -> None:
    """The named limits are those of the rules; other arrays get limits of their own."""
    assert made.limits is made.limits
    assert {limit.name for limit in made.limits.all} == {"leaves", "max_moves", "the limit of policies per vault"}
    other = made.with_instance(replace(made.instance, max_moves=None))
    assert "max_moves" not in {limit.name for limit in other.limits.all}
    assert (other.rules, other.restrictions) == (made.rules, made.restrictions)
    assert other.is_kept_by(np.array([2, 9]))
