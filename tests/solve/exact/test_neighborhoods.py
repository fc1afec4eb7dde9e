"""What a neighborhood frees, and which starts it offers."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.solve.exact.cpsat import Subproblem
from optimizer.solve.exact.neighborhoods import MAX_FREE_VMS, OPTIONS_PER_VM, Neighborhoods
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import Shape, small_instance


def estate() -> tuple[Instance, IntArray]:
    """Thirty VMs of three keys in two vaults and five services, ten starts apart, and a schedule of them."""
    numbers = np.arange(30)
    shape = Shape(
        key=(numbers % 3).tolist(), key_vault=(0, 0, 1), room=(100, 100), service=(numbers % 5).tolist(), immovable=[0]
    )
    instance = small_instance((numbers % 4 * 10).tolist(), shape=shape)
    return instance, instance.today.copy()


def kinds(instance: Instance, options: IntArray, reduced: np.ndarray | None = None) -> list[Subproblem]:
    """One neighborhood of each of the four kinds."""
    made = Neighborhoods(instance, np.zeros((instance.num_vms, 48)) if reduced is None else reduced, seed=3)
    return [made.scope(number, options) for number in range(4)]


@pytest.mark.parametrize("kind", [0, 2])
def test_half_hours_of_a_vault_free_whole_starts_of_that_vault(kind: int) -> None:
    """All movable VMs of one vault at the chosen starts are free, and none of another vault."""
    instance, options = estate()
    free = np.array(sorted(kinds(instance, options)[kind].options))
    vault = instance.key_vault[instance.key]
    (mine,) = np.unique(vault[free])
    starts = np.unique(options[free])
    expected = np.flatnonzero((vault == mine) & np.isin(options, starts) & instance.movable)
    assert free.tolist() == expected.tolist()
    assert len(starts) <= 8


def test_policies_of_a_key_free_whole_starts_of_that_key() -> None:
    """All movable VMs of one key at up to four starts are free."""
    instance, options = estate()
    free = np.array(sorted(kinds(instance, options)[1].options))
    (key,) = np.unique(instance.key[free])
    expected = np.flatnonzero((instance.key == key) & np.isin(options, options[free]) & instance.movable)
    assert free.tolist() == expected.tolist()
    assert len(np.unique(options[free])) <= 4


def test_services_are_freed_as_a_whole() -> None:
    """Every movable VM of each freed service is free."""
    instance, options = estate()
    free = np.array(sorted(kinds(instance, options)[3].options))
    expected = np.flatnonzero(np.isin(instance.service, instance.service[free]) & instance.movable)
    assert free.tolist() == expected.tolist()


def test_immovable_vms_are_never_free() -> None:
    """VM 0 is pinned."""
    instance, options = estate()
    made = Neighborhoods(instance, np.zeros((30, 48)), seed=1)
    assert all(0 not in made.scope(number, options).options for number in range(24))


def test_the_others_stay_where_the_schedule_has_them() -> None:
    """The scope carries the schedule."""
    instance, options = estate()
    assert kinds(instance, options)[0].fixed is options


def test_a_number_always_frees_the_same_vms() -> None:
    """The order in which neighborhoods are asked for does not matter; another seed frees others."""
    instance, options = estate()
    first = Neighborhoods(instance, np.zeros((30, 48)), seed=3)
    second = Neighborhoods(instance, np.zeros((30, 48)), seed=3)
    forward = [first.scope(number, options).options for number in range(8)]
    backward = [second.scope(number, options).options for number in reversed(range(8))]
    assert forward == backward[::-1]
    other = Neighborhoods(instance, np.zeros((30, 48)), seed=4)
    assert [other.scope(number, options).options for number in range(8)] != forward
    of_keys = [sorted(first.scope(number, options).options) for number in range(1, 33, 4)]
    assert any(free != of_keys[0] for free in of_keys)


def test_large_neighborhoods_are_cut_down() -> None:
    """Two hundred VMs at one start: as many are free as CP-SAT can handle."""
    instance = small_instance([4] * 200)
    free = Neighborhoods(instance, np.zeros((200, 48)), seed=0).scope(0, instance.today).options
    assert len(free) == MAX_FREE_VMS


def test_candidates_are_the_cheapest_allowed_starts_with_the_present_one_and_todays() -> None:
    """The schedule has the VM at its most expensive start; today's is offered too, and forbidden ones are not."""
    reduced = np.arange(48, dtype=np.float64)[None, :]
    instance = small_instance([40], allowed={0: [*range(3, 48)]})
    (options,) = Neighborhoods(instance, reduced, seed=0).scope(0, np.array([47])).options.values()
    assert options == sorted({*range(3, 3 + OPTIONS_PER_VM), 40, 47})


def test_open_starts_are_preferred_among_nearly_equal_ones() -> None:
    """Start 30 is used by the key; it costs 0.01 more than 14 unused starts, and is offered all the same."""
    reduced = np.full((2, 48), 5.0)
    reduced[:, :OPTIONS_PER_VM] = 0.0
    reduced[:, 30] = 0.01
    instance = small_instance([0, 30])
    offered = Neighborhoods(instance, reduced, seed=0).scope(0, instance.today).options[0]
    assert 30 in offered
    reduced[:, 30] = 0.03
    offered = Neighborhoods(instance, reduced, seed=0).scope(0, instance.today).options[0]
    assert 30 not in offered


def test_a_vm_with_few_allowed_starts_gets_no_others() -> None:
    """Options that are not allowed are left out even if there is room for them."""
    instance = small_instance([4], allowed={0: [9, 20]})
    (options,) = Neighborhoods(instance, np.zeros((1, 48)), seed=0).scope(0, np.array([9])).options.values()
    assert options == [9, 20]
