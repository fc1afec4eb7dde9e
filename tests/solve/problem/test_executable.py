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
from optimizer.solve.exact.cpsat import ScopedModel, SolveStatus, whole
from optimizer.solve.problem.breaches import BreachKind, breaches
from optimizer.solve.problem.cost import count_creations, count_edits, evaluate, is_feasible, policy_counts
from optimizer.solve.problem.executable import (
    VaultWrites,
    edits_and_creations,
    extra_writes,
    families_of,
    part_of,
    rings_without_room,
    vault_writes,
    whole_policies,
    without_impossible_options,
)
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import POLICIES_PER_VAULT, Limits
from optimizer.solve.search.solved import Solved, Unsolvable
from optimizer.solve.search.solver import solve
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from tests.prices import fixed_prices
from tests.solve.examples import Problem, best_of_all, flat_risk, inventory, only, policy
from tests.solve.orders import Wish, can_be_ordered, fewest_writes
from tests.solve.small_instances import Shape, small_instance

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


@pytest.mark.parametrize(("room", "outcome"), [(0, SolveStatus.INFEASIBLE), (1, SolveStatus.FEASIBLE)])
def test_a_swap_that_the_rules_force_needs_room_in_the_vault(room: int, outcome: SolveStatus) -> None:
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
    assert Feasibility(limits, Budget(20.0)).check({*limits.all} - {limits.policies}).outcome is SolveStatus.FEASIBLE
    result = solve(problem.instance(), Search(effort=5))
    assert isinstance(result, Solved if outcome is SolveStatus.FEASIBLE else Unsolvable)


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


def two_policies(
    room: int, *, editable: tuple[bool, bool] = (True, True), per_policy: int = 1, unknown: int = 0
) -> Instance:
    """Policies at 4 and 9 of one twin key, each with as many VMs as it may hold."""
    first, second = tuple(range(per_policy)), tuple(range(per_policy, 2 * per_policy))
    shape = Shape(
        policies=[(0, 4, first, editable[0]), (0, 9, second, editable[1])],
        per_new=per_policy,
        per_old=per_policy,
        room=(room,),
        unknown={(0, 4): unknown},
    )
    return small_instance([4] * per_policy + [9] * per_policy, shape=shape)


def writes_of(instance: Instance, options: list[int], *, prefer_edits: bool = False) -> VaultWrites:
    """The writes of the only vault."""
    chosen = np.array(options, dtype=np.int64)
    items = policy_counts(instance, chosen)
    return vault_writes(families_of(instance), chosen, items, 0, prefer_edits=prefer_edits)


@pytest.mark.parametrize(
    ("room", "options", "writes"),
    [
        pytest.param(5, [4, 9], (True, 0, 0), id="nothing changes"),
        pytest.param(5, [20, 9], (True, 1, 0), id="a creation, as there is room"),
        pytest.param(0, [20, 9], (True, 0, 1), id="an edit, as there is none"),
        pytest.param(5, [9, 4], (True, 1, 0), id="a swap through a new policy"),
        pytest.param(0, [9, 4], (True, 0, 2), id="a swap by two edits"),
        pytest.param(0, [20, 30], (True, 0, 2), id="both are edited"),
        pytest.param(1, [20, 30], (True, 0, 2), id="of as many writes, those with fewer creations"),
    ],
)
def test_creations_and_edits_of_two_policies_of_one_vm(
    room: int, options: list[int], writes: tuple[bool, int, int]
) -> None:
    """Creations where there is room for all of them, otherwise the choice with the fewest writes."""
    found = writes_of(two_policies(room), options)
    assert (found.possible, found.created, len(found.edited)) == writes


def test_edits_are_preferred_where_they_take_no_more_writes() -> None:
    """With a taste for edits, the policy is edited even though there is room; a swap takes fewer writes without."""
    assert len(writes_of(two_policies(5), [20, 9], prefer_edits=True).edited) == 1
    swap = writes_of(two_policies(5), [9, 4], prefer_edits=True)
    assert (swap.created, len(swap.edited)) == (1, 0)


def test_rings_name_the_cells_that_need_a_policy() -> None:
    """The swap of the two cells is one ring; the other cells are in none."""
    rings = writes_of(two_policies(1), [9, 4]).rings[0]
    assert set(np.flatnonzero(rings >= 0).tolist()) == {4, 9}
    assert rings[4] == rings[9]
    assert (writes_of(two_policies(1), [20, 9]).rings == -1).all()


def test_policies_that_must_not_be_edited_block_the_swap_of_a_full_vault() -> None:
    """No order exists; the ring that blocks it is given."""
    instance = two_policies(0, editable=(False, False))
    options = np.array([9, 4])
    items = policy_counts(instance, options)
    extra, stuck = extra_writes(instance, options, items)
    assert (extra.tolist(), stuck.tolist()) == ([0], [True])
    ((key, cells),) = rings_without_room(instance, options, items)
    assert (key, cells.tolist()) == (0, [4, 9])
    free = two_policies(1, editable=(False, False))
    assert list(rings_without_room(free, options, items)) == []
    assert extra_writes(free, options, items)[0].tolist() == [1]


def test_a_policy_whose_vms_part_is_not_edited() -> None:
    """VMs 0 and 1 go to different starts: two creations, which a vault with room for one cannot have."""
    options = [20, 30, 9, 9]
    assert writes_of(two_policies(2, per_policy=2), options).created == 2
    assert not writes_of(two_policies(1, per_policy=2), options).possible


def test_edits_and_creations_are_counted_by_vault() -> None:
    """Two vaults, one of which only needs a creation."""
    policies = [(0, 4, (0,), True), (1, 4, (1, 2), True)]
    shape = Shape(key=[0, 1, 1], key_vault=(0, 1), room=(0, 5), policies=policies, per_new=2, per_old=2)
    instance = small_instance([4, 4, 4], shape=shape)
    options = np.array([9, 4, 9])
    edits, created = edits_and_creations(instance, options, policy_counts(instance, options))
    assert (edits.tolist(), created.tolist()) == ([1, 0], [0, 1])


def test_room_is_what_policies_of_today_could_take() -> None:
    """Unplanned items and VMs that are counted take places; a policy over its limit has none."""
    policies = [(0, 4, (0, 1), True), (0, 9, (2,), True)]
    shape = Shape(policies=policies, per_new=3, per_old=3, unknown={(0, 9): 1})
    f = families_of(small_instance([4, 4, 9], shape=shape))
    assert (f.room_today[0, 4], f.room_today[0, 9], f.room_today[0, 20]) == (1, 1, 0)
    assert not f.tight[0]
    assert families_of(two_policies(1)).tight.tolist() == [True]


def test_the_largest_policies_come_first_in_each_vault() -> None:
    """Policies that must not be edited are left out; each VM knows its policy."""
    policies = [(0, 4, (0,), True), (1, 4, (1, 2), True), (0, 9, (3, 4), True), (0, 20, (5,), False)]
    shape = Shape(key=[0, 1, 1, 0, 0, 0], key_vault=(0, 1), room=(1, 1), policies=policies)
    f = families_of(small_instance([4, 4, 4, 9, 9, 20], shape=shape))
    assert f.vault_policy_begin.tolist() == [0, 2, 3]
    assert np.diff(f.policy_vm_begin).tolist() == [2, 1, 2]
    assert f.vm_policy.tolist() == [1, 2, 2, 0, 0, -1]


@pytest.mark.parametrize(("room", "pinned", "whole"), [(1, (), [0, 1]), (2, (), []), (1, (0,), [1])])
def test_policies_whose_vms_may_move_together(room: int, pinned: tuple[int, ...], whole: list[int]) -> None:
    """Only in a vault without room for a new policy each, and without pinned VMs."""
    instance = two_policies(room)
    movable = ~np.isin(np.arange(2), pinned)
    assert whole_policies(families_of(instance), movable).tolist() == whole


def test_options_that_no_order_of_writes_reaches_are_removed() -> None:
    """In a full vault, VMs of a full policy stay together, and stay at all if the policy must not be edited."""
    instance = two_policies(0, editable=(True, False), per_policy=2)
    narrow = replace(instance, allowed=instance.allowed & ~np.isin(np.arange(48), [30]))
    narrow.allowed[0, 20] = False
    found = without_impossible_options(narrow).allowed
    assert not found[[0, 1], 20].any() and not found[:, 30].any()
    assert found[1, 33] and found[0, 33]
    assert [np.flatnonzero(row).tolist() for row in found[2:]] == [[9], [9]]
    roomy = two_policies(1, per_policy=2)
    assert without_impossible_options(roomy) is roomy


def test_a_part_of_the_vaults_has_numbers_of_its_own() -> None:
    """The second of two vaults alone: the same policies, VMs and room, numbered from 0."""
    policies = [(0, 4, (0,), True), (1, 4, (1, 2), True), (2, 9, (3,), True)]
    shape = Shape(key=[0, 1, 1, 2], key_vault=(0, 1, 1), room=(3, 7), policies=policies)
    whole = families_of(small_instance([4, 4, 4, 9], shape=shape))
    part = part_of(whole, np.array([1, 2, 3]), np.array([1, 2]), np.array([1]))
    assert part.key.tolist() == [0, 0, 1]
    assert part.today.tolist() == [4, 4, 9]
    assert part.vault_room.tolist() == [7]
    assert part.policy_vm.tolist() == [0, 1, 2]
    assert part.vm_policy.tolist() == [0, 0, 1]
    assert part.vault_policy_begin.tolist() == [0, 2]
    assert part.room_today.tolist() == whole.room_today[1:].tolist()
