"""What of their backups is said of the VMs of a conflict: only that without which their rules could hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.limits import Limits
from optimizer.solve.why_not.circumstances import circumstances
from optimizer.solve.why_not.conflicts import find_conflicts
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from tests.solve.conflict_examples import limits_of
from tests.solve.examples import DAILY, HOURLY, Problem, flat_risk, inventory, policy

BERLIN = "Europe/Berlin"
HOURS = "some are backed up every 6 h for 12 h, and every run must keep the rules: with one run a day they could hold"
CLOCK = (
    f"clocks change in {BERLIN}, and rules must hold at every UTC offset of the coming year: at today's offset alone "
    "they could hold"
)


def window(hours: float) -> Rule:
    """Backups from noon for so many hours, by a clock that never changes."""
    return Rule(name="hours", allow=(Window(start=720, end=720 + round(60 * hours), zone="UTC"),))


def told(found: Inventory, *rules: Rule) -> list[tuple[str, ...]]:
    """What is said of each conflict between rules that every VM has to keep."""
    problem = Problem(found, Rules(rule=rules, max_risk_increase=100.0), flat_risk(len(found.items)))

    def limits_under(other: Inventory) -> Limits:
        return limits_of(replace(problem, inventory=other))

    limits = limits_of(problem)
    conflicts, _ = find_conflicts(limits, Feasibility(limits, Budget(50.0)))
    assert conflicts
    return circumstances(found, conflicts, limits_under, Budget(50.0))


HOURLY_VM = [policy("h", "v", 20, HOURLY)]
BERLIN_VM = [policy("b", "v", 20, DAILY, BERLIN)]
EXAMPLES = {
    "a window in which one run fits, but not three": (HOURLY_VM, window(6), (HOURS,)),
    "a window in which not even one run fits": (HOURLY_VM, window(2), ()),
    "a window for one reading of the clock": (BERLIN_VM, window(3), (CLOCK,)),
    "a window for neither reading": (BERLIN_VM, window(2), ()),
    "a clock that has no part in what is wrong with the runs": (
        [policy("h", "v", 20, HOURLY, BERLIN)],
        window(6),
        (HOURS,),
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_only_what_has_a_part_in_it_is_said(name: str) -> None:
    """Three runs a day, and clocks that change, are named where the window would do for one of them."""
    policies, rule, expected = EXAMPLES[name]
    assert told(inventory(policies, [("web", policies[0].name)]), rule) == [expected]


def test_rules_that_contradict_each_other_whatever_runs_are_left_alone() -> None:
    """Running in the morning only, and never in it, is impossible in whatever zone: neither clock has a part in it."""
    policies = [policy("u", "v", 20, DAILY), policy("b", "v", 20, DAILY, BERLIN)]
    morning = Window(start=480, end=840)
    found = inventory(policies, [("web", "u"), ("web", "b")])
    answers = told(found, Rule(name="mornings", allow=(morning,)), Rule(name="no mornings", forbid=(morning,)))
    assert answers == [()]


def test_both_readings_can_be_too_much_for_a_cap() -> None:
    """A day has room for ten windows one after the other, but not where each of them counts an hour longer."""
    found = inventory([policy("b", "v", 20, DAILY, BERLIN)], [("web", "b")] * 9)
    assert told(found, Rule(name="in turns", max_concurrent=1)) == [(CLOCK,)]
