"""The theorem about orders of writes: rooms, rings and edits of tiny vaults, against every order and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import IntArray
from optimizer.solve.problem import executable
from optimizer.solve.problem.cost import is_feasible, policy_counts, policy_writes
from optimizer.solve.problem.executable import (
    Families,
    VaultWrites,
    extra_writes,
    families_of,
    part_of,
    policy_of_vm,
    rings_without_room,
    vault_writes,
    without_impossible_options,
)
from optimizer.solve.problem.instance import Instance
from tests.solve.orders import Wish, creations_of_key, fewest_writes
from tests.solve.small_instances import Shape, every_schedule, small_instance
from tests.solve.uncompiled import uncompiled

STARTS = (2, 9, 20)


def written(instance: Instance, options: list[int], vault: int = 0, *, prefer_edits: bool = False) -> VaultWrites:
    """The writes of a vault, without a look at whether counting the lacking policies would be enough."""
    chosen = np.array(options, dtype=np.int64)
    items = policy_counts(instance, chosen)
    return vault_writes(families_of(instance), chosen, items, vault, prefer_edits=prefer_edits)


def single(
    today: tuple[int, ...], room: int, *, editable: bool = False, key: tuple[int, ...] | None = None
) -> Instance:
    """Policies that hold one VM each and are full, all in one vault."""
    of = key or (0,) * len(today)
    policies = [(k, t, (v,), editable) for v, (k, t) in enumerate(zip(of, today, strict=True))]
    shape = Shape(
        key=of, key_vault=(0,) * (max(of) + 1), policies=policies, per_new=1, per_old=1, room=(room,), write_price=1.0
    )
    return small_instance(today, shape=shape)


@st.composite
def two_limits(draw: st.DrawFn) -> Wish:
    """Up to three policies of up to three VMs; policies that are created or edited may hold more or fewer VMs."""
    limit = draw(st.integers(1, 3))
    homes: list[int] = []
    starts = tuple(draw(st.lists(st.sampled_from(STARTS), min_size=1, max_size=3)))
    for number in range(len(starts)):
        homes += [number] * min(draw(st.sampled_from([limit, limit, 1])), 5 - len(homes))
    goals = [draw(st.none() | st.sampled_from(STARTS)) for _ in starts]
    targets = [draw(st.sampled_from(STARTS)) if goals[home] is None else goals[home] for home in homes]
    return Wish(
        starts,
        tuple(homes),
        tuple(t for t in targets if t is not None),
        limit,
        draw(st.integers(0, 2)),
        (0,) * len(starts),
        limit_of_new=draw(st.integers(1, 3)),
    )


@settings(max_examples=40)
@given(two_limits())
def test_new_policies_may_hold_another_number_of_vms(wish: Wish) -> None:
    """With different limits of old and new policies, status and number of writes are those of trying every order."""
    fewest = fewest_writes(wish)
    found = vault_writes(wish.families(), np.array(wish.targets), wish.items(), 0, prefer_edits=False)
    assert found.possible == (fewest is not None)
    if found.possible:
        assert found.created + len(found.edited) == fewest


@settings(max_examples=30)
@given(two_limits(), two_limits(), st.integers(0, 3))
def test_keys_of_a_vault_share_its_room(one: Wish, other: Wish, room: int) -> None:
    """Two keys need as few writes as the best way to divide the room of their vault between them."""
    other = replace(other, limit=one.limit, limit_of_new=one.limit_of_new)
    assume(all(len(other.members(p)) <= other.limit for p in range(len(other.starts))))
    assume(len(one.homes) + len(other.homes) <= 8)
    ways = []
    for share in range(room + 1):
        pair = fewest_writes(replace(one, room=share)), fewest_writes(replace(other, room=room - share))
        if pair[0] is not None and pair[1] is not None:
            ways.append(pair[0] + pair[1])
    shift = len(one.homes)
    policies = [
        (k, t, tuple(v + k * shift for v in wish.members(p)), wish.editable(p))
        for k, wish in enumerate((one, other))
        for p, t in enumerate(wish.starts)
    ]
    shape = Shape(
        key=[0] * shift + [1] * len(other.homes),
        key_vault=(0, 0),
        policies=policies,
        per_old=one.limit,
        per_new=one.per_new,
        room=(room,),
    )
    instance = small_instance(one.today + other.today, shape=shape)
    for prefer_edits in (False, True):
        found = written(instance, [*one.targets, *other.targets], prefer_edits=prefer_edits)
        assert found.possible == bool(ways)
        if ways:
            assert found.created + len(found.edited) == min(ways)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(STARTS), st.booleans()), min_size=1, max_size=5),
    st.data(),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_vms_of_a_policy_over_its_limit_leave_no_place(
    vms: list[tuple[int, bool]], data: st.DataObject, per_old: int, per_new: int
) -> None:
    """The arrows of such VMs only arrive; the number of creations is that of trying every order of assignments."""
    counted: Counter[int] = Counter(t for t, over in vms if not over)
    assume(all(n <= per_old for n in counted.values()))
    policies = [(0, t, tuple(v for v, vm in enumerate(vms) if vm == (t, over)), False) for t, over in sorted({*vms})]
    uncounted = [v for v, (_, over) in enumerate(vms) if over]
    shape = Shape(policies=policies, uncounted=uncounted, per_old=per_old, per_new=per_new)
    instance = small_instance([t for t, _ in vms], shape=shape)
    options = [data.draw(st.sampled_from(STARTS)) for _ in vms]
    moves = [(None if over else t, to) for (t, over), to in zip(vms, options, strict=True) if t != to]
    held = Counter(to for (t, over), to in zip(vms, options, strict=True) if t != to or not over)
    holds = Counter(dict.fromkeys(counted, per_old))
    expected = creations_of_key(moves, holds - counted, holds, held, per_new)
    assert written(instance, options).created == expected


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        pytest.param([9, 20, 2, 30, 40], 1, id="a ring of three"),
        pytest.param([9, 2, 20, 40, 30], 2, id="two rings need one policy each"),
        pytest.param([9, 2, 30, 40, 20], 2, id="rings of two and three"),
        pytest.param([9, 20, 30, 40, 2], 1, id="one ring of five"),
        pytest.param([9, 20, 45, 30, 40], 0, id="a trail to a new start brings its own policy"),
        pytest.param([2, 9, 20, 30, 40], 0, id="nothing moves"),
    ],
)
def test_each_ring_of_full_policies_takes_one_more_write(options: list[int], extra: int) -> None:
    """Full policies of one VM that trade places: one write for each ring, none for a trail with an end."""
    instance = single((2, 9, 20, 30, 40), room=9)
    chosen = np.array(options)
    found, stuck = extra_writes(instance, chosen, policy_counts(instance, chosen))
    assert (found.tolist(), stuck.tolist()) == ([extra], [False])


def test_rings_that_share_a_cell_need_one_policy_together() -> None:
    """Two swaps meet at 9: the free place of one new policy walks through both rings."""
    policies = [(0, 2, (0,), False), (0, 9, (1, 2), False), (0, 20, (3,), False)]
    unknown = {(0, 2): 1, (0, 20): 1}
    shape = Shape(policies=policies, per_new=2, per_old=2, room=(9,), unknown=unknown)
    instance = small_instance([2, 9, 9, 20], shape=shape)
    found = written(instance, [9, 2, 20, 9])
    assert (found.created, found.extra.tolist()) == (1, [1])
    assert len({*found.rings[0, [2, 9, 20]].tolist()}) == 1


@pytest.mark.parametrize(("free", "extra"), [(2, 0), (9, 0), (20, 0), (30, 1)])
def test_a_free_place_at_any_cell_of_a_ring_is_enough(free: int, extra: int) -> None:
    """A twin policy without VMs at one of the three starts resolves the ring; one at another start does not."""
    policies = [(0, t, (v,), False) for v, t in enumerate(STARTS)] + [(0, free, (), False)]
    shape = Shape(policies=policies, per_new=1, per_old=1)
    assert written(small_instance(STARTS, shape=shape), [9, 20, 2]).extra.tolist() == [extra]


def test_the_places_of_twins_at_one_start_are_shared() -> None:
    """Two full twins at 2, one of which swaps its VM with the policy at 9: exactly these two policies are edited."""
    instance = single((2, 2, 9), room=0, editable=True)
    found = written(instance, [9, 2, 2])
    assert found.possible
    f = families_of(instance)
    assert {int(f.policy_vm[f.policy_vm_begin[p]]) for p in found.edited} == {0, 2}


def test_an_edit_takes_the_free_places_of_its_policy_away_with_it() -> None:
    """The policy at 2 has a free place for VM 1 only as long as it stays at 2; a creation then has to bring it."""
    policies = [(0, 2, (0,), True), (0, 9, (1, 2), True)]
    shape = Shape(policies=policies, per_new=2, per_old=2, room=(0,))
    instance = small_instance([2, 9, 9], shape=shape)
    assert written(instance, [2, 2, 9]).possible
    assert not written(instance, [20, 2, 9]).possible
    assert written(replace(instance, vault_room=np.array([1])), [20, 2, 9]).created == 1


def test_edits_move_places_by_the_limits_of_old_and_new_policies() -> None:
    """A policy of three VMs that held five leaves two free places behind, and brings one of four to its new start."""
    shape = Shape(policies=[(0, 4, (0, 1, 2), True)], per_new=4, per_old=5)
    f = families_of(small_instance([4, 4, 4], shape=shape))
    arrays = np.zeros((5, 48), dtype=np.int64)
    arrays[0, 4], arrays[1, 4] = 5, 2
    options, cells = np.array([9, 9, 9]), executable._Cells(*arrays)
    uncompiled(executable._make_edits)(f, options, 0, 0, np.array([0]), cells)
    assert (cells.holds[[4, 9]].tolist(), cells.room[[4, 9]].tolist()) == ([5, 0], [2, 0])
    uncompiled(executable._make_edits)(f, options, 0, 0, np.array([1]), cells)
    assert (cells.holds[[4, 9]].tolist(), cells.room[[4, 9]].tolist()) == ([0, 4], [0, 1])


@pytest.mark.parametrize(
    ("parent", "root"), [([0, 1, 2], 2), ([0, 0, 1], 0), ([1, 1, 1], 1), ([0, 0, 1, 2, 3], 0), ([4, 4, 4, 4, 4], 4)]
)
def test_the_root_of_a_cell_is_found_through_all_its_parents(parent: list[int], root: int) -> None:
    """The last cell leads to the root, however long its chain of parents is, and still does after the search."""
    forest = np.array(parent)
    last = len(parent) - 1
    assert uncompiled(executable._root)(forest, last) == root
    assert uncompiled(executable._root)(forest, last) == root


@st.composite
def two_vaults(draw: st.DrawFn) -> Instance:
    """Three keys in two vaults with up to six VMs in policies that are mostly full."""
    vms = draw(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STARTS)), min_size=1, max_size=6))
    policies = [
        (k, t, tuple(v for v, vm in enumerate(vms) if vm == (k, t)), draw(st.booleans())) for k, t in sorted({*vms})
    ]
    per_old = max(len(members) for _, _, members, _ in policies)
    per_new = min(2, per_old)  # a new policy never holds more VMs than one of today's (optimizer.model.policy_limits)
    shape = Shape(
        key=[k for k, _ in vms],
        key_vault=draw(st.sampled_from([(0, 1, 1), (0, 1, 0), (1, 0, 0)])),
        policies=[(k, t, members, edit and len(members) <= per_new) for k, t, members, edit in policies],
        per_old=per_old,
        per_new=per_new,
        room=draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
    )
    allowed = dict.fromkeys(range(len(vms)), STARTS)
    return small_instance([t for _, t in vms], shape=shape, allowed=allowed)


def drawn_schedule(data: st.DataObject, instance: Instance) -> IntArray:
    """A schedule at the three starts."""
    return np.array([data.draw(st.sampled_from(STARTS)) for _ in range(instance.num_vms)])


@settings(max_examples=40)
@given(two_vaults(), st.data())
def test_vaults_that_are_passed_over_have_nothing_to_write_beyond_what_lacks(
    instance: Instance, data: st.DataObject
) -> None:
    """The writes of all vaults are those of looking at each vault, also at those in which counting is enough."""
    options = drawn_schedule(data, instance)
    items = policy_counts(instance, options)
    extra, stuck = extra_writes(instance, options, items)
    lacking = policy_writes(instance, items).sum(axis=1)
    for vault in range(2):
        one = written(instance, options.tolist(), vault)
        assert stuck[vault] == (not one.possible)
        assert not one.possible or extra[one.keys].tolist() == one.extra.tolist()
        if one.possible:
            total = int(lacking[one.keys].sum() + one.extra.sum())
            assert total == one.created + len(one.edited)
            eager = written(instance, options.tolist(), vault, prefer_edits=True)
            assert total == eager.created + len(eager.edited)
            assert eager.created <= one.created


@settings(max_examples=15)
@given(two_vaults())
def test_only_options_that_no_schedule_can_use_are_removed(instance: Instance) -> None:
    """The feasible schedules are the same before and after the removal."""
    assume(instance.num_vms <= 3)
    narrow = without_impossible_options(instance)
    assert not (narrow.allowed & ~instance.allowed).any()
    feasible = {tuple(o.tolist()) for o in every_schedule(instance) if is_feasible(instance, o)}
    assert {tuple(o.tolist()) for o in every_schedule(narrow) if is_feasible(narrow, o)} == feasible


def test_a_policy_that_would_be_left_without_any_option_keeps_its_options() -> None:
    """Two VMs that must stay together have no start in common: the search for a reason has to find that."""
    shape = Shape(policies=[(0, 4, (0, 1), True)], per_new=2, per_old=2, room=(0,))
    instance = small_instance([4, 4], shape=shape, allowed={0: [9, 20], 1: [30]})
    found = without_impossible_options(instance).allowed
    assert [np.flatnonzero(row).tolist() for row in found] == [[9, 20], [30]]


@settings(max_examples=20)
@given(two_vaults(), st.integers(0, 1))
def test_a_part_decides_as_the_whole_does(instance: Instance, vault: int) -> None:
    """The families of one vault alone are those of an instance that has no other vault."""
    whole = families_of(instance)
    keys = np.flatnonzero(instance.key_vault == vault)
    vms = np.flatnonzero(np.isin(instance.key, keys))
    assume(len(vms))
    part = part_of(whole, vms, keys, np.array([vault]))
    rows = vms.tolist()
    alone = small_instance(
        instance.today[vms].tolist(),
        shape=Shape(
            key=np.searchsorted(keys, instance.key[vms]).tolist(),
            key_vault=(0,) * len(keys),
            policies=[
                (keys.tolist().index(one.key), one.option, tuple(rows.index(v) for v in one.vms), one.editable)
                for one in instance.policies
                if one.key in keys
            ],
            per_old=instance.vms_per_existing_policy,
            per_new=instance.vms_per_new_policy,
            room=(int(instance.vault_room[vault]),),
        ),
    )
    for name in Families._fields:
        assert getattr(part, name).tolist() == getattr(families_of(alone), name).tolist(), name


def test_the_rings_of_all_keys_of_a_stuck_vault_are_given() -> None:
    """Two keys hold a ring each, with room for one more policy; with room for two, no ring is left."""
    today, key = (2, 9, 2, 9, 20), (0, 0, 1, 1, 1)
    options = np.array([9, 2, 9, 20, 2])
    for room, rings in ((1, [(0, [2, 9]), (1, [2, 9, 20])]), (2, [])):
        instance = single(today, room, key=key)
        found = rings_without_room(instance, options, policy_counts(instance, options))
        assert [(k, cells.tolist()) for k, cells in found] == rings


def test_each_vm_knows_the_policy_that_lists_it() -> None:
    """Policies are lists one after the other; an empty one is passed over, and VMs in no list have -1."""
    assert policy_of_vm(6, np.array([0, 2, 2, 3]), np.array([4, 0, 3])).tolist() == [0, -1, -1, 2, 0, -1]


def test_unplanned_items_beyond_the_limit_leave_no_negative_room() -> None:
    """A start whose policies hold more than they may has no room, and counts as full."""
    shape = Shape(policies=[(0, 4, (0,), False), (0, 9, (1,), False)], per_old=1, unknown={(0, 4): 2})
    f = families_of(small_instance([4, 9], shape=shape))
    assert f.room_today.min() == 0
    assert f.tight.tolist() == [True]


def test_families_are_made_once_and_kept_with_their_instance() -> None:
    """A changed instance makes its own."""
    instance = single((4, 9), room=1)
    assert families_of(instance) is families_of(instance)
    roomier = replace(instance, vault_room=np.array([5]))
    assert families_of(roomier).vault_room.tolist() == [5]
    assert families_of(instance).vault_room.tolist() == [1]
