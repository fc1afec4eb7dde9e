"""What full policies that exchange items cost a plan, and that the plan says so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimizer.documents.plan_document import ReassignItem, Settings
from optimizer.estate.folder import Estate
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.model.timegrid import format_start
from optimizer.plan import Planner, prepare
from optimizer.plan.case import Case
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.claims import to_check
from optimizer.plan.make.compose import Composer
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.instance import WriteLimit
from optimizer.solve.problem.limits import Limit, LimitKind
from optimizer.verifier.checked import Claims
from optimizer.verifier.verify import verify
from tests.plan.planned import Planned
from tests.prices import fixed_prices

RULES = Rules(
    policies=PolicyLimits(max_vms_per_policy=8, edit=False),
    max_risk_increase=1000.0,
    prices=fixed_prices(policy_write=0.25),
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
    options = case.problem.instance.today.copy()
    options[[first, second]] = options[[second, first]]
    return options


def test_a_detour_is_paid_for_and_said(estate: Estate, case: Case) -> None:
    """The policy that breaks the ring is in changes, counts, cost and notes, and the verifier agrees."""
    options = exchange(case)
    cost = evaluate(case.problem.instance, options)
    moved = evaluate(case.problem.instance, case.problem.instance.today).policy_writes + 0.25
    assert (cost.writes, cost.policy_writes) == (1, pytest.approx(moved))
    found = Planner(Search(effort=1)).solve(case).with_schedule(case.problem.instance, options, bound=-1.0)
    settings = Settings(seed=0, effort=1, time_limit_seconds=None)
    plan = Composer(estate, case, settings, Path("plan.json"), time.monotonic()).compose(found)
    assert [change.kind for change in plan.changes] == ["create_policy", "reassign_item", "reassign_item"]
    assert plan.summary.policies_created == 1
    assert plan.summary.cost.plan == pytest.approx(cost.total, abs=1e-5)
    assert any(note.startswith("1 extra policy is created so that") for note in plan.notes)


def test_an_order_that_overfills_a_policy_is_a_fault(estate: Estate, case: Case) -> None:
    """The verifier makes the changes one by one: the other way round a full policy gets a ninth VM."""
    options = exchange(case)
    diff = CaseWrites.of(estate, case).changes_to(options)
    starts = [format_start(option) for option in options.tolist()]
    claims = Claims(
        cost=evaluate(case.problem.instance, options).total, overlaps=0.0, working_hours_starts=0.0, peak=0
    )
    creation, first, second = diff.changes
    assert isinstance(first, ReassignItem)
    for changes, fault in (
        ((creation, second, first), "change 2: policy 'nightly' holds 9 VMs; the limit is 8"),
        ((first, second, creation), "change 1: there is no policy 'nightly-0200'"),
        ((creation, first, first, second), "written more than once"),
    ):
        checked = replace(to_check(estate, case, starts, diff.changes), changes=changes)
        assert any(fault in found for found in verify(checked, claims)), verify(checked, claims)


def test_limits_on_writes_hold_for_the_detour(case: Case) -> None:
    """With no policy write allowed, the exchange breaks the limit: the search does not go there."""
    limit = WriteLimit("max_policy_writes", tuple(range(case.problem.instance.num_keys)), 0)
    limited = replace(case, problem=case.problem.with_instance(replace(case.problem.instance, write_limits=(limit,))))
    (breach,) = limited.problem.breaches(exchange(case))
    assert breach.limit == Limit("max_policy_writes", LimitKind.POLICY_WRITES)
    result = Planner(Search(effort=1)).solve(limited)
    assert result.cost.writes == 0
