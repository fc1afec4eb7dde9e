"""Services with VMs that are backed up at once, and what it would cost to spread them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.model.overlap import price_per_overlap
from optimizer.model.rules import Prices
from optimizer.plan.audit import format_slot
from optimizer.plan.case import Case
from optimizer.plan.occupancy import (
    FloatArray,
    IntArray,
    expected_overlaps,
    item_services,
    service_occupancy,
    service_starts,
    weighted_overlaps,
)
from optimizer.plan.together_document import ServiceTogether, SpreadingVerdict
from optimizer.solve.instance import BoolArray, Instance
from optimizer.solve.spreading import spread

NOTHING = 1e-6
"""Differences of cost below this are rounding."""

MOST_PRICED = 20
"""Maximum number of services to price: each takes a tenth of a second."""

MOST_SPREAD = 5
"""Largest service that is listed if only some of its start windows overlap.  One of this size is priced in a twentieth
of a second, and one of 6 VMs or more takes up to half a second; in most services of that size some windows overlap.
"""


def services_together(case: Case, options: IntArray, seed: int = 0) -> tuple[ServiceTogether, ...]:
    """List the services whose start windows overlap in a schedule.

    First come those whose windows all overlap, then smaller ones in which some do although the rules allow to start
    all VMs at least two hours apart; of each kind those with the costliest overlaps first.  At most
    :data:`MOST_PRICED` services are priced; those that would come after them are listed only if all windows overlap.

    Parameters
    ----------
    case
        What was asked.
    options
        Shape (V,): start option of each VM.
    seed
        Random seed of CP-SAT.
    """
    names, service = item_services(case.inventory)
    sizes = np.bincount(service, minlength=len(names))
    _, met = service_occupancy(case.inventory, options, case.snapshot_minutes)
    overlaps = expected_overlaps(case.inventory, options)
    weighted = weighted_overlaps(case.inventory, options, case.instance.weight)
    costs = _overlap_costs(weighted, sizes, case.rules.prices)
    at_once = same_start(case, options)
    most = met.max(axis=1, initial=0)
    found = []
    concerned = np.flatnonzero((overlaps > 0) & ((most == sizes) | (sizes <= MOST_SPREAD)))
    in_order = sorted(concerned.tolist(), key=lambda g: (most[g] < sizes[g], -costs[g], names[g]))
    for place, g in enumerate(in_order):
        verdict, costs_to_spread = _price(case, options, np.flatnonzero(service == g), seed, place)
        if most[g] < sizes[g] and costs_to_spread is None:
            continue
        found.append(
            ServiceTogether(
                service=names[g],
                vms=int(sizes[g]),
                same_start=bool(at_once[g]),
                at_once=None if most[g] == sizes[g] else int(most[g]),
                at=format_slot(int(met[g].argmax())),
                overlaps_per_month=round(float(overlaps[g]), 6),
                overlaps_cost=round(float(costs[g]), 6),
                spreading=verdict,
                spreading_costs=costs_to_spread,
            )
        )
    return tuple(found)


def _price(
    case: Case, options: IntArray, members: IntArray, seed: int, place: int
) -> tuple[SpreadingVerdict, float | None]:
    """What spreading a service costs, also where only a limit on the whole plan is in the way."""
    if place >= MOST_PRICED:
        return "not priced", None
    limited = case.instance
    unlimited = replace(limited, max_moves=None, write_limits=())
    verdicts: tuple[tuple[SpreadingVerdict, Instance], ...] = (("priced", limited), ("over a limit", unlimited))
    for verdict, instance in verdicts:
        answer = spread(instance, options, members, seed)
        if answer is not None:
            return verdict, round(answer.price, 6) + 0.0
        if limited.max_moves is None and not limited.write_limits:
            break
    return "impossible", None


def same_start(case: Case, options: IntArray) -> BoolArray:
    """Whether all VMs of a service of two or more start in one half hour; shape (num_services,), by sorted name."""
    names, service = item_services(case.inventory)
    sizes = np.bincount(service, minlength=len(names))
    starts = service_starts(case.inventory, options)
    together: BoolArray = np.logical_and(sizes > 1, starts.max(axis=1, initial=0) == sizes)
    return together


def _overlap_costs(weighted: FloatArray, sizes: IntArray, prices: Prices) -> FloatArray:
    each = np.zeros(len(sizes))
    for g in np.flatnonzero(sizes > 1).tolist():
        each[g] = price_per_overlap(prices.snapshot_overlap, prices.all_at_once, int(sizes[g]))
    return weighted * each


def spread_where_it_pays(case: Case, options: IntArray, seed: int = 0) -> IntArray:
    """A schedule in which no service starts all at once although spreading it, all others kept, would cost less.

    Parameters
    ----------
    case
        What was asked.
    options
        Shape (V,): a schedule that keeps every rule.
    seed
        Random seed of CP-SAT.

    Returns
    -------
    numpy.ndarray
        Shape (V,): the same schedule where there is no such service.
    """
    _, service = item_services(case.inventory)
    tried, done = options, False
    while not done:
        done = True
        for g in np.flatnonzero(same_start(case, tried)).tolist():
            found = spread(case.instance, tried, np.flatnonzero(service == g), seed)
            if found is not None and found.price < found.saves - NOTHING:
                tried, done = found.options, False  # a policy that it needs may make spreading others cheaper
    return tried
