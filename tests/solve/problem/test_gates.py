"""Rules between sets of VMs: which starts clash, for every kind of policy, against plain loops over minutes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.set_demands import standing_clashes
from optimizer.model.timegrid import Frequency, Recurrence, format_start, parse_start
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import is_feasible, shut_gates
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.solve.examples import (
    DAILY,
    HOURLY,
    SUNDAYS,
    WORKDAYS,
    Problem,
    best_of_all,
    flat_risk,
    inventory,
    obvious_clash,
    only,
    policy,
)

BERLIN, KATHMANDU, SYDNEY = "W. Europe Standard Time", "Nepal Standard Time", "AUS Eastern Standard Time"
EVERY_8_HOURS = Recurrence(Frequency.HOURLY, (), 8, 24)
KINDS = [
    (DAILY, "UTC"),
    (DAILY, BERLIN),
    (DAILY, KATHMANDU),
    (SUNDAYS, "UTC"),
    (WORKDAYS, SYDNEY),
    (HOURLY, "UTC"),
    (HOURLY, BERLIN),
    (EVERY_8_HOURS, KATHMANDU),
]
A_BEFORE_B = Rule(name="a before b", order=("vm0", "vm1"))


def pair(
    *kinds: tuple[Recurrence, str], starts: Sequence[str] = ("23:00", "23:00"), rule: Rule = A_BEFORE_B
) -> Problem:
    """VMs with a policy each, in one vault and one service, under one rule."""
    policies = [
        policy(f"p{n}", "v", parse_start(start), *kind)
        for n, (kind, start) in enumerate(zip(kinds, starts, strict=True))
    ]
    found = inventory(policies, [("web", one.name) for one in policies])
    return Problem(found, Rules(rule=(rule,)), flat_risk(len(kinds)))


def breaks(problem: Problem, *starts: str) -> bool:
    """Whether a schedule breaks a rule, as the instance sees it."""
    return bool(not is_feasible(problem.instance(), np.array([parse_start(start) for start in starts])))


def clashes_of(problem: Problem) -> np.ndarray:
    """Which options of the first of two VMs clash with which of the second; shape (48, 48)."""
    gates = problem.instance().gates
    if not len(gates):
        return np.zeros((48, 48), dtype=np.bool_)
    gate = gates.vm_gate[gates.vm_begin[0]]
    return gates.clashes[gates.clash[gates.gate_begin[gate]]]


@pytest.mark.parametrize("rule", [A_BEFORE_B, Rule(name="apart", separate=("vm0", "vm1"))], ids=["order", "separate"])
@pytest.mark.parametrize("kinds", list(itertools.product(KINDS, KINDS[::2])), ids=str)
def test_clashes_are_those_of_the_plain_loops(kinds: tuple[tuple[Recurrence, str], ...], rule: Rule) -> None:
    """Starts clash exactly where the loops over minutes say so, in whatever zones and on whatever days."""
    problem = pair(*kinds, rule=rule)
    clashes = clashes_of(problem)
    for t, u in itertools.product(range(0, 48, 7), range(48)):
        assert clashes[t, u] == obvious_clash(problem, rule, 0, 1, (t, u)), (format_start(t), format_start(u))


def test_order_ends_before_the_next_begins() -> None:
    """A window of 2 h 15 min from 21:00 ends at 23:15: 23:00 is too early for the next, 23:30 is not."""
    daily = pair((DAILY, "UTC"), (DAILY, "UTC"))
    assert breaks(daily, "21:00", "23:00")
    assert not breaks(daily, "21:00", "23:30")


def test_a_day_lasts_from_noon_to_noon() -> None:
    """02:00 comes after 23:00 of the same night; 11:00 and 13:00 are the end of one day and the begin of the next."""
    daily = pair((DAILY, "UTC"), (DAILY, "UTC"))
    assert not breaks(daily, "23:00", "02:00")
    assert breaks(daily, "02:00", "23:00")
    assert breaks(daily, "08:00", "13:00")
    assert not breaks(daily, "13:00", "08:00")


def test_weekly_vms_are_in_order_on_days_on_which_both_run() -> None:
    """A Sunday's run at 02:00 belongs to the night of Saturday, in which a VM of Sunday nights does not run."""
    both = pair((SUNDAYS, "UTC"), (SUNDAYS, "UTC"))
    assert breaks(both, "23:00", "22:00")
    assert not breaks(both, "23:00", "02:00")
    never = pair((SUNDAYS, "UTC"), (Recurrence(Frequency.WEEKLY, (2,)), "UTC"))
    assert not breaks(never, "23:00", "13:00")
    assert not breaks(never, "13:00", "23:00")
    daily = pair((SUNDAYS, "UTC"), (DAILY, "UTC"))
    assert breaks(daily, "23:00", "22:00")
    assert not breaks(daily, "20:00", "22:30")


def test_every_run_of_an_hourly_vm_comes_first() -> None:
    """Runs at 13:00, 19:00 and 01:00 have ended at 03:15: what follows may start at 03:30, not at 22:00."""
    hourly = pair((HOURLY, "UTC"), (DAILY, "UTC"), starts=("13:00", "23:00"))
    assert breaks(hourly, "13:00", "22:00")
    assert breaks(hourly, "13:00", "03:00")
    assert not breaks(hourly, "13:00", "03:30")


def test_a_zone_that_changes_its_clock_keeps_the_order_at_both_readings() -> None:
    """22:00 in Berlin ends at 22:15 or 23:15 UTC, as it is read: the later reading counts for who comes next."""
    to_utc = pair((DAILY, BERLIN), (DAILY, "UTC"))
    assert breaks(to_utc, "22:00", "23:00")
    assert not breaks(to_utc, "22:00", "23:30")
    within = pair((DAILY, BERLIN), (DAILY, BERLIN))
    assert breaks(within, "22:00", "01:00")
    assert not breaks(within, "22:00", "01:30")


@pytest.mark.parametrize("kinds", list(itertools.product(KINDS, KINDS[::2])), ids=str)
def test_within_is_that_of_the_plain_loops(kinds: tuple[tuple[Recurrence, str], ...]) -> None:
    """The next set begins soon enough exactly where the loops over minutes say so."""
    rule = Rule(name="soon", order=("vm0", "vm1"), within=2.5)
    problem = pair(*kinds, rule=rule)
    instance = problem.instance()
    for t, u in itertools.product(range(0, 48, 5), range(0, 48, 3)):
        broken = bool(shut_gates(instance, np.array([t, u])))
        assert broken == obvious_clash(problem, rule, 0, 1, (t, u)), (format_start(t), format_start(u))


def test_an_application_follows_its_database_soon() -> None:
    """15:00 to 17:15 and 06:00 are in order, as a day ends at noon; 'within' wants them in one stretch."""
    daily = (DAILY, "UTC"), (DAILY, "UTC")
    assert not breaks(pair(*daily), "15:00", "06:00")
    soon = pair(*daily, rule=Rule(name="soon", order=("vm0", "vm1"), within=6.0))
    assert breaks(soon, "15:00", "06:00")
    assert not breaks(soon, "15:00", "23:00")
    assert breaks(soon, "15:00", "23:30")
    assert breaks(soon, "15:00", "17:00")


def test_within_looks_at_neighboring_sets() -> None:
    """The third set follows the second soon, not the first; without a second set it follows the first."""
    rule = Rule(name="chain", order=("vm0", "vm1", "vm2"), within=2.0)
    chain = pair(*[(DAILY, "UTC")] * 3, starts=("20:00", "23:00", "02:00"), rule=rule)
    assert not breaks(chain, "20:00", "23:00", "02:00")
    assert breaks(chain, "20:00", "23:00", "04:00")
    without = Rule(name="chain", order=("vm0", "nothing", "vm1"), within=2.0)
    two = pair((DAILY, "UTC"), (DAILY, "UTC"), rule=without)
    assert not breaks(two, "20:00", "00:00")
    assert breaks(two, "20:00", "00:30")


def test_every_earlier_set_comes_before_every_later_one() -> None:
    """The first and the third set are in order also on days on which nobody of the second runs."""
    chain = pair(
        (DAILY, "UTC"),
        (SUNDAYS, "UTC"),
        (DAILY, "UTC"),
        starts=("20:00", "23:00", "02:00"),
        rule=Rule(name="chain", order=("vm0", "vm1", "vm2")),
    )
    assert not breaks(chain, "20:00", "23:00", "02:00")
    assert breaks(chain, "20:00", "23:00", "21:00")


def test_a_vm_belongs_to_the_first_set_that_it_fits() -> None:
    """``["vm0", "vm*"]`` is vm0, then all others."""
    rule = Rule(name="first things first", order=("vm0", "vm*"))
    three = pair(*[(DAILY, "UTC")] * 3, starts=("20:00",) * 3, rule=rule)
    assert not breaks(three, "20:00", "23:00", "23:00")
    assert breaks(three, "20:00", "23:00", "19:00")


def tiers(**item: dict[str, object]) -> Inventory:
    """Two services of a database and a web server each, all at 23:00."""
    policies = [policy("p0", "east", 46), policy("p1", "west", 46)]
    return inventory(policies, [("a", "p0"), ("a", "p1"), ("b", "p0"), ("b", "p1")], **item)


@pytest.mark.parametrize(
    ("per", "expected"), [("service", {(0, 1), (2, 3)}), ("vault", set()), (None, {(0, 1), (0, 3), (2, 1), (2, 3)})]
)
def test_order_is_kept_within_what_per_says(per: str | None, expected: set[tuple[int, int]]) -> None:
    """Per service each service has its own order, per vault each vault; without ``per`` the rule is one."""
    rule = Rule(name="tiers", order=(Selector(vault="east"), Selector(vault="west")), per=per)
    problem = Problem(tiers(), Rules(rule=(rule,)), flat_risk(4))
    instance = problem.instance()
    assert {row for row, _ in shut_gates(instance, instance.today)} == {row for pair in expected for row in pair}
    for v, w in itertools.product((0, 2), (1, 3)):
        options = np.array([24, 22, 24, 22])  # noon and 11:00: the first and the last of a day
        options[[v, w]] = 4, 40
        assert {row for row, _ in shut_gates(instance, options)} == ({v, w} if (v, w) in expected else set())


def test_a_vm_that_cannot_move_holds_its_time() -> None:
    """Others keep clear of an excluded and of a pinned VM, and the plan says so by moving around it."""
    for stays in ("exclude", "pin"):
        rules = Rules(rule=(A_BEFORE_B, Rule(name="stays", where={"name": "vm0"}, **{stays: True})))
        found = pair((DAILY, "UTC"), (DAILY, "UTC")).inventory
        result = solve(Problem(found, rules, flat_risk(2)).instance(), Search(effort=5))
        assert isinstance(result, Solved)
        first, second = ((int(t) - 24) % 48 for t in result.options)
        assert (first, second >= first + 5) == (22, True)


BROKEN_TODAY = {
    "order": A_BEFORE_B,
    "separate": Rule(name="a before b", separate=True),
    "separate sets": Rule(name="a before b", separate=("vm0", "vm1", "vm2")),
    "max_concurrent": Rule(name="a before b", max_concurrent=1),
}
"""Rules that two VMs at 23:00 break."""

STAY = {
    "unwritable": ({"unwritable": "soft-deleted"}, {}),
    "excluded": ({}, {"exclude": True}),
    "pinned": ({}, {"pin": True}),
}
"""Why VMs stay: the state of their items, and what a rule says."""


@pytest.mark.parametrize("why", STAY)
@pytest.mark.parametrize("name", BROKEN_TODAY)
def test_two_vms_that_stay_are_not_held_to_each_other(name: str, why: str) -> None:
    """What two VMs that stay break today is reported and forbids no plan; the third keeps clear of them."""
    rule, (item, held) = BROKEN_TODAY[name], STAY[why]
    rules = (rule, Rule(name="stays", exempt=("vm2",), **held)) if held else (rule,)
    policies = [policy(f"p{n}", "v", start) for n, start in enumerate((46, 46, 40))]
    found = inventory(policies, [("web", f"p{n}") for n in range(3)], vm0=item, vm1=item)
    risk = flat_risk(3, 1.0)
    risk[2, 46] = 0.0  # the third would like to join them
    problem = Problem(found, Rules(rule=rules), risk)
    stays = ~problem.restrictions.movable
    assert standing_clashes(found, problem.rules, stays) == [(0, "a before b"), (1, "a before b")]
    instance = problem.instance()
    assert is_feasible(instance, np.array([46, 46, 40]))
    result = solve(instance, Search(effort=5))
    assert result.is_optimal
    assert isinstance(result, Solved)
    assert result.options[:2].tolist() == [46, 46]
    if name != "order":  # which says nothing of the third
        assert not is_feasible(instance, np.array([46, 46, 46]))
        assert not is_feasible(instance, np.array([46, 46, 43]))


@pytest.mark.parametrize("held", [{"pin": True}, {"exclude": True}], ids=["pinned", "excluded"])
def test_a_vm_that_stays_outside_its_window_forbids_no_plan(held: dict[str, bool]) -> None:
    """A pinned VM is not held to a window any more than an excluded one is."""
    rules = (Rule(name="daytime", allow=only("10:00").allow), Rule(name="stays", where={"name": "vm0"}, **held))
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    problem = Problem(found, Rules(rule=rules), flat_risk(2))
    assert problem.restrictions.exempt == ((0, "daytime"),)
    result = solve(problem.instance(), Search(effort=5))
    assert isinstance(result, Solved)
    assert result.options.tolist() == [46, 20]


def test_a_chain_of_many_tiers_is_solved() -> None:
    """Five tiers in one night, each with the same best start, are laid out in their order at the least cost."""
    kinds = [(DAILY, "UTC")] * 5
    chain = pair(*kinds, starts=["23:00"] * 5, rule=Rule(name="tiers", order=tuple(f"vm{n}" for n in range(5))))
    risk = flat_risk(5, 9.0)
    risk[:, 36:] = risk[:, :10] = 0.0
    problem = Problem(chain.inventory, chain.rules, risk)
    result = solve(problem.instance(), Search(effort=5))
    assert isinstance(result, Solved)
    assert result.is_optimal
    assert is_feasible(problem.instance(), result.options)
    starts = [(int(t) - 24) % 48 for t in result.options]
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(starts))


def test_a_rule_that_is_not_free_costs_what_brute_force_says() -> None:
    """An order that forbids the cheapest starts is paid for, and no more than needed."""
    problem = pair((DAILY, "UTC"), (DAILY, BERLIN))
    risk = flat_risk(2, 9.0)
    risk[0, [46, 4, 40]] = [0.0, 0.05, 0.3]
    risk[1, [46, 44, 2, 6, 8]] = [0.2, 0.0, 0.1, 0.15, 0.3]
    problem = Problem(problem.inventory, Rules(rule=(A_BEFORE_B,), max_risk_increase=1.0), risk)
    best = best_of_all(problem)
    result = solve(problem.instance(), Search(effort=10))
    assert best is not None
    assert result.cost.total == pytest.approx(best[0], abs=1e-6)


def test_a_set_gives_way_as_a_whole() -> None:
    """Sixty VMs of two sets that stand at one start are put in order, where no VM alone can better anything."""
    policies = [policy("p", "v", 46), policy("q", "v", 46, SUNDAYS)]
    found = inventory(policies, [(f"s{n % 7}", "pq"[n % 5 == 0]) for n in range(60)])
    rule = Rule(name="ones first", order=("vm*1", "vm*3", "vm*"))
    result = solve(
        Problem(found, Rules(rule=(rule,), max_risk_increase=1.0), flat_risk(60)).instance(), Search(effort=5)
    )
    assert isinstance(result, Solved)
    assert result.reference_name == "greedy"
    starts = [(int(t) - 24) % 48 for t in result.options]
    daily = [n for n in range(60) if n % 5]
    assert max(starts[n] for n in daily if n % 10 == 1) + 5 <= min(starts[n] for n in daily if n % 10 != 1)
