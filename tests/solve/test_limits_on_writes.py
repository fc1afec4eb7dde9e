"""Limits on policy writes: which writes are worth it, not which come first."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import is_feasible, policy_counts, policy_writes
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import Problem, flat_risk, inventory, policy


def many_services(max_policy_writes: int) -> Problem:
    """Twelve services of six VMs, each with a policy of its own at 23:00; a write gains more the later the name."""
    policies = [policy(f"p{n:02d}", f"v{n:02d}", 46) for n in range(12)]
    found = inventory(policies, [(f"s{n:02d}", f"p{n:02d}") for n in range(12) for _ in range(6)])
    risk = flat_risk(72)
    risk[:, 40:] = np.repeat(np.arange(12), 6)[:, None] / 20
    return Problem(found, Rules(max_policy_writes=max_policy_writes), risk)


@pytest.mark.parametrize("writes", [1, 2, 5])
def test_the_dearest_services_get_the_writes(writes: int) -> None:
    """With few writes the services with most to gain have them, and none is left unused."""
    instance = many_services(writes).instance()
    result = _solved(instance)
    assert isinstance(result, Solved)
    made = policy_writes(instance, policy_counts(instance, result.options)).sum(axis=1)
    assert made.sum() == writes
    assert set(np.flatnonzero(made).tolist()) <= set(range(12 - writes, 12))
    assert result.bound <= result.cost.total


def _solved(instance: Instance) -> Solved:
    result = solve(instance, Search(effort=10))
    assert is_feasible(instance, result.options)
    return result
