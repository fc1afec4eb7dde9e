"""One tiny estate, worked out by hand: what its overlaps, peaks, windows, policies and limits become."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.solve.problem.cost import evaluate, row_counts
from optimizer.solve.problem.instance import NO_CAP, Instance
from tests.prices import fixed_prices
from tests.solve.examples import (
    HOURLY,
    SUNDAYS,
    Problem,
    flat_risk,
    inventory,
    obvious_overlaps,
    obvious_working_hours,
    policy,
)


def problem(found: Inventory, rules: Rules | None = None) -> Problem:
    """An estate without any risk."""
    return Problem(found, rules or Rules(), flat_risk(len(found.items)))


def one_service(num_vms: int, rules: Rules | None = None) -> Instance:
    """The instance of daily VMs of one service at 01:00."""
    return problem(inventory([policy("p", "v", 2)], [("web", "p")] * num_vms), rules).instance()


def estate() -> Inventory:
    """Two vaults: east has daily policies at 01:00, 01:00 and 10:00 and a weekly one, west a daily one over its limit.

    A policy may have two VMs. ``a`` has one and an unplanned one, ``b`` one, ``late`` none, ``week`` two, ``w`` three.
    """
    policies = [
        policy("a", "east", 2, items_reported=2),
        policy("b", "east", 2),
        policy("late", "east", 20),
        policy("week", "east", 2, SUNDAYS),
        policy("w", "west", 2),
    ]
    return inventory(policies, [("web", name) for name in ("a", "b", "week", "week", "w", "w", "w")])


RULES = Rules(policies={"max_vms_per_policy": 2, "max_policies_per_vault": 6}, max_moves=3, max_policy_writes=4)


def cells(of_key: np.ndarray) -> dict[tuple[int, int], int]:
    """Key and start of each entry that is not zero."""
    return {(k, t): int(of_key[k, t]) for k, t in np.argwhere(of_key).tolist()}


def test_keys_number_the_patterns_of_each_vault() -> None:
    """Daily in east, weekly in east, and daily in west."""
    made = problem(estate(), RULES).instance()
    assert made.key.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert made.key_vault.tolist() == [0, 0, 1]
    assert made.today.tolist() == [2] * 7


def test_policies_that_can_take_vms_are_counted_by_key_and_start() -> None:
    """Two at 01:00, the empty one at 10:00 and the weekly one; the one over its limit takes no other VM."""
    made = problem(estate(), RULES).instance()
    assert cells(made.existing) == {(0, 2): 2, (0, 20): 1, (1, 2): 1}
    assert cells(made.unknown) == {(0, 2): 1}
    assert made.counted_today.tolist() == [True] * 4 + [False] * 3


def test_vaults_have_room_for_six_policies_less_their_own() -> None:
    """East holds four, the empty one among them, and west one."""
    made = problem(estate(), RULES).instance()
    assert made.vault_room.tolist() == [2, 5]
    assert (made.vms_per_new_policy, made.vms_per_existing_policy) == (2, 2)


def test_policies_of_planned_vms_within_their_limit_can_be_edited() -> None:
    """Not the one with an unplanned item, not the empty one, and not the one over its limit."""
    made = problem(estate(), RULES).instance()
    assert [(p.key, p.option, p.vms, p.editable) for p in made.policies] == [
        (0, 2, (0,), False),
        (0, 2, (1,), True),
        (0, 20, (), False),
        (1, 2, (2, 3), True),
        (2, 2, (4, 5, 6), False),
    ]


def test_limits_of_the_rules_are_taken_over() -> None:
    """Three moves, and four writes in all keys; without limits there are none."""
    made = problem(estate(), RULES).instance()
    assert made.max_moves == 3
    assert [(limit.keys, limit.limit) for limit in made.write_limits] == [((0, 1, 2), 4)]
    free = problem(estate()).instance()
    assert (free.max_moves, free.write_limits) == (None, ())


@pytest.mark.parametrize(
    ("options", "writes"),
    [
        pytest.param([2, 2, 2, 2, 2, 2, 2], 0, id="today, although one policy is over its limit"),
        pytest.param([20, 20, 2, 2, 2, 2, 2], 0, id="two VMs fill the empty policy"),
        pytest.param([9, 2, 2, 2, 2, 2, 2], 1, id="no policy at 04:30"),
        pytest.param([9, 9, 2, 2, 2, 2, 2], 1, id="a new policy holds two"),
        pytest.param([2, 2, 20, 2, 2, 2, 2], 1, id="the policy at 10:00 is daily"),
        pytest.param([2, 2, 2, 2, 9, 9, 9], 2, id="three VMs need two new policies"),
    ],
)
def test_writes_are_paid_at_the_price_of_the_rules(options: list[int], writes: int) -> None:
    """Each costs 0.1."""
    cost = evaluate(problem(estate(), RULES).instance(), np.array(options))
    assert (cost.writes, cost.policy_writes) == (writes, pytest.approx(0.1 * writes))


@pytest.mark.parametrize(
    ("shift", "share"), [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0), (45, 0.25), (24, 0.0)]
)
def test_two_vms_overlap_less_the_farther_apart_they_start(shift: int, share: float) -> None:
    """6.9 overlaps in 30 days if they start together, a quarter less for each half hour, around midnight too."""
    cost = evaluate(one_service(2), np.array([2, (2 + shift) % 48]))
    assert cost.overlaps == pytest.approx(6.9 * share)
    assert cost.overlap == pytest.approx(share)  # two VMs are their whole service, which costs 1 if all are at once


@pytest.mark.parametrize(("num_vms", "price"), [(2, 1.0), (3, 1.0), (4, 1.0), (5, 10 * 0.10005), (6, 15 * 0.10005)])
def test_a_service_costs_one_all_at_once_or_its_pairs_if_they_cost_more(num_vms: int, price: float) -> None:
    """A pair costs 0.10005, or the part of 1 that it is of all pairs of its service if that is more."""
    cost = evaluate(one_service(num_vms), np.full(num_vms, 2))
    assert cost.overlap == pytest.approx(price)


def test_policies_that_run_several_times_a_day_overlap_with_each_run() -> None:
    """An hourly VM meets a daily one once a day at most, as a loop over all pairs of runs counts it."""
    found = inventory([policy("d", "v", 2), policy("h", "v", 16, HOURLY)], [("web", "d"), ("web", "h")])
    made = problem(found)
    instance = made.instance()
    for option in (16, 20, 27, 30, 40):
        options = np.array([option, 16])
        assert evaluate(instance, options).overlaps == pytest.approx(obvious_overlaps(made, options.tolist(), (0, 1)))


@pytest.mark.parametrize(("at_once", "peaks"), [(1, 0), (2, 1), (3, 2)])
def test_starts_above_the_fair_share_cost_a_peak(at_once: int, peaks: int) -> None:
    """Three daily starts have a fair share of one in 48 half hours: each further one costs 0.01."""
    options = np.array([2] * at_once + [20, 40][: 3 - at_once])
    assert evaluate(one_service(3), options).vault_peak == pytest.approx(0.01 * peaks)


def test_peaks_of_weekly_backups_cost_a_seventh() -> None:
    """Two VMs start together on one day of seven."""
    found = inventory([policy("p", "v", 2, SUNDAYS)], [("web", "p"), ("db", "p")])
    assert evaluate(problem(found).instance(), np.array([2, 2])).vault_peak == pytest.approx(0.01 / 7)


def test_starts_of_several_vaults_are_counted_apart() -> None:
    """Two VMs that start together in different vaults are no peak."""
    found = inventory([policy("p", "v", 2), policy("q", "w", 2)], [("web", "p"), ("db", "q")])
    assert evaluate(problem(found).instance(), np.array([2, 2])).vault_peak == 0.0


@pytest.mark.parametrize("shift", [0, 3, 4, 5, 24, 43, 44, 45])
def test_windows_of_two_hours_and_a_quarter_meet_up_to_two_hours_apart(shift: int) -> None:
    """Under a cap of one, starts up to four half hours apart exceed it, around midnight too."""
    instance = one_service(2, Rules(rule=(Rule(name="cap", max_concurrent=1),)))
    over = row_counts(instance, np.array([46, (46 + shift) % 48])) > instance.rows.cap
    assert over.any() == (min(shift, 48 - shift) <= 4)


@pytest.mark.parametrize(
    ("per", "exempt", "together"),
    [
        pytest.param("service", (), [(0, 1)], id="by service"),
        pytest.param("vault", (), [(0, 2)], id="by vault"),
        pytest.param("service", ("vm0",), [], id="VM 0 is exempt"),
    ],
)
def test_a_cap_counts_vms_of_its_groups(per: str, exempt: tuple[str, ...], together: list[tuple[int, int]]) -> None:
    """VMs 0 and 1 share a service and VMs 0 and 2 a vault; only VMs that share a group exceed a cap of one."""
    policies = [policy("p", "v", 2), policy("q", "w", 2)]
    found = inventory(policies, [("web", "p"), ("web", "q"), ("db", "p")])
    instance = problem(found, Rules(rule=(Rule(name="cap", max_concurrent=1, per=per, exempt=exempt),))).instance()
    apart = {0: 2, 1: 20, 2: 38}
    met = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        options = np.array([apart[one] if v == other else apart[v] for v in range(3)])
        if (row_counts(instance, options) > instance.rows.cap).any():
            met.append((one, other))
    assert met == together
    assert (instance.rows.cap != NO_CAP).any() == bool(together)


def test_working_hours_cost_the_starts_beyond_those_of_today() -> None:
    """At each start, as a loop over the minutes of all delays counts them, times 0.5."""
    found = inventory([policy("p", "v", 16), policy("h", "v", 4, HOURLY)], [("web", "p"), ("db", "h")])
    made = problem(found, Rules(prices=fixed_prices(working_hours=0.5)))
    instance = made.instance()
    for v, t in ((0, 14), (0, 16), (0, 18), (0, 33), (0, 35), (1, 4), (1, 10), (1, 30)):
        beyond = obvious_working_hours(made, v, t) - obvious_working_hours(made, v, int(instance.today[v]))
        assert instance.working_hours[v, t] == pytest.approx(0.5 * max(0.0, beyond))


def test_ranks_of_ties_fall_by_one_for_each_half_hour_away_from_work() -> None:
    """Windows of two hours are farthest from 08:00 to 18:00 at 00:00, and touch it at noon."""
    made = problem(inventory([policy("p", "v", 46)], [("web", "p")])).instance()
    assert made.tie_rank[0, [0, 1, 2, 47, 45]].tolist() == [1, 2, 3, 2, 4]
    assert made.tie_rank[0, 24] == made.tie_rank[0, 12] == made.tie_rank[0, 36] == 13


def test_budgets_of_subscriptions_join_their_vaults_and_leave_others_alone() -> None:
    """A vault without a subscription has a budget of its own."""
    policies = [policy(name, name, 2) for name in ("u", "v", "w")]
    found = inventory(policies, [(f"s{n}", name) for n, name in enumerate("uuvvww")])
    vaults = {name: replace(vault, subscription="" if name == "w" else "sub") for name, vault in found.vaults.items()}
    rules = Rules(budget_days=1, policies={"max_writes_per_day": 1, "scope": "subscription"})
    limits = problem(replace(found, vaults=vaults), rules).instance().write_limits
    assert [(limit.keys, limit.limit) for limit in limits] == [((0, 1), 1), ((2,), 1)]
