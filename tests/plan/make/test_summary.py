"""The figures of a plan of three VMs, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.documents import MovesCurve, MovesPoint, Toward
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.summary import summary_of
from tests.plan.three_vms import the_case, the_estate, the_plan

RESULT = the_plan().result
DIFF = CaseWrites.of(the_estate(), the_case()).changes_to(RESULT.options)


def test_counts_and_figures_are_those_of_both_schedules() -> None:
    """``web-1`` leaves 15 at-risk backups behind, and 30 nights with 0.23 overlaps with ``web-2``."""
    summary = summary_of(the_case(), RESULT, DIFF, seed=0)
    assert (summary.vms, summary.moved, summary.reassigned) == (3, 1, 1)
    assert (summary.policies_created, summary.policies_edited) == (1, 0)
    assert (summary.at_risk_per_month.today, summary.at_risk_per_month.plan) == (15.0, 0.0)
    assert (summary.overlaps_per_month.today, summary.overlaps_per_month.plan) == pytest.approx((6.9, 0.0))
    assert (summary.vms_helped, summary.vms_unharmed, summary.vms_harmed) == (1, 2, 0)
    assert summary.model_change == -15.0
    assert summary.weighted is None


def test_the_status_is_derived_from_the_gap() -> None:
    """A bound far below the cost is not a proof."""
    assert summary_of(the_case(), RESULT, DIFF, seed=0).status == "optimal"
    assert summary_of(the_case(), replace(RESULT, bound=-1.0), DIFF, seed=0).status == "feasible"


def test_weighted_figures_are_stated_where_a_rule_gives_a_weight() -> None:
    """An at-risk backup of a VM with weight 3 counts three times."""
    rules = Rules(rule=(Rule(name="important", where=Selector(name="web-1"), weight=3),))
    weighted = summary_of(the_case().changed(rules=rules), RESULT, DIFF, seed=0).weighted
    assert weighted is not None
    assert (weighted.at_risk_per_month.today, weighted.at_risk_per_month.plan) == (45.0, 0.0)


def point(max_moves: int, share: float) -> MovesPoint:
    return MovesPoint(
        max_moves=max_moves, moved=max_moves, policy_writes=0, at_risk_per_month=0, overlaps_per_month=0, cost=0,
        bound=0, gain_share=share,
    )  # fmt: skip


def test_the_knee_comes_from_the_curve_if_there_is_one() -> None:
    """The point that has most of the gain is stated; of a curve without such a point, nothing."""
    points = (point(0, 0.0), point(1, 0.9), point(2, 1.0))
    curve = MovesCurve(points=points, knee=None, most_of_gain=1, gain_over="today")
    knee = summary_of(the_case(), RESULT, DIFF, 0, curve).knee
    assert knee is not None
    assert (knee.moves, knee.share) == (1, 0.9)
    for other in ({"most_of_gain": None}, {"gain_over": "fewest_moves"}):
        assert summary_of(the_case(), RESULT, DIFF, 0, curve.model_copy(update=other)).knee is None


def test_a_step_toward_the_rules_has_no_knee() -> None:
    """Most of its gain is to come."""
    toward = Toward(violations_today=2, violations_left=1, moves_needed=2, months=2, rules=(), later=())
    summary = summary_of(the_case(), RESULT, DIFF, 0, toward=toward)
    assert summary.knee is None
    assert summary.toward == toward
