"""What an instance says of its VMs and keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.solve.problem.executable import families_of
from tests.solve.small_instances import Row, Shape, small_instance


def test_numbers_of_vms_keys_and_rows() -> None:
    """A key without VMs is a key too."""
    made = small_instance(
        [3, 4], rows=[Row((0, 1), (3,), pair_price=1.0)], shape=Shape(key_vault=(0, 0, 1), room=(1, 1))
    )
    assert (made.num_vms, made.num_keys, len(made.rows)) == (2, 3, 1)


def test_peers_are_vms_of_one_service_and_one_weight() -> None:
    """Only VMs with the same service and the same weight touch the same rows."""
    made = small_instance([1] * 5, shape=Shape(service=[0, 0, 0, 1, 1]))
    peers = replace(made, weight=np.array([1.0, 2.0, 1.0, 2.0, 1.0])).peers.tolist()
    assert peers[0] == peers[2]
    assert len(set(peers)) == 4


def test_peers_of_an_instance_without_vms() -> None:
    """Nothing is compared where there is nothing."""
    assert small_instance([]).peers.tolist() == []


@pytest.mark.parametrize(("v", "t", "counted"), [(0, 4, True), (0, 5, True), (1, 4, False), (1, 5, True)])
def test_a_vm_of_an_overfull_policy_takes_no_place_where_it_is(v: int, t: int, counted: bool) -> None:
    """VM 1 may stay at start 4 without a place; anywhere else it needs one, as VM 0 does everywhere."""
    made = small_instance([4, 4], shape=Shape(uncounted=[1]))
    assert bool(made.counted(v, t)) is counted
    assert made.counted(np.array([0, 1]), np.array([4, 4])).tolist() == [True, False]


def test_a_changed_copy_does_not_keep_what_was_computed() -> None:
    """The cache of an instance belongs to that instance only."""
    made = small_instance([4, 9])
    families = families_of(made)
    assert families_of(made) is families
    other = replace(made, vault_room=np.array([0]))
    assert families_of(other).vault_room.tolist() == [0]
    assert families.vault_room.tolist() == [100]
