"""Changes of limits: the rules as they would be written, and the problem under them, kind by kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import NO_CAP
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.why_not.changes import Change, loosened, relaxed_rules
from tests.solve.examples import Problem, flat_risk, inventory, only, policy

NIGHT = only("01:00")


def problem_of(rules: Rules, risk: np.ndarray | None = None) -> Problem:
    """Three VMs at 23:00, of services a, a and b."""
    found = inventory([policy("p", "v", 46)], [("a", "p"), ("a", "p"), ("b", "p")])
    return Problem(found, rules, flat_risk(3) if risk is None else risk)


def limits_of(rules: Rules, risk: np.ndarray | None = None) -> Limits:
    """Their limits."""
    problem = problem_of(rules, risk)
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def named(limits: Limits, name: str) -> Limit:
    """The limit of a name."""
    return next(limit for limit in limits.all if limit.name == name)


@pytest.mark.parametrize(
    ("change", "drops"),
    [
        (Change(Limit("r", LimitKind.RULE)), True),
        (Change(Limit("r", LimitKind.RULE), 1.0, 2.0), False),
        (Change(Limit("r", LimitKind.RULE), vms=(1,)), False),
    ],
)
def test_a_change_without_an_amount_and_without_vms_drops_the_limit(change: Change, drops: bool) -> None:
    """Everything else leaves something of it."""
    assert change.drops is drops


class TestRelaxedRules:
    """The rules file after the changes."""

    def test_dropped_and_set_rules(self) -> None:
        """One rule is gone, another has a larger amount, and the third stays, in their order."""
        near = Rule(name="near", order=({"service": "a"}, {"service": "b"}), within=2.0)
        cap, other = Rule(name="cap", max_concurrent=1), Rule(name="other", max_concurrent=5)
        rules = Rules(rule=(NIGHT, cap, near, other))
        changes = [
            Change(Limit(NIGHT.name, LimitKind.RULE)),
            Change(Limit("cap", LimitKind.RULE), 1, 3),
            Change(Limit("near", LimitKind.RULE), 2.0, 4.5),
        ]
        kept = relaxed_rules(rules, changes).rule
        assert [rule.name for rule in kept] == ["cap", "near", "other"]
        assert (kept[0].max_concurrent, kept[1].within, kept[2]) == (3, 4.5, other)
        assert rules.rule[1].max_concurrent == 1

    def test_settings(self) -> None:
        """The limits that are no rules have keys of their own; dropped moves are unlimited."""
        rules = Rules(max_moves=1, max_risk_increase=0.5, policies={"max_policies_per_vault": 3})
        changes = [
            Change(Limit("max_moves", LimitKind.MAX_MOVES), 1, 4),
            Change(Limit("risk", LimitKind.MAX_RISK_INCREASE), 0.5, 0.75),
            Change(Limit("policies", LimitKind.POLICIES_PER_VAULT), 3, 5),
        ]
        relaxed = relaxed_rules(rules, changes)
        assert (relaxed.max_moves, relaxed.max_risk_increase) == (4, 0.75)
        assert relaxed.policies.max_policies_per_vault == 5
        assert relaxed.policies.edit == rules.policies.edit
        assert relaxed_rules(rules, [Change(Limit("max_moves", LimitKind.MAX_MOVES))]).max_moves is None

    def test_vms_are_exempted_by_name_if_the_estate_is_known(self) -> None:
        """Without the estate, the rule stays as it is, because nobody knows the names."""
        problem = problem_of(Rules(rule=(NIGHT,)))
        change = Change(Limit(NIGHT.name, LimitKind.RULE), vms=(1,))
        (kept,) = relaxed_rules(problem.rules, [change], problem.inventory).rule
        relaxed = replace(problem, rules=Rules(rule=(kept,)))
        assert [bool(row.all()) for row in relaxed.restrictions.allowed] == [False, True, False]
        assert relaxed_rules(problem.rules, [change]).rule == problem.rules.rule


class TestLoosened:
    """The problem after the changes."""

    def test_without_changes_nothing_is_different(self) -> None:
        """Options, caps, moves and room are as before."""
        limits = limits_of(Rules(rule=(NIGHT, Rule(name="cap", max_concurrent=1)), max_moves=2))
        same = loosened(limits, [])
        assert np.array_equal(same.instance.allowed, limits.instance.allowed)
        assert np.array_equal(same.instance.rows.cap, limits.instance.rows.cap)
        assert same.all == limits.all

    def test_a_window_is_dropped_or_lets_vms_off(self) -> None:
        """Dropped, every start is allowed; for one VM, only that one is free."""
        limits = limits_of(Rules(rule=(NIGHT,)))
        window = named(limits, NIGHT.name)
        assert limits.instance.allowed.sum(axis=1).tolist() == [1, 1, 1]
        assert loosened(limits, [Change(window)]).instance.allowed.all()
        let_off = loosened(limits, [Change(window, vms=(1,))])
        assert let_off.instance.allowed.sum(axis=1).tolist() == [1, 48, 1]
        assert named(let_off, NIGHT.name) == window

    @pytest.mark.parametrize(("to", "cap"), [(None, NO_CAP), (2, 2), (3, 3)])
    def test_a_cap_is_raised_or_goes(self, to: int | None, cap: int) -> None:
        """In all half hours of the group."""
        limits = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1),)))
        relaxed = loosened(limits, [Change(named(limits, "cap"), None if to is None else 1, to)]).instance
        capped = limits.instance.rows.cap < NO_CAP
        assert capped.any()
        assert set(relaxed.rows.cap[capped].tolist()) == {cap}
        assert (relaxed.rows.cap[~capped] == NO_CAP).all()

    @pytest.mark.parametrize("to", [None, 2])
    def test_the_limit_of_moves(self, to: int | None) -> None:
        """Another number, or none."""
        limits = limits_of(Rules(rule=(NIGHT,), max_moves=1))
        assert loosened(limits, [Change(limits.moves, None if to is None else 1, to)]).instance.max_moves == to

    def test_the_limit_of_policies_gives_every_vault_more_room(self) -> None:
        """By the difference of the two amounts."""
        limits = limits_of(Rules(policies={"max_policies_per_vault": 1}))
        assert limits.instance.vault_room.tolist() == [0]
        assert loosened(limits, [Change(limits.policies, 1, 4)]).instance.vault_room.tolist() == [3]

    def test_limits_on_writes(self) -> None:
        """A larger number, or none."""
        limits = limits_of(Rules(max_policy_writes=0))
        writes = named(limits, "max_policy_writes")
        assert [one.limit for one in loosened(limits, [Change(writes, 0, 2)]).instance.write_limits] == [2]
        assert loosened(limits, [Change(writes)]).instance.write_limits == ()

    def test_a_pin_that_is_dropped_sets_the_vm_and_its_policy_free(self) -> None:
        """The VM may move, and the policy may be edited with all its VMs."""
        limits = limits_of(Rules(rule=(Rule(name="pin", where={"name": "vm1"}, pin=True),)))
        assert limits.instance.movable.tolist() == [True, False, True]
        assert not any(one.editable for one in limits.instance.policies)
        free = loosened(limits, [Change(named(limits, "pin"))]).instance
        assert free.movable.all()
        assert all(one.editable for one in free.policies)

    def test_a_policy_with_another_pinned_vm_still_stays(self) -> None:
        """One of two pins is dropped: this VM may move, but the policy cannot be edited with the other one in it."""
        pins = [Rule(name=f"pin {v}", where={"name": f"vm{v}"}, pin=True) for v in (0, 1)]
        limits = limits_of(Rules(rule=tuple(pins)))
        free = loosened(limits, [Change(named(limits, "pin 0"))]).instance
        assert free.movable.tolist() == [True, False, True]
        assert not any(one.editable for one in free.policies)

    def test_a_larger_increase_of_risk(self) -> None:
        """Starts up to the new increase are allowed, those above are not."""
        risk = flat_risk(3, 5.0)
        risk[:, 46], risk[:, 2], risk[:, 4] = 1.0, 1.75, 2.5
        limits = limits_of(Rules(max_risk_increase=0.1), risk)
        increase = next(limit for limit in limits.all if limit.kind is LimitKind.MAX_RISK_INCREASE)
        assert np.flatnonzero(limits.instance.allowed[0]).tolist() == [46]
        relaxed = loosened(limits, [Change(increase, 0.1, 0.75)]).instance
        assert np.flatnonzero(relaxed.allowed[0]).tolist() == [2, 46]

    def test_a_rule_between_sets_is_dropped(self) -> None:
        """Its gates are gone; those of the other rule are renumbered and still work."""
        first = Rule(name="first", separate=({"name": "vm0"}, {"name": "vm1"}))
        second = Rule(name="second", separate=({"name": "vm1"}, {"name": "vm2"}))
        limits = limits_of(Rules(rule=(first, second)))
        relaxed = loosened(limits, [Change(named(limits, "first"))]).instance
        assert set(relaxed.gates.name) == {"second"}
        together, spread = np.array([46, 46, 46]), np.array([46, 46, 20])
        assert not is_feasible(relaxed, together)
        assert is_feasible(relaxed, spread)
        assert not is_feasible(limits.instance, spread)

    def test_a_longer_within_allows_more(self) -> None:
        """VM 2 must begin within an hour of VM 0, then within twelve."""
        near = Rule(name="near", order=({"name": "vm0"}, {"name": "vm2"}), within=1.0)
        limits = limits_of(Rules(rule=(near,)))
        later = np.array([46, 46, 16])
        assert not is_feasible(limits.instance, later)
        relaxed = loosened(limits, [Change(named(limits, "near"), 1.0, 12.0)])
        assert is_feasible(relaxed.instance, later)
        assert not is_feasible(relaxed.instance, np.array([46, 46, 46]))
        assert relaxed.rules.rule[0].within == 12.0
