"""Changes of a problem that change its optimum in a known way: other numbers, risks, units, or an idle VM more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.inventory import ProtectedItem, Vault, Vm
from optimizer.model.rules import Prices, Rule
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import NotFound, Solved, Unsolvable
from optimizer.solve.search.solver import solve
from tests.benchmarks.random_problems import tiny_problem
from tests.benchmarks.tight_problems import tight_problem
from tests.solve.examples import Problem, policy

CONSTANT = 0.7
"""Cost of the risk that is added to every start of one VM, in at-risk backups per 30 days."""

OTHER_PRICES = ("vault_peak", "policy_write", "move", "move_recent", "working_hours")
"""Prices that weights do not multiply."""


def _renumbered(problem: Problem) -> Problem:
    """Put the VMs in the opposite order."""
    items = tuple(reversed(problem.inventory.items))
    credited = problem.table.credited[::-1].copy()
    inventory = replace(problem.inventory, items=items)
    return replace(problem, inventory=inventory, risk=problem.risk[::-1].copy(), credited=credited)


def _riskier(problem: Problem) -> Problem:
    """Make one VM more at risk by the same at every start: by what costs as much as it would for a daily backup."""
    risk, found = problem.risk.copy(), problem.inventory
    risk[0] += CONSTANT / found.policy(found.items[0]).recurrence.days_between_runs
    return replace(problem, risk=risk)


def _doubled(problem: Problem) -> Problem:
    """Count every risk and every price twice."""
    rules = problem.rules
    prices = rules.prices.model_dump() | {"recent_days": rules.prices.recent_days}
    doubled = {name: value if name == "recent_days" else 2 * value for name, value in prices.items()}
    limit = {"max_risk_increase": 2 * rules.max_risk_increase}
    return replace(
        problem,
        rules=rules.model_copy(update={"prices": Prices.model_validate(doubled), **limit}),
        risk=2 * problem.risk,
    )


def _with_idle_vm(problem: Problem) -> Problem:
    """Add a VM that is never at risk, in a service, a policy and a vault of its own."""
    found, own = problem.inventory, policy("idle", "idle", 10)
    inventory = replace(
        found,
        vaults={**found.vaults, "idle": Vault("idle", "idle")},
        policies={**found.policies, "idle": own},
        vms={**found.vms, "idle": Vm("idle", "idle", "idle")},
        items=(*found.items, ProtectedItem("item-idle", "idle", "idle", "idle")),
    )
    risk = np.vstack([problem.risk, np.zeros(48)])
    return replace(problem, inventory=inventory, risk=risk, credited=np.append(problem.table.credited, True))


def _weighing(problem: Problem, weight: float) -> Problem:
    """Give every VM the same weight."""
    rule = Rule(name="all alike", weight=weight)
    return replace(problem, rules=problem.rules.model_copy(update={"rule": (*problem.rules.rule, rule)}))


def _four_times(problem: Problem) -> Problem:
    """Count risk and overlaps four times by a weight, and all else by its price."""
    prices = problem.rules.prices
    others = {name: 4 * getattr(prices, name) for name in OTHER_PRICES}
    dear = prices.model_copy(update=others)
    return _weighing(replace(problem, rules=problem.rules.model_copy(update={"prices": dear})), 4.0)


RELATIONS: dict[str, tuple[Callable[[Problem], Problem], Callable[[float], float]]] = {
    "renumbered VMs": (_renumbered, lambda cost: cost),
    "a constant risk": (_riskier, lambda cost: cost + CONSTANT),
    "other units": (_doubled, lambda cost: 2 * cost),
    "an idle VM": (_with_idle_vm, lambda cost: cost),
    "a weight of 1": (lambda problem: _weighing(problem, 1.0), lambda cost: cost),
    "a weight of 4, and all other prices times 4": (_four_times, lambda cost: 4 * cost),
}
"""What is changed, and what becomes of the optimum."""


def _problems() -> list[Problem]:
    """Five general and five tight problems, none in which a default limit on risk gives way to a window."""
    drawn = [draw(np.random.default_rng([41, n])) for n in range(8) for draw in (tiny_problem, tight_problem)]
    return [problem for problem in drawn if not problem.restrictions.raised][:10]


def _solved(problem: Problem) -> Solved | Unsolvable | NotFound:
    return solve(problem.instance(), Search(effort=3))


@pytest.fixture(scope="module")
def solved() -> list[tuple[Problem, Solved | Unsolvable | NotFound]]:
    """Return some problems with their answers."""
    found = [(problem, _solved(problem)) for problem in _problems()]
    assert sum(isinstance(result, Solved) and result.is_optimal for _, result in found) >= 5
    return found


@pytest.mark.parametrize("name", RELATIONS)
def test_the_optimum_changes_as_it_must(
    solved: list[tuple[Problem, Solved | Unsolvable | NotFound]], name: str
) -> None:
    """Status and optimum of the changed problem follow from those of the original."""
    change, of_cost = RELATIONS[name]
    for problem, before in solved:
        after = _solved(change(problem))
        assert type(after) is type(before)
        if isinstance(before, Solved) and isinstance(after, Solved):
            assert after.is_optimal == before.is_optimal
            optimum = of_cost(before.cost.total)
            assert after.cost.total == pytest.approx(optimum, abs=1e-4 * max(1.0, optimum))
            assert after.bound <= optimum + 1e-6
