"""Whether limits can hold although VMs trade places between full policies, against every order of writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import format_start
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import LimitKind, Limits
from optimizer.solve.why_not.counting_model import CountingModel
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.full_rings import connected, forbid_rings
from tests.solve.examples import Problem, every_schedule, flat_risk, inventory, obvious_feasible, only, policy

A, B, C = 2, 9, 20


def traders(
    homes: Sequence[int], goals: Sequence[Sequence[int]], *, limit: int, vault: int, writes: int | None = None
) -> Problem:
    """VMs that start at ``homes``, in policies of ``limit`` VMs of one vault, and may start at their goals only.

    ``vault`` is the maximum number of policies of the vault, and ``writes`` the maximum number of policy writes.
    """
    starts = [start for start in sorted(set(homes)) for _ in range(-(-homes.count(start) // limit))]
    policies = [policy(f"p{number}", "v", start) for number, start in enumerate(starts)]
    rank = [homes[:v].count(home) // limit for v, home in enumerate(homes)]
    names = [f"p{starts.index(home) + of}" for home, of in zip(homes, rank, strict=True)]
    rules = tuple(
        Rule(name=f"vm{v}", where=Selector(name=f"vm{v}"), allow=only(*map(format_start, goal)).allow)
        for v, goal in enumerate(goals)
    )
    most = {"max_vms_per_policy": limit, "max_policies_per_vault": vault}
    found = inventory(policies, [("web", name) for name in names])
    return Problem(found, Rules(rule=rules, policies=most), flat_risk(len(homes)), max_writes=writes)


def answer(problem: Problem, *dropped: LimitKind) -> SolveStatus:
    """Whether all limits but some can hold."""
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    kept = [limit for limit in limits.all if limit.kind not in dropped]
    return Feasibility(limits, Budget(100.0)).check(kept).outcome


@pytest.mark.parametrize(
    ("writes", "vault", "outcome"),
    [
        pytest.param(0, 3, SolveStatus.INFEASIBLE, id="the swap needs a new policy"),
        pytest.param(1, 3, SolveStatus.FEASIBLE, id="a new policy is allowed"),
        pytest.param(1, 2, SolveStatus.INFEASIBLE, id="in a full vault, the swap edits both policies"),
        pytest.param(2, 2, SolveStatus.FEASIBLE, id="two edits are allowed"),
    ],
)
def test_two_full_policies_trade_their_vms(writes: int, vault: int, outcome: SolveStatus) -> None:
    """Each policy holds one VM, and each VM has to go where the other is: one creation, or two edits."""
    assert answer(traders([A, B], [[B], [A]], limit=1, vault=vault, writes=writes)) is outcome


def test_an_edited_policy_brings_no_place_for_a_swap() -> None:
    """Two VMs take their policy along to B; two others would still have to trade places between full policies."""
    trade = [[B], [B], [B], [A], [A], [B]]
    assert answer(traders([A, A, A, A, B, B], trade, limit=2, vault=3)) is SolveStatus.INFEASIBLE
    assert answer(traders([A, A, A, A, B, B], trade, limit=2, vault=4)) is SolveStatus.FEASIBLE
    whole = [[B], [B], [B], [A, B], [A], [A, B]]
    assert answer(traders([A, A, A, A, B, B], whole, limit=2, vault=3)) is SolveStatus.FEASIBLE


def test_a_policy_that_leaves_takes_its_free_place_away() -> None:
    """VM 2 takes its half empty policy from A to C, so VMs 0 and 3 have no place left to trade through."""
    homes = [A, A, A, B, B]
    assert answer(traders(homes, [[B], [A], [A], [A], [B]], limit=2, vault=3)) is SolveStatus.FEASIBLE
    assert answer(traders(homes, [[B], [A], [C], [A], [B]], limit=2, vault=3)) is SolveStatus.INFEASIBLE


def test_a_policy_that_arrives_brings_its_free_place() -> None:
    """VM 0 takes its half empty policy from A to C, where VMs 1 and 3 trade through the free place."""
    assert answer(traders([A, B, B, C, C], [[C], [C], [B], [B], [C]], limit=2, vault=3)) is SolveStatus.FEASIBLE
    assert (
        answer(traders([A, A, B, B, C, C], [[A], [C], [C], [B], [B], [C]], limit=2, vault=3)) is SolveStatus.INFEASIBLE
    )


def test_a_vm_that_leaves_makes_room() -> None:
    """The policy at C has a place, and only VM 0 may take it, so that VM 2 can follow; otherwise both are stuck."""
    homes = [A, A, B, B, C]
    assert answer(traders(homes, [[B], [A], [A], [B], [C]], limit=2, vault=3)) is SolveStatus.INFEASIBLE
    problem = traders(homes, [[B, C], [A], [A], [B], [C]], limit=2, vault=3)
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    model = CountingModel(limits, limits.all, np.arange(5))
    model.model.minimize(model.n[model.group_of[0], C])  # prefers the ring, to see what forbids it
    ring = model.solve(10.0)
    assert ring.options is not None and ring.options.tolist() == [B, A, A, B, C]
    assert forbid_rings(model, ring.options)
    found = model.solve(10.0)
    assert found.options is not None and found.options.tolist() == [C, A, A, B, C]
    assert not forbid_rings(model, found.options)


def test_without_the_limit_of_policies_only_creations_are_counted() -> None:
    """In a full vault, the swap takes two edits; if the vault could grow, one write would do."""
    swap = traders([A, B], [[B], [A]], limit=1, vault=2, writes=1)
    assert answer(swap) is SolveStatus.INFEASIBLE
    assert answer(swap, LimitKind.POLICIES_PER_VAULT) is SolveStatus.FEASIBLE
    assert answer(replace(swap, max_writes=0), LimitKind.POLICIES_PER_VAULT) is SolveStatus.INFEASIBLE
    assert answer(replace(swap, max_writes=0), LimitKind.POLICY_WRITES) is SolveStatus.FEASIBLE


def test_a_witness_without_an_order_of_writes_says_nothing_of_writes() -> None:
    """In a full vault the trade has no order; with room it would need a write, and none is allowed."""
    problem = traders([A, A, B, B], [[B], [A], [A], [B]], limit=2, vault=2, writes=0)
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    feasibility = Feasibility(limits, Budget(100.0))
    feasibility.witness(np.array([B, A, A, B]))
    kept = [limit for limit in limits.all if limit.kind is not LimitKind.POLICIES_PER_VAULT]
    assert feasibility.check(kept).outcome is SolveStatus.INFEASIBLE
    few = [limit for limit in kept if limit.kind is not LimitKind.POLICY_WRITES]
    assert feasibility.check(few).outcome is SolveStatus.FEASIBLE


def test_vms_outside_the_model_might_make_room() -> None:
    """Without VM 1, which could leave A, a model cannot know that the swap of VMs 0 and 2 has no order."""
    problem = traders([A, A, B, B], [[B], [A, C], [A], [B]], limit=2, vault=2)
    limits = Limits(problem.instance(), problem.restrictions, problem.rules)
    model = CountingModel(limits, limits.all, np.array([0, 2, 3]))
    found = model.solve(10.0)
    assert found.options is not None
    assert found.options.tolist() == [B, A, B]
    assert not forbid_rings(model, found.options)


def test_connected_groups_of_starts() -> None:
    """Pairs that share a start belong together, in whatever order they come."""
    assert set(connected([(1, 2), (3, 4), (5, 5), (4, 2)])) == {frozenset({1, 2, 3, 4}), frozenset({5})}
    assert connected([]) == []


@settings(max_examples=20)
@given(st.data())
def test_answers_are_those_of_every_schedule_and_every_order_of_writes(data: st.DataObject) -> None:
    """Up to five VMs in full policies, a vault with little room, few writes; some limits are dropped."""
    limit = data.draw(st.integers(1, 2))
    homes = sorted(data.draw(st.lists(st.sampled_from([A, B, C]), min_size=2, max_size=5)))
    goals = [data.draw(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=2, unique=True)) for _ in homes]
    vault = len(set(homes)) + data.draw(st.integers(0, 2))
    problem = traders(homes, goals, limit=limit, vault=vault, writes=data.draw(st.none() | st.integers(0, 2)))
    dropped = data.draw(st.sampled_from([(), (LimitKind.POLICIES_PER_VAULT,), (LimitKind.POLICY_WRITES,)]))
    relaxed = replace(problem, max_writes=None if LimitKind.POLICY_WRITES in dropped else problem.max_writes)
    if LimitKind.POLICIES_PER_VAULT in dropped:
        policies = problem.rules.policies.model_copy(update={"max_policies_per_vault": 100})
        relaxed = replace(relaxed, rules=problem.rules.model_copy(update={"policies": policies}))
    possible = any(obvious_feasible(relaxed, options) for options in every_schedule(relaxed))
    assert answer(problem, *dropped) is (SolveStatus.FEASIBLE if possible else SolveStatus.INFEASIBLE)
