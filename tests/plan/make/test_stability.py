"""The price of stability in a plan: VMs moved lately, limits on writes, and the moves curve it carries."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.documents.fingerprint import fingerprint_of
from optimizer.documents.plan_document import PlanDocument, ReassignItem, json_schema
from optimizer.documents.plan_file import read_plan, write_plan
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Prices, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import Planner, prepare
from optimizer.plan.make.moves_curve import trace_curve
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.search.solved import Solved
from optimizer.workflow import explain_vm, make_plan, make_plan_of
from tests.golden.plans import office
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


@pytest.fixture(scope="module")
def curved(imported: Planned) -> PlanDocument:
    """Return the plan of the imported estate with its moves curve."""
    return make_plan_of(imported.estate, imported.case, effort=EFFORT, moves_curve=True)


def test_the_curve_ends_in_the_plan_and_begins_with_today(curved: PlanDocument) -> None:
    """First point: today's cost and risk, last point: the plan's; costs never rise, bounds stay below."""
    curve, summary = curved.moves_curve, curved.summary
    assert curve is not None
    first, last = curve.points[0], curve.points[-1]
    assert (first.moved, first.policy_writes, first.gain_share) == (0, 0, 0.0)
    assert first.cost == first.bound == summary.cost.today
    assert first.at_risk_per_month == summary.at_risk_per_month.today
    assert (last.moved, last.gain_share) == (summary.moved, 1.0)
    assert last.cost == summary.cost.plan
    assert last.at_risk_per_month == summary.at_risk_per_month.plan
    assert last.overlaps_per_month == pytest.approx(summary.overlaps_per_month.plan)
    assert last.policy_writes == summary.policies_created + summary.policies_edited
    costs = [point.cost for point in curve.points]
    assert costs == sorted(costs, reverse=True)
    assert all(point.bound <= point.cost and point.moved <= point.max_moves for point in curve.points)


def test_a_curve_that_closes_the_gap_makes_the_plan_optimal(imported: Planned) -> None:
    """With no move allowed the curve proves the plan, whatever the search had proven: the status follows."""
    case = prepare(imported.estate, Rules(max_moves=0))
    result = replace(Planner(Search(effort=1)).solve(case), bound=-1.0, ended_by="effort")
    assert not result.is_optimal
    _, after = trace_curve(imported.estate, case, result, Search(effort=1))
    assert (after.bound, after.is_optimal, after.stopped) == (after.cost.total, True, "gap")


@pytest.fixture(scope="module")
def forced(imported: Planned) -> PlanDocument:
    """Return a plan with its curve where a rule forces VMs away from where they are today."""
    rules = Rules(rule=(Rule(name="not at 23:00", forbid=(Window(start=23 * 60, end=23 * 60 + 30),)),))
    return make_plan_of(imported.estate, prepare(imported.estate, rules), effort=EFFORT, moves_curve=True)


def test_shares_of_a_forced_curve_are_of_todays_schedule(forced: PlanDocument) -> None:
    """The first row has moves that the rules need; its share is what it gains over today, as is every other."""
    curve, cost = forced.moves_curve, forced.summary.cost
    assert curve is not None
    assert forced.summary.reference == "greedy"
    assert forced.summary.broken_today == ("not at 23:00",)
    assert curve.points[0].max_moves > 0
    assert cost.plan < cost.today
    assert curve.gain_over == "today"
    for point in curve.points:
        assert point.gain_share == pytest.approx((cost.today - point.cost) / (cost.today - cost.plan), abs=1e-5)
    assert curve.most_of_gain in {point.max_moves for point in curve.points}
    assert curve.knee in {point.max_moves for point in curve.points}


def test_the_summary_agrees_with_the_curve(forced: PlanDocument, curved: PlanDocument) -> None:
    """Where a plan has a curve, its summary names the moves that the curve needs for 80 % of the gain."""
    for plan in (forced, curved):
        curve, knee = plan.moves_curve, plan.summary.knee
        assert curve is not None
        assert curve.most_of_gain is not None
        assert knee is not None
        point = curve.point(curve.most_of_gain)
        assert (knee.moves, knee.share) == (point.moved, point.gain_share)


def test_shares_of_a_curve_that_only_costs_are_of_its_first_row(imported: Planned) -> None:
    """Where the rules cost more than all moves save, there is no gain over today to have shares of."""
    midday = Window(start=10 * 60, end=16 * 60)
    rule = Rule(name="midday", where=Selector(frequency=("Daily", "Weekly")), allow=(midday,))
    rules = Rules(rule=(rule,), prices=fixed_prices(move=20.0))
    case = prepare(imported.estate, rules)
    result = Planner(Search(effort=1)).solve(case)
    assert isinstance(result, Solved)
    curve, after = trace_curve(imported.estate, case, result, Search(effort=1))
    assert after.cost.total > evaluate(case.problem.instance, case.problem.instance.today).total
    assert curve.gain_over == "fewest_moves"
    assert (curve.points[0].gain_share, curve.points[-1].gain_share) in {(0.0, 1.0), (0.0, 0.0)}


def test_knee_and_most_of_the_gain_are_points(curved: PlanDocument) -> None:
    """The named points exist, and with one move less than most of the gain takes no point reaches 80 %."""
    curve = curved.moves_curve
    assert curve is not None
    assert curve.knee is not None
    assert curve.most_of_gain is not None
    assert curve.point(curve.knee).gain_share > 0
    assert curve.point(curve.most_of_gain).gain_share >= 0.8
    assert all(point.gain_share < 0.8 for point in curve.points if point.max_moves < curve.most_of_gain)
    with pytest.raises(KeyError):
        curve.point(10_000)


@pytest.mark.thorough
def test_a_plan_with_as_many_moves_as_a_point_is_as_good(imported: Planned, curved: PlanDocument) -> None:
    """``max_moves`` of a point makes a plan within a hundredth of the gain of that point."""
    curve = curved.moves_curve
    assert curve is not None
    gain = curve.points[0].cost - curve.points[-1].cost
    for max_moves in (5, curve.most_of_gain):
        assert max_moves is not None
        plan = make_plan(imported.estate, Rules(max_moves=max_moves), effort=EFFORT)
        assert plan.summary.moved <= max_moves
        assert plan.summary.cost.plan <= curve.point(max_moves).cost + 0.01 * gain


def test_a_plan_with_its_curve_is_read_back_and_fits_the_schema(curved: PlanDocument, tmp_path: Path) -> None:
    """Written, read and validated it is the same, fingerprint included."""
    write_plan(curved, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json").moves_curve == curved.moves_curve
    jsonschema.validate(json.loads((tmp_path / "plan.json").read_text(encoding="utf-8")), json.loads(json_schema()))


def test_a_curve_is_made_within_a_time_limit(imported: Planned) -> None:
    """With hardly any time the plan and its curve are there and verified."""
    plan = make_plan_of(imported.estate, imported.case, effort=100, time_limit_seconds=0.5, moves_curve=True)
    assert plan.moves_curve is not None
    assert plan.moves_curve.points[-1].cost == plan.summary.cost.plan


def test_a_curve_under_limits_keeps_them(imported: Planned) -> None:
    """No point has more moves or policy writes than the rules allow."""
    plan = make_plan(imported.estate, Rules(max_moves=8, max_policy_writes=3), effort=EFFORT, moves_curve=True)
    assert plan.moves_curve is not None
    assert max(point.moved for point in plan.moves_curve.points) <= 8
    assert max(point.policy_writes for point in plan.moves_curve.points) <= 3


def test_one_move_less_does_not_reach_most_of_the_gain(tmp_path: Path) -> None:
    """In a small estate, 80 % is named at the fewest moves, also where rules leave few schedules of so many moves."""
    estate = office(tmp_path / "office")
    order = Rule(name="databases before apps", order=("sql*", "erpapp*"), within=6, per="service")
    plan = make_plan_of(estate, prepare(estate, Rules(rule=(order,))), effort=25, moves_curve=True)
    curve, cost = plan.moves_curve, plan.summary.cost
    assert curve is not None
    assert curve.most_of_gain is not None
    assert curve.point(curve.most_of_gain).gain_share >= 0.8
    fewer = make_plan_of(estate, prepare(estate, Rules(rule=(order,), max_moves=curve.most_of_gain - 1)), effort=25)
    assert (cost.today - fewer.summary.cost.plan) / (cost.today - cost.plan) < 0.8
