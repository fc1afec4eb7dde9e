"""What full policies that exchange items cost a plan, and that the plan says so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimizer.estate.folder import Estate
from optimizer.model.rules import PolicyLimits, Prices, Rules
from optimizer.plan.case import Case
from optimizer.plan.compose import _with_detours, compose_plan
from optimizer.plan.document import PlanDocument, Settings
from optimizer.solve.cost import Cost, evaluate
from optimizer.solve.solver import Result
from optimizer.workflow import prepare, solve_case
from tests.plan.conftest import Planned

RULES = Rules(
    policies=PolicyLimits(max_vms_per_policy=8, edit=False),
    max_risk_increase=1000.0,
    prices=Prices(policy_write=0.25),
)


def full_twins(estate: Estate) -> Estate:
    """The imported estate with eight VMs on each of the twins of its first vault."""
    items, twins = [], ("nightly", "early")
    number = 0
    for one in estate.document.protected_items:
        properties = dict(one["properties"])
        folder, _, name = str(properties["policyId"]).rpartition("/")
        if name in twins:
            if number == 16:
                continue
            properties |= {"policyId": f"{folder}/{twins[number % 2]}"}
            number += 1
        items.append({**one, "properties": properties})
    policies = [
        {**one, "properties": {key: value for key, value in one["properties"].items() if key != "protectedItemsCount"}}
        for one in estate.document.policies
    ]
    kept = {"protected_items": tuple(items), "policies": tuple(policies)}
    return Estate(estate.path, estate.document.model_copy(update=kept))


@pytest.fixture(scope="module")
def estate(imported: Planned) -> Estate:
    """Return an estate two of whose policies are full."""
    return full_twins(imported.estate)


@pytest.fixture(scope="module")
def case(estate: Estate) -> Case:
    """Return that estate under rules that let anybody move."""
    return prepare(estate, RULES)


def exchange(case: Case) -> np.ndarray:
    """One VM of each full policy at the time of the other."""
    names = [case.inventory.policy(item).name for item in case.inventory.items]
    first, second = names.index("nightly"), names.index("early")
    options = case.instance.today.copy()
    options[[first, second]] = options[[second, first]]
    return options


def composed(estate: Estate, case: Case, gain: float) -> tuple[PlanDocument, Cost, Cost]:
    """A plan of the exchange, its cost without a detour, and today's, from which it gains so much."""
    cost, today = (evaluate(case.instance, options) for options in (exchange(case), case.instance.today))
    reference = replace(today, risk=today.risk + cost.total + gain - today.total)
    result = _result(case, cost, reference)
    settings = Settings(seed=0, effort=1, time_limit_seconds=None)
    plan = compose_plan(estate, case, result, settings, path=Path("plan.json"), began=time.monotonic())
    return plan, cost, today


def test_a_detour_is_paid_for_and_said(estate: Estate, case: Case) -> None:
    """The policy that breaks the ring is in changes, counts, cost and notes, and the verifier agrees."""
    plan, cost, _ = composed(estate, case, 1.0)
    assert [change.kind for change in plan.changes] == ["create_policy", "reassign_item", "reassign_item"]
    assert plan.summary.policies_created == 1
    assert plan.summary.cost.plan == pytest.approx(cost.total + 0.25, abs=1e-5)
    assert plan.summary.status == "feasible"
    assert any(note.startswith("1 extra policy is created so that") for note in plan.notes)


def test_a_detour_that_costs_more_than_the_plan_gains_is_not_made(estate: Estate, case: Case) -> None:
    """A plan never costs more than today's schedule: where the detour does, everything stays."""
    _, cost, today = composed(estate, case, 1.0)
    gain = today.total - cost.total
    dear = replace(case, rules=RULES.model_copy(update={"prices": Prices(policy_write=gain + 1.0)}))
    assert dear.rules.prices.policy_write > gain
    diff = _with_detours(dear, _result(case, cost, today), [])[1]
    assert diff.changes == ()


def _result(case: Case, cost: Cost, today: Cost) -> Result:
    found = solve_case(case, effort=1)
    return replace(found, options=exchange(case), cost=cost, reference=today, reference_name="today", bound=-1.0)
