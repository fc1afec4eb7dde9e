"""Simple schedules: today's, one drawn by the hash of the ids, and a greedy one."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.search.baselines import greedy, stable_hash, todays
from tests.solve.small_instances import Row, Shape, priced, small_instance

IDS = ["/subscriptions/s/vm-a", "/subscriptions/s/vm-b", "/subscriptions/s/vm-c"]


def test_todays_schedule_is_a_copy() -> None:
    """A change of the schedule leaves the instance as it is."""
    instance = small_instance([4, 9])
    options = todays(instance)
    options[0] = 7
    assert instance.today.tolist() == [4, 9]


def test_the_hash_of_the_id_draws_an_allowed_start() -> None:
    """SHA-256 of the id in lower case, its first eight bytes modulo the number of allowed starts."""
    allowed = {0: [3, 5, 8], 1: [20], 2: range(48)}
    options = stable_hash(small_instance([4, 9, 9], allowed=allowed), IDS)
    for v, vm in enumerate(IDS):
        number = int.from_bytes(hashlib.sha256(vm.lower().encode()).digest()[:8], "big")
        starts = list(allowed[v])
        assert options[v] == starts[number % len(starts)]


def test_ids_are_hashed_without_case() -> None:
    """Azure changes the case of ids."""
    instance = small_instance([4, 9, 9])
    assert stable_hash(instance, [vm.upper() for vm in IDS]).tolist() == stable_hash(instance, IDS).tolist()


def test_a_vm_without_any_allowed_start_stays() -> None:
    """There is nothing to draw from."""
    assert stable_hash(small_instance([4, 9], allowed={0: []}), IDS[:2])[0] == 4


def test_greedy_puts_each_vm_at_its_cheapest_start() -> None:
    """Nothing is shared, so this is the optimum; a pinned VM stays."""
    prices = {(0, 9): 1.0, (1, 20): 2.0, (2, 9): 0.0}
    instance = small_instance([4, 4, 4], priced(3, prices), shape=Shape(immovable=[2]))
    assert greedy(instance).tolist() == [9, 20, 4]


def test_greedy_places_the_largest_service_first() -> None:
    """One place at 9 under the cap: a VM of the service of two gets it, although it gains less."""
    prices = {(0, 9): 1.0, (0, 4): 9.0, (1, 9): 2.0, (1, 4): 3.0, (2, 9): 8.0, (2, 4): 8.1}
    shape = Shape(service=[0, 1, 1])
    instance = small_instance([4, 4, 4], priced(3, prices, 50.0), [Row((0, 1, 2), (9,), cap=1)], shape)
    assert greedy(instance).tolist() == [4, 9, 4]


def test_greedy_spreads_a_service() -> None:
    """Three equal starts and three VMs of one service: one each."""
    starts = (4, 9, 20)
    prices = {(v, t): 0.0 for v in range(3) for t in starts}
    rows = [Row((0, 1, 2), (t,), pair_price=1.0) for t in starts]
    options = greedy(small_instance([4, 4, 4], priced(3, prices), rows))
    assert sorted(options.tolist()) == [4, 9, 20]


@pytest.mark.parametrize("seed", range(4))
def test_greedy_without_limits_is_feasible_and_no_worse_than_the_hash(seed: int) -> None:
    """Random risks of six VMs of two services: everything is allowed, so the greedy schedule is feasible."""
    random = np.random.default_rng(seed)
    rows = [Row((0, 1, 2), range(0, 48, 3), pair_price=0.5), Row((3, 4, 5), range(10, 30), pair_price=0.5)]
    shape = Shape(service=[0, 0, 0, 1, 1, 1], write_price=0.1)
    instance = small_instance([4] * 6, random.uniform(0, 3, (6, 48)), rows, shape)
    options = greedy(instance)
    assert is_feasible(instance, options)
    drawn = stable_hash(instance, [f"{vm}-{n}" for n in range(2) for vm in IDS])
    assert evaluate(instance, options).total < evaluate(instance, drawn).total
