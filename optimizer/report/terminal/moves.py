"""Moves curve for a terminal: the gain by number of moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import MOST_OF_GAIN, WORTH_A_NOTE, MovesCurve, MovesPoint, PlanDocument
from optimizer.report.terminal.sheet import (
    Column,
    Glyphs,
    Page,
    Rows,
    decimal,
    decimals,
    number,
    percent,
    plural,
    table,
)

BAR_WIDTH = 16

_GAIN_OVER = {"today": "today's schedule", "fewest_moves": "the fewest moves that keep the rules"}


def render_moves_curve(curve: MovesCurve) -> Page:
    """Render a moves curve: one row per number of moves, with a bar for its share of the gain."""
    return Page(lambda glyphs, width: moves_parts(curve, glyphs, width))


def moves_parts(curve: MovesCurve, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    """Parts of :func:`render_moves_curve`, for use in another report."""
    yield table(_rows(curve, glyphs), glyphs, width)
    yield Text()
    yield from (Text(sentence) for sentence in moves_sentences(curve))


def knee_sentence(plan: PlanDocument) -> str:
    """Sentence about how few moves give most of the gain; empty if the plan has a whole curve or no gain."""
    knee, moved = plan.summary.knee, plan.summary.moved
    if knee is None or plan.moves_curve is not None:
        return ""
    if knee.moves == moved:
        return _needs_all(moved)
    verb = "1 move gives" if knee.moves == 1 else f"{knee.moves:,} moves give"
    share = f"{percent(knee.share)} of this plan's gain"
    return f"About {verb} {share}: see --moves-curve, or plan with --max-moves {knee.moves}"


def _needs_all(moved: int, of: str = "this plan's gain") -> str:
    needed = "its only move" if moved == 1 else f"all {moved:,} of its moves"
    return f"{100 * MOST_OF_GAIN:.0f} % of {of} needs {needed}"


def moves_sentences(curve: MovesCurve) -> list[str]:
    """Sentences that describe the curve."""
    return [*_gain_sentences(curve), *_spread_sentences(curve)]


def _spread_sentences(curve: MovesCurve) -> Iterator[str]:
    """How the plan differs from the last point, if services are spread after that."""
    if curve.spread is not None:
        more = curve.spread.cost - curve.points[-1].cost
        costs = f", which costs {decimal(more)} more, as prices.all_at_once demands" if more >= WORTH_A_NOTE else ""
        moves = plural(curve.spread.moved, "VM")
        yield f"The last row is the plan itself: it moves {moves} and spreads services{costs}."


def _gain_sentences(curve: MovesCurve) -> list[str]:
    last = curve.points[-1]
    if curve.knee is None or curve.most_of_gain is None:
        apart = " apart from spreading services" if curve.spread is not None else ""
        if curve.points[0].max_moves:
            return [f"No move beyond the {curve.points[0].moved:,} that the rules need saves anything{apart}."]
        return [f"No move improves today's schedule{apart}."]
    most, knee = curve.point(curve.most_of_gain), curve.point(curve.knee)
    if most.moved == last.moved:
        of = "this plan's gain" if curve.spread is None else "the gain before services are spread"
        first = f"{_needs_all(last.moved, of)}."
    else:
        verb = "This 1 move gives" if most.moved == 1 else f"These {most.moved:,} moves give"
        first = (
            f"{verb} {percent(most.gain_share)} of the gain of all {last.moved:,}; to plan only these, use "
            f"'plan --max-moves {most.max_moves}'."
        )
    beyond = "every further move gains less than the average move"
    return [
        first,
        f"The knee is at {plural(knee.moved, 'move')}, with {percent(knee.gain_share)} of the gain: {beyond}.",
    ]


def _gain(curve: MovesCurve) -> float:
    """Cost that all moves save; each point has the share of it that corresponds to its own cost."""
    first, last = curve.points[0], curve.points[-1]
    left = 1 - first.gain_share
    return (first.cost - last.cost) / left if left > 0 else first.cost - last.cost


def _rows(curve: MovesCurve, glyphs: Glyphs) -> Rows:
    points = curve.rows
    marks = []
    for one in points:
        found = one is not curve.spread
        names = ["knee"] if found and one.max_moves == curve.knee else []
        names += [f"{100 * MOST_OF_GAIN:.0f} %"] if found and one.max_moves == curve.most_of_gain else []
        names += ["plan"] if one is points[-1] else []
        marks.append(", ".join(names))
    columns = (
        number("moves"), number("made"), number("policies"), number("at risk"), number("overlaps"), number("cost"),
        number("bound"), number("gain"), Column(""), Column(""),
    )  # fmt: skip
    figures = zip(
        [f"{one.max_moves:,}" for one in points],
        [f"{one.moved:,}" for one in points],
        [f"{one.policy_writes:,}" for one in points],
        decimals(one.at_risk_per_month for one in points),
        _overlaps(points, glyphs),
        decimals(one.cost for one in points),
        decimals(one.bound for one in points),
        [percent(one.gain_share) for one in points],
        [_bar(one.gain_share, glyphs) for one in points],
        marks,
        strict=True,
    )
    return Rows(
        title="Gain by number of moves",
        columns=columns,
        cells=list(figures),
        styles=["bold" if mark else "" for mark in marks],
        note=(
            "at risk and overlaps: expected per 30 days; bound: proven minimum cost for that number of moves; gain: "
            f"share of the {decimal(_gain(curve))} in cost that all moves save, compared with "
            f"{_GAIN_OVER[curve.gain_over]}"
        ),
    )


def _overlaps(points: Sequence[MovesPoint], glyphs: Glyphs) -> Sequence[str]:
    """Expected overlaps; dashes for plans of version 1, which did not count them."""
    known = [one.overlaps_per_month for one in points if one.overlaps_per_month is not None]
    return decimals(known) if len(known) == len(points) else [glyphs.dash] * len(points)


def _bar(share: float, glyphs: Glyphs) -> str:
    """Horizontal bar, which is full for a share of 1."""
    return glyphs.bars[-1] * round(BAR_WIDTH * max(0.0, min(1.0, share)))
