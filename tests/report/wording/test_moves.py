"""A moves curve in sentences."""

from __future__ import annotations

import pytest

from optimizer.documents.moves_document import Knee, MovesCurve, MovesPoint
from optimizer.documents.plan_document import PlanDocument
from optimizer.report.wording.moves import knee_sentence, moves_sentences
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory(8)
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def point(moves: int, share: float, cost: float = 1.0) -> MovesPoint:
    """Return a point of a curve."""
    return MovesPoint(
        max_moves=moves, moved=moves, policy_writes=1, at_risk_per_month=1.0, overlaps_per_month=1.0, cost=cost,
        bound=cost, gain_share=share,
    )  # fmt: skip


POINTS = (point(0, 0.0), point(1, 0.5), point(4, 0.85), point(9, 1.0))


def curve(**changes: object) -> MovesCurve:
    """Return a curve with a knee at one move."""
    whole = MovesCurve(points=POINTS, knee=1, most_of_gain=4, gain_over="today")
    return whole.model_copy(update=changes)


def with_knee(moves: int, moved: int) -> PlanDocument:
    """Return a plan with a knee."""
    summary = PLAN.summary.model_copy(update={"knee": Knee(moves=moves, share=0.82), "moved": moved})
    return PLAN.model_copy(update={"summary": summary})


@pytest.mark.parametrize(
    ("moves", "moved", "sentence"),
    [
        (1, 9, "About 1 move gives 82.0 % of this plan's gain: see --moves-curve, or plan with --max-moves 1"),
        (4, 9, "About 4 moves give 82.0 % of this plan's gain: see --moves-curve, or plan with --max-moves 4"),
        (9, 9, "80 % of this plan's gain needs all 9 of its moves"),
        (1, 1, "80 % of this plan's gain needs its only move"),
    ],
)
def test_a_plan_says_how_few_moves_would_do(moves: int, moved: int, sentence: str) -> None:
    """A number to plan with, or that fewer would lose much."""
    assert knee_sentence(with_knee(moves, moved)) == sentence


def test_a_plan_with_a_curve_or_without_a_knee_says_nothing() -> None:
    """The curve says it better."""
    assert knee_sentence(PLAN) == ""
    assert knee_sentence(with_knee(4, 9).model_copy(update={"moves_curve": curve()})) == ""


def test_a_curve_names_the_point_with_most_of_the_gain_and_the_knee() -> None:
    """One move and several have their own words."""
    assert moves_sentences(curve()) == [
        "These 4 moves give 85.0 % of the gain of all 9; to plan only these, use 'plan --max-moves 4'.",
        "The knee is at 1 move, with 50.0 % of the gain: every further move gains less than the average move.",
    ]
    assert moves_sentences(curve(most_of_gain=1))[0].startswith("This 1 move gives 50.0 % of the gain of all 9")
    assert moves_sentences(curve(most_of_gain=9))[0] == "80 % of this plan's gain needs all 9 of its moves."


def test_a_curve_without_a_gain_says_why() -> None:
    """No move saves anything, or none beyond those that the rules need."""
    assert moves_sentences(curve(knee=None)) == ["No move improves today's schedule."]
    needed = curve(knee=None, points=(point(2, 0.0), point(3, 0.0)))
    assert moves_sentences(needed) == ["No move beyond the 2 that the rules need saves anything."]


def test_a_plan_that_spreads_services_after_the_curve_says_so() -> None:
    """With the cost, if it can be seen in the figures."""
    spread = curve(spread=point(11, 1.0, cost=1.5))
    assert moves_sentences(spread)[2] == (
        "The last row is the plan itself: it moves 11 VMs and spreads services, which costs 0.50 more, as "
        "prices.all_at_once demands."
    )
    free = curve(spread=point(11, 1.0), knee=None)
    assert moves_sentences(free) == [
        "No move improves today's schedule apart from spreading services.",
        "The last row is the plan itself: it moves 11 VMs and spreads services.",
    ]
    assert "the gain before services are spread" in moves_sentences(curve(spread=point(11, 1.0), most_of_gain=9))[0]
