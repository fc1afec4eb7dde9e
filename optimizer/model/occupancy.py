"""Overlapping snapshots and start windows per service, and backups per half hour.

These figures are for people. They are computed directly from the inventory and share no code with the solver's model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.pattern import ClockReading, Pattern
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    NUM_OPTIONS,
    SLOTS_PER_DAY,
    SLOTS_PER_WEEK,
)
from optimizer.model.weights import weight_levels
from optimizer.model.working_hours import WorkingHours


def starts_today(inventory: Inventory) -> IntArray:
    """Start option of every item today; shape (num_items,)."""
    return np.array([inventory.policy(item).start for item in inventory.items], dtype=np.int64)


def item_services(inventory: Inventory) -> tuple[tuple[str, ...], IntArray]:
    """Sorted names of the services, and the number of each item's service; shape (num_items,)."""
    of_item = [inventory.vm(item).service_name for item in inventory.items]
    names = tuple(sorted(set(of_item)))
    number = {name: index for index, name in enumerate(names)}
    return names, np.array([number[name] for name in of_item], dtype=np.int64)


def items_by_pattern(inventory: Inventory) -> dict[Pattern, IntArray]:
    """Rows of the items that share a recurrence, the UTC offsets of their zone, and the timing of their snapshots."""
    known: dict[tuple[object, str, SnapshotTiming], Pattern] = {}
    rows: dict[Pattern, list[int]] = {}
    for row, item in enumerate(inventory.items):
        policy = inventory.policy(item)
        key = (policy.recurrence, policy.timezone, inventory.timing(policy))
        if key not in known:
            known[key] = inventory.pattern(policy)
        rows.setdefault(known[key], []).append(row)
    return {pattern: np.array(of_pattern, dtype=np.int64) for pattern, of_pattern in rows.items()}


def service_occupancy(inventory: Inventory, starts: IntArray) -> tuple[tuple[str, ...], IntArray]:
    """Number of VMs of each service whose start windows touch each half hour of the week.

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item in the zone of its policy.

    Returns
    -------
    names, occupancy
        Sorted names of the services, and ``n[g, s]`` of shape (num_services, 336); slots are half hours of the UTC
        week.
    """
    names, service = item_services(inventory)
    occupancy = np.zeros((len(names), SLOTS_PER_WEEK), dtype=np.int64)
    for pattern, rows in items_by_pattern(inventory).items():
        windows = pattern.occupancy().astype(np.int64)
        np.add.at(occupancy, service[rows], windows[starts[rows]])
    return names, occupancy


def expected_overlaps(inventory: Inventory, starts: IntArray) -> FloatArray:
    """Expected overlapping snapshots of each service per 30 days; shape (num_services,), in the order of sorted names.

    Every two runs of VMs of one service count with the probability that their snapshots overlap. If clocks may have
    two UTC offsets, the result is the mean of both counts.

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item in the zone of its policy.
    """
    _, service = item_services(inventory)
    return count_overlaps(service, items_by_pattern(inventory), starts, overlap_by_service(inventory))


def exact_overlaps(inventory: Inventory, starts: IntArray) -> float:
    """Expected overlapping snapshots of all services per 30 days, by the exact probability.

    :func:`expected_overlaps` counts by the approximation that has a price.

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item in the zone of its policy.
    """
    return float(exact_service_overlaps(inventory, starts).sum())


def exact_service_overlaps(inventory: Inventory, starts: IntArray) -> FloatArray:
    """Expected overlapping snapshots of each service per 30 days, by the exact probability; shape (num_services,).

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item in the zone of its policy.
    """
    names, service = item_services(inventory)
    probability = _padded([inventory.service_timing[name].exact_overlap for name in names])
    return count_overlaps(service, items_by_pattern(inventory), starts, probability)


def weighted_overlaps(inventory: Inventory, starts: IntArray, weights: FloatArray) -> FloatArray:
    """Expected overlaps of each service, each multiplied by the smaller weight of its two VMs; shape (num_services,).

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item in the zone of its policy.
    weights
        Shape (num_items,): see :func:`optimizer.model.weights.item_weights`.
    """
    names, service = item_services(inventory)
    patterns, total = items_by_pattern(inventory), np.zeros(len(names))
    probability = overlap_by_service(inventory)
    for step, heavy in weight_levels(weights):
        chosen = {pattern: rows[heavy[rows]] for pattern, rows in patterns.items()}
        total += step * count_overlaps(service, chosen, starts, probability)
    return total


def count_overlaps(
    service: IntArray,
    patterns: Mapping[Pattern, IntArray],
    starts: IntArray,
    probability: FloatArray,
) -> FloatArray:
    """Expected overlapping snapshots of each service per 30 days; shape (num_services,).

    Parameters
    ----------
    service
        Shape (num_items,): number of each item's service.
    patterns
        Rows of the items of each pattern.
    starts
        Shape (num_items,): start option of every item.
    probability
        Shape (num_services, n): probability that two snapshots of a service overlap, by the number of half hours
        between their scheduled starts.
    """
    pairs = np.zeros(int(service.max(initial=-1)) + 1)
    for reading in ClockReading:
        runs = _count_starts(service, patterns, starts, reading)
        pairs += probability[:, 0] * (runs * (runs - 1) / 2).sum(axis=1)
        for distance in range(1, probability.shape[1]):
            pairs += probability[:, distance] * (runs * np.roll(runs, -distance, axis=1)).sum(axis=1)
    monthly: FloatArray = pairs * HORIZON_DAYS / 7 / len(ClockReading)
    return monthly


def overlap_by_service(inventory: Inventory) -> FloatArray:
    """Priced probability that two snapshots of a service overlap, by service and distance in half hours.

    Returns
    -------
    numpy.ndarray
        Shape (num_services, n), in the order of sorted names; see
        :attr:`optimizer.model.snapshot_timing.SnapshotTiming.overlap`.
    """
    names, _ = item_services(inventory)
    return _padded([inventory.service_timing[name].overlap for name in names])


def _padded(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Rows of several lengths as an array, with zeros at their ends."""
    padded = np.zeros((len(rows), max(map(len, rows), default=1)))
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded


def service_starts(inventory: Inventory, starts: IntArray) -> IntArray:
    """Runs of each service that start in each half hour of the UTC week, by sorted name; shape (num_services, 336).

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item.
    """
    _, service = item_services(inventory)
    return _count_starts(service, items_by_pattern(inventory), starts, ClockReading.NOW)


def _count_starts(
    service: IntArray, patterns: Mapping[Pattern, IntArray], starts: IntArray, reading: ClockReading
) -> IntArray:
    """Runs of each service per half hour of the UTC week, for one UTC offset; shape (num_services, 336)."""
    runs = np.zeros((int(service.max(initial=-1)) + 1, SLOTS_PER_WEEK), dtype=np.int64)
    for pattern, rows in patterns.items():
        slots = np.array([pattern.start_slots(option, reading) for option in range(NUM_OPTIONS)])
        np.add.at(runs, (service[rows][:, None], slots[starts[rows]]), 1)
    return runs


def windows_met(inventory: Inventory, starts: IntArray, row: int) -> IntArray:
    """Largest number of overlapping windows of an item's service within the item's own window, by option; shape (48,).

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item.
    row
        Row of the item, whose windows are examined at every option. The item itself counts.
    """
    _, service = item_services(inventory)
    met = np.zeros(SLOTS_PER_WEEK, dtype=np.int64)
    own = np.zeros((SLOTS_PER_DAY, SLOTS_PER_WEEK), dtype=np.bool_)
    for pattern, rows in items_by_pattern(inventory).items():
        windows = pattern.occupancy()
        others = rows[(service[rows] == service[row]) & (rows != row)]
        met += windows[starts[others]].sum(axis=0)
        if row in rows:
            own = windows
    most: IntArray = np.where(own, met + 1, 1).max(axis=1)
    return most


def working_hours_starts(inventory: Inventory, hours: WorkingHours, starts: IntArray) -> float:
    """Expected number of backups per 30 days that start in working hours, on the clock of each VM's policy.

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item.
    """
    by_option = (hours.starts(inventory.policy(item).recurrence, inventory.timing(item)) for item in inventory.items)
    return sum(float(expected[start]) for expected, start in zip(by_option, starts.tolist(), strict=True))


def typical_day(occupancy: IntArray) -> IntArray:
    """Largest number of overlapping windows per half hour of a UTC day over all weekdays; shape (num_services, 48)."""
    most: IntArray = occupancy.reshape(len(occupancy), 7, SLOTS_PER_DAY).max(axis=1)
    return most


def spread_over_starts(inventory: Inventory, starts: IntArray, weights: FloatArray) -> FloatArray:
    """Weights of the items, each spread evenly over the half hours of the week in which the item's runs start.

    Parameters
    ----------
    starts
        Shape (num_items,): start option of every item.
    weights
        Shape (num_items,): for example, the risk of every item.

    Returns
    -------
    numpy.ndarray
        Shape (336,): sums per half hour of the UTC week, at the offset of the start of the horizon. Their total is
        ``weights.sum()``.
    """
    total = np.zeros(SLOTS_PER_WEEK)
    for pattern, rows in items_by_pattern(inventory).items():
        of_option = np.bincount(starts[rows], weights=weights[rows], minlength=SLOTS_PER_DAY)
        for option in np.flatnonzero(of_option):
            slots = pattern.start_slots(int(option))
            np.add.at(total, slots, of_option[option] / len(slots))
    return total


def starts_per_slot(inventory: Inventory, starts: IntArray) -> FloatArray:
    """Number of backups that start in each half hour of the UTC week; shape (336,)."""
    runs = [inventory.policy(item).recurrence.runs_per_week for item in inventory.items]
    return spread_over_starts(inventory, starts, np.array(runs, dtype=np.float64))
