"""Each family of the CP-SAT model alone: its set of solutions and its prices, against loops over all schedules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.set_constraints import SetConstraints
from optimizer.solve.exact import cpsat
from optimizer.solve.exact.cpsat import FAMILIES, Family, ScopedModel, SolveStatus, Subproblem
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.orders import Wish, fewest_writes
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance

STARTS = (4, 9, 20)
POLICIES = (cpsat.add_policy_capacity, cpsat.add_vault_policy_limit)

Schedule = tuple[int, ...]


def agreeing(fixed: Sequence[int], free: Iterable[int]) -> Iterator[Schedule]:
    """Every schedule over the three starts in which all VMs but the free ones start as given."""
    free = set(free)
    yield from itertools.product(*(STARTS if v in free else (start,) for v, start in enumerate(fixed)))


def model_of(
    instance: Instance,
    families: Iterable[Family],
    fixed: Sequence[int] | None = None,
    free: Sequence[int] | None = None,
) -> ScopedModel:
    """A model of one option per VM and some families; all VMs are free unless some are named."""
    start = instance.today if fixed is None else np.array(fixed)
    scope = Subproblem(dict.fromkeys(range(instance.num_vms) if free is None else free, STARTS), start)
    return ScopedModel(instance, scope, (cpsat.add_one_option_per_vm, *families))


def solutions(model: ScopedModel) -> set[Schedule]:
    """Every schedule that a model allows, each found by forbidding those before it."""
    found: set[Schedule] = set()
    while (answer := model.solve(5.0, 0)).options is not None:
        schedule = tuple(answer.options.tolist())
        assert schedule not in found
        found.add(schedule)
        model.model.add_bool_or([model.variables.x[v, schedule[v]].negated() for v in model.scope.options])
    assert answer.outcome is SolveStatus.INFEASIBLE
    return found


def price(model: ScopedModel, schedule: Schedule) -> float:
    """What the objective of a model charges for a schedule."""
    for v in model.scope.options:
        model.model.add(model.variables.x[v, schedule[v]] == 1)
    answer = model.solve(5.0, 0)
    assert answer.options is not None and tuple(answer.options.tolist()) == schedule
    assert answer.bound is not None
    return answer.bound


def needed(instance: Instance, options: Schedule, keys: Iterable[int], edits: Sequence[tuple[int, int]] = ()) -> int:
    """Policies that the keys have to write, cell by cell, if some policies are edited to other starts."""
    writes = 0
    for k, t in itertools.product(keys, range(48)):
        own = [v for v in range(instance.num_vms) if instance.key[v] == k and options[v] == t]
        held = int(instance.unknown[k, t]) + sum(bool(instance.counted(v, t)) for v in own)
        off = sum((instance.policies[p].key, instance.policies[p].option) == (k, t) for p, _ in edits)
        to = sum((instance.policies[p].key, start) == (k, t) for p, start in edits)
        lacking = held - instance.vms_per_existing_policy * (int(instance.existing[k, t]) - off)
        writes += max(0, to, math.ceil(lacking / instance.vms_per_new_policy))
    return writes


def fits_vaults(instance: Instance, options: Schedule) -> bool:
    """Whether every vault has room for its policies with some set of edits, whatever the order of writes."""
    for vault, room in enumerate(instance.vault_room.tolist()):
        keys = np.flatnonzero(instance.key_vault == vault).tolist()
        possible = []
        for p, policy in enumerate(instance.policies):
            goals = {options[v] for v in policy.vms}
            if policy.editable and policy.key in keys and len(goals) == 1 and policy.option not in goals:
                possible.append((p, goals.pop()))
        chosen = (edits for n in range(len(possible) + 1) for edits in itertools.combinations(possible, n))
        if all(needed(instance, options, keys, edits) - len(edits) > room for edits in chosen):
            return False
    return True


def two_against_one(clash: np.ndarray) -> SetConstraints:
    """Gates of a rule that keeps VMs 0 and 1 apart from VM 2."""
    return replace(apart(0, 1, 2, clash), vm_begin=np.array([0, 1, 2, 3]), vm_gate=np.array([0, 0, 1]))


def test_every_free_vm_has_exactly_one_start() -> None:
    """Without any other family, all combinations of starts are solutions, and VMs that are fixed stay."""
    instance = small_instance([4, 9])
    assert solutions(model_of(instance, ())) == set(itertools.product(STARTS, repeat=2))
    assert solutions(model_of(instance, (), [9, 20], [0])) == {(4, 20), (9, 20), (20, 20)}


def test_options_that_are_not_allowed_are_excluded_and_no_others() -> None:
    """VM 0 may not start at 9, which VM 1 may."""
    instance = small_instance([4, 9], allowed={0: [4, 20]})
    model = model_of(instance, [cpsat.add_allowed_options])
    assert solutions(model) == set(itertools.product((4, 20), STARTS))


@settings(max_examples=6)
@given(st.data())
def test_caps_exclude_exactly_the_schedules_that_exceed_them(data: st.DataObject) -> None:
    """At its cap a row is allowed and above it is not, whether or not fixed VMs are in it."""
    some_vms = st.sets(st.integers(0, 2), min_size=1).map(sorted)
    some_starts = st.sets(st.sampled_from(STARTS), min_size=1).map(sorted)
    rows = data.draw(st.lists(st.builds(Row, some_vms, some_starts, cap=st.integers(1, 2)), min_size=1, max_size=2))
    free, fixed = data.draw(st.sampled_from([(0, 1, 2), (0, 2)])), [4, data.draw(st.sampled_from(STARTS)), 9]

    def counts(options: Schedule) -> list[int]:
        return [sum(v in row.vms and t in row.starts for v, t in enumerate(options)) for row in rows]

    kept = {o for o in agreeing(fixed, free) if all(n <= row.cap for n, row in zip(counts(o), rows, strict=True))}
    model = model_of(small_instance([4, 4, 9], rows=rows), [cpsat.add_max_concurrent], fixed, free)
    assert solutions(model) == kept


@pytest.mark.parametrize(("start", "kept"), [(9, {4, 20}), (20, {4, 9, 20})])
def test_a_fixed_vm_takes_its_place_under_a_cap(start: int, kept: set[int]) -> None:
    """The only free VM of the row is shut out of 9 if the fixed one is there, and not if it is elsewhere."""
    instance = small_instance([4, 4], rows=[Row((0, 1), (9,), cap=1)])
    model = model_of(instance, [cpsat.add_max_concurrent], [4, start], [0])
    assert {options[0] for options in solutions(model)} == kept


def test_rows_without_a_cap_exclude_nothing() -> None:
    """A row that is only priced may hold all VMs."""
    instance = small_instance([4, 4], rows=[Row((0, 1), STARTS, pair_price=1.0)])
    assert len(solutions(model_of(instance, [cpsat.add_max_concurrent]))) == 9


@pytest.mark.parametrize(("start", "moved"), [(4, 0), (9, 1)])
@pytest.mark.parametrize("most", [0, 1, 2, None])
def test_moves_up_to_the_limit_are_allowed(most: int | None, start: int, moved: int) -> None:
    """A fixed VM counts only if it has moved; without a limit any number of VMs moves."""
    fixed, free = [4, 9, start], [0, 1]
    model = model_of(small_instance([4, 9, 4], shape=Shape(max_moves=most)), [cpsat.add_move_limit], fixed, free)
    limit = 3 if most is None else most
    assert solutions(model) == {o for o in agreeing(fixed, free) if moved + (o[0] != 4) + (o[1] != 9) <= limit}


@settings(max_examples=5)
@given(
    st.sets(st.tuples(st.sampled_from(STARTS), st.sampled_from(STARTS)), max_size=4),
    st.sampled_from([(0, 1, 2), (1, 2), (0, 1)]),
)
def test_gates_exclude_exactly_the_clashes(pairs: set[tuple[int, int]], free: tuple[int, ...]) -> None:
    """Neither VM of the set may clash with VM 2, whichever of the three is fixed."""
    clash = np.zeros((48, 48), dtype=np.bool_)
    for t, u in pairs:
        clash[t, u] = True
    instance = small_instance([4, 9, 20], shape=Shape(gates=two_against_one(clash)))
    kept = {o for o in agreeing([4, 9, 20], free) if not {(o[0], o[2]), (o[1], o[2])} & pairs}
    assert solutions(model_of(instance, [cpsat.add_gates], free=free)) == kept


def test_gates_of_other_rules_exclude_nothing() -> None:
    """The family of a rule by another name allows every schedule."""
    instance = small_instance([4, 9, 20], shape=Shape(gates=two_against_one(same_start())))
    assert len(solutions(model_of(instance, [cpsat.gates_of({"another"})], free=[0, 2]))) == 9
    kept = {(t, 9, u) for t in STARTS for u in STARTS if t != u != 9}
    assert solutions(model_of(instance, [cpsat.gates_of({"apart"})], free=[0, 2])) == kept


@settings(max_examples=8)
@given(st.data())
def test_writes_are_priced_cell_by_cell(data: st.DataObject) -> None:
    """A policy is paid for as soon as a cell holds an item more than its policies, unplanned items included."""
    shape = Shape(
        key=data.draw(st.sampled_from([[0, 0, 0], [0, 1, 0]])),
        key_vault=(0, 0),
        per_new=data.draw(st.integers(1, 2)),
        per_old=data.draw(st.integers(1, 3)),
        unknown=data.draw(st.sampled_from([{}, {(0, 4): 1}])),
        uncounted=data.draw(st.sampled_from([(), (0,)])),
        room=(data.draw(st.sampled_from([2, 100])),),
        write_price=0.5,
    )
    instance = small_instance([4, 9, 9], shape=shape)
    options = tuple(data.draw(st.sampled_from(STARTS)) for _ in range(3))
    model = model_of(instance, [cpsat.add_policy_capacity])
    assert price(model, options) == pytest.approx(0.5 * needed(instance, options, range(2)))


@settings(max_examples=5)
@given(st.integers(0, 2), st.sampled_from([(0,), (1,), (0, 1)]), st.sampled_from([(0, 1, 2), (0, 2)]))
def test_write_limits_exclude_exactly_the_schedules_with_more_writes(
    most: int, keys: tuple[int, ...], free: tuple[int, ...]
) -> None:
    """Only writes of the keys of the limit count, those that fixed VMs have caused among them."""
    shape = Shape(key=[0, 0, 1], key_vault=(0, 0), per_new=1, write_limits=(WriteLimit("few", keys, most),))
    instance, fixed = small_instance([4, 4, 4], shape=shape), [4, 20, 4]
    model = model_of(instance, [cpsat.add_policy_capacity, cpsat.add_write_limits], fixed, free)
    assert solutions(model) == {o for o in agreeing(fixed, free) if needed(instance, o, keys) <= most}


@settings(max_examples=8)
@given(st.data())
def test_vaults_exclude_exactly_the_schedules_with_too_many_policies(data: st.DataObject) -> None:
    """A policy that is edited replaces one that is created, if its VMs go together and its place is not needed."""
    editable = data.draw(st.booleans())
    shape = Shape(
        key=[0, 0, 1],
        key_vault=(0, 1),
        policies=[(0, 4, (0,), editable), (0, 9, (1,), True), (1, 4, (2,), False)],
        per_new=1,
        per_old=data.draw(st.integers(1, 2)),
        room=(data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))),
    )
    instance = small_instance([4, 9, 4], shape=shape)
    kept = {o for o in itertools.product(STARTS, repeat=3) if fits_vaults(instance, o)}
    assert solutions(model_of(instance, POLICIES)) == kept


def test_an_edit_needs_all_vms_of_the_policy() -> None:
    """In a full vault, the two VMs of a policy leave together or not at all, a fixed one only where it is."""
    shape = Shape(policies=[(0, 4, (0, 1), True)], per_new=2, per_old=2, room=(0,))
    instance = small_instance([4, 4], shape=shape)
    assert solutions(model_of(instance, POLICIES)) == {(4, 4), (9, 9), (20, 20)}
    assert solutions(model_of(instance, POLICIES, [4, 9], [0])) == {(9, 9)}


def _swaps(num_vms: int, room: int, *, editable: bool) -> tuple[Instance, list[Wish]]:
    """Full policies of one VM each, whose edits an unplanned item can prevent, and all wishes of their VMs."""
    today, strangers = STARTS[:num_vms], (int(not editable),) * num_vms
    limit = 1 + strangers[0]
    policies = [(0, t, (v,), editable) for v, t in enumerate(today)]
    unknown = {(0, t): strangers[0] for t in today}
    shape = Shape(policies=policies, unknown=unknown, per_new=limit, per_old=limit, room=(room,))
    homes = tuple(range(num_vms))
    every = itertools.product(STARTS, repeat=num_vms)
    return small_instance(today, shape=shape), [Wish(today, homes, goals, limit, room, strangers) for goals in every]


@pytest.mark.parametrize("room", [0, 1])
@pytest.mark.parametrize("editable", [True, False])
@pytest.mark.parametrize("num_vms", [2, 3])
def test_full_policies_swap_vms_only_if_some_order_of_writes_exists(num_vms: int, editable: bool, room: int) -> None:
    """Policies that are all full leave exactly the schedules for which a search over all orders finds one."""
    instance, wishes = _swaps(num_vms, room, editable=editable)
    model = model_of(instance, [*POLICIES, cpsat.add_order_of_writes])
    assert solutions(model) == {wish.targets for wish in wishes if fewest_writes(wish) is not None}


def test_linear_prices_are_those_of_the_free_vms() -> None:
    """A coefficient is the price of the start, with that of the move, rounded down to the scale of the model."""
    prices = {(0, 9): 0.25, (1, 20): 1 / 3}
    instance = small_instance([4, 4, 4], priced(3, prices), shape=Shape(move_price=0.5))
    paid = price(model_of(instance, [cpsat.add_linear_cost], [4, 4, 9], [0, 1]), (9, 20, 9))
    assert paid == pytest.approx(0.75 + math.floor((1 / 3 + 0.5) * cpsat.SCALE) / cpsat.SCALE, abs=1e-12)


@settings(max_examples=8)
@given(st.data())
def test_shared_prices_are_those_that_the_free_vms_add(data: st.DataObject) -> None:
    """Pairs and peaks of a row cost what they cost for all VMs less what they cost for the fixed ones."""
    rows = [
        Row((0, 1, 2, 3), (4, 9), pair_price=0.5),
        Row((0, 1, 2), (9, 20), pair_price=0.125),
        Row((0, 1, 2, 3), (20,), peak_price=0.25, fair_share=data.draw(st.integers(0, 3))),
    ]
    free = data.draw(st.sampled_from([(0, 1, 2, 3), (0, 2), (3,)]))
    options = tuple(data.draw(st.sampled_from(STARTS)) for _ in range(4))

    def cost(vms: Sequence[int]) -> float:
        count = [sum(v in row.vms and options[v] in row.starts for v in vms) for row in rows]
        pairs = sum(row.pair_price * n * (n - 1) / 2 for row, n in zip(rows, count, strict=True))
        return pairs + sum(r.peak_price * max(0, n - r.fair_share) for r, n in zip(rows, count, strict=True))

    model = model_of(small_instance([4] * 4, rows=rows), [cpsat.add_shared_cost], options, free)
    added = cost(range(4)) - cost([v for v in range(4) if v not in free])
    assert price(model, options) == pytest.approx(added, abs=1e-6)


@settings(max_examples=8)
@given(st.data())
def test_a_neighborhood_finds_the_cheapest_schedule_that_agrees_with_it(data: st.DataObject) -> None:
    """With all families at once, every feasible schedule with the fixed VMs costs at least as much."""
    prices = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.5])) for v in range(4) for t in STARTS}
    rows = [Row((0, 1, 2), (9, 20), pair_price=0.75), Row((1, 3), (9,), cap=1)]
    shape = Shape(
        key=[0, 0, 1, 1],
        key_vault=(0, 1),
        room=(data.draw(st.integers(1, 3)), 2),
        per_new=2,
        per_old=3,
        move_price=0.25,
        max_moves=data.draw(st.sampled_from([None, 2])),
    )
    today, free = [4, 4, 9, 20], data.draw(st.sampled_from([(0, 1), (1, 2, 3), (0, 3)]))
    instance = small_instance(today, priced(4, prices), rows, shape)
    feasible = [np.array(o) for o in agreeing(today, free) if is_feasible(instance, np.array(o))]
    answer = model_of(instance, FAMILIES[1:], free=free).solve_without_rings(5.0, 0)
    assert answer.options is not None and is_feasible(instance, answer.options)
    best = min(evaluate(instance, options).total for options in feasible)
    assert evaluate(instance, answer.options).total == pytest.approx(best, abs=1e-5)
