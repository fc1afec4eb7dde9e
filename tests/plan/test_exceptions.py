"""Rules with ``except``: who is exempted is free of a rule of any kind, for the solver as for the verifier."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from optimizer.model.rule_matches import matching_items
from optimizer.model.rule_windows import DateRange, Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.calendar.recovery import rpo_of_items
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.solve.problem.breaches import breaches
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.limits import Limits
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import rules_of
from optimizer.verifier.window_clock import WindowClock
from tests.plan.planned import Planned, planned
from tests.rollout.calendar.test_write_windows import DAILY
from tests.rollout.small_rollouts import NOW, item_write, world
from tests.solve.examples import Problem, flat_risk, inventory, policy

DAY = Window(start=6 * 60, end=20 * 60)
KINDS: dict[str, dict[str, Any]] = {
    "allow": {"allow": (DAY,)},
    "forbid": {"forbid": (DAY,)},
    "max_concurrent": {"max_concurrent": 1},
    "separate": {"separate": True},
    "sets apart": {"separate": ("vm0", "vm1", "vm2")},
    "order": {"order": ("vm0", "vm1", "vm2")},
    "pin": {"pin": True},
    "exclude": {"exclude": True},
    "rpo_hours": {"rpo_hours": 27},
}
EXEMPT = [("vm0",), ("VM0", "nobody-*"), (Selector(name="vm?", service="mail"),)]
"""The first of three VMs, in several ways."""


def problem_of(*rules: Rule) -> Problem:
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("mail", "p"), ("web", "p"), ("web", "q")])
    return Problem(found, Rules(rule=rules), flat_risk(3))


OTHER = Rule(name="not at noon", forbid=(Window(start=11 * 60, end=13 * 60),))
"""A second rule by which pins and exclusions show: an excluded VM is not held to it."""


def without_exceptions(kind: str) -> Problem:
    """The same problem with a rule that fits only the other two VMs."""
    return problem_of(Rule(name="rule", where=Selector(service="web"), **KINDS[kind]), OTHER)


def judged(problem: Problem) -> list[tuple[object, object]]:
    """What the solver and the verifier find wrong with each of 4,096 schedules."""
    instance = problem.instance()
    check = SetRules(problem.inventory, problem.rules, WindowClock(problem.inventory))
    schedules = itertools.product(range(0, 48, 3), repeat=3)
    limits = Limits(instance, problem.restrictions, problem.rules)
    return [(breaches(limits, np.array(options)), check.broken(options)) for options in schedules]


@lru_cache
def judged_without_exceptions(kind: str) -> list[tuple[object, object]]:
    """Judge the problem without exceptions once for all forms of the exception."""
    return judged(without_exceptions(kind))


@pytest.mark.parametrize("exempt", EXEMPT, ids=["name", "names", "criteria"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exempted_vm_is_free_of_a_rule_of_any_kind(kind: str, exempt: tuple[str | Selector, ...]) -> None:
    """A rule but for a VM is the rule of those that are left, for the solver, the verifier and the roll-out."""
    ours = problem_of(Rule(name="rule", exempt=exempt, **KINDS[kind]), OTHER)
    same = without_exceptions(kind)
    items = ours.inventory.items
    assert matching_items(ours.inventory, ours.rules.rule[0]).tolist() == [False, True, True]
    assert [len(rules_of(ours.inventory, ours.rules, item)) for item in items] == [1, 2, 2]
    assert (ours.restrictions.allowed == same.restrictions.allowed).all()
    assert (ours.restrictions.movable == same.restrictions.movable).all()
    instances = ours.instance(), same.instance()
    assert judged(ours) == judged_without_exceptions(kind)
    today = instances[0].today
    assert evaluate(instances[0], today).total == pytest.approx(evaluate(instances[1], today).total)
    assert rpo_of_items(ours.inventory, ours.rules) == rpo_of_items(same.inventory, same.rules)


def test_an_exempted_vm_is_not_frozen() -> None:
    """On a frozen day the VM that the freeze is not for may be written, and the other may not."""
    days = (DateRange(first=date(2026, 2, 18), last=date(2026, 2, 19)),)
    rules = Rules(rule=(Rule(name="carnival", exempt=("a",), freeze=days),))
    given = world([DAILY], {"a": "daily", "b": "daily"}, {}, rules)
    free, frozen = (
        WriteWindows(given.inventory, rules).windows(item_write(vm, "12:00", "11:00"), NOW)[0][0] for vm in ("a", "b")
    )
    assert free < datetime(2026, 2, 19, tzinfo=UTC)
    assert frozen >= datetime(2026, 2, 20, tzinfo=UTC)


def test_a_plan_with_exceptions_of_every_kind_passes_its_verification(imported: Planned) -> None:
    """The verifier finds no fault; those whom a pin or an exclusion is not for are not kept by it, the others are."""
    night = Window(start=20 * 60, end=8 * 60, zone="UTC")
    rules = Rules(
        rule=(
            Rule(name="turns", where=Selector(service="erp"), exempt=("erp-00", "erp-01"), max_concurrent=4),
            Rule(name="nights", exempt=(Selector(service="pay"), "single-*"), allow=(night,)),
            Rule(name="web stays", where=Selector(service="web"), exempt=("web-01",), pin=True),
            Rule(name="hands off", where=Selector(service="mail"), exempt=("mail-00",), exclude=True),
            Rule(name="often", where=Selector(service="shop"), exempt=("shop-*1",), rpo_hours=40),
            Rule(name="one by one", where=Selector(name="single-*"), exempt=("single-00", "single-01"), separate=True),
        )
    )
    plan = planned(imported.estate, rules).plan
    stay = {entry.vm: entry.reason for entry in plan.schedule if entry.vm.startswith(("web", "mail"))}
    assert {vm for vm, reason in stay.items() if "by rule" not in reason} <= {"web-01", "mail-00"}
    assert "by rule" not in stay["web-01"] + stay["mail-00"]
