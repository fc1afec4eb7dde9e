"""The independent check of sets apart and in order agrees with the plain loops, and knows what it tolerates."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings

from optimizer.model.rules import Rule, Rules
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.window_clock import WindowClock
from tests.solve.examples import Problem, inventory, obvious_clash, policy, problems


def sets_of(problem: Problem) -> SetRules:
    """The check of a problem."""
    found = problem.inventory
    return SetRules(found, problem.rules, WindowClock(found))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_check_agrees_with_the_plain_loops(problem: Problem) -> None:
    """Schedules over the whole day break the rules between sets where the loops over minutes say so."""
    rules = [rule for rule in problem.rules.rule if rule.separate_sets or rule.order_sets]
    check, random = sets_of(problem), np.random.default_rng(0)
    count = len(problem.inventory.items)
    for _ in range(8):
        options = random.integers(0, 48, count).tolist()
        pairs = itertools.permutations(range(count), 2)
        broken = any(obvious_clash(problem, rule, v, w, options) for v, w in pairs for rule in rules)
        assert bool(check.broken(options)) == broken


def test_only_pairs_that_clashed_may_clash() -> None:
    """What a tolerated schedule breaks may stay broken, for the VMs that break it and for no others."""
    policies = [policy("p", "v", 46)]
    found = inventory(policies, [("web", "p")] * 3)
    rules = Rules(rule=(Rule(name="first", order=("vm0", "vm*")),))
    check = sets_of(Problem(found, rules, np.zeros((3, 48))))
    assert check.broken([46, 44, 4])
    assert check.broken([46, 44, 4], tolerated=[46, 46, 4]) == []
    (fault,) = check.broken([46, 44, 44], tolerated=[46, 46, 4])
    assert fault == "rule 'first': vm2 at 22:00 begins before vm0 at 23:00 has ended, against 'order'"
    assert check.broken([46, None, 4]) == []


def test_within_is_not_asked_while_vms_move_one_by_one() -> None:
    """A finished schedule keeps 'within'; while VMs move one by one only the order has to hold."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2)
    check = sets_of(
        Problem(found, Rules(rule=(Rule(name="soon", order=("vm0", "vm1"), within=2.0),)), np.zeros((2, 48)))
    )
    assert check.broken([40, 46]) == []
    (fault,) = check.broken([40, 4])
    assert fault == "rule 'soon': vm1 at 02:00 begins more than 2 hours after vm0 at 20:00 has ended, against 'within'"
    assert check.broken([40, 4], tolerated=[40, 46]) == []
