"""Annealing in chunks: never worse, repeatable, and stopped when it is told to."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.solve.problem.arrays import count, pack
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.anneal import anneal, anneal_counts, keep_going
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance


def spread() -> Instance:
    """Five VMs of one service that start together and would rather not, at a few starts of different risks."""
    starts = (4, 9, 20, 33)
    prices = {(v, t): 0.2 * ((v + n) % 4) for v in range(5) for n, t in enumerate(starts)}
    rows = [Row(range(5), (t,), pair_price=1.0) for t in starts]
    shape = Shape(write_price=0.3, move_price=0.05)
    return small_instance([4] * 5, priced(5, prices), rows, shape, dict.fromkeys(range(5), starts))


def test_a_small_instance_is_annealed_to_its_optimum() -> None:
    """The result costs what the cheapest of all schedules costs."""
    instance = spread()
    best = min(evaluate(instance, options).total for options in every_schedule(instance))
    found = anneal(instance, instance.today, 600, seed=0)
    assert evaluate(instance, found).total == pytest.approx(best)


@pytest.mark.parametrize("rounds", [0, 1, 7, 50])
def test_annealing_is_never_worse_and_always_feasible(rounds: int) -> None:
    """However few the rounds are; the schedule that it begins at is left as it is."""
    instance = spread()
    begin = instance.today.copy()
    found = anneal(instance, begin, rounds, seed=1, chunk_rounds=5)
    assert is_feasible(instance, found)
    assert evaluate(instance, found).total <= evaluate(instance, begin).total
    assert begin.tolist() == instance.today.tolist()
    assert (rounds > 0) or found.tolist() == begin.tolist()


def test_equal_seeds_give_equal_results() -> None:
    """With the arrays packed before or not."""
    instance = spread()
    first = anneal(instance, instance.today, 40, seed=5)
    assert anneal(instance, instance.today, 40, seed=5, arrays=pack(instance)).tolist() == first.tolist()


def test_the_listener_hears_the_best_cost_after_each_chunk() -> None:
    """Three chunks of 40 rounds; the last report is what the result costs, and costs never rise."""
    instance, heard = spread(), list[tuple[int, float]]()

    def on_round(rounds: int, cost: float) -> bool:
        heard.append((rounds, cost))
        return True

    found = anneal(instance, instance.today, 100, 0, on_round, chunk_rounds=40)
    assert [rounds for rounds, _ in heard] == [40, 80, 100]
    costs = [cost for _, cost in heard]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(evaluate(instance, found).total)


def test_the_listener_ends_the_search() -> None:
    """After the first chunk no further one begins, and what was found is kept."""
    instance, heard = spread(), list[int]()

    def stop(rounds: int, _cost: float) -> bool:
        heard.append(rounds)
        return False

    found = anneal(instance, instance.today, 1000, 0, stop, chunk_rounds=30)
    assert heard == [30]
    assert found.tolist() == anneal(instance, instance.today, 1000, 0, stop, chunk_rounds=30).tolist()
    assert evaluate(instance, found).total < evaluate(instance, instance.today).total


def test_without_movable_vms_nothing_happens() -> None:
    """Every VM is pinned: the listener is not even asked."""
    instance = small_instance([4, 9], shape=Shape(immovable=[0, 1]))
    heard = list[int]()

    def on_round(rounds: int, _cost: float) -> bool:
        heard.append(rounds)
        return True

    assert anneal(instance, instance.today, 50, 0, on_round).tolist() == [4, 9]
    assert heard == []


def test_counts_are_annealed_in_place_and_the_change_is_returned() -> None:
    """The change is that of the best schedule against the first; the counts may have gone on."""
    instance = spread()
    c = count(instance, instance.today)
    best, change = anneal_counts(pack(instance), c, np.arange(5), 60, seed=2)
    before = evaluate(instance, instance.today).total
    assert evaluate(instance, best).total - before == pytest.approx(change)
    assert change < 0
    assert is_feasible(instance, c.options)


@pytest.mark.parametrize("seed", range(4))
def test_the_change_is_right_over_many_short_chunks(seed: int) -> None:
    """Each chunk begins where the one before ended, which need not be the best schedule."""
    instance = spread()
    begin = np.array([9, 20, 33, 4, 9])
    c = count(instance, begin)
    best, change = anneal_counts(pack(instance), c, np.arange(5), 40, seed, chunk_rounds=2)
    assert evaluate(instance, best).total - evaluate(instance, begin).total == pytest.approx(change, abs=1e-9)


def test_keep_going_goes_on() -> None:
    """The listener by default never ends the search."""
    assert keep_going(1, 2.0)
