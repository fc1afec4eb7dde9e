"""What :func:`optimizer.solve.search.solver.solve` promises beside optimality."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import Horizon, resolve_zone
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import count_edits, evaluate, is_feasible, policy_counts, policy_writes
from optimizer.solve.search.baselines import greedy, stable_hash, todays
from optimizer.solve.search.single_moves import steepest
from optimizer.solve.search.solved import Solved, captured
from optimizer.solve.search.solver import solve
from tests.solve.examples import (
    AS_OF,
    HOURLY,
    SUNDAYS,
    WORKDAYS,
    CountingClock,
    Problem,
    flat_risk,
    inventory,
    only,
    policy,
)


def fleet(num_vms: int = 60, seed: int = 3, rules: Rules | None = None) -> Problem:
    """Some dozens of VMs in services of different sizes, with risks drawn at random; two vaults, all frequencies."""
    random = np.random.default_rng(seed)
    policies = [
        policy("a", "east", 46),
        policy("b", "east", 4),
        policy("c", "east", 46, SUNDAYS),
        policy("d", "west", 46),
        policy("e", "west", 40, HOURLY, "India Standard Time"),
        policy("f", "west", 2, WORKDAYS, "W. Europe Standard Time"),
    ]
    services = random.zipf(1.6, num_vms) % 9
    of = random.choice(["a", "a", "a", "b", "c", "d", "d", "e", "f"], num_vms)
    found = inventory(policies, [(f"s{s}", str(p)) for s, p in zip(services, of, strict=True)])
    level = random.choice([0.0, 0.0, 0.0, 0.2, 3.0], num_vms)[:, None]
    hours = 1 + np.sin((np.arange(48) / 48 + random.random(num_vms)[:, None]) * 2 * np.pi)
    return Problem(found, rules or Rules(), (level * hours).round(6))


def _solved(problem: Problem, **settings_: object) -> Solved:
    result = solve(problem.instance(), Search(**{"effort": 5, **settings_}))  # type: ignore[arg-type]  # named by the caller
    assert isinstance(result, Solved)
    assert is_feasible(problem.instance(), result.options)
    return result


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_never_worse_than_reference_and_never_below_the_bound(seed: int) -> None:
    """The plan lies between bound and reference, and ``captured`` is what the three say."""
    result = _solved(fleet(seed=seed), effort=10)
    assert result.bound <= result.cost.total <= result.reference.total
    of_figures = captured(result.reference.total, result.cost.total, result.bound)
    assert result.captured == (1.0 if result.is_optimal else of_figures)
    assert 0.9 < result.captured <= 1


def test_what_is_proven_optimal_has_captured_everything() -> None:
    """Today breaks a rule, and the only schedule that keeps it is the reference: nothing is left to capture."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p")])
    result = _solved(Problem(found, Rules(rule=(only("03:00"),)), flat_risk(2, 0.3)))
    assert (result.reference_name, result.is_optimal, result.captured) == ("greedy", True, 1.0)
    assert result.cost.total == result.reference.total
    below = replace(result, bound=result.cost.total - 0.5e-4)  # optimal, though not to the last digit
    assert below.captured == 1.0
    open_still = replace(result, bound=result.cost.total - 2e-4 * max(1.0, result.cost.total))
    assert (open_still.is_optimal, open_still.captured) == (False, pytest.approx(0.0))


def test_another_schedule_or_bound_brings_its_own_status() -> None:
    """A bound that closes the gap makes a plan optimal, and one that opens it again does not leave it so."""
    result = _solved(fleet(), effort=2)
    assert isinstance(result, Solved)
    instance, total = fleet().instance(), result.cost.total
    closed = replace(result, ended_by="effort").with_schedule(instance, result.options, bound=total)
    assert (closed.is_optimal, closed.stopped, closed.captured, closed.gap) == (True, "gap", 1.0, 0.0)
    opened = closed.with_schedule(instance, result.options, bound=total - 1)
    assert (opened.is_optimal, opened.stopped, opened.gap) == (False, "effort", pytest.approx(1.0))


def test_same_input_same_result() -> None:
    """Two solves with equal seed and effort agree in every start and in the bound."""
    problem = fleet()
    first, second = _solved(problem), _solved(problem)
    assert first.bound == second.bound
    np.testing.assert_array_equal(first.options, second.options)


@pytest.mark.thorough
def test_seed_and_effort_are_used() -> None:
    """Another seed searches elsewhere; more effort proves more."""
    problem = fleet(60)
    solved = [_solved(problem, seed=seed, effort=3) for seed in range(3)]
    assert len({tuple(np.asarray(result.options).tolist()) for result in solved}) > 1
    assert solved[0].bound < _solved(problem, effort=25, gap=0.0).bound


@pytest.mark.parametrize("limit", [0.2, 1.0])
def test_time_limit_ends_the_search(limit: float) -> None:
    """When time is up nothing new is begun: the plan is valid, and the clock moves on by less than a fifth."""
    clock = CountingClock(0.001)
    result = _solved(fleet(200), effort=1000, gap=0.0, time_limit_seconds=limit, monotonic=clock)
    assert result.stopped == "time"
    assert not result.is_optimal
    assert 0.8 * limit <= result.seconds <= 1.2 * limit


@pytest.mark.thorough
def test_time_limit_leaves_time_to_search() -> None:
    """Where the bound is cut short, the search still gets its share of the limit and finds something better."""
    seen: set[str] = set()

    def note(stage: str, _done: int, _total: int, note: str = "") -> None:
        assert note
        seen.add(stage)

    problem = fleet(200)
    result = solve(problem.instance(), Search(effort=10_000, gap=0.0, time_limit_seconds=3.0), progress=note)
    assert result.stopped == "time"
    assert "search" in seen
    assert result.cost.total < result.reference.total


@pytest.mark.thorough
def test_progress_is_reported() -> None:
    """Each stage reports up to its end."""
    seen: dict[str, tuple[int, int]] = {}

    def note(stage: str, done: int, total: int, note: str = "") -> None:
        assert note
        seen[stage] = (done, total)

    solve(fleet(60).instance(), Search(effort=25, gap=0.0), progress=note)
    assert {"bound", "search", "neighborhoods"} <= set(seen)
    assert all(done == total for done, total in seen.values())


def test_reference_is_greedy_where_today_breaks_a_rule() -> None:
    """A cap that today breaks: the reference is another feasible schedule, not today's."""
    rules = Rules(rule=(Rule(name="four at once", max_concurrent=4),))
    problem = fleet(rules=rules)
    result = _solved(problem)
    assert not is_feasible(problem.instance(), problem.instance().today)
    assert result.reference_name == "greedy"


def test_vault_wide_cap_is_kept() -> None:
    """A cap per vault counts the windows of all its services."""
    rules = Rules(rule=(Rule(name="ten per vault", max_concurrent=12, per="vault"),))
    _solved(fleet(rules=rules))


def test_limit_of_moves_is_kept_and_used() -> None:
    """At most the allowed number of VMs moves, and the best ones first."""
    problem = fleet(rules=Rules(max_moves=3))
    result = _solved(problem)
    assert 0 < result.cost.num_moves <= 3
    assert result.cost.total < result.reference.total
    assert result.bound <= result.cost.total


def test_nobody_moves_without_a_gain() -> None:
    """Where every start is equally good and nothing overlaps, nothing changes."""
    found = inventory([policy("p", "v", 46)], [(f"s{n}", "p") for n in range(4)])
    result = _solved(Problem(found, Rules(), flat_risk(4)))
    assert result.cost.num_moves == 0
    assert result.is_optimal


def test_full_vault_may_still_edit_a_policy() -> None:
    """In a vault at its limit a policy all of whose VMs go to one start is edited, not created."""
    found = inventory([policy("p", "v", 46)], [("a", "p"), ("b", "p")])
    risk = flat_risk(2, 9.0)
    risk[:, 46], risk[:, 20] = 3.0, 0.0
    problem = Problem(found, Rules(policies={"max_policies_per_vault": 1}), risk)
    result = _solved(problem)
    assert isinstance(result, Solved)
    assert result.options.tolist() == [20, 20]
    assert count_edits(problem.instance(), result.options).tolist() == [1]


def test_full_vault_may_not_create_a_policy() -> None:
    """In a vault at its limit one of two VMs of a policy cannot leave for a start without a policy."""
    found = inventory([policy("p", "v", 46)], [("a", "p"), ("b", "p")])
    risk = flat_risk(2, 9.0)
    risk[:, 46] = [3.0, 0.0]
    risk[0, 20] = 0.0
    problem = Problem(found, Rules(policies={"max_policies_per_vault": 1}), risk)
    result = _solved(problem)
    assert isinstance(result, Solved)
    assert result.options.tolist() == [46, 46]
    assert result.is_optimal


def test_policy_over_its_limit_may_stay_but_takes_nobody() -> None:
    """VMs of a policy over the limit cost nothing where they are; another VM that comes needs a new policy."""
    rules = Rules(policies={"max_vms_per_policy": 2})
    found = inventory(
        [policy("big", "v", 46), policy("q", "v", 4)], [(f"s{n}", "big") for n in range(3)] + [("t", "q")]
    )
    problem = Problem(found, rules, flat_risk(4))
    instance = problem.instance()
    assert evaluate(instance, instance.today).writes == 0
    joined = np.array([46, 46, 46, 46])
    assert evaluate(instance, joined).writes == 1


def test_items_unknown_to_the_estate_take_up_room() -> None:
    """Azure reports more items than the estate has: the rest counts toward the limit of the policy."""
    rules = Rules(policies={"max_vms_per_policy": 3})
    policies = [policy("p", "v", 46, items_reported=3), policy("q", "v", 4)]
    found = inventory(policies, [("a", "p"), ("b", "q"), ("c", "q")])
    instance = Problem(found, rules, flat_risk(3)).instance()
    both = np.array([46, 46, 4])
    assert policy_writes(instance, policy_counts(instance, both)).sum() == 1


def test_unwritable_pinned_and_excluded_vms_stay() -> None:
    """Nothing moves a VM that must not be written, that a rule pins, or that a rule excludes."""
    rules = Rules(
        rule=(
            Rule(name="pin", where={"name": "vm1"}, pin=True),
            Rule(name="leave", where={"name": "vm2"}, exclude=True),
        )
    )
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("w", "p")] * 4, vm0={"unwritable": "stopped"})
    risk = flat_risk(4, 0.0)
    risk[:, 46] = 5.0
    result = _solved(Problem(found, rules, risk))
    assert isinstance(result, Solved)
    assert result.options[:3].tolist() == [46, 46, 46]
    assert result.options[3] != 46


def test_vm_without_own_history_moves_only_to_spread() -> None:
    """Too little data: no gain in risk is credited, and no higher risk is accepted."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20), policy("r", "v", 30)], [("w", "p"), ("w", "p")])
    risk = flat_risk(2, 9.0)
    risk[:, 46], risk[:, 20], risk[:, 30] = 0.5, 0.55, 0.1
    alone = Problem(
        inventory([policy("p", "v", 46), policy("r", "v", 30)], [("w", "p")]), Rules(), risk[:1], np.array([False])
    )
    assert np.asarray(_solved(alone).options).tolist() == [46]
    spread = Problem(found, Rules(), risk, np.array([False, False]))
    options = sorted(np.asarray(_solved(spread).options).tolist())
    assert options == [30, 46]


def test_baselines_are_repeatable_and_allowed() -> None:
    """Hash and greedy keep the rules on single VMs, are the same each time, and greedy beats hash."""
    problem = fleet(rules=Rules(max_risk_increase=1.0))
    instance = problem.instance()
    ids = [item.vm_id for item in problem.inventory.items]
    hashed, placed = stable_hash(instance, ids), greedy(instance)
    np.testing.assert_array_equal(hashed, stable_hash(instance, ids))
    for options in (hashed, placed, todays(instance)):
        assert is_feasible(instance, options)
    assert evaluate(instance, placed).total < evaluate(instance, hashed).total


def test_weekly_vms_meet_only_on_their_days() -> None:
    """A VM that runs on Sundays meets a daily one of its service for one day of seven."""
    found = inventory([policy("p", "v", 20), policy("w", "v", 20, SUNDAYS)], [("web", "p"), ("web", "w")])
    instance = Problem(found, Rules(), flat_risk(2)).instance()
    assert evaluate(instance, instance.today).overlaps == pytest.approx(30 * 0.23 / 7)


def test_clock_changes_do_not_change_overlaps_within_a_zone() -> None:
    """Two VMs of one zone move together when its clock changes: they overlap as often as two VMs in UTC."""
    zone = "W. Europe Standard Time"
    found = inventory([policy("p", "v", 20, zone=zone)], [("web", "p"), ("web", "p")])
    instance = Problem(found, Rules(), flat_risk(2)).instance()
    assert Horizon(AS_OF).offsets(resolve_zone(zone)) == (60, 120)
    assert evaluate(instance, instance.today).overlaps == pytest.approx(6.9)


def test_overlaps_between_zones_are_the_mean_of_both_clocks() -> None:
    """At 20:00 UTC and 21:00 in Berlin: together in winter, an hour apart in summer."""
    berlin = policy("b", "v", 42, zone="W. Europe Standard Time")
    found = inventory([policy("u", "v", 40), berlin], [("web", "u"), ("web", "b")])
    instance = Problem(found, Rules(), flat_risk(2)).instance()
    assert evaluate(instance, instance.today).overlaps == pytest.approx(30 * (0.23 + 0.115) / 2)


@settings(max_examples=25)
@given(st.integers(0, 47), st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kathmandu"]))
def test_allowed_windows_hold_whole_start_windows(option: int, zone: str) -> None:
    """A rule that allows exactly one start window of a fixed zone leaves just that start."""
    start = f"{option // 2:02d}:{30 * (option % 2):02d}"
    found = inventory([policy("p", "v", option)], [("web", "p")])
    problem = Problem(found, Rules(rule=(only(start, zone="UTC"),)), flat_risk(1))
    assert np.flatnonzero(problem.restrictions.allowed[0]).tolist() == [option]
    elsewhere = Problem(found, Rules(rule=(only(start, zone=zone),)), flat_risk(1))
    offset = resolve_zone(zone).utcoffset(datetime(2026, 3, 10, tzinfo=UTC))
    assert offset is not None
    shifted = elsewhere.restrictions.allowed[0]
    fixed = zone != "Europe/Berlin" and offset.total_seconds() % 1800 == 0
    expected = [(option - int(offset.total_seconds() // 1800)) % 48] if fixed else []
    assert np.flatnonzero(shifted).tolist() == expected


@pytest.mark.thorough
@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(2, 5), st.sampled_from([None, 3, 8]))
def test_vaults_near_their_limit_stay_within_it(seed: int, size: int, limit: int, max_moves: int | None) -> None:
    """Where policies are small and few, edits as a whole are what is left: the search must not break them up."""
    rules = Rules(
        max_moves=max_moves,
        policies={"max_vms_per_policy": size, "max_policies_per_vault": limit},
    )
    problem = fleet(14, seed, rules)
    result = _solved(problem, effort=3)
    assert result.bound <= result.cost.total + 1e-6


@pytest.mark.thorough
def test_few_moves_are_the_ones_that_gain_most() -> None:
    """Under a limit of moves the plan is at least as good as always making the single move that gains most."""
    problem = fleet(60, 5, Rules(max_moves=6))
    instance = problem.instance()
    best = evaluate(instance, steepest(instance, instance.today, lambda: False)).total
    result = _solved(problem, effort=20)
    assert result.cost.total <= best + 1e-9
    assert result.captured > 0.8


def test_tight_cap_is_packed() -> None:
    """Eight VMs of one service that may only meet in pairs, in a window with room for just that."""
    rules = Rules(
        rule=(
            Rule(name="pairs", max_concurrent=2),
            Rule(name="night", allow=({"from": "20:00", "to": "06:00", "zone": "UTC"},)),
        )
    )
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 8)
    result = _solved(Problem(found, rules, flat_risk(8)), effort=5)
    assert result.reference_name == "greedy"


def test_a_rule_may_be_for_some_frequencies_only() -> None:
    """A night rule for daily and weekly VMs leaves those alone that run around the clock."""
    night = Rule(
        name="night",
        where={"frequency": ["Daily", "Weekly"]},
        allow=({"from": "20:00", "to": "06:00", "zone": "UTC"},),
    )
    found = inventory([policy("p", "v", 20), policy("h", "v", 16, HOURLY)], [("web", "p"), ("web", "h")])
    allowed = Problem(found, Rules(rule=(night,)), flat_risk(2)).restrictions.allowed
    assert np.flatnonzero(allowed[0]).tolist() == [*range(8), *range(40, 48)]
    assert allowed[1, 16]
