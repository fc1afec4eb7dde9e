"""The rules that today's schedule breaks, against plain loops over half hours and minutes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from optimizer.documents.audit_document import BrokenRule
from optimizer.model.occupancy import starts_today
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.plan.audits.broken_rules import breaks_of_standing, find_broken_rules
from optimizer.solve.questions import Problem as SolverProblem
from optimizer.verifier.under_rules import rules_of
from optimizer.verifier.window_clock import WindowClock
from tests.solve.examples import (
    Problem,
    flat_risk,
    inventory,
    obvious_clash,
    policy,
    problems,
)


def solved_for(problem: Problem) -> SolverProblem:
    """The problem as the solver gets it."""
    return SolverProblem(problem.instance(), problem.restrictions, problem.rules)


def broken(problem: Problem) -> dict[str, BrokenRule]:
    """Broken rules by their name."""
    found = find_broken_rules(problem.inventory, solved_for(problem))
    assert list(found) == sorted(found, key=lambda one: (-len(one.vms), one.rule))
    return {one.rule: one for one in found}


def without_exceptions(problem: Problem) -> Problem:
    """The same, but that everything could be written: what clashes is not tolerated anywhere."""
    items = tuple(replace(item, unwritable="") for item in problem.inventory.items)
    rules = tuple(rule for rule in problem.rules.rule if not (rule.exclude or rule.pin))
    return replace(
        problem,
        inventory=replace(problem.inventory, items=items),
        rules=problem.rules.model_copy(update={"rule": rules}),
    )


def clashing(problem: Problem, rule: Rule) -> set[str]:
    """VMs of which another one is in the way, or in whose way they are, by plain loops."""
    plain, options = without_exceptions(problem), starts_today(problem.inventory).tolist()
    rows = range(len(options))
    return {
        problem.inventory.items[v].vm_id
        for v in rows
        for w in rows
        if v != w and (obvious_clash(plain, rule, v, w, options) or obvious_clash(plain, rule, w, v, options))
    }


def crowding(problem: Problem, rule: Rule) -> set[str]:
    """VMs in a half hour in which more windows of a group meet than its cap, by plain loops."""
    found, clock = problem.inventory, WindowClock(problem.inventory)
    places = []
    for item in found.items:
        own = found.policy(item)
        group = item.vault_id if rule.per == "vault" else found.vm(item).service
        counted = rule in rules_of(found, problem.rules, item)
        places.append({(group, moment) for moment in clock.half_hours(own, own.start)} if counted else set())
    met = Counter(place for one in places for place in one)
    assert rule.max_concurrent is not None
    return {
        item.vm_id
        for item, one in zip(found.items, places, strict=True)
        if any(met[place] > rule.max_concurrent for place in one)
    }


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_broken_rules_are_those_of_the_plain_loops(problem: Problem) -> None:
    """Caps and rules between VMs are broken by exactly the VMs that the loops find, never-written ones included."""
    found = broken(problem)
    for rule in problem.rules.rule:
        wanted = set()
        if rule.max_concurrent is not None:
            wanted = crowding(problem, rule)
        elif rule.separate or rule.order:
            wanted = clashing(problem, rule)
        assert set(found[rule.name].vms if rule.name in found else ()) == wanted, rule.name


def at_the_window() -> Problem:
    """Three VMs at 23:00, of which the second is excluded, under a window until 00:00 and a ban of the evening."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 4)], [("web", "p")] * 3 + [("web", "q")])
    rules = Rules(
        rule=(
            Rule(name="early", allow=(Window(start=0, end=360),), forbid=(Window(start=1380, end=1439),)),
            Rule(name="hands off", where={"name": "vm1"}, exclude=True),
            Rule(name="freeze", freeze=("2026-12-24",)),
        )
    )
    return Problem(found, rules, flat_risk(4))


def test_a_window_is_broken_by_those_outside_and_some_of_them_stay() -> None:
    """The rule names its keys and its VMs, and how many of them no plan moves; rules on writes break at no time."""
    assert broken(at_the_window()) == {
        "early": BrokenRule(rule="early", demands=("allow", "forbid"), vms=("vm0", "vm1", "vm2"), never_written=1)
    }


def test_what_the_never_written_break_is_told_once() -> None:
    """A plan notes each VM that stays outside its window, and none that it will move."""
    problem = at_the_window()
    told = breaks_of_standing(problem.inventory, solved_for(problem))
    assert told == [(1, "early")]


def test_nothing_is_broken_where_nothing_is_demanded() -> None:
    """Without rules there are no broken ones."""
    problem = replace(at_the_window(), rules=Rules())
    assert broken(problem) == {}
