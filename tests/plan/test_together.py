"""Services that are backed up all at once: which are listed, with which price, and what the search does about them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.estate.folder import open_estate
from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import expected_overlaps, item_services
from optimizer.model.rules import Rule, Rules
from optimizer.model.snapshot_timing import USUAL_TIMING
from optimizer.plan import prepare
from optimizer.plan.case import Case
from optimizer.plan.notes.search_notes import notes_on_spreading
from optimizer.plan.together import (
    MOST_PRICED,
    services_together,
    spread_services,
    spread_where_it_pays,
)
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.questions import Problem as SolverProblem
from optimizer.solve.search.solved import Solved
from optimizer.workflow import explain_vm, make_plan_of
from tests.cli.command_line import run
from tests.plan.planned import Planned
from tests.prices import fixed_prices
from tests.solve.examples import HOURLY, SUNDAYS, Problem, flat_risk, inventory, policy

PRICES = fixed_prices(snapshot_overlap=0.0145, all_at_once=1.0, vault_peak=0.0, policy_write=0.1, move=0.02)


def case_of(found: Inventory, risk: np.ndarray, **rules: object) -> Case:
    """A case without a forecast: nothing here looks at load."""
    problem = Problem(found, Rules(prices=PRICES, **rules), risk)  # type: ignore[arg-type]  # named by the caller
    days = np.full(len(found.items), 30)
    solved_for = SolverProblem(problem.instance(), problem.restrictions, problem.rules)
    return Case(found, problem.rules, None, problem.table, solved_for, days)  # type: ignore[arg-type]  # no forecast is needed


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
    db, web = sorted(services_together(case, case.problem.instance.today), key=lambda one: one.service)
    assert (web.service, web.vms, web.same_start, web.at) == ("web", 3, True, "Monday 00:00")
    assert web.overlaps_per_month == pytest.approx(3 * 6.9)
    assert web.overlaps_cost == pytest.approx(1.0)
    assert web.spreading == "priced"
    assert web.spreading_costs == pytest.approx(0.02)  # one to 10:00, which has a policy
    assert web.spreading_proven
    assert (db.service, db.same_start, db.overlaps_cost) == ("db", False, pytest.approx(0.75))
    assert [one.service for one in services_together(case, case.problem.instance.today)] == ["web", "db"]


def test_services_in_which_some_vms_overlap_are_listed_after_the_others() -> None:
    """Two of three VMs at 23:00 are listed with the price of spreading all three; a larger service without one."""
    policies = [policy("p", "v", 46), policy("q", "v", 20)]
    policies += [policy(f"r{start}", "v", start) for start in (2, 8, 14, 26)]
    vms = [("db", "p"), ("db", "p"), ("db", "q"), ("web", "p"), ("web", "p")]
    vms += [("big", "p"), ("big", "p"), *(("big", f"r{start}") for start in (2, 8, 14, 26))]
    case = case_of(inventory(policies, vms), flat_risk(len(vms)))
    web, db, big = services_together(case, case.problem.instance.today)
    assert (web.service, web.at_once, web.spreading_costs) == ("web", None, pytest.approx(0.02))
    assert (db.service, db.vms, db.at_once, db.same_start, db.at) == ("db", 3, 2, False, "Monday 00:00")
    assert (db.overlaps_per_month, db.spreading_costs) == (pytest.approx(6.9), pytest.approx(0.02))
    assert "at_once" not in web.model_dump()
    assert (big.service, big.at_once, big.spreading, big.spreading_costs) == ("big", 3, "not priced", None)
    assert big.overlaps_per_month == pytest.approx(6.9)


def test_a_small_service_that_cannot_be_spread_is_listed_as_such() -> None:
    """Pinned VMs of which some overlap have no price, but their overlaps are shown."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("db", "p"), ("db", "p"), ("db", "q")])
    case = case_of(found, flat_risk(3), rule=(Rule(name="stay", pin=True),))
    (db,) = services_together(case, case.problem.instance.today)
    assert (db.service, db.at_once, db.spreading) == ("db", 2, "impossible")


def test_larger_services_do_not_use_up_the_prices_of_others() -> None:
    """The services that are never priced do not count toward the number that is."""
    policies = [policy("p", "v", 46), policy("q", "v", 20)]
    vms = [(f"big{n:02d}", of) for n in range(MOST_PRICED + 1) for of in ("p", "p", "p", "p", "p", "q")]
    vms += [("db", "p"), ("db", "p"), ("db", "q")]
    case = case_of(inventory(policies, vms), flat_risk(len(vms)))
    listed = services_together(case, case.problem.instance.today)
    assert [one.spreading for one in listed if one.vms > 3] == ["not priced"] * (MOST_PRICED + 1)
    assert [one.spreading for one in listed if one.vms == 3] == ["priced"]


def test_the_office_keeps_two_databases_together_at_the_right_price(office: Planned) -> None:
    """One edit moves both; a start of its own for one needs a policy, and no other start of the three costs less."""
    (erp,) = office.plan.services_together
    assert (erp.service, erp.vms, erp.at_once) == ("erp", 3, 2)
    instance, options = office.case.problem.instance, office.plan.starts_in(office.case.inventory)
    names = [office.case.inventory.vm(item).name for item in office.case.inventory.items]
    rows = [names.index(name) for name in ("sql01", "sql02", "erpapp01")]
    assert options[rows[0]] == options[rows[1]]
    assert evaluate(instance, options).overlap == pytest.approx(
        erp.overlaps_cost, abs=1e-5
    )  # no other service overlaps
    cheapest = min(
        evaluate(instance, schedule).total
        for schedule in spread_by_brute_force(instance, options, rows)
        if is_feasible(instance, schedule)
    )
    price = cheapest - evaluate(instance, options).total + erp.overlaps_cost
    assert erp.spreading_costs == pytest.approx(price, abs=1e-5)
    assert erp.spreading_costs > erp.overlaps_cost
    begins = "sql02 of the same service starts at the same time. Of the starts with fewer overlaps, "
    (note,) = [text for text in explain_vm(office.plan, office.estate, "sql01").notes if text.startswith(begins)]
    assert "overlap -" in note
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
    (web,) = services_together(case, case.problem.instance.today)
    assert (web.spreading, web.spreading_costs) == ("over a limit", pytest.approx(0.12))


def test_pinned_services_cannot_be_spread() -> None:
    """The rules leave no other start, with limits or without."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2)
    case = case_of(found, flat_risk(2), max_moves=5, rule=(Rule(name="stay", pin=True),))
    (web,) = services_together(case, case.problem.instance.today)
    assert (web.spreading, web.spreading_costs) == ("impossible", None)


def test_only_the_costliest_are_priced() -> None:
    """Of many services the first ones are looked at, and the others say that they were not."""
    count = MOST_PRICED + 2
    found = inventory([policy("p", "v", 46)], [(f"s{n:03d}", "p") for n in range(count) for _ in range(2)])
    case = case_of(found, flat_risk(2 * count))
    listed = services_together(case, case.problem.instance.today)
    assert [one.spreading for one in listed] == ["priced"] * MOST_PRICED + ["not priced"] * 2


def test_the_search_does_not_leave_a_service_together_that_could_be_spread() -> None:
    """Whatever schedule the search ends with, spreading a service is tried, and done where it costs less."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 2 + [("db", "p")] * 2)
    risk = flat_risk(4)
    risk[2:] = 0.95  # with a policy of its own 1.07 for spreading, with the one that ``web`` needs anyway 0.97
    risk[2:, 46] = 0.0
    case = case_of(found, risk, max_risk_increase=2.0)
    today = case.problem.instance.today
    options = spread_where_it_pays(case, today)
    assert abs(int(options[0]) - int(options[1])) >= 4
    assert abs(int(options[2]) - int(options[3])) >= 4
    assert evaluate(case.problem.instance, options).total < evaluate(case.problem.instance, today).total
    assert services_together(case, options) == ()
    assert spread_where_it_pays(case, options) is options


def test_a_service_stays_together_where_spreading_costs_more() -> None:
    """The schedule is left as it is, and the price of spreading is above that of the overlaps."""
    risk = flat_risk(2, 2.0)
    risk[:, 46] = 0.0
    found = inventory([policy("p", "v", 46)], [("db", "p")] * 2)
    case = case_of(found, risk, max_risk_increase=3.0)
    assert spread_where_it_pays(case, case.problem.instance.today) is case.problem.instance.today
    (db,) = services_together(case, case.problem.instance.today)
    assert db.overlaps_cost == pytest.approx(1.0)
    assert db.spreading_costs == pytest.approx(2.12)


def test_partial_overlaps_count_as_all_at_once_too() -> None:
    """Three daily VMs at 06:00 and one whose hourly runs begin at 08:00: all windows overlap, and all are spread.

    Found in ``demo --vms 40 --seed 5``, where a plan put such a service together and listed it.
    """
    policies = [policy("p", "v", 12), policy("h", "w", 16, HOURLY)]
    found = inventory(policies, [("pay", "p")] * 3 + [("pay", "h")])
    case = case_of(found, flat_risk(4))
    today = case.problem.instance.today
    (pay,) = services_together(case, today)
    assert (pay.same_start, pay.at_once, pay.at) == (False, None, "Monday 08:00")
    options = spread_where_it_pays(case, today)
    assert min(abs(a - b) for a, b in itertools.combinations(options[:3].tolist(), 2)) >= 4
    assert services_together(case, options) == ()


def test_more_vms_than_fit_into_a_day_are_split() -> None:
    """Thirteen daily VMs cannot all start two hours apart, and yet they need not be backed up all at once."""
    found = inventory([policy("p", "v", 46)], [("search", "p")] * 13)
    risk = flat_risk(13, 0.7)
    risk[:, 46] = 0.0
    case = case_of(found, risk, max_risk_increase=3.0)
    (search,) = services_together(case, case.problem.instance.today)
    assert (search.spreading, search.spreading_costs) == ("priced", pytest.approx(0.7 + 0.1 + 0.02))
    options = spread_where_it_pays(case, case.problem.instance.today)
    assert (options == 46).sum() < 13
    assert not [one for one in services_together(case, options) if one.at_once is None]


def short_night(begin: str, end: str) -> Rule:
    """A rule that leaves the starts of one night."""
    return Rule(name="short night", allow=({"from": begin, "to": end},))


def test_in_hours_too_short_for_two_windows_vms_do_not_all_start_together() -> None:
    """Five VMs may start from 23:00 to 00:30: no two windows are apart, so some start 90 minutes after the others."""
    risk = flat_risk(5, 0.1)
    risk[:, 46] = 0.0
    found = inventory([policy("p", "v", 46)], [("app", "p")] * 5)
    case = case_of(found, risk, max_risk_increase=3.0, rule=(short_night("23:00", "02:45"),))
    options = spread_where_it_pays(case, case.problem.instance.today)
    assert sorted(options.tolist()) == [1, 1, 46, 46, 46]
    (app,) = services_together(case, options)
    assert (app.same_start, app.spreading, app.spreading_costs) == (False, "impossible", None)
    assert spread_where_it_pays(case, options) is options


def test_in_hours_too_short_for_90_minutes_nothing_moves() -> None:
    """Half an hour apart would save little, so the VMs stay where they are."""
    found = inventory([policy("p", "v", 46)], [("app", "p")] * 5)
    case = case_of(found, flat_risk(5), rule=(short_night("22:30", "01:45"),))
    assert spread_where_it_pays(case, case.problem.instance.today) is case.problem.instance.today


def test_weights_count_for_the_price_of_a_service() -> None:
    """At weight 3, risk counts three times, and so does the price of leaving the service all at once."""
    risk = flat_risk(2, 0.7)
    risk[:, 46] = 0.0
    found = inventory([policy("p", "v", 46), policy("q", "v", 45)], [("db", "p"), ("db", "q")])
    risk[1, 45] = 0.0
    heavy = Rule(name="heavy", where={"service": "db"}, weight=3.0)
    for rule in ((), (heavy,)):
        case = case_of(found, risk, max_risk_increase=3.0, rule=rule)
        assert services_together(case, spread_where_it_pays(case, case.problem.instance.today)) == ()


def test_what_spreading_costs_beyond_its_savings_is_stated() -> None:
    """Two VMs 90 minutes apart have few overlaps: spreading them costs more than it saves, and a note says so."""
    risk = flat_risk(2, 0.4)
    risk[0, 46] = risk[1, 1] = 0.0
    found = inventory([policy("p", "v", 46), policy("q", "v", 1)], [("db", "p"), ("db", "q")])
    case = case_of(found, risk, max_risk_increase=3.0)
    today = case.problem.instance.today
    cost = evaluate(case.problem.instance, today)
    before = Solved(today, cost, cost.total, "today", cost, "gap", 0.1, ascend(case.problem.instance, 1).best)
    result = spread_services(case, before, 0)
    assert result.cost.total == pytest.approx(0.4 + 0.1 + 0.02)
    assert result.spreading_costs == pytest.approx(0.52 - 0.25)
    assert (result.is_optimal, result.bound, result.captured) == (True, cost.total, 1.0)
    assert (result.stopped, result.gap) == ("gap", pytest.approx(0.0))
    open_still = replace(result, bound=cost.total - 0.5, ended_by="effort")  # the search left 0.5, whatever is spread
    assert (open_still.is_optimal, open_still.stopped) == (False, "effort")
    assert (open_still.gap, open_still.captured) == (pytest.approx(0.5), pytest.approx(0.0))
    (note,) = notes_on_spreading(PRICES, result.spreading_costs)
    assert note.startswith("0.27 of the plan's cost is for spreading services")
    undone = result.with_schedule(case.problem.instance, today)
    assert notes_on_spreading(PRICES, undone.spreading_costs) == []


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Return a plan, with a moves curve, of five VMs at 23:00 that are busy from 04:00 to 22:00 and idle otherwise."""
    folder, names = tmp_path_factory.mktemp("five"), [f"app{n}" for n in range(5)]
    begin = datetime(2026, 2, 2, tzinfo=UTC)
    times = [begin + timedelta(minutes=15 * n) for n in range(96 * 28)]
    noise = np.random.default_rng(3).normal(0, 2, (len(names), len(times)))
    busy = np.array([4 <= time.hour < 22 for time in times])
    load = [
        pl.DataFrame({"vm": name, "ts": times, "cpu_percent": np.clip(np.where(busy, 95.0, 20.0) + of_vm, 0, 100)})
        for name, of_vm in zip(names, noise, strict=True)
    ]
    pl.concat(load).with_columns(mem_percent=pl.lit(40.0)).write_parquet(folder / "load.parquet")
    lines = [f"{name},app,v1,daily-2300,Daily,,23:00,UTC,30" for name in names]
    header = "vm,service,vault,policy,frequency,days,time,timezone,retention_days"
    (folder / "vms.csv").write_text("\n".join([header, *lines, ""]))
    args = ("--vms", folder / "vms.csv", "--load", folder / "load.parquet", "--out", folder / "estate")
    assert run("import", *args).code == 0
    estate = open_estate(folder / "estate")
    case = prepare(estate)
    return Planned(estate, case, make_plan_of(estate, case, path=folder / "plan.json", moves_curve=True))


def test_five_busy_vms_do_not_all_start_at_one_time(five: Planned) -> None:
    """Two of them start 90 minutes later, as far as the quiet hours allow; the moves curve does not undo it."""
    starts = Counter(entry.start for entry in five.plan.schedule)
    assert starts == {"23:00": 3, "00:30": 2}
    (app,) = five.plan.services_together
    assert (app.same_start, app.at_once, app.spreading) == (False, None, "impossible")
    assert five.plan.moves_curve is not None
    (note,) = [text for text in five.plan.notes if "for spreading services" in text]
    assert note.endswith("(1) to spread; the gain by number of moves leaves this out")
    assert "all overlap" in to_text(render_plan(five.plan))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**20))
def test_no_service_stays_all_at_once_if_spreading_costs_less_than_the_price(seed: int) -> None:
    """Whatever the patterns, rules and prices, by trying every start of the VMs of each service."""
    random = np.random.default_rng(seed)
    policies = [
        policy("p", "v", 46),
        policy("q", "v", 44),
        policy("s", "v", 46, SUNDAYS),
        policy("h", "w", 20, HOURLY),
    ]
    vms = [(str(random.choice(["web", "db"])), str(random.choice(["p", "p", "q", "s", "h"]))) for _ in range(4)]
    found = inventory(policies, vms)
    risk = (random.random((4, 48)) * random.choice([0.3, 1.0, 3.0])).round(6)
    few = None if random.random() < 0.6 else int(random.integers(0, 4))
    case = case_of(found, risk, max_risk_increase=10.0, max_moves=few)
    instance, night = case.problem.instance, random.choice([2, 5, 40])
    allowed = np.zeros_like(instance.allowed)
    for v in range(4):
        some = [t for t in np.flatnonzero(instance.allowed[v]).tolist() if (t - instance.today[v]) % 48 <= night]
        allowed[v, random.choice(some, min(len(some), 5), replace=False)] = True
    allowed[np.arange(4), instance.today] = True
    case = replace(case, problem=case.problem.with_instance(replace(instance, allowed=allowed)))
    options = spread_where_it_pays(case, instance.today)
    assert is_feasible(case.problem.instance, options)
    names, service = item_services(found)
    for g in range(len(names)):
        check_that_no_way_is_cheap(case, options, np.flatnonzero(service == g))


def check_that_no_way_is_cheap(case: Case, options: IntArray, members: IntArray) -> None:
    """Compare with every schedule in which the VMs of one service start elsewhere."""
    instance, found = case.problem.instance, case.inventory
    if len(members) < 2 or not obvious_together(case, options, members):
        return
    price = USUAL_TIMING.price_per_overlap(PRICES.snapshot_overlap, PRICES.all_at_once, len(members))
    _, service = item_services(found)
    g = int(service[members[0]])

    def without_overlaps(schedule: IntArray) -> float:
        return evaluate(instance, schedule).total - price * float(expected_overlaps(found, schedule)[g])

    now = without_overlaps(options)
    for starts in itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in members.tolist())):
        schedule = options.copy()
        schedule[members] = starts
        if not obvious_together(case, schedule, members) and is_feasible(instance, schedule):
            assert without_overlaps(schedule) - now >= PRICES.all_at_once - 1e-5


def obvious_together(case: Case, options: IntArray, members: IntArray) -> bool:
    """Whether some half hour is in all start windows, by their minutes, and the service has overlaps."""
    found, shared = case.inventory, set(range(336))
    for v in members.tolist():
        policy_ = found.policy(found.items[v])
        runs = policy_.recurrence.run_minutes(int(options[v]), 0).tolist()
        shared &= {minute // 30 % 336 for begin in runs for minute in range(begin, begin + 135)}
    _, service = item_services(found)
    return bool(shared) and bool(expected_overlaps(found, options)[service[members[0]]] > 0)


def test_a_plan_keeps_its_promise(arm: Planned, imported: Planned) -> None:
    """A service that a plan leaves all at once would cost at least ``all_at_once`` to spread."""
    for made in (arm, imported):
        for one in made.plan.services_together:
            if one.at_once is None and one.spreading == "priced":
                assert one.spreading_costs is not None
                assert one.spreading_costs >= made.plan.rules.prices.all_at_once - 1e-5
