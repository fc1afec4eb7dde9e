"""Which schedules can be carried out write by write, and with how few writes, against every order of writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import PolicyLimits, Rules
from optimizer.model.selectors import Selector
from optimizer.ordering.trails import Move, order_of_moves
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import Outcome, ScopedModel, whole
from optimizer.solve.problem.breaches import BreachKind, breaches
from optimizer.solve.problem.cost import count_creations, count_edits, evaluate, is_feasible
from optimizer.solve.problem.executable import vault_writes
from optimizer.solve.problem.limits import POLICIES_PER_VAULT, Limits
from optimizer.solve.search.solved import Solved, Unsolvable
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from tests.prices import fixed_prices
from tests.solve.examples import Problem, best_of_all, flat_risk, inventory, only, policy
from tests.solve.orders import Wish, can_be_ordered, fewest_writes

STARTS = (2, 9, 20)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Up to four policies of up to three VMs, mostly full, many of which all go to one start."""
    limit = draw(st.integers(1, 3))
    starts, homes, targets, strangers = [], [], [], []
    for number in range(draw(st.integers(1, 4))):
        start = draw(st.sampled_from(STARTS))
        size = min(draw(st.sampled_from([limit, limit, draw(st.integers(0, limit))])), 6 - len(homes))
        unanimous = draw(st.none() | st.sampled_from(STARTS))
        unknown = draw(st.sampled_from([0] * 9 + [1])) if size < limit else 0
        starts.append(start)
        strangers.append(unknown)
        homes += [number] * size
        targets += [draw(st.sampled_from(STARTS)) if unanimous is None else unanimous for _ in range(size)]
    pinned = frozenset({0}) if homes and draw(st.sampled_from([False] * 6 + [True])) else frozenset()
    targets = [
        starts[home] if vm in pinned else target for vm, (home, target) in enumerate(zip(homes, targets, strict=True))
    ]
    return Wish(
        tuple(starts),
        tuple(homes),
        tuple(targets),
        limit,
        draw(st.sampled_from([0, 0, 1, 2])),
        tuple(strangers),
        pinned,
    )


@settings(max_examples=60)
@given(wishes())
def test_the_fewest_writes_are_those_of_the_best_order(wish: Wish) -> None:
    """Status and number of writes are those of trying every order, with and without a taste for edits."""
    fewest = fewest_writes(wish)
    for prefer_edits in (False, True):
        found = vault_writes(
            wish.families(), np.array(wish.targets, dtype=np.int64), wish.items(), 0, prefer_edits=prefer_edits
        )
        assert found.possible == (fewest is not None)
        assert not found.possible or found.created + len(found.edited) == fewest


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 4), st.integers(0, 4)), max_size=7),
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
def test_moves_are_ordered_wherever_there_is_an_order(moves: list[tuple[int | None, int]], room: list[int]) -> None:
    """The trails find an order exactly where trying all of them does, and each VM finds room in it."""
    moves = [(before, after) for before, after in moves if before != after]
    order = order_of_moves([Move(row, *move) for row, move in enumerate(moves)], dict(enumerate(room)))
    left = Counter(dict(enumerate(room)))
    fits = sorted(order) == list(range(len(moves)))
    for row in order:
        before, after = moves[row]
        fits &= left[after] > 0
        left[after] -= 1
        if before is not None:
            left[before] += 1
    assert fits == can_be_ordered(moves, dict(enumerate(room)))


def _swap(size: int, *, room: int, moving: int, edit: bool = True, **prices: float) -> Problem:
    """Two full policies at 02:00 and 23:00; so many VMs of each want the other's hour, which suits the others not."""
    found = inventory(
        [policy("early", "v", 4), policy("late", "v", 46)],
        [(f"s{n}", name) for name in ("early", "late") for n in range(size)],
    )
    risk = flat_risk(2 * size, 30.0)
    for v in range(2 * size):
        today, other = (4, 46) if v < size else (46, 4)
        risk[v, today] = 0.0
        if v % size < moving:
            risk[v, today], risk[v, other] = 9.0, 0.0
    limits = PolicyLimits(max_vms_per_policy=size, max_policies_per_vault=2 + room, edit=edit)
    return Problem(
        found, Rules(policies=limits, prices=fixed_prices(vault_peak=0.0, snapshot_overlap=0.0, **prices)), risk
    )


def test_full_policies_that_change_hours_are_edited() -> None:
    """Two full policies in a full vault want each other's hours (V2a): two edits, priced as such, proven optimal."""
    problem = _swap(4, room=0, moving=4, move=0.0)
    instance = problem.instance()
    result = solve(instance, Search(effort=100, gap=0))
    assert result.is_optimal
    assert isinstance(result, Solved)
    assert (result.cost.writes, result.cost.num_moves) == (2, 8)
    assert result.cost.total == pytest.approx(0.2)
    assert count_edits(instance, result.options).tolist() == [2]
    assert count_creations(instance, result.options).tolist() == [0]


def test_where_no_order_exists_vms_stay() -> None:
    """One VM of each full policy wants the other's hour and the vault is full: nobody moves, and that is optimal."""
    problem = _swap(4, room=0, moving=1)
    swapped = problem.instance().today.copy()
    swapped[[0, 4]] = swapped[[4, 0]]
    (breach,) = breaches(Limits(problem.instance(), problem.restrictions, problem.rules), swapped)
    assert (breach.kind, breach.limit) == (BreachKind.POLICIES, POLICIES_PER_VAULT)
    assert breach.vms == tuple(range(len(swapped)))
    result = solve(problem.instance(), Search(effort=100, gap=0))
    assert result.is_optimal
    assert (result.cost.num_moves, result.cost.total) == (0, pytest.approx(18.0))


@pytest.mark.parametrize(("price", "moves"), [(0.5, 2), (30.0, 0)])
def test_a_policy_for_the_swap_is_priced_in_the_search(price: float, moves: int) -> None:
    """With room for one policy the two VMs change places where that gains more than the policy costs."""
    result = solve(_swap(4, room=1, moving=1, policy_write=price, move=0.0).instance(), Search(effort=100, gap=0))
    assert result.is_optimal
    assert (result.cost.num_moves, result.cost.writes) == (moves, moves // 2)


@pytest.mark.parametrize(("policies", "size"), [(3, 5), (6, 10), (10, 6)])
def test_rings_of_full_policies_stay_in_a_full_vault(policies: int, size: int) -> None:
    """One VM of each policy of a ring wants the next one's hour (V2b): all stay, at 15 for each."""
    names = [f"p{n}" for n in range(policies)]
    found = inventory(
        [policy(name, "v", 4 * n) for n, name in enumerate(names)],
        [(f"s{n}-{m}", name) for n, name in enumerate(names) for m in range(size)],
    )
    risk = flat_risk(policies * size, 30.0)
    for v in range(policies * size):
        today, after = 4 * (v // size), 4 * ((v // size + 1) % policies)
        risk[v, today] = 0.0
        if v % size == 0:
            risk[v, today], risk[v, after] = 15.0, 0.0
    limits = PolicyLimits(max_vms_per_policy=size, max_policies_per_vault=policies)
    instance = Problem(
        found, Rules(policies=limits, prices=fixed_prices(snapshot_overlap=0.0, vault_peak=0.0)), risk
    ).instance()
    result = solve(instance, Search(effort=5, gap=0))
    assert result.is_optimal
    assert isinstance(result, Solved)
    assert result.options.tolist() == instance.today.tolist()
    assert result.cost.total == pytest.approx(15.0 * policies)


@pytest.mark.parametrize("held", [60, 90])
def test_a_whole_policy_moves_in_a_full_vault(held: int) -> None:
    """100 VMs of one policy want an hour whose twin holds 60 or 90 of 100, in a full vault (V3): one edit does it."""
    found = inventory(
        [policy("late", "v", 46), policy("early", "v", 4)], [("", "late")] * 100 + [("", "early")] * held
    )
    found = replace(found, vms={key: replace(vm, service=key) for key, vm in found.vms.items()})
    risk = flat_risk(100 + held, 30.0)
    risk[:100, 46], risk[:, 4] = 9.0, 0.0
    limits = PolicyLimits(max_policies_per_vault=2)
    instance = Problem(found, Rules(policies=limits, prices=fixed_prices(vault_peak=0.0)), risk).instance()
    result = solve(instance, Search(effort=100, gap=0))
    assert result.cost.total == pytest.approx(2.1)
    assert result.is_optimal


def test_edits_may_follow_each_other() -> None:
    """A policy may leave a start that another one comes to: two edits where no policy can be created."""
    found = inventory(
        [policy("a", "v", 4), policy("b", "v", 10), policy("c", "v", 20)],
        [("s0", "a"), ("s1", "a"), ("s2", "b"), ("s3", "b"), ("s4", "c"), ("s5", "c")],
    )
    limits = PolicyLimits(max_vms_per_policy=2, max_policies_per_vault=3)
    problem = Problem(found, Rules(policies=limits), flat_risk(6))
    options = np.array([10, 10, 20, 20, 20, 20])
    assert is_feasible(problem.instance(), options)
    assert evaluate(problem.instance(), options).writes == 2
    assert count_edits(problem.instance(), options).tolist() == [2]


@pytest.mark.parametrize(("room", "outcome"), [(0, Outcome.INFEASIBLE), (1, Outcome.FEASIBLE)])
def test_a_swap_that_the_rules_force_needs_room_in_the_vault(room: int, outcome: Outcome) -> None:
    """Two VMs must change places between full policies: without room it is the vault's limit that forbids it."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20), policy("r", "v", 4)], [("a", "p"), ("b", "q")])
    rules = Rules(
        rule=(
            only("10:00").model_copy(update={"where": Selector(name="vm0")}),
            only("23:00").model_copy(update={"where": Selector(name="vm1")}),
        ),
        policies=PolicyLimits(max_vms_per_policy=1, max_policies_per_vault=3 + room, edit=False),
    )
    problem = Problem(found, rules, flat_risk(2))
    limits = Limits(problem.instance(), problem.restrictions, rules)
    assert Feasibility(limits, Budget(20.0)).check(limits.all).outcome is outcome
    assert Feasibility(limits, Budget(20.0)).check({*limits.all} - {limits.policies}).outcome is Outcome.FEASIBLE
    result = solve(problem.instance(), Search(effort=5))
    assert isinstance(result, Solved if outcome is Outcome.FEASIBLE else Unsolvable)


@st.composite
def tight_problems(draw: st.DrawFn) -> Problem:
    """Up to five VMs in full or nearly full policies of one or two, and a vault with little room."""
    limit = draw(st.integers(1, 2))
    policies = [policy(f"p{n}", "v", draw(st.sampled_from(STARTS))) for n in range(draw(st.integers(1, 4)))]
    vms = [
        (draw(st.sampled_from("ab")), p.name)
        for p in policies
        for _ in range(draw(st.sampled_from([limit, limit, 1])))
    ]
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    risk = np.full((len(vms[:5]), 48), 50.0)
    risk[:, list(STARTS)] = random.uniform(0.0, 3.0, (len(risk), len(STARTS))).round(2)
    limits = PolicyLimits(
        max_vms_per_policy=limit,
        max_policies_per_vault=len(policies) + draw(st.sampled_from([0, 0, 1])),
        edit=draw(st.booleans()),
    )
    prices = fixed_prices(policy_write=draw(st.sampled_from([0.0, 0.1, 0.7])))
    return Problem(
        inventory(policies, vms[:5]),
        Rules(policies=limits, prices=prices, max_risk_increase=draw(st.sampled_from([0.1, 5.0]))),
        risk,
    )


@pytest.mark.thorough
@settings(max_examples=25)
@given(tight_problems())
def test_tight_problems_are_solved_as_by_trying_everything(problem: Problem) -> None:
    """Cost and status are those of the best schedule that some order of writes carries out; bounds stay below it."""
    best = best_of_all(problem)
    assert best is not None  # today's schedule
    instance = problem.instance()
    answer = ScopedModel(instance, whole(instance, instance.today)).solve(20.0, 0)
    assert answer.bound is not None
    result = solve(instance, Search(effort=5, gap=0))
    assert isinstance(result, Solved)
    assert is_feasible(instance, result.options)
    assert result.bound <= best[0] + 1e-6
    assert result.cost.total == pytest.approx(best[0], abs=1e-6)
