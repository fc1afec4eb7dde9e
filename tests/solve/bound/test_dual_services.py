"""Services that are placed together in the bound: against all starts of their VMs, and against the rows alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rules
from optimizer.model.timegrid import NUM_OPTIONS, Frequency, Recurrence
from optimizer.solve.bound.ascent import ascend, dual_value, evaluate, forced_bounds, start_multipliers
from optimizer.solve.bound.dual import dual_arrays, empty_answer
from optimizer.solve.bound.dual_services import Placement, evaluate_services
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.problem.cost import evaluate as price
from optimizer.solve.problem.instance import Instance
from tests.solve.examples import DAILY, Problem, flat_risk, inventory, policy

EVERY_FOUR_HOURS = Recurrence(Frequency.HOURLY, (), 4, 12)


def crowded(*recurrences: Recurrence, starts: tuple[int, ...] = (16, 18, 21)) -> Instance:
    """A service with one VM for each recurrence, of which each may start at a few half hours only."""
    names = {recurrence: f"p{number}" for number, recurrence in enumerate(dict.fromkeys(recurrences))}
    policies = [policy(name, "v", 16, recurrence) for recurrence, name in names.items()]
    vms = [("app", names[recurrence]) for recurrence in recurrences]
    instance = Problem(inventory(policies, vms), Rules(), flat_risk(len(vms), 0.1)).instance()
    allowed = np.zeros_like(instance.allowed)
    allowed[:, list(starts)] = True
    return replace(instance, allowed=instance.allowed & allowed)


def every_schedule(instance: Instance) -> list[IntArray]:
    """All choices of allowed options."""
    return [
        np.array(options)
        for options in itertools.product(*(np.flatnonzero(allowed).tolist() for allowed in instance.allowed))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_starts_are_those_of_all_choices(seed: int) -> None:
    """At any prices, no choice of starts costs less than the value, and one costs exactly that."""
    instance, random = (
        crowded(EVERY_FOUR_HOURS, DAILY, EVERY_FOUR_HOURS, EVERY_FOUR_HOURS),
        np.random.default_rng(seed),
    )
    d = dual_arrays(instance)
    extra = slice(len(instance.rows), None)
    mu, alpha = np.zeros(len(d.pair_price)), np.zeros(len(d.pair_price))
    mu[extra], alpha[extra] = random.uniform(0, 2, mu[extra].shape), random.uniform(0, 1, mu[extra].shape)
    services = d.services
    values, placed = np.empty(1), np.zeros(4, dtype=np.int64)
    met, pairs = np.zeros(len(mu)), np.zeros(len(mu))
    evaluate_services(services, mu, alpha, Placement(met, pairs, values, placed), True)

    def cost(options: IntArray) -> float:
        total = price(instance, options).overlap
        for v, t in enumerate(options.tolist()):
            place = instance.vm_class[v] * NUM_OPTIONS + t
            row = d.touched[d.touched_begin[place] : d.touched_begin[place + 1]]
            row = int(row[row >= len(instance.rows)][0])
            twins = int((instance.vm_class[:v] == instance.vm_class[v])[options[:v] == t].sum())
            total -= mu[row] + alpha[row] * d.pair_price[row] * twins
        return total

    assert values[0] == pytest.approx(min(map(cost, every_schedule(instance))))
    assert met.sum() == -4


def test_three_vms_every_four_hours_are_proven_to_overlap() -> None:
    """Where the VMs of a service overlap wherever they start, the bound reaches the cheapest schedule."""
    instance = crowded(*[EVERY_FOUR_HOURS] * 3, starts=(16, 18, 20, 22))
    cheapest = min(price(instance, options).total for options in every_schedule(instance))
    assert cheapest > 0.5
    assert ascend(instance, 600).bound == pytest.approx(cheapest, rel=0.01)


def test_services_that_can_spread_keep_their_rows() -> None:
    """Daily VMs that may start at any time are not placed together."""
    assert len(dual_arrays(crowded(DAILY, DAILY, DAILY, starts=tuple(range(48)))).services.vm_kind) == 0


@pytest.mark.parametrize(
    "recurrences", [(EVERY_FOUR_HOURS,) * 3, (EVERY_FOUR_HOURS, DAILY, EVERY_FOUR_HOURS), (DAILY,) * 4]
)
def test_no_bound_is_above_the_cheapest_schedule_at_any_prices(recurrences: tuple[Recurrence, ...]) -> None:
    """The dual value, and what it says of single options, hold for every schedule, wherever the multipliers stand."""
    instance, random = crowded(*recurrences), np.random.default_rng(1)
    d, schedules = dual_arrays(instance), every_schedule(instance)
    assert len(d.services.vm_kind) == len(recurrences)
    costs = np.array([price(instance, options).total for options in schedules])
    for _ in range(5):
        at = start_multipliers(d)
        at.lam += random.normal(0, 0.5, at.lam.shape)
        at.mu = np.where(d.pair_price > 0, random.uniform(0, 1, at.mu.shape), 0.0)
        at.alpha = np.where(d.pair_price > 0, random.uniform(0, 1, at.alpha.shape), 0.0)
        assert dual_value(d, at) <= costs.min()
        forced, sharp = forced_bounds(instance, at), sharp_forced_bounds(instance, at)
        for options, cost in zip(schedules, costs, strict=True):
            here = (np.arange(instance.num_vms), options)
            assert max(forced[here].max(), sharp[here].max()) <= cost + 1e-9


def test_the_subgradient_is_one_of_extra_rows_too() -> None:
    """The dual function is below its linearisation at any other point, prices of extra rows included."""
    instance, random = crowded(EVERY_FOUR_HOURS, DAILY, EVERY_FOUR_HOURS), np.random.default_rng(2)
    d = dual_arrays(instance)
    at, answer = start_multipliers(d), empty_answer(d)
    at.mu = np.where(d.pair_price > 0, random.uniform(0, 0.3, at.mu.shape), 0.0)
    value = evaluate(d, at, answer)
    slopes = answer.lam.copy(), answer.mu.copy(), answer.alpha.copy()
    for _ in range(20):
        other = at.copy()
        other.lam += random.normal(0, 0.2, other.lam.shape)
        other.mu = np.maximum(0.0, at.mu + random.normal(0, 0.2, at.mu.shape) * (d.pair_price > 0))
        other.alpha = np.clip(at.alpha + random.normal(0, 0.2, at.alpha.shape) * (d.pair_price > 0), 0, 1)
        linear = sum(
            float(slope @ (there - here))
            for slope, there, here in zip(
                slopes, (other.lam, other.mu, other.alpha), (at.lam, at.mu, at.alpha), strict=True
            )
        )
        assert evaluate(d, other, empty_answer(d)) <= value + linear + 1e-9
