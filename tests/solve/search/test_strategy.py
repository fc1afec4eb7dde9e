"""One cycle of the search after the other: what it begins with, what it keeps, and what it reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.engine import SERIAL
from optimizer.model.arrays import IntArray
from optimizer.ports import Progress, no_progress
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.effort.clock import Incumbent, SolveClock
from optimizer.solve.effort.cycles import Cycle, cycles
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.search.strategy import CycleSearch, Task
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance

STARTS = (4, 9, 20)


def spread(shape: Shape | None = None) -> Instance:
    """Four VMs of one service that start together at 4, and would rather not."""
    prices = {(v, t): 0.1 * ((v + n) % 3) for v in range(4) for n, t in enumerate(STARTS)}
    rows = [Row(range(4), range(*ends), pair_price=1.0) for ends in ((0, 7), (7, 15), (15, 48))]
    shape = shape or Shape(write_price=0.1)
    return small_instance([4] * 4, priced(4, prices), rows, shape, dict.fromkeys(range(4), STARTS))


def cycle_search(instance: Instance, start: IntArray | None = None, clock: SolveClock | None = None) -> CycleSearch:
    """A search from today's schedule with little effort."""
    search = Search(effort=2, seed=1)
    task = Task(instance, search, clock or SolveClock(None), no_progress, SERIAL, start, None)
    today = instance.today.copy()
    return CycleSearch(task, today, Incumbent(evaluate(instance, today).total, search.effort, no_progress))


def first_cycle(instance: Instance) -> Cycle:
    """The first cycle of a little effort."""
    return next(iter(cycles(2, instance.num_vms)))


def optimum(instance: Instance) -> float:
    """Cost of the cheapest of all schedules."""
    return min(evaluate(instance, o).total for o in every_schedule(instance) if is_feasible(instance, o))


def test_a_search_begins_at_the_reference() -> None:
    """Before its first cycle, the reference is the best schedule."""
    instance = spread()
    made = cycle_search(instance)
    assert made.best.tolist() == [4] * 4
    assert made.best_cost == pytest.approx(evaluate(instance, instance.today).total)
    assert made.arrays is made.arrays


def test_one_cycle_finds_the_optimum_of_a_small_instance() -> None:
    """The cost is that of the schedule."""
    instance = spread()
    made = cycle_search(instance)
    made.run(first_cycle(instance), None)
    assert made.best_cost == pytest.approx(optimum(instance))
    assert evaluate(instance, made.best).total == pytest.approx(made.best_cost)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_limits_on_writes_are_kept(most: int) -> None:
    """Each start except 4 needs a policy; the best use is made of those that are allowed."""
    limits = (WriteLimit("few", (0,), most),)
    instance = spread(Shape(write_price=0.01, write_limits=limits))
    made = cycle_search(instance)
    made.run(first_cycle(instance), None)
    assert is_feasible(instance, made.best)
    assert made.best_cost == pytest.approx(optimum(instance))


@pytest.mark.parametrize("most", [1, 3])
def test_limits_on_moves_are_kept(most: int) -> None:
    """With few moves, the best few are made."""
    instance = spread(Shape(max_moves=most))
    made = cycle_search(instance)
    made.run(first_cycle(instance), None)
    assert int((made.best != instance.today).sum()) <= most
    assert made.best_cost == pytest.approx(optimum(instance))


def test_only_feasible_schedules_that_cost_no_more_are_kept() -> None:
    """Nothing, a schedule that breaks a limit, and one that costs more are refused; an equal one is taken."""
    prices = {(0, 4): 1.0, (0, 9): 1.0, (0, 20): 2.0, (0, 33): 0.0}
    instance = small_instance([4], priced(1, prices), allowed={0: [4, 9, 20]})
    made = cycle_search(instance)
    made.offer(None)
    made.offer(np.array([33]))
    made.offer(np.array([20]))
    assert made.best.tolist() == [4]
    made.offer(np.array([9]))
    assert made.best.tolist() == [9]


def test_ties_are_settled_for_today() -> None:
    """The search has gone to a start that costs the same as today's: settling takes the move back."""
    instance = small_instance([4], priced(1, {(0, 4): 1.0, (0, 9): 1.0}))
    made = cycle_search(instance)
    made.offer(np.array([9]))
    made.settle_ties()
    assert made.best.tolist() == [4]
    assert made.best_cost == pytest.approx(1.0)


def test_a_known_schedule_is_a_beginning_too() -> None:
    """Without any time after the beginning, the given schedule is what is found; a broken one is ignored."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True)]
    prices = {(0, 4): 5.0, (0, 9): 0.0, (1, 9): 5.0, (1, 4): 0.0}
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,), write_price=0.1)
    instance = small_instance([4, 9], priced(2, prices, 50.0), shape=shape)
    known = np.array([9, 4])
    made = cycle_search(instance, start=known, clock=SolveClock(0.0))
    made.run(Cycle(0, 0.0, 0.001, 2), None)
    assert made.best.tolist() == [9, 4]
    broken = cycle_search(small_instance([4], allowed={0: [4]}), start=np.array([9]))
    broken.run(Cycle(0, 0.0, 0.001, 1), None)
    assert broken.best.tolist() == [4]


def test_without_time_the_beginning_is_kept() -> None:
    """The search descends by single moves until the clock stops it, and never gets worse."""
    instance = spread()
    made = cycle_search(instance, clock=SolveClock(0.0))
    made.run(first_cycle(instance), None)
    assert is_feasible(instance, made.best)
    assert made.best_cost <= evaluate(instance, instance.today).total


class Listener:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, int, int]] = []

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:  # noqa: ARG002  # notes are not kept
        """Keep a report."""
        self.reports.append((stage, done, total))


def search_with(instance: Instance, search: Search, progress: Progress = no_progress) -> CycleSearch:
    """A search from today's schedule with some settings."""
    task = Task(instance, search, SolveClock(None), progress, SERIAL, None, None)
    today = instance.today.copy()
    return CycleSearch(task, today, Incumbent(evaluate(instance, today).total, search.effort, progress))


@pytest.mark.parametrize("part_vms", [1, 2])
def test_parts_of_one_vault_each_find_the_optimum_too(part_vms: int) -> None:
    """Two vaults that share a service are searched one by one if they are large for a part, and then together."""
    prices = {(v, t): 0.1 * ((v + n) % 3) for v in range(4) for n, t in enumerate(STARTS)}
    rows = [Row(range(4), (t,), pair_price=1.0) for t in STARTS]
    shape = Shape(key=[0, 0, 1, 1], key_vault=(0, 1), room=(100, 100), write_price=0.1)
    instance = small_instance([4] * 4, priced(4, prices), rows, shape, dict.fromkeys(range(4), STARTS))
    made = search_with(instance, Search(effort=2, seed=1, part_vms=part_vms))
    made.run(first_cycle(instance), None)
    assert made.best_cost == pytest.approx(optimum(instance))
    assert evaluate(instance, made.best).total == pytest.approx(made.best_cost)


def test_progress_of_a_cycle_never_goes_back() -> None:
    """The search reports from the begin to the end of its cycle, and not beyond."""
    instance, listener = spread(), Listener()
    made = search_with(instance, Search(effort=2, seed=1), listener)
    cycle = first_cycle(instance)
    made.run(cycle, None)
    done = [amount for stage, amount, _ in listener.reports if stage == "search"]
    assert done == sorted(done)
    assert done[0] == 0 < done[-1]
    assert all(amount <= total for _, amount, total in listener.reports)


def test_equal_seeds_give_equal_schedules() -> None:
    """A search is repeatable, in whichever cycle."""
    instance = spread()
    for number, cycle in zip(range(2), cycles(2, instance.num_vms), strict=False):
        found = []
        for _ in range(2):
            made = search_with(instance, Search(effort=2, seed=7))
            made.run(cycle, None)
            found.append((made.best.tolist(), made.best_cost))
        assert found[0] == found[1], number


def test_a_later_cycle_goes_on_from_the_best_schedule() -> None:
    """Only the first cycle looks at the start that the task names; none makes the best schedule worse."""
    instance = spread()
    made = cycle_search(instance, start=np.array([33] * 4))
    best = min(every_schedule(instance), key=lambda options: evaluate(instance, options).total)
    made.offer(best)
    before = made.best_cost
    made.run(Cycle(1, 1.0, 1.01, 4), None)
    assert made.best_cost == pytest.approx(before)
    assert is_feasible(instance, made.best)


def test_multipliers_of_the_bound_price_the_writes() -> None:
    """With what the dual knows already, the limit on writes is kept and the optimum found as well."""
    limits = (WriteLimit("few", (0,), 1),)
    instance = spread(Shape(write_price=0.01, write_limits=limits))
    made = cycle_search(instance)
    made.run(first_cycle(instance), ascend(instance, 30).best)
    assert made.best_cost == pytest.approx(optimum(instance))


def test_ties_are_not_settled_where_that_costs_more() -> None:
    """A start that is cheaper than today's by more than rounding is kept."""
    instance = small_instance([4], priced(1, {(0, 4): 1.0, (0, 9): 0.99}))
    made = cycle_search(instance)
    made.offer(np.array([9]))
    made.settle_ties()
    assert (made.best.tolist(), made.best_cost) == ([9], pytest.approx(0.99))


def test_among_equal_starts_those_of_low_rank_are_chosen() -> None:
    """Today's start costs more; of two others that cost the same, the one with the lower rank is taken."""
    instance = small_instance([4], priced(1, {(0, 4): 2.0, (0, 9): 1.0, (0, 20): 1.0}))
    rank = instance.tie_rank.copy()
    rank[0, 20], rank[0, 9] = 3, 8
    made = cycle_search(replace(instance, tie_rank=rank))
    made.offer(np.array([9]))
    made.settle_ties()
    assert made.best.tolist() == [20]
