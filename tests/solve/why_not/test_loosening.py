"""By how little limits have to give way, worked out by hand and against all smaller amounts."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.why_not.changes import Change, loosened
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.loosening import Changed, dropped, loosened_set
from tests.solve.examples import Problem, flat_risk, inventory, only, policy

EARLY = only("01:00")


def limits_of(rules: Rules, services: str = "aab", risk: np.ndarray | None = None) -> Limits:
    """VMs of services with one letter each, in one policy at 23:00."""
    found = inventory([policy("p", "v", 46)], [(service, "p") for service in services])
    problem = Problem(found, rules, flat_risk(len(services)) if risk is None else risk)
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def named(limits: Limits, *names: str) -> frozenset[Limit]:
    """The limits of some names."""
    return frozenset(limit for limit in limits.all if limit.name in names)


def loosen(limits: Limits, *names: str, work: float = 50.0) -> Changed | None:
    """The smallest change of some limits under which all can hold; its schedule keeps them."""
    found = loosened_set(limits, Feasibility(limits, Budget(work)), named(limits, *names))
    if found is not None:
        assert not broken_limits(loosened(limits, found.changes), found.options)
    return found


def only_change(limits: Limits, name: str) -> Change:
    """The smallest change of one limit."""
    found = loosen(limits, name)
    assert found is not None
    (change,) = found.changes
    return change


@pytest.mark.parametrize(("services", "most", "needed"), [("aab", 1, 3), ("aaaaa", 2, 5), ("ab", 0, 2)])
def test_moves_that_are_needed(services: str, most: int, needed: int) -> None:
    """All VMs have to go to 01:00."""
    change = only_change(limits_of(Rules(rule=(EARLY,), max_moves=most), services), "max_moves")
    assert (change.was, change.to) == (most, needed)


@pytest.mark.parametrize(("services", "needed"), [("aab", 2), ("aaaabb", 4)])
def test_the_largest_group_decides_how_much_a_cap_is_raised(services: str, needed: int) -> None:
    """All VMs of a service start at 01:00, and one may at a time."""
    limits = limits_of(Rules(rule=(EARLY, Rule(name="cap", max_concurrent=1))), services)
    change = only_change(limits, "cap")
    assert (change.was, change.to) == (1, needed)


def test_policies_and_writes_that_are_needed() -> None:
    """Two windows: two policies besides the one that is left at 23:00, whose VM is pinned."""
    rules = (
        Rule(name="stays", where={"name": "vm2"}, pin=True),
        Rule(name="early", where={"name": "vm0"}, allow=EARLY.allow),
        Rule(name="late", where={"name": "vm1"}, allow=only("05:00").allow),
    )
    full = limits_of(Rules(rule=rules, policies={"max_policies_per_vault": 1}))
    change = only_change(full, "the limit of policies per vault")
    assert (change.was, change.to) == (1, 3)
    few = limits_of(Rules(rule=rules, max_policy_writes=1))
    change = only_change(few, "max_policy_writes")
    assert (change.was, change.to) == (1, 2)


def test_the_increase_of_risk_is_that_of_the_vm_that_loses_most() -> None:
    """0.4567 more at 01:00, rounded up to 0.457."""
    risk = flat_risk(3, 9.0)
    risk[:, 46] = 1.0
    risk[:, 2] = [1.2, 1.4567, 1.0]
    limits = limits_of(Rules(rule=(EARLY,), max_risk_increase=0.1), risk=risk)
    increase = next(limit for limit in limits.all if limit.kind is LimitKind.MAX_RISK_INCREASE)
    change = only_change(limits, increase.name)
    assert change.to == pytest.approx(0.457)


def test_only_the_vms_that_need_it_are_exempted() -> None:
    """VM 1 has a window of its own, so the window of all lets this one off."""
    late = Rule(name="late", where={"name": "vm1"}, allow=only("05:00").allow)
    change = only_change(limits_of(Rules(rule=(late, EARLY))), EARLY.name)
    assert change.vms == (1,)
    assert change.to is None


def test_exempting_all_vms_of_a_rule_is_dropping_it() -> None:
    """Both VMs of the service have windows that exclude each other: there is no smaller change."""
    late = Rule(name="late", allow=only("05:00").allow)
    assert loosen(limits_of(Rules(rule=(late, EARLY)), "aa"), EARLY.name) is None


def test_the_shortest_time_within_which_a_rule_can_hold() -> None:
    """Snapshots of VM 0 end by 01:45 at the latest; VM 1 may begin at 05:00 only."""
    near = Rule(name="near", order=({"name": "vm0"}, {"name": "vm1"}), within=0.5)
    rules = (
        near,
        Rule(name="first", where={"name": "vm0"}, allow=EARLY.allow),
        Rule(name="then", where={"name": "vm1"}, allow=only("05:00").allow),
    )
    limits = limits_of(Rules(rule=rules), "ab")
    (near_limit,) = named(limits, "near")
    change = only_change(limits, "near")
    assert change.to is not None
    shorter = [hours for hours in limits.longer_within(near_limit) if hours < change.to]
    for hours in shorter[-2:]:
        less = loosened(limits, [Change(near_limit, 0.5, hours)])
        assert broken_limits(less, np.array([2, 10]))


def test_limits_are_loosened_one_after_the_other() -> None:
    """Moves and cap together: each only as far as it has to be."""
    limits = limits_of(Rules(rule=(EARLY, Rule(name="cap", max_concurrent=1)), max_moves=0))
    found = loosen(limits, "cap", "max_moves")
    assert found is not None
    assert {(change.limit.name, change.to) for change in found.changes} == {("cap", 2), ("max_moves", 3)}


def test_without_work_no_change_is_known() -> None:
    """Nothing can be shown."""
    limits = limits_of(Rules(rule=(EARLY, Rule(name="cap", max_concurrent=1))))
    assert loosen(limits, "cap", work=0.0) is None


class TestDropped:
    """Limits that can be dropped are; the others are loosened."""

    def test_rules_are_dropped(self) -> None:
        """The schedule that proves it is passed on."""
        limits = limits_of(Rules(rule=(EARLY,), max_moves=0))
        today = limits.instance.today
        found = dropped(limits, Feasibility(limits, Budget(50.0)), named(limits, EARLY.name), today)
        assert found is not None
        assert [change.drops for change in found.changes] == [True]
        assert found.options is today

    def test_a_limit_that_cannot_be_dropped_is_loosened(self) -> None:
        """A vault always has a limit of policies: with the window dropped for good, more are allowed."""
        rules = Rules(
            rule=(
                Rule(name="stays", where={"name": "vm2"}, pin=True),
                Rule(name="early", where={"name": "vm0"}, allow=EARLY.allow),
                Rule(name="cap", max_concurrent=1),
            ),
            policies={"max_policies_per_vault": 1},
        )
        limits = limits_of(rules)
        names = named(limits, "the limit of policies per vault", "cap")
        options = np.array([2, 46, 46])
        found = dropped(limits, Feasibility(limits, Budget(50.0)), names, options)
        assert found is not None
        changes = {change.limit.name: change for change in found.changes}
        assert changes["cap"].drops
        assert changes["the limit of policies per vault"].to == 2
        assert [change.limit.name for change in found.changes] == ["cap", "the limit of policies per vault"]

    def test_without_a_known_amount_there_is_no_change(self) -> None:
        """Three windows of a service, one at a time, need a model to be placed, and there is no work left for one."""
        cap = Rule(name="cap", max_concurrent=1)
        limits = limits_of(Rules(rule=(cap,), policies={"max_policies_per_vault": 1, "edit": False}), "aaa")
        names = named(limits, "the limit of policies per vault")
        options = np.array([46, 2, 10])
        assert dropped(limits, Feasibility(limits, Budget(0.0)), names, options) is None
        found = dropped(limits, Feasibility(limits, Budget(50.0)), names, options)
        assert found is not None
        assert [(change.was, change.to) for change in found.changes] == [(1, 3)]
