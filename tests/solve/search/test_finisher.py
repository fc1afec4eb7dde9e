"""CP-SAT at the end of a cycle: the whole problem where it is small, otherwise neighborhoods."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.engine import SERIAL
from optimizer.ports import no_progress
from optimizer.solve.bound.ascent import Climb
from optimizer.solve.effort.clock import Incumbent, SolveClock
from optimizer.solve.effort.cycles import Cycle
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.finisher import EFFORT_PER_NEIGHBORHOOD, WHOLE_MODEL_VMS, Finisher
from optimizer.solve.search.strategy import CycleSearch, Task
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance

STARTS = (4, 9, 20)


def spread(num_vms: int) -> Instance:
    """VMs of one service that all start at 4."""
    prices = {(v, t): 0.1 * ((v + n) % 3) for v in range(num_vms) for n, t in enumerate(STARTS)}
    rows = [Row(range(num_vms), range(*ends), pair_price=1.0) for ends in ((0, 7), (7, 15), (15, 48))]
    return small_instance(
        [4] * num_vms, priced(num_vms, prices), rows, Shape(write_price=0.1), dict.fromkeys(range(num_vms), STARTS)
    )


def finisher(instance: Instance) -> tuple[Finisher, CycleSearch]:
    """CP-SAT beside a search that is still at today's schedule."""
    task = Task(instance, Search(effort=64), SolveClock(None), no_progress, SERIAL, None, None)
    incumbent = Incumbent(evaluate(instance, instance.today).total, 64, no_progress)
    search = CycleSearch(task, instance.today.copy(), incumbent)
    return Finisher(task, search, Climb(instance), incumbent), search


def never(_cycle: Cycle, _bound: float) -> bool:
    """Never stop."""
    return False


def test_a_small_problem_is_solved_as_a_whole() -> None:
    """CP-SAT finds the optimum, and proves it: bound and cost meet."""
    instance = spread(4)
    made, search = finisher(instance)
    bound = made.run(Cycle(0, 0.0, 10.0, 4), -math.inf, never)
    best = min(evaluate(instance, o).total for o in every_schedule(instance) if is_feasible(instance, o))
    assert search.best_cost == pytest.approx(best)
    assert best - 1e-4 <= bound <= best + 1e-9


def test_a_better_bound_is_kept() -> None:
    """CP-SAT's bound does not replace one that is higher."""
    made, _ = finisher(spread(3))
    assert made.run(Cycle(0, 0.0, 10.0, 3), 1e6, never) == 1e6


def test_a_large_problem_is_finished_in_neighborhoods() -> None:
    """One neighborhood for each 16 units of effort of the cycle; the schedule gets better, the bound stays."""
    num_vms = WHOLE_MODEL_VMS + 2
    instance, asked = spread(num_vms), list[float]()
    made, search = finisher(instance)

    def done(_cycle: Cycle, bound: float) -> bool:
        asked.append(bound)
        return False

    before = search.best_cost
    bound = made.run(Cycle(1, EFFORT_PER_NEIGHBORHOOD, 3 * EFFORT_PER_NEIGHBORHOOD, num_vms), 1.5, done)
    assert asked == [1.5, 1.5]
    assert bound == 1.5
    assert search.best_cost < before
    assert is_feasible(instance, search.best)


def test_it_stops_when_the_search_is_done() -> None:
    """No neighborhood is solved once the gap is small enough."""
    num_vms = WHOLE_MODEL_VMS + 2
    instance = spread(num_vms)
    made, search = finisher(instance)
    made.run(Cycle(1, EFFORT_PER_NEIGHBORHOOD, 3 * EFFORT_PER_NEIGHBORHOOD, num_vms), 1.5, lambda *_: True)
    assert search.best.tolist() == instance.today.tolist()


def test_a_short_cycle_of_a_large_problem_has_no_neighborhood() -> None:
    """Nor has a problem without movable VMs."""
    num_vms = WHOLE_MODEL_VMS + 2
    made, search = finisher(spread(num_vms))
    assert made.run(Cycle(0, 0.0, 3.0, num_vms), 0.5, never) == 0.5
    assert search.best.tolist() == [4] * num_vms
    pinned = small_instance([4] * num_vms, shape=Shape(immovable=range(num_vms)))
    made, search = finisher(pinned)
    assert made.run(Cycle(0, 0.0, 64.0, num_vms), 0.5, never) == 0.5
    assert np.array_equal(search.best, pinned.today)
