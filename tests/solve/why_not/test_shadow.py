"""Limits that bind have the price that one more would save; others have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import WriteLimit
from optimizer.solve.problem.limits import LimitKind, Limits
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.changes import Change, loosened
from optimizer.solve.why_not.shadow import LimitPrice, price_limits
from tests.prices import FIXED_PRICES
from tests.solve.conflict_examples import limits_of
from tests.solve.examples import Problem, flat_risk, inventory, policy


def risky(num_vms: int, cheap: int = 20, today: float = 2.0) -> np.ndarray:
    """Risk that is far less at one start than at today's, and far more elsewhere."""
    risk = flat_risk(num_vms, 9.0)
    risk[:, 46] = today
    risk[:, cheap] = 0.0
    return risk


def planned(limits: Limits) -> IntArray:
    result = solve(limits.instance, Search(effort=10))
    assert isinstance(result, Solved)
    return result.options


def priced(limits: Limits) -> dict[str, LimitPrice]:
    """Prices by name; each schedule behind them breaks nothing of its loosened limits and costs what is said."""
    options = planned(limits)
    prices = price_limits(limits, options, num_rounds=500)
    assert [one.saves for one in prices] == sorted((one.saves for one in prices), reverse=True)
    for one in prices:
        instance = loosened(limits, [Change(one.limit, one.was, one.to)]).instance
        if one.vault is not None:
            room = limits.instance.vault_room.copy()
            room[one.vault] += 1
            instance = replace(limits.instance, vault_room=room)
        assert is_feasible(instance, one.options)
        gained = evaluate(limits.instance, options).total - evaluate(instance, one.options).total
        assert one.saves == pytest.approx(gained, abs=1e-6)
    return {one.limit.name: one for one in prices}


def alone(num_vms: int) -> list[tuple[str, str]]:
    """VMs of which each is a service of its own."""
    return [(f"s{v}", "p") for v in range(num_vms)]


POLICIES = [policy("p", "v", 46), policy("q", "v", 20)]


def test_one_more_move() -> None:
    """Three VMs gain by moving, each something else, and one may: a second move brings the second best gain."""
    risk = risky(3)
    risk[:, 46] = [1.0, 3.0, 2.0]
    limits = limits_of(Problem(inventory(POLICIES, alone(3)), Rules(max_moves=1), risk))
    (price,) = priced(limits).values()
    assert (price.limit.kind, price.was, price.to) == (LimitKind.MAX_MOVES, 1, 2)
    assert price.saves == pytest.approx(2.0 - 0.02, abs=0.02)
    assert price.at_risk_change == pytest.approx(-2.0)


def test_one_more_at_once() -> None:
    """A cap keeps one of two VMs from the good start: one more at once brings what it would gain there."""
    rules = Rules(rule=(Rule(name="in turns", max_concurrent=1),))
    limits = limits_of(Problem(inventory(POLICIES, [("web", "p"), ("web", "q")]), rules, risky(2, 22, 0.0)))
    assert "in turns" in priced(limits)


def test_one_more_policy_in_the_vault_that_is_starved() -> None:
    """The vault without room is named, and what its VMs would gain by a policy; the other has room and no price."""
    policies = [policy("p", "v", 46), policy("spare", "v", 2), policy("w", "west", 46)]
    found = inventory(policies, [("a", "p"), ("b", "p"), ("c", "spare"), ("d", "w")])
    risk = risky(4)
    risk[2, 2] = risk[2, 20] = risk[3, 46] = 0.0
    rules = Rules(policies={"max_policies_per_vault": 2, "edit": False})
    limits = limits_of(Problem(found, rules, risk))
    price = priced(limits)["the limit of policies per vault"]
    assert list(found.vaults)[price.vault or 0] == "v"
    assert price.saves == pytest.approx(2 * 2.0 - 0.1 - 2 * 0.02, abs=0.02)


def test_one_more_policy_write() -> None:
    """With no write left, one more brings the gain of those who go to the new policy, less its price."""
    problem = Problem(inventory([policy("p", "v", 46)], alone(2)), Rules(policies={"edit": False}), risky(2))
    instance = replace(problem.instance(), write_limits=(WriteLimit("max_policy_writes", (0,), 0),))
    price = priced(Limits(instance, problem.restrictions, problem.rules))["max_policy_writes"]
    assert price.saves == pytest.approx(4.0 - 0.1 - 0.04, abs=0.02)


def test_more_risk_for_one_vm() -> None:
    """VMs of one service that could part if one of them took a little more risk."""
    risk = flat_risk(2, 9.0)
    risk[:, 46] = 0.0
    risk[1, 20] = 0.15
    rules = Rules(prices={**FIXED_PRICES, "snapshot_overlap": 0.145})
    limits = limits_of(Problem(inventory(POLICIES, [("web", "p"), ("web", "p")]), rules, risk))
    price = priced(limits)["max_risk_increase"]
    assert (price.was, price.to) == (0.1, pytest.approx(0.2))
    assert price.at_risk_change == pytest.approx(0.15)
    assert price.overlaps_change == pytest.approx(-6.9)
    assert price.saves == pytest.approx(1.0 - 0.15 - 0.02, abs=0.02)


def test_limits_that_leave_room_have_no_price() -> None:
    """Nobody gains by moving: a limit of moves that is not used up is not listed."""
    limits = limits_of(Problem(inventory(POLICIES, alone(2)), Rules(max_moves=2), flat_risk(2)))
    assert priced(limits) == {}


def test_what_needs_no_loosening_is_no_price() -> None:
    """From a plan that is not the best, only what the limit stands in the way of is counted."""
    risk = risky(3)
    risk[:, 46] = [1.0, 3.0, 2.0]
    limits = limits_of(Problem(inventory(POLICIES, alone(3)), Rules(max_moves=1), risk))
    worst = np.array([20, 46, 46])
    (price,) = price_limits(limits, worst, num_rounds=500)
    assert price.saves == pytest.approx(2.0 - 0.02, abs=0.02)
