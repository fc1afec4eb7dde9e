"""What of a schedule's cost falls to each VM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rules
from optimizer.solve.problem.cost import cost_shares, evaluate
from tests.prices import FIXED_PRICES
from tests.solve.examples import Problem, flat_risk, inventory, policy, problems


@settings(max_examples=50, deadline=None)
@given(problems(), st.integers(0, 2**16))
def test_shares_add_up_to_what_is_shared(problem: Problem, seed: int) -> None:
    """All shares together are the risk, overlap, vault peak and working hours; policies and moves are nobody's."""
    instance = problem.instance()
    options = np.random.default_rng(seed).integers(0, 48, instance.num_vms)
    cost = evaluate(instance, options)
    shared = cost.risk + cost.overlap + cost.vault_peak + cost.working_hours
    assert cost_shares(instance, options).sum() == pytest.approx(shared)


def test_those_who_meet_bear_it_alike() -> None:
    """Two of three VMs of a service overlap 6.9 times a month at 0.0145: half of it each, nothing for the third."""
    vms = [("web", "p"), ("web", "p"), ("web", "q")]
    found = inventory([policy("p", "v", 46), policy("q", "w", 10)], vms)
    instance = Problem(
        found, Rules(prices={**FIXED_PRICES, "vault_peak": 0.0, "all_at_once": 0.0}), flat_risk(3)
    ).instance()
    assert cost_shares(instance, instance.today).tolist() == pytest.approx([0.0145 * 6.9 / 2] * 2 + [0.0])
