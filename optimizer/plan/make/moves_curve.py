"""Moves curve of a plan: each point is converted to changes and must pass the verifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.documents import MOST_OF_GAIN, MovesCurve, MovesPoint
from optimizer.estate import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.occupancy import expected_overlaps, service_occupancy, weighted_overlaps, working_hours_starts
from optimizer.model.timegrid import format_start
from optimizer.plan.case import Case
from optimizer.plan.make.carried_out import cheapest_in_order, spread_in_order
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.claims import to_check
from optimizer.plan.make.diff import Diff
from optimizer.ports import Progress, no_progress
from optimizer.solve import Search, Solved
from optimizer.verifier import Claims, require_verified

LEAST_GAIN = 1e-9
"""Difference in cost, in at-risk backups per 30 days, above which one schedule is cheaper than another."""


@dataclass(frozen=True, slots=True)
class _Point:
    """Point of the curve: its maximum number of moves, a bound, and a schedule with its changes and its cost."""

    max_moves: int
    bound: float
    options: IntArray
    diff: Diff
    cost: float


def trace_curve(
    estate: Estate,
    case: Case,
    result: Solved,
    search: Search,
    progress: Progress = no_progress,
) -> tuple[MovesCurve, Solved]:
    """Moves curve, and the result at its end: the cheapest schedule that was found, with services spread.

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
    clock, writes = search.clock(), CaseWrites.of(estate, case)
    plan = _drafted(writes, result.cost.num_moves, result.bound, result.options)
    curve: list[_Point] = []
    points = [*case.problem.trace_moves(result, search, progress)]
    for done, point in enumerate(points, start=1):
        drafted = _drafted(writes, point.max_moves, point.bound, point.options)
        if drafted.diff.stuck and not clock.over():
            drafted = _in_order(writes, drafted, search, clock.left())
        best = _cheapest_possible(drafted, (plan, *curve[-1:]))
        if best is not None:
            _verify(estate, case, best)
            curve.append(best)
        progress("verify moves", done, len(points))
    if not curve or plan.cost < curve[-1].cost - result.spreading_costs - LEAST_GAIN:
        curve.append(plan)  # cheaper schedules with fewer moves cannot be carried out
    bounds = [(point.max_moves, point.bound) for point in points]
    bound = _bound_of_plan(case, result, bounds, curve[-1])
    ended = result.with_schedule(case.problem.instance, curve[-1].options, bound)
    spread = spread_in_order(writes, ended, search.seed)
    written = _drafted(writes, spread.cost.num_moves, bound, spread.options)
    return _curve(case, curve, None if spread is ended else written), spread


def _bound_of_plan(case: Case, result: Solved, bounds: Sequence[tuple[int, float]], last: _Point) -> float:
    """Bound of the last point: one for this number of moves, or for more, also bounds the plan, which has no more."""
    most = case.problem.instance.max_moves
    proven = [bound for max_moves, bound in bounds if most is not None and max_moves >= most]
    return min(max([result.bound, *proven]), last.cost)


def _in_order(writes: CaseWrites, point: _Point, search: Search, left: float | None) -> _Point:
    """A point with a schedule that has an order of writes, because its own has none, if such a schedule is found."""
    problem = writes.case.problem
    instance = replace(problem.instance, max_moves=point.max_moves)
    limited = replace(writes, case=replace(writes.case, problem=problem.with_instance(instance)))
    options, bound = cheapest_in_order(limited, point.options, point.diff.stuck, search, left)
    return point if options is None else _drafted(writes, point.max_moves, max(point.bound, bound), options)


def _drafted(writes: CaseWrites, max_moves: int, bound: float, options: IntArray) -> _Point:
    return _Point(max_moves, bound, options, writes.changes_to(options), writes.case.problem.cost(options).total)


def _curve(case: Case, found: Sequence[_Point], spread: _Point | None) -> MovesCurve:
    """Moves curve as it is stored in the plan; ``spread`` is the plan if services are spread after the last point."""
    gains = case.problem.gains([(point.max_moves, point.cost) for point in found])
    return MovesCurve(
        points=tuple(_entry(case, point, gains.share(point.cost)) for point in found),
        knee=gains.elbow,
        most_of_gain=gains.fewest_for(MOST_OF_GAIN),
        spread=None if spread is None else _entry(case, spread, gains.share(spread.cost)),
        gain_over="today" if gains.from_today or gains.fewest == 0 else "fewest_moves",
    )


def _cheapest_possible(point: _Point, known: Sequence[_Point]) -> _Point | None:
    """The point, with another known schedule of at most as many moves if that one costs less or can be carried out.

    Only the changes show whether rules between VMs hold after every write. None if no schedule can be carried out.
    """
    fitting = (point, *(other for other in known if other.max_moves <= point.max_moves))
    cheapest = min((other for other in fitting if not other.diff.stuck), key=lambda other: other.cost, default=None)
    return None if cheapest is None else replace(cheapest, max_moves=point.max_moves, bound=point.bound)


def _verify(estate: Estate, case: Case, point: _Point) -> None:
    """Verify a point like a plan of its own.

    Raises
    ------
    VerificationError
        The point did not pass, which is a bug.
    """
    _, met = service_occupancy(case.inventory, point.options)
    claims = Claims(
        cost=point.cost,
        overlaps=float(expected_overlaps(case.inventory, point.options).sum()),
        weighted_overlaps=float(weighted_overlaps(case.inventory, point.options, case.problem.instance.weight).sum()),
        working_hours_starts=working_hours_starts(case.inventory, case.rules.working_hours, point.options),
        peak=int(met.max(initial=0)),
        bound=point.bound,
    )
    limited = replace(case, rules=case.rules.model_copy(update={"max_moves": point.max_moves}))
    starts = [format_start(option) for option in point.options.tolist()]
    require_verified(to_check(estate, limited, starts, point.diff.changes), claims)


def _entry(case: Case, point: _Point, gain_share: float) -> MovesPoint:
    instance, cost = case.problem.instance, case.problem.cost(point.options)
    return MovesPoint(
        max_moves=point.max_moves,
        moved=cost.num_moves,
        policy_writes=cost.writes,
        at_risk_per_month=_round(float(instance.risk[np.arange(instance.num_vms), point.options].sum())),
        overlaps_per_month=_round(cost.overlaps),
        cost=_round(cost.total),
        bound=_round(point.bound),
        gain_share=_round(gain_share),
    )


def _round(value: float) -> float:
    return round(value, 6)
