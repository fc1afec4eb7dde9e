"""Rules between sets of VMs in the bound: cuts against every joint choice, the bound against every schedule."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import FloatArray
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import no_gates
from optimizer.solve.bound.ascent import ascend, dual_value, evaluate, forced_bounds, start_multipliers
from optimizer.solve.bound.cuts import Cut, find_cuts, rules_without_cut
from optimizer.solve.bound.dual import Multipliers, dual_arrays, empty_answer
from optimizer.solve.bound.dual_gates import evaluate_cuts
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.problem.instance import Instance
from tests.benchmarks.random_problems import brute_force, medium_problem
from tests.prices import fixed_prices
from tests.solve.bound.test_stable import true_forced
from tests.solve.examples import (
    DAILY,
    Problem,
    best_of_all,
    flat_risk,
    inventory,
    policy,
    problems,
    rules_between_sets,
)

ORDER = Rule(name="order", order=("vm?", "vm*"))
CHAIN = Rule(name="chain", order=("vm?", "vm*0", "vm*"), per="service")


@st.composite
def ordered(draw: st.DrawFn) -> Problem:
    """A problem with a rule between sets."""
    problem = draw(problems())
    rules = problem.rules.model_copy(update={"rule": (*problem.rules.rule, draw(rules_between_sets()))})
    return replace(problem, rules=rules)


@st.composite
def with_one_rule(draw: st.DrawFn) -> Problem:
    """A problem with a single rule between sets, so that two VMs clash by no gates but those of one cut."""
    problem, rule = draw(problems()), draw(rules_between_sets())
    others = tuple(one for one in problem.rules.rule if not (one.separate or one.order))
    return replace(problem, rules=problem.rules.model_copy(update={"rule": (*others, rule)}))


def shaken(at: Multipliers, seed: int, by: float = 0.3) -> Multipliers:
    """Other multipliers nearby: nothing is asked of the signs of these two."""
    random, other = np.random.default_rng(seed), at.copy()
    other.lam += random.normal(0, by, other.lam.shape)
    other.kappa += random.normal(0, by, other.kappa.shape)
    return other


def sides_clash(instance: Instance, v: int, w: int, t: int, u: int) -> bool:
    """Whether option ``t`` of one VM clashes with ``u`` of another by any of their gates."""
    gates = instance.gates
    behind = set(gates.vm_gate[gates.vm_begin[w] : gates.vm_begin[w + 1]].tolist())
    return any(
        gates.opponent[place] in behind and gates.clashes[gates.clash[place], t, u]
        for gate in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]]
        for place in range(gates.gate_begin[gate], gates.gate_begin[gate + 1])
    )


def cheapest_choice(instance: Instance, cut: Cut, kappa: FloatArray) -> float:
    """Least that the copies of a cut pay, by trying every joint choice that keeps the rules; infinite: none does."""
    best = np.inf
    members = cut.vms.tolist()
    for options in itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in members)):
        first, second = (list(zip(members, options, strict=True))[part] for part in cut_sides(cut))
        if not any(sides_clash(instance, v, w, t, u) for v, t in first for w, u in second):
            best = min(best, sum(kappa[place, t] for place, t in enumerate(options)))
    return best


def cut_sides(cut: Cut) -> tuple[slice, slice]:
    return slice(0, cut.before), slice(cut.before, None)


@pytest.mark.thorough
@settings(max_examples=150)
@given(with_one_rule(), st.integers(0, 2**16))
def test_a_cut_is_worth_its_cheapest_joint_choice(problem: Problem, seed: int) -> None:
    """At any prices the value of a cut is what trying all choices of its VMs finds, and what is picked costs that.

    A rule with ``within`` makes one cut for the order and one for the hours, so each alone knows half of the rule.
    """
    halves = any(rule.within is not None for rule in problem.rules.rule)
    instance = problem.instance()
    d, begin = dual_arrays(instance), 0
    kappa = np.random.default_rng(seed).normal(0, 1, d.cuts.level.shape)
    picked, values = np.zeros_like(kappa), np.zeros(len(d.cuts.positions))
    assert evaluate_cuts(d.cuts, kappa, picked, values) == pytest.approx(sum(values))
    for cut, value in zip(find_cuts(instance), values, strict=True):
        rows = slice(begin, begin + len(cut.vms))
        begin += len(cut.vms)
        best = cheapest_choice(instance, cut, kappa[rows])
        if halves:
            assert value <= best + 1e-9
        elif np.isfinite(best):
            assert value == pytest.approx(best, abs=1e-9)
            assert (picked[rows] * kappa[rows]).sum() == pytest.approx(value, abs=1e-9)
            assert (picked[rows].sum(axis=1) == 1).all()
        else:
            assert value > 1e12  # no schedule at all


@pytest.mark.thorough
@settings(max_examples=75)
@given(ordered(), st.integers(0, 2**16))
def test_the_bound_is_never_above_the_optimum(problem: Problem, seed: int) -> None:
    """With rules between sets, at the best multipliers and at others, no schedule is cheaper than the bound."""
    best = best_of_all(problem)
    assume(best is not None)
    assert best is not None
    instance = problem.instance()
    ascent = ascend(instance, 150)
    assert ascent.bound <= best[0]
    assert dual_value(dual_arrays(instance), shaken(ascent.best, seed)) <= best[0]


@pytest.mark.thorough
@settings(max_examples=50)
@given(ordered(), st.integers(0, 2**16))
def test_forced_bounds_are_never_above_the_restricted_optimum(problem: Problem, seed: int) -> None:
    """With rules between sets and a VM forced to an option no schedule is cheaper than what its cuts make of it."""
    instance = problem.instance()
    truth, costs = true_forced(problem, instance)
    assume(costs)
    at = ascend(instance, 60).best
    for multipliers in (at, shaken(at, seed)):
        forced = sharp_forced_bounds(instance, multipliers)
        assert (forced <= truth + 1e-6).all()
        assert (forced >= forced_bounds(instance, multipliers)).all()


@settings(max_examples=60)
@given(ordered(), st.integers(0, 2**16))
def test_the_answer_is_a_subgradient(problem: Problem, seed: int) -> None:
    """The dual function lies below its tangent, so that ascent steps go where it can be higher."""
    instance = problem.instance()
    d = dual_arrays(instance)
    at = shaken(start_multipliers(d), seed)
    other = shaken(at, seed + 1, 0.5)
    answer = empty_answer(d)
    value = evaluate(d, at, answer)
    tangent = answer.lam @ (other.lam - at.lam) + (answer.kappa * (other.kappa - at.kappa)).sum()
    assert evaluate(d, other, empty_answer(d)) <= value + tangent + 1e-9 * (1 + abs(value) + abs(tangent))


def rounded(rule: Rule, number: int, num_vms: int, starts: int) -> Instance:
    """A medium instance with a rule."""
    problem = medium_problem(np.random.default_rng([77, number]), num_vms, starts)
    prices = fixed_prices(snapshot_overlap=0.0145, all_at_once=0.0, vault_peak=0.01, policy_write=0.1, move=0.02)
    return replace(problem, rules=Rules(rule=(rule,), prices=prices)).instance()


@pytest.mark.parametrize(
    ("rule", "number", "optimum", "closed"),
    [(ORDER, 0, 1.715005, 0.45), (ORDER, 2, 2.220692, 0.5), (ORDER, 3, 1.87222, 0.3), (CHAIN, 3, 1.793691, 0.3)],
)
def test_the_bound_rises_where_an_order_costs(rule: Rule, number: int, optimum: float, closed: float) -> None:
    """Of the gap to the optimum, which CP-SAT has proven, cuts close about half."""
    instance = rounded(rule, number, 18, 8)
    ascent = ascend(instance, 600)
    without = ascend(replace(instance, gates=no_gates(18)), 600)
    assert without.bound <= ascent.bound <= optimum
    assert (ascent.bound - without.bound) / (optimum - without.bound) >= closed


def test_an_instance_of_two_vms_is_tight() -> None:
    """Both want 23:00 and one has to come first: the bound is the optimum, which no constraint on pairs would give."""
    policies = [policy("p0", "v", 46), policy("p1", "w", 46)]
    risk = flat_risk(2, 9.0)
    risk[:, 46], risk[:, [36, 4]] = 0.0, 1.0
    found = inventory(policies, [("a", "p0"), ("b", "p1")])
    rules = Rules(rule=(Rule(name="order", order=("vm0", "vm1")),), max_risk_increase=1.0)
    instance = Problem(found, rules, risk).instance()
    best = brute_force(instance)
    assert best is not None
    assert ascend(instance, 600).bound == pytest.approx(best[0], rel=1e-3)
    assert ascend(replace(instance, gates=no_gates(2)), 600).bound <= 1e-6


def test_few_cuts_hold_a_chain() -> None:
    """Three sets of two patterns, five pairs of gates, need two cuts: one threshold between each two sets."""
    policies = [policy("p0", "v", 46), policy("p1", "v", 46, DAILY, "India Standard Time")]
    found = inventory(policies, [("web", f"p{n % 2}") for n in range(6)])
    rule = Rule(name="chain", order=("vm0", "vm1", "vm*"))
    cuts = find_cuts(Problem(found, Rules(rule=(rule,)), flat_risk(6)).instance())
    assert sorted(len(cut.vms) for cut in cuts) == [2, 6]


def test_without_rules_between_sets_there_are_no_copies() -> None:
    """Multipliers of an instance without gates have none, and do not fit one that has some."""
    with_gates = rounded(ORDER, 0, 12, 6)
    without = replace(with_gates, gates=no_gates(12))
    at = ascend(without, 20).best
    assert at.kappa.shape == (0, 48)
    assert ascend(with_gates, 20, start=at).best.kappa.shape == (12, 48)


@pytest.mark.parametrize(
    ("rule", "names"),
    [(ORDER, []), (CHAIN, []), (Rule(name="apart", separate=("vm?", "vm*")), ["apart"])],
)
def test_rules_that_the_bound_does_not_know_are_named(rule: Rule, names: list[str]) -> None:
    """What ``order`` costs is in the bound, what ``separate`` costs is not, and that is said."""
    problem = medium_problem(np.random.default_rng(1), 18, 8)
    assert rules_without_cut(problem.instance()) == []
    instance = replace(problem, rules=Rules(rule=(rule,))).instance()
    assert len(instance.gates)
    assert rules_without_cut(instance) == names
