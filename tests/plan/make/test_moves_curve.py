"""The moves curve of a plan: what fewer moves would gain, each point verified like a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from optimizer.documents.plan_document import PlanDocument, json_schema
from optimizer.documents.plan_file import read_plan, write_plan
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import Planner, prepare
from optimizer.plan.make.moves_curve import trace_curve
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.search.solved import Solved
from optimizer.workflow import make_plan, make_plan_of
from tests.golden.plans import office
from tests.plan.planned import EFFORT, Planned
from tests.prices import fixed_prices


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
