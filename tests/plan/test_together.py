"""Services that are backed up all at once: which are listed, with which price, and what the search does about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from optimizer.estate.folder import open_estate
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.plan.case import Case
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.plan.together import MOST_PRICED, services_together, spread_where_it_pays
from optimizer.report.text import render_plan
from optimizer.report.typeset import to_text
from optimizer.solve.cost import evaluate, violations
from optimizer.solve.instance import Instance, IntArray
from optimizer.workflow import explain_vm, make_plan_of, prepare
from tests.cli.command_line import run
from tests.plan.conftest import Planned
from tests.prices import fixed_prices
from tests.solve.examples import SUNDAYS, Problem, flat_risk, inventory, policy

PRICES = fixed_prices(snapshot_overlap=0.0145, all_at_once=1.0, vault_peak=0.0, policy_write=0.1, move=0.02)


def case_of(found: Inventory, risk: np.ndarray, **rules: object) -> Case:
    """A case without a forecast: nothing here looks at load."""
    problem = Problem(found, Rules(prices=PRICES, **rules), risk)  # type: ignore[arg-type]  # named by the caller
    days = np.full(len(found.items), 30)
    return Case(found, problem.rules, None, problem.table, problem.restrictions, problem.instance(), days)  # type: ignore[arg-type]  # none is needed


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Planned:
    """Return a plan of the office of 12 VMs in data/."""
    folder, data = tmp_path_factory.mktemp("office"), root / "data" / "office"
    args = ("--vms", data / "vms.csv", "--load", data / "load.parquet", "--out", folder / "estate")
    assert run("import", *args).code == 0
    estate = open_estate(folder / "estate")
    case = prepare(estate)
    return Planned(estate, case, make_plan_of(estate, case, path=folder / "plan.json"))


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


def test_small_services_in_which_some_vms_overlap_are_listed_after_the_others() -> None:
    """Two of three VMs at 23:00 are listed with the price of spreading all three; a larger one is not listed."""
    policies = [policy("p", "v", 46), policy("q", "v", 20)]
    policies += [policy(f"r{start}", "v", start) for start in (2, 8, 14, 26)]
    vms = [("db", "p"), ("db", "p"), ("db", "q"), ("web", "p"), ("web", "p")]
    vms += [("big", "p"), ("big", "p"), *(("big", f"r{start}") for start in (2, 8, 14, 26))]
    case = case_of(inventory(policies, vms), flat_risk(len(vms)))
    web, db = services_together(case, case.instance.today)
    assert (web.service, web.at_once, web.spreading_costs) == ("web", None, pytest.approx(0.02))
    assert (db.service, db.vms, db.at_once, db.same_start, db.at) == ("db", 3, 2, False, "Monday 00:00")
    assert (db.overlaps_per_month, db.spreading_costs) == (pytest.approx(6.9), pytest.approx(0.02))
    assert "at_once" not in web.model_dump()


def test_a_small_service_that_cannot_be_spread_is_listed_only_if_all_windows_overlap() -> None:
    """Pinned VMs of which some overlap have no price, so there is nothing to decide."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("db", "p"), ("db", "p"), ("db", "q")])
    case = case_of(found, flat_risk(3), rule=(Rule(name="stay", pin=True),))
    assert services_together(case, case.instance.today) == ()


def test_the_office_keeps_two_databases_together_at_the_right_price(office: Planned) -> None:
    """One edit moves both; a start of its own for one needs a policy, and no other start of the three costs less."""
    (erp,) = office.plan.services_together
    assert (erp.service, erp.vms, erp.at_once) == ("erp", 3, 2)
    instance, options = office.case.instance, starts_in_schedule(office.case.inventory, office.plan.schedule)
    names = [office.case.inventory.vm(item).name for item in office.case.inventory.items]
    rows = [names.index(name) for name in ("sql01", "sql02", "erpapp01")]
    assert options[rows[0]] == options[rows[1]]
    assert evaluate(instance, options).overlap == pytest.approx(
        erp.overlaps_cost, abs=1e-5
    )  # no other service overlaps
    cheapest = min(
        evaluate(instance, schedule).total
        for schedule in spread_by_brute_force(instance, options, rows)
        if not violations(instance, schedule)
    )
    price = cheapest - evaluate(instance, options).total + erp.overlaps_cost
    assert erp.spreading_costs == pytest.approx(price, abs=1e-5)
    assert erp.spreading_costs > erp.overlaps_cost
    (note,) = explain_vm(office.plan, office.estate, "sql01").notes
    assert note.startswith("sql02 of the same service starts at the same time. Of the starts with fewer overlaps, ")
    assert "overlap -0.33" in note
    assert "policy +0.40" in note
    assert "2 of 3 overlap" in to_text(render_plan(office.plan))


def spread_by_brute_force(instance: Instance, options: IntArray, rows: list[int]) -> Iterator[IntArray]:
    """Schedules in which some VMs start at least two hours apart, all others where they are, at little more risk."""
    for starts in itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in rows)):
        apart = all(min((a - b) % 48, (b - a) % 48) >= 4 for a, b in itertools.combinations(starts, 2))
        if apart and (instance.linear[rows, starts] - instance.linear[rows, options[rows]]).sum() < 0.5:
            schedule = options.copy()
            schedule[rows] = starts
            yield schedule


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
