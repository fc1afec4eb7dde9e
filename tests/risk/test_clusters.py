"""VMs that move together are one cluster."""

from __future__ import annotations

import numpy as np

from optimizer.risk.clusters import find_clusters
from optimizer.risk.folds import Folds
from tests.benchmarks.promise_coverage import as_history


def test_vms_that_move_together_are_one_cluster_and_those_with_the_same_hours_are_not() -> None:
    """Two VMs are busy on the same days; a third is busy at the same hour on days of its own."""
    days = np.zeros((32, 3, 48))
    random = np.random.default_rng(0)
    together, alone = random.random(32) < 0.5, random.random(32) < 0.5
    days[together, :2, 20] = 0.6
    days[alone, 2, 20] = 0.6
    cluster = find_clusters(Folds(as_history(days)), np.arange(3))
    assert cluster[0] == cluster[1] != cluster[2]
    assert len(find_clusters(Folds(as_history(days)), np.zeros(0, dtype=np.intp))) == 0


def moves(*busy: np.ndarray) -> Folds:
    """VMs at risk at 10:00 on some of 32 days."""
    days = np.zeros((32, len(busy), 48))
    for vm, on in enumerate(busy):
        days[on, vm, 20] = 1.0
    return Folds(as_history(days))


def test_a_chain_of_links_is_one_cluster() -> None:
    """Busy in 4, 5 and 6 blocks of 8, neighbors correlate by 0.77 and 0.75, the ends by 0.58: one cluster of three."""
    block = np.repeat(np.arange(8), 4)
    assert find_clusters(moves(block < 4, block < 5, block < 6), np.arange(3)).tolist() == [0, 0, 0]
    assert find_clusters(moves(block < 4, block < 6), np.arange(2)).tolist() == [0, 1]


def test_a_vm_that_never_changes_is_alone() -> None:
    """A constant profile leaves nothing after its mean is taken away, so it correlates with no one."""
    folds = moves(np.arange(32) < 16, np.ones(32, dtype=np.bool_), np.arange(32) < 16)
    assert find_clusters(folds, np.arange(3)).tolist() == [0, 1, 0]


def test_only_the_given_rows_are_compared() -> None:
    """Clusters of some of the VMs, in the order in which they are given."""
    folds = moves(np.arange(32) < 16, np.arange(32) >= 16, np.arange(32) < 16)
    assert find_clusters(folds, np.array([2, 1])).tolist() == [0, 1]
