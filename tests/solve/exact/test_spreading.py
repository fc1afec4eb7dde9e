"""What it costs to spread a service, and the promise that rests on it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.pattern import Pattern
from optimizer.model.rules import Prices, Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.exact.spreading import IMPOSSIBLE, Service, Spreading, SpreadingAnswer
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.prices import FIXED_PRICES, fixed_prices
from tests.solve.examples import (
    HOURLY,
    SUNDAYS,
    Problem,
    flat_risk,
    inventory,
    obvious_cost,
    obvious_overlaps,
    only,
    policy,
)

PRICES = fixed_prices(snapshot_overlap=0.0145, all_at_once=1.0, vault_peak=0.0, policy_write=0.1, move=0.02)
LOOSE = 10.0
"""A limit on the growth of risk that never binds here."""


def together(num_vms: int, elsewhere: float, prices: Prices = PRICES, *rules: Rule) -> Problem:
    """A service that starts at 23:00 with risk 1 for each VM; everywhere else its risk is higher by ``elsewhere``."""
    risk = flat_risk(num_vms, 1.0 + elsewhere)
    risk[:, 46] = 1.0
    found = inventory([policy("p", "v", 46)], [("web", "p")] * num_vms)
    return Problem(found, Rules(prices=prices, rule=rules, max_risk_increase=LOOSE), risk)


def solved(problem: Problem) -> Solved:
    """The optimum of a small problem."""
    result = solve(problem.instance(), Search(effort=10))
    assert isinstance(result, Solved)
    return result


def test_a_pair_is_spread_although_its_overlaps_are_few() -> None:
    """Two VMs that start together cost 0.1 by their overlaps alone, less than a policy and a move: 0.12."""
    apart = solved(together(2, 0.0)).options
    kept = solved(together(2, 0.0, PRICES.model_copy(update={"all_at_once": 0.0}))).options
    assert apart is not None
    assert kept is not None
    assert len(set(kept.tolist())) == 1
    assert abs(int(apart[0]) - int(apart[1])) >= 4


@pytest.mark.parametrize(("num_vms", "elsewhere"), [(2, 0.8), (3, 0.35), (5, 0.1)])
def test_a_service_is_spread_where_that_costs_less_than_the_price(num_vms: int, elsewhere: float) -> None:
    """Busy VMs whose risk is higher at any other time part as long as this costs less than 1 in all."""
    options = solved(together(num_vms, elsewhere)).options
    assert options is not None
    assert len(set(options.tolist())) > 1


@pytest.mark.parametrize(("num_vms", "elsewhere"), [(2, 0.9), (3, 0.9), (5, 3.0)])
def test_a_service_stays_together_only_where_spreading_costs_more(num_vms: int, elsewhere: float) -> None:
    """Where the plan keeps all at once, the stated price of spreading is what each move costs, and above 1."""
    problem = together(num_vms, elsewhere)
    options = solved(problem).options
    assert options is not None
    assert len(set(options.tolist())) == 1
    found = Service(problem.instance(), options, np.arange(num_vms)).apart().found
    assert found is not None
    saves = max(1.0, 0.0145 * 6.9 * num_vms * (num_vms - 1) / 2)
    assert found.price == pytest.approx((num_vms - 1) * (elsewhere + 0.12))
    assert found.change == pytest.approx(found.price - saves)
    assert found.price >= saves


STARTS = (40, 42, 43, 44, 46)


def windows_of(problem: Problem, members: list[int]) -> np.ndarray:
    """Half hours of the week that the start windows of some VMs meet at each start, by their minutes."""
    found = problem.inventory
    taken = np.zeros((len(members), 48, 336), dtype=np.bool_)
    for row, v in enumerate(members):
        policy_ = found.policy(found.items[v])
        pattern: Pattern = found.pattern(policy_)
        for t, offset in itertools.product(range(48), pattern.offsets):
            for begin in policy_.recurrence.run_minutes(t, offset).tolist():
                taken[row, t, [minute // 30 % 336 for minute in range(begin, begin + 135)]] = True
    return taken


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.integers(2, 3), st.integers(0, 2))
def test_the_price_of_spreading_is_what_brute_force_finds(seed: int, num_members: int, num_others: int) -> None:
    """Each way to spread has the least extra cost, overlaps apart, of all schedules of its kind, or is impossible."""
    random = np.random.default_rng(seed)
    policies = [
        policy("p", "v", 46),
        policy("q", "w", 46),
        policy("s", "w", 46, SUNDAYS),
        policy("h", "v", 40, HOURLY),
    ]
    vms = [("web", str(random.choice(["p", "q", "s", "h"], p=[0.4, 0.3, 0.15, 0.15]))) for _ in range(num_members)]
    vms += [(str(random.choice(["db", "app"])), "p") for _ in range(num_others)]
    few = random.choice(STARTS, 3, replace=False).tolist()
    rules = [only(*(f"{t // 2:02d}:{30 * (t % 2):02d}" for t in sorted({46, *few})))]
    drawn = {"vault_peak": float(random.choice([0.0, 0.3])), "all_at_once": float(random.choice([0.0, 1.0]))}
    prices = FIXED_PRICES | drawn
    risk = random.random((len(vms), 48)).round(6)
    problem = Problem(inventory(policies, vms), Rules(rule=tuple(rules), prices=prices, max_risk_increase=LOOSE), risk)
    instance = problem.instance()
    if not instance.allowed[np.arange(len(vms)), instance.today].all():
        return  # an hourly policy does not fit into the windows
    today, members = instance.today, np.arange(num_members)
    taken = windows_of(problem, members.tolist())

    def without_overlaps(options: list[int]) -> float:
        """Cost but for the overlaps of the service."""
        cost = obvious_cost(problem, options)
        price = max(0.0145, prices["all_at_once"] / (6.9 * num_members * (num_members - 1) / 2))
        return cost - price * obvious_overlaps(problem, options, members.tolist())

    best: dict[str, float] = {}
    for chosen in itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in members)):
        options = [*chosen, *today[num_members:].tolist()]
        ways = {
            "apart": obvious_overlaps(problem, options, members.tolist()) == 0,
            "split": not taken[members, list(chosen)].all(axis=0).any(),
        }
        for way in [name for name, holds in ways.items() if holds]:
            best[way] = min(best.get(way, np.inf), without_overlaps(options))
    service = Service(instance, today, members)
    answers = {"apart": service.apart(), "split": service.split(taken)}
    for way, answer in answers.items():
        assert answer.outcome is (SolveStatus.OPTIMAL if way in best else SolveStatus.INFEASIBLE)
        if answer.found is not None:
            assert answer.found.price == pytest.approx(best[way] - without_overlaps(today.tolist()), abs=1e-5)
            check_change(problem, answer.found)


def check_change(problem: Problem, found: Spreading) -> None:
    """The stated change of the whole cost is that of the schedule, which keeps every rule."""
    instance = problem.instance()
    change = evaluate(instance, found.options).total - evaluate(instance, instance.today).total
    assert found.change == pytest.approx(change)
    assert is_feasible(instance, found.options)


def test_of_the_ways_to_split_the_one_with_the_least_cost_is_taken() -> None:
    """One VM of five elsewhere is cheapest but for the overlaps; two elsewhere, by the same new policy, cost less."""
    problem = together(5, 0.1, PRICES, only("23:00", "02:00"))
    service = Service(problem.instance(), problem.instance().today, np.arange(5))
    windows = windows_of(problem, list(range(5)))
    cheapest = service.split(windows).found
    assert cheapest is not None
    assert cheapest.price == pytest.approx(0.22)
    best = service.best_split(windows, cheapest, 1.0)
    assert best.price == pytest.approx(0.34)
    assert best.change == pytest.approx(0.34 - 0.6, abs=1e-3)
    assert service.best_split(windows, cheapest, 0.3) is cheapest


def test_a_service_that_does_not_fit_has_no_price() -> None:
    """Three VMs in a window of three hours, and thirteen in a whole day, cannot all be two hours apart."""
    narrow = Rule(name="short night", allow=({"from": "20:00", "to": "23:45"},))
    problem = together(3, 0.0, PRICES, narrow)
    assert Service(problem.instance(), np.array([40, 42, 43]), np.arange(3)).apart() == IMPOSSIBLE
    many = together(13, 0.0)
    assert Service(many.instance(), many.instance().today, np.arange(13)).apart() == IMPOSSIBLE


def test_a_search_that_ends_early_proves_nothing() -> None:
    """Without work, no way to spread a service is found, and none is proven impossible."""
    problem = together(4, 0.0)
    service = Service(problem.instance(), problem.instance().today, np.arange(4), work=0.0)
    assert service.apart() == SpreadingAnswer(SolveStatus.UNKNOWN)
    assert service.split(windows_of(problem, list(range(4)))) == SpreadingAnswer(SolveStatus.UNKNOWN)


def test_pinned_vms_that_start_together_have_no_price() -> None:
    """No plan may move them, so nothing is said about what a move would cost."""
    problem = together(2, 0.0, PRICES, Rule(name="stay", pin=True))
    service = Service(problem.instance(), problem.instance().today, np.arange(2))
    assert service.apart() == IMPOSSIBLE
    assert service.split(windows_of(problem, [0, 1])) == IMPOSSIBLE


def test_a_rule_that_is_broken_elsewhere_is_no_obstacle() -> None:
    """The service is priced in today's schedule too, in which other VMs may break a cap."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p"), ("db", "p"), ("db", "p")])
    rules = Rules(rule=(Rule(name="one db", where={"service": "db"}, max_concurrent=1),), prices=PRICES)
    problem = Problem(found, rules, flat_risk(4))
    instance = problem.instance()
    assert not is_feasible(instance, instance.today)
    service = Service(instance, instance.today, np.arange(2))
    for answer in (service.apart(), service.split(windows_of(problem, [0, 1]))):
        assert answer.found is not None
        assert answer.found.price == pytest.approx(0.12)
