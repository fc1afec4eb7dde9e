"""Moves curve for a terminal: the gain by number of moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import MOST_OF_GAIN, MovesCurve, MovesPoint
from optimizer.report.formats import decimal, percent
from optimizer.report.table import Column, Table, count, figure, number, text
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.moves import moves_sentences

BAR_WIDTH = 16

_GAIN_OVER = {"today": "today's schedule", "fewest_moves": "the fewest moves that keep the rules"}


def render_moves_curve(curve: MovesCurve) -> Page:
    """Render a moves curve: one row per number of moves, with a bar for its share of the gain."""
    return Page(lambda sheet: moves_parts(curve, sheet))


def moves_parts(curve: MovesCurve, sheet: Sheet) -> Iterator[RenderableType]:
    """Parts of :func:`render_moves_curve`, for use in another report."""
    yield sheet.table(_table(curve, sheet))
    yield Text()
    yield from (Text(sentence) for sentence in moves_sentences(curve))


def _gain(curve: MovesCurve) -> float:
    """Cost that all moves save; each point has the share of it that corresponds to its own cost."""
    first, last = curve.points[0], curve.points[-1]
    left = 1 - first.gain_share
    return (first.cost - last.cost) / left if left > 0 else first.cost - last.cost


def _table(curve: MovesCurve, sheet: Sheet) -> Table:
    columns: tuple[Column[MovesPoint], ...] = (
        count("moves", lambda point: point.max_moves),
        count("made", lambda point: point.moved),
        count("policies", lambda point: point.policy_writes),
        figure("at risk", lambda point: point.at_risk_per_month),
        _overlaps(curve.rows, sheet),
        figure("cost", lambda point: point.cost),
        figure("bound", lambda point: point.bound),
        number("gain", lambda point: percent(point.gain_share)),
        text("", lambda point: _bar(point.gain_share, sheet)),
        text("", lambda point: _marks(curve, point)),
    )
    note = (
        "at risk and overlaps: expected per 30 days; bound: proven minimum cost for that number of moves; gain: "
        f"share of the {decimal(_gain(curve))} in cost that all moves save, compared with "
        f"{_GAIN_OVER[curve.gain_over]}"
    )
    return Table.of(
        "Gain by number of moves", columns, curve.rows, note=note,
        style=lambda point: "bold" if _marks(curve, point) else "",
    )  # fmt: skip


def _marks(curve: MovesCurve, point: MovesPoint) -> str:
    """Names of a point of the curve: the knee, the one with most of the gain, the plan."""
    names = {
        "knee": point.max_moves == curve.knee and point is not curve.spread,
        f"{100 * MOST_OF_GAIN:.0f} %": point.max_moves == curve.most_of_gain and point is not curve.spread,
        "plan": point is curve.rows[-1],
    }
    return ", ".join(name for name, fits in names.items() if fits)


def _overlaps(points: Sequence[MovesPoint], sheet: Sheet) -> Column[MovesPoint]:
    """Expected overlaps; dashes for plans of version 1, which did not count them."""
    if any(point.overlaps_per_month is None for point in points):
        return number("overlaps", lambda _: sheet.dash)
    return figure("overlaps", lambda point: point.overlaps_per_month or 0.0)


def _bar(share: float, sheet: Sheet) -> str:
    """Horizontal bar, which is full for a share of 1."""
    return sheet.glyphs.bars[-1] * round(BAR_WIDTH * max(0.0, min(1.0, share)))
