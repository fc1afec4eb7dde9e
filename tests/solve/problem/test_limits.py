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


def test_without_the_limit_of_policies_vaults_have_any_room() -> None:
    """Nothing else differs, and policies may be edited although a rule pins their VMs."""
    limits = limits_of(Rule(name="pin", where={"name": "vm0"}, pin=True), policies={"max_policies_per_vault": 1})
    assert limits.unpinned.vault_room.tolist() == [0]
    assert limits.without_vault_limit.vault_room.min() > 10**6
    assert [one.editable for one in limits.instance.policies] == [False]
    assert [one.editable for one in limits.without_vault_limit.policies] == [True]
    assert np.array_equal(limits.without_vault_limit.allowed, limits.instance.allowed)


def test_options_are_forbidden_limit_by_limit() -> None:
    """Bits of each window, and of both together."""
    night, late = only("03:00"), Rule(name="late", where={"name": "vm0"}, allow=only("23:00").allow)
    limits = limits_of(night, late)
    both = open_options(limits.forbidden(limits.all))
    alone = open_options(limits.forbidden([Limit("late", LimitKind.RULE)]))
    assert not both[0].any()
    assert np.flatnonzero(both[1]).tolist() == [6]
    assert np.flatnonzero(alone[0]).tolist() == [46]
    assert alone[1].all()
    assert open_options(limits.forbidden([])).all()


def test_amounts_of_settings_and_writes() -> None:
    """Each kind of limit finds its own."""
    limits = limits_of(
        max_moves=3, max_risk_increase=0.25, max_policy_writes=1, policies={"max_policies_per_vault": 7}
    )
    amounts = {limit.kind: limits.amount(limit) for limit in limits.all}
    assert amounts[LimitKind.MAX_MOVES] == 3
    assert amounts[LimitKind.POLICY_WRITES] == 1
    assert amounts[LimitKind.POLICIES_PER_VAULT] == 7
    assert limits.amount(Limit("risk", LimitKind.MAX_RISK_INCREASE)) == 0.25
    assert limits.amount(Limit("fact", LimitKind.FIXED)) is None
    assert limits.longer_within(MAX_MOVES) == []
