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
from optimizer.plan.make.carried_out import in_stages, spread_in_order
from optimizer.plan.make.compose import changes_to, known_policies, to_check
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
    found: list[_Point] = []
    clock = search.clock()
    plan = _drafted(estate, case, result.cost.num_moves, result.bound, result.options)
    points = [*case.problem.trace_moves(result, search, progress)]
    for done, point in enumerate(points):
        drafted = _drafted(estate, case, point.max_moves, point.bound, point.options)
        if drafted.diff.stuck and not clock.over():
            drafted = _in_order(estate, case, drafted, search, clock.left())
        checked = _checked(estate, case, drafted, (plan, *found[-1:]))
        found += [] if checked is None else [checked]
        progress("verify moves", done + 1, len(points))
    if not found or plan.cost < found[-1].cost - result.spreading_costs - LEAST_GAIN:
        found.append(plan)  # cheaper schedules with fewer moves cannot be carried out
    last, most = found[-1], case.problem.instance.max_moves
    # A bound for this number of moves, or for more, also bounds the plan, which may not have more moves.
    proven = [point.bound for point in points if most is not None and point.max_moves >= most]
    bound = min(max([result.bound, *proven]), last.cost)
    ended = result.with_schedule(case.problem.instance, last.options, bound)
    spread = spread_in_order(case, ended, search.seed, known_policies(estate))
    written = _drafted(estate, case, spread.cost.num_moves, bound, spread.options)
    return _curve(case, found, None if spread is ended else written), spread


def _in_order(estate: Estate, case: Case, point: _Point, search: Search, left: float | None) -> _Point:
    """A point with a schedule that has an order of writes, because its own has none, if such a schedule is found."""
    instance = replace(case.problem.instance, max_moves=point.max_moves)
    limited = replace(case, problem=case.problem.with_instance(instance))
    options, bound = in_stages(limited, point.options, point.diff.stuck, known_policies(estate), search, left)
    if options is None:
        return point
    return _drafted(estate, case, point.max_moves, max(point.bound, bound), options)


def _drafted(estate: Estate, case: Case, max_moves: int, bound: float, options: IntArray) -> _Point:
    diff = changes_to(case, options, known_policies(estate))
    return _Point(max_moves, bound, options, diff, case.problem.cost(options).total)


def _curve(case: Case, found: Sequence[_Point], spread: _Point | None) -> MovesCurve:
    """Moves curve as it is stored in the plan; ``spread`` is the plan if services are spread after the last point."""
    gains = case.problem.gains([(point.max_moves, point.cost) for point in found])
    return MovesCurve(
        points=tuple(_entry(case, point, gains.share(point.cost)) for point in found),
        knee=gains.knee,
        most_of_gain=gains.fewest_for(MOST_OF_GAIN),
        spread=None if spread is None else _entry(case, spread, gains.share(spread.cost)),
        gain_over="today" if gains.from_today or gains.fewest == 0 else "fewest_moves",
    )


def _checked(estate: Estate, case: Case, point: _Point, known: Sequence[_Point]) -> _Point | None:
    """Verified point, with another known schedule of at most as many moves if that one costs less.

    Only the changes show whether rules between VMs hold after every write.  None if no schedule can be carried out.
    """
    fitting = [point, *(one for one in known if one.max_moves <= point.max_moves)]
    possible = [one for one in fitting if not one.diff.stuck]
    if not possible:
        return None
    cheapest = min(possible, key=lambda one: one.cost)
    best = replace(cheapest, max_moves=point.max_moves, bound=point.bound)
    _, met = service_occupancy(case.inventory, best.options)
    claims = Claims(
        cost=best.cost,
        overlaps=float(expected_overlaps(case.inventory, best.options).sum()),
        weighted_overlaps=float(weighted_overlaps(case.inventory, best.options, case.problem.instance.weight).sum()),
        working_hours_starts=working_hours_starts(case.inventory, case.rules.working_hours, best.options),
        peak=int(met.max(initial=0)),
        bound=point.bound,
    )
    limited = replace(case, rules=case.rules.model_copy(update={"max_moves": point.max_moves}))
    starts = [format_start(option) for option in best.options.tolist()]
    require_verified(to_check(estate, limited, starts, best.diff), claims)
    return best


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
