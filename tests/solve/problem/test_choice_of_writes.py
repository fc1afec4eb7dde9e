"""Which policies of a vault are edited: the comparison of choices, and vaults with too many policies to try all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.problem import executable
from optimizer.solve.problem.cost import policy_counts
from optimizer.solve.problem.executable import (
    MOST_ENUMERATED,
    Choice,
    End,
    VaultWrites,
    choose_writes,
    families_of,
    vault_writes,
    whole_policies,
)
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import Shape, small_instance
from tests.solve.uncompiled import uncompiled

MANY = MOST_ENUMERATED + 2
"""Number of policies, more than those of which every set is tried."""

RINGS_OF_FIVE = [1, 2, 3, 4, 0, 6, 7, 8, 9, 5]
"""Policy at whose start each VM ends, if ten policies of one VM form two rings."""


def many(room: int, sizes: Sequence[int] = (1,) * MANY, *, fixed: Sequence[int] = (), limit: int = 0) -> Instance:
    """Policies of the given sizes at starts 0, 1, 2 and so on, of one twin key; those at fixed starts stay there."""
    members = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    policies = [(0, t, tuple(vms.tolist()), t not in fixed) for t, vms in enumerate(members)]
    most = limit or max(sizes)
    shape = Shape(policies=policies, per_new=most, per_old=most, room=(room,))
    return small_instance(np.repeat(np.arange(len(sizes)), sizes).tolist(), shape=shape)


def writes(instance: Instance, options: Sequence[int]) -> VaultWrites:
    """The writes of the first vault."""
    chosen = np.array(options, dtype=np.int64)
    return vault_writes(families_of(instance), chosen, policy_counts(instance, chosen), 0, prefer_edits=False)


def edited_starts(instance: Instance, found: VaultWrites) -> list[int]:
    """Today's starts of the policies that are edited, in order."""
    return sorted(families_of(instance).policy_option[found.edited].tolist())


SUMS = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))


@settings(max_examples=60)
@given(SUMS, SUMS, st.integers(0, 4))
def test_choices_are_compared_by_what_is_possible_then_writes_then_creations_then_vms(
    one: tuple[int, int, int], other: tuple[int, int, int], room: int
) -> None:
    """The comparison is that of sorted keys; among impossible choices, the one that creates least is the nearest."""

    def rank(sums: tuple[int, int, int]) -> tuple[bool, int, int, int]:
        created, total, vms = sums
        impossible = created > room
        return impossible, 0 if impossible else total, created, -vms

    assert uncompiled(executable._is_better)(one, other, room) == (rank(one) < rank(other))


def test_the_sets_of_edits_are_visited_one_change_at_a_time() -> None:
    """Flipping the policy of the lowest bit of 1, 2, 3 and so on reaches every set of policies once."""
    chosen, seen = [0] * 5, {(0,) * 5}
    for number in range(1, 1 << 5):
        chosen[uncompiled(executable._lowest_bit)(number)] ^= 1
        seen.add(tuple(chosen))
    assert seen == {*itertools.product((0, 1), repeat=5)}


@pytest.mark.parametrize(
    ("options", "could"),
    [
        pytest.param([9, 9, 9], True, id="all go to one new start"),
        pytest.param([4, 4, 4], False, id="all stay"),
        pytest.param([9, 9, 20], False, id="the last one goes elsewhere"),
        pytest.param([4, 9, 9], False, id="the first one stays"),
        pytest.param([9, 9, 4], False, id="the last one stays"),
    ],
)
def test_a_policy_could_be_edited_if_all_its_vms_share_one_new_start(options: list[int], could: bool) -> None:
    """Every VM of the policy counts, also the first and the last."""
    f = families_of(small_instance([4, 4, 4], shape=Shape(policies=[(0, 4, (0, 1, 2), True)])))
    assert uncompiled(executable._could_be_edited)(f, np.array(options), 0) is could


def test_keys_are_found_among_those_of_their_vault() -> None:
    """Keys 0 and 2 are in vault 1 and key 1 is in vault 0; a key of another vault is not found."""
    f = families_of(small_instance([4, 4, 4], shape=Shape(key=[0, 1, 2], key_vault=(1, 0, 1), room=(1, 1))))
    place = uncompiled(executable._place)
    assert [place(f, 1, k) for k in range(3)] == [0, -1, 1]
    assert [place(f, 0, k) for k in range(3)] == [-1, 0, -1]


def test_the_policies_at_the_cells_of_a_ring_are_edited() -> None:
    """Only candidates are edited, only of the key, and only at the cells of the ring; others stay as they were."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True), (0, 20, (2,), True), (1, 4, (3,), True)]
    shape = Shape(key=[0, 0, 0, 1], key_vault=(0, 0), policies=policies)
    f = families_of(small_instance([4, 9, 20, 4], shape=shape))
    edited, cells = np.array([0, 0, 1, 0]), np.isin(np.arange(48), [4, 9])
    uncompiled(executable._edit_ring)(f, 0, 0, np.array([0, 3]), edited, cells)
    assert edited.tolist() == [1, 0, 1, 0]
    uncompiled(executable._edit_ring)(f, 0, 0, np.array([0, 1, 3]), edited, cells)
    assert edited.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(("room", "created", "edits"), [(10, 10, 0), (9, 0, 10), (0, 0, 10)])
def test_many_policies_that_all_go_to_new_starts_are_edited_if_room_lacks(room: int, created: int, edits: int) -> None:
    """With room for all, policies are created; otherwise every edit saves a creation."""
    found = writes(many(room), range(20, 30))
    assert (found.possible, found.created, len(found.edited)) == (True, created, edits)
    assert found.extra.tolist() == [0]


@pytest.mark.parametrize(
    ("room", "possible", "created", "edited"),
    [(2, True, 2, []), (1, True, 1, list(range(5))), (0, True, 0, list(range(10)))],
)
def test_whole_rings_of_many_policies_are_edited_until_the_room_is_enough(
    room: int, possible: bool, created: int, edited: list[int]
) -> None:
    """Two rings of five: each takes one creation, or an edit of all of its policies where there is no room."""
    instance = many(room)
    found = writes(instance, RINGS_OF_FIVE)
    assert (found.possible, found.created, edited_starts(instance, found)) == (possible, created, edited)
    assert found.extra.tolist() == [created + len(edited)]
    assert len({*found.rings[0].tolist()} - {-1}) == created


@pytest.mark.parametrize("room", [0, 1, 2])
def test_rings_that_must_not_be_edited_need_room(room: int) -> None:
    """Two rings of policies that must stay as they are need two creations."""
    assert writes(many(room, fixed=range(MANY)), RINGS_OF_FIVE).possible == (room == 2)


def test_edits_of_a_ring_that_do_not_resolve_it_are_undone() -> None:
    """All policies of a ring but one could be edited: no room would come of that, so none is."""
    found = writes(many(0, fixed=[3]), [*range(1, MANY), 0])
    assert not found.possible
    assert len(found.edited) == 0


def test_policies_that_find_free_places_at_their_new_start_are_not_edited() -> None:
    """Nine policies of two VMs go to new starts; the tenth, of one VM, fits into a policy that stays half empty."""
    sizes = (2,) * 9 + (1, 1)
    instance = many(0, sizes)
    options = [20 + v // 2 for v in range(18)] + [10, 10]
    found = writes(instance, options)
    assert found.possible
    assert edited_starts(instance, found) == list(range(9))


def test_the_largest_of_many_policies_that_meet_is_edited() -> None:
    """All VMs of eleven policies go to one start, where two policies hold them all: the largest ones are taken."""
    sizes = (1, 1, 4, 1, 1, 1, 3, 1, 1, 1, 1)
    instance = many(1, sizes, limit=8)
    found = writes(instance, [30] * sum(sizes))
    assert found.possible
    assert (found.created, edited_starts(instance, found)) == (0, [2, 6])


@settings(max_examples=15)
@given(st.permutations(range(MANY)), st.integers(0, 3))
def test_permutations_of_many_full_policies_take_a_write_for_each_ring_if_there_is_room(
    goals: list[int], room: int
) -> None:
    """Where room lacks for a policy for each ring, whole rings are edited instead, and no more rings than needed."""
    rings, left = list[int](), {n for n in range(MANY) if goals[n] != n}
    while left:
        at, size = min(left), 0
        while at in left:
            left.remove(at)
            at, size = goals[at], size + 1
        rings.append(size)
    found = writes(many(room), goals)
    assert found.possible
    number = max(0, len(rings) - room)
    assert found.created == len(rings) - number
    assert sum(sorted(rings)[:number]) <= len(found.edited) <= sum(sorted(rings, reverse=True)[:number])


def test_a_choice_fills_the_given_arrays_in() -> None:
    """Edits, extra writes and rings of both keys of a vault are set, whatever was in the arrays of results before."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True), (1, 4, (2,), False), (1, 9, (3,), False)]
    shape = Shape(key=[0, 0, 1, 1], key_vault=(0, 0), policies=policies, per_new=1, per_old=1, room=(1,))
    instance = small_instance([4, 9, 4, 9], shape=shape)
    end = End(np.array([9, 4, 9, 4]), policy_counts(instance, np.array([9, 4, 9, 4])))
    choice = Choice(np.zeros(2, dtype=np.int64), np.full(2, 77), np.full((2, 48), 77))
    assert choose_writes(families_of(instance), end, 0, False, choice) == 1
    assert choice.edited.tolist() == [1, 1]
    assert choice.extra.tolist() == [2, 1]
    assert (choice.rings[0] == -1).all()
    assert np.flatnonzero(choice.rings[1] >= 0).tolist() == [4, 9]


def test_policies_move_as_a_whole_only_in_vaults_that_lack_room() -> None:
    """The first vault has two policies and room for one; the second has one policy and room for it."""
    policies = [(0, 4, (0,), True), (0, 9, (1, 2), True), (1, 4, (3,), True)]
    shape = Shape(key=[0, 0, 0, 1], key_vault=(0, 1), policies=policies, room=(1, 1))
    f = families_of(small_instance([4, 9, 9, 4], shape=shape))
    assert whole_policies(f, np.ones(4, dtype=np.bool_)).tolist() == [0, 1]
    assert whole_policies(f, np.array([True, True, False, True])).tolist() == [1]
