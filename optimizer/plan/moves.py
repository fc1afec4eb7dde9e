"""Moves curve of a plan: each point is converted to changes and must pass the verifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.estate.folder import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import format_start
from optimizer.plan.case import Case
from optimizer.plan.compose import changes_to, known_policies, to_check
from optimizer.plan.diff import Diff
from optimizer.plan.moves_document import MOST_OF_GAIN, MovesCurve, MovesPoint
from optimizer.plan.occupancy import expected_overlaps, service_occupancy, weighted_overlaps, working_hours_starts
from optimizer.plan.verify import Claims, require_verified
from optimizer.ports import Progress, no_progress
from optimizer.solve.cost import Cost, evaluate
from optimizer.solve.moves.curve import CurvePoint, fewest_for, knee_of, trace_moves
from optimizer.solve.moves.path import IMPROVEMENT
from optimizer.solve.moves.pool import is_dearer_than_last
from optimizer.solve.search_settings import Search
from optimizer.solve.solved import Solved


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Schedule with its changes and its cost."""

    options: IntArray
    diff: Diff
    cost: Cost


def trace_curve(
    estate: Estate,
    case: Case,
    result: Solved,
    search: Search,
    progress: Progress = no_progress,
) -> tuple[MovesCurve, Solved]:
    """Moves curve, and the result at its end, which differs from ``result`` if a cheaper schedule was found.

    Parameters
    ----------
    estate, case, result
        Estate, the case that was solved, and its result.
    search
        Settings of the search; its time limit is that of the curve.
    progress
        Called with the progress of the work.

    Raises
    ------
    VerificationError
        A point did not pass the verifier, which is a bug.
    """
    points = trace_moves(case.instance, result.options, result.bound, search, progress)
    curve, options = _compose_curve(estate, case, points, progress=progress)
    cost, most = evaluate(case.instance, options), case.instance.max_moves
    # A bound for this number of moves, or for more, also bounds the plan, which may not have more moves.
    proven = [point.bound for point in points if most is not None and point.max_moves >= most]
    bound = min(max([result.bound, *proven]), cost.total)
    return curve, result.with_schedule(case.instance, options, bound)


def _compose_curve(
    estate: Estate, case: Case, points: Sequence[CurvePoint], *, progress: Progress = no_progress
) -> tuple[MovesCurve, IntArray]:
    """Build the moves curve.

    Only the changes show whether rules between VMs hold after every write.  If they do not hold, a point gets the
    schedule of the point before it.

    Parameters
    ----------
    estate, case
        Estate, and the case that was solved.
    points
        Points in ascending order of ``max_moves``.
    progress
        Called after each point.

    Returns
    -------
    MovesCurve
        Moves curve as it is stored in the plan.
    numpy.ndarray
        Shape (V,): schedule of the last point.

    Raises
    ------
    VerificationError
        A point did not pass, which is a bug.
    """
    found: list[tuple[CurvePoint, _Schedule]] = []
    for done, point in enumerate(points):
        before = found[-1][1] if found else None
        schedule = _checked(estate, case, point, before)
        if schedule is not None:
            found.append((point, schedule))
        progress("verify moves", done + 1, len(points))
    envelope = [(point.max_moves, schedule.cost.total) for point, schedule in found]
    today = evaluate(case.instance, case.instance.today).total
    from_today = is_dearer_than_last(today, envelope)
    base = [(0, today), *envelope] if from_today and envelope[0][0] > 0 else envelope
    first, gain = base[0][1], base[0][1] - base[-1][1]
    gains = gain > IMPROVEMENT
    curve = MovesCurve(
        points=tuple(_point(case, point, schedule, first, gain) for point, schedule in found),
        knee=max(knee_of(base), envelope[0][0]) if gains else None,
        most_of_gain=fewest_for(base, MOST_OF_GAIN) if gains else None,
        gain_over="today" if from_today or envelope[0][0] == 0 else "fewest_moves",
    )
    return curve, found[-1][1].options


def _checked(estate: Estate, case: Case, point: CurvePoint, before: _Schedule | None) -> _Schedule | None:
    """Verified schedule of a point, or of the point before it if that one is at least as good.

    None if neither can be carried out.
    """
    diff = changes_to(case, point.options, known_policies(estate))
    cost = evaluate(case.instance, point.options)
    best: _Schedule | None = _Schedule(point.options, diff, cost)
    if diff.stuck or (before is not None and cost.total > before.cost.total):
        best = before
    if best is None:
        return None
    _, met = service_occupancy(case.inventory, best.options, case.snapshot_minutes)
    claims = Claims(
        cost=best.cost.total,
        overlaps=float(expected_overlaps(case.inventory, best.options).sum()),
        weighted_overlaps=float(weighted_overlaps(case.inventory, best.options, case.instance.weight).sum()),
        working_hours_starts=working_hours_starts(case.inventory, case.rules.working_hours, best.options),
        peak=int(met.max(initial=0)),
        bound=point.bound,
    )
    limited = replace(case, rules=case.rules.model_copy(update={"max_moves": point.max_moves}))
    starts = [format_start(option) for option in best.options.tolist()]
    require_verified(to_check(estate, limited, starts, best.diff), claims)
    return best


def _point(case: Case, point: CurvePoint, schedule: _Schedule, first: float, gain: float) -> MovesPoint:
    rows = np.arange(case.instance.num_vms)
    cost = schedule.cost
    return MovesPoint(
        max_moves=point.max_moves,
        moved=cost.num_moves,
        policy_writes=cost.writes,
        at_risk_per_month=_round(float(case.instance.risk[rows, schedule.options].sum())),
        overlaps_per_month=_round(cost.overlaps),
        cost=_round(cost.total),
        bound=_round(point.bound),
        gain_share=_round((first - cost.total) / gain) if gain > IMPROVEMENT else 0.0,
    )


def _round(value: float) -> float:
    return round(value, 6)
