"""Which weight a VM gets from the rules, and how the smaller of two weights becomes a sum over groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.config import parse_rules
from optimizer.errors import ConfigError
from optimizer.model.weights import item_weights, risk_weights, weight_levels
from tests.solve.examples import DAILY, HOURLY, SUNDAYS, WORKDAYS, inventory, policy

VMS = [("shop", "night"), ("shop", "night"), ("mail", "night")]


def test_the_largest_weight_of_the_rules_counts() -> None:
    """A VM under several rules with a weight has the largest, in whichever order they stand; without one it has 1."""
    rules = """
        [[rule]]
        name = "the shop"
        where = { service = "shop" }
        except = ["vm1"]
        weight = 20

        [[rule]]
        name = "all"
        where = { name = "vm[01]" }
        weight = 0.5
    """.replace("vm[01]", "vm?")
    found = inventory([policy("night", "east", 46)], VMS)
    assert item_weights(found, parse_rules(rules, "rules.toml")).tolist() == [20.0, 0.5, 0.5]
    assert item_weights(found, parse_rules("", "rules.toml")).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("weight", ["0", "0.09", "100.5", "-1", "true", '"2"', "nan", "inf"])
def test_weights_outside_their_range_are_refused(weight: str) -> None:
    """Only numbers from 0.1 to 100 are weights; the message names the rule and the value."""
    with pytest.raises(ConfigError, match='rule "dear" > weight = '):
        parse_rules(f'[[rule]]\nname = "dear"\nweight = {weight}', "rules.toml")


@given(st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0, 100.0]), min_size=1, max_size=6))
def test_levels_add_up_to_the_smaller_weight(weights: list[float]) -> None:
    """For every two VMs the steps of the groups that both are in add up to the smaller of their weights."""
    levels = weight_levels(np.array(weights))
    assert levels[0][1].all()
    for v, w in itertools.combinations(range(len(weights)), 2):
        shared = sum(step for step, group in levels if group[v] and group[w])
        assert shared == pytest.approx(min(weights[v], weights[w]))


def test_a_missed_weekly_backup_counts_for_the_days_that_it_leaves() -> None:
    """Daily and hourly backups count once, weekly ones the days between two runs; a rule's weight multiplies that."""
    recurrences = [DAILY, HOURLY, SUNDAYS, WORKDAYS]
    policies = [policy(f"p{number}", "v", 0, recurrence) for number, recurrence in enumerate(recurrences)]
    found = inventory(policies, [("web", f"p{number}") for number in range(4)])
    assert risk_weights(found, np.array([1.0, 1.0, 1.0, 3.0])).tolist() == pytest.approx([1, 1, 7, 7])
