"""Small or full policies: a start may need more policies than it has today, and edits stand in for new ones."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import format_start
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import ScopedModel, SolveStatus, Subproblem, whole
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.limits import Limits
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.counting_model import CountingModel
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from tests.benchmarks.random_problems import brute_force
from tests.solve.examples import Problem, flat_risk, inventory, only, policy

TOO_RISKY = 50.0


def _wanted_start_is_taken() -> Problem:
    """VM 0 has to go to 21:30, where VM 1 has a policy; policies hold one VM, and the vault two policies."""
    found = inventory([policy("p", "v", 42), policy("q", "v", 43)], [("web", "p"), ("db", "q")])
    risk = flat_risk(2, TOO_RISKY)
    risk[:, 42:45] = [[9.0, 9.0, TOO_RISKY], [TOO_RISKY, 0.3, 0.0]]
    leaves = Rule(name="VM 0 leaves", where=Selector(name="vm0"), allow=only("21:30").allow)
    limits = {"max_vms_per_policy": 1, "max_policies_per_vault": 2}
    return Problem(found, Rules(rule=(leaves,), policies=limits), risk)


def _everybody_wants_one_start() -> Problem:
    """Six of seven VMs have to go to the start of the seventh, which then needs three policies of three VMs."""
    policies = [policy("p", "v", 2), policy("q", "v", 10), policy("r", "v", 20)]
    found = inventory(policies, [("web", name) for name in "pppqqqr"])
    risk = flat_risk(7, TOO_RISKY)
    risk[:, [2, 10, 20]] = 1.0
    risk[6, 30] = 1.0  # the seventh could leave, so that its policy might be edited
    leave = Rule(name="six leave", where=Selector(name="vm?"), exempt=("vm6",), allow=only(format_start(20)).allow)
    limits = {"max_vms_per_policy": 3, "max_policies_per_vault": 4}
    return Problem(found, Rules(rule=(leave,), policies=limits), risk)


def _random(seed: int, num_vms: int, most_vms: int, most_policies: int) -> Problem:
    """VMs of two policies that like the same four starts, by random risks."""
    random = np.random.default_rng(seed)
    starts = random.choice(48, 4, replace=False)
    of_first = min(most_vms, num_vms // 2 + 1)
    names = ["p"] * of_first + ["q"] * (num_vms - of_first)
    policies = [policy("p", "v", int(starts[0])), policy("q", "v", int(starts[1]))]
    found = inventory(policies, [(str(random.choice(["web", "db"])), name) for name in names])
    risk = flat_risk(num_vms, TOO_RISKY)
    risk[:, starts] = random.choice([0.0, 0.1, 0.4, 1.5, 5.0, 9.0], (num_vms, 4))
    rules = Rules.model_validate(
        {
            "prices": {"move": float(random.choice([0, 0.02]))},
            "max_risk_increase": 9.5,
            "policies": {"max_vms_per_policy": most_vms, "max_policies_per_vault": most_policies},
        }
    )
    return Problem(found, rules, risk)


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(_wanted_start_is_taken(), id="wanted start is taken"),
        pytest.param(_everybody_wants_one_start(), id="everybody wants one start"),
        pytest.param(_random(34, 5, 2, 10), id="5 VMs, policies of 2"),
        pytest.param(_random(38, 4, 1, 5), id="4 VMs, policies of 1"),
        pytest.param(_random(55, 7, 2, 5), id="7 VMs, policies of 2"),
    ],
)
def test_a_start_may_need_more_policies_than_it_has(problem: Problem) -> None:
    """The optimum puts more VMs at a start than its policies of today hold, while some policy could be edited."""
    instance = problem.instance()
    best = brute_force(instance)
    assert best is not None
    answer = ScopedModel(instance, whole(instance, instance.today)).solve(20.0, 0)
    assert answer.outcome is SolveStatus.OPTIMAL
    assert answer.bound is not None and answer.bound <= best[0] + 1e-6
    limits = Limits(instance, problem.restrictions, problem.rules)
    assert Feasibility(limits, Budget(20.0)).check(limits.all).outcome is SolveStatus.FEASIBLE
    everybody = CountingModel(limits, limits.all, np.arange(instance.num_vms))
    assert everybody.solve(20.0).outcome in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    result = solve(instance, Search(effort=20))
    assert result.is_optimal
    assert result.cost.total == pytest.approx(best[0], abs=1e-4)
    assert result.bound <= best[0] + 1e-6


def _two_twins_at_one_start() -> Problem:
    """Two full policies at one start of a full vault: the VMs of the first want another start, the others stay."""
    policies = [policy("p", "v", 42), policy("q", "v", 42)]
    found = inventory(policies, [("web", "p"), ("db", "p"), ("a", "q"), ("b", "q")])
    risk = flat_risk(4, TOO_RISKY)
    risk[:, [42, 30]] = [[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0]]
    limits = {"max_vms_per_policy": 2, "max_policies_per_vault": 2}
    return Problem(found, Rules(policies=limits, max_risk_increase=6.0), risk)


def test_a_policy_is_edited_where_its_twin_is_left_exactly_full() -> None:
    """Everything about the edit is tight: one write, one edit, and as many VMs stay as the other policy holds."""
    instance = _two_twins_at_one_start().instance()
    answer = ScopedModel(instance, whole(instance, instance.today)).solve(5.0, 0)
    assert answer.options is not None
    assert answer.options.tolist() == [30, 30, 42, 42]
    assert is_feasible(instance, answer.options)


@pytest.mark.parametrize("free", [(), (2,), (0,), (0, 1, 2, 3)])
def test_a_neighborhood_knows_of_edits_of_fixed_vms(free: tuple[int, ...]) -> None:
    """Whichever VMs are free, a schedule that edits a policy is still possible."""
    instance = _two_twins_at_one_start().instance()
    edited = np.array([30, 30, 42, 42])
    scope = Subproblem({v: np.flatnonzero(instance.allowed[v]).tolist() for v in free}, edited)
    answer = ScopedModel(instance, scope).solve(5.0, 0)
    assert answer.outcome is SolveStatus.OPTIMAL
    assert answer.options is not None and answer.options.tolist() == edited.tolist()
