"""What it costs to spread a service, and the promise that rests on it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rules import Prices, Rule, Rules
from optimizer.solve.cost import evaluate, violations
from optimizer.solve.solver import Result, solve
from optimizer.solve.spreading import spread
from tests.prices import FIXED_PRICES, fixed_prices
from tests.solve.examples import Problem, flat_risk, inventory, obvious_cost, obvious_overlaps, only, policy

PRICES = fixed_prices(snapshot_overlap=0.0145, all_at_once=1.0, vault_peak=0.0, policy_write=0.1, move=0.02)
LOOSE = 10.0
"""A limit on the growth of risk that never binds here."""


def together(num_vms: int, elsewhere: float, prices: Prices = PRICES, *rules: Rule) -> Problem:
    """A service that starts at 23:00 with risk 1 for each VM; everywhere else its risk is higher by ``elsewhere``."""
    risk = flat_risk(num_vms, 1.0 + elsewhere)
    risk[:, 46] = 1.0
    found = inventory([policy("p", "v", 46)], [("web", "p")] * num_vms)
    return Problem(found, Rules(prices=prices, rule=rules, max_risk_increase=LOOSE), risk)


def solved(problem: Problem) -> Result:
    """The optimum of a small problem."""
    result = solve(problem.instance(), effort=10)
    assert result.options is not None
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
    found = spread(problem.instance(), options, np.arange(num_vms))
    assert found is not None
    assert found.price == pytest.approx((num_vms - 1) * (elsewhere + 0.12))
    assert found.saves == pytest.approx(max(1.0, 0.0145 * 6.9 * num_vms * (num_vms - 1) / 2))
    assert found.price >= found.saves >= 1.0 - 1e-9


STARTS = (40, 42, 44, 46)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.integers(2, 3), st.integers(0, 2))
def test_the_price_of_spreading_is_what_brute_force_finds(seed: int, num_members: int, num_others: int) -> None:
    """Least extra cost, overlaps apart, of a schedule without overlaps in the service; None where there is none."""
    random = np.random.default_rng(seed)
    vms = [("web", str(random.choice(["p", "q"]))) for _ in range(num_members)]
    vms += [(str(random.choice(["db", "app"])), "p") for _ in range(num_others)]
    found = inventory([policy("p", "v", 46), policy("q", "w", 46)], vms)
    few = random.choice(STARTS, 3, replace=False).tolist()
    rules = [only(*(f"{t // 2:02d}:{30 * (t % 2):02d}" for t in sorted({46, *few})))]
    drawn = {"vault_peak": float(random.choice([0.0, 0.3])), "all_at_once": float(random.choice([0.0, 1.0]))}
    prices = FIXED_PRICES | drawn
    risk = random.random((len(vms), 48)).round(6)
    problem = Problem(found, Rules(rule=tuple(rules), prices=prices, max_risk_increase=LOOSE), risk)
    instance = problem.instance()
    today, members = instance.today, np.arange(num_members)

    def without_overlaps(options: list[int]) -> float:
        """Cost but for the overlaps of the service."""
        cost = obvious_cost(problem, options)
        price = max(0.0145, prices["all_at_once"] / (6.9 * num_members * (num_members - 1) / 2))
        return cost - price * obvious_overlaps(problem, options, members.tolist())

    best = None
    for chosen in itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in members)):
        options = [*chosen, *today[num_members:].tolist()]
        if obvious_overlaps(problem, options, members.tolist()) == 0:
            cost = without_overlaps(options)
            best = cost if best is None else min(best, cost)
    answer = spread(instance, today, members)
    assert (answer is None) == (best is None)
    if answer is not None and best is not None:
        assert answer.price == pytest.approx(best - without_overlaps(today.tolist()), abs=1e-5)
        assert answer.price - answer.saves == pytest.approx(
            evaluate(instance, answer.options).total - evaluate(instance, today).total
        )
        assert not violations(instance, answer.options)


def test_a_service_that_does_not_fit_has_no_price() -> None:
    """Three VMs in a window of three hours, and thirteen in a whole day, cannot all be two hours apart."""
    narrow = Rule(name="short night", allow=({"from": "20:00", "to": "23:45"},))
    problem = together(3, 0.0, PRICES, narrow)
    assert spread(problem.instance(), np.array([40, 42, 43]), np.arange(3)) is None
    many = together(13, 0.0)
    assert spread(many.instance(), many.instance().today, np.arange(13)) is None


def test_pinned_vms_that_start_together_have_no_price() -> None:
    """No plan may move them, so nothing is said about what a move would cost."""
    problem = together(2, 0.0, PRICES, Rule(name="stay", pin=True))
    assert spread(problem.instance(), problem.instance().today, np.arange(2)) is None


def test_a_rule_that_is_broken_elsewhere_is_no_obstacle() -> None:
    """The service is priced in today's schedule too, in which other VMs may break a cap."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p"), ("db", "p"), ("db", "p")])
    rules = Rules(rule=(Rule(name="one db", where={"service": "db"}, max_concurrent=1),), prices=PRICES)
    problem = Problem(found, rules, flat_risk(4))
    instance = problem.instance()
    assert violations(instance, instance.today)
    answer = spread(instance, instance.today, np.arange(2))
    assert answer is not None
    assert answer.price == pytest.approx(0.12)
