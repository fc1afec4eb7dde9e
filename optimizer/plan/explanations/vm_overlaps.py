"""Expected overlaps of one VM with the other VMs of its service, at each start that it could have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import item_services, items_by_pattern, overlap_by_service
from optimizer.model.pattern import ClockReading, Pattern
from optimizer.model.timegrid import HORIZON_DAYS, NUM_OPTIONS, SLOTS_PER_WEEK


class _Place(NamedTuple):
    """Pattern and clock reading that determine a VM's runs near each of its possible starts."""

    pattern: Pattern
    reading: ClockReading


class VmOverlaps:
    """Expected overlaps of single VMs in a schedule, counted like those of services.

    Parameters
    ----------
    inventory
        What is protected.
    starts
        Shape (num_items,): start option of every item.
    """

    def __init__(self, inventory: Inventory, starts: IntArray) -> None:
        names, self._service = item_services(inventory)
        self._starts = starts
        self._pattern: dict[int, Pattern] = {}
        self._slots: dict[_Place, IntArray] = {}
        self._own: dict[tuple[_Place, int], FloatArray] = {}
        runs = {reading: np.zeros((len(names), SLOTS_PER_WEEK)) for reading in ClockReading}
        for pattern, rows in items_by_pattern(inventory).items():
            self._pattern |= dict.fromkeys(rows.tolist(), pattern)
            for reading in ClockReading:
                slots = np.array([pattern.start_slots(option, reading) for option in range(NUM_OPTIONS)])
                self._slots[_Place(pattern, reading)] = slots
                np.add.at(runs[reading], (self._service[rows][:, None], slots[starts[rows]]), 1)
        self._probability = overlap_by_service(inventory)
        self._nearby = {reading: _expected_nearby(counts, self._probability) for reading, counts in runs.items()}

    def of(self, row: int) -> FloatArray:
        """Expected overlaps per 30 days of one VM at each option while all others stay; shape (48,)."""
        total = np.zeros(NUM_OPTIONS)
        for reading in ClockReading:
            place = _Place(self._pattern[row], reading)
            met = self._nearby[reading][self._service[row]][self._slots[place]].sum(axis=1)
            total += met - self._with_itself(place, row)
        return total * HORIZON_DAYS / 7 / len(ClockReading)

    def _with_itself(self, place: _Place, row: int) -> FloatArray:
        """Overlaps at each option that come from the VM's own runs at its present start; shape (48,)."""
        start, service = int(self._starts[row]), int(self._service[row])
        if (place, start) not in self._own:
            runs = np.zeros((1, SLOTS_PER_WEEK))
            runs[0, self._slots[place][start]] = 1
            self._own[place, start] = _expected_nearby(runs, self._probability[service : service + 1])[0][
                self._slots[place]
            ].sum(axis=1)
        return self._own[place, start]


def _expected_nearby(runs: FloatArray, probability: FloatArray) -> FloatArray:
    """Expected number of runs that a run in each half hour overlaps with; shape (num_services, 336), as ``runs``.

    ``probability`` is the result of :func:`~optimizer.model.occupancy.overlap_by_service` for these services.
    """
    nearby: FloatArray = probability[:, :1] * runs
    for distance in range(1, probability.shape[1]):
        around = np.roll(runs, distance, axis=1) + np.roll(runs, -distance, axis=1)
        nearby += probability[:, distance : distance + 1] * around
    return nearby
