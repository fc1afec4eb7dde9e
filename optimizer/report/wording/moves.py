"""Sentences about a moves curve: the gain by number of moves."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.documents import MOST_OF_GAIN, WORTH_A_NOTE, MovesCurve, PlanDocument
from optimizer.report.formats import decimal, percent, plural


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


def _needs_all(moved: int, gain: str = "this plan's gain") -> str:
    needed = "its only move" if moved == 1 else f"all {moved:,} of its moves"
    return f"{100 * MOST_OF_GAIN:.0f} % of {gain} needs {needed}"


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
    if curve.knee is None or curve.most_of_gain is None:
        return [_no_gain(curve)]
    knee = curve.point(curve.knee)
    beyond = "every further move gains less than the average move"
    return [
        _most_of_gain(curve, curve.most_of_gain),
        f"The knee is at {plural(knee.moved, 'move')}, with {percent(knee.gain_share)} of the gain: {beyond}.",
    ]


def _no_gain(curve: MovesCurve) -> str:
    apart = " apart from spreading services" if curve.spread is not None else ""
    if curve.points[0].max_moves:
        return f"No move beyond the {curve.points[0].moved:,} that the rules need saves anything{apart}."
    return f"No move improves today's schedule{apart}."


def _most_of_gain(curve: MovesCurve, max_moves: int) -> str:
    """How many moves give most of the gain."""
    most, last = curve.point(max_moves), curve.points[-1]
    if most.moved == last.moved:
        gain = "this plan's gain" if curve.spread is None else "the gain before services are spread"
        return f"{_needs_all(last.moved, gain)}."
    verb = "This 1 move gives" if most.moved == 1 else f"These {most.moved:,} moves give"
    return (
        f"{verb} {percent(most.gain_share)} of the gain of all {last.moved:,}; to plan only these, use "
        f"'plan --max-moves {most.max_moves}'."
    )
