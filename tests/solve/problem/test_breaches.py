"""What a schedule breaks, as limits with the VMs that show it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.solve.problem.breaches import Breach, BreachKind, breaches, broken_limits, rule_breaches
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.limits import MAX_MOVES, Limit, LimitKind, Limits
from tests.solve.examples import (
    Problem,
    every_schedule,
    flat_risk,
    inventory,
    obvious_feasible,
    only,
    policy,
    problems,
)


def limits_of(problem: Problem) -> Limits:
    """Every limit of a problem."""
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def two_at_23(*rules: Rule, **settings_: object) -> Limits:
    """Two VMs of one service that start at 23:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    return limits_of(Problem(found, Rules(rule=rules, **settings_), flat_risk(2)))


@settings(max_examples=40, deadline=None)
@given(problems())
def test_no_breach_means_feasible(problem: Problem) -> None:
    """The breaches, the quick check and the obvious loops agree on which schedules keep everything."""
    limits = limits_of(problem)
    for schedule in list(every_schedule(problem))[:200]:
        options = np.array(schedule)
        found = breaches(limits, options)
        assert (found == ()) == is_feasible(limits.instance, options) == obvious_feasible(problem, schedule)
        assert {breach.limit for breach in found} == broken_limits(limits, options).keys()


@settings(max_examples=40, deadline=None)
@given(problems())
def test_the_vms_of_a_breach_are_involved_in_it(problem: Problem) -> None:
    """Every breach names at least one VM, in ascending order, and only VMs that the limit could involve."""
    limits = limits_of(problem)
    for schedule in list(every_schedule(problem))[:50]:
        involved = broken_limits(limits, np.array(schedule))
        for breach in breaches(limits, np.array(schedule)):
            assert breach.vms == tuple(sorted(set(breach.vms)))
            assert len(breach.vms) > 0
            assert involved[breach.limit][list(breach.vms)].all()


def test_a_forbidden_start_names_its_vms() -> None:
    """A window forbids each VM its start alone, so no half hour is to blame."""
    rule = only("03:00")
    (breach,) = breaches(two_at_23(rule), np.array([46, 6]))
    assert breach == Breach(Limit(rule.name, LimitKind.RULE), BreachKind.START, (0,), None, rule.name)


def test_a_pinned_vm_says_why_it_stays() -> None:
    """The limit is the rule; the reason says what the rule does to the VM."""
    rule = Rule(name="hands off", where=Selector(name="vm0"), pin=True)
    (breach,) = breaches(two_at_23(rule), np.array([6, 46]))
    assert (breach.limit, breach.vms) == (Limit("hands off", LimitKind.RULE), (0,))
    assert breach.reason == "pinned by rule 'hands off'"


def test_a_cap_is_exceeded_in_half_hours() -> None:
    """Each overfull half hour is a breach of its own, with every VM that takes it."""
    limits = two_at_23(Rule(name="one at a time", max_concurrent=1, per="vault"))
    found = breaches(limits, np.array([46, 46]))
    assert {(breach.limit.name, breach.kind, breach.vms) for breach in found} == {
        ("one at a time", BreachKind.CAP, (0, 1))
    }
    slots = [breach.slot for breach in found]
    assert len(slots) == len(set(slots)) > 1
    assert breaches(limits, np.array([46, 6])) == ()


def test_sets_that_meet_are_one_breach_of_their_rule() -> None:
    """VMs of two sets that overlap break the rule once, however many half hours they share."""
    limits = two_at_23(Rule(name="apart", separate=("vm0", "vm1")))
    (breach,) = breaches(limits, np.array([46, 46]))
    assert breach == Breach(Limit("apart", LimitKind.RULE), BreachKind.SETS, (0, 1), None, "apart")
    assert rule_breaches(limits, np.array([46, 46])) == (breach,)


def test_too_many_moves_concern_the_whole_plan() -> None:
    """The limit on moves is broken by all VMs that move, and is no rule."""
    limits = two_at_23(max_moves=1)
    (breach,) = breaches(limits, np.array([6, 8]))
    assert (breach.limit, breach.kind, breach.vms) == (MAX_MOVES, BreachKind.MOVES, (0, 1))
    assert rule_breaches(limits, np.array([6, 8])) == ()


def test_too_many_policy_writes_name_their_limit() -> None:
    """A plan that creates more policies than it may write breaks the limit of that name."""
    limits = two_at_23(max_policy_writes=0)
    (breach,) = breaches(limits, np.array([6, 46]))
    assert (breach.limit.kind, breach.kind) == (LimitKind.POLICY_WRITES, BreachKind.POLICY_WRITES)
    assert breach.limit.name == "max_policy_writes"


def test_only_the_kept_limits_are_looked_at() -> None:
    """Of a window and a limit of moves that are both broken, each is found alone."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    problem = Problem(found, Rules(rule=(only("01:00"),), max_moves=0), flat_risk(2))
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    options = np.array([20, 2])
    assert {limit.name for limit in broken_limits(limits, options)} == {"only 01:00", "max_moves"}
    for limit in limits.all:
        alone = broken_limits(limits, options, [limit])
        assert set(alone) == {limit} & set(broken_limits(limits, options))


def test_writes_are_counted_without_the_limit_of_policies_if_that_is_not_kept() -> None:
    """A swap of full policies: no order in the full vault, and one write where there is room."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("web", "p"), ("web", "q")])
    limited = {"max_vms_per_policy": 1, "max_policies_per_vault": 2, "edit": False}
    problem = Problem(found, Rules(policies=limited), flat_risk(2), max_writes=0)
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    swap = np.array([20, 46])
    assert {limit.kind for limit in broken_limits(limits, swap)} == {LimitKind.POLICIES_PER_VAULT}
    without = [limit for limit in limits.all if limit.kind is not LimitKind.POLICIES_PER_VAULT]
    assert {limit.kind for limit in broken_limits(limits, swap, without)} == {LimitKind.POLICY_WRITES}
