"""A model that counts VMs: each limit that it keeps, by how much a limit gives way, and against every schedule."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rule, Rules
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.why_not import counting_model
from optimizer.solve.why_not.counting_model import CountingModel, stuck
from tests.solve.examples import Problem, flat_risk, inventory, only, policy

WORK = 10.0


def limits_of(problem: Problem) -> Limits:
    """The limits of a problem."""
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def at_night(num_vms: int, rules: Rules | None = None, risk: np.ndarray | None = None) -> Limits:
    """VMs of one service and one policy at 23:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * num_vms)
    return limits_of(Problem(found, rules or Rules(), flat_risk(num_vms) if risk is None else risk))


def model(limits: Limits, *without: str, vms: list[int] | None = None, **more: object) -> CountingModel:
    """The model of all limits but some, for all VMs or for some."""
    kept = [limit for limit in limits.all if limit.name not in without]
    chosen = np.arange(limits.instance.num_vms) if vms is None else np.array(vms)
    return CountingModel(limits, kept, chosen, **more)  # type: ignore[arg-type]  # named by the caller


def named(limits: Limits, name: str) -> Limit:
    """The limit of a name."""
    return next(limit for limit in limits.all if limit.name == name)


def test_vms_that_no_limit_tells_apart_are_one_group() -> None:
    """Six equal VMs are one group; a rule on one of them makes it another."""
    assert model(at_night(6)).size == [6]
    rules = Rules(rule=(Rule(name="early", where={"name": "vm2"}, allow=only("01:00").allow),))
    limits = at_night(6, rules)
    assert sorted(model(limits).size) == [1, 5]
    assert model(limits, "early").size == [6]


def test_vms_of_several_policies_are_told_apart_where_policies_are_counted() -> None:
    """Without the limits on policies and moves, today's start and the policy do not matter."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 4)], [("web", "p"), ("web", "q"), ("web", "q")])
    limits = limits_of(Problem(found, Rules(max_moves=1), flat_risk(3)))
    assert sorted(model(limits).size) == [1, 2]
    assert sorted(model(limits, "the limit of policies per vault").size) == [1, 2]
    assert model(limits, "the limit of policies per vault", "max_moves").size == [3]


def test_a_solution_gives_each_vm_of_the_model_an_option() -> None:
    """Two of the three VMs are in the model; each starts where it may."""
    limits = at_night(3, Rules(rule=(only("01:00", "05:00"),)))
    answer = model(limits, vms=[0, 2]).solve(WORK)
    assert answer.options is not None
    assert len(answer.options) == 2
    assert set(answer.options.tolist()) <= {2, 10}
    assert answer.outcome in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert answer.work >= 0.0


@pytest.mark.parametrize(
    ("rules", "limit"),
    [
        pytest.param(Rules(rule=(only("01:00"),), max_moves=1), "max_moves", id="two VMs have to move"),
        pytest.param(Rules(rule=(only("01:00"), Rule(name="cap", max_concurrent=1))), "cap", id="both start at 01:00"),
        pytest.param(
            Rules(rule=(only("01:00"), Rule(name="apart", separate=({"name": "vm0"}, {"name": "vm1"})))),
            "apart",
            id="kept apart in one place",
        ),
        pytest.param(
            Rules(rule=(only("01:00"),), policies={"max_policies_per_vault": 1, "edit": False}),
            "the limit of policies per vault",
            id="no room for a policy at 01:00",
        ),
        pytest.param(
            Rules(rule=(only("01:00"),), max_policy_writes=0), "max_policy_writes", id="no policy is written"
        ),
        pytest.param(
            Rules(rule=(only("01:00"), Rule(name="late", allow=only("05:00").allow))), "late", id="two windows"
        ),
    ],
)
def test_each_limit_makes_the_model_infeasible_alone(rules: Rules, limit: str) -> None:
    """With the limit there is no solution, and without it there is one."""
    limits = at_night(2, rules)
    assert model(limits).solve(WORK).outcome is SolveStatus.INFEASIBLE
    assert model(limits, limit).solve(WORK).options is not None


def test_an_edit_replaces_a_creation() -> None:
    """All VMs of the policy go to 01:00 together, so the vault needs no further policy."""
    rules = Rules(rule=(only("01:00"),), policies={"max_policies_per_vault": 1})
    answer = model(at_night(2, rules)).solve(WORK)
    assert answer.options is not None and answer.options.tolist() == [2, 2]
    stays = Rule(name="vm1 stays", where={"name": "vm1"}, pin=True)
    apart = Rule(name="vm0 leaves", where={"name": "vm0"}, allow=only("01:00").allow)
    alone = at_night(2, Rules(rule=(apart, stays), policies={"max_policies_per_vault": 1}))
    assert model(alone).solve(WORK).outcome is SolveStatus.INFEASIBLE


def test_an_edit_takes_all_vms_of_the_policy_along() -> None:
    """VM 1 could go to 01:00 too, but is kept apart from VM 0: the policy is not edited for VM 0 alone."""
    leaves = Rule(name="leaves", where={"name": "vm0"}, allow=only("01:00").allow)
    apart = Rule(name="apart", separate=({"name": "vm0"}, {"name": "vm1"}))
    limits = at_night(2, Rules(rule=(leaves, apart), policies={"max_policies_per_vault": 1}))
    assert model(limits).solve(WORK).outcome is SolveStatus.INFEASIBLE
    assert model(limits, "apart").solve(WORK).options is not None


def test_a_core_names_limits_that_suffice() -> None:
    """The windows contradict each other; the limit of moves has nothing to do with it."""
    rules = Rules(rule=(only("01:00"), Rule(name="late", allow=only("05:00").allow)), max_moves=3)
    limits = at_night(3, rules)
    core = model(limits, assume=True).solve(WORK).core
    assert core is not None
    assert {limit.name for limit in core} == {"only 01:00", "late"}
    assert model(limits, "late", assume=True).solve(WORK).options is not None


@pytest.mark.parametrize(("num_vms", "amount"), [(2, 2), (4, 4)])
def test_moves_that_are_needed(num_vms: int, amount: int) -> None:
    """The slack of the limit on moves is the number of VMs that have to move."""
    limits = at_night(num_vms, Rules(rule=(only("01:00"),), max_moves=1))
    answer = model(limits, giving=limits.moves).solve(WORK)
    assert (answer.outcome, answer.slack) == (SolveStatus.OPTIMAL, amount)


def test_room_that_a_cap_lacks() -> None:
    """Four VMs in one window under a cap of one: three more."""
    limits = at_night(4, Rules(rule=(only("01:00"), Rule(name="cap", max_concurrent=1))))
    assert model(limits, giving=named(limits, "cap")).solve(WORK).slack == 3


def test_policies_and_writes_that_are_needed() -> None:
    """Policies of one VM: three VMs that go to 01:00 need three, of which two may be written."""
    settings_ = {"max_vms_per_policy": 1, "max_policies_per_vault": 5, "edit": False}
    found = inventory([policy(name, "v", 46) for name in "pqr"], [("web", name) for name in "pqr"])
    problem = Problem(found, Rules(rule=(only("01:00"),), policies=settings_, max_policy_writes=1), flat_risk(3))
    limits = limits_of(problem)
    without = [limit for limit in limits.all if limit.kind is not LimitKind.POLICIES_PER_VAULT]
    writes = CountingModel(limits, without, np.arange(3), giving=named(limits, "max_policy_writes"))
    assert writes.solve(WORK).slack == 2
    free = [limit for limit in limits.all if limit.kind is not LimitKind.POLICY_WRITES]
    assert CountingModel(limits, free, np.arange(3), giving=limits.policies).solve(WORK).slack == 1


def test_risk_that_the_only_window_asks_for() -> None:
    """The VM that loses most decides: 0.75 more at-risk backups at 01:00."""
    risk = flat_risk(2, 5.0)
    risk[:, 46] = [1.0, 2.0]
    risk[:, 2] = [1.75, 2.25]
    limits = at_night(2, Rules(rule=(only("01:00"),), max_risk_increase=0.1), risk)
    answer = model(limits, giving=named(limits, "max_risk_increase")).solve(WORK)
    assert answer.slack == pytest.approx(0.75, abs=1e-6)


def test_the_fewest_vms_that_a_rule_has_to_let_off() -> None:
    """One of three VMs has to start at another time: the rule only has to let this one off."""
    late = Rule(name="late", where={"name": "vm1"}, allow=only("05:00").allow)
    limits = at_night(3, Rules(rule=(late, only("01:00"))))
    answer = model(limits, giving=named(limits, "only 01:00"), slack="vms").solve(WORK)
    assert answer.slack == 1
    assert answer.options is not None
    assert answer.options.tolist() == [2, 10, 2]


def test_a_model_that_is_too_large_is_not_built() -> None:
    """The answer is that nothing is known."""
    rules = [Rule(name=f"r{n}", where={"name": f"vm{n}"}, allow=only(f"{n % 20:02}:00").allow) for n in range(3)]
    limits = at_night(3, Rules(rule=tuple(rules)))
    made = model(limits)
    made.too_large = len(made.size) * 48 > counting_model.MAX_VARIABLES
    assert not made.too_large
    made.too_large = True
    assert made.solve(WORK).outcome is SolveStatus.UNKNOWN


def test_without_work_nothing_is_known() -> None:
    """CP-SAT stops before it begins."""
    limits = at_night(4, Rules(rule=(only("01:00", "05:00"), Rule(name="cap", max_concurrent=2))))
    assert model(limits).solve(0.0).outcome in (SolveStatus.UNKNOWN, SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)
    assert model(limits).num_constraints > 0


def test_vms_without_any_option_are_stuck() -> None:
    """Every bit is set for the second VM only."""
    every = np.uint64((1 << 48) - 1)
    assert stuck(np.array([every - np.uint64(1), every, np.uint64(0)])).tolist() == [1]


@settings(max_examples=15)
@given(st.data())
def test_it_is_a_relaxation_of_every_schedule(data: st.DataObject) -> None:
    """Where some schedule keeps the limits, the model has a solution; alone they are what decides without policies."""
    starts = ("23:00", "01:00", "05:00")
    chosen = [
        data.draw(st.lists(st.sampled_from(starts), min_size=1, max_size=2, unique=True), label="starts")
        for _ in range(3)
    ]
    rules = [Rule(name=f"vm{v}", where={"name": f"vm{v}"}, allow=only(*some).allow) for v, some in enumerate(chosen)]
    rules.append(Rule(name="cap", max_concurrent=data.draw(st.integers(1, 2))))
    if data.draw(st.booleans()):
        rules.append(Rule(name="apart", separate=({"name": "vm0"}, {"name": "vm1"})))
    limits = at_night(3, Rules(rule=tuple(rules), max_moves=data.draw(st.integers(0, 3))))
    dropped = data.draw(st.sampled_from(["", "cap", "max_moves", "apart", "vm0"]))
    kept = [limit for limit in limits.all if limit.name != dropped]
    # without its rule, VM 0 may start at any time: 15:00 is clear of every other start
    schedules = [np.array(options) for options in itertools.product((46, 2, 10, 30), repeat=3)]
    possible = any(not broken_limits(limits, schedule, kept) for schedule in schedules)
    answer = CountingModel(limits, kept, np.arange(3)).solve(WORK)
    assert (answer.outcome is SolveStatus.INFEASIBLE) is not possible
    if answer.options is not None:
        assert not broken_limits(limits, answer.options, kept)


def test_unplanned_items_take_places() -> None:
    """A policy of two VMs holds one item that nobody plans: only one of two VMs can come."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 2, items_reported=1)], [("web", "p"), ("web", "p")])
    settings_ = {"max_vms_per_policy": 2, "max_policies_per_vault": 2, "edit": False}
    for names, outcome in ((["vm0", "vm1"], SolveStatus.INFEASIBLE), (["vm0"], SolveStatus.OPTIMAL)):
        rules = [Rule(name=name, where={"name": name}, allow=only("01:00").allow) for name in names]
        limits = limits_of(Problem(found, Rules(rule=tuple(rules), policies=settings_), flat_risk(2)))
        answer = model(limits).solve(WORK)
        assert (answer.outcome is SolveStatus.INFEASIBLE) == (outcome is SolveStatus.INFEASIBLE)


def test_groups_keep_policies_over_their_limit_apart() -> None:
    """VMs of a policy over its limit may stay without a place; others may not join them."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 2)], [("web", "p")] * 3 + [("web", "q")])
    settings_ = {"max_vms_per_policy": 2, "max_policies_per_vault": 2, "edit": False}
    made = Problem(found, Rules(policies=settings_), flat_risk(4))
    assert model(limits_of(made)).solve(WORK).options is not None
    joins = Rule(name="joins", where={"name": "vm3"}, allow=only("23:00").allow)
    rules = Rules(rule=(joins,), policies=settings_)
    assert model(limits_of(replace(made, rules=rules))).solve(WORK).outcome is SolveStatus.INFEASIBLE


NIGHT = ("23:00", "02:00", "05:00")


def windows(data: st.DataObject, num_vms: int) -> list[Rule]:
    """A rule for each VM, with one or two of three starts that do not overlap."""
    some = st.lists(st.sampled_from(NIGHT), min_size=1, max_size=2, unique=True)
    return [Rule(name=f"vm{v}", where={"name": f"vm{v}"}, allow=only(*data.draw(some)).allow) for v in range(num_vms)]


def keeping(limits: Limits, *without: str) -> list[np.ndarray]:
    """Schedules over the three starts that keep all limits but some."""
    kept = [limit for limit in limits.all if limit.name not in without]
    every = (np.array(options) for options in itertools.product((46, 4, 10), repeat=limits.instance.num_vms))
    return [options for options in every if not broken_limits(limits, options, kept)]


@pytest.mark.parametrize(
    ("rules", "tighter"),
    [
        pytest.param({"max_moves": 2}, {"max_moves": 1}, id="moves"),
        pytest.param({"max_policy_writes": 1}, {"max_policy_writes": 0}, id="writes"),
        pytest.param(
            {"policies": {"max_policies_per_vault": 2, "edit": False}},
            {"policies": {"max_policies_per_vault": 1, "edit": False}},
            id="policies",
        ),
    ],
)
def test_a_limit_allows_what_is_just_enough(rules: dict[str, object], tighter: dict[str, object]) -> None:
    """Two VMs go to 01:00, where one policy has to be written; one less of anything is not enough."""
    window = (only("01:00"),)
    assert model(at_night(2, Rules(rule=window, **rules))).solve(WORK).options is not None  # type: ignore[arg-type]
    less = at_night(2, Rules(rule=window, **tighter))  # type: ignore[arg-type]
    assert model(less).solve(WORK).outcome is SolveStatus.INFEASIBLE


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_cap_allows_as_many_windows_as_it_says(most: int) -> None:
    """As many VMs as the cap start together, and one more does not."""
    rules = Rules(rule=(only("01:00"), Rule(name="cap", max_concurrent=most)))
    assert model(at_night(most, rules)).solve(WORK).options is not None
    assert model(at_night(most + 1, rules)).solve(WORK).outcome is SolveStatus.INFEASIBLE


@settings(max_examples=6)
@given(st.data())
def test_the_slack_of_a_cap_is_the_least_that_any_schedule_exceeds_it_by(data: st.DataObject) -> None:
    """Over all schedules, the most VMs at one of three starts that do not overlap, less the cap."""
    limits = at_night(4, Rules(rule=(*windows(data, 4), Rule(name="cap", max_concurrent=1))))
    least = min(max(np.bincount(options)) - 1 for options in keeping(limits, "cap"))
    answer = model(limits, giving=named(limits, "cap")).solve(WORK)
    assert (answer.outcome, answer.slack) == (SolveStatus.OPTIMAL, least)


@settings(max_examples=6)
@given(st.data())
def test_the_slack_of_the_moves_is_the_fewest_moves_of_any_schedule(data: st.DataObject) -> None:
    """Over all schedules that keep the cap and the windows."""
    rules = Rules(rule=(*windows(data, 3), Rule(name="cap", max_concurrent=data.draw(st.integers(1, 2)))), max_moves=0)
    limits = at_night(3, rules)
    schedules = keeping(limits, "max_moves")
    answer = model(limits, giving=limits.moves).solve(WORK)
    assert (answer.outcome is SolveStatus.INFEASIBLE) == (not schedules)
    assert answer.slack == min((float((options != 46).sum()) for options in schedules), default=None)


@settings(max_examples=6)
@given(st.data())
def test_the_fewest_vms_are_let_off_a_window(data: st.DataObject) -> None:
    """Over all schedules, the VMs outside the window that gives way, the windows of single VMs being kept."""
    limits = at_night(3, Rules(rule=(*windows(data, 3), only("02:00"))))
    schedules = keeping(limits, "only 02:00")
    answer = model(limits, giving=named(limits, "only 02:00"), slack="vms").solve(WORK)
    assert answer.slack == min(float((options != 4).sum()) for options in schedules)
    assert answer.options is not None
    assert int((answer.options != 4).sum()) == answer.slack


@settings(max_examples=6)
@given(st.data())
def test_small_policies_are_a_relaxation_too(data: st.DataObject) -> None:
    """With policies of one or two VMs in a small vault, whatever some schedule keeps, the model finds possible."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 2)], [("web", "p"), ("web", "p"), ("web", "q")])
    policies = {
        "max_vms_per_policy": data.draw(st.sampled_from([1, 2])),
        "max_policies_per_vault": data.draw(st.integers(2, 4)),
        "edit": data.draw(st.booleans()),
    }
    rules = Rules(rule=tuple(windows(data, 3)), policies=policies)
    limits = limits_of(Problem(found, rules, flat_risk(3)))
    answer = model(limits).solve(WORK)
    if answer.outcome is SolveStatus.INFEASIBLE:
        assert not keeping(limits)
    else:
        assert answer.options is not None
        assert not broken_limits(
            limits, answer.options, [limit for limit in limits.all if limit is not limits.policies]
        )


@settings(max_examples=6)
@given(st.data())
def test_a_core_is_impossible_on_its_own(data: st.DataObject) -> None:
    """No schedule keeps the limits of the core, which all come from the limits that were kept."""
    rules = (*windows(data, 3), Rule(name="cap", max_concurrent=1), Rule(name="apart", separate=("vm0", "vm1")))
    limits = at_night(3, Rules(rule=rules, max_moves=1))
    answer = model(limits, assume=True).solve(WORK)
    assert (answer.core is None) == bool(keeping(limits))
    core = [limit.name for limit in answer.core or ()]
    assert set(core) <= {limit.name for limit in limits.all}
    outside = [limit.name for limit in limits.all if limit.name not in core]
    assert not core or model(limits, *outside).solve(WORK).outcome is SolveStatus.INFEASIBLE


def test_the_answer_follows_the_order_of_the_vms_of_the_model() -> None:
    """VM 2 has the late window: it comes first if it is named first."""
    late = Rule(name="late", where={"name": "vm2"}, allow=only("05:00").allow)
    early = Rule(name="early", where={"name": "vm0"}, allow=only("01:00").allow)
    limits = at_night(3, Rules(rule=(late, early)))
    for vms, options in (([2, 0], [10, 2]), ([0, 2], [2, 10])):
        answer = model(limits, vms=vms).solve(WORK)
        assert answer.options is not None and answer.options.tolist() == options


def test_vms_outside_the_model_take_no_room() -> None:
    """Two VMs under a cap of one at one start are impossible, and each of them alone is not."""
    limits = at_night(2, Rules(rule=(only("01:00"), Rule(name="cap", max_concurrent=1))))
    assert model(limits).solve(WORK).outcome is SolveStatus.INFEASIBLE
    for v in range(2):
        assert model(limits, vms=[v]).solve(WORK).options is not None
