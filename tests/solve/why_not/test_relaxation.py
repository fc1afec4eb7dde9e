"""What would make a schedule possible: every way out holds, none asks for more than needed, the cheapest is first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.breaches import breaches
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.changes import Change, loosened, relaxed_rules
from optimizer.solve.why_not.effects import Effect
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set
from optimizer.solve.why_not.relaxation import Diagnosis, diagnose
from tests.prices import FIXED_PRICES
from tests.solve.conflict_examples import (
    DAY,
    apart,
    best_cost_without,
    broken_by_every_schedule,
    can_hold,
    contradictory,
    forty_rules,
    gates_between,
    limits_of,
    names_of,
    nightly,
    solved_again,
)
from tests.solve.examples import Problem, flat_risk, only


def free(*_: object) -> Effect:
    """A judge to whom every plan is the same."""
    return Effect(0.0, 0.0, 0.0, 0, 0)


def diagnosis_of(problem: Problem, work: float = 20.0) -> Diagnosis:
    return diagnose(limits_of(problem), lambda changes, near: solved_again(problem, changes, near=near), Budget(work))


def ways(diagnosis: Diagnosis) -> set[tuple[tuple[str, float | None, tuple[int, ...]], ...]]:
    """Each way out as (name, new amount, VMs let off) of its changes."""
    return {
        tuple((change.limit.name, change.to, change.vms) for change in one.changes) for one in diagnosis.relaxations
    }


def test_a_cap_is_raised_by_one() -> None:
    """Two VMs at one start: two at once would do, or no cap, or one VM let off the window."""
    rules = (Rule(name="in turns", max_concurrent=1), only("23:00"))
    found = diagnosis_of(nightly(Rules(rule=rules, prices={**FIXED_PRICES, "all_at_once": 0.0}), 2))
    assert ways(found) == {
        (("in turns", 2, ()),),
        (("in turns", None, ()),),
        (("only 23:00", None, (0,)),),
        (("only 23:00", None, ()),),
    }
    assert found.complete
    assert found.relaxations[0].changes[0].was == 1


def test_moves_are_raised_to_what_is_needed() -> None:
    """Five VMs have to move and two may: five moves would do, or three VMs let off."""
    found = diagnosis_of(nightly(Rules(rule=(Rule(name="daytime", allow=(DAY,)),), max_moves=2), 5))
    assert (("max_moves", 5, ()),) in ways(found)
    assert {len(vms) for way in ways(found) for name, _, vms in way if name == "daytime"} == {0, 3}


def test_a_pin_is_released_for_the_vm_that_is_stuck() -> None:
    """Two pinned VMs stand where a third has to go, at most two at once: one of the pinned ones has to be released."""
    rules = Rules(
        rule=(
            Rule(name="stay", exempt=("vm2",), pin=True),
            Rule(name="nights", where={"name": "vm2"}, allow=only("23:00").allow),
            Rule(name="two at once", max_concurrent=2),
        )
    )
    found = diagnosis_of(nightly(rules))
    assert (("stay", None, ()),) in ways(found)
    assert any(name == "stay" and len(vms) == 1 for way in ways(found) for name, _, vms in way)
    assert (("two at once", 3, ()),) in ways(found)


def test_the_increase_of_risk_that_a_window_needs() -> None:
    """The least increase that leaves a start in the window, which cannot be dropped but only set."""
    risk = flat_risk(2, 4.0)
    risk[:, 46] = 0.0
    risk[0, 20], risk[1, 24] = 0.75, 1.2344
    rules = Rules(rule=(Rule(name="daytime", allow=(DAY,)),), max_risk_increase=0.1)
    found = diagnosis_of(nightly(rules, 2, risk))
    assert (("max_risk_increase", 1.235, ()),) in ways(found)
    assert all(to is not None for way in ways(found) for name, to, _ in way if name == "max_risk_increase")


def test_policies_that_a_vault_needs() -> None:
    """Three VMs that may not meet, one policy: the vault needs room for two more."""
    rules = Rules(rule=(Rule(name="in turns", max_concurrent=1),), policies={"max_policies_per_vault": 1})
    assert (("the limit of policies per vault", 3, ()),) in ways(diagnosis_of(nightly(rules)))


def _solved(limits: Limits, changes: Sequence[Change]) -> Effect | None:
    instance: Instance = loosened(limits, changes).instance
    result = solve(instance, Search(effort=2))
    if not isinstance(result, Solved) or not is_feasible(instance, result.options):
        return None
    return Effect(result.cost.total, 0.0, 0.0, 0, 0)


def test_policy_writes_that_are_needed() -> None:
    """A limit of writes is raised by what the windows need."""
    problem = nightly(Rules(rule=(Rule(name="in turns", max_concurrent=1),), policies={"edit": False}))
    instance = replace(problem.instance(), write_limits=(WriteLimit("max_policy_writes", (0,), 0),))
    limits = Limits(instance, problem.restrictions, problem.rules)
    found = diagnose(limits, lambda changes, _: _solved(limits, changes), Budget(20.0))
    assert (("max_policy_writes", 2, ()),) in ways(found)
    assert (("max_policy_writes", None, ()),) in ways(found)


def test_two_conflicts_need_two_changes() -> None:
    """Where nothing in common is to blame, each way out changes a limit of each conflict."""
    rules = Rules(
        rule=(
            Rule(name="vm0 by day", where={"name": "vm0"}, allow=(DAY,)),
            Rule(name="vm0 not by day", where={"name": "vm0"}, forbid=(DAY,)),
            Rule(name="vm1 by day", where={"name": "vm1"}, allow=(DAY,)),
            Rule(name="vm1 not by day", where={"name": "vm1"}, forbid=(DAY,)),
        )
    )
    found = diagnosis_of(nightly(rules))
    assert {one.names for one in found.conflicts} == {
        ("vm0 by day", "vm0 not by day"),
        ("vm1 by day", "vm1 not by day"),
    }
    assert len(found.relaxations) == 4
    assert all(len(one.changes) == 2 for one in found.relaxations)
    costs = [one.effect.cost for one in found.relaxations]
    assert costs == sorted(costs)


@pytest.mark.thorough
def test_three_of_forty_rules_and_what_it_would_take() -> None:
    """Each of the three is a way out, loosened or dropped; solved again with rules so written there is a plan."""
    problem, guilty, _ = forty_rules()
    found = diagnosis_of(problem)
    assert {one.changes[0].limit.name for one in found.relaxations} == guilty
    assert (("erp in turns", 4, ()),) in ways(found)
    for one in found.relaxations:
        again = replace(problem, rules=relaxed_rules(problem.rules, one.changes, problem.inventory))
        relaxed = loosened(limits_of(again), one.changes).instance
        result = solve(relaxed, Search(effort=2))
        assert isinstance(result, Solved)
        assert is_feasible(relaxed, result.options)
        assert result.cost.total == pytest.approx(one.effect.cost)


def test_gates_can_only_be_dropped() -> None:
    """A rule about two VMs has no figure to loosen."""
    problem = nightly(Rules(rule=(only("23:00"),)), 2)
    limits = limits_of(problem, gates_between(2, [("apart", 0, 1)], apart()))
    found = diagnose(limits, free, Budget(20.0))
    changes = [one.changes[0] for one in found.relaxations]
    assert {(one.limit.name, len(one.vms)) for one in changes} == {("apart", 0), ("only 23:00", 0), ("only 23:00", 1)}
    assert loosened(limits, [Change(Limit("apart", LimitKind.RULE))]).instance.gates.name == ()


def test_gates_of_other_rules_stay_when_one_is_dropped() -> None:
    """The gates that are left oppose each other as before."""
    sides = [("first", 0, 1), ("second", 1, 2), ("third", 0, 2)]
    limits = limits_of(nightly(Rules()), gates_between(3, sides, apart()))
    left = loosened(limits, [Change(Limit("second", LimitKind.RULE))])
    expected = gates_between(3, [sides[0], sides[2]], apart())
    for options in ([46, 46, 10], [46, 10, 10], [46, 10, 46], [0, 10, 20]):
        here = np.array(options)
        same = replace(left.instance, gates=expected)
        assert breaches(left, here) == breaches(Limits(same, left.restrictions, left.rules), here)


def test_an_order_that_goes_round_in_a_circle_is_broken_open() -> None:
    """Of three orders of three VMs any one can go; the plan then keeps the other two."""
    circle = [("vm0", "vm1"), ("vm1", "vm2"), ("vm2", "vm0")]
    rules = Rules(rule=tuple(Rule(name=f"{a} then {b}", order=[a, b]) for a, b in circle))
    found = diagnosis_of(nightly(rules))
    assert [one.names for one in found.conflicts] == [("vm0 then vm1", "vm1 then vm2", "vm2 then vm0")]
    assert found.conflicts[0].smallest
    assert ways(found) == {((f"{a} then {b}", None, ()),) for a, b in circle}


def test_vms_to_be_kept_apart_in_too_short_a_window() -> None:
    """Windows that have to be disjoint have no figure to raise: the rule goes, or a VM is let off the window."""
    found = diagnosis_of(nightly(Rules(rule=(Rule(name="apart", separate=True), only("23:00"))), 2))
    assert ways(found) == {
        (("apart", None, ()),),
        (("only 23:00", None, (0,)),),
        (("only 23:00", None, ()),),
    }


def test_a_single_rule_that_suffices_is_found_without_any_work() -> None:
    """Nothing can be proven without work, but today's schedule shows that without 'apart' there is a schedule."""
    found = diagnosis_of(nightly(Rules(rule=(Rule(name="apart", separate=True), only("23:00"))), 2), work=0.0)
    assert (found.conflicts, found.complete) == ((), False)
    assert ways(found) == {(("apart", None, ()),)}
    assert not found.relaxations[0].minimal


def test_what_is_not_settled_does_not_hide_what_contains_it() -> None:
    """Where it is unknown whether dropping one rule suffices, that rule is still dropped together with others."""
    universe = ["a", "b", "c"]
    assert smallest_hitting_set(universe, [{"a", "b"}], other_than=[{"a"}, {"b"}]) == {"a", "b"}
    assert smallest_hitting_set(universe, [{"a"}], [{"a", "b"}], [{"a"}]) == {"a", "c"}


def test_answers_are_told_as_soon_as_they_are_proven() -> None:
    """The conflict comes first, before anything is solved again; then each way out, before the next one is solved."""
    told: list[str] = []

    def judge(*_: object) -> Effect:
        told.append("solving")
        return free()

    problem = nightly(Rules(rule=(Rule(name="in turns", max_concurrent=1), only("23:00"))), 2)
    found = diagnose(limits_of(problem), judge, Budget(20.0), lambda one: told.append(type(one).__name__))
    assert told == ["Conflict", *["solving", "Relaxation"] * len(found.relaxations)]


@settings(max_examples=20, deadline=None)
@given(contradictory(), st.sampled_from([0.0, 0.02, 20.0]))
def test_there_is_always_a_way_out_that_is_one(problem: Problem, work: float) -> None:
    """Against brute force, with much work, little and none: some way out is found, and without its limits all hold."""
    limits, broken = limits_of(problem), broken_by_every_schedule(problem)
    everything = set(names_of(limits.all))
    found = diagnose(limits, free, Budget(work))
    assert found.outcome is not SolveStatus.INFEASIBLE or not can_hold(broken, everything)
    assert found.relaxations or can_hold(broken, everything)
    for one in found.relaxations:
        names = {change.limit.name for change in one.changes}
        assert can_hold(broken, everything - names)
        if one.minimal:
            assert not any(can_hold(broken, everything - (names - {name})) for name in names)


def test_where_nothing_is_in_conflict_nothing_is_proposed() -> None:
    """A problem with a schedule has no diagnosis to speak of."""
    assert diagnosis_of(nightly(Rules())) == Diagnosis(SolveStatus.FEASIBLE)


@pytest.mark.thorough
@settings(max_examples=15, deadline=None)
@given(contradictory(), st.booleans())
def test_every_way_out_holds_and_has_nothing_to_spare(problem: Problem, gated: bool) -> None:
    """Against brute force: dropping the limits of a way out does, dropping fewer does not, no single one is missed."""
    gates: SetConstraints | None = gates_between(2, [("apart", 0, 1)], apart()) if gated else None
    limits = limits_of(problem, gates)
    broken = broken_by_every_schedule(problem, gates)
    found = diagnose(limits, free, Budget(20.0))
    everything = set(names_of(limits.all))
    for one in found.relaxations:
        names = {change.limit.name for change in one.changes}
        assert can_hold(broken, everything - names)
        assert not any(can_hold(broken, everything - (names - {name})) for name in names)
        relaxed = loosened(limits, one.changes)
        assert Feasibility(relaxed, Budget(20.0)).check(relaxed.all).outcome is SolveStatus.FEASIBLE
    if found.outcome is SolveStatus.INFEASIBLE:
        single = {one.changes[0].limit.name for one in found.relaxations if len(one.changes) == 1}
        changeable = [limit.name for limit in limits.all if limit.can_change]
        assert single == {name for name in changeable if can_hold(broken, everything - {name})}


@settings(max_examples=10, deadline=None)
@given(contradictory())
def test_the_cheapest_single_rule_is_found(problem: Problem) -> None:
    """The effects are those of the best plans, and the first of the single drops is the cheapest by trying all."""
    found = diagnosis_of(problem)
    dropped = {
        one.changes[0].limit.name: one.effect.cost
        for one in found.relaxations
        if len(one.changes) == 1 and one.changes[0].drops
    }
    for name, cost in dropped.items():
        best = best_cost_without(problem, name)
        assert best is not None
        assert cost == pytest.approx(best, rel=1e-3, abs=1e-6)
    if dropped:
        assert min(dropped.values()) == next(iter(dropped.values()))
