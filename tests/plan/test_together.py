"""Services that are backed up all at once: which are listed, with which price, and what the search does about them."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.plan.case import Case
from optimizer.plan.together import MOST_PRICED, services_together, spread_where_it_pays
from optimizer.solve.cost import evaluate
from tests.plan.conftest import Planned
from tests.prices import fixed_prices
from tests.solve.examples import SUNDAYS, Problem, flat_risk, inventory, policy

PRICES = fixed_prices(snapshot_overlap=0.0145, all_at_once=1.0, vault_peak=0.0, policy_write=0.1, move=0.02)


def case_of(found: Inventory, risk: np.ndarray, **rules: object) -> Case:
    """A case without a forecast: nothing here looks at load."""
    problem = Problem(found, Rules(prices=PRICES, **rules), risk)  # type: ignore[arg-type]  # named by the caller
    days = np.full(len(found.items), 30)
    return Case(found, problem.rules, None, problem.table, problem.restrictions, problem.instance(), days)  # type: ignore[arg-type]  # none is needed


def test_services_are_listed_by_what_their_overlaps_cost() -> None:
    """All at 23:00, within two hours, and not at all: only the first two are listed, with figures and price."""
    policies = [policy("p", "v", 46), policy("q", "v", 45), policy("r", "v", 20)]
    vms = [("web", "p")] * 3 + [("db", "p"), ("db", "q")] + [("app", "p"), ("app", "r"), ("alone", "p")]
    case = case_of(inventory(policies, vms), flat_risk(len(vms)))
    db, web = sorted(services_together(case, case.instance.today), key=lambda one: one.service)
    assert (web.service, web.vms, web.same_start, web.at) == ("web", 3, True, "Monday 00:00")
    assert web.overlaps_per_month == pytest.approx(3 * 6.9)
    assert web.overlaps_cost == pytest.approx(1.0)
    assert web.spreading == "priced"
    assert web.spreading_costs == pytest.approx(0.02 + 0.02 + 0.1)  # one to 10:00, which has a policy, one elsewhere
    assert (db.service, db.same_start, db.overlaps_cost) == ("db", False, pytest.approx(0.75))
    assert [one.service for one in services_together(case, case.instance.today)] == ["web", "db"]


def test_weekly_and_daily_vms_of_a_service_are_together_on_the_common_day() -> None:
    """They meet on Sundays alone, and are listed for it."""
    found = inventory([policy("p", "v", 40), policy("w", "v", 40, SUNDAYS)], [("web", "p"), ("web", "w")])
    (one,) = services_together(case_of(found, flat_risk(2)), np.array([40, 40]))
    assert (one.same_start, one.at) == (True, "Sunday 20:00")
    assert one.overlaps_per_month == pytest.approx(6.9 / 7)


def test_a_limit_of_the_whole_plan_does_not_hide_the_price() -> None:
    """With no move left the price is stated all the same, and that a limit is in the way."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2)
    case = case_of(found, flat_risk(2), max_moves=0)
    (web,) = services_together(case, case.instance.today)
    assert (web.spreading, web.spreading_costs) == ("over a limit", pytest.approx(0.12))


def test_pinned_services_cannot_be_spread() -> None:
    """The rules leave no other start, with limits or without."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2)
    case = case_of(found, flat_risk(2), max_moves=5, rule=(Rule(name="stay", pin=True),))
    (web,) = services_together(case, case.instance.today)
    assert (web.spreading, web.spreading_costs) == ("impossible", None)


def test_only_the_costliest_are_priced() -> None:
    """Of many services the first ones are looked at, and the others say that they were not."""
    count = MOST_PRICED + 2
    found = inventory([policy("p", "v", 46)], [(f"s{n:03d}", "p") for n in range(count) for _ in range(2)])
    case = case_of(found, flat_risk(2 * count))
    listed = services_together(case, case.instance.today)
    assert [one.spreading for one in listed] == ["priced"] * MOST_PRICED + ["not priced"] * 2


def test_the_search_does_not_leave_a_service_together_that_could_be_spread() -> None:
    """Whatever schedule the search ends with, spreading a service is tried, and done where it costs less."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2 + [("db", "p")] * 2)
    risk = flat_risk(4)
    risk[2:] = 0.95  # with a policy of its own 1.07 for spreading, with the one that ``web`` needs anyway 0.97
    risk[2:, 46] = 0.0
    case = case_of(found, risk, max_risk_increase=2.0)
    today = case.instance.today
    options = spread_where_it_pays(case, today)
    assert abs(int(options[0]) - int(options[1])) >= 4
    assert abs(int(options[2]) - int(options[3])) >= 4
    assert evaluate(case.instance, options).total < evaluate(case.instance, today).total
    assert services_together(case, options) == ()
    assert spread_where_it_pays(case, options) is options


def test_a_service_stays_together_where_spreading_costs_more() -> None:
    """The schedule is left as it is, and the price of spreading is above that of the overlaps."""
    risk = flat_risk(2, 2.0)
    risk[:, 46] = 0.0
    found = inventory([policy("p", "v", 46)], [("db", "p")] * 2)
    case = case_of(found, risk, max_risk_increase=3.0)
    assert spread_where_it_pays(case, case.instance.today) is case.instance.today
    (db,) = services_together(case, case.instance.today)
    assert db.overlaps_cost == pytest.approx(1.0)
    assert db.spreading_costs == pytest.approx(2.12)


def test_a_plan_keeps_its_promise(arm: Planned, imported: Planned) -> None:
    """A service whose VMs all start together in a plan would cost at least as much to spread as it costs together."""
    for made in (arm, imported):
        for one in made.plan.services_together:
            if one.same_start and one.spreading_costs is not None:
                assert one.spreading_costs >= one.overlaps_cost - 1e-6
