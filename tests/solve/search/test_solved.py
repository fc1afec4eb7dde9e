"""Answers of the solver: what is derived from cost and bound, and what another schedule changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.rules import Rules
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import (
    NotFound,
    Solved,
    Unsolvable,
    captured,
    leaves_open_at_most,
    proves_optimal,
)
from tests.solve.examples import Problem, flat_risk, inventory, policy


def answer() -> tuple[Instance, Solved]:
    """Two VMs of one service that start together, at the cost of today's schedule, with a bound of 0."""
    problem = Problem(inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")]), Rules(), flat_risk(2, 0.5))
    instance = problem.instance()
    cost = evaluate(instance, instance.today)
    multipliers = ascend(instance, 1).best
    return instance, Solved(instance.today, cost, 0.0, "today", cost, "effort", 0.0, multipliers)


def test_the_gap_decides_whether_a_schedule_is_optimal() -> None:
    """Optimal means that at most a ten-thousandth of the cost is left open."""
    assert proves_optimal(100.0, 99.995)
    assert not proves_optimal(100.0, 99.9)
    _, solved = answer()
    assert not solved.is_optimal
    assert solved.gap == pytest.approx(solved.cost.total)
    closed = replace(solved, bound=solved.cost.total)
    assert (closed.is_optimal, closed.stopped, closed.captured, closed.gap) == (True, "gap", 1.0, 0.0)


def test_captured_is_the_certified_share() -> None:
    """Half of what could be gained at most is captured; nothing, if the plan costs more than the reference."""
    assert captured(10.0, 6.0, 2.0) == pytest.approx(0.5)
    assert captured(10.0, 10.0, 10.0) == 1.0
    instance, solved = answer()
    dearer = replace(solved, cost=replace(solved.cost, moves=solved.cost.moves + 1.0))
    assert dearer.captured == 0.0
    assert solved.with_schedule(instance, solved.options).captured == pytest.approx(0.0)


def test_a_share_left_open_is_of_the_improvement_or_of_the_cost() -> None:
    """Without a reference of today, the gap is a share of the cost."""
    assert leaves_open_at_most(0.1, 11.0, 10.0, today=20.0)
    assert not leaves_open_at_most(0.05, 11.0, 10.0, today=20.0)
    assert leaves_open_at_most(0.1, 11.0, 10.0, today=None)
    assert not leaves_open_at_most(0.05, 11.0, 10.0, today=None)


def test_what_spreading_costs_is_kept_apart() -> None:
    """Spreading adds what it costs more; a schedule that saves takes it back."""
    instance, solved = answer()
    apart = np.array([46, 10])
    spread = solved.with_services_spread(instance, apart)
    more = spread.cost.total - solved.cost.total
    assert spread.spreading_costs == pytest.approx(max(0.0, more))
    assert spread.with_schedule(instance, solved.options).spreading_costs == pytest.approx(0.0)


def test_a_better_bound_is_taken_over() -> None:
    """With another schedule comes another bound, if one is given."""
    instance, solved = answer()
    assert solved.with_schedule(instance, solved.options, 0.25).bound == 0.25
    assert solved.with_schedule(instance, solved.options).bound == solved.bound


@pytest.mark.parametrize(
    ("cost", "bound", "optimal"), [(0.0, -1e-4, True), (0.0, -2e-4, False), (-5.0, -5.0004, True)]
)
def test_small_and_negative_costs_are_compared_with_one(cost: float, bound: float, optimal: bool) -> None:
    """The gap is relative to the cost, or to 1 where that is less."""
    assert proves_optimal(cost, bound) is optimal


def test_spreading_costs_are_left_out_of_what_was_searched() -> None:
    """A schedule is optimal but for spread services if the rest of its cost meets the bound."""
    _, solved = answer()
    total = solved.cost.total
    spread = replace(solved, bound=total - 0.5, spreading_costs=0.5)
    assert spread.searched == pytest.approx(total - 0.5)
    assert (spread.is_optimal, spread.gap) == (True, pytest.approx(0.0))
    assert replace(spread, spreading_costs=0.0).gap == pytest.approx(0.5)


def test_what_ended_the_search() -> None:
    """The reason is kept unless the schedule is optimal."""
    _, solved = answer()
    assert replace(solved, ended_by="time").stopped == "time"
    assert replace(solved, ended_by="time", bound=solved.cost.total).stopped == "gap"


@pytest.mark.parametrize(("name", "leaves"), [("today", False), ("greedy", True)])
def test_the_reference_decides_what_a_share_is_of(name: str, leaves: bool) -> None:
    """The cost is 10, the bound 9.5, and today costs 11: a third of 1.5 is left open, or a twentieth of 10."""
    _, solved = answer()
    reference = replace(solved.reference, risk=solved.reference.risk + 11.0 - solved.reference.total)
    made = replace(solved, bound=9.5, reference=reference, reference_name=name)
    assert made.leaves_open_at_most(0.06, 10.0) is leaves
    assert made.leaves_open_at_most(0.34, 10.0)


def test_answers_without_a_schedule_have_their_seconds() -> None:
    """A proof and a search without a result are different things."""
    assert Unsolvable(1.5).seconds == NotFound(1.5).seconds
    assert Unsolvable(1.5) != NotFound(1.5)
