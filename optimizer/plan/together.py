"""Services whose start windows overlap, the cost of spreading them, and the services that a plan spreads.

A service of two or more VMs is backed up *all at once* if some half hour of the week lies in the start windows of all
its VMs, and its snapshots can overlap. It is *spread* if every two of its VMs start at least two hours apart, or if
its start windows no longer all overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer.documents import ServiceTogether, SpreadingVerdict
from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.occupancy import (
    expected_overlaps,
    item_services,
    items_by_pattern,
    service_occupancy,
    service_starts,
    weighted_overlaps,
)
from optimizer.model.pattern import ClockReading, Pattern
from optimizer.model.timegrid import format_slot
from optimizer.model.weights import weight_levels
from optimizer.plan.case import Case
from optimizer.solve import Solved

NOTHING = 1e-6
"""Differences of cost below this are rounding."""

MOST_PRICED = 20
"""Maximum number of services to price for the list: each takes a tenth of a second to a second."""

MOST_SPREAD = 5
"""Largest service that is priced if only some of its start windows overlap. One of this size is priced in a twentieth
of a second, and one of 6 VMs or more takes up to half a second; in most services of that size some windows overlap.
"""

MOST_TRIED = 300
"""Maximum number of times that a plan tries to spread a service, which takes a sixth of a second: an estate of 10,000
VMs whose moves are limited may leave hundreds of services all at once."""

CLOSE = 3
"""If windows cannot be kept apart, VMs of a service are kept from starting less than this many half hours apart."""


def services_together(case: Case, options: IntArray, seed: int = 0) -> tuple[ServiceTogether, ...]:
    """List the services whose start windows overlap in a schedule.

    Services that are backed up all at once come first, then those in which only some windows overlap. Within each
    kind, the services with the costliest overlaps come first. The first :data:`MOST_PRICED` services are priced,
    except for those of more than :data:`MOST_SPREAD` VMs in which only some windows overlap.

    Parameters
    ----------
    case
        Case of the estate and its rules.
    options
        Shape (V,): start option of each VM.
    seed
        Random seed of CP-SAT.
    """
    state = _Services(case)
    names, sizes = state.names, state.sizes
    met, overlaps, at_once = state.overlapping(options)
    costs = state.overlap_costs(weighted_overlaps(case.inventory, options, case.problem.instance.weight))
    same_start = service_starts(case.inventory, options).max(axis=1, initial=0) == sizes
    most = met.max(axis=1, initial=0)
    found = []
    concerned = np.flatnonzero(at_once | (overlaps > NOTHING))
    in_order = sorted(concerned.tolist(), key=lambda g: (not at_once[g], -costs[g], names[g]))
    left_to_price = MOST_PRICED
    for g in in_order:
        all_at_once, price = bool(at_once[g]), _Price("not priced")
        if left_to_price and (all_at_once or sizes[g] <= MOST_SPREAD):
            price = state.price(options, g, seed, can_split=all_at_once)
            left_to_price -= 1
        found.append(
            ServiceTogether(
                service=names[g],
                vms=int(sizes[g]),
                same_start=bool(same_start[g]),
                at_once=None if all_at_once else int(most[g]),
                at=format_slot(int(met[g].argmax())),
                overlaps_per_month=round(float(overlaps[g]), 6),
                overlaps_cost=round(float(costs[g]), 6),
                spreading=price.verdict,
                spreading_costs=price.costs,
                spreading_proven=price.proven,
            )
        )
    return tuple(found)


def spread_where_it_pays(case: Case, options: IntArray, seed: int = 0) -> IntArray:
    """Spread each service that is backed up all at once, if spreading it costs less than ``all_at_once``.

    For each such service, three ways are tried in this order while all other services stay as they are. The first
    way that costs less is used. Services with many overlaps come first, and at most :data:`MOST_TRIED` attempts are
    made.

    1. The cheapest way to start every two VMs at least two hours apart.
    2. A way in which the start windows do not all overlap.
    3. If the second does not exist, a way in which the VMs do not all start within less than 90 minutes.

    Parameters
    ----------
    case
        Case of the estate and its rules.
    options
        Shape (V,): a schedule that keeps every rule.
    seed
        Random seed of CP-SAT.

    Returns
    -------
    numpy.ndarray
        Shape (V,): the new schedule, or ``options`` if there is no such service.
    """
    state, tried, left, done = _Services(case), options, MOST_TRIED, False
    while not done:
        done = True
        for g in state.together(tried)[:left]:
            left -= 1
            better = state.spread(tried, g, seed)
            if better is not None:
                tried, done = better, False  # it may create a policy that makes spreading other services cheaper
    return tried


def spread_services(case: Case, result: Solved, seed: int) -> Solved:
    """Spread the services in the schedule of a result; see :func:`spread_where_it_pays`.

    Parameters
    ----------
    case
        Case of the estate and its rules.
    result
        A schedule that keeps every rule.
    seed
        Random seed of CP-SAT.
    """
    options = spread_where_it_pays(case, result.options, seed)
    if options is result.options:
        return result
    return result.with_services_spread(case.problem.instance, options)


@dataclass(frozen=True, slots=True)
class _Price:
    """Price of spreading a service; see :class:`ServiceTogether`."""

    verdict: SpreadingVerdict
    costs: float | None = None
    proven: bool = True


@dataclass(frozen=True)
class _Services:
    """Services of a case, numbered by their sorted names."""

    case: Case

    @cached_property
    def _numbered(self) -> tuple[tuple[str, ...], IntArray]:
        return item_services(self.case.inventory)

    @property
    def names(self) -> tuple[str, ...]:
        return self._numbered[0]

    @cached_property
    def sizes(self) -> IntArray:
        return np.bincount(self._numbered[1], minlength=len(self.names))

    @cached_property
    def _patterns(self) -> tuple[Pattern, ...]:
        """Pattern of each VM."""
        of_row = {
            row: pattern for pattern, rows in items_by_pattern(self.case.inventory).items() for row in rows.tolist()
        }
        return tuple(of_row[row] for row in range(len(of_row)))

    @cached_property
    def _windows(self) -> dict[Pattern, BoolArray]:
        """Half hours that the start windows of each pattern touch at each option; shape (48, 336)."""
        return {pattern: pattern.occupancy() for pattern in set(self._patterns)}

    @cached_property
    def _close(self) -> dict[Pattern, BoolArray]:
        """The first :data:`CLOSE` half hours after the starts of each pattern at each option, for both UTC offsets."""
        return {
            pattern: np.logical_or.reduce([pattern.slots_from_start(CLOSE, reading) for reading in ClockReading])
            for pattern in set(self._patterns)
        }

    def members(self, g: int) -> IntArray:
        return np.flatnonzero(self._numbered[1] == g)

    def overlapping(self, options: IntArray) -> tuple[IntArray, FloatArray, BoolArray]:
        """Overlaps of the backups of each service in a schedule.

        Returns
        -------
        numpy.ndarray, numpy.ndarray, numpy.ndarray
            Number of start windows in each half hour of the week, shape (num_services, 336); expected overlapping
            snapshots per 30 days; and whether the service is backed up all at once, as this module defines it.
        """
        _, met = service_occupancy(self.case.inventory, options)
        overlaps = expected_overlaps(self.case.inventory, options)
        return met, overlaps, (met.max(axis=1, initial=0) == self.sizes) & (overlaps > 0)

    def together(self, options: IntArray) -> list[int]:
        """Services that are backed up all at once, those with the most overlaps first."""
        _, overlaps, at_once = self.overlapping(options)
        return sorted(np.flatnonzero(at_once).tolist(), key=lambda g: -overlaps[g])

    def overlap_costs(self, weighted: FloatArray) -> FloatArray:
        """Cost of the overlaps of each service."""
        prices, each = self.case.rules.prices, np.zeros(len(self.sizes))
        for g in np.flatnonzero(self.sizes > 1).tolist():
            timing = self.case.inventory.service_timing[self.names[g]]
            each[g] = timing.price_per_overlap(prices.snapshot_overlap, prices.all_at_once, int(self.sizes[g]))
        return weighted * each

    def price(self, options: IntArray, g: int, seed: int, *, can_split: bool) -> _Price:
        """Price of spreading a service, even if only a limit on the whole plan rules it out.

        ``can_split``: whether the service may also be spread by keeping its start windows from all overlapping.
        """
        limited = self.case.problem.instance
        unlimited = replace(limited, max_moves=None, write_limits=())
        if_found: SpreadingVerdict = "priced"
        verdict: SpreadingVerdict = "impossible"
        for instance in (limited, unlimited):
            service = self.case.problem.with_instance(instance).service(options, self.members(g), seed)
            answers = [service.apart()]
            if can_split:
                answers.append(service.split(self._taken(self._windows, service.members)))
            ways = [answer.found.price for answer in answers if answer.found is not None]
            if ways:
                return _Price(if_found, round(min(ways), 6) + 0.0, service.is_cheapest(answers))
            verdict = "not found" if any(answer.is_open for answer in answers) else "impossible"
            if limited.max_moves is None and not limited.write_limits:
                break
            if_found = "over a limit"
        return _Price(verdict)

    def spread(self, options: IntArray, g: int, seed: int) -> IntArray | None:
        """Schedule that spreads a service for less than the price of leaving it all at once, or None."""
        service = self.case.problem.service(options, self.members(g), seed)
        most = self._price_of_all_at_once(service.members) - NOTHING
        windows, close = (self._taken(table, service.members) for table in (self._windows, self._close))
        for way in service.ways(windows, close, most):
            if way.price < most or way.change < -NOTHING:
                return way.options
        return None

    def _taken(self, table: dict[Pattern, BoolArray], members: IntArray) -> BoolArray:
        return np.stack([table[self._patterns[v]] for v in members.tolist()])

    def _price_of_all_at_once(self, members: IntArray) -> float:
        """``all_at_once`` times the mean, over all pairs of VMs, of the smaller of the two weights."""
        pairs, weighted = len(members) * (len(members) - 1), 0.0
        for step, heavy in weight_levels(self.case.problem.instance.weight[members]):
            weighted += step * int(heavy.sum()) * (int(heavy.sum()) - 1)
        return self.case.rules.prices.all_at_once * weighted / pairs
