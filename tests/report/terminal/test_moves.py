"""The moves curve, in the terminal (every point a row, the named ones marked, any width, ASCII) and as a picture."""

from __future__ import annotations

import pytest
from bokeh.models import GlyphRenderer, Line

from optimizer.documents.moves_document import Knee, MovesCurve, MovesPoint
from optimizer.report.charts import moves_chart
from optimizer.report.terminal.moves import render_moves_curve
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.moves import knee_sentence, moves_sentences
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def point(moves: int, cost: float, share: float, writes: int = 1) -> MovesPoint:
    return MovesPoint(
        max_moves=moves,
        moved=moves,
        policy_writes=writes,
        at_risk_per_month=0.8 * cost,
        overlaps_per_month=20 * cost,
        cost=cost,
        bound=0.99 * cost,
        gain_share=share,
    )


CURVE = MovesCurve(
    points=(point(0, 1500.0, 0.0, 0), point(1, 1400.0, 0.0714), point(9, 360.0, 0.814), point(1234, 100.0, 1.0, 57)),
    knee=9,
    most_of_gain=9,
)


def test_every_point_is_a_row_and_the_named_ones_are_marked() -> None:
    """Moves, policies, risk, overlaps, cost, bound, share and a bar; knee, 80 % and the plan are named."""
    text = to_text(render_moves_curve(CURVE))
    rows = [line for line in text.splitlines() if "%" in line and "█" in line]
    assert [row.split()[0] for row in rows] == ["1", "9", "1,234"]
    assert rows[1].endswith("knee, 80 %")
    assert rows[2].endswith("plan")
    assert rows[2].count("█") > rows[1].count("█") > rows[0].count("█")
    assert "share of the 1,400 in cost" in " ".join(text.split())


def test_a_plan_that_spreads_services_after_the_last_point_is_a_row() -> None:
    """The plan as it is written comes last, costs more, and is named; the gain is that of the points."""
    curve = CURVE.model_copy(update={"spread": point(1236, 100.25, 0.9998, 58)})
    text = to_text(render_moves_curve(curve))
    rows = [line for line in text.splitlines() if "%" in line and "█" in line]
    assert [row.split()[0] for row in rows] == ["1", "9", "1,234", "1,236"]
    assert [row.endswith("plan") for row in rows] == [False, False, False, True]
    last = "The last row is the plan itself: it moves {} VMs and spreads services, which costs {} more, as {} demands."
    price = "prices.all_at_once"
    assert moves_sentences(curve) == [*moves_sentences(CURVE), last.format("1,236", "0.25", price)]
    still = MovesCurve(points=CURVE.points[:1], knee=None, most_of_gain=None, spread=point(2, 1500.05, 0.0))
    assert moves_sentences(still) == [
        "No move improves today's schedule apart from spreading services.",
        last.format("2", "0.05", price),
    ]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_it_fits_a_hundred_columns(ascii_only: bool) -> None:
    """No line is wider than 100 columns, and without UTF-8 it is drawn in ASCII."""
    text = to_text(render_moves_curve(CURVE), ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii() == ascii_only


def test_the_sentences_say_what_to_do() -> None:
    """The fewest moves for most of the gain with the option that plans them, and the knee."""
    assert moves_sentences(CURVE) == [
        "These 9 moves give 81.4 % of the gain of all 1,234; to plan only these, use 'plan --max-moves 9'.",
        "The knee is at 9 moves, with 81.4 % of the gain: every further move gains less than the average move.",
    ]


def test_one_move_and_all_moves_are_said_as_such() -> None:
    """The grammar of one; where most of the gain takes every move that is said instead."""
    one = CURVE.model_copy(update={"knee": 1, "most_of_gain": 1})
    assert moves_sentences(one)[0].startswith("This 1 move gives 7.1 % of the gain")
    every = CURVE.model_copy(update={"most_of_gain": 1234})
    assert moves_sentences(every)[0] == "80 % of this plan's gain needs all 1,234 of its moves."


@pytest.mark.parametrize(
    ("moves", "moved", "sentence"),
    [
        (3, 3, "80 % of this plan's gain needs all 3 of its moves"),
        (1, 1, "80 % of this plan's gain needs its only move"),
        (2, 3, "About 2 moves give 83.5 % of this plan's gain: see --moves-curve, or plan with --max-moves 2"),
        (1, 3, "About 1 move gives 83.5 % of this plan's gain: see --moves-curve, or plan with --max-moves 1"),
    ],
)
def test_a_plan_without_a_curve_names_its_knee(moves: int, moved: int, sentence: str) -> None:
    """How many of the moves give 80 % of the gain; a plan with a curve leaves that to the curve."""
    summary = PLAN.summary.model_copy(update={"knee": Knee(moves=moves, share=0.835), "moved": moved})
    plan = PLAN.model_copy(update={"summary": summary})
    assert knee_sentence(plan) == sentence
    assert knee_sentence(plan.model_copy(update={"moves_curve": CURVE})) == ""


def test_where_nothing_is_gained_that_is_all_there_is_to_say() -> None:
    """A curve of today's schedule alone has no knee."""
    curve = MovesCurve(points=(point(0, 10.0, 0.0, 0),), knee=None, most_of_gain=None)
    assert "No move improves today's schedule" in to_text(render_moves_curve(curve))


def test_the_picture_has_cost_risk_and_bound() -> None:
    """Three lines over the number of moves, the points of the curve as they are."""
    lines = {
        one.glyph.y: one.data_source.data[one.glyph.y]
        for one in moves_chart(CURVE).renderers
        if isinstance(one, GlyphRenderer) and isinstance(one.glyph, Line)
    }
    assert lines == {
        "cost": [one.cost for one in CURVE.points],
        "at_risk": [one.at_risk_per_month for one in CURVE.points],
        "bound": [one.bound for one in CURVE.points],
    }


def test_overlaps_are_shown_if_the_curve_counts_them() -> None:
    """Plans of version 1 did not: they have dashes, and no figure is made up."""
    counted = to_text(render_moves_curve(CURVE)).split("bound")[1]
    assert "\N{EM DASH}" not in counted
    points = tuple(point.model_copy(update={"overlaps_per_month": None}) for point in CURVE.points)
    old = to_text(render_moves_curve(CURVE.model_copy(update={"points": points})))
    assert old.count("\N{EM DASH}") == len(CURVE.rows)
