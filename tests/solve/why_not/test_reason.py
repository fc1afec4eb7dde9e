"""The reason why a problem has no schedule, as an error with names."""

from __future__ import annotations

import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.questions import Problem
from optimizer.solve.why_not.no_schedule import (
    NamedConflict,
    NamedRelaxation,
    NoScheduleError,
    NotFoundWithinEffortError,
)
from optimizer.solve.why_not.reason import Unsolved
from tests.solve.examples import Problem as Example
from tests.solve.examples import flat_risk, inventory, only, policy

FOUND = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
CONTRADICTING = (only("03:00"), only("05:00"))


def problem_of(found: Inventory, rules: Rules) -> Problem:
    """The problem of two VMs without any risk."""
    example = Example(found, rules, flat_risk(2))
    return Problem(example.instance(), example.restrictions, example.rules)


def unsolved(*rules: Rule, **settings_: object) -> Unsolved:
    """A problem that is taken to have no schedule."""
    return Unsolved(FOUND, problem_of(FOUND, Rules(rule=rules, **settings_)), problem_of)


def test_contradicting_rules_are_named_and_told() -> None:
    """The error names both windows, and each conflict and way out is reported as soon as it is proven."""
    told: list[NamedConflict | NamedRelaxation] = []
    error = unsolved(*CONTRADICTING).error(Search(effort=20), None, told.append)
    assert isinstance(error, NoScheduleError)
    names = {rule.name for rule in CONTRADICTING}
    assert {limit.name for limit in error.answer.conflicts[0].limits} == names
    assert error.answer.relaxations
    assert {type(one) for one in told} == {NamedConflict, NamedRelaxation}
    for name in names:
        assert repr(name) in str(error)


@pytest.mark.parametrize(("most", "advice"), [(None, False), (1, True)])
def test_without_a_proof_the_message_says_how_to_go_on(most: int | None, advice: bool) -> None:
    """It states the effort, and points to --toward only if moves are limited."""
    error = unsolved(max_moves=most).not_found(Search(effort=7))
    assert isinstance(error, NotFoundWithinEffortError)
    assert "with effort 7" in str(error)
    assert ("--toward" in str(error)) == advice


def test_a_problem_that_has_a_schedule_after_all_says_what_the_caller_knows() -> None:
    """If the limits can hold, the message of the caller is used."""
    error = unsolved().error(Search(effort=20), None, lambda _: None, if_possible="out of reach")
    assert isinstance(error, NotFoundWithinEffortError)
    assert error.headline == "out of reach"
