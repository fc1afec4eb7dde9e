"""Everything that a schedule has to keep, as named limits."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.limits import MAX_MOVES, POLICIES_PER_VAULT, Limit, LimitKind, Limits, open_options
from tests.solve.examples import Problem, flat_risk, inventory, only, policy, problems

CAP = Rule(name="one at a time", max_concurrent=1, per="vault")
ORDER = Rule(name="web first", order=("vm0", "vm1"), within=4)


def limits_of(*rules: Rule, **settings_: object) -> Limits:
    """Limits of two VMs that start at 23:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    problem = Problem(found, Rules(rule=rules, **settings_), flat_risk(2))
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def test_rules_come_first_and_as_they_were_written() -> None:
    """Rules keep their order; settings and Azure's limits follow."""
    night = only("03:00")
    limits = limits_of(CAP, night, ORDER, max_moves=1)
    kinds = [limit.kind for limit in limits.all]
    rules = [limit.name for limit in limits.all if limit.kind is LimitKind.RULE]
    assert rules == ["one at a time", night.name, "web first"]
    assert kinds[: len(rules)] == [LimitKind.RULE] * len(rules)
    assert {MAX_MOVES, POLICIES_PER_VAULT} <= set(limits.all)


def test_amounts_are_those_that_the_planner_wrote() -> None:
    """A cap and the limit of moves have an amount; a window has none, and an order has its hours."""
    night = only("03:00")
    limits = limits_of(CAP, night, ORDER, max_moves=1)
    assert limits.amount(Limit("one at a time", LimitKind.RULE)) == 1
    assert limits.amount(MAX_MOVES) == 1
    assert limits.amount(Limit(night.name, LimitKind.RULE)) is None
    assert limits.within(Limit("web first", LimitKind.RULE)) == 4
    longer = limits.longer_within(Limit("web first", LimitKind.RULE))
    assert longer == sorted(longer)
    assert all(hours > 4 for hours in longer)


def test_a_limit_knows_its_vms() -> None:
    """All VMs of the vault are in the capped group, and both sets are behind the gates of the order."""
    limits = limits_of(CAP, ORDER)
    (group,) = set(limits.instance.rows.group[limits.capped_rows].tolist())
    assert limits.members(group).all()
    assert limits.behind(Limit("web first", LimitKind.RULE)).all()
    assert not limits.behind(Limit("one at a time", LimitKind.RULE)).any()


def test_what_can_be_changed_is_the_planners() -> None:
    """Rules and the limit of moves can be dropped, the limit of policies only be loosened, Azure's own neither."""
    fixed = Limit("Azure's limits on hourly windows", LimitKind.FIXED)
    assert [limit.can_go for limit in (MAX_MOVES, POLICIES_PER_VAULT, fixed)] == [True, False, False]
    assert [limit.can_change for limit in (MAX_MOVES, POLICIES_PER_VAULT, fixed)] == [True, True, False]


@settings(max_examples=40, deadline=None)
@given(problems())
def test_all_limits_together_leave_what_is_allowed(problem: Problem) -> None:
    """The options that no limit on single VMs forbids are the allowed ones."""
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    np.testing.assert_array_equal(open_options(limits.forbidden(limits.all)), problem.restrictions.allowed)
