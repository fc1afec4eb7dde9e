"""``within`` of a rule with ``order``: the smallest value that is possible, and a larger one as a way out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from optimizer.errors import ConfigError
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.set_demands import least_within
from optimizer.model.timegrid import parse_start
from optimizer.plan import prepare
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.limits import Limit, LimitKind, Limits
from optimizer.solve.why_not.changes import Change, loosened
from optimizer.solve.why_not.effects import Effect
from optimizer.solve.why_not.feasibility import Budget
from optimizer.solve.why_not.relaxation import diagnose
from tests.solve.examples import DAILY, Problem, flat_risk, inventory, obvious_clash, only, policy
from tests.whatif.examples import tiny_estate

BERLIN, KATHMANDU = "W. Europe Standard Time", "Nepal Standard Time"
ORDERED = Limit("a before b", LimitKind.RULE)


def problem(within: float, *others: Rule, zones: Sequence[str] = ("UTC", "UTC")) -> Problem:
    """Two daily VMs of one service, the second to follow the first."""
    found = inventory(
        [policy(f"p{n}", "v", parse_start("23:00"), DAILY, zone) for n, zone in enumerate(zones)],
        [("web", "p0"), ("web", "p1")],
    )
    rule = Rule(name=ORDERED.name, order=("vm0", "vm1"), within=within)
    return Problem(found, Rules(rule=(rule, *others)), flat_risk(2))


@pytest.mark.parametrize(
    ("zones", "least"),
    [(("UTC", "UTC"), 0.25), ((BERLIN, "UTC"), 1.25), (("UTC", BERLIN), 1.25), (("UTC", KATHMANDU), 0.0)],
)
def test_the_smallest_within_is_what_loops_over_all_starts_find(zones: Sequence[str], least: float) -> None:
    """Windows of 2 h 15 min leave a quarter of an hour to the next half hour; a change of clocks adds an hour."""
    one = problem(1.0, zones=zones)
    stays = np.zeros(2, dtype=np.bool_)
    found = least_within(one.inventory, one.rules, stays)
    assert found == {ORDERED.name: least}
    for within in (least - 0.25, least):
        if within <= 0:
            continue
        tried = problem(within, zones=zones)
        rule = tried.rules.rule[0]
        fits = any(
            not obvious_clash(tried, rule, 0, 1, (t, u)) and not obvious_clash(tried, rule, 1, 0, (t, u))
            for t, u in itertools.product(range(48), range(48))
        )
        assert fits == (within >= least)
    assert least_within(one.inventory, one.rules, ~stays) == {}


@pytest.mark.parametrize("to", [0.25, 0.75, 3.0, 24.0])
def test_a_longer_within_is_the_same_as_one_that_was_written(to: float) -> None:
    """Loosened limits have the gates of an instance that is built with the longer value; others keep theirs."""
    twin = Rule(name="twin", order=("vm0", "vm1"), within=0.2)  # shares its matrices
    limits = _limits(problem(0.2, twin))
    longer = loosened(limits, [Change(ORDERED, 0.2, to)])
    written = _limits(problem(to, twin))
    for t, u in itertools.product(range(0, 48, 3), range(48)):
        options = np.array([t, u])
        assert set(broken_limits(longer, options)) == set(broken_limits(written, options)), (t, u)
    assert longer.within(ORDERED) == to
    assert longer.within(Limit("twin", LimitKind.RULE)) == 0.2


def test_a_way_out_is_the_shortest_within_that_will_do() -> None:
    """From 18:00 or 18:30 to 02:00 it is at least 5 h 15 min: with that, and no less, both windows can stay."""
    rules = [
        only(*starts).model_copy(update={"name": name, "where": Selector(name=vm)})
        for name, vm, starts in (("early", "vm0", ("18:00", "18:30")), ("late", "vm1", ("02:00", "02:30")))
    ]
    limits = _limits(problem(1.0, *rules))
    effect = Effect(cost=1.0, at_risk=0.0, overlaps=0.0, moved=0, writes=0)
    found = diagnose(limits, lambda *_: effect, Budget(100.0))
    ways = {change for way in found.relaxations if len(way.changes) == 1 for change in way.changes}
    assert Change(ORDERED, 1.0, 5.25) in ways
    assert Change(ORDERED) in ways


def _limits(one: Problem) -> Limits:
    return Limits(one.instance(), one.restrictions, one.rules)


def test_a_within_that_nothing_keeps_is_refused(tmp_path: Path) -> None:
    """The message names the rule, the value and the smallest one that is possible."""
    rows = [(f"vm-{n}", "shop", "vault-a", "nightly", "23:00") for n in range(2)]
    estate = tiny_estate(tmp_path, rows, {})
    rules = [Rules(rule=(Rule(name="first", order=("vm-0", "vm-1"), within=hours),)) for hours in (0.1, 0.25)]
    with pytest.raises(ConfigError, match=r"rule 'first' > within = 0\.1: is too small") as refused:
        prepare(estate, rules[0])
    assert "allowed for these VMs: 0.25 to 24 hours" in str(refused.value)
    assert prepare(estate, rules[1]).rules == rules[1]
