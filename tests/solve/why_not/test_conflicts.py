"""Rules that contradict each other are found and named: the fewest of them, with the VMs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.instance import WriteLimit
from optimizer.solve.problem.limits import Limits
from optimizer.solve.search.solved import Unsolvable
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.conflicts import Conflict, find_conflicts, single_vm_conflicts
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set
from tests.solve.conflict_examples import (
    DAY,
    NIGHT,
    apart,
    broken_by_every_schedule,
    can_hold,
    contradictory,
    forty_rules,
    gates_between,
    limits_of,
    names_of,
    nightly,
    smallest_size,
)
from tests.solve.examples import HOURLY, Problem, flat_risk, inventory, only, policy


def conflicts_of(problem: Problem, gates: SetConstraints | None = None) -> list[Conflict]:
    limits = limits_of(problem, gates)
    found, outcome = find_conflicts(limits, Feasibility(limits, Budget(20.0)))
    assert outcome is SolveStatus.INFEASIBLE
    return found


def only_conflict(rules: Rules, num_vms: int = 3, risk: np.ndarray | None = None) -> Conflict:
    """The only conflict, which is the smallest; the solver agrees that there is no schedule."""
    problem = nightly(rules, num_vms, risk)
    assert isinstance(solve(problem.instance(), Search(effort=20)), Unsolvable)
    (conflict,) = conflicts_of(problem)
    assert conflict.smallest
    assert conflict.irreducible
    return conflict


def test_windows_that_exclude_each_other() -> None:
    """Only at night, never at night: both rules are named, a third that plays no part is not."""
    rules = Rules(
        rule=(
            Rule(name="night only", allow=(NIGHT,)),
            Rule(name="harmless", forbid=(Window(start=720, end=780),)),
            Rule(name="never at night", forbid=(NIGHT,)),
        )
    )
    conflict = only_conflict(rules)
    assert conflict.names == ("night only", "never at night")
    assert conflict.vms == (0, 1, 2)


def _one_in_the_way(*pins: Rule) -> Rules:
    """VM 1 is pinned where VM 0 has to go, one at a time."""
    nights = Rule(name="nights", where={"name": "vm0"}, allow=only("23:00").allow)
    return Rules(rule=(*pins, nights, Rule(name="in turns", max_concurrent=1)))


def test_a_pinned_vm_that_is_in_the_way() -> None:
    """A pinned VM stands where another has to go: the pin, the window and the cap are named, as they were written."""
    conflict = only_conflict(_one_in_the_way(Rule(name="stay", where={"name": "vm1"}, pin=True)), 2)
    assert conflict.names == ("stay", "nights", "in turns")
    assert conflict.vms == (0, 1)


def test_two_rules_that_leave_a_vm_nothing_each_with_the_same_third() -> None:
    """Each of two windows is in conflict with a third: without the first, it is the second."""
    days = (
        Rule(name="by day", where={"name": "vm1"}, allow=(DAY,)),
        Rule(name="by day too", where={"name": "*1"}, allow=(DAY,)),
    )
    limits = limits_of(nightly(Rules(rule=(*days, Rule(name="not by day", forbid=(DAY,))))))
    assert [one.names for one in single_vm_conflicts(limits, limits.all)] == [("by day", "not by day")]
    without = [limit for limit in limits.all if limit.name != "by day"]
    assert [one.names for one in single_vm_conflicts(limits, without)] == [("by day too", "not by day")]


def test_window_in_which_everything_is_busier() -> None:
    """All that a window leaves would harm the VM: the limit on risk is named beside it."""
    risk = flat_risk(1, 4.0)
    risk[0, 46] = 0.0
    rules = Rules(rule=(Rule(name="daytime", allow=(DAY,)),), max_risk_increase=0.1)
    conflict = only_conflict(rules, 1, risk)
    assert conflict.names == ("daytime", "max_risk_increase")


def test_hourly_policy_that_the_night_cannot_hold() -> None:
    """A policy that runs every six hours of twelve is too long for a night, whenever it begins."""
    found = inventory([policy("p", "v", 16, HOURLY)], [("web", "p")])
    (conflict,) = conflicts_of(Problem(found, Rules(rule=(Rule(name="nights", allow=(NIGHT,)),)), flat_risk(1)))
    assert conflict.names == ("nights",)


def test_hourly_policy_that_may_not_start_late() -> None:
    """A window that holds the runs only from 20:00 on is in conflict with Azure's grid, which nobody can drop."""
    found = inventory([policy("p", "v", 16, HOURLY)], [("web", "p")])
    evening = Window(start=20 * 60, end=10 * 60 + 30)
    (conflict,) = conflicts_of(Problem(found, Rules(rule=(Rule(name="evening", allow=(evening,)),)), flat_risk(1)))
    assert set(conflict.names) == {"evening", "Azure's limits on hourly windows"}
    assert [limit.can_change for limit in conflict.limits] == [True, False]


def test_cap_that_a_window_has_no_room_for() -> None:
    """Two VMs one at a time, both in the same two hours: cap and window are named, the idle rule is not."""
    rules = Rules(
        rule=(
            Rule(name="idle", forbid=(Window(start=720, end=780),)),
            Rule(name="one at a time", max_concurrent=1),
            only("23:00"),
        )
    )
    assert only_conflict(rules, 2).names == ("one at a time", "only 23:00")


def test_cap_that_a_day_has_no_room_for() -> None:
    """Ten start windows of five half hours do not fit into a day one at a time: shown by counting."""
    conflict = only_conflict(Rules(rule=(Rule(name="one at a time", max_concurrent=1),)), 10)
    assert conflict.names == ("one at a time",)
    assert conflict.vms == tuple(range(10))


def test_moves_that_would_be_needed() -> None:
    """Today breaks a window for three VMs, but only two may move."""
    conflict = only_conflict(Rules(rule=(Rule(name="daytime", allow=(DAY,)),), max_moves=2))
    assert conflict.names == ("daytime", "max_moves")
    assert conflict.vms == (0, 1, 2)


def test_policies_that_would_be_needed() -> None:
    """Two VMs that may not meet, one policy, and no room in the vault for another."""
    rules = Rules(rule=(Rule(name="one at a time", max_concurrent=1),), policies={"max_policies_per_vault": 1})
    assert only_conflict(rules, 2).names == ("one at a time", "the limit of policies per vault")


def test_a_policy_that_is_edited_needs_no_room() -> None:
    """Both VMs of the only policy go to the window: it is edited, also where a pin that is dropped stood before."""
    rules = Rules(rule=(Rule(name="daytime", allow=(DAY,)),), policies={"max_policies_per_vault": 1})
    limits = limits_of(nightly(rules, 2))
    found, outcome = find_conflicts(limits, Feasibility(limits, Budget(20.0)))
    assert (found, outcome) == ([], SolveStatus.FEASIBLE)
    pinned = rules.model_copy(update={"rule": (*rules.rule, Rule(name="stay", where={"name": "vm1"}, pin=True))})
    assert only_conflict(pinned, 2).names == ("daytime", "stay", "the limit of policies per vault")


def test_policy_writes_that_would_be_needed() -> None:
    """A limit of writes is named as it was given."""
    problem = nightly(Rules(rule=(Rule(name="daytime", allow=(DAY,)),)), 2)
    instance = replace(problem.instance(), write_limits=(WriteLimit("max_policy_writes", (0,), 0),))
    limits = Limits(instance, problem.restrictions, problem.rules)
    found, _ = find_conflicts(limits, Feasibility(limits, Budget(20.0)))
    assert [one.names for one in found] == [("daytime", "max_policy_writes")]


def test_gates_that_a_window_has_no_room_for() -> None:
    """Two VMs whose windows have to be disjoint, both in the same two hours; a third VM plays no part."""
    problem = nightly(Rules(rule=(only("23:00"),)))
    (conflict,) = conflicts_of(problem, gates_between(3, [("apart", 0, 2)], apart()))
    assert set(conflict.names) == {"only 23:00", "apart"}
    assert conflict.vms == (0, 2)


def test_order_that_goes_round_in_a_circle() -> None:
    """A before B, B before C, C before A: three rules, all needed, on three VMs."""
    t = np.arange(48)
    not_before = (t[:, None] + 5) > t
    circle = [("a then b", 0, 1), ("b then c", 1, 2), ("c then a", 2, 0)]
    (conflict,) = conflicts_of(nightly(Rules()), gates_between(3, circle, not_before))
    assert set(conflict.names) == {"a then b", "b then c", "c then a"}
    assert conflict.vms == (0, 1, 2)
    assert conflict.smallest


def test_three_of_forty_rules() -> None:
    """Among 40 rules the three are named that have no room for each other, with the VMs of that service."""
    problem, guilty, vms = forty_rules()
    assert len(problem.rules.rule) == 40
    (conflict,) = conflicts_of(problem)
    assert set(conflict.names) == guilty
    assert conflict.vms == vms
    assert conflict.smallest


def test_rules_on_single_vms_are_blamed_together() -> None:
    """VMs that are stuck under the same two rules are told together, those under others apart."""
    rules = Rules(
        rule=(
            Rule(name="night only", allow=(NIGHT,)),
            Rule(name="never at night", where={"name": "vm[!0]"}, forbid=(NIGHT,)),
            Rule(name="not at all", where={"name": "vm0"}, forbid=(Window(start=0, end=24 * 60),)),
            Rule(name="not vm1 and vm2", where={"name": "vm?"}, forbid=(Window(start=12 * 60, end=13 * 60),)),
        )
    )
    limits = limits_of(nightly(rules))
    assert {(one.names, one.vms) for one in single_vm_conflicts(limits, limits.all)} == {(("not at all",), (0,))}
    wider = rules.model_copy(
        update={"rule": (*rules.rule[:1], Rule(name="by day", where={"name": "vm*"}, allow=(DAY,)), *rules.rule[2:])}
    )
    limits = limits_of(nightly(wider))
    assert {(one.names, one.vms) for one in single_vm_conflicts(limits, limits.all)} == {
        (("not at all",), (0,)),
        (("night only", "by day"), (1, 2)),
    }


@pytest.mark.thorough
@settings(max_examples=20, deadline=None)
@given(contradictory(), st.booleans())
def test_conflicts_are_what_trying_every_schedule_shows(problem: Problem, gated: bool) -> None:
    """Each conflict cannot hold, each of its parts can, and the first is as small as any: against brute force."""
    gates = gates_between(2, [("apart", 0, 1)], apart()) if gated else None
    limits = limits_of(problem, gates)
    broken = broken_by_every_schedule(problem, gates)
    size = smallest_size(broken, sorted(names_of(limits.all)))
    found, outcome = find_conflicts(limits, Feasibility(limits, Budget(20.0)))
    if size is None:
        assert (found, outcome) == ([], SolveStatus.FEASIBLE)
        return
    assert outcome is SolveStatus.INFEASIBLE
    assert found[0].smallest
    assert len(found[0].names) == size
    for conflict in found:
        assert conflict.irreducible
        assert not can_hold(broken, set(conflict.names))
        assert all(can_hold(broken, set(conflict.names) - {name}) for name in conflict.names)


@given(st.lists(st.sets(st.integers(0, 6), min_size=1, max_size=4), max_size=5))
def test_hitting_sets_are_smallest(to_hit: list[set[int]]) -> None:
    """No set of fewer elements meets all of the given ones, and none is found where one of them is empty."""
    universe = list(range(7))
    found = smallest_hitting_set(universe, to_hit)
    assert found is not None
    assert all(found & one for one in to_hit)
    for smaller in itertools.combinations(universe, max(0, len(found) - 1)):
        assert len(found) == 0 or not all(set(smaller) & one for one in to_hit)
    assert smallest_hitting_set(universe, [*to_hit, set()]) is None


def test_without_work_the_answer_is_unknown() -> None:
    """Where nothing may be done, a conflict that needs a model is neither claimed nor denied."""
    problem = nightly(Rules(), 2)
    instance = problem.instance()
    both_first = gates_between(2, [("a", 0, 1), ("b", 1, 0)], np.tri(48, dtype=np.bool_))
    limits = Limits(replace(instance, gates=both_first), problem.restrictions, problem.rules)
    found, outcome = find_conflicts(limits, Feasibility(limits, Budget(0.0)))
    assert (found, outcome) == ([], SolveStatus.UNKNOWN)
