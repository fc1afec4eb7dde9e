"""The first step toward rules that need more moves than are allowed at once, with writes that are made up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from optimizer.engine import SERIAL
from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rule, Rules
from optimizer.ports import no_progress
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.moves.first_step import TowardRules, plan_toward
from optimizer.solve.moves.toward import gravity, not_worse_than_today
from optimizer.solve.problem.statement import Statement
from tests.solve.examples import Problem, flat_risk, inventory, only, policy
from tests.solve.toward_examples import after


class OneByOne:
    """Writes that move one VM each, in the order of the VMs; some VMs can never be moved.

    Parameters
    ----------
    problem
        The problem.
    stuck
        VMs that no order of writes can move.
    """

    def __init__(self, problem: Problem, stuck: Sequence[int] = ()) -> None:
        self._problem, self._stuck = problem, stuck
        self.asked: list[list[int]] = []

    def _moved(self, options: IntArray) -> list[int]:
        return np.flatnonzero(options != statement(self._problem).instance.today).tolist()

    def stuck(self, options: IntArray) -> tuple[int, ...]:
        """Stuck VMs that the schedule moves."""
        self.asked.append(options.tolist())
        return tuple(v for v in self._moved(options) if v in self._stuck)

    def in_order(self, options: IntArray) -> Iterator[list[int]]:
        """One VM after the other."""
        yield from ([v] for v in self._moved(options))

    def problem_after(self, options: IntArray) -> Statement:
        """The problem of the next month."""
        return statement(after(self._problem, options))


def statement(problem: Problem) -> Statement:
    """The problem as the search has it."""
    return Statement(problem.instance(), problem.restrictions, problem.rules)


def crowded(num_vms: int, max_moves: int, *more: Rule) -> Problem:
    """VMs at 23:00 of which only one may be backed up at a time; every start has the same risk."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * num_vms)
    rules = (Rule(name="in turns", max_concurrent=1, per="vault"), *more)
    return Problem(found, Rules(rule=rules, max_moves=max_moves), flat_risk(num_vms))


def step(problem: Problem, writes: OneByOne | None = None, start: IntArray | None = None) -> TowardRules | None:
    """The first step of a problem."""
    return plan_toward(
        statement(problem),
        writes or OneByOne(problem),
        Search(effort=2),
        engine=SERIAL,
        progress=no_progress,
        start=start,
    )


def moves(problem: Problem, options: IntArray) -> int:
    """Number of VMs that a schedule moves."""
    return int((options != statement(problem).instance.today).sum())


def test_enough_moves_keep_every_rule_at_once() -> None:
    """Two of three VMs have to leave, and two may."""
    problem = crowded(3, 2)
    found = step(problem)
    assert found is not None
    assert (found.moves_needed, found.months) == (2, 1)
    assert statement(problem).is_kept_by(found.options)
    assert found.options is found.target


@pytest.mark.parametrize(("num_vms", "most", "months"), [(3, 1, 2), (4, 2, 2)])
def test_the_step_makes_the_moves_of_the_first_month(num_vms: int, most: int, months: int) -> None:
    """All VMs but one have to leave, so many a month; the step leaves fewer breaches and leads to the target."""
    problem = crowded(num_vms, most)
    found = step(problem)
    assert found is not None
    assert (found.moves_needed, found.months) == (num_vms - 1, months)
    assert moves(problem, found.options) <= most
    made = statement(problem)
    assert not_worse_than_today(made.instance, found.options)
    left = gravity(made.instance, made.broken_at(found.options))
    assert left < gravity(made.instance, made.broken_at(made.instance.today))
    stepped = found.options != made.instance.today
    assert (found.target[stepped] == found.options[stepped]).all()
    rest = statement(after(problem, found.options))
    assert int((found.target != rest.instance.today).sum()) == num_vms - 1 - int(stepped.sum())


def test_there_is_no_step_toward_rules_that_nothing_keeps() -> None:
    """Twelve VMs do not fit into a day of windows of 2 h 15 min, one at a time."""
    assert step(crowded(12, 1)) is None


def test_a_pinned_vm_stays_in_step_and_target() -> None:
    """The pinned VM keeps its start, and the others leave."""
    problem = crowded(3, 1, Rule(name="pin", where={"name": "vm1"}, pin=True))
    found = step(problem)
    assert found is not None
    assert found.options[1] == found.target[1] == 46
    assert found.moves_needed == 2


def test_a_vm_that_no_order_of_writes_moves_is_held_in_the_step() -> None:
    """The search is asked again with this VM where it is, and another VM makes the step."""
    problem = crowded(3, 1, Rule(name="early", where={"name": "vm2"}, weight=5.0))
    writes = OneByOne(problem, stuck=[2])
    found = step(problem, writes)
    assert found is not None
    assert found.options[2] == 46
    assert moves(problem, found.options) == 1
    assert all(not (options[2] != 46 and options == found.options.tolist()) for options in writes.asked)


def test_without_a_step_that_can_be_carried_out_the_first_writes_of_the_target_are_made() -> None:
    """If every step is stuck, what is left is today's schedule, from which the target is still to be reached."""
    problem = crowded(3, 1)
    found = step(problem, OneByOne(problem, stuck=[0, 1, 2]))
    assert found is not None
    assert moves(problem, found.options) == 0
    assert moves(problem, found.target) == 2
    assert found.months == 3


def test_an_earlier_plan_bounds_the_moves_that_are_needed() -> None:
    """The plan moves two VMs to 01:00 and 09:00; the first step toward it, or better, is made."""
    problem = crowded(3, 1, Rule(name="before noon", where={"name": "vm0"}, allow=only("23:00", "09:00").allow))
    earlier = np.array([46, 6, 18])
    found = step(problem, start=earlier)
    assert found is not None
    assert found.moves_needed <= 2
    assert statement(crowded(3, 2)).is_kept_by(found.target)


def test_the_step_as_an_answer_is_measured_against_today() -> None:
    """The bound holds for every step that is no worse than today under any rule, so it is at most the step's cost."""
    problem = crowded(3, 1)
    found = step(problem)
    assert found is not None
    made = statement(problem)
    solved = found.as_solved(made, 1.5)
    assert solved.cost.total == pytest.approx(made.cost(found.options).total)
    assert solved.bound <= solved.cost.total
    assert solved.reference_name == "today"
    assert solved.reference.total == pytest.approx(made.cost(made.instance.today).total)
    assert solved.seconds == 1.5
    assert solved.options is found.options
