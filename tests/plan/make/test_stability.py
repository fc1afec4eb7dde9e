"""The price of stability in a plan: VMs moved lately, limits on writes, and the moves curve it carries."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.documents.fingerprint import fingerprint_of
from optimizer.documents.plan_document import PlanDocument, ReassignItem
from optimizer.documents.plan_file import read_plan, write_plan
from optimizer.model.rules import PolicyLimits, Prices, Rules
from optimizer.plan import prepare
from optimizer.workflow import explain_vm, make_plan, make_plan_of
from tests.plan.estates import with_another_month
from tests.plan.planned import EFFORT, Planned
from tests.prices import fixed_prices


def moved_names(plan: PlanDocument) -> set[str]:
    return {entry.vm for entry in plan.schedule if entry.start != entry.start_today}


def days_before(made: Planned, days: int) -> dict[str, object]:
    """Every VM that the plan moves, as moved so many days before the estate was taken."""
    day = made.estate.as_of.date() - timedelta(days=days)
    return dict.fromkeys(moved_names(made.plan), day)


def test_a_recent_move_has_its_own_price_in_the_instance(imported: Planned) -> None:
    """0.2 for a VM moved on the 60th day before the estate, that of any move for one moved the day before that."""
    for days, price in ((60, 0.2), (61, Prices().move)):
        case = prepare(imported.estate, recently_moved=days_before(imported, days))  # type: ignore[arg-type]  # dates
        recent = np.array([item.vm_id in moved_names(imported.plan) for item in case.inventory.items])
        assert recent.any()
        assert not recent.all()
        assert set(case.problem.instance.move_price[recent]) == {price}
        assert set(case.problem.instance.move_price[~recent]) == {Prices().move}
        assert len(case.recently_moved) == (recent.sum() if days == 60 else 0)


def test_prices_and_days_of_recent_moves_are_the_planners(imported: Planned) -> None:
    """``move_recent`` and ``recent_days`` decide what a recent move costs, and which one is."""
    rules = Rules(prices=fixed_prices(move_recent=0.7, recent_days=10))
    for days, price in ((10, 0.7), (11, 0.02)):
        case = prepare(imported.estate, rules, recently_moved=days_before(imported, days))  # type: ignore[arg-type]  # dates
        assert case.problem.instance.move_price.max() == price


@pytest.fixture(scope="module")
def settled(imported: Planned) -> Planned:
    """Return a plan in which every VM that would move was moved a week before, at a price above what most gain."""
    rules = Rules(prices=Prices(move_recent=1.5))
    case = prepare(imported.estate, rules, recently_moved=days_before(imported, 7))  # type: ignore[arg-type]  # dates
    plan = make_plan_of(imported.estate, case, effort=EFFORT, path=imported.estate.path.parent / "plan.json")
    return Planned(imported.estate, case, plan)


def test_vms_moved_lately_stay_unless_the_gain_is_worth_it(imported: Planned, settled: Planned) -> None:
    """Fewer move than without their history, and the plan, priced so, has passed the verifier."""
    assert settled.plan.summary.moved < imported.plan.summary.moved
    assert settled.plan.settings.recently_moved == settled.case.recently_moved
    assert set(settled.plan.settings.recently_moved) == moved_names(imported.plan)
    assert any("were moved in the 60 days before" in note for note in settled.plan.notes)


def test_explain_says_when_a_vm_was_moved_and_what_another_move_costs(settled: Planned) -> None:
    """The day and both prices are named, and a VM that would gain less than the price says so."""
    day = str(settled.estate.as_of.date() - timedelta(days=7))
    told = [entry for entry in settled.plan.schedule if entry.reason.startswith(f"stays: moved on {day}, and ")]
    assert told
    assert "less than the 1.5 of another move" in told[0].reason
    explanation = explain_vm(settled.plan, settled.estate, told[0].vm)
    (note,) = [note for note in explanation.notes if note.startswith("moved on")]
    within = f"moved on {day}, which is within 60 days of the estate"
    assert note == f"{within}: another move is priced at 1.5 instead of {Prices().move:g}"
    costs = [option.difference.move for option in explanation.alternatives]
    assert costs
    assert set(costs) == {1.5}


def test_a_plan_of_before_recent_moves_existed_reads_the_same(imported: Planned) -> None:
    """Without history and with default prices nothing new stands in a plan, so its fingerprint is what it was."""
    content = json.loads(imported.plan.model_dump_json())
    assert not {"move_recent", "recent_days"} & set(content["rules"]["prices"])
    assert set(content["settings"]) == {"seed", "effort", "gap", "time_limit_seconds"}
    assert "moves_curve" not in content
    assert fingerprint_of(PlanDocument.model_validate(content)) == imported.plan.fingerprint


def test_the_previous_plan_is_a_history(imported: Planned, tmp_path: Path) -> None:
    """Given as history to the next month, what the plan moved is held where it is: nobody moves twice for little."""
    from tests.plan.estates import imported_estate

    estate = imported_estate(tmp_path)
    write_plan(make_plan(estate, effort=EFFORT), tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    following = with_another_month(tmp_path, apply_in_memory(estate.document, plan.changes))
    case = prepare(following, history=[tmp_path / "plan.json"])
    assert set(case.recently_moved) == {name.lower() for name in moved_names(plan)}
    assert set(case.recently_moved.values()) == {estate.as_of.date()}
    assert moved_names(plan) == moved_names(imported.plan)


LIMITED = {
    "two writes in all": Rules(max_policy_writes=2),
    "one write a vault": Rules(budget_days=1, policies=PolicyLimits(max_writes_per_day=1)),
    "two days of one in a subscription": Rules(
        budget_days=2, policies=PolicyLimits(max_writes_per_day=1, scope="subscription")
    ),
    "no write": Rules(max_policy_writes=0),
    "five moves": Rules(max_moves=5),
}


@pytest.mark.parametrize(
    "name",
    [
        "two writes in all",
        "five moves",
        pytest.param("one write a vault", marks=pytest.mark.thorough),
        pytest.param("two days of one in a subscription", marks=pytest.mark.thorough),
        pytest.param("no write", marks=pytest.mark.thorough),
    ],
)
def test_limits_hold_for_what_is_written(imported: Planned, name: str) -> None:
    """Counted in the changes themselves: writes in all, in each vault, and VMs that move."""
    rules = LIMITED[name]
    plan = make_plan(imported.estate, rules, effort=EFFORT)
    writes = [change for change in plan.changes if not isinstance(change, ReassignItem)]
    if rules.max_policy_writes is not None:
        assert len(writes) <= rules.max_policy_writes
    if rules.budget_days is not None:
        most = rules.budget_days * rules.policies.max_writes_per_day
        for vault in {change.vault_id for change in writes}:
            assert sum(change.vault_id == vault for change in writes) <= most
    if rules.max_moves is not None:
        assert 0 < plan.summary.moved <= rules.max_moves
    assert plan.summary.cost.plan <= plan.summary.cost.reference


def test_a_limit_that_cannot_bind_is_left_out(imported: Planned) -> None:
    """More writes than VMs are no limit."""
    rules = Rules(max_policy_writes=1000, budget_days=30)
    assert prepare(imported.estate, rules).problem.instance.write_limits == ()


def test_limits_are_named_as_the_planner_wrote_them(imported: Planned) -> None:
    """``max_policy_writes`` for the whole, ``budget_days`` with the vault for each."""
    rules = Rules(max_policy_writes=3, budget_days=1, policies=PolicyLimits(max_writes_per_day=2))
    limits = prepare(imported.estate, rules).problem.instance.write_limits
    assert [(limit.name, limit.limit) for limit in limits] == [
        ("max_policy_writes", 3),
        ("budget_days of vault 'vault-a'", 2),
        ("budget_days of vault 'vault-b'", 2),
    ]
    together = rules.model_copy(update={"policies": PolicyLimits(max_writes_per_day=2, scope="subscription")})
    assert len(prepare(imported.estate, together).problem.instance.write_limits) <= 3
