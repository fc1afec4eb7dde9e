"""Moves curve in ``plan.json``: the gain for each number of moves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from optimizer.model.strict import StrictModel

MOST_OF_GAIN = 0.8
"""Share of the whole gain for which a plan reports the smallest number of moves, which is a point of its curve."""


class Knee(StrictModel):
    """How few moves give 80 % of a plan's gain and keep every rule.

    A plan with a moves curve has the number of the curve (``most_of_gain``). In a plan without one, it is that of
    the plan's own moves; a curve may find fewer, as VMs may go elsewhere then.
    ``moves_curve.knee`` is another number: the point of the curve farthest from its chord.

    Parameters
    ----------
    moves
        VMs that move.
    share
        What they gain, as a share of the gain of all moves, in cost.
    """

    moves: int
    share: float


class MovesPoint(StrictModel):
    """The best schedule that was found with a number of moves; it has passed the verifier.

    Parameters
    ----------
    max_moves
        VMs that were allowed to move.
    moved
        VMs that do.
    policy_writes
        Policies created or edited.
    at_risk_per_month
        At-risk backups per 30 days.
    overlaps_per_month
        Expected overlapping snapshots of VMs of one service, per 30 days. None in plans of version 1, which counted
        pairs of start windows.
    cost
        The objective, in at-risk backups per 30 days; it never rises from one point to the next.
    bound
        Proven: no schedule with this number of moves costs less.
    gain_share
        Share of what the last point gains, in cost, over what ``gain_over`` names; negative where the rules force
        moves that cost more than they gain.
    """

    max_moves: int
    moved: int
    policy_writes: int
    at_risk_per_month: float
    overlaps_per_month: float | None
    cost: float
    bound: float
    gain_share: float


class MovesCurve(StrictModel):
    """Points by number of moves: today's schedule first, if it keeps the rules, and the cheapest schedule last.

    Parameters
    ----------
    knee
        ``max_moves`` of the point farthest above the straight line from first to last: beyond it a move brings less
        than moves do on average. It is not ``summary.knee``, which goes by 80 % of the gain as ``most_of_gain`` does.
        None if nothing is gained.
    most_of_gain
        ``max_moves`` of the first point with 80 % of the whole gain. None where nothing is gained.
    spread
        The plan as it is written, if services are spread after the last point was found, which may cost more; shares
        of the gain leave that out. None if the last point is the plan.
    gain_over
        What gains are measured from: today's schedule, also where it breaks the rules, or, where keeping the rules
        costs more than all moves save, the first point.
    """

    points: tuple[MovesPoint, ...]
    knee: int | None
    most_of_gain: int | None
    spread: Annotated[MovesPoint | None, Field(exclude_if=lambda point: point is None)] = None
    gain_over: Annotated[Literal["today", "fewest_moves"], Field(exclude_if=lambda over: over == "today")] = "today"

    @property
    def rows(self) -> tuple[MovesPoint, ...]:
        """The points, and the plan as it is written if that is not the last of them."""
        return self.points if self.spread is None else (*self.points, self.spread)

    def point(self, max_moves: int) -> MovesPoint:
        """Point of the curve for a number of moves.

        Raises
        ------
        KeyError
            The curve has no such point.
        """
        for point in self.points:
            if point.max_moves == max_moves:
                return point
        raise KeyError(max_moves)
